package loop

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/agent/approval"
	"github.com/sous-hq/sous/agent/people"
)

// words are the values an edit brought in. What it left as it was stays as
// foreign as it was.
func (d edit) words(now json.RawMessage) string {
	var was, is map[string]json.RawMessage
	if json.Unmarshal(d.Was, &was) != nil || json.Unmarshal(now, &is) != nil {
		return ""
	}
	var names []string
	for name, v := range is {
		if !sameJSON(was[name], v) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	var said strings.Builder
	for _, name := range names {
		said.WriteString("\n")
		said.Write(is[name])
	}
	return said.String()
}

func sameJSON(a, b json.RawMessage) bool {
	if len(a) == 0 || len(b) == 0 {
		return false
	}
	x, errX := agent.CanonicalJSON(a)
	y, errY := agent.CanonicalJSON(b)
	return errX == nil && errY == nil && slices.Equal(x, y)
}

// confirmEdit counts the requester's own edit as their yes to the call they
// wrote, where their own yes is enough for it.
func (e *Effects) confirmEdit(ctx context.Context, t agent.Turn, editor agent.ActorID, o agent.Outcome) error {
	if o.Status != agent.Waiting || editor != t.Actor.Human() {
		return nil
	}
	got, err := e.change(ctx, t.Actor, o.Approval, func(a approval.Approval, by agent.Actor, now time.Time) (approval.Approval, error) {
		if err := e.may(by, a); err != nil {
			return a, err
		}
		return a.Approve(by, now)
	})
	if overtaken(err) || agent.KindOf(err) == agent.NotFound {
		// Somebody else has to decide, or has.
		return nil
	}
	if err == nil {
		e.decided(got)
	}
	return err
}

// leavesSomebody refuses an edit of another's request when no more people are left who
// may approve the arguments than it takes. Where the directory cannot say who all
// belongs to the workspace there may be somebody.
func (e *Effects) leavesSomebody(ctx context.Context, by agent.Actor, was approval.Approval) error {
	editor, err := e.known(ctx, by)
	if err != nil || was.State != approval.Asked || was.Kind == approval.ByRequester || was.Sole {
		return nil //nolint:nilerr // whoever may not edit is told so there
	}
	requester, err := e.known(ctx, was.Call.Actor)
	if err != nil || editor.Human() == requester.Human() {
		return nil //nolint:nilerr // the same
	}
	all, complete, err := people.Everybody(ctx, e.People, was.Workspace)
	if err != nil || !complete {
		return nil //nolint:nilerr // the approval stays open until somebody is there
	}
	edited := was.WithRequester(requester)
	edited.Editor, edited.Handed, edited.Stage = editor.Human(), nil, len(was.Chain)
	left := map[agent.ActorID]bool{}
	for _, p := range all {
		if p.Active && e.may(p.Actor, edited) == nil {
			left[p.Human()] = true
		}
	}
	if len(left) >= edited.Needs() {
		return nil
	}
	who := requester.Name
	if who == "" {
		who = string(requester.ID)
	}
	return agent.Errorf(agent.Conflict, "too few people would be left to approve it: you would have written it, and %s asked for it. Say no with what should be changed, or have %s change it", who, who)
}

// decided tells whoever watches that something was done to an approval.
func (e *Effects) decided(a approval.Approval) {
	e.Hub.Publish(Event{Turn: a.Call.Turn, Type: EventDecided, Approval: a.ID, Status: string(a.State), At: e.Clock()})
}

// overtaken reports whether a change came too late or to the wrong state.
func overtaken(err error) bool {
	k := agent.KindOf(err)
	return k == agent.Conflict || k == agent.Expired || k == agent.Forbidden
}

// change applies a transition in a person's name, with that person and the
// requester as the directory knows them now.
func (e *Effects) change(ctx context.Context, by agent.Actor, id string, f transition) (approval.Approval, error) {
	was, err := e.Store.Approval(ctx, by.Workspace, id)
	if err != nil {
		return approval.Approval{}, err
	}
	now, err := e.known(ctx, by)
	switch {
	case err != nil && !sees(by, was):
		// Whoever could not see it is not told that it is there.
		return approval.Approval{}, noApproval(id)
	case err != nil:
		return approval.Approval{}, err
	}
	by = now
	requester, err := e.known(ctx, was.Call.Actor)
	if err != nil {
		return approval.Approval{}, err
	}
	editor := e.linked(ctx, was)
	if was = was.WithRequester(requester).WithEditor(editor); !sees(by, was) {
		return approval.Approval{}, noApproval(id)
	}
	if err := e.waits(ctx, was); err != nil {
		return approval.Approval{}, err
	}
	return e.Store.Change(ctx, by, id, func(a approval.Approval) (approval.Approval, error) {
		return f(a.WithRequester(requester).WithEditor(editor), by, e.steady())
	})
}

// linked is who wrote an approval's arguments, as the directory knows them now.
// Somebody it no longer knows has no other account to approve with either.
func (e *Effects) linked(ctx context.Context, a approval.Approval) agent.Actor {
	if a.Editor == "" {
		return agent.Actor{}
	}
	editor, err := e.known(ctx, agent.Actor{Workspace: a.Workspace, ID: a.Editor})
	if err != nil {
		return agent.Actor{}
	}
	return editor
}

// waits refuses an open approval of a turn that is over or was never there:
// nothing would come of a yes.
func (e *Effects) waits(ctx context.Context, a approval.Approval) error {
	if a.State != approval.Asked {
		return nil
	}
	t, _, _, err := e.Store.Turn(ctx, a.Workspace, a.Call.Turn)
	if err != nil && agent.KindOf(err) != agent.NotFound {
		return err
	}
	if err != nil || t.Status.Ended() {
		return agent.Errorf(agent.Conflict, "the request that approval %s belongs to is over", a.ID)
	}
	return nil
}

// transition is a change of an approval by somebody, now.
type transition func(a approval.Approval, by agent.Actor, now time.Time) (approval.Approval, error)

// known returns the actor as the directory knows them now.
func (e *Effects) known(ctx context.Context, by agent.Actor) (agent.Actor, error) {
	if e.People == nil {
		return by, nil
	}
	p, err := people.Known(ctx, e.People, by, e.Clock())
	return p.Actor, err
}

// asker is who asks for something, as the directory knows them now: what groups
// they are in counts when it is ruled on, not when they signed in. Of somebody the
// directory does not know the front end's word stands, but no member is unknown to
// it. Whoever may not use their account any more is Forbidden.
func (e *Effects) asker(ctx context.Context, by agent.Actor) (agent.Actor, error) {
	if e.People == nil || by.Kind == agent.System {
		return by, nil
	}
	if by.Kind != agent.Member {
		if _, err := e.People.Person(ctx, by.Workspace, by.ID); agent.KindOf(err) == agent.NotFound && err != nil {
			return by, nil
		}
	}
	return e.known(ctx, by)
}

// caller is the asker for calls of theirs. Whoever is no member any more is a
// stranger, which the gate says of each call.
func (e *Effects) caller(ctx context.Context, by agent.Actor) (agent.Actor, error) {
	now, err := e.asker(ctx, by)
	if err != nil && agent.KindOf(err) == agent.Forbidden {
		return agent.Actor{Workspace: by.Workspace, ID: by.ID, Name: by.Name}, nil
	}
	return now, err
}

// may is the approval's and policy's word on whether somebody may decide.
func (e *Effects) may(by agent.Actor, a approval.Approval) error {
	if err := a.MayDecide(by); err != nil || e.May == nil {
		return err
	}
	return e.May(by, a)
}

func system(ws agent.WorkspaceID) agent.Actor {
	return agent.Actor{Workspace: ws, ID: "sous", Kind: agent.System, Name: "Sous"}
}

// tick does what time does to an approval: it ends, or goes to the next groups.
func (e *Effects) tick(ctx context.Context, ws agent.WorkspaceID, id string) (approval.Approval, error) {
	a, err := e.Store.Approval(ctx, ws, id)
	if err != nil {
		return a, err
	}
	now := e.steady()
	away := e.away(ctx, a, now)
	step := func(a approval.Approval) (approval.Approval, error) {
		if next, err := a.Expire(now); err == nil {
			return next, nil
		}
		return a.Escalate(away, now)
	}
	if _, notDue := step(a); notDue != nil {
		return a, nil //nolint:nilerr // that nothing is due is no failure
	}
	got, err := e.Store.Change(ctx, system(ws), id, step)
	if overtaken(err) {
		// Decided meanwhile: its state says how.
		return e.Store.Approval(ctx, ws, id)
	}
	if err == nil && got.State != a.State {
		e.decided(got)
	}
	if err == nil && got.Stage > a.Stage {
		e.Hub.Publish(Event{Turn: got.Call.Turn, Type: EventApproval, Approval: id, Status: "escalated", At: e.Clock()})
	}
	return got, err
}

// away names the groups of the approval of which nobody is at work.
func (e *Effects) away(ctx context.Context, a approval.Approval, now time.Time) []string {
	if e.People == nil || a.Stage >= len(a.Chain) {
		return nil
	}
	groups := slices.Clone(a.Approvers)
	for _, s := range a.Chain {
		groups = append(groups, s.Groups...)
	}
	slices.Sort(groups)
	return slices.DeleteFunc(slices.Compact(groups), func(g string) bool {
		return !people.AllAway(ctx, e.People, a.Workspace, g, now)
	})
}

// earliest returns when something happens first to the approvals that were asked.
func (e *Effects) earliest(ctx context.Context, t agent.Turn, outs []agent.Outcome) (time.Time, error) {
	var until time.Time
	for _, o := range outs {
		if o.Status != agent.Waiting {
			continue
		}
		a, err := e.tick(ctx, t.Workspace, o.Approval)
		if err != nil {
			return until, err
		}
		if until.IsZero() || a.Next().Before(until) {
			until = a.Next()
		}
	}
	return until, nil
}

// expire closes the approvals whose time has passed, hands on those nobody
// decided, and says where all stand.
func (e *Effects) expire(ctx context.Context, in expireIn) (expireOut, error) {
	out := expireOut{States: map[string]approval.State{}}
	for _, id := range in.Approvals {
		a, err := e.tick(ctx, agent.WorkspaceID(in.Workspace), id)
		if err != nil {
			return out, err
		}
		out.States[id] = a.State
		if a.State == approval.Asked && (out.Until.IsZero() || a.Next().Before(out.Until)) {
			out.Until = a.Next()
		}
	}
	return out, nil
}

// withdraw closes what a turn that ends still asks.
func (e *Effects) withdraw(ctx context.Context, t agent.Turn, in finishIn) error {
	if !in.Asked {
		return nil
	}
	open, err := e.Store.Approvals(ctx, t.Workspace, ApprovalFilter{Turn: t.ID, States: []approval.State{approval.Asked, approval.Approved}})
	if err != nil {
		return err
	}
	for _, a := range open {
		_, err := e.Store.Change(ctx, system(t.Workspace), a.ID, func(a approval.Approval) (approval.Approval, error) {
			return a.Withdraw("The request is over.", e.steady())
		})
		if err != nil && !overtaken(err) {
			return err
		}
	}
	return nil
}
