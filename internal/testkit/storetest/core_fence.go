package storetest

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/agent/audit"
	"github.com/sous-hq/sous/agent/loop"
	"github.com/sous-hq/sous/tools"
)

// stalled is how often a worker wakes too late: SECURITY.md asks for this many.
const stalled = 1000

func fencePromises() []promise {
	return []promise{
		{"a worker that wakes after another took over writes nothing", lateWorker},
		{"of workers that race to settle only the last to take over counts", settleRaceOfAttempts},
		{"a person settles an unknown effect, once", resolves},
		{"only a member settles an unknown effect, with a note", resolvesOnlyForMembers},
		{"only an unknown effect is for a person to settle", resolvesUnknownOnly},
		{"of many people at once one settles it", resolveRace},
		{"without an audit no person settles it", resolveNeedsAudit},
		{"effects are found by turn and state, the newest first to stay", findEffects},
	}
}

// intendAgain takes an effect over and returns the new token.
func intendAgain(t *testing.T, s Stores, i tools.Intent) int64 {
	t.Helper()
	rec, err := s.Ledger.Intend(t.Context(), i)
	if err != nil || rec.Fresh || rec.State != tools.EffectIntent {
		t.Fatalf("take over: %+v, %v", rec, err)
	}
	return rec.Fence
}

// lateWorker has one worker stall between its intent and its outcome, until
// another has taken over (half of the time) or taken over and settled.
func lateWorker(t *testing.T, s Stores) {
	late := 0
	for n := range stalled {
		p := proposal(t, ann(), fmt.Sprintf("e%d", n), 1)
		i := allowed(p)
		old := intend(t, s, i)
		fence := intendAgain(t, s, i)
		settle := func(fence int64, st tools.EffectState, by string) error {
			return s.Ledger.Settle(t.Context(), tools.Settlement{Key: i.Key, Fence: fence, State: st, Outcome: outcome(p, agent.Done, by)})
		}
		wake := func() {
			if agent.KindOf(settle(old, tools.EffectFailed, `"late"`)) != agent.Conflict {
				late++
			}
		}
		if n%2 == 0 {
			wake()
		}
		if err := settle(fence, tools.EffectDone, `"second"`); err != nil {
			t.Fatal(err)
		}
		wake()
		if e, err := s.Effect(t.Context(), acme, i.Key); err != nil || e.State != "done" || string(e.Outcome.Result) != `"second"` {
			late++
		}
	}
	t.Logf("%d rounds, %d late writes", stalled, late)
	if late > 0 {
		t.Errorf("%d late writes in %d rounds; want 0", late, stalled)
	}
	for _, e := range record(t, s, acme) {
		if e.Kind == audit.CallOutcome && e.Status != "done" {
			t.Fatalf("the record has a late outcome: %+v", e)
		}
	}
}

func settleRaceOfAttempts(t *testing.T, s Stores) {
	p := proposal(t, ann(), "e1", 1)
	i := allowed(p)
	fences := []int64{intend(t, s, i)}
	for range racers - 1 {
		fences = append(fences, intendAgain(t, s, i))
	}
	errs := race(racers, func(n int) error {
		return s.Ledger.Settle(t.Context(), tools.Settlement{
			Key: i.Key, Fence: fences[n], State: tools.EffectDone, Outcome: outcome(p, agent.Done, fmt.Sprint(n)),
		})
	})
	oneWinner(t, errs, agent.Conflict, "another attempt")
	if e, err := s.Effect(t.Context(), acme, i.Key); err != nil || string(e.Outcome.Result) != fmt.Sprint(racers-1) || e.Attempts != racers {
		t.Errorf("effect %+v, %v; want the outcome of the last attempt", e, err)
	}
}

// lost intends an effect and settles it as unknown.
func lost(t *testing.T, s Stores, n int) tools.Settlement {
	t.Helper()
	p := proposal(t, ann(), "e1", n)
	o := outcome(p, agent.Unknown, "")
	o.Error, o.Kind = "It is not known whether this happened.", agent.Unavailable.String()
	one := tools.Settlement{Key: keyOf(p), Fence: intend(t, s, allowed(p)), State: tools.EffectUnknown, Outcome: o}
	if err := s.Ledger.Settle(t.Context(), one); err != nil {
		t.Fatal(err)
	}
	return one
}

func resolves(t *testing.T, s Stores) {
	for n, happened := range []bool{true, false} {
		one := lost(t, s, n+1)
		s.Clock.Advance(time.Minute)
		e, err := s.Control.Resolve(t.Context(), bob(), one.Key, happened, "  I looked at the board.\n")
		if err != nil {
			t.Fatal(err)
		}
		want := loop.Resolution{By: "bob", Name: "Bob", Happened: happened, Note: "I looked at the board.", At: s.Clock.Now()}
		state, status := "done", agent.Done
		if !happened {
			state, status = "failed", agent.Failed
		}
		stored, err := s.Effect(t.Context(), acme, one.Key)
		if err != nil || e.Resolution == nil || *e.Resolution != want || e.State != state || e.Outcome.Status != status {
			t.Errorf("resolved %+v, %v", e, err)
		}
		wantJSON(t, "what is stored", stored, e)
		if !happened && !strings.Contains(e.Outcome.Error, "did not happen") || happened && e.Outcome.Error != "" {
			t.Errorf("the outcome says %q", e.Outcome.Error)
		}
		rows := record(t, s, acme)
		row := rows[len(rows)-1]
		if row.Kind != audit.EffectResolved || row.Actor != "bob" || row.Status != state || row.Note != want.Note || row.Call != e.Call.ID || row.Turn != "e1" {
			t.Errorf("audit row %+v", row)
		}
		_, err = s.Control.Resolve(t.Context(), ann(), one.Key, !happened, "no")
		wantError(t, err, agent.Conflict, "Bob has said already")
		// The worker that lost the outcome comes back.
		one.State = tools.EffectDone
		wantError(t, s.Ledger.Settle(t.Context(), one), agent.Conflict)
		rec, err := s.Ledger.Intend(t.Context(), allowed(proposal(t, ann(), "e1", n+1)))
		if err != nil || rec.Fresh || string(rec.State) != state {
			t.Errorf("intended again: %+v, %v; want what the person found", rec, err)
		}
	}
}

func resolvesOnlyForMembers(t *testing.T, s Stores) {
	one := lost(t, s, 1)
	for kind := agent.Stranger; kind <= agent.System; kind++ {
		by := bob()
		if by.Kind = kind; kind == agent.Member {
			by.ID = ""
		}
		_, err := s.Control.Resolve(t.Context(), by, one.Key, true, "sure")
		wantError(t, err, agent.Forbidden)
	}
	_, err := s.Control.Resolve(t.Context(), person(globex, "bob"), one.Key, true, "sure")
	wantError(t, err, agent.NotFound, "there is no effect")
	for _, note := range []string{"", " \n", strings.Repeat("x", 3000), "\xff"} {
		_, err := s.Control.Resolve(t.Context(), bob(), one.Key, true, note)
		wantError(t, err, agent.Invalid)
	}
	if e, err := s.Effect(t.Context(), acme, one.Key); err != nil || e.State != "unknown" || e.Resolution != nil {
		t.Errorf("effect %+v, %v; want it unknown still", e, err)
	}
	wantKinds(t, s, audit.CallIntent, audit.CallOutcome)
}

func resolvesUnknownOnly(t *testing.T, s Stores) {
	_, err := s.Control.Resolve(t.Context(), bob(), "k9", true, "sure")
	wantError(t, err, agent.NotFound)
	p := proposal(t, ann(), "e1", 1)
	fence := intend(t, s, allowed(p))
	for _, want := range []string{"intent", "done"} {
		_, err := s.Control.Resolve(t.Context(), bob(), keyOf(p), false, "sure")
		wantError(t, err, agent.Conflict, want)
		err = s.Ledger.Settle(t.Context(), tools.Settlement{Key: keyOf(p), Fence: fence, State: tools.EffectDone, Outcome: outcome(p, agent.Done, `{}`)})
		if err != nil {
			t.Fatal(err)
		}
	}
}

func resolveRace(t *testing.T, s Stores) {
	one := lost(t, s, 1)
	errs := race(racers, func(n int) error {
		_, err := s.Control.Resolve(context.Background(), bob(), one.Key, n%2 == 0, "sure")
		return err
	})
	oneWinner(t, errs, agent.Conflict, "Bob has said already")
}

func resolveNeedsAudit(t *testing.T, s Stores) {
	one := lost(t, s, 1)
	withoutAudit(t, s, func() {
		if _, err := s.Control.Resolve(t.Context(), bob(), one.Key, true, "sure"); err == nil {
			t.Error("resolved without an audit")
		}
	})
	if e, err := s.Effect(t.Context(), acme, one.Key); err != nil || e.State != "unknown" {
		t.Errorf("effect %+v, %v", e, err)
	}
}

func findEffects(t *testing.T, s Stores) {
	lost(t, s, 1)
	intend(t, s, allowed(proposal(t, ann(), "e1", 2)))
	intend(t, s, allowed(proposal(t, ann(), "e2", 1)))
	intend(t, s, allowed(proposal(t, person(globex, "ann"), "e1", 3)))
	for _, c := range []struct {
		f    loop.EffectFilter
		want []string
	}{
		{loop.EffectFilter{}, []string{"e1/1", "e1/2", "e2/1"}},
		{loop.EffectFilter{Turn: "e1"}, []string{"e1/1", "e1/2"}},
		{loop.EffectFilter{Limit: 2}, []string{"e1/2", "e2/1"}},
		{loop.EffectFilter{States: []tools.EffectState{tools.EffectUnknown}}, []string{"e1/1"}},
		{loop.EffectFilter{States: []tools.EffectState{tools.EffectDone}}, nil},
	} {
		all, err := s.Control.FindEffects(t.Context(), acme, c.f)
		var got []string
		for _, e := range all {
			got = append(got, e.Call.ID)
		}
		if err != nil || !slices.Equal(got, c.want) {
			t.Errorf("%+v: %v, %v; want %v", c.f, got, err, c.want)
		}
	}
}
