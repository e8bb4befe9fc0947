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

// All returns the tools over a memory.
func All(m *memory.Memory) ([]tools.Tool, error) {
	if m == nil {
		return nil, errors.New("recall: a memory is required")
	}
	f := family{memory: m}
	var all []tools.Tool
	for _, declare := range []func() (tools.Tool, error){f.remember, f.recall, f.forget, f.restore} {
		t, err := declare()
		if err != nil {
			return nil, err
		}
		all = append(all, t)
	}
	return all, nil
}

type family struct{ memory *memory.Memory }

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
}

type recallOut struct {
	Hits []hit `json:"hits"`

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
			hits, err := f.memory.Recall(ctx, q)
			if err != nil {
				return recallOut{}, err
			}
			return shown(inv, hits), nil
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

// shown turns hits into the result and joins their labels. That nothing was
// found is the organisation's own knowledge, for the readers of the place.
func shown(inv tools.Invocation, hits []memory.Hit) recallOut {
	out := recallOut{Hits: make([]hit, len(hits))}
	out.label = agent.Label{Integrity: agent.Organisation, Readers: inv.Place.Readers(), Scanned: true}
	for n, h := range hits {
		label := h.Label().Join(agent.Label{
			Integrity: agent.Requester, Readers: agent.Readers{Scope: agent.Everybody}, Scanned: true, Sources: []string{h.Citation()},
		})
		if n == 0 {
			out.label = label
		} else {
			out.label = out.label.Join(label)
		}
		out.Hits[n] = hit{
			ID: h.Item.ID, Kind: string(h.Kind()), Title: h.Item.Title, Text: h.Chunk.Text, Quote: h.Chunk.Quote,
			Speaker: h.Chunk.Speaker, Time: h.Chunk.Position, Date: h.At().Format(time.DateOnly),
			Source: h.Item.Source, Score: float64(int(h.Score*1000)) / 1000, Citation: h.Citation(),
		}
	}
	return out
}
