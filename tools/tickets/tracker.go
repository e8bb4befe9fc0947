package tickets

import (
	"context"

	"github.com/sous-hq/sous/agent"
)

// Reader finds tickets. Everything is within one workspace: a ticket of another
// is NotFound.
type Reader interface {
	// Search returns tickets that share words with the query, the best first. A
	// query that is an id returns that ticket first. An empty text returns the
	// newest.
	Search(ctx context.Context, ws agent.WorkspaceID, q agent.TicketQuery) ([]agent.Ticket, error)
	// Ticket returns one ticket. "T-12", "t-12", "#12" and "12" are the same id.
	Ticket(ctx context.Context, ws agent.WorkspaceID, id string) (agent.Ticket, error)
	// Comments lists a ticket's comments, oldest first, retracted ones marked.
	Comments(ctx context.Context, ws agent.WorkspaceID, id string) ([]agent.TicketComment, error)
	// History lists a ticket's changes, oldest first.
	History(ctx context.Context, ws agent.WorkspaceID, id string) ([]agent.TicketChange, error)
	// CreatedWith returns the ticket that Create made under the key, if any.
	CreatedWith(ctx context.Context, ws agent.WorkspaceID, key string) (t agent.Ticket, found bool, err error)
}

// Writer changes tickets. Every write is atomic and takes an idempotency key:
// the same key again, also at the same moment, returns the first result and
// changes nothing; for another operation it is a Conflict. A write joins its
// label into the ticket's. An unknown ticket is NotFound.
type Writer interface {
	// Create makes an open ticket with the next id of the workspace.
	Create(ctx context.Context, w agent.Write, d agent.TicketDraft) (agent.Ticket, error)
	// Comment adds a comment with the next number of the ticket.
	Comment(ctx context.Context, w agent.Write, id, body string) (agent.TicketComment, error)
	// Retract marks the n-th comment as retracted, or takes the mark away; the
	// words stay. changed is false when it was so already. An unknown comment is
	// NotFound.
	Retract(ctx context.Context, w agent.Write, id string, n int, retracted bool) (c agent.TicketComment, changed bool, err error)
	// Assign gives the ticket to somebody; "" to nobody.
	Assign(ctx context.Context, w agent.Write, id, assignee string) (agent.TicketEdit, error)
	// Label adds and removes labels; labels are a sorted set.
	Label(ctx context.Context, w agent.Write, id string, add, remove []string) (agent.TicketEdit, error)
	// Transition moves the ticket to any status, with a reason or "".
	Transition(ctx context.Context, w agent.Write, id string, to agent.TicketStatus, reason string) (agent.TicketEdit, error)
}

// Tracker is a place where tickets live. Close and reopen are transitions.
type Tracker interface {
	Reader
	Writer
}
