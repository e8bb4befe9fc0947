package model

import (
	"context"
	"math/rand/v2"
	"time"

	"github.com/sous-hq/sous/agent"
)

// RetryConfig bounds Retry; zero fields take the value in brackets.
type RetryConfig struct {
	// Tries is how often the model is asked at most [3].
	Tries int
	// Total is how long after the first request another may still begin [60 s].
	Total time.Duration
	// First and Max bound the wait between two tries when the other side named
	// none: it doubles from First [0.5 s] to Max [10 s], and up to half of it is
	// left to chance so that many callers do not come back together.
	First, Max time.Duration
	// OnRetry, when not nil, is told the error and the wait before each new try.
	OnRetry func(ctx context.Context, err error, wait time.Duration)
}

func (c RetryConfig) withDefaults() RetryConfig {
	c.Tries = orElse(c.Tries, 3)
	c.Total = orElse(c.Total, time.Minute)
	c.First = orElse(c.First, 500*time.Millisecond)
	c.Max = orElse(c.Max, 10*time.Second)
	return c
}

func orElse[T int | time.Duration](v, other T) T {
	if v <= 0 {
		return other
	}
	return v
}

// Retry asks m again after errors of kind agent.Unavailable, waiting at least
// as long as RetryAfter says; when that wait does not fit into what is left of
// Total it gives the error back at once. An attempt that already gave text is
// repeated only when Request.Restart can take the text back. now tells the time.
//
// It is written out because failsafe-go's retry policy shortens a wait to what
// is left of its maximum duration, and so would disobey Retry-After.
func Retry(m Model, now func() time.Time, c RetryConfig) Model {
	return &retry{m, now, c.withDefaults()}
}

type retry struct {
	Model

	now func() time.Time
	c   RetryConfig
}

func (r *retry) Complete(ctx context.Context, req Request, delta func(string)) (resp Response, err error) {
	spoke := false
	again := func() bool { return !spoke || req.Restart != nil }
	err = r.c.repeat(ctx, r.now, again, func() error {
		if spoke {
			req.Restart()
		}
		spoke = false
		resp, err = r.Model.Complete(ctx, req, noting(delta, &spoke))
		return err
	})
	return resp, err
}

// repeat tries until there is no error, or none that another try may mend, or
// again says no, or no further try fits into what time is left.
func (c RetryConfig) repeat(ctx context.Context, now func() time.Time, again func() bool, try func() error) error {
	deadline := now().Add(c.Total)
	if end, ok := ctx.Deadline(); ok && end.Before(deadline) {
		deadline = end
	}
	backoff := c.First
	for tries := 1; ; tries++ {
		err := try()
		if err == nil || agent.KindOf(err) != agent.Unavailable || ctx.Err() != nil {
			return err
		}
		wait := max(RetryAfter(err), jitter(backoff))
		backoff = min(2*backoff, c.Max)
		if tries >= c.Tries || now().Add(wait).After(deadline) || !again() {
			return err
		}
		if c.OnRetry != nil {
			c.OnRetry(ctx, err, wait)
		}
		if err := sleep(ctx, wait); err != nil {
			return err
		}
	}
}

// noting returns delta (nil stays nil) that sets spoke when text was given.
func noting(delta func(string), spoke *bool) func(string) {
	if delta == nil {
		return nil
	}
	return func(text string) {
		if text != "" {
			*spoke = true
		}
		delta(text)
	}
}

func jitter(d time.Duration) time.Duration {
	half := d / 2
	return d - half + rand.N(half+1) //nolint:gosec // spreading load needs no secret randomness
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return Ended(ctx)
	}
}
