package builtin

import (
	"encoding/json"
	"math/rand/v2"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/agent/model"
	"github.com/sous-hq/sous/agent/model/modeltest"
)

func TestTheTurnKeepsThePromisesOfAModel(t *testing.T) {
	question, tool := modeltest.Question(), modeltest.WithTool()
	question.Prompt, tool.Prompt = "turn/v1@0", "turn/v1@0"
	ticket := newChat(t).asks("open a ticket: fix the lamp").req
	minutes := newChat(t).asks("Summarise this", "f1").req
	modeltest.Run(t, func(*testing.T) model.Model { return New() }, question, tool, ticket, minutes)
}

func TestATurnWithoutARequestIsInvalid(t *testing.T) {
	_, err := New().Complete(t.Context(), model.Request{Prompt: "turn/v1@0", Messages: []model.Message{{Role: model.RoleSystem, Text: system}}}, nil)
	if agent.KindOf(err) != agent.Invalid || err == nil {
		t.Errorf("error %v", err)
	}
}

func TestAnAnswerKeepsToTheBoundOfWords(t *testing.T) {
	k := newChat(t).asks("help")
	k.req.MaxTokens = 5
	_, resp := k.step()
	if got := strings.Fields(resp.Text); len(got) != 5 || resp.Finish != model.FinishLength || resp.Usage.OutputTokens != 5 {
		t.Errorf("%q, %s, %+v", resp.Text, resp.Finish, resp.Usage)
	}
}

func TestOnlyToolsThatAreOfferedAreCalled(t *testing.T) {
	var said []string
	for _, list := range labelled() {
		said = append(said, list...)
	}
	all := everyTool()
	for i, s := range said {
		// Each time another half of the tools is missing.
		offered := map[string]bool{}
		k := newChat(t)
		k.req.Tools = nil
		for j, tool := range all {
			if (i*7+j*3)%5 < 2 {
				offered[tool.Name] = true
				k.req.Tools = append(k.req.Tools, tool)
			}
		}
		if text, attached := strings.CutPrefix(s, "+"); attached {
			k.asks(text, "f1")
		} else {
			k.asks(s)
		}
		text := k.answer()
		for _, c := range k.made {
			if name, _, _ := strings.Cut(c, " "); !offered[name] {
				t.Errorf("%q: %s was called and is not offered", s, name)
			}
		}
		if strings.TrimSpace(text) == "" {
			t.Errorf("%q: no answer", s)
		}
	}
}

// TestAnyTrailEnds plays turns whose tools answer at random, well formed and
// not: every turn must end, plan no call twice and answer something.
func TestAnyTrailEnds(t *testing.T) {
	var said []string
	for _, list := range labelled() {
		said = append(said, list...)
	}
	results := []string{
		`{}`, `null`, `[]`, `"text"`, `{"hits":null}`, `{"hits":[{}]}`, `{"hits":[{"id":1}]}`, `{"answer":"T-3"}`, `{"answer":"the second"}`, `{"answer":""}`,
		`{"hits":[{"id":"T-1","title":"login invoice VPN","likely_duplicate":0.9,"status":"open"},{"id":"T-2","title":"login invoice VPN"}]}`,
		`{"hits":[{"id":"m1","text":"the wifi password is launch date price","citation":"[x]"},{"id":"m2","text":"wifi password"}]}`,
		`{"title":"W","actions":[{"text":"a"},{"text":"a"},{"text":""},{"text":"b","owner":null,"due":"x","evidence":null}],"decisions":[{"text":"d"}]}`,
		`{"decision":"suggest","team":"IT","person":{},"reasons":null}`, `{"id":"T-9","title":"x","changed":false}`,
	}
	statuses := []string{"done", "done", "done", "failed", "denied", "waiting", "unknown", ""}
	rng := rand.New(rand.NewPCG(1, 2))
	for range 600 {
		s := said[rng.IntN(len(said))]
		k := newChat(t)
		if rng.IntN(2) == 0 {
			k.said(strings.TrimPrefix(said[rng.IntN(len(said))], "+"), "T-1, T-2 and [T-3](http://x)")
		}
		if text, attached := strings.CutPrefix(s, "+"); attached {
			k.asks(text, "f1", "f1", "f2")
		} else {
			k.asks(s)
		}
		k.any = func() string {
			b, err := json.Marshal(map[string]any{
				"status": statuses[rng.IntN(len(statuses))], "error": "why", "result": json.RawMessage(results[rng.IntN(len(results))]),
			})
			if err != nil {
				t.Fatal(err)
			}
			return string(b)
		}
		if text := k.answer(); strings.TrimSpace(text) == "" {
			t.Fatalf("%q: no answer", s)
		}
	}
}

func FuzzTurn(f *testing.F) {
	for _, list := range labelled() {
		for _, s := range list {
			f.Add(s, "T-1", "T-2 is open", `{"status":"done","result":{"hits":[]}}`)
		}
	}
	f.Add("close \xff T-3 and \n\n- x", "\x00", "[](", `{`)
	m := New()
	f.Fuzz(func(t *testing.T, said, before, answered, result string) {
		req := model.Request{Prompt: "turn/v1@0", Tools: everyTool(), Messages: []model.Message{
			{Role: model.RoleSystem, Text: system},
			{Role: model.RoleUser, Text: before},
			{Role: model.RoleAssistant, Text: answered},
			{Role: model.RoleUser, Text: said, Files: []agent.FileRef{{ID: result, Name: before}}},
		}}
		for range 8 {
			resp, err := m.Complete(t.Context(), req, func(string) {})
			if err != nil {
				t.Fatal(err)
			}
			if len(resp.Calls) == 0 {
				if strings.TrimSpace(resp.Text) == "" {
					t.Fatal("neither calls nor text")
				}
				if utf8.ValidString(said) && utf8.ValidString(before) && !utf8.ValidString(resp.Text) {
					t.Fatalf("the answer is not UTF-8: %q", resp.Text)
				}
				return
			}
			req.Messages = append(req.Messages, model.Message{Role: model.RoleAssistant, Calls: resp.Calls})
			for _, c := range resp.Calls {
				if !json.Valid([]byte(c.Args)) {
					t.Fatalf("arguments %q", c.Args)
				}
				req.Messages = append(req.Messages, model.Message{Role: model.RoleTool, CallID: c.ID, Tool: c.Name, Text: result})
			}
		}
		t.Fatal("the turn does not end")
	})
}

func BenchmarkTurnPlan(b *testing.B) {
	m := New()
	for name, said := range map[string]string{
		"question": "what did we decide about the remote control?",
		"ticket":   "open a ticket: replace the badge reader, assign it to Ann, due 2026-12-01",
		"close":    "close T-3 and assign T-4 to Bob",
		"unknown":  "the sky over the harbour was the colour of television, tuned to a dead channel",
	} {
		req := model.Request{Prompt: "turn/v1@0", Tools: everyTool(), Messages: []model.Message{
			{Role: model.RoleSystem, Text: system},
			{Role: model.RoleUser, Text: "which tickets are open?"},
			{Role: model.RoleAssistant, Text: "T-1 one, T-2 two"},
			{Role: model.RoleUser, Text: said},
		}}
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := m.Complete(b.Context(), req, nil); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
