// Package api is the Assistant as a versioned JSON API over HTTP: the Service
// that programs use, the handler that serves it, and a Client that is a Service
// again, so that a caller cannot tell whether it works in the process that holds
// the store or against a running server.
package api

import (
	"context"
	"encoding/json"
	"time"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/agent/approval"
	"github.com/sous-hq/sous/agent/audit"
	"github.com/sous-hq/sous/agent/loop"
	"github.com/sous-hq/sous/memory"
	"github.com/sous-hq/sous/memory/ingest"
)

// Turns accepts requests and shows what becomes of them. *loop.Assistant is one.
// A turn or effect the actor may not see is NotFound.
type Turns interface {
	// Accept records the event and starts its turn; see loop.Assistant.
	Accept(ctx context.Context, by agent.Actor, in loop.Incoming) (loop.Acceptance, error)
	// Upload stores a file; the zero place is a conversation with by alone.
	Upload(ctx context.Context, by agent.Actor, place agent.Place, name, media string, content []byte) (agent.FileRef, error)
	// View returns a turn with its steps, approvals and effects.
	View(ctx context.Context, by agent.Actor, id string) (loop.View, error)
	// Watch yields a turn's events after the given number. After the last one,
	// or when the stream cannot go on, ok is false: then View says where the
	// turn stands. The stream lives as long as ctx.
	Watch(ctx context.Context, by agent.Actor, id string, after int) (func() (loop.Event, bool), error)
	// Stop asks a turn to stop.
	Stop(ctx context.Context, by agent.Actor, id string) error
	// Undo orders the call that takes an effect back, as a turn of its own.
	Undo(ctx context.Context, by agent.Actor, key string) (loop.Acceptance, error)
}

// Approvals shows what waits for a decision and what was decided.
type Approvals interface {
	// ListApprovals lists those that the query selects and the actor may see,
	// oldest first.
	ListApprovals(ctx context.Context, by agent.Actor, q loop.ApprovalQuery) ([]approval.Approval, error)
	// ShowApproval returns one the actor may see or decide, in any state, else
	// NotFound.
	ShowApproval(ctx context.Context, by agent.Actor, id string) (approval.Approval, error)
	// About says what the call of an open approval touches, as far as the actor may
	// see it.
	About(ctx context.Context, by agent.Actor, id string) ([]agent.Note, error)
	// Colleagues lists those to whom the actor could hand it.
	Colleagues(ctx context.Context, by agent.Actor, id string) ([]agent.Actor, error)
	// Schema is the JSON Schema of a tool's arguments, nil for no tool.
	Schema(ctx context.Context, tool string) (json.RawMessage, error)
}

// Decisions takes what people do to approvals. The event of each is the id of the
// delivery that brings it, "" for none: the same again is no error.
type Decisions interface {
	// Answer records a yes or a no. The first decision counts; a later one is a
	// Conflict whose text names who decided, a late one Expired.
	Answer(ctx context.Context, by agent.Actor, in loop.Answer) (approval.Approval, error)
	// Edit asks for the call with other arguments; it returns what it supersedes.
	Edit(ctx context.Context, by agent.Actor, id string, args json.RawMessage, event string) (approval.Approval, error)
	// Delegate hands the actor's say to another person.
	Delegate(ctx context.Context, by agent.Actor, id string, to agent.ActorID, event string) (approval.Approval, error)
	// Note adds a question or an answer for all who see it.
	Note(ctx context.Context, by agent.Actor, id, text, event string) (approval.Approval, error)
}

// Records reads what Sous keeps.
type Records interface {
	// Tickets lists tickets the actor may read.
	Tickets(ctx context.Context, by agent.Actor, q agent.TicketQuery) ([]agent.Ticket, error)
	// Ticket returns one with its comments and history, else NotFound.
	Ticket(ctx context.Context, by agent.Actor, id string) (Ticket, error)
	// Memories lists what is remembered and this actor may recall: what fits the
	// query best, or the newest when it is empty. At most limit, 0 for 20.
	Memories(ctx context.Context, by agent.Actor, query string, limit int) ([]Memory, error)
	// Audit lists rows of the record, oldest first. Only an owner may read it;
	// others are Forbidden.
	Audit(ctx context.Context, by agent.Actor, f audit.Filter) ([]audit.Entry, error)
	// Info says what this Sous is made of.
	Info(ctx context.Context) (Info, error)
}

// Service is all a program can do with Sous. In the process that holds the
// store it is put together from the parts; elsewhere it is a Client.
type Service interface {
	Turns
	Approvals
	Decisions
	Letters
	Statuses
	Records
	Control
	Feedback
	Access
	Privacy
	ingest.Library
	Facts
	Vectors
}

// Ticket is a ticket with what was said and done on it, oldest first.
type Ticket struct {
	agent.Ticket
	Comments []agent.TicketComment `json:"comments,omitempty"`
	History  []agent.TicketChange  `json:"history,omitempty"`
}

// Memory is something remembered.
type Memory struct {
	ID string `json:"id"`
	// Kind is "minutes", "note" and the like.
	Kind  string `json:"kind,omitempty"`
	Title string `json:"title,omitempty"`
	Text  string `json:"text"`
	// Source names where it came from, for a citation; Link is the file, turn or
	// address itself.
	Source string    `json:"source,omitempty"`
	Link   string    `json:"link,omitempty"`
	At     time.Time `json:"at"`
	// Score ranks it for the query, higher is better; 0 without a query.
	Score float64 `json:"score,omitempty"`
	// Parts says what the score is made of; nil without a query.
	Parts *memory.Parts `json:"parts,omitempty"`
	Label agent.Label   `json:"label"`
}

// Info says what a running Sous is made of, in words for people.
type Info struct {
	Version string `json:"version"`
	// Store, Model and Slack say what is used, or why it is off.
	Store string `json:"store"`
	Model string `json:"model"`
	Slack string `json:"slack,omitempty"`
	// Address is where its web chat listens, empty when nobody serves one.
	Address string `json:"address,omitempty"`
	// Started is when the process started.
	Started time.Time `json:"started,omitzero"`
	// MaxUpload is the largest file accepted, in bytes.
	MaxUpload int64 `json:"max_upload,omitempty"`
	// Installs are the Slack workspaces the app was installed in by its own page.
	Installs []Install `json:"installs,omitempty"`
}

// Install is one of the places an app was installed in.
type Install struct {
	Team string `json:"team"`
	Name string `json:"name,omitempty"`
	// Enterprise is the organisation it belongs to; Org says that it is installed for
	// that as a whole.
	Enterprise string    `json:"enterprise,omitempty"`
	Org        bool      `json:"org,omitempty"`
	Bot        string    `json:"bot,omitempty"`
	Scopes     []string  `json:"scopes,omitempty"`
	At         time.Time `json:"at,omitzero"`
	// Expires is when its token ends unless it is renewed, zero for never.
	Expires time.Time `json:"expires,omitzero"`
	// Trouble says why it does not work there, "" when nothing is known to be wrong.
	Trouble string `json:"trouble,omitempty"`
}
