package model

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/sous-hq/sous/agent"
)

// RetryError says that the model cannot answer now and when it is worth asking
// again. Its kind is that of the error inside, normally agent.Unavailable.
type RetryError struct {
	// After is the shortest wait the other side asked for; 0 when it named none.
	After time.Duration
	// Err says what went wrong.
	Err error
}

// Error returns the text of the error inside.
func (e *RetryError) Error() string { return e.Err.Error() }

// Unwrap returns the error inside.
func (e *RetryError) Unwrap() error { return e.Err }

// Unavailable returns a *RetryError of kind agent.Unavailable with a text for
// people. The cause is for logs and may be nil.
func Unavailable(after time.Duration, cause error, format string, args ...any) error {
	text := fmt.Sprintf(format, args...)
	return &RetryError{After: after, Err: agent.WrapError(agent.Unavailable, cause, text)}
}

// RetryAfter returns the wait that the first *RetryError in err's chain asks
// for, 0 when there is none.
func RetryAfter(err error) time.Duration {
	if e, ok := errors.AsType[*RetryError](err); ok {
		return e.After
	}
	return 0
}

// Ended returns the error to give when ctx is over, nil while it is not: a
// caller that left is agent.Cancelled, a passed deadline agent.Unavailable.
func Ended(ctx context.Context) error {
	err := ctx.Err()
	switch {
	case err == nil:
		return nil
	case errors.Is(err, context.DeadlineExceeded):
		return agent.WrapError(agent.Unavailable, err, "the time for this request ran out before the model answered")
	}
	return agent.WrapError(agent.Cancelled, err, "the request was stopped")
}
