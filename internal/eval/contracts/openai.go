package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/agent/model"
	"github.com/sous-hq/sous/integrations/openai"
	"github.com/sous-hq/sous/internal/testkit/openaifake"
)

// row is one request that was sent.
type row struct {
	shape, path, problem string
}

// shape is one kind of request with what the server answers to it. Servers that
// refuse a part of it make the adapter send it again in another form, and every
// form counts.
type shape struct {
	name   string
	req    model.Request
	stream bool
	steps  []openaifake.Step
	change func(*openai.Config)
}

// openaiRequests drives the adapter through all its shapes.
func openaiRequests(ctx context.Context, schema string) ([]row, error) {
	server, err := openaifake.Start(openaifake.Config{Schema: schema, Key: "key"})
	if err != nil {
		return nil, err
	}
	defer server.Close()
	if err := selfCheck(ctx, server); err != nil {
		return nil, err
	}
	sent := len(server.Requests())
	var rows []row
	note := func(name string) {
		for _, r := range server.Requests()[sent+len(rows):] {
			rows = append(rows, row{name, r.Path, r.Problem})
		}
	}
	for _, s := range shapes() {
		server.Drop() // a refused request has left its steps
		server.Script(s.steps...)
		c, err := client(server, s.change)
		if err != nil {
			return nil, err
		}
		var delta func(string)
		if s.stream {
			delta = func(string) {}
		}
		_, err = c.Complete(ctx, s.req, delta)
		before := len(rows)
		note(s.name)
		// A refused request shows in its row; any other failure is one of this program.
		if err != nil && rows[len(rows)-1].problem == "" {
			return nil, fmt.Errorf("%s: %w", s.name, err)
		}
		if got := len(rows) - before; err == nil && got != len(s.steps) {
			return nil, fmt.Errorf("%s: %d requests, want %d", s.name, got, len(s.steps))
		}
	}
	c, err := client(server, nil)
	if err != nil {
		return nil, err
	}
	_, err = c.Embed(ctx, []string{"what did we decide?", "the remote control"})
	note("embeddings")
	if err != nil && rows[len(rows)-1].problem == "" {
		return nil, fmt.Errorf("embeddings: %w", err)
	}
	return rows, nil
}

// selfCheck sends a request that only the schema can find wrong, since a check
// that refuses nothing would call everything valid.
func selfCheck(ctx context.Context, server *openaifake.Server) error {
	body := strings.NewReader(`{"model":"gpt-4o","messages":[{"role":"user","content":"hi"}],"n":"two"}`)
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, server.BaseURL()+"/chat/completions", body)
	if err != nil {
		return fmt.Errorf("self-check: %w", err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return fmt.Errorf("self-check: %w", err)
	}
	if err := resp.Body.Close(); err != nil {
		return fmt.Errorf("self-check: %w", err)
	}
	if len(server.Problems()) != 1 {
		return fmt.Errorf("self-check: the schema let \"n\": \"two\" pass")
	}
	return nil
}

func client(server *openaifake.Server, change func(*openai.Config)) (*openai.Client, error) {
	c := openai.Config{
		APIKey: "key", BaseURL: server.BaseURL(), Model: "gpt-4o", EmbeddingModel: "text-embedding-3-small", Now: time.Now,
	}
	if change != nil {
		change(&c)
	}
	return openai.New(c)
}

func shapes() []shape {
	plain := model.Request{Messages: []model.Message{
		{Role: model.RoleSystem, Text: "You are Sous."}, {Role: model.RoleUser, Text: "Hello?"},
	}}
	files := model.Request{Messages: []model.Message{{
		Role: model.RoleUser, Text: "Summarise this meeting.",
		Files: []agent.FileRef{{ID: "f1", Name: "meeting.vtt", Media: "text/vtt", Bytes: 1234}},
	}}}
	tools, results := withTools(files), withTools(files)
	results.Messages = append(results.Messages, conversation()...)
	limited := plain
	limited.MaxTokens = 200
	strict := withSchema(plain, `{"type":"object","properties":{"title":{"type":"string"}},"required":["title"],"additionalProperties":false}`)
	loose := withSchema(plain, `{"type":"object","properties":{"title":{"type":"string"}}}`)

	answer, no := openaifake.Answer("{}"), openaifake.Fail(400, "", "response_format is not supported")
	call := openaifake.Calls(openaifake.Call{ID: "a", Name: "ticket_search", Args: "{}"}, openaifake.Call{ID: "b", Name: "ticket_search", Args: "{}"})
	noTokens := openaifake.Fail(400, "", "Unsupported parameter: max_tokens")
	noUsage := openaifake.Fail(400, "", "Unknown parameter: stream_options")
	var out []shape
	for _, stream := range []bool{false, true} {
		as := func(name string) string {
			if stream {
				return name + ", streamed"
			}
			return name
		}
		one := []openaifake.Step{answer}
		out = append(
			out,
			shape{as("plain"), plain, stream, one, nil},
			shape{as("file"), files, stream, one, nil},
			shape{as("tools, parallel calls"), tools, stream, []openaifake.Step{call}, nil},
			shape{as("results of tools"), results, stream, one, nil},
			shape{as("limit of tokens"), limited, stream, []openaifake.Step{noTokens, answer}, nil},
			shape{as("limit of tokens, reasoning"), limited, stream, one, func(c *openai.Config) {
				c.Model, c.ReasoningEffort = "o3-mini", "low"
			}},
			shape{as("strict schema, then words"), strict, stream, []openaifake.Step{no, no, no, answer}, nil},
			shape{as("loose schema"), loose, stream, one, nil},
		)
	}
	return append(out, shape{"stream without usage", plain, true, []openaifake.Step{noUsage, answer}, nil})
}

func withTools(req model.Request) model.Request {
	req.Tools = []model.Tool{
		{Name: "ticket_search", Description: "Searches tickets.", Schema: json.RawMessage(
			`{"type":"object","properties":{"query":{"type":"string"},"limit":{"type":"integer","minimum":1}},"required":["query"]}`)},
		{Name: "no_arguments"},
	}
	return req
}

func withSchema(req model.Request, schema string) model.Request {
	req.Schema, req.SchemaName = json.RawMessage(schema), "minutes"
	return req
}

// conversation holds every kind of message that follows the question, odd ones too.
func conversation() []model.Message {
	return []model.Message{
		{Role: model.RoleAssistant, Text: "Let me look.", Calls: []model.ToolCall{
			{ID: "c1", Name: "ticket_search", Args: `{"query":"remote"}`},
			{ID: "c2", Name: "no_arguments", Args: ""},
			{ID: "c3", Name: "ticket_search", Args: `{"query":`},
		}},
		{Role: model.RoleTool, CallID: "c1", Tool: "ticket_search", Text: `{"tickets":[]}`},
		{Role: model.RoleTool, CallID: "c2", Tool: "no_arguments"},
		{Role: model.RoleTool, CallID: "c3", Tool: "ticket_search", Text: "the arguments are not JSON"},
		{Role: model.RoleAssistant, Text: "There is none."},
		{Role: model.RoleUser, Text: "Open one."},
	}
}
