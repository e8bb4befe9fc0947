package approval

import (
	"encoding/json"
	"slices"
	"strings"
	"time"

	"github.com/sous-hq/sous/agent"
)

// The bounds of what is said about an approval.
const (
	maxNotes = 100
	maxNote  = 4000
)

// Decision is one person's yes or no.
type Decision struct {
	// By is who decides, as the directory knows them now.
	By  agent.Actor
	Yes bool
	// Comment is the reason for a no.
	Comment string
	// Event is the id of the delivery that brings it, such as the click's; the
	// same again changes nothing and is no error. "" means there is none.
	Event string
	At    time.Time
}

// Approve returns the approval with a yes. Saying yes again is a Conflict.
func (a Approval) Approve(by agent.Actor, now time.Time) (Approval, error) {
	return a.Decide(Decision{By: by, Yes: true, At: now})
}

// Deny returns the approval with a no and its reason.
func (a Approval) Deny(by agent.Actor, comment string, now time.Time) (Approval, error) {
	return a.Decide(Decision{By: by, Comment: comment, At: now})
}

// Decide returns the approval with a decision: it is approved when as many
// different people as it needs have said yes, and denied by a single no. Deciding
// too late is Expired, deciding what is decided a Conflict that says who was first.
func (a Approval) Decide(d Decision) (Approval, error) {
	if err := a.MayDecide(d.By); err != nil {
		return a, err
	}
	if a.heard(d) {
		return a, nil
	}
	if err := a.open(d.At); err != nil {
		return a, err
	}
	state := Denied
	if d.Yes {
		if a.voted(d.By) {
			return a, agent.Errorf(agent.Conflict, "you already approved this; %d of %d have", len(a.Votes), a.Needs())
		}
		a.Votes = append(slices.Clone(a.Votes), Vote{By: d.By.ID, Person: d.By.Human(), Name: d.By.Name, At: d.At, Event: d.Event})
		if len(a.Votes) < a.Needs() {
			return a, nil
		}
		state, d.Comment = Approved, ""
	}
	a.end(state, d.By, d.At)
	a.Comment, a.Event = d.Comment, d.Event
	return a, nil
}

// end closes the approval in somebody's name.
func (a *Approval) end(s State, by agent.Actor, now time.Time) {
	a.State, a.DecidedBy, a.DecidedName, a.DecidedAt = s, by.ID, by.Name, now
}

// heard reports whether this very delivery was taken in before.
func (a Approval) heard(d Decision) bool {
	if d.Event == "" {
		return false
	}
	if d.Yes {
		return slices.ContainsFunc(a.Votes, func(v Vote) bool { return v.By == d.By.ID && v.Event == d.Event })
	}
	return a.State == Denied && a.DecidedBy == d.By.ID && a.Event == d.Event
}

// Change is something other than a yes or no that a person does to an approval.
type Change struct {
	// By is the person as the directory knows them now.
	By agent.Actor
	// Event is the id of the delivery that brings it; the same again changes
	// nothing and is no error. "" means there is none.
	Event string
	At    time.Time
}

// again reports whether a delivery, brought by this person, is this very one.
func (c Change) again(by agent.ActorID, event string) bool {
	return c.Event != "" && c.Event == event && (by == c.By.ID || by == c.By.Human())
}

// Edit closes the approval because somebody wrote other arguments; the call with
// those is a request of its own. The requester may, and whoever may decide.
func (a Approval) Edit(c Change, args json.RawMessage) (Approval, error) {
	by, now := c.By, c.At
	if err := a.concerns(by); err != nil {
		return a, err
	}
	if a.State == Superseded && c.again(a.EditedBy, a.Event) {
		return a, nil
	}
	if err := a.open(now); err != nil {
		return a, err
	}
	edited := a.Call
	edited.Args = args
	digest, err := edited.Digest()
	switch {
	case err != nil:
		return a, agent.WrapError(agent.Invalid, err, "the arguments are not JSON")
	case digest == a.Digest:
		return a, agent.Errorf(agent.Invalid, "these are the arguments that are asked already")
	}
	a.end(Superseded, by, now)
	a.Edited, a.EditedBy, a.Event = slices.Clone(args), by.Human(), c.Event
	return a, nil
}

// concerns refuses whoever is neither the requester nor may decide.
func (a Approval) concerns(by agent.Actor) error {
	if err := a.member(by); err != nil {
		return err
	}
	if a.isRequester(by) {
		return nil
	}
	return a.MayDecide(by)
}

// Delegate hands by's say to another member. Who has given it away no longer
// has it, so nobody gains a second voice; and nobody chooses who decides on
// their own request.
func (a Approval) Delegate(c Change, to agent.Actor) (Approval, error) {
	by, now := c.By, c.At
	if by.Workspace == a.Workspace && slices.ContainsFunc(a.Handed, func(d Delegation) bool { return d.To == to.Human() && c.again(d.From, d.Event) }) {
		return a, nil
	}
	if err := a.MayDecide(by); err != nil {
		return a, err
	}
	if err := a.open(now); err != nil {
		return a, err
	}
	switch {
	case a.Kind == ByRequester || a.isRequester(by):
		return a, agent.Errorf(agent.Forbidden, "nobody else can decide this in your place")
	case a.voted(by):
		return a, agent.Errorf(agent.Conflict, "you already approved this")
	case to.ID == by.ID || to.Human() == by.Human():
		return a, agent.Errorf(agent.Invalid, "this is yours already")
	}
	if err := a.mayReceive(to); err != nil {
		return a, err
	}
	a.Handed = append(slices.Clone(a.Handed), Delegation{From: by.Human(), To: to.Human(), Giver: by.Name, Name: to.Name, At: now, Event: c.Event})
	return a, nil
}

// mayReceive refuses to hand a say to somebody who cannot have it.
func (a Approval) mayReceive(to agent.Actor) error {
	_, gave := a.handedBy(to)
	switch {
	case to.Workspace != a.Workspace || to.Kind != agent.Member:
		return agent.Errorf(agent.Forbidden, "%s is no member of the workspace", display(to))
	case a.isRequester(to) || a.isEditor(to):
		return agent.Errorf(agent.Forbidden, "%s asked for this and cannot approve it", display(to))
	case gave || a.voted(to):
		return agent.Errorf(agent.Conflict, "%s has had their say", display(to))
	}
	return nil
}

// Say adds a question or an answer about the approval. The requester may, and
// whoever may decide.
func (a Approval) Say(c Change, text string) (Approval, error) {
	by, now := c.By, c.At
	if err := a.concerns(by); err != nil {
		return a, err
	}
	if slices.ContainsFunc(a.Notes, func(n Note) bool { return c.again(n.By, n.Event) }) {
		return a, nil
	}
	if err := a.open(now); err != nil {
		return a, err
	}
	text = strings.TrimSpace(text)
	switch {
	case text == "":
		return a, agent.Errorf(agent.Invalid, "there is nothing said")
	case len(text) > maxNote || len(a.Notes) >= maxNotes:
		return a, agent.Errorf(agent.TooLarge, "an approval holds at most %d notes of %d bytes", maxNotes, maxNote)
	}
	a.Notes = append(slices.Clone(a.Notes), Note{By: by.ID, Name: by.Name, Text: text, At: now, Event: c.Event})
	return a, nil
}

// Withdraw closes an approval that nothing waits for any more.
func (a Approval) Withdraw(why string, now time.Time) (Approval, error) {
	if a.State != Asked && a.State != Approved {
		return a, a.closed()
	}
	a.State, a.Comment = Withdrawn, why
	if a.DecidedAt.IsZero() {
		a.DecidedAt = now
	}
	return a, nil
}
