package loop

import (
	"context"
	"slices"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/tools"
)

// texts returns what the model saw when it planned the calls, each text with its
// label, for the gate to find where arguments came from. It is rebuilt from the
// record, so a checkpoint need not hold it, and only when some call may have an
// effect or send something outside.
func (e *Effects) texts(ctx context.Context, t agent.Turn, asked agent.Message, in callsIn) ([]tools.Labelled, error) {
	if !slices.ContainsFunc(in.Calls, e.gated) {
		return nil, nil
	}
	history, err := e.history(ctx, t, in.Start)
	if err != nil {
		return nil, err
	}
	seen := []tools.Labelled{{Text: asked.Text, Label: asked.Label}}
	for _, f := range asked.Files {
		seen = append(seen, tools.Labelled{Text: f.Name, Label: fileName(f, asked)})
	}
	// Messages that came while the turn was parked were not seen. When there are
	// so many that the request is out of sight, none counts as seen.
	if slices.ContainsFunc(history, func(m agent.Message) bool { return m.ID == asked.ID }) {
		for _, m := range before(history, asked) {
			seen = append(seen, tools.Labelled{Text: m.Text, Label: heard(m, asked.Author)})
		}
	}
	for _, o := range in.Prior {
		if o.Status == agent.Done {
			seen = append(seen, tools.Labelled{Text: string(o.Result), Label: o.Label})
		}
	}
	return seen, nil
}

// gated reports whether the gate may do more with a call than let it read.
func (e *Effects) gated(c agent.Call) bool {
	tool, known := e.Executor.Tools().Get(c.Tool)
	s := tool.Spec()
	return known && (s.Tier != agent.TierRead || s.Egress || s.Private)
}

// heard is a message's label for the person who asks now: nobody else's words,
// Sous's included, are the requester's own.
func heard(m agent.Message, asker agent.Actor) agent.Label {
	l := m.Label
	if m.Author.ID != asker.ID || m.Author.Workspace != asker.Workspace {
		l.Integrity = min(l.Integrity, agent.Organisation)
	}
	return l
}

// fileName is the label of a file's name: it was chosen by whoever made the file.
func fileName(f agent.FileRef, asked agent.Message) agent.Label {
	return tools.Scanned(agent.Label{Integrity: agent.External, Readers: asked.Label.Readers, Sources: []string{f.Name}}, f.Name)
}
