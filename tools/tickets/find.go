package tickets

import (
	"context"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/tools"
)

type searchIn struct {
	Query  string `json:"query" jsonschema:"the words to look for in titles and bodies, or a ticket id; empty lists the newest open tickets"`
	Status string `json:"status,omitempty" jsonschema:"only tickets of this status: open, in_progress, done, closed; leave it out for all"`
	Limit  int    `json:"limit,omitempty" jsonschema:"at most this many tickets, 1 to 50; 10 when left out"`
}

type searchOut struct {
	Query  string `json:"query"`
	Status string `json:"status,omitempty"`
	// At is when the tracker was searched.
	At    time.Time `json:"at"`
	Hits  []hit     `json:"hits"`
	label agent.Label
}

// hit is a found ticket with how alike its title and the query are.
type hit struct {
	view
	LikelyDuplicate float64 `json:"likely_duplicate"`
}

// candidates is how many tickets are compared with a text.
const candidates = 50

func (f family) search() (tools.Tool, error) {
	s, err := spec("ticket_search", agent.TierRead, "")
	if err != nil {
		return tools.Tool{}, err
	}
	return tools.New(s, tools.Funcs[searchIn, searchOut]{
		Check: func(_ context.Context, inv tools.Invocation, in searchIn) error {
			switch {
			case in.Status != "" && !agent.TicketStatus(in.Status).Known():
				return agent.Errorf(agent.Invalid, "there is no status %.40q; it is one of open, in_progress, done, closed", in.Status)
			case in.Limit < 0 || in.Limit > candidates:
				return agent.Errorf(agent.Invalid, "limit is 1 to %d", candidates)
			}
			return member(inv)
		},
		Run: func(ctx context.Context, inv tools.Invocation, in searchIn) (searchOut, error) {
			return f.find(ctx, inv.By.Workspace, in)
		},
		Label: func(_ tools.Invocation, _ searchIn, out searchOut) agent.Label { return out.label },
	})
}

// find returns the hits, likely duplicates first.
func (f family) find(ctx context.Context, ws agent.WorkspaceID, in searchIn) (searchOut, error) {
	q := agent.TicketQuery{Text: strings.TrimSpace(in.Query), Limit: candidates}
	switch {
	case in.Status != "":
		q.Statuses = []agent.TicketStatus{agent.TicketStatus(in.Status)}
	case q.Text == "":
		q.Statuses = []agent.TicketStatus{agent.TicketOpen, agent.TicketInProgress}
	}
	found, err := f.tracker.Search(ctx, ws, q)
	if err != nil {
		return searchOut{}, err
	}
	alike := func(t agent.Ticket) float64 { return math.Round(100*Similarity(q.Text, t.Title)) / 100 }
	slices.SortStableFunc(found, func(a, b agent.Ticket) int {
		return rank(alike(b)) - rank(alike(a))
	})
	if in.Limit == 0 {
		in.Limit = 10
	}
	out := searchOut{Query: in.Query, Status: in.Status, At: f.now().UTC(), Hits: []hit{}}
	out.label = agent.Label{Integrity: agent.Organisation, Readers: workspace()}
	for i, t := range found[:min(len(found), in.Limit)] {
		out.Hits = append(out.Hits, hit{viewOf(t), alike(t)})
		if i == 0 {
			out.label = named(t)
		}
		out.label = out.label.Join(named(t))
	}
	return out, nil
}

// rank is a similarity in percent when it marks a duplicate, else 0: below the
// mark the tracker's own order is the better one.
func rank(similarity float64) int {
	if similarity < duplicateAt {
		return 0
	}
	return int(100 * similarity)
}

type getIn struct {
	ID string `json:"id" jsonschema:"the ticket's id, such as T-12"`
}

type getOut struct {
	view
	Body     string               `json:"body,omitempty"`
	Links    []string             `json:"links,omitempty"`
	Comments []commentView        `json:"comments,omitempty"`
	History  []agent.TicketChange `json:"history,omitempty"`
	label    agent.Label
}

type commentView struct {
	N         int           `json:"n"`
	Author    agent.ActorID `json:"author"`
	At        time.Time     `json:"at"`
	Body      string        `json:"body"`
	Retracted bool          `json:"retracted,omitempty"`
}

func (f family) get() (tools.Tool, error) {
	s, err := spec("ticket_get", agent.TierRead, "", "id")
	if err != nil {
		return tools.Tool{}, err
	}
	return tools.New(s, tools.Funcs[getIn, getOut]{
		Check: func(_ context.Context, inv tools.Invocation, _ getIn) error { return member(inv) },
		Run: func(ctx context.Context, inv tools.Invocation, in getIn) (getOut, error) {
			return f.whole(ctx, inv.By.Workspace, in.ID)
		},
		Label: func(_ tools.Invocation, _ getIn, out getOut) agent.Label { return out.label },
	})
}

// whole returns all of a ticket. Its label already holds those of its comments.
func (f family) whole(ctx context.Context, ws agent.WorkspaceID, id string) (getOut, error) {
	t, err := f.tracker.Ticket(ctx, ws, id)
	if err != nil {
		return getOut{}, err
	}
	out := getOut{view: viewOf(t), Body: t.Body, Links: t.Links, label: named(t)}
	comments, err := f.tracker.Comments(ctx, ws, id)
	if err != nil {
		return getOut{}, err
	}
	for _, c := range comments {
		out.Comments = append(out.Comments, commentView{c.N, c.Author, c.At, c.Body, c.Retracted})
	}
	out.History, err = f.tracker.History(ctx, ws, id)
	return out, err
}
