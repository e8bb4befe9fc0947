package toolstest_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/tools"
	"github.com/sous-hq/sous/tools/toolstest"
)

type goodIn struct {
	ID string `json:"id" jsonschema:"which one"`
}

type badIn struct {
	ID   string `json:"id"`
	Deep struct {
		Far []struct {
			Away string `json:"away"`
		} `json:"far"`
	} `json:"deep"`
}

type out struct{}

func declare[In any](t *testing.T, s tools.Spec, undo bool) tools.Tool {
	t.Helper()
	f := tools.Funcs[In, out]{
		Run:   func(context.Context, tools.Invocation, In) (out, error) { return out{}, nil },
		Label: func(inv tools.Invocation, _ In, _ out) agent.Label { return inv.Context },
	}
	if undo {
		s.Undo = "Takes it back."
		f.Undo = func(In, out) (string, any, bool) { return "", nil, false }
	}
	tool, err := tools.New(s, f)
	if err != nil {
		t.Fatal(err)
	}
	return tool
}

// good is a declaration nobody complains of.
func good() tools.Spec {
	return tools.Spec{
		Name: "thing_mend", Doc: "Mends a thing. Use it when somebody says that a thing is broken.",
		Tier: agent.TierWrite, Timeout: time.Second, Class: tools.Keyed, Control: []string{"id"},
	}
}

func TestWhatTheRegistryComplainsOf(t *testing.T) {
	if said := toolstest.Complaints(declare[goodIn](t, good(), true)); len(said) > 0 {
		t.Errorf("complaints of a good tool: %q", said)
	}
	for want, change := range map[string]func(*tools.Spec){
		"when to use it":           func(s *tools.Spec) { s.Doc = "Mends a thing, a thing being anything that can be mended at all." },
		"the timeout 5m1s":         func(s *tools.Spec) { s.Timeout = 5*time.Minute + time.Second },
		"takes no key":             func(s *tools.Spec) { s.Class = tools.Neither },
		`argument "who"`:           func(s *tools.Spec) { s.Control = []string{"who"} },
		"there is nothing to undo": func(s *tools.Spec) { s.Tier = agent.TierRead },
	} {
		s := good()
		change(&s)
		if said := toolstest.Complaints(declare[goodIn](t, s, true)); len(said) != 1 || !strings.Contains(said[0], want) {
			t.Errorf("want one complaint with %q, got %q", want, said)
		}
	}
	if said := toolstest.Complaints(declare[goodIn](t, good(), false)); len(said) != 1 || !strings.Contains(said[0], "undone") {
		t.Errorf("tier 1 without undo: %q", said)
	}
	said := strings.Join(toolstest.Complaints(declare[badIn](t, good(), true)), "\n")
	for _, want := range []string{"argument id has", "argument deep has", "argument deep.far has", "argument deep.far[].away has"} {
		if !strings.Contains(said, want) {
			t.Errorf("want %q in\n%s", want, said)
		}
	}
}

func TestAnExceptionIsMarkedInTheDoc(t *testing.T) {
	s := good()
	s.Tier, s.Class = agent.TierOutward, tools.Neither
	s.Doc += " After a lost outcome it is never repeated; a person looks."
	if said := toolstest.Complaints(declare[goodIn](t, s, false)); len(said) > 0 {
		t.Errorf("%q", said)
	}
}

func TestALedgerKeepsAFinalRecordAsItIs(t *testing.T) {
	l := toolstest.NewLedger()
	call := agent.Call{ID: "turn/1", Tool: "thing_mend", Actor: agent.Actor{Workspace: "w", ID: "ann", Kind: agent.Member}}
	intent := tools.Intent{Key: "k", Proposal: tools.Proposal{Call: call, Digest: "d"}}
	if r, err := l.Intend(t.Context(), intent); err != nil || !r.Fresh || r.State != tools.EffectIntent {
		t.Errorf("first: %+v, %v", r, err)
	}
	if r, err := l.Intend(t.Context(), intent); err != nil || r.Fresh || r.State != tools.EffectIntent {
		t.Errorf("second: %+v, %v", r, err)
	}
	if err := l.Settle(t.Context(), tools.Settlement{Key: "k", Fence: 1, State: tools.EffectFailed}); agent.KindOf(err) != agent.Conflict {
		t.Errorf("an attempt that was taken over settled: %v", err)
	}
	for _, s := range []tools.EffectState{tools.EffectDone, tools.EffectFailed} {
		if err := l.Settle(t.Context(), tools.Settlement{Key: "k", Fence: 2, State: s}); err != nil {
			t.Error(err)
		}
	}
	if r, err := l.Intend(t.Context(), intent); err != nil || r.State != tools.EffectDone {
		t.Errorf("settled twice: %+v, %v", r, err)
	}
	if err := l.Settle(t.Context(), tools.Settlement{Key: "other", State: tools.EffectDone}); err == nil {
		t.Error("an outcome without an intent was taken")
	}
	stopped, stop := context.WithCancel(t.Context())
	stop()
	if _, err := l.Intend(stopped, tools.Intent{Key: "late", Proposal: intent.Proposal}); err == nil {
		t.Error("recorded although the caller had gone")
	}
}
