// Package web is the web console: the chat with its approval cards, a queue of
// decisions for each person, tickets, memory, effects and the record. Pages are
// rendered on the server, and answers streamed as they are written. It needs no
// build step and loads nothing from elsewhere; all but the streaming also works
// without JavaScript.
package web

import (
	"context"
	"encoding/json"
	"time"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/agent/approval"
	"github.com/sous-hq/sous/agent/audit"
	"github.com/sous-hq/sous/agent/loop"
	"github.com/sous-hq/sous/agent/pause"
)

// Desk is where requests are handed in; *loop.Assistant is one. What the actor
// may not see is NotFound.
type Desk interface {
	Accept(ctx context.Context, by agent.Actor, in loop.Incoming) (loop.Acceptance, error)
	Upload(ctx context.Context, by agent.Actor, place agent.Place, name, media string, content []byte) (agent.FileRef, error)
	View(ctx context.Context, by agent.Actor, id string) (loop.View, error)
	// Follow yields what happens in a conversation, and that approvals change.
	Follow(ctx context.Context, by agent.Actor, conversation string) func() (loop.Event, bool)
	Stop(ctx context.Context, by agent.Actor, id string) error
	Undo(ctx context.Context, by agent.Actor, key string) (loop.Acceptance, error)
}

// Approvals shows what waits for decisions and what was decided; *loop.Assistant
// is one.
type Approvals interface {
	ListApprovals(ctx context.Context, by agent.Actor, q loop.ApprovalQuery) ([]approval.Approval, error)
	// ShowApproval finds one that the actor may see or decide, in any state.
	ShowApproval(ctx context.Context, by agent.Actor, id string) (approval.Approval, error)
	// About says what an open approval's call touches, Colleagues to whom it could
	// be handed.
	About(ctx context.Context, by agent.Actor, id string) ([]agent.Note, error)
	Colleagues(ctx context.Context, by agent.Actor, id string) ([]agent.Actor, error)
	// Schema is the JSON Schema of a tool's arguments.
	Schema(ctx context.Context, tool string) (json.RawMessage, error)
}

// Decisions takes what people do to approvals, each with the id of the form it
// came by; *loop.Assistant is one.
type Decisions interface {
	Answer(ctx context.Context, by agent.Actor, in loop.Answer) (approval.Approval, error)
	Edit(ctx context.Context, by agent.Actor, id string, args json.RawMessage, event string) (approval.Approval, error)
	Delegate(ctx context.Context, by agent.Actor, id string, to agent.ActorID, event string) (approval.Approval, error)
	Note(ctx context.Context, by agent.Actor, id, text, event string) (approval.Approval, error)
}

// Threads reads conversations; loop.Store is one. It knows no readers, so the
// pages check who may see what it returns.
type Threads interface {
	// Conversations lists those the actor takes part in, newest first.
	Conversations(ctx context.Context, by agent.Actor, limit int) ([]loop.Conversation, error)
	// Recent lists a conversation's turns, newest first.
	Recent(ctx context.Context, ws agent.WorkspaceID, conversation string, limit int) ([]agent.Turn, error)
	// Messages returns the last limit messages, oldest first.
	Messages(ctx context.Context, ws agent.WorkspaceID, conversation string, limit int) ([]agent.Message, error)
}

// Tickets reads the tracker for those who may.
type Tickets interface {
	Tickets(ctx context.Context, by agent.Actor, q agent.TicketQuery) ([]agent.Ticket, error)
	Ticket(ctx context.Context, by agent.Actor, id string) (Ticket, error)
}

// Ticket is a ticket with what was said and done on it, oldest first.
type Ticket struct {
	agent.Ticket
	Comments []agent.TicketComment
	History  []agent.TicketChange
}

// Memory shows what is remembered to those who may read it, and forgets it.
type Memory interface {
	// Memories lists what fits the query best, or the newest when it is empty.
	Memories(ctx context.Context, by agent.Actor, query string, limit int) ([]Remembered, error)
	// Item returns one whole, forgotten or not, to those who may read it.
	Item(ctx context.Context, by agent.Actor, id string) (Remembered, error)
	// Forget makes recall pass an item over; Restore takes that back.
	Forget(ctx context.Context, by agent.Actor, id string) error
	Restore(ctx context.Context, by agent.Actor, id string) error
}

// Remembered is something remembered.
type Remembered struct {
	ID, Kind, Title, Text string
	// Source names where it came from.
	Source string
	At     time.Time
	Label  agent.Label
	// Forgotten says that recall passes it over.
	Forgotten bool
}

// Control shows what was changed and stops what goes on; see api.Control.
type Control interface {
	ListEffects(ctx context.Context, by agent.Actor, f loop.EffectFilter) ([]loop.Effect, error)
	ResolveEffect(ctx context.Context, by agent.Actor, key string, happened bool, note string) (loop.Effect, error)
	Pauses(ctx context.Context, by agent.Actor) ([]pause.Pause, error)
	Pause(ctx context.Context, by agent.Actor, s pause.Scope, target, reason string) (pause.Pause, error)
	Resume(ctx context.Context, by agent.Actor, s pause.Scope, target string) (pause.Pause, error)
}

// Stories explains from the record what was done: by an effect's key, or the id of
// a call, an approval, a turn or a ticket. Only an owner may hear them.
type Stories interface {
	Explain(ctx context.Context, by agent.Actor, id string) ([]audit.Story, error)
}

// Info is what the pages say of this Sous.
type Info struct {
	// Version, Model and Store are words for people.
	Version, Model, Store string
}
