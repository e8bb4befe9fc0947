package tools_test

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/tools"
)

type formIn struct {
	To     string         `json:"to" jsonschema:"who gets it"`
	Body   string         `json:"body,omitempty"`
	Count  int            `json:"count"`
	Price  float64        `json:"price,omitempty"`
	Urgent bool           `json:"urgent,omitempty"`
	Labels []string       `json:"labels,omitempty"`
	Due    *string        `json:"due,omitempty"`
	Extra  map[string]any `json:"extra,omitempty"`
}

func formTool() tools.Tool {
	return tools.Must(tools.New(tools.Spec{Name: "form_send", Doc: "Send.", Tier: agent.TierOutward, Timeout: time.Second}, tools.Funcs[formIn, struct{}]{
		Run:   func(context.Context, tools.Invocation, formIn) (struct{}, error) { return struct{}{}, nil },
		Label: func(tools.Invocation, formIn, struct{}) agent.Label { return agent.Label{} },
	}))
}

func formFields(t interface{ Fatal(...any) }) []tools.Field {
	fields, err := tools.Fields(formTool().Schema())
	if err != nil {
		t.Fatal(err)
	}
	return fields
}

func TestAFormAsksForEveryArgumentInOrder(t *testing.T) {
	var got []string
	for _, f := range formFields(t) {
		s := f.Name + " " + string(f.Kind)
		if f.Required {
			s += "!"
		}
		got = append(got, s)
	}
	want := []string{"to text!", "body text", "count whole!", "price number", "urgent flag", "labels list", "due text", "extra json"}
	if !slices.Equal(got, want) {
		t.Errorf("asks for %v; want %v", got, want)
	}
	choice, err := tools.Fields(json.RawMessage(`{"properties":{"s":{"type":"string","enum":["a","b"]},"x":true}}`))
	if err != nil || len(choice) != 2 || choice[0].Kind != tools.ChoiceField || !slices.Equal(choice[0].Choices, []string{"a", "b"}) || choice[1].Kind != tools.JSONField {
		t.Errorf("choices %+v, %v", choice, err)
	}
	if _, err := tools.Fields(json.RawMessage(`[`)); err == nil {
		t.Error("a schema that is none was read")
	}
}

func TestWhatIsEnteredBecomesArguments(t *testing.T) {
	const args = `{"to":"bob","body":"a\nb","count":3,"labels":["x","y"],"hidden":1}`
	for _, tt := range []struct {
		name    string
		entered map[string]string
		want    string
	}{
		{"nothing", nil, args},
		{"the same, with the lines of a browser", map[string]string{"to": "bob", "body": "a\r\nb", "count": "3", "labels": "x\r\ny", "urgent": "", "price": ""}, args},
		{"other values", map[string]string{"to": "<eve> & co", "count": " 4 ", "price": "1.5", "urgent": "true", "labels": "z\r\n\r\n", "due": "2026-03-01", "extra": `{"a":1}`},
			`{"to":"<eve> & co","body":"a\nb","count":4,"price":1.5,"urgent":true,"labels":["z"],"due":"2026-03-01","extra":{"a":1},"hidden":1}`},
		{"emptied", map[string]string{"to": "", "body": "", "labels": ""}, `{"to":"","count":3,"hidden":1}`},
		{"no whole number", map[string]string{"count": "1.5"}, `count is a whole number, and "1.5" is not`},
		{"a number as text", map[string]string{"price": `"1"`}, `price is a number`},
		{"no flag", map[string]string{"urgent": "yes"}, `urgent is true or false, and "yes" is not`},
		{"broken JSON", map[string]string{"extra": `{"a"`}, `extra is JSON`},
		{"a number that is required", map[string]string{"count": " "}, `count is required`},
	} {
		got, err := tools.Edit(formFields(t), json.RawMessage(args), tt.entered)
		switch {
		case strings.HasPrefix(tt.want, "{"):
			if err != nil || string(got) != tt.want {
				t.Errorf("%s: %s, %v; want %s", tt.name, got, err, tt.want)
			}
		case agent.KindOf(err) != agent.Invalid || !strings.Contains(err.Error(), tt.want):
			t.Errorf("%s: %v; want %q", tt.name, err, tt.want)
		}
	}
}

// TestAFormSentBackUnchangedChangesNothing keeps the digest, whatever the values are.
func TestAFormSentBackUnchangedChangesNothing(t *testing.T) {
	tool, fields := formTool(), formFields(t)
	rapid.Check(t, func(t *rapid.T) {
		in := formIn{
			To: rapid.String().Draw(t, "to"), Body: rapid.String().Draw(t, "body"), Count: rapid.Int().Draw(t, "count"),
			Price: rapid.Float64Range(-1e9, 1e9).Draw(t, "price"), Urgent: rapid.Bool().Draw(t, "urgent"),
			Labels: rapid.SliceOf(rapid.String()).Draw(t, "labels"),
		}
		raw, err := json.Marshal(in)
		if err != nil {
			t.Fatal(err)
		}
		args, err := tool.Bind(raw)
		if err != nil {
			t.Fatal(err)
		}
		entered := map[string]string{}
		for _, f := range fields {
			for _, a := range (agent.Call{Args: args}).Arguments() {
				if a.Name == f.Name {
					entered[f.Name] = strings.ReplaceAll(strings.ReplaceAll(f.Text(a.Value), "\r\n", "\n"), "\n", "\r\n")
				}
			}
		}
		got, err := tools.Edit(fields, args, entered)
		if err != nil || string(got) != string(args) {
			t.Fatalf("%s became %s, %v", args, got, err)
		}
	})
}
