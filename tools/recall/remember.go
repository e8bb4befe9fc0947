package recall

import (
	"context"
	"strings"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/memory"
	"github.com/sous-hq/sous/tools"
)

type rememberIn struct {
	Text  string `json:"text" jsonschema:"what to remember, as sentences that make sense on their own"`
	About string `json:"about,omitempty" jsonschema:"what it is about, in a few words"`
	// Corrects is the id of the fact that it takes the place of.
	Corrects string `json:"corrects,omitempty" jsonschema:"the id of the remembered fact that this corrects and takes the place of"`
}

// itemOut names the item that a call made or changed.
type itemOut struct {
	ID    string `json:"id"`
	Title string `json:"title,omitempty"`
	Text  string `json:"text"`
	// Replaced is what it took the place of, Against what contradicts it: each in
	// its words, with its citation.
	Replaced string   `json:"replaced,omitempty"`
	Against  []string `json:"disagrees_with,omitempty"`
	// Passages is how many passages a document or a thread has, Warnings what of
	// it could not be read.
	Passages int      `json:"passages,omitempty"`
	Warnings []string `json:"warnings,omitempty"`
	// Already says that it was remembered before, so nothing was changed.
	Already bool `json:"already,omitempty"`

	label agent.Label
}

// maxFactBytes bounds what one call remembers: a page of text.
const maxFactBytes = 8 << 10

func (f family) remember() (tools.Tool, error) {
	s, err := spec("remember", agent.TierWrite, "Forgets it again.")
	if err != nil {
		return tools.Tool{}, err
	}
	return tools.New(s, tools.Funcs[rememberIn, itemOut]{
		Check: f.checkFact,
		Run:   f.keepFact,
		About: func(ctx context.Context, by agent.Actor, in rememberIn) ([]agent.Note, error) {
			if in.Corrects == "" {
				return nil, nil
			}
			return f.about(ctx, by, in.Corrects)
		},
		Label: labelOf[rememberIn],
		Undo: func(in rememberIn, out itemOut) (string, any, bool) {
			if in.Corrects != "" {
				return "restore_memory", idIn{ID: in.Corrects}, true
			}
			return "forget", idIn{ID: out.ID}, !out.Already
		},
	})
}

// checkFact refuses what cannot be remembered, or not in place of what it names.
func (f family) checkFact(ctx context.Context, inv tools.Invocation, in rememberIn) error {
	if err := in.check(inv); err != nil || in.Corrects == "" {
		return err
	}
	old, err := f.memory.MayCorrect(ctx, inv.By, in.Corrects, factLabel(inv).Readers)
	if err == nil && old.Kind != memory.Fact {
		err = agent.Errorf(agent.Invalid, "only what somebody asked to have remembered can be corrected; remember the new state instead")
	}
	if err != nil || old.SupersededBy == "" {
		return err
	}
	// This call may be the one that corrected it, when its outcome was lost.
	if done, err := f.memory.Has(ctx, factOf(inv, in)); err != nil || done {
		return err
	}
	return memory.ErrCorrected()
}

// factOf is the item that the call remembers.
func factOf(inv tools.Invocation, in rememberIn) memory.Item {
	return memory.Item{
		Workspace: inv.By.Workspace, Kind: memory.Fact, Title: in.About, Source: "turn:" + inv.Turn,
		Author: inv.By.ID, AuthorName: inv.By.Name, Place: inv.Place.ID, Where: Where(inv.Place), Label: factLabel(inv),
		Key: inv.Key, Supersedes: in.Corrects, Chunks: memory.Split(in.Text),
	}
}

func (f family) keepFact(ctx context.Context, inv tools.Invocation, in rememberIn) (itemOut, error) {
	if err := in.check(inv); err != nil {
		return itemOut{}, err
	}
	i, already, err := f.remembered(ctx, inv.By, factOf(inv, in))
	if err == nil && !already {
		i, err = f.memory.Remember(ctx, factOf(inv, in))
	}
	out, err := outOf(i, err)
	if err != nil {
		return out, err
	}
	out.Already = already
	return f.compared(ctx, inv, i, out)
}

// remembered returns the fact that says what i says, by the same person for the
// same people, when there is one and i, which another call remembers, is not
// stored itself.
func (f family) remembered(ctx context.Context, by agent.Actor, i memory.Item) (was memory.Item, ok bool, err error) {
	if i.Supersedes != "" {
		return was, false, nil
	}
	if stored, err := f.memory.Has(ctx, i); err != nil || stored {
		return was, false, err
	}
	said := strings.Join(strings.Fields(i.Text()), " ")
	hits, err := f.memory.Recall(ctx, memory.Query{Reader: by, Text: said, Kinds: []memory.Kind{memory.Fact}, Limit: memory.DefaultLimit})
	for _, h := range hits {
		same := h.Item.Author == i.Author && h.Item.Place == i.Place && h.Item.Label.Integrity == i.Label.Integrity &&
			h.Item.Label.Readers.Covers(i.Label.Readers) && i.Label.Readers.Covers(h.Item.Label.Readers)
		if !same {
			continue
		}
		if was, err = f.memory.Get(ctx, by, h.Item.ID); err != nil || strings.Join(strings.Fields(was.Text()), " ") == said {
			return was, err == nil, err
		}
	}
	return memory.Item{}, false, err
}

// compared adds to a fact just remembered what it took the place of and what
// contradicts it, as far as everybody in the place may hear it.
func (f family) compared(ctx context.Context, inv tools.Invocation, i memory.Item, out itemOut) (itemOut, error) {
	tell := func(h memory.Hit) (string, bool) {
		if !covers(inv.Place, h) {
			return "", false
		}
		out.label = out.label.Join(h.Label())
		return quoted(h), true
	}
	if i.Supersedes != "" {
		if old, err := f.memory.Get(ctx, inv.By, i.Supersedes); err == nil {
			out.Replaced, _ = tell(memory.Hit{Item: old, Chunk: memory.Chunk{Text: old.Text()}})
		}
	}
	var own []memory.Hit
	for _, c := range i.Chunks {
		own = append(own, memory.Hit{Item: i, Chunk: c})
	}
	all, err := f.memory.Beside(ctx, inv.By, own)
	if err != nil {
		return itemOut{}, err
	}
	for _, s := range all {
		if s.Item.ID == i.ID {
			continue
		}
		if text, ok := tell(s.Hit); ok {
			out.Against = append(out.Against, text)
		}
	}
	return out, nil
}

// Where says for people what place it is. Names of channels are not said: whoever
// makes a channel chooses them.
func Where(p agent.Place) string {
	switch p.Kind {
	case agent.DM:
		return "a direct message"
	case agent.Private:
		return "a private channel"
	case agent.Public:
		return "an open channel"
	case agent.Shared, agent.UnknownPlace:
		return "a channel shared with others"
	}
	return ""
}

func (in rememberIn) check(inv tools.Invocation) error {
	switch {
	case len(memory.Split(in.Text)) == 0:
		return agent.Errorf(agent.Invalid, "there is no text to remember")
	case len(in.Text) > maxFactBytes:
		return agent.Errorf(agent.TooLarge, "what is to be remembered is longer than %d KiB", maxFactBytes>>10)
	case !factLabel(inv).Readers.Includes(inv.By):
		return agent.Errorf(agent.Forbidden, "you could not read again what would be remembered here")
	}
	return nil
}

// factLabel is the label of what is remembered: that of all the model saw when
// it wrote the words, for nobody but the readers of the place.
func factLabel(inv tools.Invocation) agent.Label {
	l := inv.Context.Kept()
	l.Readers = l.Readers.Intersect(inv.Place.Readers())
	return l
}

type idIn struct {
	ID string `json:"id" jsonschema:"the id of the remembered item"`
}

func (f family) forget() (tools.Tool, error) {
	return f.change("forget", "restore_memory", "Brings it back.", f.memory.Forget)
}

func (f family) restore() (tools.Tool, error) {
	return f.change("restore_memory", "forget", "Forgets it again.", func(ctx context.Context, by agent.Actor, id string) (memory.Item, error) {
		i, err := f.memory.Get(ctx, by, id)
		if err == nil && i.SupersededBy != "" {
			return f.memory.Revert(ctx, by, id)
		}
		return f.memory.Restore(ctx, by, id)
	})
}

// change declares a tool that forgets or restores an item; the tool named by
// inverse takes it back.
func (f family) change(name, inverse, undo string, do func(context.Context, agent.Actor, string) (memory.Item, error)) (tools.Tool, error) {
	s, err := spec(name, agent.TierWrite, undo, "id")
	if err != nil {
		return tools.Tool{}, err
	}
	return tools.New(s, tools.Funcs[idIn, itemOut]{
		Check: func(ctx context.Context, inv tools.Invocation, in idIn) error {
			_, err := f.memory.MayForget(ctx, inv.By, in.ID)
			return err
		},
		Run: func(ctx context.Context, inv tools.Invocation, in idIn) (itemOut, error) {
			return outOf(do(ctx, inv.By, in.ID))
		},
		About: func(ctx context.Context, by agent.Actor, in idIn) ([]agent.Note, error) {
			return f.about(ctx, by, in.ID)
		},
		Label: labelOf[idIn],
		Undo:  func(in idIn, _ itemOut) (string, any, bool) { return inverse, in, true },
	})
}

// maxAbout is how much of an item people are shown beside a call, in bytes.
const maxAbout = 4 << 10

// about is what is remembered under an id, for those who may read it.
func (f family) about(ctx context.Context, by agent.Actor, id string) ([]agent.Note, error) {
	i, err := f.memory.Get(ctx, by, id)
	switch {
	case agent.KindOf(err) == agent.NotFound:
		return nil, nil
	case err != nil:
		return nil, err
	}
	title, text := "Remembered", i.Text()
	if i.Title != "" {
		title += " about “" + i.Title + "”"
	}
	if len(text) > maxAbout {
		text = strings.ToValidUTF8(text[:maxAbout], "") + "…"
	}
	return []agent.Note{{Title: title, Text: text}}, nil
}

func outOf(i memory.Item, err error) (itemOut, error) {
	if err != nil {
		return itemOut{}, err
	}
	return itemOut{ID: i.ID, Title: i.Title, Text: i.Text(), label: i.Label}, nil
}

func labelOf[In any](_ tools.Invocation, _ In, out itemOut) agent.Label { return out.label }
