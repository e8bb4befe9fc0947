package postgres

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	mathrand "math/rand/v2"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/agent/loop"
	"github.com/sous-hq/sous/internal/groupcommit"
	"github.com/sous-hq/sous/tools"
)

// write runs f in a transaction that holds the workspace, with what is pending of the
// turn the work is for; any error rolls all of it back. f must do its work through tx
// alone and not mind being run again: writers that come at the same time share a
// transaction, and when one of them fails the others go each by itself.
func (d *DB) write(ctx context.Context, ws agent.WorkspaceID, f func(tx pgx.Tx) error) error {
	return d.carrying(ctx, d.beginWrite(ctx, ws), f)
}

// intend is write for what must not begin while it is paused.
func (d *DB) intend(ctx context.Context, ws agent.WorkspaceID, f func(tx pgx.Tx) error) error {
	return d.carrying(ctx, d.beginWrite(ctx, ws).and(fmt.Sprintf("SELECT pg_advisory_xact_lock_shared(%d)", pauseLock)), f)
}

// beginWrite is begin for a write: it names the process, refuses one that others
// took for gone, and takes the workspace.
func (d *DB) beginWrite(ctx context.Context, ws agent.WorkspaceID) opening {
	o := begin("begin", roleApp, ws)
	o.process, o.replica, o.lock = d.process, loop.ReplicaOf(ctx), true
	return o
}

// pauseLock is the advisory lock between intents, which share it, and the pause
// of everything: the lock of the workspace orders those of one workspace alone.
const pauseLock = 0x736f7575

// carrying joins f with others that begin alike, and records what is pending of the
// turn the work is for.
func (d *DB) carrying(ctx context.Context, o opening, f func(tx pgx.Tx) error) error {
	if o.ws == "" {
		return errors.New("a write needs a workspace")
	}
	p := loop.PendingOf(ctx)
	if p == nil {
		return d.join(ctx, o, f)
	}
	var saved func()
	err := d.join(ctx, o, func(tx pgx.Tx) error {
		if err := f(tx); err != nil {
			return err
		}
		saved = journal(tx, p)
		return nil
	})
	if err == nil {
		saved()
	}
	return err
}

// alike names the transactions that writers can share.
type alike struct {
	ws      agent.WorkspaceID
	replica string
	holds   bool
	intends bool
}

// writers are where those of this process meet that write in a workspace.
type writers struct{ all sync.Map }

func (w *writers) of(o opening) *groupcommit.Group[pgx.Tx] {
	key := alike{o.ws, o.replica, o.lock, len(o.more) > 0}
	if g, ok := w.all.Load(key); ok {
		return g.(*groupcommit.Group[pgx.Tx])
	}
	g, _ := w.all.LoadOrStore(key, &groupcommit.Group[pgx.Tx]{})
	return g.(*groupcommit.Group[pgx.Tx])
}

// join runs f in a transaction with others.
func (d *DB) join(ctx context.Context, o opening, f func(tx pgx.Tx) error) error {
	err := d.writers.of(o).Do(ctx, f, func(next func() *groupcommit.Job[pgx.Tx]) {
		// Others depend on it: it does not end with the context of one of them.
		d.lead(context.WithoutCancel(ctx), o, next)
	})
	return tools.Again(publicError(err))
}

// lead runs jobs in one transaction, and sees to those that came along when one of
// them fails.
func (d *DB) lead(ctx context.Context, o opening, next func() *groupcommit.Job[pgx.Tx]) {
	jobs, failed, err := d.together(ctx, o, nil, next)
	if len(jobs) == 0 && err != nil {
		// The database is away: for all of them.
		for j := next(); j != nil; j = next() {
			j.Err = err
		}
		return
	}
	d.settle(ctx, o, jobs, failed, err)
}

// settle says of each job what became of it. A transaction in which one failed has done
// nothing: those before that one go again together, and it goes first of the rest, where
// its failure is its own and costs nobody more than one transaction.
func (d *DB) settle(ctx context.Context, o opening, jobs []*groupcommit.Job[pgx.Tx], failed int, err error) {
	rerun := func(jobs []*groupcommit.Job[pgx.Tx]) {
		jobs, failed, err := d.together(ctx, o, jobs, nil)
		d.settle(ctx, o, jobs, failed, err)
	}
	switch {
	case err == nil || len(jobs) == 0:
	case failed == 0:
		jobs[0].Err = err
		if len(jobs) > 1 {
			rerun(jobs[1:])
		}
	case failed > 0:
		rerun(jobs[:failed])
		rerun(jobs[failed:])
	case len(jobs) > 1 && undone(err):
		for _, j := range jobs {
			j.Err = d.transact(ctx, o, j.Run)
		}
	default:
		for _, j := range jobs {
			j.Err = err
		}
	}
}

// together runs the jobs in one transaction, with those that come meanwhile when next is
// given, and returns who ran. Failed is which of them returned err, -1 for none.
func (d *DB) together(ctx context.Context, o opening, jobs []*groupcommit.Job[pgx.Tx], next func() *groupcommit.Job[pgx.Tx]) (_ []*groupcommit.Job[pgx.Tx], failed int, err error) {
	for try := 1; ; try++ {
		failed = -1
		err = d.transactOnce(ctx, o, func(tx pgx.Tx) error {
			failed = -1
			for i := 0; ; i++ {
				if i == len(jobs) {
					if next == nil {
						return nil
					}
					j := next()
					if j == nil {
						return nil
					}
					jobs = append(jobs, j)
				}
				if err := jobs[i].Run(tx); err != nil {
					failed = i
					return err
				}
			}
		})
		if err == nil || try == transactTries || !outOfOrder(err) {
			return jobs, failed, err
		}
		rest(ctx, time.Duration(try)*time.Millisecond*time.Duration(1+mathrand.IntN(10)))
	}
}

// undone reports whether it is certain that a transaction nobody's job failed in was not
// committed: the server said so.
func undone(err error) bool {
	var pg *pgconn.PgError
	return errors.As(err, &pg)
}
