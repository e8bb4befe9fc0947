package loop

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"slices"
	"strings"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/agent/pause"
	"github.com/sous-hq/sous/tools"
)

// ListTurns lists the newest turns that the actor may see, newest first: those of
// places the actor reads, and an owner or administrator
// all, though not what was said where they were not. What they made is told of one turn alone.
func (a *Assistant) ListTurns(ctx context.Context, by agent.Actor, f TurnFilter) ([]Listed, error) {
	by, err := a.known(ctx, by)
	if err != nil {
		return nil, err
	}
	limit := f.Limit
	if !LooksAfter(by) {
		// Whom a turn is for is not for the store to say, so the limit comes later.
		f.Limit = 0
	}
	all, err := a.Store.FindTurns(ctx, by.Workspace, f)
	if err != nil {
		return nil, err
	}
	for i := range all {
		if f.ID == "" {
			all[i].Artifacts = nil
		}
		if !all[i].Place.Readers().Includes(by) {
			// That it is there and how it stands may be known, not what was said.
			all[i].Answer, all[i].Artifacts = "", nil
		}
	}
	if LooksAfter(by) {
		return all, nil
	}
	all = slices.DeleteFunc(all, func(l Listed) bool { return !l.Place.Readers().Includes(by) })
	if limit > 0 && len(all) > limit {
		all = all[:limit]
	}
	return all, nil
}

// LooksAfter reports whether somebody looks after the workspace: its owner and its
// administrators do.
func LooksAfter(by agent.Actor) bool {
	return by.Owner || slices.ContainsFunc(pause.Administrators(), func(g string) bool { return slices.Contains(by.Groups, g) })
}

// Replay has a turn that was set aside run again from where it stood, in the name
// of whoever looked at it. What it did before is not done again.
func (a *Assistant) Replay(ctx context.Context, by agent.Actor, id string) error {
	by, err := a.known(ctx, by)
	if err != nil {
		return err
	}
	t, _, _, err := a.Store.Turn(ctx, by.Workspace, id)
	switch {
	case err != nil:
		return err
	case !LooksAfter(by) && !t.Place.Readers().Includes(by):
		return agent.Errorf(agent.NotFound, "there is no turn %s", id)
	case !LooksAfter(by):
		return agent.Errorf(agent.Forbidden, "only an owner or an administrator can have a turn run again")
	case a.engine.Carrier() == "":
		return agent.Errorf(agent.Unavailable, "this command runs no turns")
	}
	if err := a.Store.Revive(InReplica(ctx, a.engine.Carrier()), by, id); err != nil {
		return err
	}
	a.Hub.Publish(Event{Turn: id, Type: EventStatus, Status: agent.TurnRunning.String(), At: a.Clock()})
	t.Status = agent.TurnRunning
	return a.start(ctx, t, nil)
}

// setAside returns why a turn was set aside, ok false when it was not.
func (e *Effects) setAside(ctx context.Context, t agent.Turn) (Stuck, bool, error) {
	if t.Status != agent.TurnWaiting {
		return Stuck{}, false, nil
	}
	all, err := e.Store.FindTurns(ctx, t.Workspace, TurnFilter{ID: t.ID, Stuck: true})
	if err != nil || len(all) == 0 || all[0].Stuck == nil {
		return Stuck{}, false, err
	}
	return *all[0].Stuck, true, nil
}

// endAside ends a turn that was set aside. Its answer says who did, why it stood
// still, and what had been done, from the ledger alone.
func (e *Effects) endAside(ctx context.Context, by agent.Actor, t agent.Turn, why Stuck) error {
	effects, err := e.Store.Effects(ctx, t.Workspace, t.ID)
	if err != nil {
		return err
	}
	if err := e.withdraw(ctx, t, finishIn{Asked: true}); err != nil {
		return err
	}
	_, request, _, err := e.Store.Turn(ctx, t.Workspace, t.ID)
	if err != nil {
		return err
	}
	trail := e.trailOf(ctx, t)
	f := e.ending(t, request, finishIn{
		Start: Start{Workspace: string(t.Workspace), Turn: t.ID}, Status: agent.TurnStopped, Trail: trail,
		Answer: fmt.Sprintf("%s ended this. It had been set aside: %s %s", displayName(by), why.Reason, settled(effects)),
	})
	f.CancelledBy = by.ID
	queued, err := e.Store.Finish(WithPending(ctx, nil), f)
	if err != nil {
		return err
	}
	e.kept(f.Turn)
	if e.Observe != nil {
		e.Observe.Ended(f.Turn)
	}
	e.vaults.drop(t.ID)
	e.Hub.End(f.Turn, queued)
	return nil
}

// toldToStop returns the stop that lies in a turn's inbox, if one does: a turn that
// has heard one has ended.
func (e *Effects) toldToStop(ctx context.Context, t agent.Turn) (Signal, bool, error) {
	for n := 1; ; n++ {
		s, ok, err := e.Store.Received(ctx, t.Workspace, t.ID, InboxTopic, n)
		if err != nil || !ok || s.Type == SignalStop {
			return s, ok, err
		}
	}
}

// trailOf is what the journal still tells of a turn: what the models said and what
// that took. What cannot be read of it is left out.
func (e *Effects) trailOf(ctx context.Context, t agent.Turn) []round {
	all, err := e.Store.Checkpoints(ctx, t.Workspace, t.ID)
	if err != nil {
		e.Log.WarnContext(ctx, "the journal of a cancelled turn cannot be read", slog.String("turn", t.ID), slog.Any("err", err))
		return nil
	}
	var trail []round
	for _, c := range all {
		var p plan
		if c.Effect == effectThink && json.Unmarshal(c.Result, &p) == nil {
			trail = append(trail, round{Plan: p})
		}
		var out callsOut
		if c.Effect == effectCalls && len(trail) > 0 && json.Unmarshal(c.Result, &out) == nil {
			last := &trail[len(trail)-1]
			last.Outcomes = append(last.Outcomes, out.Outcomes...)
		}
	}
	return trail
}

// settled says what became of effects.
func settled(all []Effect) string {
	var did, open []string
	for _, eff := range all {
		switch tools.EffectState(eff.State) {
		case tools.EffectDone:
			did = append(did, toolTitle(eff.Call.Tool))
		case tools.EffectIntent, tools.EffectUnknown:
			open = append(open, toolTitle(eff.Call.Tool))
		default:
		}
	}
	text := "Nothing was changed."
	if len(did) > 0 {
		text = "Done before: " + strings.Join(tally(did), ", ") + "."
	}
	if len(open) > 0 {
		text += " Nobody knows yet what became of: " + strings.Join(tally(open), ", ") + "."
	}
	return text
}

func displayName(by agent.Actor) string {
	if by.Name != "" {
		return by.Name
	}
	return string(by.ID)
}
