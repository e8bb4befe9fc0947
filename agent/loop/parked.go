package loop

import (
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/agent/approval"
	"github.com/sous-hq/sous/tools"
)

// decide parks the turn until every asked approval has an end, running each
// call as soon as its yes arrives.
func (t *turn) decide(p plan, last *round, until time.Time) (ended bool, err error) {
	if err := t.park("", &until); err != nil {
		return false, err
	}
	for slices.ContainsFunc(last.Outcomes, isWaiting) {
		sig, err := t.await(until)
		if err != nil {
			return false, err
		}
		switch sig.Type {
		case SignalDecided:
			until, err = t.decided(p, last, sig, until)
		case SignalTimeout:
			until, err = t.expire(p, last)
		case SignalStop:
			t.close(last, "", "The turn was stopped before anybody decided.")
			_, err := t.finish(agent.TurnStopped, "Stopped. "+t.account())
			return true, err
		case SignalReply:
			// Nothing was asked in words; the message stays in the conversation.
		}
		if err != nil {
			return false, err
		}
	}
	return false, nil
}

// decided acts on one decision: a yes runs the call, an edit takes up the call
// with its new arguments, all else ends it. It returns how long to wait on.
func (t *turn) decided(p plan, last *round, sig Signal, until time.Time) (time.Time, error) {
	i := slices.IndexFunc(last.Outcomes, func(o agent.Outcome) bool { return isWaiting(o) && o.Approval == sig.Approval })
	if i < 0 {
		return until, nil
	}
	call := &p.Calls[slices.IndexFunc(p.Calls, func(c agent.Call) bool { return c.ID == last.Outcomes[i].Call })]
	in := callsIn{
		Start: t.start, Context: p.Context, Prior: t.prior(), Planned: t.planned(),
		Parked: slices.ContainsFunc(slices.Delete(slices.Clone(last.Outcomes), i, i+1), isWaiting),
	}
	switch {
	case sig.State == approval.Approved:
		in.Approvals = map[string]string{call.ID: sig.Approval}
	case sig.State == approval.Superseded && sig.Args != "":
		// The plan changes with the call, so that the model sees what was done.
		in.Edit = &edit{By: sig.By, Was: call.Args}
		call.Args = json.RawMessage(sig.Args)
		t.step("call", toolTitle(call.Tool)+": changed", call.Tool, "", "")
	default:
		t.close(last, sig.Approval, refusal(sig))
		if sig.Text != "" {
			// The reason is a person's words, which the model reads.
			last.Outcomes[i].Label = tools.Scanned(agent.Label{Integrity: agent.Organisation, Readers: p.Context.Readers}, sig.Text)
		}
		return until, nil
	}
	in.Calls = []agent.Call{*call}
	var out callsOut
	if err := t.run.Do(effectCalls, in, &out); err != nil {
		return until, fmt.Errorf("approved call: %w", err)
	}
	t.active += out.Took
	if in.Edit != nil && out.Outcomes[0].Status == agent.Failed {
		// The change cannot be: the call is asked as it was, so that nothing is lost.
		t.note(out)
		call.Args = in.Edit.Was
		in.Edit, in.Calls = nil, []agent.Call{*call}
		out = callsOut{}
		if err := t.run.Do(effectCalls, in, &out); err != nil {
			return until, fmt.Errorf("call as it was: %w", err)
		}
		t.active += out.Took
	}
	last.Outcomes[i] = out.Outcomes[0]
	t.note(out)
	if !isWaiting(last.Outcomes[i]) {
		return until, nil
	}
	// It is asked anew.
	if !out.Until.IsZero() && out.Until.Before(until) {
		until = out.Until
	}
	return until, t.park("", &until)
}

// refusal says why a call that was asked for does not run.
func refusal(sig Signal) string {
	why := "A person said no."
	switch sig.State {
	case approval.Expired:
		why = "Nobody decided in time."
	case approval.Withdrawn, approval.Superseded:
		why = "It is not asked any more."
	case approval.Asked, approval.Approved, approval.Denied, approval.Spent:
	}
	if sig.Text != "" {
		why += " Reason: " + sig.Text
	}
	return why
}

// expire closes what has run out, hands on what nobody decided, and returns when
// something happens next.
func (t *turn) expire(p plan, last *round) (time.Time, error) {
	in := expireIn{Start: t.start}
	for _, o := range last.Outcomes {
		if isWaiting(o) {
			in.Approvals = append(in.Approvals, o.Approval)
		}
	}
	var out expireOut
	if err := t.run.Do(effectExpire, in, &out); err != nil {
		return time.Time{}, fmt.Errorf("expire: %w", err)
	}
	until := out.Until
	for _, id := range in.Approvals {
		// An edit carries its arguments in a signal of its own, which is on its way.
		if s := out.States[id]; s != approval.Asked && s != approval.Superseded {
			var err error
			if until, err = t.decided(p, last, Signal{Approval: id, State: s}, until); err != nil {
				return time.Time{}, err
			}
		}
	}
	return until, nil
}

// close ends waiting outcomes without running them; id "" means all.
func (t *turn) close(last *round, id, why string) {
	for i, o := range last.Outcomes {
		if isWaiting(o) && (id == "" || o.Approval == id) {
			last.Outcomes[i] = agent.Outcome{
				Call: o.Call, Tool: o.Tool, Status: agent.Denied, Approval: o.Approval,
				Error: why, Kind: agent.Forbidden.String(),
			}
			t.step("call", toolTitle(o.Tool), o.Tool, agent.Denied.String(), why)
		}
	}
}
