package loop

import (
	"context"
	"encoding/json"
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
// nothing and is no error. What nobody would be left to approve, since the requester
// asked for it and the editor wrote it, is a Conflict: nothing would come of it.
func (a *Assistant) Edit(ctx context.Context, by agent.Actor, id string, args json.RawMessage, event string) (approval.Approval, error) {
	was, err := a.ShowApproval(ctx, by, id)
	if err != nil {
		return was, err
	}
	call := was.Call
	call.Args = args
	// What the tool would refuse is said now: nothing would come of asking it.
	if call.Args, err = a.Executor.Check(ctx, call, was.Place); err != nil && was.State == approval.Asked {
		return was, err
	}
	if err := a.leavesSomebody(ctx, by, was); err != nil {
		return was, err
	}
	return a.transit(ctx, by, id, func(p approval.Approval, by agent.Actor, now time.Time) (approval.Approval, error) {
		return p.Edit(approval.Change{By: by, Event: event, At: now}, call.Args)
	})
}

// Delegate hands by's say on an approval to somebody else; event is as for Edit.
func (a *Assistant) Delegate(ctx context.Context, by agent.Actor, id string, to agent.ActorID, event string) (approval.Approval, error) {
	if _, err := a.ShowApproval(ctx, by, id); err != nil {
		return approval.Approval{}, err
	}
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
	a.decided(got)
	a.engine.Wake(got.Call.Turn)
	return got, nil
}
