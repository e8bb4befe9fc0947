package tools_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/tools"
	"github.com/sous-hq/sous/tools/toolstest"
)

// outside is what calls work on, and the auditor of what happens there.
type outside struct {
	*rapid.T
	executor *tools.Executor
	ledger   *crashable
	paused   bool
	plans    []*planned
	// inRun, when set, happens once while an effect runs, before it is made.
	inRun func()
}

// planned is one call and what may be said of it.
type planned struct {
	tools.Plan
	class    tools.Class
	asks     bool
	asked    string // id of its approval
	decided  bool
	yes      bool
	keys     []string // of each run
	finished agent.Status
}

// crashable is a ledger that a process may die around: what is recorded stays,
// what comes after is lost.
type crashable struct {
	*toolstest.Ledger
	afterIntent bool
}

var errKilled = errors.New("killed")

// Intend implements tools.Ledger.
func (c *crashable) Intend(ctx context.Context, i tools.Intent) (tools.Record, error) {
	rec, err := c.Ledger.Intend(ctx, i)
	if err == nil && c.afterIntent {
		return tools.Record{}, errKilled
	}
	return rec, err
}

func newOutside(t *rapid.T) *outside {
	o := &outside{T: t, ledger: &crashable{Ledger: toolstest.NewLedger()}}
	r, err := tools.NewRegistry(o.tool("keyed", tools.Keyed), o.tool("lookup", tools.Lookup), o.tool("neither", tools.Neither))
	if err != nil {
		t.Fatal(err)
	}
	gate := toolstest.GateFunc(func(_ context.Context, p tools.Proposal) (agent.Verdict, error) {
		if o.of(p.Call.ID).asks {
			return agent.Verdict{Ruling: agent.Ask}, nil
		}
		return agent.Verdict{Ruling: agent.Allow}, nil
	})
	if o.executor, err = tools.NewExecutor(r, gate, o.ledger); err != nil {
		t.Fatal(err)
	}
	return o
}

func (o *outside) of(call string) *planned {
	return o.plans[slices.IndexFunc(o.plans, func(p *planned) bool { return p.Call.ID == call })]
}

func (o *outside) tool(name string, class tools.Class) tools.Tool {
	return tools.Must(tools.New(tools.Spec{Name: name, Doc: "Presses.", Tier: agent.TierCritical, Timeout: time.Second, Class: class},
		tools.Funcs[pressIn, pressOut]{
			Run: func(_ context.Context, inv tools.Invocation, in pressIn) (pressOut, error) {
				o.begins(inv)
				if f := o.inRun; f != nil {
					o.inRun = nil
					f()
				}
				p := o.of(inv.Call)
				p.keys = append(p.keys, inv.Key)
				return pressOut{in.Button}, nil
			},
			Label: func(inv tools.Invocation, _ pressIn, _ pressOut) agent.Label { return inv.Context },
			Find: func(_ context.Context, inv tools.Invocation, in pressIn) (pressOut, bool, error) {
				return pressOut{in.Button}, slices.Contains(o.of(inv.Call).keys, inv.Key), nil
			},
		}))
}

// begins is the auditor at the door.
func (o *outside) begins(inv tools.Invocation) {
	p := o.of(inv.Call)
	switch {
	case o.paused:
		o.Fatalf("%s ran while paused", inv.Call)
	case p.asks && (!p.decided || !p.yes):
		o.Fatalf("%s ran without a yes (decided %v)", inv.Call, p.decided)
	case p.finished != agent.Failed:
		o.Fatalf("%s ran again after its outcome was told: %s", inv.Call, p.finished)
	}
}

func (o *outside) pause(on bool) {
	o.paused = on
	why := ""
	if on {
		why = drill
	}
	o.ledger.Pause(why)
}

// execute runs a call as a process does that may die, stall or be paused at any
// of its check points.
func (o *outside) execute(p *planned, trouble string, at int) {
	methods := []string{"paused", "intend", "known", "paused", "settle"}
	step := 0
	o.ledger.Fail = func(_ context.Context, m string) error {
		// The check points of an effect come in this order; a call that goes another
		// way is left alone after the first that differs.
		here := step < len(methods) && methods[step] == m && step == at
		if step++; !here {
			return nil
		}
		switch trouble {
		case "crash":
			return errKilled
		case "pause":
			o.pause(true)
		case "stall":
			// A worker that sleeps in the tool itself is another matter: inRun.
			if m == "known" || m == "settle" || m == "paused" && at == 0 || m == "intend" {
				o.again(p)
			}
		}
		return nil
	}
	o.ledger.afterIntent = trouble == "crash after intent"
	if trouble == "stall in run" && p.class != tools.Lookup {
		o.inRun = func() { o.again(p) }
	}
	o.finish(p)
	o.ledger.Fail, o.ledger.afterIntent, o.inRun = nil, false, nil
}

// again is another worker with the same call, while the first one sleeps.
func (o *outside) again(p *planned) {
	fail, after := o.ledger.Fail, o.ledger.afterIntent
	o.ledger.Fail, o.ledger.afterIntent = nil, false
	o.finish(p)
	o.ledger.Fail, o.ledger.afterIntent = fail, after
}

// finish executes and holds what was told against what was told before.
func (o *outside) finish(p *planned) {
	plan := p.Plan
	if p.decided && p.yes {
		plan.Approval = p.asked
	}
	got, err := o.executor.Execute(context.Background(), plan)
	switch {
	case err != nil:
		return
	case got.Status == agent.Waiting:
		p.asked = got.Approval
	case got.Status == agent.Done, got.Status == agent.Unknown:
		if p.finished != agent.Failed && p.finished != got.Status {
			o.Fatalf("%s came to %s and then to %s", p.Call.ID, p.finished, got.Status)
		}
		if got.Status == agent.Done && len(p.keys) == 0 {
			o.Fatalf("%s is told as done and never ran", p.Call.ID)
		}
		p.finished = got.Status
	}
}

// audit counts what happened outside.
func (o *outside) audit() {
	owner := map[string]string{}
	for _, p := range o.plans {
		for _, k := range p.keys {
			if other, known := owner[k]; known && other != p.Call.ID {
				o.Fatalf("%s and %s share a key", other, p.Call.ID)
			}
			owner[k] = p.Call.ID
		}
		keys := slices.Compact(slices.Clone(p.keys))
		if len(keys) > 1 || p.class != tools.Keyed && len(p.keys) > 1 {
			o.Fatalf("%s (%s) made %d effects: keys %v", p.Call.ID, p.class, len(p.keys), p.keys)
		}
		if p.decided && !p.yes && len(p.keys) > 0 {
			o.Fatalf("%s ran after a no", p.Call.ID)
		}
	}
}

// TestWhateverComesBetweenAnEffectIsMadeOnce plays random lives of calls:
// crashes, recoveries, stalled workers, yeses, noes and pauses in any order.
func TestWhateverComesBetweenAnEffectIsMadeOnce(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		o := newOutside(t)
		pick := func() *planned {
			if len(o.plans) == 0 {
				t.Skip("no call yet")
			}
			return o.plans[rapid.IntRange(0, len(o.plans)-1).Draw(t, "call")]
		}
		decide := func(yes bool) func(*rapid.T) {
			return func(t *rapid.T) {
				p := pick()
				if p.asked == "" || p.decided {
					t.Skip("nothing to decide")
				}
				if err := o.ledger.Decide(p.asked, yes); err != nil {
					t.Fatal(err)
				}
				p.decided, p.yes = true, yes
			}
		}
		t.Repeat(map[string]func(*rapid.T){
			"": func(*rapid.T) { o.audit() },
			"plan": func(t *rapid.T) {
				class := tools.Class(rapid.IntRange(0, 2).Draw(t, "class"))
				id := fmt.Sprintf("turn/%d", len(o.plans)+1)
				o.plans = append(o.plans, &planned{class: class, asks: rapid.Bool().Draw(t, "asks"), Plan: tools.Plan{Call: agent.Call{
					ID: id, Turn: "turn", Actor: agent.Actor{Workspace: "w", ID: "ann", Kind: agent.Member},
					Tool: class.String(), Args: []byte(`{"button":"green"}`),
				}}})
			},
			"execute": func(t *rapid.T) {
				trouble := rapid.SampledFrom([]string{"none", "crash", "crash after intent", "pause", "stall", "stall in run"}).Draw(t, "trouble")
				o.execute(pick(), trouble, rapid.IntRange(0, 4).Draw(t, "at"))
			},
			"yes":    decide(true),
			"no":     decide(false),
			"pause":  func(*rapid.T) { o.pause(true) },
			"resume": func(*rapid.T) { o.pause(false) },
		})
		// In the end every call that may run has an outcome, and keeps it.
		o.pause(false)
		for range 2 {
			for _, p := range o.plans {
				o.finish(p)
			}
		}
		o.audit()
	})
}
