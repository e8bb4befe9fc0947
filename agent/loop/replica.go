package loop

import (
	"context"
	"errors"
)

// Member is a process that carries turns in a store that several share. ID, Gone
// and Lost are required.
type Member struct {
	// ID names this process among all, for ever: one that was taken for gone comes
	// back under another.
	ID string
	// Gone takes over the turns of a process that is gone. At most one process does
	// at a time; the same again does no harm. It is repeated until it succeeds.
	Gone func(ctx context.Context, id string) error
	// Lost is called, last, when the others took this process for gone.
	Lost func()
	// Signal says that a signal for the turn was stored, by any process; "" stands
	// for every turn, since some of what was said may have been missed.
	Signal func(turn string)
	// Changed says that another process changed the turn or its approvals; turn ""
	// stands for any.
	Changed func(turn string)
}

// Replicas are the processes that share a store.
type Replicas interface {
	// Join makes this process one of them until it leaves. What it writes for a turn
	// after that is refused, and others take its turns over.
	Join(ctx context.Context, m Member) (leave func(ctx context.Context) error, err error)
	// Abandon has the turns of processes that never said goodbye taken over. Of
	// those that are known it changes nothing.
	Abandon(ctx context.Context, ids ...string) error
	// Alone runs f while no other process that asks for it does.
	Alone(ctx context.Context, f func() error) error
}

// ErrTakenOver says that others took this process for gone and have its turns
// now: what it does for a turn counts no more and is not recorded.
var ErrTakenOver = errors.New("another process has taken this turn over")

type replicaKey struct{}

// InReplica returns a context for the work that a turn's engine does as the named
// process. A store that several processes share refuses what is written under it
// once they have taken the process for gone.
func InReplica(ctx context.Context, id string) context.Context {
	return context.WithValue(ctx, replicaKey{}, id)
}

// ReplicaOf returns the process the work is done as, "" for work that is no
// turn's or in a store of one process.
func ReplicaOf(ctx context.Context) string {
	id, _ := ctx.Value(replicaKey{}).(string)
	return id
}
