package loop

import (
	"context"
	"encoding/json"
	"time"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/agent/approval"
	"github.com/sous-hq/sous/agent/audit"
	"github.com/sous-hq/sous/agent/budget"
	"github.com/sous-hq/sous/tools"
)

// Ordered is a call a person ordered by a button instead of by words, such as
// an undo; the turn runs it without asking the model.
type Ordered struct {
	Tool string          `json:"tool"`
	Args json.RawMessage `json:"args"`
	// Why is shown as the turn's request.
	Why string `json:"why"`
	// Label is that of what the arguments were made from. Whoever presses the button
	// orders the call; the words in it stay whose they were.
	Label agent.Label `json:"label,omitzero"`
}

// made is the label that what is written by the call inherits; one that nobody gave
// is the worst that the place may hear. Without an order there is none.
func (o *Ordered) made(place agent.Place) agent.Label {
	switch {
	case o == nil:
		return agent.Label{}
	case o.Label.IsZero():
		return agent.Label{Integrity: agent.External, Readers: place.Readers()}
	}
	return o.Label
}

// Acceptance is what accepting an event came to.
type Acceptance struct {
	Turn agent.Turn
	// Duplicate says that the event had been accepted before; nothing changed.
	Duplicate bool
	// Start says that the turn is first in its conversation and now running;
	// otherwise it is queued behind another.
	Start bool
	// Answered is the id of the parked turn the message answers: then no turn
	// of its own was made and Turn is that turn.
	Answered string
	// First says that nothing was said in the conversation before.
	First bool
	// Other says of a duplicate that the event said something else when it was accepted.
	Other bool
}

// Finish is all that is recorded when a turn ends.
type Finish struct {
	Turn   agent.Turn
	Answer agent.Message
	// Steps are the visible steps; those the turn already has are left.
	Steps []agent.Step
	// Reads are the calls that only read, for the audit.
	Reads []audit.Entry
	// Refused is why a budget kept it from asking a model, "" when none did; it is
	// recorded.
	Refused string
	// CancelledBy is who ends a turn that was set aside, "" when it ends by itself:
	// Finish is then a Conflict unless it is still set aside, and has a row of its own.
	CancelledBy agent.ActorID
	// Kept says, when the turn ends, whether the journal holds steps of it to drop;
	// nil when nobody knows.
	Kept func() bool
}

// AnswerID is the id of a turn's answer among the messages.
func AnswerID(turn string) string { return turn + "/answer" }

// Shown is a turn with what belongs to it.
type Shown struct {
	agent.Turn
	Steps     []agent.Step        `json:"steps"`
	Approvals []approval.Approval `json:"approvals"`
	Effects   []Effect            `json:"effects"`
	// AnswerLabel is the label of the answer, the zero one before there is an answer.
	AnswerLabel agent.Label `json:"-"`
}

// Parked is what a turn that waits for people shows.
type Parked struct {
	// Question is what it asks its actor in words; "" when it waits for
	// decisions only.
	Question string
	// Answer is what it has said so far, and Artifacts what it has made.
	Answer    string
	Artifacts map[string]json.RawMessage
	// Steps are its visible steps, numbered from 1; a number the turn already has
	// is left as it is, so a replayed step adds nothing.
	Steps []agent.Step
	// Usage and Model are what it used of models so far.
	Usage agent.Usage
	Model string
	// Wake is when the turn has something to do at the latest.
	Wake time.Time
}

// Inbox takes events in, once each, and hands turns out in order.
type Inbox interface {
	// Accept stores the event's message and turn in one transaction with an
	// audit row; a turn that starts is carried by ReplicaOf(ctx). The same turn id again is a Duplicate. When the conversation
	// has a turn parked on a question to this actor and the event
	// orders nothing, the message is its answer: it is stored, a Signal of type
	// reply is sent to that turn, and no turn is made.
	Accept(ctx context.Context, t agent.Turn, m agent.Message, ordered *Ordered) (Acceptance, error)
	// Claim makes the oldest queued turn of the conversation running, carried by
	// ReplicaOf(ctx), and returns it, unless one is running already or none is queued (ok false).
	Claim(ctx context.Context, ws agent.WorkspaceID, conversation string) (t agent.Turn, ok bool, err error)
	// Unfinished lists the turns that have not ended, oldest first, of all
	// workspaces: what a starting process has to look after.
	Unfinished(ctx context.Context) ([]agent.Turn, error)
}

// Turns reads and moves turns. A turn of another workspace is NotFound.
type Turns interface {
	// Turn returns the turn, the message that asked and what was ordered, if
	// anything.
	Turn(ctx context.Context, ws agent.WorkspaceID, id string) (agent.Turn, agent.Message, *Ordered, error)
	// WholeTurn returns a turn with all that is shown of it.
	WholeTurn(ctx context.Context, ws agent.WorkspaceID, id string) (Shown, error)
	// Recent lists turns, newest first; conversation "" means all.
	Recent(ctx context.Context, ws agent.WorkspaceID, conversation string, limit int) ([]agent.Turn, error)
	// SetStatus moves a turn that has not ended; on one that has it is a no-op.
	SetStatus(ctx context.Context, ws agent.WorkspaceID, id string, s agent.TurnStatus) error
	// Park makes the turn wait, in one transaction with what it has to show
	// until then. A later Park replaces question, answer and artifacts. On an
	// ended turn it is a no-op.
	Park(ctx context.Context, ws agent.WorkspaceID, id string, p Parked) error
	// Steps lists the visible steps of a turn in order.
	Steps(ctx context.Context, ws agent.WorkspaceID, id string) ([]agent.Step, error)
	// Finish ends the turn in one transaction: answer message, steps, turn, audit rows;
	// its journal goes. Finishing an ended turn changes nothing. queued is false when no
	// turn of the conversation waits to be claimed.
	Finish(ctx context.Context, f Finish) (queued bool, err error)
}

// Conversations reads what was said.
type Conversations interface {
	// Messages returns the last limit messages, oldest first.
	Messages(ctx context.Context, ws agent.WorkspaceID, conversation string, limit int) ([]agent.Message, error)
	// Conversation returns one the actor takes part in, else NotFound.
	Conversation(ctx context.Context, by agent.Actor, id string) (Conversation, error)
	// Conversations lists those the actor takes part in, newest first.
	Conversations(ctx context.Context, by agent.Actor, limit int) ([]Conversation, error)
}

// Conversation is one thread of messages.
type Conversation struct {
	ID    string      `json:"id"`
	Title string      `json:"title"`
	Place agent.Place `json:"place"`
	Last  time.Time   `json:"last"`
}

// Files keeps what people drop.
type Files interface {
	// SaveFile stores the file; the same id again is a no-op.
	SaveFile(ctx context.Context, f agent.File) error
	// File returns a file the actor may read, else NotFound.
	File(ctx context.Context, by agent.Actor, id string) (agent.File, error)
}

// SignalType says what happened to a parked turn.
type SignalType string

// The signals.
const (
	// SignalDecided means an approval was decided.
	SignalDecided SignalType = "decided"
	// SignalReply means the person answered a question.
	SignalReply SignalType = "reply"
	// SignalStop means a person stopped the turn.
	SignalStop SignalType = "stop"
	// SignalTimeout means nothing came in time; it is never stored.
	SignalTimeout SignalType = "timeout"
)

// Signal wakes a parked turn.
type Signal struct {
	Type SignalType `json:"type"`
	// Approval and State are set for SignalDecided.
	Approval string         `json:"approval,omitempty"`
	State    approval.State `json:"state,omitempty"`
	// By and Text carry who did it and what they said.
	By   agent.ActorID `json:"by,omitempty"`
	Text string        `json:"text,omitempty"`
	// Outside says that a reply holds what somebody from outside wrote.
	Outside bool `json:"outside,omitempty"`
	// Args are the arguments to ask instead when somebody edited the call: JSON.
	// By is then the human who did, by whatever account.
	Args string `json:"args,omitempty"`
}

// Signals are durable messages to turns, numbered from 1 per turn and topic.
type Signals interface {
	// Send appends a signal; a stop with its audit row.
	Send(ctx context.Context, ws agent.WorkspaceID, turn, topic string, s Signal) error
	// Received returns the n-th signal, if it has come.
	Received(ctx context.Context, ws agent.WorkspaceID, turn, topic string, n int) (s Signal, ok bool, err error)
}

// Approvals keeps approvals. Concurrency lives in Change.
type Approvals interface {
	// Approval returns one; of another workspace it is NotFound.
	Approval(ctx context.Context, ws agent.WorkspaceID, id string) (approval.Approval, error)
	// Approvals lists them, oldest first.
	Approvals(ctx context.Context, ws agent.WorkspaceID, f ApprovalFilter) ([]approval.Approval, error)
	// Change applies a transition in one transaction with its audit row, by the
	// actor, and, when the state changed, a SignalDecided on InboxTopic to the
	// approval's turn. The approval is locked meanwhile: of many transitions at
	// once each sees what the one before it did, votes included. An error of the
	// transition changes nothing and is returned.
	Change(ctx context.Context, by agent.Actor, id string, f func(approval.Approval) (approval.Approval, error)) (approval.Approval, error)
}

// ApprovalFilter selects approvals; empty fields select all.
type ApprovalFilter struct {
	Turn   string
	States []approval.State
	// Tool is the name of the called tool, Requester the human who asked, by
	// whatever account; see agent.Actor.Human.
	Tool      string
	Requester agent.ActorID
	// Limit keeps the oldest, with Newest the newest; 0 for as many as the store
	// returns at once.
	Limit  int
	Newest bool
}

// EffectReader reads the ledger of effects.
type EffectReader interface {
	// Effects lists what a turn changed, in order.
	Effects(ctx context.Context, ws agent.WorkspaceID, turn string) ([]Effect, error)
	// Effect returns one by its key.
	Effect(ctx context.Context, ws agent.WorkspaceID, key string) (Effect, error)
}

// Effect is one row of the ledger, as people see it.
type Effect struct {
	Key      string        `json:"key"`
	Turn     string        `json:"turn"`
	Call     agent.Call    `json:"call"`
	Digest   string        `json:"digest"`
	Tier     agent.Tier    `json:"tier"`
	State    string        `json:"state"`
	Approval string        `json:"approval,omitempty"`
	Outcome  agent.Outcome `json:"outcome"`
	// UndoTool and UndoArgs are the prepared call that takes it back.
	UndoTool string          `json:"undo_tool,omitempty"`
	UndoArgs json.RawMessage `json:"undo_args,omitempty"`
	// UndoUntil is when the offer to take it back ends.
	UndoUntil time.Time `json:"undo_until,omitzero"`
	// Attempts counts the times it was about to run.
	Attempts  int       `json:"attempts,omitempty"`
	Intended  time.Time `json:"intended,omitzero"`
	SettledAt time.Time `json:"settled,omitzero"`
	// Resolution is set when a person found out what became of it.
	Resolution *Resolution `json:"resolution,omitempty"`
}

// CanUndo reports whether the offer to take the effect back stands.
func (e Effect) CanUndo(now time.Time) bool {
	return e.UndoTool != "" && e.State == string(tools.EffectDone) && now.Before(e.UndoUntil)
}

// Resolution is what a person found out about an effect nobody else could tell of.
type Resolution struct {
	By       agent.ActorID `json:"by"`
	Name     string        `json:"name,omitempty"`
	Happened bool          `json:"happened"`
	Note     string        `json:"note"`
	At       time.Time     `json:"at"`
}

// Who names the person for people.
func (r Resolution) Who() string {
	if r.Name != "" {
		return r.Name
	}
	return string(r.By)
}

// EffectFilter selects effects; empty fields select all.
type EffectFilter struct {
	Turn   string
	States []tools.EffectState
	// Limit keeps the newest; 0 for as many as the store returns at once.
	Limit int
}

// InboxTopic is the topic on which a turn receives its signals.
const InboxTopic = "inbox"

// Store is all the loop needs; each part is a promise of its own with its own
// suite.
type Store interface {
	Inbox
	Turns
	Conversations
	Files
	Signals
	Journal
	Letters
	Approvals
	EffectReader
	budget.Store
	audit.Reader
}
