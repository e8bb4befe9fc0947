package model_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/agent/model"
)

func TestRetryWaitsAtLeastAsLongAsItIsAskedTo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := playing("m", fails(busy(7*time.Second)), says("hi"))
		start := time.Now()
		resp, err := model.Retry(m, time.Now, model.RetryConfig{}).Complete(t.Context(), hello(), nil)
		if err != nil || resp.Text != "hi" {
			t.Fatalf("got %q, %v", resp.Text, err)
		}
		if waited := time.Since(start); waited < 7*time.Second || waited > 8*time.Second {
			t.Errorf("waited %s, want 7s", waited)
		}
	})
}

func TestRetryGivesUpAtOnceWhenTheWaitDoesNotFit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := playing("m", fails(busy(time.Hour)))
		start := time.Now()
		_, err := model.Retry(m, time.Now, model.RetryConfig{}).Complete(t.Context(), hello(), nil)
		wantKind(t, err, agent.Unavailable)
		if time.Since(start) != 0 || m.asked.Load() != 1 {
			t.Errorf("waited %s and asked %d times, want neither a wait nor a second request", time.Since(start), m.asked.Load())
		}
		if model.RetryAfter(err) != time.Hour {
			t.Errorf("the wait asked for is lost: %s", model.RetryAfter(err))
		}
	})
}

func TestRetryIsBoundedInTriesAndTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := playing("m", fails(busy(0)))
		c := model.RetryConfig{Tries: 4, First: time.Second, Max: 2 * time.Second}
		var waits []time.Duration
		c.OnRetry = func(_ context.Context, _ error, wait time.Duration) { waits = append(waits, wait) }
		_, err := model.Retry(m, time.Now, c).Complete(t.Context(), hello(), nil)
		wantKind(t, err, agent.Unavailable)
		if m.asked.Load() != 4 || len(waits) != 3 {
			t.Fatalf("asked %d times with waits %v, want 4 with 3 waits", m.asked.Load(), waits)
		}
		for i, full := range []time.Duration{time.Second, 2 * time.Second, 2 * time.Second} {
			if waits[i] < full/2 || waits[i] > full {
				t.Errorf("wait %d is %s, want between %s and %s", i, waits[i], full/2, full)
			}
		}

		slow := playing("m", takes(40*time.Second, fails(busy(0))))
		_, err = model.Retry(slow, time.Now, model.RetryConfig{Tries: 9}).Complete(t.Context(), hello(), nil)
		wantKind(t, err, agent.Unavailable)
		if slow.asked.Load() != 2 {
			t.Errorf("asked %d times, want 2: a third request would begin after the minute", slow.asked.Load())
		}
	})
}

func TestRetryLeavesOtherErrorsAlone(t *testing.T) {
	for _, kind := range []agent.Kind{agent.Invalid, agent.Forbidden, agent.NotFound, agent.TooLarge, agent.Cancelled, agent.Internal} {
		m := playing("m", fails(agent.Errorf(kind, "no")))
		_, err := model.Retry(m, time.Now, model.RetryConfig{}).Complete(t.Context(), hello(), nil)
		wantKind(t, err, kind)
		if m.asked.Load() != 1 {
			t.Errorf("%s: asked %d times, want once", kind, m.asked.Load())
		}
	}
}

func TestRetryAfterTextNeedsAWayToTakeItBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := playing("m", breaksOff("half of "), says("the whole answer"))
		var seen screen
		_, err := model.Retry(m, time.Now, model.RetryConfig{}).Complete(t.Context(), hello(), seen.show)
		wantKind(t, err, agent.Unavailable)
		if m.asked.Load() != 1 || seen.text != "half of " {
			t.Errorf("asked %d times and showed %q; text that was shown must not be followed by other text", m.asked.Load(), seen.text)
		}

		m = playing("m", breaksOff("half of "), says("the whole answer"))
		seen = screen{}
		req := hello()
		req.Restart = seen.restart
		resp, err := model.Retry(m, time.Now, model.RetryConfig{}).Complete(t.Context(), req, seen.show)
		if err != nil || seen.text != resp.Text || seen.text != "the whole answer" || seen.restarts != 1 {
			t.Errorf("showed %q after %d restarts, answered %q, %v", seen.text, seen.restarts, resp.Text, err)
		}
	})
}

func TestRetryStopsWaitingWhenItsCallerLeaves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		start := time.Now()
		_, err := model.Retry(playing("m", fails(busy(30*time.Second))), time.Now, model.RetryConfig{}).Complete(ctx, hello(), nil)
		wantKind(t, err, agent.Cancelled)
		if time.Since(start) != time.Second {
			t.Errorf("returned after %s, want 1s", time.Since(start))
		}
	})
}
