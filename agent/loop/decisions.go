package loop

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/agent/approval"
)

// Answer is a person's yes or no to an approval.
type Answer struct {
	Approval string
	Yes      bool
	// Comment is the reason for a no; it goes back to the model.
	Comment string
	// Event is the id of the delivery that brings it, "" for none: the same again
	// changes nothing and is no error.
	Event string
}

// Reminder is one reminder that is due.
type Reminder struct {
	Approval approval.Approval `json:"approval"`
	// N counts an approval's reminders from 1.
	N int `json:"n"`
	// To are those whose turn it is and who are at work; none means whoever may.
	To []agent.ActorID `json:"to,omitempty"`
}

// Decide records a yes or a no. The first decision counts; later ones are a
// Conflict whose text names who decided and when.
func (a *Assistant) Decide(ctx context.Context, by agent.Actor, id string, yes bool, comment string) (approval.Approval, error) {
	return a.Answer(ctx, by, Answer{Approval: id, Yes: yes, Comment: comment})
}

// Answer is Decide for front ends that deliver more than once. Where an approval
// takes several people it stays open until the last of them has said yes.
func (a *Assistant) Answer(ctx context.Context, by agent.Actor, in Answer) (approval.Approval, error) {
	return a.transit(ctx, by, in.Approval, func(p approval.Approval, by agent.Actor, now time.Time) (approval.Approval, error) {
		if err := a.may(by, p); err != nil {
			return p, err
		}
		return p.Decide(approval.Decision{By: by, Yes: in.Yes, Comment: in.Comment, Event: in.Event, At: now})
	})
}

// Edit asks for the call with other arguments in place of those it was asked
// with. It is a request of its own: policy rules on it again, and whoever wrote
// the arguments does not approve them, unless their own yes is enough. The event
// is the id of the delivery that brings it, "" for none: the same again changes
// nothing and is no error.
func (a *Assistant) Edit(ctx context.Context, by agent.Actor, id string, args json.RawMessage, event string) (approval.Approval, error) {
	return a.transit(ctx, by, id, func(p approval.Approval, by agent.Actor, now time.Time) (approval.Approval, error) {
		tool, known := a.Executor.Tools().Get(p.Call.Tool)
		if !known {
			return p, agent.Errorf(agent.Conflict, "there is no tool %s any more", p.Call.Tool)
		}
		bound, err := tool.Bind(args)
		if err != nil {
			return p, err
		}
		return p.Edit(approval.Change{By: by, Event: event, At: now}, bound)
	})
}

// Delegate hands by's say on an approval to somebody else; event is as for Edit.
func (a *Assistant) Delegate(ctx context.Context, by agent.Actor, id string, to agent.ActorID, event string) (approval.Approval, error) {
	if a.People == nil {
		return approval.Approval{}, agent.Errorf(agent.Forbidden, "there is nobody else in this workspace")
	}
	other, err := a.known(ctx, agent.Actor{Workspace: by.Workspace, ID: to})
	if err != nil {
		return approval.Approval{}, err
	}
	return a.transit(ctx, by, id, func(p approval.Approval, by agent.Actor, now time.Time) (approval.Approval, error) {
		return p.Delegate(approval.Change{By: by, Event: event, At: now}, other)
	})
}

// Note adds a question or an answer about an approval, for all who see it; event
// is as for Edit.
func (a *Assistant) Note(ctx context.Context, by agent.Actor, id, text, event string) (approval.Approval, error) {
	return a.transit(ctx, by, id, func(p approval.Approval, by agent.Actor, now time.Time) (approval.Approval, error) {
		return p.Say(approval.Change{By: by, Event: event, At: now}, text)
	})
}

// transit applies a person's change, tells whoever watches and wakes the turn.
func (a *Assistant) transit(ctx context.Context, by agent.Actor, id string, f transition) (approval.Approval, error) {
	got, err := a.change(ctx, by, strings.ToUpper(strings.TrimSpace(id)), f)
	if err != nil {
		return got, err
	}
	a.Hub.Publish(Event{Turn: got.Call.Turn, Type: EventDecided, Approval: got.ID, Status: string(got.State), At: a.Clock()})
	a.engine.Wake(got.Call.Turn)
	return got, nil
}

// Pending lists the approvals that still wait and that the actor may see, oldest
// first.
func (a *Assistant) Pending(ctx context.Context, by agent.Actor) ([]approval.Approval, error) {
	all, err := a.open(ctx, by.Workspace)
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(all, func(p approval.Approval) bool {
		return !p.Place.Readers().Includes(by) && p.MayDecide(by) != nil
	}), nil
}

// Queue lists the approvals on which it is this person's turn to decide, oldest
// first.
func (a *Assistant) Queue(ctx context.Context, by agent.Actor) ([]approval.Approval, error) {
	by, err := a.known(ctx, by)
	if err != nil {
		return nil, err
	}
	all, err := a.open(ctx, by.Workspace)
	if err != nil {
		return nil, err
	}
	now := a.steady()
	return slices.DeleteFunc(all, func(p approval.Approval) bool {
		requester, err := a.known(ctx, p.Call.Actor)
		if err != nil {
			return true
		}
		p = p.WithRequester(requester).WithEditor(a.linked(ctx, p))
		return !p.Waits(by, now) || a.may(by, p) != nil
	}), nil
}

// Due lists the reminders a front end should send now, oldest approval first.
func (a *Assistant) Due(ctx context.Context, ws agent.WorkspaceID) ([]Reminder, error) {
	all, err := a.open(ctx, ws)
	if err != nil {
		return nil, err
	}
	now := a.steady()
	var due []Reminder
	for _, p := range all {
		if n := p.RemindersDue(now); n > p.Reminded {
			due = append(due, Reminder{Approval: p, N: n, To: a.expected(ctx, p, now)})
		}
	}
	return due, nil
}

// Reminded notes that a reminder was sent, so that it is not due again. Of two
// front ends that send the same one, the later hears a Conflict.
func (a *Assistant) Reminded(ctx context.Context, ws agent.WorkspaceID, id string, n int) error {
	_, err := a.Store.Change(ctx, system(ws), id, func(p approval.Approval) (approval.Approval, error) {
		return p.Remind(n, a.steady())
	})
	return err
}

func (a *Assistant) open(ctx context.Context, ws agent.WorkspaceID) ([]approval.Approval, error) {
	return a.Store.Approvals(ctx, ws, ApprovalFilter{States: []approval.State{approval.Asked}})
}

// expected are the people whose turn it is, without those who are out of office.
func (a *Assistant) expected(ctx context.Context, p approval.Approval, now time.Time) []agent.ActorID {
	if p.Kind == approval.ByRequester {
		return []agent.ActorID{p.Call.Actor.ID}
	}
	if a.People == nil {
		return nil
	}
	var to []agent.ActorID
	for _, g := range p.Groups() {
		members, err := a.People.Members(ctx, p.Workspace, g)
		if err != nil {
			continue
		}
		for _, m := range members {
			if m.Active && !m.Away(now) && p.Waits(m.Actor, now) {
				to = append(to, m.ID)
			}
		}
	}
	for _, d := range p.Handed {
		if m, err := a.known(ctx, agent.Actor{Workspace: p.Workspace, ID: d.To}); err == nil && p.Waits(m, now) {
			to = append(to, d.To)
		}
	}
	slices.Sort(to)
	return slices.Compact(to)
}
