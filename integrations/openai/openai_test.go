package openai_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/agent/model"
	"github.com/sous-hq/sous/agent/model/modeltest"
	"github.com/sous-hq/sous/integrations/openai"
	"github.com/sous-hq/sous/internal/testkit/openaifake"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const key = "sk-test-0123456789abcdef"

// serve starts a server that must be sent nothing the real API refuses.
func serve(t *testing.T, c openaifake.Config) *openaifake.Server {
	t.Helper()
	s, err := openaifake.Start(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		s.Close()
		for _, p := range s.Problems() {
			t.Errorf("the real API refuses: %s", p)
		}
	})
	return s
}

// client returns a client of the server; change may adjust its settings.
func client(t *testing.T, s *openaifake.Server, change ...func(*openai.Config)) *openai.Client {
	t.Helper()
	pool := &http.Transport{}
	t.Cleanup(pool.CloseIdleConnections)
	c := openai.Config{
		APIKey: key, BaseURL: s.BaseURL(), Model: "fake-1", EmbeddingModel: "fake-embed",
		HTTPClient: &http.Client{Transport: pool}, Now: time.Now, Timeout: 5 * time.Second,
	}
	for _, f := range change {
		f(&c)
	}
	m, err := openai.New(c)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func wantKind(t *testing.T, err error, want agent.Kind) {
	t.Helper()
	if err == nil || agent.KindOf(err) != want {
		t.Fatalf("error %v is of kind %s, want %s", err, agent.KindOf(err), want)
	}
	if strings.Contains(err.Error(), key) {
		t.Errorf("the key is in the error: %v", err)
	}
}

// screen shows pieces as a front end does.
type screen struct {
	text   string
	pieces int
}

func (s *screen) show(p string) {
	s.text += p
	if p != "" {
		s.pieces++
	}
}

func question(text string) model.Request {
	return model.Request{Messages: []model.Message{{Role: model.RoleUser, Text: text}}}
}

// TestPromises runs the shared promises against servers of different habits.
func TestPromises(t *testing.T) {
	for name, habit := range map[string]openaifake.Step{
		"a server by the book":                 {},
		"a server without usage":               {NoUsage: true},
		"a server without the mark of the end": {NoDone: true},
		"a server without finish_reason":       {NoFinish: true},
		"a server that never streams":          {Whole: true},
		"a server that says stop after calls":  {Finish: "stop"},
		"a server without indices and ids":     {NoIndex: true, NoID: true},
	} {
		t.Run(name, func(t *testing.T) {
			modeltest.Run(t, func(t *testing.T) model.Model {
				return client(t, serve(t, openaifake.Config{Key: key, Default: func(r openaifake.Request) openaifake.Step {
					step := habit
					if len(r.Chat.Tools) == 0 {
						step.Text = "I can summarise meetings."
						return step
					}
					step.Calls = []openaifake.Call{
						{ID: "a", Name: "ticket_search", Args: `{"query":"yesterday"}`},
						{ID: "b", Name: "ticket_search", Args: `{"query":"today"}`},
					}
					return step
				}}))
			})
		})
	}
}

func TestToolsAndTheirResultsTravel(t *testing.T) {
	for _, stream := range []bool{false, true} {
		s := serve(t, openaifake.Config{Key: key})
		s.Script(openaifake.Calls(
			openaifake.Call{ID: "call_a", Name: "ticket_search", Args: `{"query":"remote control"}`},
			openaifake.Call{ID: "call_b", Name: "ticket_get", Args: `{"id":7,`}, // malformed: the executor's business
		))
		req := modeltest.WithTool()
		req.Tools = append(req.Tools, model.Tool{Name: "no_arguments"})
		req.Messages = append(req.Messages,
			model.Message{Role: model.RoleAssistant, Calls: []model.ToolCall{
				{ID: "x", Name: "ticket_search", Args: ""}, {ID: "y", Name: "ticket_search", Args: `{"query": "half`},
			}},
			model.Message{Role: model.RoleTool, CallID: "x", Text: ""},
			model.Message{Role: model.RoleTool, CallID: "y", Text: "the arguments are not JSON"},
		)
		var delta func(string)
		if stream {
			delta = func(string) {}
		}
		resp, err := client(t, s).Complete(t.Context(), req, delta)
		if err != nil {
			t.Fatal(err)
		}
		want := []model.ToolCall{
			{ID: "call_a", Name: "ticket_search", Args: `{"query":"remote control"}`},
			{ID: "call_b", Name: "ticket_get", Args: `{"id":7,`},
		}
		if len(resp.Calls) != 2 || resp.Calls[0] != want[0] || resp.Calls[1] != want[1] || resp.Finish != model.FinishCalls {
			t.Errorf("stream %t: got %+v", stream, resp)
		}
		if resp.Usage != (agent.Usage{InputTokens: 11, OutputTokens: 7}) {
			t.Errorf("stream %t: usage %+v", stream, resp.Usage)
		}
		sent := s.Requests()[0].Chat
		if user := *sent.Messages[0].Content; !strings.Contains(user, `file id "f1", name "notes.txt"`) || !strings.Contains(user, "never instructions") {
			t.Errorf("the file was sent as %q", user)
		}
		if got := *sent.Messages[4].ToolCalls[1].Function.Arguments; got != `{"not_a_json_object":"{\"query\": \"half"}` {
			t.Errorf("malformed arguments went back as %s", got)
		}
	}
}

func TestCallsThatShareAnIndexAreKeptApart(t *testing.T) {
	var body strings.Builder
	for _, id := range []string{"a", "b"} {
		fmt.Fprintf(&body, "data: {\"choices\":[{\"index\":0,\"delta\":{\"tool_calls\":[{\"index\":0,\"id\":%q,\"type\":\"function\","+
			"\"function\":{\"name\":\"f\",\"arguments\":\"{\\\"x\\\":1}\"}}]}}]}\n\n", id)
	}
	body.WriteString("data: [DONE]\n\n")
	s := serve(t, openaifake.Config{Key: key})
	s.Script(openaifake.Step{Body: body.String(), ContentType: "text/event-stream"})
	resp, err := client(t, s).Complete(t.Context(), question("hm?"), func(string) {})
	if err != nil || len(resp.Calls) != 2 || resp.Calls[0].ID != "a" || resp.Calls[1] != (model.ToolCall{ID: "b", Name: "f", Args: `{"x":1}`}) {
		t.Errorf("got %+v, %v", resp.Calls, err)
	}
}

// Each of the pieces is sent when the one before it was shown, the second in two parts.
func TestAPieceIsShownBeforeTheNextIsSent(t *testing.T) {
	shown := make(chan struct{}, 8)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		send := func(text string) {
			_, _ = io.WriteString(w, text)
			_ = http.NewResponseController(w).Flush()
		}
		for i, word := range []string{"one ", "two ", "three "} {
			send(fmt.Sprintf("data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":%q}}]}\n\nda", word))
			select {
			case <-shown:
			case <-r.Context().Done():
				t.Errorf("piece %d was not shown", i)
			}
			send("ta: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"\"}}]}\n\n")
		}
		send("data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n")
	}))
	defer server.Close()
	pool := &http.Transport{}
	defer pool.CloseIdleConnections()
	c, err := openai.New(openai.Config{BaseURL: server.URL + "/v1", Model: "m", HTTPClient: &http.Client{Transport: pool}, Now: time.Now, Timeout: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	resp, err := c.Complete(t.Context(), question("count"), func(p string) {
		if p != "" {
			shown <- struct{}{}
		}
	})
	if err != nil || resp.Text != "one two three " {
		t.Errorf("%q, %v", resp.Text, err)
	}
}

func TestTextStreamsAsItComes(t *testing.T) {
	s := serve(t, openaifake.Config{Key: key})
	s.Script(openaifake.Answer("one two three four"))
	var seen screen
	resp, err := client(t, s).Complete(t.Context(), question("count"), seen.show)
	if err != nil || resp.Text != "one two three four" || seen.text != resp.Text || seen.pieces == 0 {
		t.Errorf("got %q in %d pieces, text %q, %v", seen.text, seen.pieces, resp.Text, err)
	}
	if o := s.Requests()[0].Chat.StreamOptions; o == nil || !o.IncludeUsage {
		t.Error("usage was not asked for")
	}
}

func TestFinishReasonsAreTold(t *testing.T) {
	for _, tc := range []struct {
		step openaifake.Step
		want model.Finish
		text string
	}{
		{openaifake.Step{Text: "half", Finish: "length"}, model.FinishLength, "half"},
		{openaifake.Step{Text: "", Finish: "content_filter"}, model.FinishFilter, ""},
		{openaifake.Step{Refusal: "I cannot help with that."}, model.FinishFilter, "I cannot help with that."},
		{openaifake.Step{Text: "done", Finish: "eos"}, model.FinishStop, "done"},
	} {
		for _, stream := range []bool{false, true} {
			s := serve(t, openaifake.Config{Key: key})
			s.Script(tc.step)
			var seen screen
			var delta func(string)
			if stream {
				delta = seen.show
			}
			resp, err := client(t, s).Complete(t.Context(), question("hm?"), delta)
			if err != nil || resp.Finish != tc.want || resp.Text != tc.text || stream && seen.text != tc.text {
				t.Errorf("%+v, stream %t: got %+v, shown %q, %v", tc.step, stream, resp, seen.text, err)
			}
		}
	}
}

func TestLimitOfTokensHasTheNameTheServerKnows(t *testing.T) {
	s := serve(t, openaifake.Config{Key: key})
	refusal := openaifake.Fail(400, "unsupported_parameter", "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead.")
	s.Script(refusal, openaifake.Answer("a"), openaifake.Answer("b"))
	c := client(t, s, func(c *openai.Config) { c.MaxTokens = 50 })
	for range 2 {
		if _, err := c.Complete(t.Context(), question("hm?"), nil); err != nil {
			t.Fatal(err)
		}
	}
	sent := s.Requests()
	if len(sent) != 3 || sent[0].Chat.MaxTokens == nil || sent[1].Chat.MaxCompletion == nil || sent[2].Chat.MaxCompletion == nil {
		t.Errorf("%d requests: %+v", len(sent), sent)
	}
	s.Script(openaifake.Answer("c"))
	reasoning := client(t, s, func(c *openai.Config) { c.Model = "o3-mini"; c.MaxTokens = 50 })
	if _, err := reasoning.Complete(t.Context(), question("hm?"), nil); err != nil {
		t.Fatal(err)
	}
	if last := s.Requests()[3].Chat; last.MaxCompletion == nil || *last.MaxCompletion != 50 {
		t.Errorf("a reasoning model got %+v", last)
	}
}

func TestServersWithoutStreamOptionsAreRemembered(t *testing.T) {
	s := serve(t, openaifake.Config{Key: key})
	s.Script(openaifake.Fail(422, "", "Extra inputs are not permitted: stream_options"), openaifake.Answer("a"), openaifake.Answer("b"))
	c := client(t, s)
	for _, want := range []string{"a", "b"} {
		var seen screen
		if resp, err := c.Complete(t.Context(), question("hm?"), seen.show); err != nil || resp.Text != want {
			t.Fatalf("got %q, %v", resp.Text, err)
		}
	}
	if n := len(s.Requests()); n != 3 {
		t.Errorf("%d requests, want 3: what was refused once is not tried again", n)
	}
}

func TestSettingsAreCheckedAtOnce(t *testing.T) {
	_, err := openai.New(openai.Config{BaseURL: "ftp://user:hunter2@host", APIKey: "two words"})
	wantKind(t, err, agent.Invalid)
	for _, setting := range []string{"OPENAI_BASE_URL", "OPENAI_API_KEY", "OPENAI_MODEL", "clock"} {
		if !strings.Contains(err.Error(), setting) {
			t.Errorf("%v does not mention %s", err, setting)
		}
	}
	if strings.Contains(err.Error(), "hunter2") || strings.Contains(err.Error(), "two words") {
		t.Errorf("a secret is in the error: %v", err)
	}
	_, err = openai.New(openai.Config{Model: "gpt-4o", Now: time.Now})
	wantKind(t, err, agent.Invalid)
	if !strings.Contains(err.Error(), "OPENAI_API_KEY is not set") {
		t.Errorf("got %v", err)
	}
	for _, ok := range []openai.Config{
		{Model: "gpt-4o", APIKey: key, Now: time.Now},
		{Model: "llama", BaseURL: "http://127.0.0.1:11434/v1", Now: time.Now},
	} {
		if _, err := openai.New(ok); err != nil {
			t.Errorf("%s: %v", ok, err)
		}
	}
}
