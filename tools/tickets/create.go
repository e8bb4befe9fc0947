package tickets

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/tools"
)

type createIn struct {
	Title          string   `json:"title" jsonschema:"what is to be done, in one short line"`
	Body           string   `json:"body,omitempty" jsonschema:"details, with the words it came from"`
	Assignee       string   `json:"assignee,omitempty" jsonschema:"who does it; leave it out unless the source says so"`
	Labels         []string `json:"labels,omitempty" jsonschema:"labels, in lower case"`
	Due            string   `json:"due,omitempty" jsonschema:"the day it is due, YYYY-MM-DD; leave it out unless the source says so"`
	Source         string   `json:"source,omitempty" jsonschema:"where it comes from: a permalink, or meeting, time and quote"`
	NotDuplicateOf []string `json:"not_duplicate_of,omitempty" jsonschema:"ids of similar tickets you looked at and that are about something else"`
}

type createOut struct {
	view
	label agent.Label
}

// recently is how long an ended ticket still counts as a likely duplicate.
const recently = 30 * 24 * time.Hour

func (f family) create() (tools.Tool, error) {
	s, err := spec("ticket_create", agent.TierWrite, "Closes the ticket again, with the reason that it was undone.", "assignee")
	if err != nil {
		return tools.Tool{}, err
	}
	return tools.New(s, tools.Funcs[createIn, createOut]{
		Check: f.mayCreate,
		Run: func(ctx context.Context, inv tools.Invocation, in createIn) (createOut, error) {
			d, err := in.draft()
			if err != nil {
				return createOut{}, err
			}
			t, err := f.tracker.Create(ctx, write(inv), d)
			return createOut{viewOf(t), named(t)}, err
		},
		Label: func(_ tools.Invocation, _ createIn, out createOut) agent.Label { return out.label },
		Undo: func(_ createIn, out createOut) (string, any, bool) {
			return "ticket_close", closeIn{ID: out.ID, Reason: "undone: it should not have been filed"}, true
		},
	})
}

// draft checks the arguments.
func (in createIn) draft() (agent.TicketDraft, error) {
	d := agent.TicketDraft{Body: strings.TrimSpace(in.Body)}
	var err error
	if d.Title, err = line("the title", in.Title, maxTitle); err != nil {
		return d, err
	}
	if d.Assignee, err = line("the assignee", in.Assignee, maxName); err != nil {
		return d, err
	}
	if d.Labels, err = labels(in.Labels); err != nil {
		return d, err
	}
	switch {
	case d.Title == "":
		return d, agent.Errorf(agent.Invalid, "a ticket needs a title")
	case len(d.Body) > maxBody:
		return d, agent.Errorf(agent.Invalid, "the body is longer than %d KiB", maxBody>>10)
	case len(in.Source) > maxSource:
		return d, agent.Errorf(agent.Invalid, "the source is longer than %d KiB", maxSource>>10)
	}
	if in.Due != "" {
		if _, err := time.Parse(time.DateOnly, in.Due); err != nil {
			return d, agent.Errorf(agent.Invalid, "due must be a day like 2026-03-31, not %.40q", in.Due)
		}
		d.Due = in.Due
	}
	if s := strings.TrimSpace(in.Source); s != "" {
		d.Links = []string{s}
	}
	return d, nil
}

// mayCreate refuses a ticket that a model did not look for in this turn, and one
// that looks like another. The search is repeated now: a decision may have taken
// days.
func (f family) mayCreate(ctx context.Context, inv tools.Invocation, in createIn) error {
	if err := member(inv); err != nil {
		return err
	}
	d, err := in.draft()
	if err != nil {
		return err
	}
	// Another attempt of a call that has filed its ticket finds that ticket.
	if _, filed, err := f.tracker.CreatedWith(ctx, inv.By.Workspace, inv.Key); err != nil || filed {
		return err
	}
	at, ok := searched(inv.Prior, d.Title)
	if !ok && !inv.Edited {
		return agent.Errorf(agent.Invalid, "search for duplicates first: call ticket_search with the query %q and no status, then create", d.Title)
	}
	found, err := f.tracker.Search(ctx, inv.By.Workspace, agent.TicketQuery{Text: d.Title, Limit: candidates})
	if err != nil {
		return err
	}
	found = slices.DeleteFunc(found, func(t agent.Ticket) bool {
		return t.Created.After(at) && Similarity(d.Title, t.Title) < sameAt
	})
	return f.refuseDuplicate(found, d.Title, in.NotDuplicateOf)
}

// searched reports whether a recorded search of this turn, over all statuses,
// looked for the title, and when the last one did.
func searched(prior []agent.Outcome, title string) (at time.Time, ok bool) {
	for _, o := range prior {
		var out searchOut
		if o.Tool != "ticket_search" || o.Status != agent.Done || json.Unmarshal(o.Result, &out) != nil {
			continue
		}
		if out.Status == "" && covers(out.Query, title) {
			at, ok = out.At, true
		}
	}
	return at, ok
}

// refuseDuplicate offers the ticket that looks most like the title, unless the
// caller says that it is another matter.
func (f family) refuseDuplicate(found []agent.Ticket, title string, cleared []string) error {
	var best agent.Ticket
	most := 0.0
	for _, t := range found {
		old := t.Status.Ended() && f.now().Sub(t.Updated) > recently
		if old || slices.ContainsFunc(cleared, func(id string) bool { return sameID(id, t.ID) }) {
			continue
		}
		if s := Similarity(title, t.Title); s >= duplicateAt && s > most {
			best, most = t, s
		}
	}
	switch {
	case most == 0:
		return nil
	case best.Status.Ended():
		return agent.Errorf(agent.Conflict, "%s (%q, %s) looks the same; reopen it instead, or pass its id in not_duplicate_of", best.ID, best.Title, best.Status)
	}
	return agent.Errorf(agent.Conflict, "%s (%q, %s) looks the same; comment there instead, or pass its id in not_duplicate_of", best.ID, best.Title, best.Status)
}

// sameID compares ids the way people type them.
func sameID(a, b string) bool {
	bare := func(id string) string {
		id = strings.ToUpper(strings.TrimSpace(id))
		return strings.TrimPrefix(strings.TrimPrefix(id, "#"), "T-")
	}
	return bare(a) == bare(b)
}
