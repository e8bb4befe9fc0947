package api_test

import (
	"context"
	"testing"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/agent/loop"
	"github.com/sous-hq/sous/agent/pause"
	"github.com/sous-hq/sous/integrations/api"
	"github.com/sous-hq/sous/integrations/sqlite"
	"github.com/sous-hq/sous/tools"
)

func (l local) ListEffects(ctx context.Context, by agent.Actor, f loop.EffectFilter) ([]loop.Effect, error) {
	return l.rig.DB.(*sqlite.DB).FindEffects(ctx, by.Workspace, f)
}

func (l local) ResolveEffect(ctx context.Context, by agent.Actor, key string, happened bool, note string) (loop.Effect, error) {
	ledger, err := sqlite.NewLedger(l.rig.DB.(*sqlite.DB), sqlite.LedgerConfig{ApprovalTTL: 1})
	if err != nil {
		return loop.Effect{}, err
	}
	return ledger.Resolve(ctx, by, key, happened, note)
}

func (l local) Pauses(ctx context.Context, _ agent.Actor) ([]pause.Pause, error) {
	return l.rig.DB.(*sqlite.DB).Pauses(ctx)
}

func (l local) Pause(ctx context.Context, by agent.Actor, s pause.Scope, target, reason string) (pause.Pause, error) {
	return l.rig.DB.Pause(ctx, by, s, target, reason)
}

func (l local) Resume(ctx context.Context, by agent.Actor, s pause.Scope, target string) (pause.Pause, error) {
	return l.rig.DB.Resume(ctx, by, s, target)
}

func TestPausesAreSetListedAndLifted(t *testing.T) {
	both(t, func(t *testing.T, svc api.Service, _ local) {
		if all, err := svc.Pauses(t.Context(), ann); err != nil || all == nil || len(all) != 0 {
			t.Errorf("%v, %v; want an empty list", all, err)
		}
		p, err := svc.Pause(t.Context(), ann, pause.Tool, "thing make&", "it makes too much")
		if err != nil || p.Target != "thing make&" || p.By != "ann" || p.Reason != "it makes too much" || p.At.IsZero() {
			t.Errorf("%+v, %v", p, err)
		}
		if all, err := svc.Pauses(t.Context(), ann); err != nil || len(all) != 1 || all[0] != p {
			t.Errorf("%+v, %v; want %+v", all, err, p)
		}
		wantKind(t, agent.Invalid)(svc.Pause(t.Context(), ann, pause.Workspace, "", ""))
		wantKind(t, agent.NotFound)(svc.Resume(t.Context(), ann, pause.Workspace, ""))
		if got, err := svc.Resume(t.Context(), ann, pause.Tool, "thing make&"); err != nil || got != p {
			t.Errorf("%+v, %v; want %+v", got, err, p)
		}
		if all, err := svc.Pauses(t.Context(), ann); err != nil || len(all) != 0 {
			t.Errorf("%+v, %v", all, err)
		}
	})
}

func wantKind(t *testing.T, k agent.Kind) func(any, error) {
	return func(_ any, err error) {
		t.Helper()
		if err == nil || agent.KindOf(err) != k {
			t.Errorf("%v; want %s", err, k)
		}
	}
}

func TestEffectsAreListedAndResolved(t *testing.T) {
	both(t, func(t *testing.T, svc api.Service, p local) {
		key := lostEffect(t, p)
		for _, f := range []loop.EffectFilter{{}, {States: []tools.EffectState{tools.EffectUnknown, tools.EffectDone}, Turn: "e9", Limit: 3}} {
			all, err := svc.ListEffects(t.Context(), ann, f)
			if err != nil || len(all) != 1 || all[0].Key != key || all[0].State != "unknown" {
				t.Errorf("%+v, %v", all, err)
			}
		}
		if all, err := svc.ListEffects(t.Context(), ann, loop.EffectFilter{States: []tools.EffectState{tools.EffectDone}}); err != nil || len(all) != 0 {
			t.Errorf("%+v, %v; want none done", all, err)
		}
		wantKind(t, agent.NotFound)(svc.ResolveEffect(t.Context(), ann, "k9", true, "saw it"))
		wantKind(t, agent.Invalid)(svc.ResolveEffect(t.Context(), ann, key, true, ""))
		e, err := svc.ResolveEffect(t.Context(), ann, key, true, "saw it on the shelf")
		if err != nil || e.State != "done" || e.Resolution == nil || e.Resolution.Note != "saw it on the shelf" || e.Resolution.By != "ann" {
			t.Errorf("%+v, %v", e, err)
		}
		wantKind(t, agent.Conflict)(svc.ResolveEffect(t.Context(), ann, key, false, "no, it is not there"))
	})
}

// lostEffect records an effect whose outcome nobody knows and returns its key.
func lostEffect(t *testing.T, p local) string {
	t.Helper()
	ledger, err := sqlite.NewLedger(p.rig.DB.(*sqlite.DB), sqlite.LedgerConfig{ApprovalTTL: 1})
	if err != nil {
		t.Fatal(err)
	}
	c := agent.Call{ID: "e9/1", Turn: "e9", Actor: ann, Tool: "thing_make", Args: []byte(`{"name":"lamp"}`)}
	digest, err := c.Digest()
	if err != nil {
		t.Fatal(err)
	}
	rec, err := ledger.Intend(t.Context(), tools.Intent{
		Key: "k1", Proposal: tools.Proposal{Call: c, Digest: digest}, Verdict: agent.Verdict{Ruling: agent.Allow},
	})
	if err != nil {
		t.Fatal(err)
	}
	err = ledger.Settle(t.Context(), tools.Settlement{
		Key: "k1", Fence: rec.Fence, State: tools.EffectUnknown, Outcome: agent.Outcome{Call: c.ID, Tool: c.Tool, Status: agent.Unknown},
	})
	if err != nil {
		t.Fatal(err)
	}
	return "k1"
}
