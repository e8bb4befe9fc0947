package openai_test

import (
	"testing"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/agent/model"
	"github.com/sous-hq/sous/integrations/openai"
	"github.com/sous-hq/sous/internal/testkit/openaifake"
)

const (
	strict = `{"type":"object","properties":{"title":{"type":"string"}},"required":["title"],"additionalProperties":false}`
	loose  = `{"type":"object","properties":{"title":{"type":"string"},"due":{"type":"string"}},"required":["title"]}`
)

func asJSON(schema string) model.Request {
	req := question("What is the title?")
	req.Schema, req.SchemaName = []byte(schema), "minutes/v1 part"
	return req
}

func format(r openaifake.Request) string {
	switch f := r.Chat.ResponseFormat; {
	case f == nil:
		return "none"
	case f.JSONSchema != nil && f.JSONSchema.Strict:
		return "strict " + f.JSONSchema.Name
	default:
		return f.Type
	}
}

func TestAnswersInJSONAreAskedForByTheirSchema(t *testing.T) {
	for schema, want := range map[string]string{strict: "strict minutes_v1_part", loose: "json_schema"} {
		s := serve(t, openaifake.Config{Key: key})
		s.Script(openaifake.Answer(`{"title": "Remote control"}`))
		var seen screen
		resp, err := client(t, s).Complete(t.Context(), asJSON(schema), seen.show)
		if err != nil || resp.Text != `{"title": "Remote control"}` || seen.text != resp.Text || seen.pieces != 1 {
			t.Errorf("got %q in %d pieces, text %q, %v", seen.text, seen.pieces, resp.Text, err)
		}
		if got := format(s.Requests()[0]); got != want {
			t.Errorf("asked for %s, want %s", got, want)
		}
	}
}

func TestServersThatKnowNoSchemaAreAskedInWords(t *testing.T) {
	s := serve(t, openaifake.Config{Key: key})
	no := openaifake.Fail(400, "", "response_format is not supported")
	fenced := openaifake.Answer("```json\n{\"title\": \"Remote control\"}\n```")
	s.Script(no, no, no, fenced, fenced)
	c := client(t, s)
	for range 2 {
		var seen screen
		resp, err := c.Complete(t.Context(), asJSON(strict), seen.show)
		if err != nil || resp.Text != `{"title": "Remote control"}` || seen.text != resp.Text {
			t.Fatalf("got %q, text %q, %v", seen.text, resp.Text, err)
		}
	}
	var asked []string
	for _, r := range s.Requests() {
		asked = append(asked, format(r))
	}
	want := []string{"strict minutes_v1_part", "json_schema", "json_object", "none", "none"}
	if len(asked) != len(want) {
		t.Fatalf("asked %v, want %v", asked, want)
	}
	for i := range want {
		if asked[i] != want[i] {
			t.Errorf("request %d asked for %s, want %s", i+1, asked[i], want[i])
		}
	}
	last := s.Requests()[4].Chat.Messages
	if len(last) != 2 || last[0].Role != "system" || last[0].Content == nil {
		t.Errorf("the schema is not in the system message: %+v", last)
	}
}

func TestARefusalForAnotherReasonTeachesNothing(t *testing.T) {
	s := serve(t, openaifake.Config{Key: key})
	for range 4 {
		s.Script(openaifake.Fail(400, "", "messages[0] is bad"))
	}
	s.Script(openaifake.Answer(`{"title":"x"}`))
	c := client(t, s)
	_, err := c.Complete(t.Context(), asJSON(strict), nil)
	wantKind(t, err, agent.Invalid)
	if _, err := c.Complete(t.Context(), asJSON(strict), nil); err != nil {
		t.Fatal(err)
	}
	if got := format(s.Requests()[4]); got != "strict minutes_v1_part" {
		t.Errorf("the next request asked for %s", got)
	}
}

func TestEmbeddings(t *testing.T) {
	s := serve(t, openaifake.Config{Key: key})
	c := client(t, s)
	texts := make([]string, 300)
	for i := range texts {
		texts[i] = string(rune('a'+i%26)) + string(rune('a'+i/26))
	}
	got, err := c.Embed(t.Context(), texts)
	if err != nil || len(got.Vectors) != 300 || got.Model != "fake-embed" || got.Usage.InputTokens != 300 {
		t.Fatalf("%d vectors of %q, usage %+v, %v", len(got.Vectors), got.Model, got.Usage, err)
	}
	for i, v := range got.Vectors {
		if want := openaifake.Vector(texts[i]); v[0] != want[0] || v[7] != want[7] {
			t.Fatalf("vector %d is another text's", i)
		}
	}
	if n := len(s.Requests()); n != 3 {
		t.Errorf("%d requests for 300 texts, want 3", n)
	}

	_, err = c.Embed(t.Context(), []string{"fine", " "})
	wantKind(t, err, agent.Invalid)
	none := client(t, s, func(c *openai.Config) { c.EmbeddingModel = "" })
	_, err = none.Embed(t.Context(), []string{"fine"})
	wantKind(t, err, agent.Invalid)
}

func TestEmbeddingsThatDoNotFitAreRefused(t *testing.T) {
	for name, body := range map[string]string{
		"too few":           `{"data":[{"index":0,"embedding":[1,2]}]}`,
		"one twice":         `{"data":[{"index":0,"embedding":[1,2]},{"index":0,"embedding":[1,2]}]}`,
		"out of range":      `{"data":[{"index":0,"embedding":[1,2]},{"index":5,"embedding":[1,2]}]}`,
		"different lengths": `{"data":[{"index":0,"embedding":[1,2]},{"index":1,"embedding":[1]}]}`,
		"cut":               `{"data":[{"index":0,"embe`,
	} {
		t.Run(name, func(t *testing.T) {
			s := serve(t, openaifake.Config{Key: key})
			s.ScriptEmbeddings(openaifake.Step{Body: body})
			_, err := client(t, s).Embed(t.Context(), []string{"a", "b"})
			wantKind(t, err, agent.Unavailable)
		})
	}
}
