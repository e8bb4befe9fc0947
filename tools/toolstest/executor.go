package toolstest

import (
	"context"
	"encoding/json"
	"fmt"
	"testing"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/tools"
)

// GateFunc is a gate as a function.
type GateFunc func(ctx context.Context, p tools.Proposal) (agent.Verdict, error)

// Rule implements tools.Gate.
func (f GateFunc) Rule(ctx context.Context, p tools.Proposal) (agent.Verdict, error) {
	return f(ctx, p)
}

// AllowAll is a gate that lets every call run.
func AllowAll(context.Context, tools.Proposal) (agent.Verdict, error) {
	return agent.Verdict{Ruling: agent.Allow, Rule: "test", Reason: "Tests run it."}, nil
}

// Executor runs tools the way a turn does: with call ids, the outcomes so far,
// and a record. Its fields may be changed between calls.
type Executor struct {
	*tools.Executor
	Ledger  *Ledger
	Actor   agent.Actor
	Place   agent.Place
	Context agent.Label

	t     testing.TB
	turn  int
	calls int
	prior []agent.Outcome
}

// NewExecutor returns an executor over the registry that allows every call and
// speaks for Ann, a member of workspace "w" in a public place, whose turn has
// seen her own words alone.
func NewExecutor(t testing.TB, r *tools.Registry) *Executor {
	t.Helper()
	return NewExecutorWith(t, r, AllowAll)
}

// NewExecutorWith is NewExecutor with another gate.
func NewExecutorWith(t testing.TB, r *tools.Registry, gate GateFunc) *Executor {
	t.Helper()
	ledger := NewLedger()
	e, err := tools.NewExecutor(r, gate, ledger)
	if err != nil {
		t.Fatal(err)
	}
	return &Executor{
		Executor: e, Ledger: ledger, t: t, turn: 1,
		Actor:   agent.Actor{Workspace: "w", ID: "ann", Kind: agent.Member, Name: "Ann"},
		Place:   agent.Place{ID: "p", Kind: agent.Public},
		Context: agent.Label{Integrity: agent.Requester, Readers: agent.Readers{Scope: agent.WholeWorkspace}, Scanned: true},
	}
}

// NewRegistry returns the registry of the tools or ends the test.
func NewRegistry(t testing.TB, all []tools.Tool, err error) *tools.Registry {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	r, err := tools.NewRegistry(all...)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// NewTurn begins another turn: earlier outcomes are forgotten.
func (e *Executor) NewTurn() { e.turn, e.calls, e.prior = e.turn+1, 0, nil }

// Plan returns the next call of the turn, not yet executed. Arguments are JSON
// text or any value that marshals to an object.
func (e *Executor) Plan(tool string, args any) tools.Plan {
	e.t.Helper()
	raw, text := args.(string)
	if !text {
		b, err := json.Marshal(args)
		if err != nil {
			e.t.Fatal(err)
		}
		raw = string(b)
	}
	e.calls++
	turn := fmt.Sprintf("turn-%d", e.turn)
	return tools.Plan{
		Call: agent.Call{
			ID: fmt.Sprintf("%s/%d", turn, e.calls), Turn: turn, Actor: e.Actor, Tool: tool, Args: json.RawMessage(raw),
		},
		Place: e.Place, Context: e.Context, Prior: e.prior,
	}
}

// Run executes a plan; an error of the executor ends the test.
func (e *Executor) Run(p tools.Plan) agent.Outcome {
	e.t.Helper()
	o, err := e.Execute(e.t.Context(), p)
	if err != nil {
		e.t.Fatalf("%s: %v", p.Call.Tool, err)
	}
	e.prior = append(e.prior, o)
	return o
}

// Do plans and runs one call.
func (e *Executor) Do(tool string, args any) agent.Outcome {
	e.t.Helper()
	return e.Run(e.Plan(tool, args))
}

// Done plans and runs a call that must succeed and decodes its result into out,
// unless out is nil.
func (e *Executor) Done(tool string, args, out any) agent.Outcome {
	e.t.Helper()
	o := e.Do(tool, args)
	if o.Status != agent.Done {
		e.t.Fatalf("%s %v: %s (%s) %s", tool, args, o.Status, o.Kind, o.Error)
	}
	if out != nil {
		if err := json.Unmarshal(o.Result, out); err != nil {
			e.t.Fatalf("%s: result %s: %v", tool, o.Result, err)
		}
	}
	return o
}

// Undo runs the prepared call that takes an effect back; one must be there.
func (e *Executor) Undo(o agent.Outcome) agent.Outcome {
	e.t.Helper()
	u := e.Ledger.undo(o.Call)
	if u == nil {
		e.t.Fatalf("%s: nothing is prepared to take it back", o.Tool)
	}
	return e.Done(u.Tool, string(u.Args), nil)
}

// CanUndo reports whether a call that takes the effect back was prepared.
func (e *Executor) CanUndo(o agent.Outcome) bool { return e.Ledger.undo(o.Call) != nil }
