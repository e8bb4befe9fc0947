package openaifake_test

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/sous-hq/sous/internal/testkit/openaifake"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func start(t *testing.T, c openaifake.Config) *openaifake.Server {
	t.Helper()
	s, err := openaifake.Start(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

// post sends a body and returns status and answer; err is that of reading.
func post(ctx context.Context, t *testing.T, url, body string) (int, string, error) {
	t.Helper()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	pool := &http.Transport{}
	t.Cleanup(pool.CloseIdleConnections)
	resp, err := (&http.Client{Transport: pool}).Do(req)
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	out, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(out), err
}

const user = `{"role":"user","content":"hi"}`

func TestWhatTheRealAPIRefusesIsRefused(t *testing.T) {
	call := `{"role":"assistant","tool_calls":[{"id":"a","type":"function","function":{"name":"f","arguments":"{}"}}]}`
	for name, tc := range map[string]struct{ body, says string }{
		"not JSON":                    {`{`, "not a JSON object"},
		"an unknown field":            {`{"model":"m","messages":[` + user + `],"temprature":1}`, "temprature"},
		"no model":                    {`{"messages":[` + user + `]}`, "model"},
		"no messages":                 {`{"model":"m","messages":[]}`, "messages"},
		"a message without content":   {`{"model":"m","messages":[{"role":"user"}]}`, "content"},
		"an unknown role":             {`{"model":"m","messages":[{"role":"ghost","content":"x"}]}`, "ghost"},
		"a call without an answer":    {`{"model":"m","messages":[` + user + `,` + call + `,` + user + `]}`, "no answer"},
		"an open call at the end":     {`{"model":"m","messages":[` + user + `,` + call + `]}`, "no answer"},
		"an answer without a call":    {`{"model":"m","messages":[{"role":"tool","tool_call_id":"z","content":"x"}]}`, "must answer"},
		"an empty assistant":          {`{"model":"m","messages":[{"role":"assistant"}]}`, "content or tool calls"},
		"a bad name of a function":    {`{"model":"m","messages":[` + user + `],"tools":[{"type":"function","function":{"name":"a b","parameters":{}}}]}`, "tools[0]"},
		"parameters that are no map":  {`{"model":"m","messages":[` + user + `],"tools":[{"type":"function","function":{"name":"f","parameters":null}}]}`, "parameters"},
		"options of no stream":        {`{"model":"m","messages":[` + user + `],"stream_options":{"include_usage":true}}`, "stream"},
		"JSON without the word":       {`{"model":"m","messages":[` + user + `],"response_format":{"type":"json_object"}}`, "json"},
		"a schema without a name":     {`{"model":"m","messages":[` + user + `],"response_format":{"type":"json_schema","json_schema":{"schema":{}}}}`, "name"},
		"an unknown form of response": {`{"model":"m","messages":[` + user + `],"response_format":{"type":"xml"}}`, "xml"},
	} {
		t.Run(name, func(t *testing.T) {
			s := start(t, openaifake.Config{})
			s.Script(openaifake.Answer("fine"))
			status, answer, err := post(t.Context(), t, s.BaseURL()+"/chat/completions", tc.body)
			if err != nil || status != http.StatusBadRequest || !strings.Contains(answer, tc.says) {
				t.Errorf("%d %s, %v; want 400 about %q", status, answer, err, tc.says)
			}
			if len(s.Problems()) != 1 || s.Left() != 1 {
				t.Errorf("problems %v, %d steps left; a refused request must not use up a step", s.Problems(), s.Left())
			}
		})
	}
}

func TestAStreamIsEventsThatEndWithTheMark(t *testing.T) {
	s := start(t, openaifake.Config{})
	s.Script(openaifake.Step{Text: "a b", Calls: []openaifake.Call{{ID: "1", Name: "f", Args: `{"x":1}`}, {ID: "2", Name: "g", Args: `{}`}}})
	_, body, err := post(t.Context(), t, s.BaseURL()+"/chat/completions",
		`{"model":"m","messages":[`+user+`],"stream":true,"stream_options":{"include_usage":true}}`)
	if err != nil {
		t.Fatal(err)
	}
	var text, first string
	usage, last := false, ""
	lines := bufio.NewScanner(strings.NewReader(body))
	for lines.Scan() {
		data, ok := strings.CutPrefix(lines.Text(), "data: ")
		if !ok {
			continue
		}
		last = data
		var chunk struct {
			Choices []struct {
				Delta struct {
					Content   string
					ToolCalls []struct {
						Index    int
						Function struct{ Arguments string }
					} `json:"tool_calls"`
				}
			}
			Usage *struct{}
		}
		if data == "[DONE]" {
			continue
		}
		if err := json.Unmarshal([]byte(data), &chunk); err != nil {
			t.Fatal(err)
		}
		usage = usage || chunk.Usage != nil
		for _, c := range chunk.Choices {
			text += c.Delta.Content
			for _, call := range c.Delta.ToolCalls {
				if call.Index == 0 {
					first += call.Function.Arguments
				}
			}
		}
	}
	if text != "a b" || first != `{"x":1}` || !usage || last != "[DONE]" {
		t.Errorf("text %q, arguments %q, usage %t, last %q", text, first, usage, last)
	}
}

func TestFaultsHappen(t *testing.T) {
	body := `{"model":"m","messages":[` + user + `]}`
	s := start(t, openaifake.Config{})
	s.Script(openaifake.Cut(openaifake.Answer("a long answer"), 20), openaifake.Hang())
	if status, got, err := post(t.Context(), t, s.BaseURL()+"/chat/completions", body); err == nil || len(got) != 20 {
		t.Errorf("cut: %d %q, %v", status, got, err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, _, err := post(ctx, t, s.BaseURL()+"/chat/completions", body); err == nil {
		t.Error("it did not hang")
	}
	if status, answer, err := post(t.Context(), t, s.BaseURL()+"/chat/completions", body); err != nil || status != 400 || !strings.Contains(answer, "no step") {
		t.Errorf("an empty script answers %d %s, %v", status, answer, err)
	}
}

func TestClosingReleasesWhatHangs(t *testing.T) {
	s := start(t, openaifake.Config{})
	s.Script(openaifake.Hang())
	done := make(chan error, 1)
	go func() {
		_, _, err := post(context.Background(), t, s.BaseURL()+"/chat/completions", `{"model":"m","messages":[`+user+`]}`)
		done <- err
	}()
	for len(s.Requests()) == 0 {
		time.Sleep(time.Millisecond)
	}
	s.Close()
	select {
	case <-done:
	case <-time.After(5 * time.Second):
		t.Error("the request still hangs")
	}
}
