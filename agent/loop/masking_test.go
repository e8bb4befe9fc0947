package loop

import (
	"context"
	"fmt"
	"testing"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/internal/redact"
	"github.com/sous-hq/sous/tools"
	"github.com/sous-hq/sous/tools/toolstest"
)

func TestATurnKeepsItsPlaceholdersUntilItEnds(t *testing.T) {
	t.Parallel()
	var v vaults
	first := v.of("e1", nil).Mask("write to ann@example.com")
	if again := v.of("e1", nil).Mask("and to ann@example.com"); again[len("and to "):] != first[len("write to "):] {
		t.Errorf("%q, then %q", first, again)
	}
	if other := v.of("e2", nil).Mask("write to ann@example.com"); other == first {
		t.Error("two turns have one placeholder")
	}
	v.drop("e1")
	if later := v.of("e1", nil).Mask("write to ann@example.com"); later == first {
		t.Error("the placeholder outlived the turn")
	}
	// A name that is learned meanwhile is masked from then on.
	if got := v.of("e1", redact.Names("Ann Keller")).Mask("Ann Keller"); got == "Ann Keller" {
		t.Error("the name stands there")
	}
	for n := range 3 * maxVaults {
		v.of(fmt.Sprint("turn ", n), nil)
	}
	if len(v.all) > maxVaults {
		t.Errorf("%d turns are kept", len(v.all))
	}
}

func TestAfterTextFromOutsideOnlyWhatTheRequesterSaidIsPutIntoWhatLeaves(t *testing.T) {
	t.Parallel()
	tool := func(name string, egress bool) tools.Tool {
		spec := tools.Spec{Name: name, Doc: "x", Tier: agent.TierRead, Egress: egress, Timeout: 1}
		return tools.Must(tools.New(spec, tools.Funcs[struct{}, struct{}]{
			Run:   func(context.Context, tools.Invocation, struct{}) (struct{}, error) { return struct{}{}, nil },
			Label: func(tools.Invocation, struct{}, struct{}) agent.Label { return agent.Label{} },
		}))
	}
	executor := toolstest.NewExecutor(t, toolstest.NewRegistry(t, []tools.Tool{tool("mail_send", true), tool("page_read", false)}, nil))
	e := &Effects{Config: Config{Executor: executor.Executor}}
	for _, c := range []struct {
		from  agent.Integrity
		tool  string
		value string
		want  bool
	}{
		{agent.External, "mail_send", "eve@evil.example", false},
		{agent.External, "mail_send", "Bob@Example.com", true},
		{agent.External, "page_read", "eve@evil.example", true},
		{agent.External, "", "eve@evil.example", true},
		{agent.External, "no_such_tool", "eve@evil.example", false},
		{agent.Organisation, "mail_send", "dan@example.com", true},
		{agent.Requester, "mail_send", "dan@example.com", true},
	} {
		may := e.mayRestore(agent.Label{Integrity: c.from}, "write to bob@example.com what the page says")
		if got := may(c.tool, redact.Email, c.value); got != c.want {
			t.Errorf("%s into %q after %s text: %t", c.value, c.tool, c.from, got)
		}
	}
}
