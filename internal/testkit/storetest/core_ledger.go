package storetest

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/agent/approval"
	"github.com/sous-hq/sous/agent/audit"
	"github.com/sous-hq/sous/agent/loop"
	"github.com/sous-hq/sous/tools"
)

// Ledger checks tools.Ledger and loop.Effects.
func Ledger(t *testing.T, open Opener) {
	open.keeps(t, []promise{
		{"a refusal is one row with the exact arguments", refuses},
		{"a refused call may be anything a model makes up", refusesAnything},
		{"an intent is a row of the ledger and of the audit", intends},
		{"an intent without an outcome is taken over, one with an outcome is returned", intendTwice},
		{"what is known of a key is told without recording anything", known},
		{"of many intents of one key one is fresh", intendRace},
		{"without permission or approval nothing is intended", intendUnpermitted},
		{"a key of another call or workspace is a conflict", intendForeignKey},
		{"a call whose digest is not its own is not intended", intendForged},
		{"without an audit nothing is intended and no approval spent", intendNeedsAudit},
	})
	open.keeps(t, spendPromises())
	open.keeps(t, settlePromises())
	open.keeps(t, recheckPromises())
	open.keeps(t, fencePromises())
}

func spendPromises() []promise {
	return []promise{
		{"an intent spends its approval", spends},
		{"an approval is spent once, however many try", spendRace},
		{"an approval that is not a yes is not spent", spendUndecided},
		{"an approval is not spent for another call", spendOther},
		{"an approval is not spent too late", spendLate},
		{"an approval of nowhere or elsewhere is not spent", spendForeign},
	}
}

func settlePromises() []promise {
	return []promise{
		{"an outcome is kept whole, with what takes it back", settles},
		{"a final outcome stays", settleTwice},
		{"of many outcomes at once one counts", settleRace},
		{"an unknown outcome may become known", settleUnknown},
		{"nothing is settled that was not intended", settleNothing},
		{"without an audit nothing is settled", settleNeedsAudit},
		{"a turn's effects are listed in order", listEffects},
		{"another workspace sees no effects", effectsApart},
	}
}

// keyOf stands for the executor's key: it holds call and digest.
func keyOf(p tools.Proposal) string {
	return fmt.Sprintf("%s-%.8s", p.Call.ID, p.Digest)
}

func allowed(p tools.Proposal) tools.Intent {
	return tools.Intent{Key: keyOf(p), Proposal: p, Verdict: allows()}
}

func withApproval(p tools.Proposal, id string) tools.Intent {
	return tools.Intent{Key: keyOf(p), Proposal: p, Verdict: asks(), Approval: id}
}

// intend records an intent that must be fresh and returns its token.
func intend(t *testing.T, s Stores, i tools.Intent) int64 {
	t.Helper()
	rec, err := s.Ledger.Intend(t.Context(), i)
	if err != nil || !rec.Fresh || rec.State != tools.EffectIntent {
		t.Fatalf("intend: %+v, %v; want a fresh intent", rec, err)
	}
	return rec.Fence
}

func outcome(p tools.Proposal, st agent.Status, result string) agent.Outcome {
	return agent.Outcome{Call: p.Call.ID, Tool: p.Call.Tool, Status: st, Result: json.RawMessage(result)}
}

func refuses(t *testing.T, s Stores) {
	p := proposal(t, ann(), "e1", 1)
	// Even a verdict that forgot its ruling is a refusal.
	if err := s.Ledger.Refuse(t.Context(), p, agent.Verdict{Ruling: agent.Allow, Rule: "guests-read", Reason: "Guests only read."}); err != nil {
		t.Fatal(err)
	}
	tier := agent.TierWrite
	wantJSON(t, "audit", record(t, s, acme), []audit.Entry{{
		Seq: 1, At: s.Clock.Now(), Workspace: acme, Kind: audit.CallRefused, Actor: "ann", Turn: "e1", Call: "e1/1",
		Tool: "ticket_create", Tier: &tier, Digest: p.Digest, Ruling: "deny", Rule: "guests-read", Args: p.Call.Args,
	}})
}

func refusesAnything(t *testing.T, s Stores) {
	p := tools.Proposal{Call: agent.Call{ID: "e1/1", Turn: "e1", Actor: ann(), Tool: strings.Repeat("ö", 5000), Args: []byte(`{"broken`)}}
	if err := s.Ledger.Refuse(t.Context(), p, agent.Verdict{Rule: "unknown-tool"}); err != nil {
		t.Fatal(err)
	}
	e := record(t, s, acme)[0]
	if len(e.Tool) > 200 || !strings.HasPrefix(e.Tool, "öö") || e.Args != nil || e.Tier.Number() != 3 {
		t.Errorf("row of %d bytes of tool name, args %s, %v; want it short and well-formed", len(e.Tool), e.Args, e.Tier)
	}
	if _, err := json.Marshal(e); err != nil {
		t.Errorf("the row cannot be exported: %v", err)
	}
}

func intends(t *testing.T, s Stores) {
	p := proposal(t, ann(), "e1", 1)
	intend(t, s, allowed(p))
	got, err := s.Effect(t.Context(), acme, keyOf(p))
	if err != nil {
		t.Fatal(err)
	}
	wantJSON(t, "effect", got, loop.Effect{
		Key: keyOf(p), Turn: "e1", Call: p.Call, Digest: p.Digest, Tier: agent.TierWrite, State: "intent", Attempts: 1, Intended: s.Clock.Now(),
	})
	tier := agent.TierWrite
	rows := record(t, s, acme)
	wantJSON(t, "audit", rows, []audit.Entry{{
		Seq: 1, At: s.Clock.Now(), Workspace: acme, Kind: audit.CallIntent, Actor: "ann", Turn: "e1", Call: "e1/1",
		Tool: "ticket_create", Tier: &tier, Digest: p.Digest, Ruling: "allow", Rule: "ordered", Args: p.Call.Args,
	}})
	if string(rows[0].Args) != string(p.Call.Args) || string(got.Call.Args) != string(p.Call.Args) {
		t.Errorf("arguments %s and %s; want them byte for byte %s", rows[0].Args, got.Call.Args, p.Call.Args)
	}
}

func intendTwice(t *testing.T, s Stores) {
	p := proposal(t, ann(), "e1", 1)
	i := withApproval(p, approved(t, s, p))
	first := intend(t, s, i)
	rec, err := s.Ledger.Intend(t.Context(), i)
	if err != nil || rec.Fresh || rec.State != tools.EffectIntent || rec.Fence <= first || rec.Attempts != 2 {
		t.Errorf("intended again: %+v, %v; want the second attempt with a higher token than %d", rec, err, first)
	}
	want := outcome(p, agent.Done, `{"id":"T-1"}`)
	if err := s.Ledger.Settle(t.Context(), tools.Settlement{Key: i.Key, Fence: rec.Fence, State: tools.EffectDone, Outcome: want}); err != nil {
		t.Fatal(err)
	}
	rec, err = s.Ledger.Intend(t.Context(), i)
	if err != nil || rec.Fresh || rec.State != tools.EffectDone || rec.Attempts != 2 {
		t.Errorf("intended again: %+v, %v; want the known outcome", rec, err)
	}
	wantJSON(t, "outcome", rec.Outcome, want)
	wantKinds(t, s, audit.CallAsked, audit.ApprovalDecided, audit.CallIntent, audit.CallIntent, audit.CallOutcome)
	rows := record(t, s, acme)
	if e := rows[3]; e.Note != "attempt 2" || e.Approval != i.Approval || e.Digest != p.Digest {
		t.Errorf("audit row %+v; want the second attempt", e)
	}
}

func known(t *testing.T, s Stores) {
	p := proposal(t, ann(), "e1", 1)
	look := func(ws agent.WorkspaceID, want tools.EffectState) tools.Record {
		t.Helper()
		rec, ok, err := s.Ledger.Known(t.Context(), ws, keyOf(p))
		if err != nil || ok != (want != "") || rec.State != want || rec.Fresh {
			t.Errorf("known %+v, %v, %v; want state %q", rec, ok, err, want)
		}
		return rec
	}
	look(acme, "")
	fence := intend(t, s, allowed(p))
	if rec := look(acme, tools.EffectIntent); rec.Fence != fence || rec.Attempts != 1 {
		t.Errorf("known %+v; want the token %d", rec, fence)
	}
	o := outcome(p, agent.Done, `{"id":"T-1"}`)
	if err := s.Ledger.Settle(t.Context(), tools.Settlement{Key: keyOf(p), Fence: fence, State: tools.EffectDone, Outcome: o}); err != nil {
		t.Fatal(err)
	}
	wantJSON(t, "outcome", look(acme, tools.EffectDone).Outcome, o)
	look(globex, "")
	wantKinds(t, s, audit.CallIntent, audit.CallOutcome)
}

func intendRace(t *testing.T, s Stores) {
	p := proposal(t, ann(), "e1", 1)
	i := withApproval(p, approved(t, s, p))
	fresh := make([]bool, racers)
	fences := make([]int64, racers)
	errs := race(racers, func(n int) error {
		rec, err := s.Ledger.Intend(t.Context(), i)
		fresh[n], fences[n] = rec.Fresh, rec.Fence
		return err
	})
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	if n := count(fresh); n != 1 {
		t.Errorf("%d intents were fresh; want 1", n)
	}
	slices.Sort(fences)
	if len(slices.Compact(fences)) != racers {
		t.Errorf("tokens %v; want each attempt its own", fences)
	}
	if a := read(t, s, i.Approval); a.State != approval.Spent {
		t.Errorf("approval is %s; want it spent once", a.State)
	}
}

func intendUnpermitted(t *testing.T, s Stores) {
	p := proposal(t, ann(), "e1", 1)
	for _, v := range []agent.Verdict{{}, asks()} {
		_, err := s.Ledger.Intend(t.Context(), tools.Intent{Key: keyOf(p), Proposal: p, Verdict: v})
		wantError(t, err, agent.Forbidden)
	}
	noEffects(t, s, "e1")
}

func noEffects(t *testing.T, s Stores, turn string) {
	t.Helper()
	if all, err := s.Effects(t.Context(), acme, turn); err != nil || len(all) != 0 {
		t.Errorf("effects %v, %v; want none", all, err)
	}
}

func intendForeignKey(t *testing.T, s Stores) {
	p := proposal(t, ann(), "e1", 1)
	intend(t, s, allowed(p))
	other := proposalFor(t, ann(), "e1", 1, `{"title":"other"}`)
	_, err := s.Ledger.Intend(t.Context(), tools.Intent{Key: keyOf(p), Proposal: other, Verdict: allows()})
	wantError(t, err, agent.Conflict)
	theirs := proposal(t, person(globex, "ann"), "e1", 1)
	rec, err := s.Ledger.Intend(t.Context(), tools.Intent{Key: keyOf(p), Proposal: theirs, Verdict: allows()})
	wantError(t, err, agent.Conflict)
	if rec.State != "" {
		t.Errorf("another workspace learns %+v", rec)
	}
}

func intendForged(t *testing.T, s Stores) {
	p := proposal(t, ann(), "e1", 1)
	id := approved(t, s, p)
	p.Call.Args = []byte(`{"title":"something else"}`)
	_, err := s.Ledger.Intend(t.Context(), withApproval(p, id))
	wantError(t, err, agent.Conflict)
	if a := read(t, s, id); a.State != approval.Approved {
		t.Errorf("approval is %s", a.State)
	}
}

func intendNeedsAudit(t *testing.T, s Stores) {
	p := proposal(t, ann(), "e1", 1)
	id := approved(t, s, p)
	withoutAudit(t, s, func() {
		if rec, err := s.Ledger.Intend(t.Context(), withApproval(p, id)); err == nil || rec.Fresh {
			t.Errorf("intended without an audit: %+v", rec)
		}
		if err := s.Ledger.Refuse(t.Context(), p, agent.Verdict{}); err == nil {
			t.Error("refused without an audit")
		}
	})
	noEffects(t, s, "e1")
	if a := read(t, s, id); a.State != approval.Approved {
		t.Errorf("approval is %s; want it unspent", a.State)
	}
	intend(t, s, withApproval(p, id))
}

func spends(t *testing.T, s Stores) {
	p := proposal(t, ann(), "e1", 1)
	id := approved(t, s, p)
	s.Clock.Advance(time.Minute)
	intend(t, s, withApproval(p, id))
	if a := read(t, s, id); a.State != approval.Spent || !a.SpentAt.Equal(s.Clock.Now()) {
		t.Errorf("approval %+v; want it spent now", a)
	}
	rows := record(t, s, acme)
	if e := rows[len(rows)-1]; e.Kind != audit.CallIntent || e.Approval != id {
		t.Errorf("audit row %+v; want an intent with its approval", e)
	}
	if e, err := s.Effect(t.Context(), acme, keyOf(p)); err != nil || e.Approval != id {
		t.Errorf("effect %+v, %v; want its approval", e, err)
	}
}

func spendRace(t *testing.T, s Stores) {
	p := proposal(t, ann(), "e1", 1)
	id := approved(t, s, p)
	errs := race(racers, func(n int) error {
		i := withApproval(p, id)
		i.Key = fmt.Sprintf("%s-%d", i.Key, n)
		_, err := s.Ledger.Intend(t.Context(), i)
		return err
	})
	oneWinner(t, errs, agent.Conflict, "Bob already approved this")
	if all, err := s.Effects(t.Context(), acme, "e1"); err != nil || len(all) != 1 {
		t.Errorf("%d effects, %v; want 1", len(all), err)
	}
	wantKinds(t, s, audit.CallAsked, audit.ApprovalDecided, audit.CallIntent)
}

func spendUndecided(t *testing.T, s Stores) {
	p := proposal(t, ann(), "e1", 1)
	id := ask(t, s, p, asks())
	_, err := s.Ledger.Intend(t.Context(), withApproval(p, id))
	wantError(t, err, agent.Conflict, "has not been decided")
	if err := deny(t.Context(), s, bob(), id, "no"); err != nil {
		t.Fatal(err)
	}
	_, err = s.Ledger.Intend(t.Context(), withApproval(p, id))
	wantError(t, err, agent.Conflict, "Bob already denied this")
	noEffects(t, s, "e1")
}

func spendOther(t *testing.T, s Stores) {
	id := approved(t, s, proposal(t, ann(), "e1", 1))
	for _, p := range []tools.Proposal{
		proposalFor(t, ann(), "e1", 1, `{"title":"another"}`),
		proposal(t, bob(), "e1", 1),
	} {
		_, err := s.Ledger.Intend(t.Context(), withApproval(p, id))
		wantError(t, err, agent.Forbidden, "another call")
	}
	noEffects(t, s, "e1")
	if a := read(t, s, id); a.State != approval.Approved {
		t.Errorf("approval is %s", a.State)
	}
}

func spendLate(t *testing.T, s Stores) {
	p := proposal(t, ann(), "e1", 1)
	id := approved(t, s, p)
	s.Clock.Advance(approval.RunWithin)
	_, err := s.Ledger.Intend(t.Context(), withApproval(p, id))
	wantError(t, err, agent.Expired, "not used in time")
	if err := expire(t.Context(), s, id); err != nil {
		t.Fatal(err)
	}
	_, err = s.Ledger.Intend(t.Context(), withApproval(p, id))
	wantError(t, err, agent.Expired, "has expired")
	noEffects(t, s, "e1")
}

func spendForeign(t *testing.T, s Stores) {
	theirs := approved(t, s, proposal(t, person(globex, "ann"), "e1", 1))
	p := proposal(t, ann(), "e1", 1)
	for _, id := range []string{theirs, "AAAAAAAA"} {
		_, err := s.Ledger.Intend(t.Context(), withApproval(p, id))
		wantError(t, err, agent.Forbidden, "there is no approval "+id)
	}
	if a, err := s.Approval(t.Context(), globex, theirs); err != nil || a.State != approval.Approved {
		t.Errorf("their approval is %s, %v", a.State, err)
	}
}

func settles(t *testing.T, s Stores) {
	p := proposal(t, ann(), "e1", 1)
	id := approved(t, s, p)
	fence := intend(t, s, withApproval(p, id))
	intended := s.Clock.Now()
	s.Clock.Advance(time.Second)
	o := outcome(p, agent.Done, `{"id":"T-1","note":"a<b & c"}`)
	o.Undo, o.Label = "The ticket is closed.", agent.Label{Integrity: agent.Organisation, Readers: agent.Only("ann")}
	err := s.Ledger.Settle(t.Context(), tools.Settlement{
		Key: keyOf(p), Fence: fence, State: tools.EffectDone, Outcome: o,
		Undo: &tools.UndoCall{Tool: "ticket_close", Args: json.RawMessage(`{"id": "T-1", "why":"<undo>"}`)},
	})
	if err != nil {
		t.Fatal(err)
	}
	got, err := s.Effect(t.Context(), acme, keyOf(p))
	if err != nil {
		t.Fatal(err)
	}
	wantJSON(t, "effect", got, loop.Effect{
		Key: keyOf(p), Turn: "e1", Call: p.Call, Digest: p.Digest, Tier: agent.TierWrite, State: "done", Approval: id, Outcome: o,
		UndoTool: "ticket_close", UndoArgs: json.RawMessage(`{"id":"T-1","why":"<undo>"}`), UndoUntil: s.Clock.Now().Add(UndoTTL),
		Attempts: 1, Intended: intended, SettledAt: s.Clock.Now(),
	})
	tier := agent.TierWrite
	wantJSON(t, "audit", record(t, s, acme)[3], audit.Entry{
		Seq: 4, At: s.Clock.Now(), Workspace: acme, Kind: audit.CallOutcome, Actor: "ann", Turn: "e1", Call: "e1/1",
		Tool: "ticket_create", Tier: &tier, Digest: p.Digest, Approval: id, Status: "done",
	})
}

func settleTwice(t *testing.T, s Stores) {
	for n, final := range []tools.EffectState{tools.EffectDone, tools.EffectFailed} {
		p := proposal(t, ann(), "e1", n+1)
		fence := intend(t, s, allowed(p))
		for _, st := range []tools.EffectState{final, tools.EffectFailed, tools.EffectDone, tools.EffectUnknown} {
			err := s.Ledger.Settle(t.Context(), tools.Settlement{Key: keyOf(p), Fence: fence, State: st, Outcome: outcome(p, agent.Done, `"`+string(st)+`"`)})
			if err != nil {
				t.Errorf("settling %s as %s: %v; want nothing to happen", final, st, err)
			}
		}
		got, err := s.Effect(t.Context(), acme, keyOf(p))
		if err != nil || got.State != string(final) || string(got.Outcome.Result) != `"`+string(final)+`"` {
			t.Errorf("effect %+v, %v; want the first outcome, %s", got, err, final)
		}
	}
	wantKinds(t, s, audit.CallIntent, audit.CallOutcome, audit.CallIntent, audit.CallOutcome)
}

func settleRace(t *testing.T, s Stores) {
	p := proposal(t, ann(), "e1", 1)
	fence := intend(t, s, allowed(p))
	errs := race(racers, func(n int) error {
		return s.Ledger.Settle(t.Context(), tools.Settlement{
			Key: keyOf(p), Fence: fence, State: tools.EffectDone, Outcome: outcome(p, agent.Done, fmt.Sprint(n)),
		})
	})
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	wantKinds(t, s, audit.CallIntent, audit.CallOutcome)
}

func settleUnknown(t *testing.T, s Stores) {
	p := proposal(t, ann(), "e1", 1)
	fence := intend(t, s, allowed(p))
	lost := outcome(p, agent.Unknown, "")
	lost.Kind = "unavailable"
	for _, one := range []tools.Settlement{
		{Key: keyOf(p), Fence: fence, State: tools.EffectUnknown, Outcome: lost},
		{Key: keyOf(p), Fence: fence, State: tools.EffectUnknown, Outcome: lost},
		{Key: keyOf(p), Fence: fence, State: tools.EffectDone, Outcome: outcome(p, agent.Done, `{}`)},
	} {
		if err := s.Ledger.Settle(t.Context(), one); err != nil {
			t.Fatal(err)
		}
	}
	wantKinds(t, s, audit.CallIntent, audit.CallOutcome, audit.CallOutcome)
	rows := record(t, s, acme)
	if rows[1].Status != "unknown" || rows[1].Note != "unavailable" || rows[2].Status != "done" || rows[2].Note != "" {
		t.Errorf("audit rows %+v; want unknown with its kind, then done", rows[1:])
	}
}

func settleNothing(t *testing.T, s Stores) {
	wantError(t, s.Ledger.Settle(t.Context(), tools.Settlement{Key: "k9", State: tools.EffectDone}), agent.NotFound)
	p := proposal(t, ann(), "e1", 1)
	intend(t, s, allowed(p))
	for _, st := range []tools.EffectState{tools.EffectIntent, "", "perhaps"} {
		wantError(t, s.Ledger.Settle(t.Context(), tools.Settlement{Key: keyOf(p), State: st}), agent.Invalid)
	}
	wantKinds(t, s, audit.CallIntent)
}

func settleNeedsAudit(t *testing.T, s Stores) {
	p := proposal(t, ann(), "e1", 1)
	fence := intend(t, s, allowed(p))
	settle := func() error {
		return s.Ledger.Settle(t.Context(), tools.Settlement{Key: keyOf(p), Fence: fence, State: tools.EffectDone, Outcome: outcome(p, agent.Done, `{}`)})
	}
	withoutAudit(t, s, func() {
		if err := settle(); err == nil {
			t.Error("settled without an audit")
		}
	})
	if e, err := s.Effect(t.Context(), acme, keyOf(p)); err != nil || e.State != "intent" {
		t.Errorf("effect is %s, %v; want an intent still", e.State, err)
	}
	if err := settle(); err != nil {
		t.Errorf("settling once the audit is back: %v", err)
	}
}

func listEffects(t *testing.T, s Stores) {
	for n := 12; n > 0; n-- {
		intend(t, s, allowed(proposal(t, ann(), "e1", n)))
	}
	intend(t, s, allowed(proposal(t, ann(), "e2", 1)))
	all, err := s.Effects(t.Context(), acme, "e1")
	if err != nil || len(all) != 12 {
		t.Fatalf("%d effects, %v; want 12", len(all), err)
	}
	for i, e := range all {
		if want := fmt.Sprintf("e1/%d", 12-i); e.Call.ID != want {
			t.Errorf("effect %d is of call %s; want %s: the order of intending", i, e.Call.ID, want)
		}
	}
}

func effectsApart(t *testing.T, s Stores) {
	p := proposal(t, ann(), "e1", 1)
	intend(t, s, allowed(p))
	_, err := s.Effect(t.Context(), globex, keyOf(p))
	wantError(t, err, agent.NotFound, "there is no effect "+keyOf(p))
	_, err = s.Effect(t.Context(), acme, "k9")
	wantError(t, err, agent.NotFound, "there is no effect k9")
	if all, err := s.Effects(t.Context(), globex, "e1"); err != nil || len(all) != 0 {
		t.Errorf("another workspace lists %v, %v", all, err)
	}
}
