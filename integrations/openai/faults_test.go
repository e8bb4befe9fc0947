package openai_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/agent/model"
	"github.com/sous-hq/sous/agent/model/modeltest"
	"github.com/sous-hq/sous/integrations/openai"
	"github.com/sous-hq/sous/internal/testkit/openaifake"
)

func TestFaultsHaveKindsAndNameTheSetting(t *testing.T) {
	for _, tc := range []struct {
		name  string
		step  openaifake.Step
		kind  agent.Kind
		says  string
		after time.Duration
	}{
		{"429 with seconds", openaifake.TooMany("7"), agent.Unavailable, "too busy", 7 * time.Second},
		{"429 without a wait", openaifake.TooMany(""), agent.Unavailable, "too busy", 0},
		{"429 with nonsense", openaifake.TooMany("soon"), agent.Unavailable, "too busy", 0},
		{"429 for ever", openaifake.TooMany("1e300"), agent.Unavailable, "too busy", 24 * time.Hour},
		{"no credit", openaifake.Fail(429, "insufficient_quota", "You exceeded your current quota"), agent.Unavailable, "no credit", time.Hour},
		{"500", openaifake.Fail(500, "", "boom"), agent.Unavailable, "status 500", 0},
		{"503 as a page", openaifake.Step{Status: 503, Body: "<h1>down</h1>", RetryAfter: "3"}, agent.Unavailable, "status 503", 3 * time.Second},
		{"403", openaifake.Fail(403, "", "no"), agent.Forbidden, "OPENAI_API_KEY and OPENAI_MODEL", 0},
		{"404 model", openaifake.Fail(404, "model_not_found", "The model `x` does not exist"), agent.NotFound, "OPENAI_MODEL", 0},
		{"404 path", openaifake.Step{Status: 404, Body: "404 page not found"}, agent.NotFound, "OPENAI_BASE_URL", 0},
		{"400 too long", openaifake.Fail(400, "context_length_exceeded", "This model's maximum context length is 8192 tokens"), agent.TooLarge, "longer than", 0},
		{"400 too long, llama.cpp", openaifake.Fail(400, "", "the request exceeds the available context size"), agent.TooLarge, "longer than", 0},
		{"413", openaifake.Step{Status: 413, Body: "too large"}, agent.TooLarge, "longer than", 0},
		{"400 content rules", openaifake.Fail(400, "content_filter", "filtered"), agent.Invalid, "content rules", 0},
		{"400", openaifake.Fail(400, "", "bad"), agent.Invalid, "refused the request", 0},
		{"malformed JSON", openaifake.Malformed(), agent.Unavailable, "", 0},
		{"malformed JSON in a stream", openaifake.Step{Body: "data: {\"choices\":[{\"index\":0,\"delta\":{\"con\n\ndata: [DONE]\n\n", ContentType: "text/event-stream"}, agent.Unavailable, "cannot be read", 0},
		{"nothing", openaifake.Step{Body: " "}, agent.Unavailable, "", 0},
		{"JSON of another kind", openaifake.Step{Body: `{"ok":true}`}, agent.Unavailable, "cannot be read", 0},
		{"an error with status 200", openaifake.Step{Body: `{"error":{"message":"overloaded"}}`}, agent.Unavailable, "", 0},
		{"a web page", openaifake.Page(), agent.Unavailable, "OPENAI_BASE_URL", 0},
		{"cut off", openaifake.Cut(openaifake.Answer("one two three four five"), 150), agent.Unavailable, "", 0},
	} {
		for _, stream := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, stream %t", tc.name, stream), func(t *testing.T) {
				s := serve(t, openaifake.Config{Key: key})
				s.Script(tc.step)
				var delta func(string)
				if stream {
					delta = func(string) {}
				}
				_, err := client(t, s).Complete(t.Context(), question("hm?"), delta)
				wantKind(t, err, tc.kind)
				if text := agent.PublicText(err); !strings.Contains(text, tc.says) {
					t.Errorf("people read %q, want %q", text, tc.says)
				}
				if got := model.RetryAfter(err); got != tc.after {
					t.Errorf("retry after %s, want %s", got, tc.after)
				}
				if n := len(s.Requests()); n != 1 {
					t.Errorf("asked %d times; repeating is Retry's business", n)
				}
			})
		}
	}
}

func TestRetryAfterMayBeADate(t *testing.T) {
	s := serve(t, openaifake.Config{Key: key})
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	s.Script(openaifake.TooMany(now.Add(42 * time.Second).Format(http.TimeFormat)))
	c := client(t, s, func(c *openai.Config) { c.Now = func() time.Time { return now } })
	_, err := c.Complete(t.Context(), question("hm?"), nil)
	if got := model.RetryAfter(err); got != 42*time.Second {
		t.Errorf("retry after %s, %v", got, err)
	}
}

func TestAWrongKeyIsNeverRepeated(t *testing.T) {
	s := serve(t, openaifake.Config{Key: "another"})
	c := client(t, s)
	_, err := c.Complete(t.Context(), question("hm?"), nil)
	wantKind(t, err, agent.Forbidden)
	if !strings.Contains(agent.PublicText(err), "OPENAI_API_KEY") {
		t.Errorf("people read %q", agent.PublicText(err))
	}
	// Some servers repeat a part of it, which no search for the key would find.
	s = serve(t, openaifake.Config{})
	s.Script(openaifake.Fail(401, "", "Incorrect API key provided: "+key[:12]+"****."))
	_, err = client(t, s).Complete(t.Context(), question("hm?"), nil)
	wantKind(t, err, agent.Forbidden)
	if strings.Contains(err.Error(), key[:12]) {
		t.Errorf("a part of the key is in the error: %v", err)
	}
	// A server may repeat the key with any other refusal too.
	s = serve(t, openaifake.Config{})
	s.Script(openaifake.Fail(500, key, "cannot serve "+key))
	_, err = client(t, s).Complete(t.Context(), question("hm?"), nil)
	wantKind(t, err, agent.Unavailable)

	for _, form := range []string{"%v", "%+v", "%#v", "%s"} {
		cfg := openai.Config{APIKey: key, Model: "m"}
		if out := fmt.Sprintf(form+form+form, cfg, &cfg, c); strings.Contains(out, key) {
			t.Errorf("%s prints the key: %s", form, out)
		}
	}
}

func TestAServerThatIsNotThereIsUnavailable(t *testing.T) {
	s := serve(t, openaifake.Config{})
	c := client(t, s)
	s.Close()
	_, err := c.Complete(t.Context(), question("hm?"), nil)
	wantKind(t, err, agent.Unavailable)
	if strings.Contains(err.Error(), "http://") || !strings.Contains(agent.PublicText(err), "OPENAI_BASE_URL") {
		t.Errorf("got %v", err)
	}
}

func TestSilenceEndsInTime(t *testing.T) {
	for name, step := range map[string]openaifake.Step{
		"from the beginning":      openaifake.Hang(),
		"in the middle":           {Text: "one two three four", HangAfter: 200},
		"by answering too slowly": {Text: strings.Repeat("slow ", 100), Drip: 20 * time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			s := serve(t, openaifake.Config{Key: key})
			s.Script(step)
			c := client(t, s, func(c *openai.Config) { c.Timeout = 150 * time.Millisecond })
			_, err := c.Complete(t.Context(), question("hm?"), func(string) {})
			wantKind(t, err, agent.Unavailable)
			if !strings.Contains(agent.PublicText(err), "did not answer within 150ms") {
				t.Errorf("people read %q", agent.PublicText(err))
			}
		})
	}
	t.Run("and its caller may leave before", func(t *testing.T) {
		s := serve(t, openaifake.Config{Key: key})
		s.Script(openaifake.Hang())
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(30*time.Millisecond, cancel)
		_, err := client(t, s).Complete(ctx, question("hm?"), nil)
		wantKind(t, err, agent.Cancelled)
	})
}

// TestEveryCutIsNoticed breaks a stream off after every number of bytes: the
// answer is either whole or an error, never a part that poses as the whole.
func TestEveryCutIsNoticed(t *testing.T) {
	const text = "Say \ndata: [DONE] aloud"
	s := serve(t, openaifake.Config{Key: key})
	c := client(t, s)
	whole, cut := 0, 0
	for n := 1; n < 1400; n += 3 {
		s.Script(openaifake.Cut(openaifake.Answer(text), n))
		var seen screen
		resp, err := c.Complete(t.Context(), question("hm?"), seen.show)
		switch {
		case err == nil && resp.Text == text && seen.text == text:
			whole++
		case err != nil && agent.KindOf(err) == agent.Unavailable && strings.HasPrefix(text, seen.text):
			cut++
		default:
			t.Fatalf("after %d bytes: %q, shown %q, %v", n, resp.Text, seen.text, err)
		}
	}
	if whole == 0 || cut < 100 {
		t.Errorf("%d whole, %d cut: the test no longer reaches both", whole, cut)
	}
}

func TestAStreamThatEndsWithoutSayingSoWasCutOff(t *testing.T) {
	const chunk = "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"half \"}}]}\n\n"
	for name, step := range map[string]openaifake.Step{
		"a tidy end":                 {Text: "half of", NoFinish: true, NoDone: true},
		"the mark within the answer": {Body: chunk + `data: {"choices":[{"delta":{"content":"say data: [DONE]`, ContentType: "text/event-stream"},
		"no event at all":            {Body: ": ping\n\n: ping\n\n", ContentType: "text/event-stream"},
	} {
		t.Run(name, func(t *testing.T) {
			s := serve(t, openaifake.Config{Key: key})
			s.Script(step)
			_, err := client(t, s).Complete(t.Context(), question("hm?"), func(string) {})
			wantKind(t, err, agent.Unavailable)
			if !strings.Contains(agent.PublicText(err), "cut off") {
				t.Errorf("people read %q", agent.PublicText(err))
			}
		})
	}
}

func TestAnErrorInTheMiddleOfAStream(t *testing.T) {
	s := serve(t, openaifake.Config{Key: key})
	s.Script(openaifake.Step{Text: "half of ", StreamError: "worker died, key " + key})
	var seen screen
	_, err := client(t, s).Complete(t.Context(), question("hm?"), seen.show)
	wantKind(t, err, agent.Unavailable)
	if !strings.Contains(agent.PublicText(err), "broke off") || !strings.Contains(err.Error(), "worker died") {
		t.Errorf("got %v", err)
	}
}

func TestAnUnknownModelIsNamed(t *testing.T) {
	s := serve(t, openaifake.Config{Model: "other"})
	c := client(t, s)
	_, err := c.Complete(t.Context(), question("hm?"), nil)
	wantKind(t, err, agent.NotFound)
	err = c.Check(t.Context())
	wantKind(t, err, agent.NotFound)
	if !strings.Contains(agent.PublicText(err), `"fake-1"`) {
		t.Errorf("people read %q", agent.PublicText(err))
	}
	right := client(t, s, func(c *openai.Config) { c.Model = "other" })
	if err := right.Check(t.Context()); err != nil {
		t.Error(err)
	}
}

// stack is a model as `sous serve` builds it, in short times, with a second
// model that always answers.
func stack(t *testing.T, s *openaifake.Server) (model.Model, *model.Circuit) {
	t.Helper()
	limited := model.Timeout(client(t, s), model.Limits{Total: 20 * time.Second, First: 1500 * time.Millisecond, Idle: 1500 * time.Millisecond})
	breaker := model.Breaker(limited, model.BreakerConfig{Failures: 4, Rest: time.Minute})
	retrying := model.Retry(breaker, time.Now, model.RetryConfig{Tries: 2, First: time.Millisecond, Total: 20 * time.Second})
	return model.Fallback(model.FallbackConfig{}, retrying, second{}), breaker
}

type second struct{}

func (second) Name() string { return "second" }

func (second) Complete(_ context.Context, req model.Request, delta func(string)) (model.Response, error) {
	if len(req.Messages) == 0 {
		return model.Response{}, agent.Errorf(agent.Invalid, "nothing to answer")
	}
	const text = "I am the second model."
	if delta != nil {
		delta(text)
	}
	return model.Response{Text: text, Finish: model.FinishStop, Model: "second"}, nil
}

func TestTheWholeStackSurvivesEveryFault(t *testing.T) {
	good := openaifake.Answer("a good answer")
	for name, tc := range map[string]struct {
		steps []openaifake.Step
		want  string
		why   string
	}{
		"429 once":               {[]openaifake.Step{openaifake.TooMany("0.05"), good}, "a good answer", ""},
		"429 for an hour":        {[]openaifake.Step{openaifake.TooMany("3600")}, "I am the second model.", "too busy"},
		"500 once":               {[]openaifake.Step{openaifake.Fail(500, "", "x"), good}, "a good answer", ""},
		"500 twice":              {[]openaifake.Step{openaifake.Fail(500, "", "x"), openaifake.Fail(500, "", "x")}, "I am the second model.", "status 500"},
		"hang once":              {[]openaifake.Step{openaifake.Hang(), good}, "a good answer", ""},
		"hang twice":             {[]openaifake.Step{openaifake.Hang(), openaifake.Hang()}, "I am the second model.", "did not begin"},
		"hang in the middle":     {[]openaifake.Step{{Text: "a b c", HangAfter: 250}, good}, "a good answer", ""},
		"cut off once":           {[]openaifake.Step{openaifake.Cut(openaifake.Answer("a bad answer"), 300), good}, "a good answer", ""},
		"cut off twice":          {[]openaifake.Step{openaifake.Cut(good, 300), openaifake.Cut(good, 300)}, "I am the second model.", "cut off"},
		"malformed JSON twice":   {[]openaifake.Step{openaifake.Malformed(), openaifake.Malformed()}, "I am the second model.", "cannot be read|cut off"},
		"a web page twice":       {[]openaifake.Step{openaifake.Page(), openaifake.Page()}, "I am the second model.", "web page"},
		"no answer in an answer": {[]openaifake.Step{openaifake.Answer("")}, "I am the second model.", "empty"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, restart := range []bool{false, true} {
				s := serve(t, openaifake.Config{Key: key})
				s.Script(tc.steps...)
				m, _ := stack(t, s)
				var seen screen
				req := question("hm?")
				if restart {
					req.Restart = func() { seen.text = "" }
				}
				resp, err := m.Complete(t.Context(), req, seen.show)
				if err != nil || resp.Text != tc.want || seen.text != tc.want {
					t.Fatalf("restart %t: answered %q, shown %q, %v", restart, resp.Text, seen.text, err)
				}
				if !anyOf(resp.Degraded, tc.why) || s.Left() != 0 {
					t.Errorf("restart %t: degraded %q, want %q; %d steps left", restart, resp.Degraded, tc.why, s.Left())
				}
			}
		})
	}
}

func anyOf(text, words string) bool {
	if words == "" {
		return text == ""
	}
	for w := range strings.SplitSeq(words, "|") {
		if strings.Contains(text, w) {
			return true
		}
	}
	return false
}

func TestTheWholeStackSparesADeadServer(t *testing.T) {
	s := serve(t, openaifake.Config{Key: key, Default: func(openaifake.Request) openaifake.Step { return openaifake.Fail(503, "", "down") }})
	m, breaker := stack(t, s)
	for range 5 {
		resp, err := m.Complete(t.Context(), question("hm?"), nil)
		if err != nil || resp.Model != "second" || resp.Degraded == "" {
			t.Fatalf("got %+v, %v", resp, err)
		}
	}
	if n := len(s.Requests()); n != 4 || breaker.State() != "open" {
		t.Errorf("asked %d times and the breaker is %s, want 4 and open", n, breaker.State())
	}
	_, err := m.Complete(t.Context(), model.Request{}, nil)
	if !errors.As(err, new(*agent.Error)) || agent.KindOf(err) != agent.Invalid {
		t.Errorf("an empty conversation gives %v", err)
	}
}

func TestTheWholeStackKeepsThePromises(t *testing.T) {
	modeltest.Run(t, func(t *testing.T) model.Model {
		m, _ := stack(t, serve(t, openaifake.Config{Key: key, Default: func(openaifake.Request) openaifake.Step {
			return openaifake.Answer("I can summarise meetings.")
		}}))
		return m
	})
}

func TestTheWholeStackCallsTools(t *testing.T) {
	s := serve(t, openaifake.Config{Key: key})
	s.Script(openaifake.Fail(502, "", "x"), openaifake.Calls(openaifake.Call{ID: "1", Name: "ticket_create", Args: `{"title":`}))
	m, _ := stack(t, s)
	resp, err := m.Complete(t.Context(), question("open a ticket"), func(string) {})
	if err != nil || len(resp.Calls) != 1 || resp.Calls[0].Args != `{"title":` || resp.Degraded != "" {
		t.Errorf("got %+v, %v", resp, err)
	}
}
