// Package groupcommit lets writers that come at the same time share a transaction:
// the first begins one, those that come meanwhile are taken along, and one commit
// serves them all. A writer that is alone notices nothing. (Databases call this
// group commit; here it saves the statements around a commit, too.)
package groupcommit

import (
	"context"
	"fmt"
	"runtime/debug"
	"sync"
)

// Job is one writer's part of a transaction of type T.
type Job[T any] struct {
	// Ctx is the writer's; a job whose context is done is not begun.
	Ctx context.Context //nolint:containedctx // it travels with the job to whoever runs it
	// Err is what the job came to; whoever leads sets it.
	Err error

	do   func(T) error
	done chan struct{}
	// leads says that it is this job's turn to lead; panicked is what it panicked with.
	leads    bool
	panicked any
}

// Run does the job's part in the transaction. A panic is the writer's own: here it is
// an error.
func (j *Job[T]) Run(tx T) (err error) {
	if err := j.Ctx.Err(); err != nil {
		return err
	}
	defer func() {
		if p := recover(); p != nil {
			j.panicked = fmt.Sprintf("%v\n%s", p, debug.Stack())
			err = fmt.Errorf("panic in a transaction: %v", p)
		}
	}()
	return j.do(tx)
}

// Group is where writers of one database meet. The zero value is ready to use; it is
// safe for concurrent use.
type Group[T any] struct {
	mu    sync.Mutex
	queue []*Job[T]
	led   bool
}

// most is how many jobs one leader takes along: nobody waits for a crowd.
const most = 32

// Lead runs transactions over the jobs that next returns, one after the other, until
// it returns nil, and sets Err of each. It is called by one writer at a time.
type Lead[T any] func(next func() *Job[T])

// Do has f run in a transaction, alone or with others, and returns what became of it
// once that is certain. Lead is this writer's way to run transactions, in case it
// comes first; it must not depend on the context of a single job.
func (g *Group[T]) Do(ctx context.Context, f func(T) error, lead Lead[T]) error {
	j := &Job[T]{Ctx: ctx, do: f, done: make(chan struct{})}
	g.mu.Lock()
	g.queue = append(g.queue, j)
	first := !g.led
	g.led = true
	g.mu.Unlock()
	if !first {
		select {
		case <-j.done:
		case <-ctx.Done():
			if g.withdraw(j) {
				return ctx.Err()
			}
			// It is being run: what it writes to is in use until that is over.
			<-j.done
		}
	}
	if first || j.leads {
		g.lead(lead)
	}
	if j.panicked != nil {
		panic(j.panicked)
	}
	return j.Err
}

// withdraw takes a job back that nobody has begun.
func (g *Group[T]) withdraw(j *Job[T]) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if j.leads {
		return false
	}
	for i, one := range g.queue {
		if one == j {
			g.queue = append(g.queue[:i:i], g.queue[i+1:]...)
			return true
		}
	}
	return false
}

// lead runs the caller's job, the first in the queue, with others, and hands over.
func (g *Group[T]) lead(lead Lead[T]) {
	var taken []*Job[T]
	defer func() {
		g.mu.Lock()
		defer g.mu.Unlock()
		for i, j := range taken {
			if i > 0 {
				close(j.done)
			}
		}
		if len(g.queue) == 0 {
			g.queue, g.led = nil, false
			return
		}
		g.queue[0].leads = true
		close(g.queue[0].done)
	}()
	lead(func() *Job[T] {
		g.mu.Lock()
		defer g.mu.Unlock()
		if len(g.queue) == 0 || len(taken) == most {
			return nil
		}
		j := g.queue[0]
		g.queue = g.queue[1:]
		taken = append(taken, j)
		return j
	})
}
