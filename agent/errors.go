package agent

import (
	"context"
	"errors"
	"fmt"
)

// Kind sorts errors by what a caller can do about them. The zero Kind is
// Internal: an error nobody classified is never shown to people as it is.
type Kind uint8

// The kinds, from "our fault" to "try again later".
const (
	// Internal is a fault of ours; people see a stock sentence.
	Internal Kind = iota
	// Invalid means the input is wrong; the text says how to mend it.
	Invalid
	// NotFound means there is no such thing, or not for this reader.
	NotFound
	// Forbidden means the actor may not do this.
	Forbidden
	// Conflict means somebody else was first, or the state does not allow it.
	Conflict
	// Expired means the time to do this has passed.
	Expired
	// TooLarge means the input exceeds a stated limit.
	TooLarge
	// Unavailable means a dependency is away or full; trying later may help.
	Unavailable
	// Cancelled means the caller or a person stopped it.
	Cancelled
)

var kindNames = [...]string{
	"internal", "invalid", "not_found", "forbidden", "conflict",
	"expired", "too_large", "unavailable", "cancelled",
}

// String returns the kind's name as used in logs and JSON.
func (k Kind) String() string {
	if int(k) < len(kindNames) {
		return kindNames[k]
	}
	return kindNames[Internal]
}

// Error is an error with a kind and a text written for people.
type Error struct {
	Kind Kind
	// Text is shown to people; it holds no secret and no message content.
	Text string
	// Err is the cause, for logs; may be nil.
	Err error
}

// Error returns the public text, followed by the cause when there is one.
func (e *Error) Error() string {
	if _, said := e.Err.(hidden); e.Err != nil && !said { //nolint:errorlint // the very cause, not one deeper down
		return e.Text + ": " + e.Err.Error()
	}
	return e.Text
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Errorf returns an error of the kind whose text people will see. A %w verb
// keeps the cause for errors.Is, and the cause's text becomes public too: to
// keep the cause private use WrapError.
func Errorf(k Kind, format string, args ...any) error {
	err := fmt.Errorf(format, args...)
	return &Error{Kind: k, Text: err.Error(), Err: quiet(errors.Unwrap(err))}
}

// WrapError returns an error of the kind whose public text is text and whose
// cause stays out of people's sight.
func WrapError(k Kind, cause error, text string) error {
	return &Error{Kind: k, Text: text, Err: cause}
}

// quiet hides a cause's text (it already stands in the public text) while
// errors.Is and errors.As still find it.
func quiet(err error) error {
	if err == nil {
		return nil
	}
	return hidden{err}
}

type hidden struct{ error }

func (h hidden) Unwrap() error { return h.error }

// KindOf returns the kind of the first *Error in err's chain. Context
// cancellation is Cancelled, a passed deadline Unavailable, all else Internal.
func KindOf(err error) Kind {
	var e *Error
	switch {
	case errors.As(err, &e):
		return e.Kind
	case errors.Is(err, context.Canceled):
		return Cancelled
	case errors.Is(err, context.DeadlineExceeded):
		return Unavailable
	}
	return Internal
}

// PublicText returns what people may read of err: the text of the first
// *Error in its chain, or a stock sentence when nobody wrote one.
func PublicText(err error) string {
	var e *Error
	switch {
	case err == nil:
		return ""
	case errors.As(err, &e) && e.Kind != Internal:
		return e.Text
	case KindOf(err) == Cancelled:
		return "It was stopped."
	case KindOf(err) == Unavailable:
		return "It took too long and was given up."
	}
	return "Something went wrong on our side; the log has the details."
}
