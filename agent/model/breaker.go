package model

import (
	"context"
	"time"

	"github.com/failsafe-go/failsafe-go/circuitbreaker"

	"github.com/sous-hq/sous/agent"
)

// BreakerConfig says when Breaker opens; zero fields take the value in brackets.
type BreakerConfig struct {
	// Failures is how many failures in a row open it [5].
	Failures int
	// Rest is how long it stays open before one request may try [30 s].
	Rest time.Duration
	// OnChange, when not nil, is told each change of state, as State names them.
	OnChange func(from, to string)
}

// Circuit is a model behind a circuit breaker.
type Circuit struct {
	Model

	cb circuitbreaker.CircuitBreaker[Response]
}

// Breaker stops asking m for a while after it failed several times in a row, so
// that a dead server costs its callers no waiting. A failure is an error of
// kind agent.Unavailable or agent.Internal; refusals are answers. While open,
// Complete returns a *RetryError of kind agent.Unavailable with the time left.
func Breaker(m Model, c BreakerConfig) *Circuit {
	return &Circuit{m, newBreaker[Response](c)}
}

func newBreaker[R any](c BreakerConfig) circuitbreaker.CircuitBreaker[R] {
	b := circuitbreaker.NewBuilder[R]().
		WithFailureThreshold(uint(orElse(c.Failures, 5))).
		WithSuccessThreshold(1).
		WithDelay(orElse(c.Rest, 30*time.Second))
	if c.OnChange != nil {
		b = b.OnStateChanged(func(e circuitbreaker.StateChangedEvent) {
			c.OnChange(e.OldState.String(), e.NewState.String())
		})
	}
	return b.Build()
}

// State returns "closed" (requests pass), "open" (none do) or "half-open" (one
// may try).
func (c *Circuit) State() string { return c.cb.State().String() }

// OpenFor returns how long requests will still be turned away, 0 when they are not.
func (c *Circuit) OpenFor() time.Duration { return c.cb.RemainingDelay() }

// Complete implements Model.
func (c *Circuit) Complete(ctx context.Context, req Request, delta func(string)) (Response, error) {
	if !c.cb.TryAcquirePermit() {
		return Response{}, Unavailable(max(c.cb.RemainingDelay(), time.Second), circuitbreaker.ErrOpen,
			"the model %s failed several times in a row and is left alone for a while", c.Name())
	}
	resp, err := c.Model.Complete(ctx, req, delta)
	settlePermit(ctx, c.cb, err)
	return resp, err
}

// settlePermit tells the breaker how its permit was used. A request its own
// caller ended says nothing about the model; only in the half-open state must
// the permit be given back, and the careful way is to count it as a failure.
func settlePermit[R any](ctx context.Context, cb circuitbreaker.CircuitBreaker[R], err error) {
	kind := agent.KindOf(err)
	switch {
	case err == nil:
		cb.RecordSuccess()
	case ctx.Err() != nil || kind == agent.Cancelled:
		if cb.IsHalfOpen() {
			cb.RecordFailure()
		}
	case kind == agent.Unavailable || kind == agent.Internal:
		cb.RecordFailure()
	default:
		cb.RecordSuccess()
	}
}
