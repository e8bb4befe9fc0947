// Package approval is a person's decision about one call: a value with
// transitions. The clock is an argument and the store is elsewhere, so every
// path through it can be tested without either.
//
//	asked ──Approve──▶ approved ──Spend──▶ spent
//	  ├─────Deny─────▶ denied
//	  └────Expire────▶ expired ◀── (approved, not run in time)
package approval

import (
	"crypto/sha256"
	"encoding/base32"
	"time"

	"github.com/sous-hq/sous/agent"
)

// State is where an approval stands. The zero value is Asked, which runs nothing.
type State string

// The states. Denied, Expired and Spent are final.
const (
	Asked    State = "asked"
	Approved State = "approved"
	Denied   State = "denied"
	Expired  State = "expired"
	Spent    State = "spent"
)

// Kind says whose decision it takes. The zero value is ByAnother.
type Kind string

const (
	// ByAnother is an approval: another person than the requester decides.
	ByAnother Kind = "approval"
	// ByRequester is a confirmation: the requester's own yes is enough.
	ByRequester Kind = "confirmation"
)

// RunWithin is how long after a yes the call may still start.
const RunWithin = time.Hour

// Approval is one decision about one call. It is bound to the call's digest
// and can be spent once.
type Approval struct {
	ID        string            `json:"id"`
	Workspace agent.WorkspaceID `json:"workspace"`
	Kind      Kind              `json:"kind"`
	State     State             `json:"state"`
	Call      agent.Call        `json:"call"`
	Digest    string            `json:"digest"`
	Tier      agent.Tier        `json:"tier"`
	Place     agent.Place       `json:"place"`
	// Reason and Rule say why it is asked; Undo what undoing would do.
	Reason string `json:"reason"`
	Rule   string `json:"rule"`
	Undo   string `json:"undo,omitempty"`
	// Marked names the arguments whose value came from untrusted text, Sources
	// where that text came from.
	Marked  []string `json:"marked,omitempty"`
	Sources []string `json:"sources,omitempty"`
	// Sole says that the workspace had one person when it was asked.
	Sole    bool      `json:"sole,omitempty"`
	Created time.Time `json:"created"`
	Expires time.Time `json:"expires"`

	DecidedBy   agent.ActorID `json:"decided_by,omitempty"`
	DecidedName string        `json:"decided_name,omitempty"`
	DecidedAt   time.Time     `json:"decided_at,omitzero"`
	// Comment is the decider's reason, which goes back to the model on a no.
	Comment string    `json:"comment,omitempty"`
	SpentAt time.Time `json:"spent_at,omitzero"`
}

// NewID returns the id of the approval for a call: eight letters that people
// can type, the same for the same call id and digest.
func NewID(call, digest string) string {
	sum := sha256.Sum256([]byte("approval\n" + call + "\n" + digest))
	return base32.StdEncoding.EncodeToString(sum[:5])
}

// MayDecide returns nil when the actor may say yes or no, else an error of kind
// Forbidden that says why not.
func (a Approval) MayDecide(by agent.Actor) error {
	requester := by.ID == a.Call.Actor.ID
	switch {
	case by.Workspace != a.Workspace:
		return agent.Errorf(agent.NotFound, "there is no approval %s", a.ID)
	case by.Kind != agent.Member:
		return agent.Errorf(agent.Forbidden, "only members of the workspace can decide")
	case a.Kind == ByRequester && !requester:
		return agent.Errorf(agent.Forbidden, "only %s can confirm this", display(a.Call.Actor))
	case a.Kind != ByRequester && requester && (!a.Sole || !by.Owner):
		return agent.Errorf(agent.Forbidden, "you cannot approve your own request; another person has to")
	}
	return nil
}

// Approve returns the approval with a yes. Saying yes again is a Conflict.
func (a Approval) Approve(by agent.Actor, now time.Time) (Approval, error) {
	return a.decide(by, Approved, "", now)
}

// Deny returns the approval with a no and its reason.
func (a Approval) Deny(by agent.Actor, comment string, now time.Time) (Approval, error) {
	return a.decide(by, Denied, comment, now)
}

func (a Approval) decide(by agent.Actor, to State, comment string, now time.Time) (Approval, error) {
	if err := a.MayDecide(by); err != nil {
		return a, err
	}
	if a.State != Asked {
		return a, a.closed()
	}
	if !now.Before(a.Expires) {
		return a, agent.Errorf(agent.Expired, "approval %s expired at %s", a.ID, a.Expires.Format(time.RFC3339))
	}
	a.State, a.Comment = to, comment
	a.DecidedBy, a.DecidedName, a.DecidedAt = by.ID, by.Name, now
	return a, nil
}

// Expire closes an approval whose time has passed: one nobody decided, or one
// that was approved and not run within RunWithin. Before that it is a Conflict.
func (a Approval) Expire(now time.Time) (Approval, error) {
	switch {
	case a.State == Asked && !now.Before(a.Expires),
		a.State == Approved && !now.Before(a.RunBefore()):
		a.State = Expired
		return a, nil
	case a.State == Asked || a.State == Approved:
		return a, agent.Errorf(agent.Conflict, "approval %s has not expired yet", a.ID)
	}
	return a, a.closed()
}

// RunBefore is when an approved call can no longer start.
func (a Approval) RunBefore() time.Time { return a.DecidedAt.Add(RunWithin) }

// Spend uses the approval up for a call with this digest. It succeeds once.
func (a Approval) Spend(digest string, now time.Time) (Approval, error) {
	switch {
	case a.State != Approved:
		return a, a.closed()
	case digest != a.Digest:
		return a, agent.Errorf(agent.Forbidden, "approval %s was given for another call", a.ID)
	case !now.Before(a.RunBefore()):
		return a, agent.Errorf(agent.Expired, "approval %s was not used in time", a.ID)
	}
	a.State, a.SpentAt = Spent, now
	return a, nil
}

// closed says what became of the approval, and by whom.
func (a Approval) closed() error {
	who := a.DecidedName
	if who == "" {
		who = string(a.DecidedBy)
	}
	switch a.State {
	case Approved, Spent:
		return agent.Errorf(agent.Conflict, "%s already approved this", who)
	case Denied:
		return agent.Errorf(agent.Conflict, "%s already denied this", who)
	case Expired:
		return agent.Errorf(agent.Expired, "approval %s has expired", a.ID)
	case Asked:
		return agent.Errorf(agent.Conflict, "approval %s has not been decided", a.ID)
	}
	return agent.Errorf(agent.Conflict, "approval %s is in no known state", a.ID)
}

func display(a agent.Actor) string {
	if a.Name != "" {
		return a.Name
	}
	return string(a.ID)
}
