package tools

import (
	"errors"

	"github.com/sous-hq/sous/agent"
)

// ErrAgain says that a tool that reads, or a keyed one, could not reach what it
// keeps its things in, and that running it again with the same key is how to go on:
// it makes the effect once. The call waits, as it does when the ledger is away, instead of leaving it
// to a person to find out what became of it.
var ErrAgain = errors.New("it is tried again with the same key")

// Again marks an error of a store that keeps keys beside what they made: when it is
// Unavailable, the same once more does no harm.
func Again(err error) error {
	if err == nil || agent.KindOf(err) != agent.Unavailable {
		return err
	}
	return again{err}
}

// again is an error that is ErrAgain too.
type again struct{ error }

// Unwrap returns the error itself.
func (a again) Unwrap() error { return a.error }

// Is reports whether ErrAgain is asked for.
func (a again) Is(target error) bool { return target == ErrAgain }
