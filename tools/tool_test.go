package tools_test

import (
	"context"
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/tools"
)

type letterIn struct {
	To      string   `json:"to"`
	Subject string   `json:"subject"`
	Body    string   `json:"body,omitempty"`
	Copies  []string `json:"copies,omitempty"`
	Address struct {
		Street string `json:"street"`
		City   string `json:"city"`
	} `json:"address"`
}

// TestArgumentsComeInTheOrderOfTheSchema is for people who read cards: the
// recipient stands above the text, however a model wrote the call.
func TestArgumentsComeInTheOrderOfTheSchema(t *testing.T) {
	tool := tools.Must(tools.New(tools.Spec{
		Name: "letter_send", Doc: "Send a letter.", Tier: agent.TierOutward, Timeout: time.Second,
	}, tools.Funcs[letterIn, struct{}]{
		Run:   func(context.Context, tools.Invocation, letterIn) (struct{}, error) { return struct{}{}, nil },
		Label: func(tools.Invocation, letterIn, struct{}) agent.Label { return agent.Label{} },
	}))
	written := json.RawMessage(`{"address": {"city":"Ulm","street":"Hof 1"}, "body":"<b> & so on", "subject":"Hello","to":"Bob"}`)
	got, err := tool.Bind(written)
	if want := `{"to":"Bob","subject":"Hello","body":"<b> & so on","address":{"street":"Hof 1","city":"Ulm"}}`; err != nil || string(got) != want {
		t.Fatalf("bound %s, %v; want %s", got, err, want)
	}
	digest := func(args json.RawMessage) string {
		d, err := agent.Call{Tool: "letter_send", Args: args}.Digest()
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	if digest(got) != digest(written) {
		t.Error("the order is part of the digest")
	}
	var at []int
	for _, name := range []string{`"to"`, `"subject"`, `"body"`, `"copies"`, `"address"`} {
		at = append(at, strings.Index(string(tool.Schema()), name+":{"))
	}
	if at[0] < 0 || !slices.IsSorted(at) {
		t.Errorf("the schema names them at %v: %s", at, tool.Schema())
	}
}

func TestAnArgumentIsTracedToTheTextsItStandsIn(t *testing.T) {
	read := func(source, text string) tools.Labelled {
		return tools.Labelled{Text: text, Label: agent.Label{Integrity: agent.External, Sources: []string{source}}}
	}
	p := tools.Proposal{
		Call: agent.Call{Args: json.RawMessage(`{
			"title":"Order  TWO spare displays", "body":"\"I'll order two spare displays\"\nsaid Carol, it seems", "due":"Fri",
			"labels":["kitchen","displays"], "amount":12345, "to":"bob@example.org"}`)},
		Texts: []tools.Labelled{
			{Text: "please write to bob@example.org", Label: agent.Label{Integrity: agent.Requester, Sources: []string{"the request"}}},
			read("planning.vtt", `{"quote":"\"I'll order two spare displays\" by Fri"}`), read("order.pdf", "displays: order two spare displays for 12345"),
		},
	}
	got := p.Origins([]string{"title", "body", "due", "labels", "amount", "to", "missing"})
	want := map[string][]string{
		"title": {"order.pdf", "planning.vtt"}, "body": {"planning.vtt"}, "labels": {"order.pdf", "planning.vtt"}, "amount": {"order.pdf"},
	}
	if !maps.EqualFunc(got, want, slices.Equal) {
		t.Errorf("traced to %v; want %v", got, want)
	}
	p.Call.Args = json.RawMessage(`[]`)
	if got := p.Origins([]string{"title"}); got != nil {
		t.Errorf("no arguments come from %v", got)
	}
}
