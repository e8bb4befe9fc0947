package toolstest

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
)

// The bounds of a declaration.
const (
	maxTimeout = 5 * time.Minute
	tooLarge   = 300 << 10 // bytes of arguments no tool takes
	minDoc     = 60        // bytes that can say what and when
)

// Example is a call of a reading tool, so that its result's label can be seen.
type Example struct {
	Tool string
	Args any
}

// Registry checks the promises of every registered tool. Each example must be
// a call that succeeds; its result must carry a label.
func Registry(t *testing.T, r *tools.Registry, examples ...Example) {
	t.Helper()
	if len(r.All()) == 0 {
		t.Fatal("the registry is empty")
	}
	for _, tool := range r.All() {
		t.Run(tool.Spec().Name, func(t *testing.T) {
			for _, complaint := range Complaints(tool) {
				t.Error(complaint)
			}
			t.Run("bad arguments never reach the gate", func(t *testing.T) { badArguments(t, r, tool) })
			t.Run("the empty object is an answer or an error", func(t *testing.T) { emptyObject(t, r, tool) })
		})
	}
	for _, x := range examples {
		t.Run(x.Tool+" labels what it returns", func(t *testing.T) {
			o := NewExecutor(t, r).Done(x.Tool, x.Args, nil)
			if o.Label.Readers.Scope == agent.OnlyNamed && len(o.Label.Readers.Named) == 0 {
				t.Errorf("the result is readable by nobody: %+v", o.Label)
			}
		})
	}
}

// Complaints says what a tool's declaration lacks; none is as it should be.
func Complaints(tool tools.Tool) []string {
	s := tool.Spec()
	var all []string
	complain := func(format string, args ...any) { all = append(all, fmt.Sprintf(format, args...)) }
	if len(strings.TrimSpace(s.Doc)) < minDoc || !strings.Contains(strings.ToLower(s.Doc), "use it") {
		complain("the doc must say what the tool does and when to use it (\"Use it …\"): %q", s.Doc)
	}
	if s.Timeout <= 0 || s.Timeout > maxTimeout {
		complain("the timeout %s is not between 0 and %s", s.Timeout, maxTimeout)
	}
	if s.Tier == agent.TierUnset {
		complain("the tier is not set")
	}
	if s.Tier > agent.TierRead && s.Class == tools.Neither && !strings.Contains(s.Doc, "never repeated") {
		complain("it changes something and takes no key and cannot be looked up; if that cannot be helped the doc must say that after a lost outcome it is never repeated")
	}
	if s.Tier == agent.TierWrite && s.Undo == "" {
		complain("tier 1 means reversible, and nothing says how it is undone")
	}
	if s.Tier == agent.TierRead && s.Undo != "" {
		complain("it reads, so there is nothing to undo")
	}
	return append(all, schemaComplaints(tool)...)
}

// schema is the part of a JSON Schema the promises are about.
type schema struct {
	Type                 any                `json:"type"`
	Description          string             `json:"description"`
	Properties           map[string]*schema `json:"properties"`
	Items                *schema            `json:"items"`
	AdditionalProperties json.RawMessage    `json:"additionalProperties"`
}

func schemaComplaints(tool tools.Tool) []string {
	var s schema
	if err := json.Unmarshal(tool.Schema(), &s); err != nil {
		return []string{"the schema is not JSON: " + err.Error()}
	}
	var all []string
	if s.Type != "object" {
		all = append(all, fmt.Sprintf("the schema is of type %v, not object", s.Type))
	}
	for _, c := range tool.Spec().Control {
		if _, ok := s.Properties[c]; !ok {
			all = append(all, fmt.Sprintf("the control argument %q is not in the schema", c))
		}
	}
	all = append(all, s.undescribed("")...)
	slices.Sort(all)
	return all
}

// undescribed walks the properties, also of nested objects and lists.
func (s *schema) undescribed(path string) []string {
	var all []string
	for name, p := range s.Properties {
		if strings.TrimSpace(p.Description) == "" {
			all = append(all, fmt.Sprintf("the argument %s%s has no description", path, name))
		}
		all = append(all, p.undescribed(path+name+".")...)
		if p.Items != nil {
			all = append(all, p.Items.undescribed(path+name+"[].")...)
		}
	}
	return all
}

// badArguments gives the executor arguments no tool may take.
func badArguments(t *testing.T, r *tools.Registry, tool tools.Tool) {
	bad := map[string]string{
		"not JSON":                         `{"`,
		"a list":                           `[]`,
		"two values":                       `{} {}`,
		"an unknown argument":              `{"no_such_argument": 1}`,
		"too many bytes":                   `{"x": "` + strings.Repeat("x", tooLarge) + `"}`,
		"a tower of brackets":              strings.Repeat("[", 20_000) + strings.Repeat("]", 20_000),
		"bytes that are no UTF-8, unknown": "{\"\xff\": \"\xfe\"}",
	}
	var s schema
	if err := json.Unmarshal(tool.Schema(), &s); err != nil {
		t.Fatal(err)
	}
	for name, p := range s.Properties {
		bad["the wrong type for "+name] = fmt.Sprintf(`{%q: %s}`, name, wrongType(p))
	}
	for what, args := range bad {
		ruled := false
		e := NewExecutorWith(t, r, func(context.Context, tools.Proposal) (agent.Verdict, error) {
			ruled = true
			return agent.Verdict{}, nil
		})
		o := e.Do(tool.Spec().Name, args)
		if ruled || o.Status != agent.Failed || o.Kind != agent.Invalid.String() {
			t.Errorf("%s: want failed (invalid) before the gate, got %s (%s), gate asked: %v", what, o.Status, o.Kind, ruled)
		}
		if o.Error == "" || len(e.Ledger.Log()) > 0 {
			t.Errorf("%s: want a sentence and no record, got %q and %q", what, o.Error, e.Ledger.Log())
		}
	}
}

// wrongType returns a JSON value that no property of this type takes.
func wrongType(p *schema) string {
	types := fmt.Sprint(p.Type)
	for _, v := range []struct{ json, kind string }{
		{`{"unknown_key": 0}`, "object"}, {`"word"`, "string"}, {`-0.5`, "number"}, {`true`, "boolean"}, {`[{}]`, "array"},
	} {
		if !strings.Contains(types, v.kind) {
			return v.json
		}
	}
	return `{"unknown_key": 0}`
}

// emptyObject runs the tool, allowed, with no arguments: an outcome, no panic.
func emptyObject(t *testing.T, r *tools.Registry, tool tools.Tool) {
	o := NewExecutor(t, r).Do(tool.Spec().Name, "{}")
	if o.Status != agent.Done && o.Error == "" {
		t.Errorf("%s without a sentence", o.Status)
	}
}
