package tools_test

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/tools"
	"github.com/sous-hq/sous/tools/toolstest"
)

// reading is a tool whose connector labels what it reads, and says nothing of the
// data in it.
func reading(l agent.Label, out any) tools.Tool {
	return tools.Must(tools.New(tools.Spec{Name: "page_read", Doc: "Reads.", Tier: agent.TierRead, Timeout: time.Second}, tools.Funcs[struct{}, any]{
		Run:   func(context.Context, tools.Invocation, struct{}) (any, error) { return out, nil },
		Label: func(tools.Invocation, struct{}, any) agent.Label { return l },
	}))
}

// having is an executor with one tool.
func having(t *testing.T, tool tools.Tool) *toolstest.Executor {
	t.Helper()
	return toolstest.NewExecutor(t, toolstest.NewRegistry(t, []tools.Tool{tool}, nil))
}

func TestAResultIsLabelledForTheDataInIt(t *testing.T) {
	known := agent.Label{Integrity: agent.Organisation, Readers: agent.Readers{Scope: agent.WholeWorkspace}}
	for _, tt := range []struct {
		name  string
		label agent.Label
		out   any
		want  []string
	}{
		{"nothing to hide", known, "the build is red", nil},
		{"an address", known, map[string]any{"from": []string{"ann@example.com"}}, []string{"pii"}},
		{"a number under its name", known, map[string]any{"phone": "467 3395"}, []string{"pii"}},
		{"a secret under its name", known, map[string]any{"password": "hunter2!"}, []string{"secret"}},
		{"a key in text", known, "the key is AKIAIOSFODNN7EXAMPLE", []string{"secret"}},
		{"behind an escape", known, "see\n\"ann\\u0040example.com\" or <eve@example.org>", []string{"pii"}},
		{"what the connector said stays", agent.Label{Integrity: agent.Organisation, Readers: known.Readers, Data: []string{"customer"}}, "card 4111 1111 1111 1111", []string{"customer", "financial", "pii"}},
	} {
		o := having(t, reading(tt.label, tt.out)).Done("page_read", `{}`, nil)
		if !slices.Equal(o.Label.Data, tt.want) || !o.Label.Scanned || o.Label.Integrity != tt.label.Integrity {
			t.Errorf("%s: labelled %+v; want data %v", tt.name, o.Label, tt.want)
		}
	}
}

func TestAResultNobodyLabelledOrTooLargeToScanCountsAsTheWorst(t *testing.T) {
	huge := agent.Label{Integrity: agent.Organisation, Readers: agent.Only("ann")}
	for name, tool := range map[string]tools.Tool{
		"no label":  reading(agent.Label{}, "the build is red"),
		"too large": reading(huge, strings.Repeat("the build is red ", 300_000)),
	} {
		if o := having(t, tool).Done("page_read", `{}`, nil); o.Label.Scanned {
			t.Errorf("%s: labelled %+v", name, o.Label)
		}
	}
}

func TestWhatAToolSaysOfItsFailureIsLabelledToo(t *testing.T) {
	failing := tools.Must(tools.New(tools.Spec{Name: "page_read", Doc: "Reads.", Tier: agent.TierRead, Timeout: time.Second}, tools.Funcs[struct{}, json.RawMessage]{
		Run: func(context.Context, tools.Invocation, struct{}) (json.RawMessage, error) {
			return nil, agent.Errorf(agent.Invalid, "no page for %s", "ann@example.com")
		},
		Label: func(tools.Invocation, struct{}, json.RawMessage) agent.Label { return agent.Label{} },
	}))
	o := having(t, failing).Do("page_read", `{}`)
	if o.Status != agent.Failed || o.Label.Integrity != agent.External || fmt.Sprint(o.Label.Data) != "[pii]" {
		t.Errorf("%+v", o)
	}
}
