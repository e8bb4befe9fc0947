package recall

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"time"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/memory"
	"github.com/sous-hq/sous/tools"
)

//go:embed *.md
var docs embed.FS

// timeout bounds one use of memory.
const timeout = 10 * time.Second

// Files gives stored files to those who may read them.
type Files interface {
	// File returns the file with its content. The error is of kind NotFound
	// when there is none or the actor may not read it.
	File(ctx context.Context, by agent.Actor, id string) (agent.File, error)
}

// Reader reads a document of its content; its errors say for people why it cannot
// be read.
type Reader interface {
	Read(ctx context.Context, name string, content []byte) (memory.Parsed, error)
}

// Threads gives what was said in conversations.
type Threads interface {
	// Thread returns the id of the conversation that a turn is of and what was said
	// in it before the turn's request, oldest first.
	Thread(ctx context.Context, by agent.Actor, turn string) (id string, said []agent.Message, err error)
}

// Config is what the tools work on; all of it is required.
type Config struct {
	Memory    *memory.Memory
	Files     Files
	Documents Reader
	Threads   Threads
}

// All returns the tools over a memory.
func All(c Config) ([]tools.Tool, error) {
	if c.Memory == nil || c.Files == nil || c.Documents == nil || c.Threads == nil {
		return nil, errors.New("recall: memory, files, documents and threads are required")
	}
	f := family{Config: c, memory: c.Memory}
	var all []tools.Tool
	for _, declare := range []func() (tools.Tool, error){f.remember, f.rememberFile, f.rememberThread, f.recall, f.forget, f.restore} {
		t, err := declare()
		if err != nil {
			return nil, err
		}
		all = append(all, t)
	}
	return all, nil
}

type family struct {
	Config

	memory *memory.Memory
}

// spec fills in what the tools share. All effects are keyed: remembering goes by
// the call's key, forgetting and restoring twice is the same as once.
func spec(name string, tier agent.Tier, undo string, control ...string) (tools.Spec, error) {
	doc, err := docs.ReadFile(name + ".md")
	if err != nil {
		return tools.Spec{}, fmt.Errorf("tool %s: %w", name, err)
	}
	return tools.Spec{
		Name: name, Doc: string(doc), Tier: tier, Timeout: timeout,
		Class: tools.Keyed, Control: control, Undo: undo,
	}, nil
}

type recallIn struct {
	Query string   `json:"query" jsonschema:"the question or the words to look for; empty for the newest"`
	Limit int      `json:"limit,omitempty" jsonschema:"at most this many passages, 1 to 50; 10 when left out"`
	Since string   `json:"since,omitempty" jsonschema:"only what was said on or after this day, YYYY-MM-DD"`
	Kinds []string `json:"kinds,omitempty" jsonschema:"only these kinds: fact, minutes, decision, action, question, transcript, document, thread, ticket"`
	// History asks for what facts took the place of.
	History bool `json:"history,omitempty" jsonschema:"true shows with each fact what it was before it was corrected"`
}

type recallOut struct {
	Hits []hit `json:"hits"`
	// Withheld counts passages that not everybody in the place may hear.
	Withheld int `json:"withheld,omitempty"`

	label agent.Label
}

// hit is one passage as the model and people see it.
type hit struct {
	ID       string  `json:"id"`
	Kind     string  `json:"kind"`
	Title    string  `json:"title,omitempty"`
	Text     string  `json:"text"`
	Quote    string  `json:"quote,omitempty"`
	Speaker  string  `json:"speaker,omitempty"`
	Time     string  `json:"time,omitempty"`
	Date     string  `json:"date,omitempty"`
	Source   string  `json:"source,omitempty"`
	Score    float64 `json:"score"`
	Citation string  `json:"citation"`
	// By and Where say who had it remembered and in what place, Mine that it was
	// the person who asks.
	By    string `json:"by,omitempty"`
	Where string `json:"where,omitempty"`
	Mine  bool   `json:"mine,omitempty"`
	// Against are statements that contradict it, Before what it took the place of,
	// newest first; each with its citation.
	Against []string `json:"disagrees_with,omitempty"`
	Before  []string `json:"before,omitempty"`
}

// maxHits is the most passages one call returns.
const maxHits = 50

func (f family) recall() (tools.Tool, error) {
	s, err := spec("recall", agent.TierRead, "")
	if err != nil {
		return tools.Tool{}, err
	}
	return tools.New(s, tools.Funcs[recallIn, recallOut]{
		Check: func(_ context.Context, inv tools.Invocation, in recallIn) error {
			_, err := in.query(inv)
			return err
		},
		Run: func(ctx context.Context, inv tools.Invocation, in recallIn) (recallOut, error) {
			q, err := in.query(inv)
			if err != nil {
				return recallOut{}, err
			}
			return f.find(ctx, inv, in, q)
		},
		Label: func(_ tools.Invocation, _ recallIn, out recallOut) agent.Label { return out.label },
	})
}

func (in recallIn) query(inv tools.Invocation) (memory.Query, error) {
	q := memory.Query{Reader: inv.By, Text: in.Query, Limit: in.Limit}
	if in.Limit < 0 || in.Limit > maxHits {
		return q, agent.Errorf(agent.Invalid, "limit must be between 1 and %d", maxHits)
	}
	if in.Since != "" {
		day, err := time.Parse(time.DateOnly, in.Since)
		if err != nil {
			return q, agent.Errorf(agent.Invalid, "since must be a day such as 2026-03-01")
		}
		q.Since = day
	}
	for _, k := range in.Kinds {
		if !memory.Kind(k).Known() {
			return q, agent.Errorf(agent.Invalid, "there is no kind of memory named %q; the kinds are %v", k, memory.Kinds())
		}
		q.Kinds = append(q.Kinds, memory.Kind(k))
	}
	return q, nil
}

// find recalls what everybody in the place may hear, each statement beside what
// contradicts it. What only the person who asks may read is counted, not told.
func (f family) find(ctx context.Context, inv tools.Invocation, in recallIn, q memory.Query) (recallOut, error) {
	most := q.Limit
	if most == 0 {
		most = memory.DefaultLimit
	}
	q.Limit = min(3*most, memory.MaxLimit)
	hits, err := f.memory.Recall(ctx, q)
	if err != nil {
		return recallOut{}, err
	}
	hits, withheld := tellable(inv.Place, hits)
	all, err := f.memory.Beside(ctx, inv.By, hits[:min(len(hits), most)])
	if err != nil {
		return recallOut{}, err
	}
	out := recallOut{Hits: []hit{}, Withheld: withheld}
	out.label = agent.Label{Integrity: agent.Organisation, Readers: inv.Place.Readers(), Scanned: true}
	places := make([]int, len(all)) // in the result, -1 for what is not told
	for n, s := range all {
		if places[n] = -1; !covers(inv.Place, s.Hit) {
			continue
		}
		places[n] = len(out.Hits)
		h := shown(s.Hit)
		h.Mine = s.Item.Kind == memory.Fact && s.Item.Author == inv.By.ID
		if in.History {
			if h.Before, err = f.before(ctx, inv, s.Item, &out.label); err != nil {
				return recallOut{}, err
			}
		}
		out.add(h, s.Hit)
	}
	for n, s := range all {
		for _, o := range s.Against {
			if places[n] >= 0 && places[o] >= 0 {
				out.Hits[places[n]].Against = append(out.Hits[places[n]].Against, quoted(all[o].Hit))
			}
		}
	}
	return out, nil
}

// add appends a passage and joins its label.
func (r *recallOut) add(h hit, of memory.Hit) {
	label := of.Label().Join(agent.Label{
		Integrity: agent.Requester, Readers: agent.Readers{Scope: agent.Everybody}, Scanned: true, Sources: []string{of.Citation()},
	})
	if len(r.Hits) > 0 {
		label = r.label.Join(label)
	}
	r.label, r.Hits = label, append(r.Hits, h)
}

// covers reports whether everybody who sees the place may read the passage.
func covers(place agent.Place, h memory.Hit) bool {
	return h.Label().Readers.Covers(place.Readers())
}

// tellable parts the passages that everybody in the place may hear from the rest.
func tellable(place agent.Place, hits []memory.Hit) (told []memory.Hit, withheld int) {
	for _, h := range hits {
		if covers(place, h) {
			told = append(told, h)
		} else {
			withheld++
		}
	}
	return told, withheld
}

// before lists the versions that an item took the place of. Their labels count.
func (f family) before(ctx context.Context, inv tools.Invocation, i memory.Item, label *agent.Label) ([]string, error) {
	if i.Supersedes == "" {
		return nil, nil
	}
	versions, err := f.memory.History(ctx, inv.By, i.ID)
	if err != nil {
		return nil, err
	}
	var out []string
	for _, v := range versions[1:] {
		h := memory.Hit{Item: v}
		if !covers(inv.Place, h) {
			break
		}
		h.Chunk.Text = v.Text()
		out = append(out, quoted(h))
		*label = label.Join(v.Label)
	}
	return out, nil
}

// quoted is a statement with its citation, as it stands beside another.
func quoted(h memory.Hit) string { return "“" + h.Chunk.Text + "” [" + h.Citation() + "]" }

// shown is a passage as people and models see it.
func shown(h memory.Hit) hit {
	out := hit{
		ID: h.Item.ID, Kind: string(h.Kind()), Title: h.Item.Title, Text: h.Chunk.Text, Quote: h.Chunk.Quote,
		Speaker: h.Chunk.Speaker, Time: h.Chunk.Position, Date: h.At().Format(time.DateOnly),
		Source: h.Item.Source, Score: float64(int(h.Score*1000)) / 1000, Citation: h.Citation(),
	}
	if h.Item.Kind == memory.Fact {
		out.By, out.Where = h.Item.AuthorName, h.Item.Where
	}
	return out
}
