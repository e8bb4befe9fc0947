package model_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/agent/model"
)

func TestFallbackAsksTheNextAndSaysWhy(t *testing.T) {
	withSchema := hello()
	withSchema.Schema = []byte(`{"type":"object"}`)
	for _, tc := range []struct {
		name  string
		req   model.Request
		first act
		why   string
	}{
		{"busy", hello(), fails(busy(0)), "gpt could not answer: the server is busy."},
		{"a wrong key", hello(), fails(agent.Errorf(agent.Forbidden, "the key was refused")), "the key was refused"},
		{"an unknown model", hello(), fails(agent.Errorf(agent.NotFound, "no such model")), "no such model"},
		{"an unclassified fault", hello(), fails(context.DeadlineExceeded), "It took too long"},
		{"nothing", hello(), says(" \n"), "its answer was empty"},
		{"nonsense instead of JSON", withSchema, says("Sure! Here you are"), "not the JSON"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var from, to string
			c := model.FallbackConfig{OnFallback: func(_ context.Context, f, n string, _ error) { from, to = f, n }}
			m := model.Fallback(c, playing("gpt", tc.first), playing("built-in", says("{}")))
			resp, err := m.Complete(t.Context(), tc.req, nil)
			if err != nil || resp.Text != "{}" || resp.Model != "built-in" {
				t.Fatalf("got %+v, %v", resp, err)
			}
			if !strings.Contains(resp.Degraded, tc.why) || !strings.HasSuffix(resp.Degraded, "built-in answered instead.") {
				t.Errorf("people read %q, want %q and who answered", resp.Degraded, tc.why)
			}
			if from != "gpt" || to != "built-in" {
				t.Errorf("told of a change from %q to %q", from, to)
			}
		})
	}
}

func TestFallbackIsSilentWhenTheFirstAnswers(t *testing.T) {
	second := playing("built-in", says("no"))
	resp, err := model.Fallback(model.FallbackConfig{}, playing("gpt", says("yes")), second).Complete(t.Context(), hello(), nil)
	if err != nil || resp.Text != "yes" || resp.Degraded != "" || second.asked.Load() != 0 {
		t.Errorf("got %+v, %v; the second was asked %d times", resp, err, second.asked.Load())
	}
}

func TestFallbackDoesNotCarryARefusedOrStoppedRequestElsewhere(t *testing.T) {
	for _, kind := range []agent.Kind{agent.Invalid, agent.TooLarge, agent.Cancelled} {
		second := playing("built-in", says("no"))
		_, err := model.Fallback(model.FallbackConfig{}, playing("gpt", fails(agent.Errorf(kind, "no"))), second).
			Complete(t.Context(), hello(), nil)
		wantKind(t, err, kind)
		if second.asked.Load() != 0 {
			t.Errorf("%s: the second model was asked", kind)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	second := playing("built-in", says("no"))
	_, err := model.Fallback(model.FallbackConfig{}, playing("gpt", hangs), second).Complete(ctx, hello(), nil)
	wantKind(t, err, agent.Unavailable)
	if second.asked.Load() != 0 {
		t.Error("the second model was asked after the caller's time had passed")
	}
}

func TestFallbackKeepsAWithheldAnswer(t *testing.T) {
	withheld := func(context.Context, model.Request, func(string)) (model.Response, error) {
		return model.Response{Finish: model.FinishFilter}, nil
	}
	second := playing("built-in", says("no"))
	resp, err := model.Fallback(model.FallbackConfig{}, playing("gpt", withheld), second).Complete(t.Context(), hello(), nil)
	if err != nil || resp.Finish != model.FinishFilter || second.asked.Load() != 0 {
		t.Errorf("got %+v, %v; a filter's decision must not be walked around", resp, err)
	}
}

func TestFallbackNeverMixesTheTextOfTwoAttempts(t *testing.T) {
	t.Run("a caller that can take text back sees it live", func(t *testing.T) {
		var seen screen
		req := hello()
		req.Restart = seen.restart
		live := ""
		first := func(ctx context.Context, r model.Request, delta func(string)) (model.Response, error) {
			resp, err := breaksOff("half of ")(ctx, r, delta)
			live = seen.text
			return resp, err
		}
		resp, err := model.Fallback(model.FallbackConfig{}, playing("gpt", first), playing("built-in", says("the whole answer"))).
			Complete(t.Context(), req, seen.show)
		if err != nil || live != "half of " || seen.text != resp.Text || seen.restarts != 1 {
			t.Errorf("live %q, shown %q after %d restarts, answered %q, %v", live, seen.text, seen.restarts, resp.Text, err)
		}
	})
	t.Run("a caller that cannot sees only what stands", func(t *testing.T) {
		var seen screen
		resp, err := model.Fallback(model.FallbackConfig{}, playing("gpt", breaksOff("half of ")), playing("built-in", says("the whole answer"))).
			Complete(t.Context(), hello(), seen.show)
		if err != nil || seen.text != resp.Text || resp.Text != "the whole answer" {
			t.Errorf("shown %q, answered %q, %v", seen.text, resp.Text, err)
		}
		seen = screen{}
		resp, err = model.Fallback(model.FallbackConfig{}, playing("gpt", says("at once")), playing("built-in", says("no"))).
			Complete(t.Context(), hello(), seen.show)
		if err != nil || seen.text != resp.Text || resp.Text != "at once" {
			t.Errorf("shown %q, answered %q, %v", seen.text, resp.Text, err)
		}
	})
	t.Run("a retry inside may start again, since nothing was shown", func(t *testing.T) {
		var seen screen
		gpt := playing("gpt", breaksOff("half of "), says("the whole answer"))
		retrying := model.Retry(gpt, time.Now, model.RetryConfig{First: time.Millisecond})
		resp, err := model.Fallback(model.FallbackConfig{}, retrying, playing("built-in", says("no"))).
			Complete(t.Context(), hello(), seen.show)
		if err != nil || seen.text != "the whole answer" || resp.Degraded != "" {
			t.Errorf("shown %q, answered %+v, %v", seen.text, resp, err)
		}
	})
}

func TestFallbackCountsWhatUnusableAnswersCost(t *testing.T) {
	resp, err := model.Fallback(model.FallbackConfig{}, playing("gpt", says("")), playing("built-in", says("hi"))).
		Complete(t.Context(), hello(), nil)
	if want := (agent.Usage{InputTokens: 6, OutputTokens: 4}); err != nil || resp.Usage != want {
		t.Errorf("usage %+v, %v; want %+v", resp.Usage, err, want)
	}
}

func TestFallbackReportsTheFirstFailureWhenAllFail(t *testing.T) {
	_, err := model.Fallback(model.FallbackConfig{}, playing("gpt", fails(busy(9*time.Second))),
		playing("other", fails(agent.Errorf(agent.Forbidden, "the other key was refused")))).Complete(t.Context(), hello(), nil)
	wantKind(t, err, agent.Unavailable)
	if agent.PublicText(err) != "the server is busy" || model.RetryAfter(err) != 9*time.Second {
		t.Errorf("people read %q, retry after %s", agent.PublicText(err), model.RetryAfter(err))
	}
	if !strings.Contains(err.Error(), "the other key was refused") {
		t.Errorf("the log misses the second failure: %v", err)
	}
}
