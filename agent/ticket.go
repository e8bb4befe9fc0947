package agent

import "time"

// TicketStatus is where a ticket stands.
type TicketStatus string

// The statuses. Done means the work was finished, Closed that nobody will do it
// or that somebody ended it with a reason.
const (
	TicketOpen       TicketStatus = "open"
	TicketInProgress TicketStatus = "in_progress"
	TicketDone       TicketStatus = "done"
	TicketClosed     TicketStatus = "closed"
)

// Known reports whether the status is one of the four.
func (s TicketStatus) Known() bool {
	switch s {
	case TicketOpen, TicketInProgress, TicketDone, TicketClosed:
		return true
	}
	return false
}

// Ended reports whether nobody is expected to work on the ticket any more.
func (s TicketStatus) Ended() bool { return s == TicketDone || s == TicketClosed }

// Ticket is one piece of work in a tracker.
type Ticket struct {
	// ID is what people type, such as "T-12"; unique in the workspace.
	ID     string       `json:"id"`
	Title  string       `json:"title"`
	Body   string       `json:"body,omitempty"`
	Status TicketStatus `json:"status"`
	// Assignee is the name or id of a person, empty when nobody has it.
	Assignee string   `json:"assignee,omitempty"`
	Labels   []string `json:"labels,omitempty"`
	// Due is YYYY-MM-DD or empty.
	Due string `json:"due,omitempty"`
	// Links are permalinks of the source, or the evidence of a meeting in words.
	Links     []string  `json:"links,omitempty"`
	CreatedBy ActorID   `json:"created_by"`
	Created   time.Time `json:"created"`
	Updated   time.Time `json:"updated"`
	// URL opens the ticket in a browser; empty when the tracker has no page.
	URL string `json:"url,omitempty"`
	// Label is the join of all that was ever written into the ticket.
	Label Label `json:"label"`
}

// TicketComment is something said on a ticket. A retracted one stays, marked.
type TicketComment struct {
	// N counts the comments of one ticket from 1.
	N         int       `json:"n"`
	Author    ActorID   `json:"author"`
	Body      string    `json:"body"`
	At        time.Time `json:"at"`
	Retracted bool      `json:"retracted,omitempty"`
	Label     Label     `json:"label"`
}

// TicketChange is one row of a ticket's history.
type TicketChange struct {
	By ActorID   `json:"by"`
	At time.Time `json:"at"`
	// Field is "created", "assignee", "labels", "status", "comment" or
	// "retracted"; From and To are its values before and after.
	Field  string `json:"field"`
	From   string `json:"from,omitempty"`
	To     string `json:"to,omitempty"`
	Reason string `json:"reason,omitempty"`
}

// TicketQuery selects tickets.
type TicketQuery struct {
	// Text is matched against id, title and body; empty selects the newest.
	Text string
	// Statuses are those wanted; none means all.
	Statuses []TicketStatus
	// Limit is at most this many, 0 for 20.
	Limit int
}

// TicketDraft is what a new ticket is made from.
type TicketDraft struct {
	Title, Body, Assignee, Due string
	Labels, Links              []string
}

// TicketEdit is a ticket before and after a change; both are the same when
// there was nothing to change.
type TicketEdit struct {
	Before Ticket `json:"before"`
	After  Ticket `json:"after"`
}

// Write is who changes something in a store, under which idempotency key and
// with what label.
type Write struct {
	By Actor
	// Key is required. The same key again returns the first result and changes
	// nothing.
	Key   string
	Label Label
}

// RoutingCase is a request of which a person said what team it belongs to.
type RoutingCase struct {
	// ID is what people type, such as "R-4"; unique in the workspace.
	ID   string    `json:"id"`
	Text string    `json:"text"`
	Team string    `json:"team"`
	By   ActorID   `json:"by"`
	At   time.Time `json:"at"`
	// Label is what the text was written under.
	Label Label `json:"label"`
}
