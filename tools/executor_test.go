package tools_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/tools"
	"github.com/sous-hq/sous/tools/toolstest"
)

type pressIn struct {
	Button string `json:"button" jsonschema:"the button to press"`
	Times  int    `json:"times,omitempty" jsonschema:"how often"`
}

type pressOut struct {
	Pressed string `json:"pressed"`
}

// machine is what the tools under test work on: it keeps the keys of the effects
// that really happened.
type machine struct {
	keys []string
	// fail, when set, is the error of the next press; jam presses first.
	fail error
	jam  bool
	// check and slow change the next call.
	check error
	slow  time.Duration
}

func (m *machine) press(ctx context.Context, inv tools.Invocation, in pressIn) (pressOut, error) {
	if m.slow > 0 {
		select {
		case <-ctx.Done():
			return pressOut{}, ctx.Err()
		case <-time.After(m.slow):
		}
	}
	if m.fail != nil && !m.jam {
		return pressOut{}, m.fail
	}
	m.keys = append(m.keys, inv.Key)
	return pressOut{in.Button}, m.fail
}

func (m *machine) tool(t *testing.T, name string, tier agent.Tier, class tools.Class) tools.Tool {
	t.Helper()
	spec := tools.Spec{
		Name: name, Doc: "Presses a button. Use it when somebody asks for it; never repeated.", Tier: tier,
		Timeout: time.Second, Class: class, Control: []string{"button"},
	}
	f := tools.Funcs[pressIn, pressOut]{
		Run: m.press,
		Label: func(tools.Invocation, pressIn, pressOut) agent.Label {
			return agent.Label{Integrity: agent.Organisation, Readers: agent.Only("ann")}
		},
		Check: func(context.Context, tools.Invocation, pressIn) error { return m.check },
		Find: func(_ context.Context, inv tools.Invocation, in pressIn) (pressOut, bool, error) {
			return pressOut{in.Button}, slices.Contains(m.keys, inv.Key), nil
		},
	}
	if tier > agent.TierRead {
		spec.Undo = "Lets go of the button."
		f.Undo = func(in pressIn, _ pressOut) (string, any, bool) { return name, in, in.Button != "red" }
	}
	tool, err := tools.New(spec, f)
	if err != nil {
		t.Fatal(err)
	}
	return tool
}

// bench is an executor over one machine with a look, and a press of each class.
type bench struct {
	*toolstest.Executor
	machine *machine
	gate    toolstest.GateFunc
	ruled   int
}

func setUp(t *testing.T) *bench {
	t.Helper()
	b := &bench{machine: &machine{}, gate: toolstest.AllowAll}
	m := b.machine
	r := toolstest.NewRegistry(t, []tools.Tool{
		m.tool(t, "look", agent.TierRead, tools.Neither),
		m.tool(t, "press_keyed", agent.TierWrite, tools.Keyed),
		m.tool(t, "press_lookup", agent.TierWrite, tools.Lookup),
		m.tool(t, "press_neither", agent.TierWrite, tools.Neither),
	}, nil)
	b.Executor = toolstest.NewExecutorWith(t, r, func(ctx context.Context, p tools.Proposal) (agent.Verdict, error) {
		b.ruled++
		return b.gate(ctx, p)
	})
	return b
}

func ruling(r agent.Ruling) toolstest.GateFunc {
	return func(context.Context, tools.Proposal) (agent.Verdict, error) {
		return agent.Verdict{Ruling: r, Rule: "the-rule", Reason: "It was ruled so."}, nil
	}
}

// green is a press with nothing special about it.
func green() map[string]any { return map[string]any{"button": "green"} }

func (b *bench) wantPressed(t *testing.T, n int) {
	t.Helper()
	if len(b.machine.keys) != n {
		t.Errorf("it happened %d times, want %d", len(b.machine.keys), n)
	}
}

func (b *bench) wantLog(t *testing.T, want ...string) {
	t.Helper()
	if got := b.Ledger.Log(); !slices.Equal(got, want) {
		t.Errorf("recorded %q, want %q", got, want)
	}
}

func TestAnUnknownToolIsDeniedAndRecorded(t *testing.T) {
	for _, args := range []string{`{}`, `not json`, ``} {
		b := setUp(t)
		o := b.Do("launch", args)
		if o.Status != agent.Denied || !strings.Contains(o.Error, "launch") {
			t.Errorf("%q: %+v", args, o)
		}
		b.wantLog(t, "refused launch by unknown-tool")
	}
	b := setUp(t)
	if o := b.Do(strings.Repeat("x", 10_000), "{}"); len(o.Error) > 200 || len(o.Tool) > 200 && o.Status != agent.Denied {
		t.Errorf("%d bytes of error", len(o.Error))
	}
}

func TestBadArgumentsNeverReachTheGate(t *testing.T) {
	b := setUp(t)
	for _, args := range []string{`{`, `[]`, `{"button": 1}`, `{"button": "a", "who": "me"}`, `{}`, `{"button":"a"} {}`, `null`, `{"button":"a","times":1.5}`, `{"button":"` + strings.Repeat("a", 256<<10) + `"}`} {
		if o := b.Do("press_keyed", args); o.Status != agent.Failed || o.Kind != "invalid" {
			t.Errorf("%.40s: %+v", args, o)
		}
	}
	if b.ruled > 0 {
		t.Errorf("the gate was asked %d times", b.ruled)
	}
	b.wantPressed(t, 0)
	b.wantLog(t)
}

func TestACallThatCannotRunIsNotPutToAnybody(t *testing.T) {
	b := setUp(t)
	b.gate = ruling(agent.Ask)
	b.machine.check = agent.Errorf(agent.NotFound, "there is no such button")
	if o := b.Do("press_keyed", green()); o.Status != agent.Failed || o.Error != "there is no such button" {
		t.Errorf("%+v", o)
	}
	b.machine.check = agent.Errorf(agent.Unavailable, "the machine is away")
	if _, err := b.Execute(t.Context(), b.Plan("press_keyed", green())); err == nil {
		t.Error("a check that could not be made must be made again")
	}
	b.wantLog(t)
}

func TestNothingRunsUnlessTheGateAllowsIt(t *testing.T) {
	failing := func(context.Context, tools.Proposal) (agent.Verdict, error) {
		return agent.Verdict{Ruling: agent.Allow}, errors.New("policy: diagnostics at 10.0.0.7")
	}
	for name, tc := range map[string]struct {
		gate   toolstest.GateFunc
		status agent.Status
		record string
	}{
		"denied":           {ruling(agent.Deny), agent.Denied, "refused %s by the-rule"},
		"asked":            {ruling(agent.Ask), agent.Waiting, "asked for %s"},
		"an error":         {failing, agent.Denied, "refused %s by policy-error"},
		"no known ruling":  {ruling(agent.Allow + 1), agent.Denied, "refused %s by the-rule"},
		"the zero verdict": {func(context.Context, tools.Proposal) (agent.Verdict, error) { return agent.Verdict{}, nil }, agent.Denied, "refused %s by "},
	} {
		for _, tool := range []string{"look", "press_keyed", "press_neither"} {
			b := setUp(t)
			b.gate = tc.gate
			o := b.Do(tool, green())
			if o.Status != tc.status || strings.Contains(o.Error, "10.0.0.7") {
				t.Errorf("%s, %s: %+v", name, tool, o)
			}
			b.wantPressed(t, 0)
			b.wantLog(t, fmt.Sprintf(tc.record, tool))
		}
	}
}

func TestWhatCannotBeRecordedDoesNotRun(t *testing.T) {
	for method, gate := range map[string]toolstest.GateFunc{
		"intend": ruling(agent.Allow), "ask": ruling(agent.Ask), "refuse": ruling(agent.Deny),
	} {
		b := setUp(t)
		b.gate = gate
		b.Ledger.Fail = func(_ context.Context, m string) error {
			if m == method {
				return agent.Errorf(agent.Unavailable, "the disk is full")
			}
			return nil
		}
		if o, err := b.Execute(t.Context(), b.Plan("press_keyed", green())); err == nil {
			t.Errorf("%s: want an error, got %+v", method, o)
		}
		b.wantPressed(t, 0)
		b.wantLog(t)
	}
}

func TestAnApprovedCallRunsOnceAndSpendsItsApproval(t *testing.T) {
	b := setUp(t)
	b.gate = ruling(agent.Ask)
	plan := b.Plan("press_keyed", green())
	o := b.Run(plan)
	plan.Approval = o.Approval
	if o := b.Run(plan); o.Status != agent.Denied {
		t.Errorf("ran before anybody decided: %+v", o)
	}
	b.wantPressed(t, 0)
	if err := b.Ledger.Decide(o.Approval, true); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if o := b.Run(plan); o.Status != agent.Done || o.Undo == "" {
			t.Errorf("approved: %+v", o)
		}
	}
	b.wantPressed(t, 1)
	other := b.Plan("press_keyed", green())
	other.Approval = o.Approval
	if o := b.Run(other); o.Status != agent.Denied {
		t.Errorf("spent again by another call: %+v", o)
	}
	b.wantPressed(t, 1)
}

func TestAnApprovalOfOtherArgumentsRunsNothing(t *testing.T) {
	b := setUp(t)
	b.gate = ruling(agent.Ask)
	plan := b.Plan("press_keyed", green())
	o := b.Run(plan)
	if err := b.Ledger.Decide(o.Approval, true); err != nil {
		t.Fatal(err)
	}
	for what, change := range map[string]func(*tools.Plan){
		"arguments": func(p *tools.Plan) { p.Call.Args = json.RawMessage(`{"button":"green "}`) },
		"tool":      func(p *tools.Plan) { p.Call.Tool = "press_lookup" },
		"actor":     func(p *tools.Plan) { p.Call.Actor.ID = "eve" },
		"workspace": func(p *tools.Plan) { p.Call.Actor.Workspace = "v" },
	} {
		edited := plan
		edited.Approval = o.Approval
		change(&edited)
		if o := b.Run(edited); o.Status != agent.Denied {
			t.Errorf("other %s: %+v", what, o)
		}
	}
	plan.Approval = "NOTTHERE"
	if o := b.Run(plan); o.Status != agent.Denied {
		t.Errorf("an approval that is not there: %+v", o)
	}
	b.wantPressed(t, 0)
}

func TestADeniedApprovalRunsNothing(t *testing.T) {
	b := setUp(t)
	b.gate = ruling(agent.Ask)
	plan := b.Plan("press_keyed", green())
	o := b.Run(plan)
	if err := b.Ledger.Decide(o.Approval, false); err != nil {
		t.Fatal(err)
	}
	plan.Approval = o.Approval
	if o := b.Run(plan); o.Status != agent.Denied {
		t.Errorf("%+v", o)
	}
	b.wantPressed(t, 0)
}

func TestPolicyIsAskedAgainWhenAnApprovedCallRuns(t *testing.T) {
	b := setUp(t)
	b.gate = ruling(agent.Ask)
	plan := b.Plan("press_keyed", green())
	o := b.Run(plan)
	if err := b.Ledger.Decide(o.Approval, true); err != nil {
		t.Fatal(err)
	}
	b.gate = ruling(agent.Deny)
	plan.Approval = o.Approval
	if o := b.Run(plan); o.Status != agent.Denied {
		t.Errorf("%+v", o)
	}
	b.wantPressed(t, 0)
}

func TestTheSameCallAskedTwiceIsOneApproval(t *testing.T) {
	b := setUp(t)
	b.gate = ruling(agent.Ask)
	plan := b.Plan("press_keyed", `{"button":"green","times":1}`)
	one := b.Run(plan)
	plan.Call.Args = json.RawMessage(`{ "times": 1, "button": "green" }`)
	if two := b.Run(plan); one.Approval == "" || two.Approval != one.Approval {
		t.Errorf("%q and %q", one.Approval, two.Approval)
	}
	b.wantLog(t, "asked for press_keyed")
}

func TestAnOutcomeIsRecordedAlthoughTheTurnWasStopped(t *testing.T) {
	b := setUp(t)
	ctx, stop := context.WithCancel(t.Context())
	b.machine.slow = time.Millisecond
	plan := b.Plan("press_keyed", green())
	b.Ledger.Fail = func(ctx context.Context, method string) error {
		if method == "intend" {
			defer stop() // the stop comes right after the intent
		}
		return ctx.Err()
	}
	o, err := b.Execute(ctx, plan)
	if err != nil || o.Status != agent.Done || ctx.Err() == nil {
		t.Errorf("%+v, %v, stopped: %v", o, err, ctx.Err())
	}
	b.wantPressed(t, 1)
	b.wantLog(t, "intends press_keyed", "done press_keyed")
}

// lost executes a plan whose outcome cannot be recorded, as in a crash between
// the effect and its record; with before, the crash comes before the effect.
func (b *bench) lost(t *testing.T, tool string, before bool) tools.Plan {
	t.Helper()
	plan := b.Plan(tool, green())
	b.Ledger.Fail = func(_ context.Context, method string) error {
		if method == "settle" {
			return errors.New("killed")
		}
		return nil
	}
	if before {
		b.machine.fail = errors.New("killed")
	}
	if _, err := b.Execute(t.Context(), plan); err == nil {
		t.Fatal("an outcome that was not recorded was returned")
	}
	b.Ledger.Fail, b.machine.fail = nil, nil
	return plan
}

func TestAfterACrashTheClassSaysWhatIsSafe(t *testing.T) {
	for _, tc := range []struct {
		tool         string
		before       bool
		status       agent.Status
		runs, effect int
	}{
		{"press_keyed", false, agent.Done, 2, 1},
		{"press_keyed", true, agent.Done, 1, 1},
		{"press_lookup", false, agent.Done, 1, 1},
		{"press_lookup", true, agent.Done, 1, 1},
		{"press_neither", false, agent.Unknown, 1, 1},
		{"press_neither", true, agent.Unknown, 0, 0},
	} {
		t.Run(fmt.Sprintf("%s, killed before the effect: %v", tc.tool, tc.before), func(t *testing.T) {
			b := setUp(t)
			plan := b.lost(t, tc.tool, tc.before)
			first := b.Run(plan)
			if first.Status != tc.status || (tc.status == agent.Unknown) != strings.Contains(first.Error, "not known whether") {
				t.Errorf("%+v", first)
			}
			b.wantPressed(t, tc.runs)
			keys := slices.Clone(b.machine.keys)
			slices.Sort(keys)
			if keys = slices.Compact(keys); len(keys) != tc.effect {
				t.Errorf("ran under %d keys, want %d", len(keys), tc.effect)
			}
			again := b.Run(plan)
			if again.Status != first.Status || again.Error != first.Error {
				t.Errorf("a settled call said %+v and then %+v", first, again)
			}
			b.wantPressed(t, tc.runs)
		})
	}
}

func TestAnIntentThatMayNotBeRepeatedIsLeftToAPerson(t *testing.T) {
	for name, forbid := range map[string]func(*bench){
		"policy denies now":         func(b *bench) { b.gate = ruling(agent.Deny) },
		"policy asks now":           func(b *bench) { b.gate = ruling(agent.Ask) },
		"the call cannot run again": func(b *bench) { b.machine.check = agent.Errorf(agent.Conflict, "pressed already") },
	} {
		t.Run(name, func(t *testing.T) {
			b := setUp(t)
			plan := b.lost(t, "press_keyed", false)
			forbid(b)
			for range 2 {
				if o := b.Run(plan); o.Status != agent.Unknown {
					t.Errorf("%+v; want unknown", o)
				}
			}
			b.wantPressed(t, 1)
		})
	}
}

func TestTheSameWordsInAnotherCallAreAnotherEffect(t *testing.T) {
	b := setUp(t)
	b.Done("press_keyed", green(), nil)
	b.Done("press_keyed", green(), nil)
	b.NewTurn()
	b.Done("press_keyed", green(), nil)
	keys := slices.Clone(b.machine.keys)
	slices.Sort(keys)
	if keys = slices.Compact(keys); len(keys) != 3 {
		t.Errorf("3 calls, %d keys", len(keys))
	}
}

func TestAnErrorAfterWhichNothingIsKnownIsUnknown(t *testing.T) {
	for kind, want := range map[agent.Kind]agent.Status{
		agent.Invalid: agent.Failed, agent.NotFound: agent.Failed, agent.Forbidden: agent.Failed, agent.Conflict: agent.Failed,
		agent.TooLarge: agent.Failed, agent.Internal: agent.Unknown, agent.Unavailable: agent.Unknown,
		agent.Cancelled: agent.Unknown, agent.Expired: agent.Unknown,
	} {
		b := setUp(t)
		b.machine.fail = agent.Errorf(kind, "the machine said no")
		if o := b.Do("press_keyed", green()); o.Status != want {
			t.Errorf("%s: %s, want %s", kind, o.Status, want)
		}
		b.machine.fail = agent.Errorf(kind, "the machine said no")
		if o := b.Do("look", green()); o.Status != agent.Failed {
			t.Errorf("a read of kind %s: %s", kind, o.Status)
		}
	}
	b := setUp(t)
	b.machine.fail, b.machine.jam = errors.New("dial tcp 10.0.0.7: connection reset"), true
	o := b.Do("press_keyed", green())
	if o.Status != agent.Unknown || strings.Contains(o.Error, "10.0.0.7") || !strings.Contains(o.Error, "look before trying again") {
		t.Errorf("%+v", o)
	}
}

// A tool whose own store is away knows that its key makes the effect once.
func TestAReadingOrKeyedToolThatIsAwayIsTriedAgainAndOthersAreLeftToAPerson(t *testing.T) {
	for tool, waits := range map[string]bool{"look": true, "press_keyed": true, "press_lookup": false, "press_neither": false} {
		b := setUp(t)
		plan := b.Plan(tool, green())
		b.machine.fail = tools.Again(agent.Errorf(agent.Unavailable, "the store is away"))
		o, err := b.Execute(t.Context(), plan)
		if waits != errors.Is(err, tools.ErrAgain) || waits != (agent.KindOf(err) == agent.Unavailable && err != nil) || !waits && o.Status != agent.Unknown {
			t.Errorf("%s: %+v, %v", tool, o, err)
		}
		if !waits {
			continue
		}
		b.machine.fail = nil
		if o := b.Run(plan); o.Status != agent.Done {
			t.Errorf("%s tried again: %+v", tool, o)
		}
		b.wantPressed(t, 1)
	}
	if err := agent.Errorf(agent.Conflict, "no"); tools.Again(err) != err || tools.Again(nil) != nil { //nolint:errorlint // the very error
		t.Error("an error that is none of being away is marked")
	}
}

func TestAToolThatHangsIsGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := setUp(t)
		b.machine.slow = time.Hour
		begin := time.Now()
		if o := b.Do("look", green()); o.Status != agent.Failed || o.Kind != "unavailable" {
			t.Errorf("a read: %+v", o)
		}
		if o := b.Do("press_keyed", green()); o.Status != agent.Unknown {
			t.Errorf("an effect: %+v", o)
		}
		if took := time.Since(begin); took != 2*time.Second {
			t.Errorf("took %s for two timeouts of a second", took)
		}
	})
}

func TestAReadLeavesNoEffectAndAnEffectSaysHowToUndoIt(t *testing.T) {
	b := setUp(t)
	o := b.Done("look", green(), nil)
	if o.Label.Integrity != agent.Organisation || o.Undo != "" {
		t.Errorf("%+v", o)
	}
	b.wantLog(t)
	o = b.Done("press_keyed", green(), nil)
	if o.Undo != "Lets go of the button." || !b.CanUndo(o) {
		t.Errorf("%+v", o)
	}
	if o := b.Done("press_keyed", map[string]any{"button": "red"}, nil); o.Undo != "" || b.CanUndo(o) {
		t.Errorf("what cannot be undone says %q", o.Undo)
	}
}

func TestTheToolIsToldWhoAsksAndNotWhoTheModelClaims(t *testing.T) {
	var got tools.Invocation
	tool, err := tools.New(tools.Spec{Name: "who", Doc: "Says who asks.", Tier: agent.TierRead, Timeout: time.Second},
		tools.Funcs[struct{}, pressOut]{
			Run: func(_ context.Context, inv tools.Invocation, _ struct{}) (pressOut, error) {
				got = inv
				return pressOut{}, nil
			},
			Label: func(inv tools.Invocation, _ struct{}, _ pressOut) agent.Label { return inv.Context },
		})
	e := toolstest.NewExecutor(t, toolstest.NewRegistry(t, []tools.Tool{tool}, err))
	e.Done("who", "{}", nil)
	e.Done("who", "", nil)
	if got.By.ID != "ann" || got.Call != "turn-1/2" || got.Turn != "turn-1" || len(got.Prior) != 1 || got.Key == "" || got.Place.ID != "p" {
		t.Errorf("%+v", got)
	}
}
