// Package web is the web chat: pages rendered on the server, answers streamed as
// they are written, approval cards with working buttons. It needs no build step
// and loads nothing from elsewhere; sending, reading and deciding also work
// without JavaScript.
package web

import (
	"context"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/agent/approval"
	"github.com/sous-hq/sous/agent/loop"
)

// Desk is where requests are handed in and decisions given; *loop.Assistant is
// one. What the actor may not see is NotFound.
type Desk interface {
	Accept(ctx context.Context, by agent.Actor, in loop.Incoming) (loop.Acceptance, error)
	Upload(ctx context.Context, by agent.Actor, place agent.Place, name, media string, content []byte) (agent.FileRef, error)
	View(ctx context.Context, by agent.Actor, id string) (loop.View, error)
	Watch(ctx context.Context, by agent.Actor, id string, after int) (func() (loop.Event, bool), error)
	Stop(ctx context.Context, by agent.Actor, id string) error
	Undo(ctx context.Context, by agent.Actor, key string) (loop.Acceptance, error)
	Pending(ctx context.Context, by agent.Actor) ([]approval.Approval, error)
	Decide(ctx context.Context, by agent.Actor, id string, yes bool, comment string) (approval.Approval, error)
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

// Approvals finds one approval that the actor may see or decide, in any state.
type Approvals interface {
	ShowApproval(ctx context.Context, by agent.Actor, id string) (approval.Approval, error)
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

// Info is what the pages say of this Sous.
type Info struct {
	// Version, Model and Store are words for people.
	Version, Model, Store string
}
