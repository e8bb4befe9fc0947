package openai_test

import (
	"bytes"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/agent/model"
	"github.com/sous-hq/sous/integrations/openai"
)

type respond func(*http.Request) *http.Response

func (f respond) RoundTrip(r *http.Request) (*http.Response, error) { return f(r), nil }

// FuzzAnyAnswer: whatever a server sends, the client neither fails in a way
// nobody classified, nor shows the key, nor breaks its promises.
func FuzzAnyAnswer(f *testing.F) {
	f.Add(200, true, []byte("data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"hi\"},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n"))
	f.Add(200, true, []byte("data: {\"choices\":[{\"delta\":{\"tool_calls\":[{\"index\":-3,\"function\":{\"name\":\"f\",\"arguments\":\"{\"}}]}}]}\ndata: [DONE]\n"))
	f.Add(200, true, []byte("data: {\"error\":{\"message\":\"sk-test-0123456789abcdef\"}}\n\n"))
	f.Add(200, false, []byte(`{"choices":[{"message":{"content":[{"type":"text","text":"hi"}],"tool_calls":[{},{}]}}],"usage":{"prompt_tokens":-1}}`))
	f.Add(400, false, []byte(`{"error":{"message":["sk-test-0123456789abcdef",1],"param":"response_format","code":7}}`))
	f.Add(404, true, []byte(`{"detail":[{"loc":["body"],"msg":"model"}]}`))
	f.Add(429, false, []byte(`{"error":"slow down"}`))
	f.Fuzz(func(t *testing.T, status int, stream bool, body []byte) {
		if status < 200 || status > 599 {
			status = 200
		}
		kind := "application/json"
		if stream {
			kind = "text/event-stream"
		}
		answer := respond(func(r *http.Request) *http.Response {
			return &http.Response{
				StatusCode: status, Header: http.Header{"Content-Type": {kind}}, Request: r,
				Body: io.NopCloser(bytes.NewReader(body)),
			}
		})
		c, err := openai.New(openai.Config{
			APIKey: key, BaseURL: "http://127.0.0.1/v1", Model: "m", Now: time.Now, HTTPClient: &http.Client{Transport: answer},
		})
		if err != nil {
			t.Fatal(err)
		}
		var delta func(string)
		var seen screen
		if stream {
			delta = seen.show
		}
		resp, err := c.Complete(t.Context(), asJSON(strict), delta)
		switch {
		case err != nil && (agent.KindOf(err) == agent.Internal || agent.KindOf(err) == agent.Cancelled):
			t.Errorf("%v is of kind %s", err, agent.KindOf(err))
		case err != nil && strings.Contains(err.Error()+agent.PublicText(err), key):
			t.Errorf("the key is in %v", err)
		case err == nil && stream && seen.text != resp.Text:
			t.Errorf("shown %q, text %q", seen.text, resp.Text)
		case err == nil && (resp.Finish == model.FinishCalls) != (len(resp.Calls) > 0 && resp.Finish != model.FinishLength && resp.Finish != model.FinishFilter):
			t.Errorf("finish %s with %d calls", resp.Finish, len(resp.Calls))
		case err == nil && resp.Usage.InputTokens < 0:
			t.Errorf("usage %+v", resp.Usage)
		}
	})
}
