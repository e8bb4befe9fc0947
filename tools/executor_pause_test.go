package tools_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/tools"
)

const drill = "Everything is paused by Olga: a drill."

// wantDenied checks the outcome of a call that was stopped.
func wantDenied(t *testing.T, o agent.Outcome, why string) {
	t.Helper()
	if o.Status != agent.Denied || o.Kind != agent.Forbidden.String() || !strings.Contains(o.Error, why) {
		t.Errorf("%+v; want it denied: %s", o, why)
	}
}

func TestAPausedCallNeitherRunsNorAsks(t *testing.T) {
	for _, tool := range []string{"look", "press_keyed", "press_lookup", "press_neither"} {
		for _, r := range []agent.Ruling{agent.Allow, agent.Ask} {
			b := setUp(t)
			b.gate = ruling(r)
			b.Ledger.Pause(drill)
			plan := b.Plan(tool, green())
			wantDenied(t, b.Run(plan), drill)
			b.wantPressed(t, 0)
			b.wantLog(t, "refused "+tool+" by paused")
			if b.ruled > 0 {
				t.Errorf("%s: the gate was asked about a paused call", tool)
			}
			b.Ledger.Pause("")
			if o := b.Run(plan); o.Status == agent.Denied {
				t.Errorf("%s after the pause: %+v", tool, o)
			}
		}
	}
}

// pausedAt pauses the bench when the n-th call of the ledger's method begins.
func (b *bench) pausedAt(method string, n int) {
	b.Ledger.Fail = func(_ context.Context, m string) error {
		if m == method {
			if n--; n == 0 {
				b.Ledger.Pause(drill)
			}
		}
		return nil
	}
}

func TestAPauseAtAnyCheckPointStopsTheEffect(t *testing.T) {
	for _, c := range []struct {
		method string
		n      int
		log    []string
	}{
		{"paused", 1, []string{"refused press_keyed by paused"}},
		{"intend", 1, []string{"refused press_keyed by paused"}},
		{"known", 1, []string{"intends press_keyed", "failed press_keyed"}},
		{"paused", 2, []string{"intends press_keyed", "failed press_keyed"}},
	} {
		b := setUp(t)
		b.pausedAt(c.method, c.n)
		plan := b.Plan("press_keyed", green())
		wantDenied(t, b.Run(plan), drill)
		b.wantPressed(t, 0)
		b.wantLog(t, c.log...)
	}
	b := setUp(t)
	b.pausedAt("paused", 2)
	wantDenied(t, b.Do("look", green()), drill)
	b.wantPressed(t, 0)
}

func TestAPausedCallKeepsItsApproval(t *testing.T) {
	b := setUp(t)
	b.gate = ruling(agent.Ask)
	plan := b.Plan("press_keyed", green())
	plan.Approval = b.Run(plan).Approval
	if err := b.Ledger.Decide(plan.Approval, true); err != nil {
		t.Fatal(err)
	}
	for _, at := range []string{"paused", "intend"} {
		b.pausedAt(at, 1)
		wantDenied(t, b.Run(plan), drill)
		b.Ledger.Fail = nil
		b.Ledger.Pause("")
	}
	b.wantPressed(t, 0)
	if o := b.Run(plan); o.Status != agent.Done {
		t.Errorf("after the pause: %+v", o)
	}
	b.wantPressed(t, 1)
}

func TestWhetherSomethingIsPausedCannotBeRead(t *testing.T) {
	away := func(n int) func(context.Context, string) error {
		return func(_ context.Context, m string) error {
			if m == "paused" {
				if n--; n <= 0 {
					return errors.New("the store is away")
				}
			}
			return nil
		}
	}
	for _, tool := range []string{"look", "press_keyed"} {
		b := setUp(t)
		b.Ledger.Fail = away(1)
		if o, err := b.Execute(t.Context(), b.Plan(tool, green())); err == nil {
			t.Errorf("%s: %+v; want an error", tool, o)
		}
		b.wantPressed(t, 0)
		b.wantLog(t)
	}
	b := setUp(t)
	b.Ledger.Fail = away(2)
	if o, err := b.Execute(t.Context(), b.Plan("look", green())); err == nil {
		t.Errorf("a read: %+v; want an error", o)
	}
	b.Ledger.Fail = away(2)
	wantDenied(t, b.Do("press_neither", green()), "cannot be read")
	b.wantPressed(t, 0)
}

func TestWhatAPauseCaughtMidwayIsFoundOutAfterIt(t *testing.T) {
	for tool, want := range map[string]agent.Status{"press_keyed": agent.Done, "press_lookup": agent.Done, "press_neither": agent.Unknown} {
		for _, at := range []string{"before", "paused", "intend", "known"} {
			b := setUp(t)
			plan := b.lost(t, tool, false)
			if at == "before" {
				b.Ledger.Pause(drill)
			} else {
				b.pausedAt(at, 1)
			}
			if o, err := b.Execute(t.Context(), plan); agent.KindOf(err) != agent.Unavailable {
				t.Errorf("%s, paused %s: %+v, %v; want it put off", tool, at, o, err)
			}
			b.Ledger.Fail = nil
			b.wantPressed(t, 1)
			b.Ledger.Pause("")
			if o := b.Run(plan); o.Status != want {
				t.Errorf("%s, paused %s: after the pause %+v; want %s", tool, at, o, want)
			}
			// What has its outcome is told, paused or not.
			b.Ledger.Pause(drill)
			if o := b.Run(plan); o.Status != want {
				t.Errorf("%s, paused %s: in the next pause %+v; want %s", tool, at, o, want)
			}
		}
	}
}

// stall runs f once, when the executor's n-th use of the ledger's method
// begins, as if the worker had slept there.
func (b *bench) stall(method string, n int, f func()) {
	b.Ledger.Fail = func(_ context.Context, m string) error {
		if m == method && n > 0 {
			if n--; n == 0 {
				f()
			}
		}
		return nil
	}
}

// TestAWorkerThatWakesAfterAnotherTookOver has a worker stall, before it runs
// and after, until another has taken over and recorded the outcome.
func TestAWorkerThatWakesAfterAnotherTookOver(t *testing.T) {
	const rounds = 1000
	late, repeats := 0, 0
	b := setUp(t)
	for n := range rounds {
		tool := []string{"press_keyed", "press_lookup", "press_neither"}[n%3]
		at := []string{"known", "settle"}[n/3%2]
		plan := b.Plan(tool, green())
		var second agent.Outcome
		b.stall(at, 1, func() {
			second = b.Run(plan)
			b.machine.fail = agent.Errorf(agent.Invalid, "too late")
		})
		before := len(b.machine.keys)
		first, err := b.Execute(t.Context(), plan)
		b.Ledger.Fail, b.machine.fail = nil, nil
		if err != nil || first.Status != second.Status || string(first.Result) != string(second.Result) {
			late++
		}
		keys := slices.Clone(b.machine.keys[before:])
		slices.Sort(keys)
		if len(slices.Compact(keys)) > 1 || tool != "press_keyed" && len(keys) > 1 {
			repeats++
		}
		if again := b.Run(plan); again.Status != second.Status {
			late++
		}
	}
	t.Logf("%d rounds: %d late writes, %d repeats", rounds, late, repeats)
	if late > 0 || repeats > 0 {
		t.Errorf("%d late writes and %d repeats in %d rounds; want none", late, repeats, rounds)
	}
}

func TestAnAttemptThatWasTakenOverWaitsForTheOther(t *testing.T) {
	for at, runs := range map[string]int{"known": 0, "settle": 1} {
		b := setUp(t)
		plan := b.Plan("press_keyed", green())
		key := ""
		b.stall(at, 1, func() { key = b.takeOver(t, plan) })
		if o, err := b.Execute(t.Context(), plan); agent.KindOf(err) != agent.Unavailable {
			t.Errorf("stalled before %s: %+v, %v; want to come back later", at, o, err)
		}
		b.wantPressed(t, runs)
		if rec, _, err := b.Ledger.Known(t.Context(), "w", key); err != nil || rec.State != tools.EffectIntent {
			t.Errorf("%+v, %v; want the other's intent untouched", rec, err)
		}
	}
}

// takeOver is another worker that has begun the call and is not done.
func (b *bench) takeOver(t *testing.T, plan tools.Plan) (key string) {
	t.Helper()
	p := tools.Proposal{Call: plan.Call}
	var err error
	if p.Digest, err = plan.Call.Digest(); err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256([]byte(plan.Call.ID + "\n" + p.Digest))
	i := tools.Intent{Key: hex.EncodeToString(sum[:16]), Proposal: p, Verdict: agent.Verdict{Ruling: agent.Allow}}
	if rec, err := b.Ledger.Intend(t.Context(), i); err != nil || rec.Fresh || rec.Attempts != 2 {
		t.Fatalf("%+v, %v; want the intent taken over", rec, err)
	}
	return i.Key
}

func TestAnEffectWhoseAnswerIsLostIsNeverRepeated(t *testing.T) {
	const rounds = 500
	b := setUp(t)
	for n := range rounds {
		plan := b.Plan([]string{"press_keyed", "press_lookup", "press_neither"}[n%3], green())
		b.machine.fail, b.machine.jam = errors.New("connection reset"), true
		first := b.Run(plan)
		b.machine.fail, b.machine.jam = nil, false
		if again := b.Run(plan); first.Status != agent.Unknown || again.Status != agent.Unknown {
			t.Fatalf("%s: %s, then %s; want unknown and a person to look", plan.Call.Tool, first.Status, again.Status)
		}
	}
	b.wantPressed(t, rounds)
}
