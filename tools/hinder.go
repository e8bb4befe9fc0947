package tools

import (
	"context"
	"fmt"

	"github.com/sous-hq/sous/agent"
)

// RulePaused is the rule by which a paused call is refused.
const RulePaused = "paused"

// Paused returns who has paused the turn, what the turn belongs to or, when it
// is named, the call's tool, and why; "" when nobody has. An error counts as
// paused.
func (e *Executor) Paused(ctx context.Context, c agent.Call) (why string, err error) {
	return e.ledger.Paused(ctx, c)
}

// paused refuses a call. One that got as far as its intent before keeps what
// became of it, or waits until that can be found out.
func (e *Executor) paused(ctx context.Context, x *execution, why string) (agent.Outcome, error) {
	if x.Spec.Tier != agent.TierRead {
		rec, known, err := e.ledger.Known(ctx, x.Call.Actor.Workspace, x.inv.Key)
		switch {
		case err != nil:
			return agent.Outcome{}, fmt.Errorf("look up %s: %w", x.Call.Tool, err)
		case known && rec.State == EffectIntent:
			return agent.Outcome{}, waits(x.Call, why)
		case known:
			return rec.Outcome, nil
		}
	}
	return e.refuse(ctx, x.Proposal, agent.Verdict{Rule: RulePaused, Reason: why})
}

// waits is the error of a call that may have happened and is paused: executing
// it again later finds out.
func waits(c agent.Call, why string) error {
	return agent.Errorf(agent.Unavailable, "whether %s happened is looked up later: %s", c.Tool, why)
}

// unreadable stands in for who paused it when that cannot be read.
const unreadable = "It cannot be read whether somebody has paused this, so it does not run."

// begin looks one last time before an intended effect runs: since the intent
// was recorded somebody may have paused it, or another worker taken it over.
// When it is not ready, the outcome or error is what the call comes to. Only of
// a fresh attempt is it known that nothing happened; any other leaves the intent
// to the next.
func (e *Executor) begin(ctx context.Context, x *execution, fresh bool) (ready bool, o agent.Outcome, err error) {
	look, cancel := context.WithTimeout(ctx, e.settleTime)
	defer cancel()
	rec, known, err := e.ledger.Known(look, x.Call.Actor.Workspace, x.inv.Key)
	switch {
	case err != nil:
		return false, o, fmt.Errorf("look up %s: %w", x.Call.Tool, err)
	case !known || rec.State != EffectIntent || rec.Fence != x.fence:
		o, err = e.overtaken(ctx, x)
		return false, o, err
	}
	why, err := e.ledger.Paused(look, x.Call)
	if err != nil {
		why = unreadable
	}
	switch {
	case why != "" && fresh:
		o, err = e.settle(ctx, x, Settlement{State: EffectFailed, Outcome: denied(x.Call, why)})
		return false, o, err
	case why != "":
		return false, o, waits(x.Call, why)
	}
	return true, o, nil
}

// overtaken returns what came of the attempt that took over, once it is there.
func (e *Executor) overtaken(ctx context.Context, x *execution) (agent.Outcome, error) {
	rec, known, err := e.ledger.Known(ctx, x.Call.Actor.Workspace, x.inv.Key)
	switch {
	case err != nil:
		return agent.Outcome{}, fmt.Errorf("look up %s: %w", x.Call.Tool, err)
	case !known || rec.State == EffectIntent:
		return agent.Outcome{}, agent.Errorf(agent.Unavailable, "another worker took over %s and is not done", x.Call.Tool)
	}
	return rec.Outcome, nil
}
