// Package delivery is what a front end of another service keeps so that nothing
// handed to it is lost and nothing it shows is shown twice: what was delivered,
// until it is handled, and what was posted where. The service redelivers and
// forgets; the store does neither.
package delivery

import (
	"context"
	"time"

	"github.com/sous-hq/sous/agent"
)

// Front is whose deliveries and posts these are.
type Front struct {
	Workspace agent.WorkspaceID
	// Source is the service, such as "slack".
	Source string
}

// Delivery is something that came and has to be handled once.
type Delivery struct {
	// ID is the same however often and by whatever way it comes.
	ID string
	// Queue is what it belongs to; those of one queue are handled in order.
	Queue string
	Body  []byte
	// At is when it was kept first; Keep sets it.
	At time.Time
}

// Post is a message of ours, where it stands.
type Post struct {
	// About is what it shows, such as a turn, and Key which part of that.
	About, Key string
	// Place is the channel and Ref the service's id of the message there.
	Place, Ref string
}

// Standing says who shows something.
type Standing uint8

// The standings.
const (
	// Elsewhere: another process shows it and has time left. The zero value, so
	// that nobody shows on a guess.
	Elsewhere Standing = iota
	// Mine: whoever asked shows it, until the lease ends.
	Mine
	// Over: all of it has been shown.
	Over
)

// Lease is somebody's leave to show something alone.
type Lease struct {
	About, Holder string
	// For is how long it lasts unless it is taken again.
	For time.Duration
}

// Settled is what became of deliveries and posts.
type Settled struct {
	// Done are ids of deliveries that were handled.
	Done []string
	// Posts are where messages stand now; the last word on a key counts.
	Posts []Post
	// Over names what has been shown to its end.
	Over []string
}

// Store keeps deliveries and posts. Its rows are how a request arrives and an
// answer leaves, not what becomes of them, so they have no audit rows: those
// begin with the turn and end with it.
type Store interface {
	// Keep stores in order what was not kept before, all in one transaction, and
	// says for each whether it is new. When it returns nothing of it is lost.
	Keep(ctx context.Context, f Front, all []Delivery) (fresh []bool, err error)
	// Waiting lists what is not done and was kept before the time, in order.
	Waiting(ctx context.Context, f Front, before time.Time) ([]Delivery, error)
	// Settle notes what became of things, in one transaction. The content of a
	// delivery goes when it is done; its id stays known until Forget.
	Settle(ctx context.Context, f Front, s Settled) error
	// Take asks for the leave to show something, or for more time.
	Take(ctx context.Context, f Front, l Lease) (Standing, error)
	// Retain gives all that the holder may show and has not shown to its end more time,
	// unless its time is over, and returns what that is.
	Retain(ctx context.Context, f Front, holder string, more time.Duration) (about []string, err error)
	// Untaken returns those of the things that the holder may take: not over, and
	// with no other process that has time left.
	Untaken(ctx context.Context, f Front, holder string, about []string) ([]string, error)
	// Unshown lists turns that ended since a time and were not shown to their end, of
	// the conversations whose ids begin so, in the order of their ends.
	Unshown(ctx context.Context, f Front, conversations string, since time.Time, limit int) ([]agent.Turn, error)
	// Posts lists what was posted about something, by key.
	Posts(ctx context.Context, f Front, about string) ([]Post, error)
	// Forget drops deliveries done and things shown to their end before a time; it
	// must be longer ago than the service redelivers.
	Forget(ctx context.Context, f Front, before time.Time) error
}
