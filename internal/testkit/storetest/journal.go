package storetest

import (
	"encoding/json"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/agent/audit"
	"github.com/sous-hq/sous/agent/loop"
)

// Journal checks what a store keeps of turns under way, and who carries them. The
// names in carriers are processes the store knows; the first two are used.
func Journal(t *testing.T, open Opener, carriers ...string) {
	j := journalSuite{carriers}
	open.keeps(t, []promise{
		{"what is pending is in the store with the write of its turn, in order", j.withWrite},
		{"what is pending is not in the store when the write fails", j.notWithFailure},
		{"an intent carries the plan it follows from", j.withIntent},
		{"what nobody writes along is recorded for many turns at once", j.apart},
		{"a step that is recorded stays as it is", j.stays},
		{"the journal of a turn that ends is gone, and stays away", j.gone},
		{"a process adopts what others ran or waited with, and not what nobody has to run", j.adopt},
		{"an adopted turn says when it wakes and whether something has come for it", j.wakes},
		{"a process that ends counts against what it ran, one that gives back does not", j.tries},
		{"a turn that parks has no tries against it any more", j.parksForgiven},
		{"a turn that comes a step further has no tries against it any more, one that does not keeps them", j.furtherForgiven},
		{"a turn that was set aside waits, says why and is nobody's", j.bury},
		{"a turn that was set aside is replayed once, on the record", j.revive},
		{"a turn that was set aside is ended once by a person, on the record", j.cancel},
		{"turns are found by state, and apart by workspace", j.find},
	})
}

type journalSuite struct{ carriers []string }

func checkpoint(n int, effect, result string) loop.Checkpoint {
	return loop.Checkpoint{N: n, Effect: effect, Result: json.RawMessage(result)}
}

func pendingOf(turn string, steps ...string) *loop.Pending {
	p := &loop.Pending{Workspace: acme, Turn: turn}
	for i, s := range steps {
		p.Add(checkpoint(i+1, s, fmt.Sprintf(`{"n":%d}`, i+1)), time.Time{})
	}
	return p
}

func wantJournal(t *testing.T, s Stores, turn string, steps ...string) {
	t.Helper()
	all, err := s.Checkpoints(t.Context(), acme, turn)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for i, c := range all {
		got = append(got, c.Effect)
		if c.N != i+1 || string(c.Result) != fmt.Sprintf(`{"n":%d}`, c.N) {
			t.Errorf("checkpoint %d is %+v", i, c)
		}
	}
	if !slices.Equal(got, steps) {
		t.Errorf("the journal of %s has %v; want %v", turn, got, steps)
	}
}

func (j journalSuite) withWrite(t *testing.T, s Stores) {
	accept(t, s, "e1", "c1", ann())
	p := pendingOf("e1", "think", "calls")
	p.Hear(2)
	if err := s.Park(loop.WithPending(t.Context(), p), acme, "e1", loop.Parked{}); err != nil {
		t.Fatal(err)
	}
	wantJournal(t, s, "e1", "think", "calls")
	if _, dirty := p.Since(); dirty || !p.Kept() {
		t.Error("what was recorded is still pending")
	}
	p.Add(checkpoint(3, "await inbox", `{"n":3}`), time.Time{})
	if err := s.SetStatus(loop.WithPending(t.Context(), p), acme, "e1", agent.TurnRunning); err != nil {
		t.Fatal(err)
	}
	wantJournal(t, s, "e1", "think", "calls", "await inbox")
}

func (j journalSuite) notWithFailure(t *testing.T, s Stores) {
	accept(t, s, "e1", "c1", ann())
	p := pendingOf("e1", "think")
	if err := s.Park(loop.WithPending(t.Context(), p), acme, "e1", loop.Parked{Steps: []agent.Step{{N: 0}}}); err == nil {
		t.Fatal("a step without a number was stored")
	}
	wantJournal(t, s, "e1")
	if _, dirty := p.Since(); !dirty {
		t.Error("nothing is pending any more")
	}
}

func (j journalSuite) withIntent(t *testing.T, s Stores) {
	accept(t, s, "e1", "c1", ann())
	p := pendingOf("e1", "think")
	ctx := loop.WithPending(t.Context(), p)
	i := allowed(proposal(t, ann(), "e1", 1))
	if _, err := s.Ledger.Intend(ctx, i); err != nil {
		t.Fatal(err)
	}
	wantJournal(t, s, "e1", "think")
}

func (j journalSuite) apart(t *testing.T, s Stores) {
	var all []*loop.Pending
	for i := range 5 {
		id := fmt.Sprintf("e%d", i)
		accept(t, s, id, "c"+id, ann())
		all = append(all, pendingOf(id, "think"))
	}
	all = append(all, pendingOf("nothing there", "think"))
	if err := s.Record(t.Context(), all); err != nil {
		t.Fatal(err)
	}
	for i := range 5 {
		wantJournal(t, s, fmt.Sprintf("e%d", i), "think")
	}
	wantJournal(t, s, "nothing there")
}

func (j journalSuite) stays(t *testing.T, s Stores) {
	accept(t, s, "e1", "c1", ann())
	if err := s.Record(t.Context(), []*loop.Pending{pendingOf("e1", "think")}); err != nil {
		t.Fatal(err)
	}
	if err := s.Record(t.Context(), []*loop.Pending{pendingOf("e1", "other", "calls")}); err != nil {
		t.Fatal(err)
	}
	wantJournal(t, s, "e1", "think", "calls")
}

func (j journalSuite) gone(t *testing.T, s Stores) {
	turn := accept(t, s, "e1", "c1", ann()).Turn
	p := pendingOf("e1", "think")
	if err := s.Record(t.Context(), []*loop.Pending{p}); err != nil {
		t.Fatal(err)
	}
	p.Add(checkpoint(2, "calls", `{"n":2}`), time.Time{})
	f := ending(turn, "done")
	f.Kept = p.Kept
	if err := endTurn(loop.WithPending(t.Context(), nil), s, f); err != nil {
		t.Fatal(err)
	}
	wantJournal(t, s, "e1")
	if err := s.Record(t.Context(), []*loop.Pending{p}); err != nil {
		t.Fatal(err)
	}
	wantJournal(t, s, "e1")
}

// carried accepts a turn in the name of a process.
func (j journalSuite) carried(t *testing.T, s Stores, carrier int, id string) agent.Turn {
	t.Helper()
	turn, m := event(id, "c-"+id, ann())
	acc, err := s.Accept(loop.InReplica(t.Context(), j.carriers[carrier]), turn, m, nil)
	if err != nil {
		t.Fatal(err)
	}
	return acc.Turn
}

func (j journalSuite) adopted(t *testing.T, s Stores, carrier int, from ...string) map[string]loop.Carried {
	t.Helper()
	all, err := s.Adopt(t.Context(), j.carriers[carrier], from...)
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]loop.Carried{}
	for _, c := range all {
		got[c.Turn] = c
	}
	return got
}

func (j journalSuite) adopt(t *testing.T, s Stores) {
	j.carried(t, s, 0, "runs")
	j.carried(t, s, 0, "waits")
	if err := s.Park(t.Context(), acme, "waits", loop.Parked{}); err != nil {
		t.Fatal(err)
	}
	finish(t, s, j.carried(t, s, 0, "over"))
	j.carried(t, s, 1, "mine")
	accept(t, s, "nobody's", "c9", ann())
	queued, m := event("queued", "c-runs", ann())
	if _, err := s.Accept(loop.InReplica(t.Context(), j.carriers[0]), queued, m, nil); err != nil {
		t.Fatal(err)
	}
	if got := j.adopted(t, s, 1, "somebody else"); len(got) != 0 {
		t.Errorf("adopted %v of a process that has none", got)
	}
	if all, err := s.Carriers(t.Context()); err != nil || len(all) != 2 {
		t.Errorf("carriers %v, %v", all, err)
	}
	got := j.adopted(t, s, 1)
	if len(got) != 2 || got["runs"].Status != agent.TurnRunning || got["waits"].Status != agent.TurnWaiting {
		t.Errorf("adopted %+v", got)
	}
	if again := j.adopted(t, s, 1); len(again) != 0 {
		t.Errorf("adopted again: %v", again)
	}
	// The queued one is carried by whoever claims it.
	if err := s.SetStatus(t.Context(), acme, "runs", agent.TurnDone); err != nil {
		t.Fatal(err)
	}
	if _, ok, err := s.Claim(loop.InReplica(t.Context(), j.carriers[0]), acme, "c-runs"); !ok || err != nil {
		t.Fatalf("claim: %v, %v", ok, err)
	}
	if got := j.adopted(t, s, 1, j.carriers[0]); len(got) != 1 || got["queued"].Turn == "" {
		t.Errorf("adopted %v; want the claimed one", got)
	}
}

func (j journalSuite) wakes(t *testing.T, s Stores) {
	wake := s.Clock.Now().Add(time.Hour)
	for _, id := range []string{"quiet", "told", "heard"} {
		j.carried(t, s, 0, id)
		p := pendingOf(id)
		if id != "quiet" {
			if err := s.Send(t.Context(), acme, id, loop.InboxTopic, loop.Signal{Type: loop.SignalStop}); err != nil {
				t.Fatal(err)
			}
		}
		if id == "heard" {
			p.Hear(1)
		}
		if err := s.Park(loop.WithPending(t.Context(), p), acme, id, loop.Parked{Wake: wake}); err != nil {
			t.Fatal(err)
		}
	}
	// It was told, took note of that, and its process ended before it could act on it.
	j.carried(t, s, 0, "cut short")
	if err := s.Park(t.Context(), acme, "cut short", loop.Parked{Wake: wake}); err != nil {
		t.Fatal(err)
	}
	if err := s.Send(t.Context(), acme, "cut short", loop.InboxTopic, loop.Signal{Type: loop.SignalStop}); err != nil {
		t.Fatal(err)
	}
	cut := pendingOf("cut short", "await inbox")
	cut.Hear(1)
	if err := s.Record(t.Context(), []*loop.Pending{cut}); err != nil {
		t.Fatal(err)
	}
	ready, err := s.Ready(t.Context(), j.carriers[0])
	if err != nil || len(ready) != 1 || ready[0].Turn != "told" {
		t.Errorf("ready %v, %v; want told alone", ready, err)
	}
	for n, want := range []int{4, 0} {
		if all, err := s.Carried(t.Context(), j.carriers[n]); err != nil || len(all) != want {
			t.Errorf("carrier %d carries %v, %v; want %d turns", n, all, err, want)
		}
	}
	got := j.adopted(t, s, 1)
	if all, err := s.Carried(t.Context(), j.carriers[1]); err != nil || len(all) != 4 {
		t.Errorf("who took over carries %v, %v; want all", all, err)
	}
	if c := got["cut short"]; !c.Ready && (c.Wake.IsZero() || c.Wake.After(s.Clock.Now())) {
		t.Errorf("it heard something and was cut short, and is left to wait: %+v", c)
	}
	if len(got) != 4 || got["quiet"].Ready || !got["told"].Ready || got["heard"].Ready || !got["quiet"].Wake.Equal(wake) {
		t.Errorf("adopted %+v", got)
	}
}

func (j journalSuite) tries(t *testing.T, s Stores) {
	j.carried(t, s, 0, "runs")
	j.carried(t, s, 0, "waits")
	if err := s.Park(t.Context(), acme, "waits", loop.Parked{}); err != nil {
		t.Fatal(err)
	}
	if got := j.adopted(t, s, 1); got["runs"].Tries != 1 || got["waits"].Tries != 0 {
		t.Errorf("after one end: %+v", got)
	}
	if err := s.GiveBack(t.Context(), j.carriers[1]); err != nil {
		t.Fatal(err)
	}
	if got := j.adopted(t, s, 0); got["runs"].Tries != 1 || len(got) != 2 {
		t.Errorf("after it was given back: %+v", got)
	}
	for i := range 5 {
		if got := j.adopted(t, s, (i+1)%2); got["runs"].Tries != min(i+2, loop.AloneFrom) {
			t.Errorf("after %d ends: %+v", i+2, got)
		}
	}
	// From then on each try is counted before it is made.
	if n, err := s.Try(t.Context(), loop.Start{Workspace: string(acme), Turn: "runs"}); err != nil || n != loop.AloneFrom+1 {
		t.Errorf("%d tries, %v", n, err)
	}
	if got := j.adopted(t, s, 0); got["runs"].Tries != loop.AloneFrom+1 {
		t.Errorf("after it was tried alone: %+v", got)
	}
}

func (j journalSuite) parksForgiven(t *testing.T, s Stores) {
	j.carried(t, s, 0, "runs")
	if got := j.adopted(t, s, 1); got["runs"].Tries != 1 {
		t.Errorf("%+v", got)
	}
	if err := s.Park(t.Context(), acme, "runs", loop.Parked{}); err != nil {
		t.Fatal(err)
	}
	if got := j.adopted(t, s, 0); got["runs"].Tries != 0 {
		t.Errorf("%+v", got)
	}
}

func (j journalSuite) furtherForgiven(t *testing.T, s Stores) {
	for _, id := range []string{"alone", "with others", "stands"} {
		j.carried(t, s, 0, id)
	}
	if got := j.adopted(t, s, 1); len(got) != 3 || got["alone"].Tries != 1 {
		t.Fatalf("%+v", got)
	}
	alone, others, stands := pendingOf("alone", "think"), pendingOf("with others", "think"), pendingOf("stands")
	for _, p := range []*loop.Pending{alone, others, stands} {
		p.Blame()
	}
	if err := s.Record(t.Context(), []*loop.Pending{alone, stands}); err != nil {
		t.Fatal(err)
	}
	if err := s.SetStatus(loop.WithPending(t.Context(), others), acme, "with others", agent.TurnRunning); err != nil {
		t.Fatal(err)
	}
	if alone.Tried() || others.Tried() || !stands.Tried() {
		t.Errorf("tried: %v, %v, %v; want the one that stands alone", alone.Tried(), others.Tried(), stands.Tried())
	}
	if got := j.adopted(t, s, 0); got["alone"].Tries != 1 || got["with others"].Tries != 1 || got["stands"].Tries != 2 {
		t.Errorf("after another end: %+v", got)
	}
}

func stuck(s Stores) loop.Stuck {
	return loop.Stuck{Step: "calls", Tries: 5, Reason: "the tool's answer cannot be read", At: s.Clock.Now()}
}

func (j journalSuite) bury(t *testing.T, s Stores) {
	turn := j.carried(t, s, 0, "e1")
	if err := s.Bury(t.Context(), acme, "e1", stuck(s), "I cannot go on."); err != nil {
		t.Fatal(err)
	}
	all, err := s.FindTurns(t.Context(), acme, loop.TurnFilter{Stuck: true})
	if err != nil || len(all) != 1 {
		t.Fatalf("%v, %v", all, err)
	}
	if l := all[0]; l.Status != agent.TurnWaiting || l.Answer != "I cannot go on." || l.Carrier != "" || l.Stuck == nil || *l.Stuck != stuck(s) {
		t.Errorf("listed as %+v, %+v", l, l.Stuck)
	}
	rows := record(t, s, acme)
	if e := rows[len(rows)-1]; e.Kind != audit.TurnStuck || e.Turn != "e1" || e.Status != "calls" || e.Note != "5 tries: the tool's answer cannot be read" {
		t.Errorf("recorded %+v", e)
	}
	if got := j.adopted(t, s, 1); len(got) != 0 {
		t.Errorf("adopted %v", got)
	}
	// The conversation goes on, and the turn can still be ended.
	if acc := accept(t, s, "e2", "c-e1", ann()); !acc.Start {
		t.Error("the next message waits")
	}
	finish(t, s, turn)
	if all, err := s.FindTurns(t.Context(), acme, loop.TurnFilter{Stuck: true}); err != nil || len(all) != 0 {
		t.Errorf("%v, %v", all, err)
	}
	if err := s.Bury(t.Context(), acme, "e1", stuck(s), "late"); err != nil {
		t.Fatal(err)
	}
	if got, _, _, err := s.Turn(t.Context(), acme, "e1"); err != nil || got.Status != agent.TurnDone || got.Answer != "done" {
		t.Errorf("%+v, %v", got, err)
	}
}

func (j journalSuite) revive(t *testing.T, s Stores) {
	j.carried(t, s, 0, "e1")
	ctx := loop.InReplica(t.Context(), j.carriers[1])
	wantError(t, s.Revive(ctx, ann(), "e1"), agent.Conflict, "not set aside")
	wantError(t, s.Revive(ctx, ann(), "e9"), agent.NotFound)
	if err := s.Bury(t.Context(), acme, "e1", stuck(s), "I cannot go on."); err != nil {
		t.Fatal(err)
	}
	oneWinner(t, race(racers, func(int) error { return s.Revive(ctx, bob(), "e1") }), agent.Conflict)
	got, err := s.FindTurns(t.Context(), acme, loop.TurnFilter{ID: "e1"})
	if err != nil || len(got) != 1 || got[0].Status != agent.TurnRunning || got[0].Stuck != nil || got[0].Carrier != j.carriers[1] || got[0].Answer != "" {
		t.Errorf("%+v, %v", got, err)
	}
	rows := record(t, s, acme)
	if e := rows[len(rows)-1]; e.Kind != audit.TurnReplayed || e.Actor != "bob" || e.Turn != "e1" {
		t.Errorf("recorded %+v", e)
	}
}

func (j journalSuite) cancel(t *testing.T, s Stores) {
	f := ending(j.carried(t, s, 0, "e1"), "Bob ended this.")
	f.Turn.Status, f.CancelledBy = agent.TurnStopped, "bob"
	wantError(t, endTurn(t.Context(), s, f), agent.Conflict, "not set aside")
	if err := s.Bury(t.Context(), acme, "e1", stuck(s), "I cannot go on."); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := endTurn(t.Context(), s, f); err != nil {
			t.Fatal(err)
		}
	}
	got, _, _, err := s.Turn(t.Context(), acme, "e1")
	if err != nil || got.Status != agent.TurnStopped || got.Answer != "Bob ended this." {
		t.Errorf("%+v, %v", got, err)
	}
	rows, n := record(t, s, acme), 0
	for _, e := range rows {
		if e.Kind == audit.TurnCancelled && e.Actor == "bob" && e.Turn == "e1" {
			n++
		}
	}
	if n != 1 {
		t.Errorf("%d rows say who ended it", n)
	}
	wantError(t, s.Revive(loop.InReplica(t.Context(), j.carriers[1]), ann(), "e1"), agent.Conflict)
}

func (j journalSuite) find(t *testing.T, s Stores) {
	finish(t, s, j.carried(t, s, 0, "over"))
	j.carried(t, s, 0, "runs")
	if err := s.Record(t.Context(), []*loop.Pending{pendingOf("runs", "think", "calls")}); err != nil {
		t.Fatal(err)
	}
	accept(t, s, "other", "c", person(globex, "gus"))
	for _, c := range []struct {
		f    loop.TurnFilter
		want []string
	}{
		{loop.TurnFilter{}, []string{"runs", "over"}},
		{loop.TurnFilter{Limit: 1}, []string{"runs"}},
		{loop.TurnFilter{Statuses: []agent.TurnStatus{agent.TurnDone, agent.TurnFailed}}, []string{"over"}},
		{loop.TurnFilter{ID: "other"}, nil},
	} {
		all, err := s.FindTurns(t.Context(), acme, c.f)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, l := range all {
			got = append(got, l.ID)
			if l.ID == "runs" && (l.Steps != 2 || l.Carrier != j.carriers[0]) {
				t.Errorf("listed as %+v", l)
			}
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%+v finds %v; want %v", c.f, got, c.want)
		}
	}
}
