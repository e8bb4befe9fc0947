package sqlite

import (
	"context"
	"database/sql"
	"time"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/internal/groupcommit"
	"github.com/sous-hq/sous/tools"
)

// tx runs f in one transaction, with what is pending of the turn the work is for;
// any error rolls all of it back. f must do its work through tx alone: another
// write from inside it would wait for itself. Writers that come while another
// writes share a transaction, each behind a savepoint of its own.
func (d *DB) tx(ctx context.Context, f func(tx *sql.Tx) error) error {
	var saved func()
	err := d.together.Do(ctx, func(tx *sql.Tx) (err error) {
		saved, err = d.carrying(ctx, tx, f)
		return err
	}, func(next func() *groupcommit.Job[*sql.Tx]) {
		d.writer <- struct{}{}
		defer func() { <-d.writer }()
		// Others depend on it: it does not end with the context of one of them.
		for j := next(); j != nil; {
			j = d.round(context.WithoutCancel(ctx), j, next)
		}
	})
	if err != nil {
		return tools.Again(d.publicError(err))
	}
	saved()
	return nil
}

// roundTime is how long a transaction takes others along.
const roundTime = 10 * time.Millisecond

// round runs jobs in one transaction, and returns the one to begin the next with.
func (d *DB) round(ctx context.Context, first *groupcommit.Job[*sql.Tx], next func() *groupcommit.Job[*sql.Tx]) *groupcommit.Job[*sql.Tx] {
	tx, err := d.sql.BeginTx(ctx, nil)
	if err != nil {
		// The file cannot be written: for nobody.
		for j := first; j != nil; j = next() {
			j.Err = err
		}
		return nil
	}
	if first.Err = first.Run(tx); first.Err != nil {
		_ = tx.Rollback()
		return next()
	}
	done := []*groupcommit.Job[*sql.Tx]{first}
	end := func(err error) {
		for _, j := range done {
			j.Err = err
		}
	}
	began := time.Now() //nolint:forbidigo // a span, not a time that is kept
	for time.Since(began) < roundTime {
		j := next()
		if j == nil {
			break
		}
		if whole := beside(ctx, tx, j); !whole {
			_ = tx.Rollback()
			end(agent.WrapError(agent.Unavailable, j.Err, "a write beside this one was cut off, and took it along; try again"))
			return next()
		}
		if j.Err == nil {
			done = append(done, j)
		}
	}
	if err := tx.Commit(); err != nil {
		end(err)
	}
	return nil
}

// beside runs a job behind a savepoint; whole says that the work of those before it
// is still there. SQLite gives a whole transaction up when the disk is full or a
// statement is interrupted.
func beside(ctx context.Context, tx *sql.Tx, j *groupcommit.Job[*sql.Tx]) (whole bool) {
	if _, j.Err = tx.ExecContext(ctx, `SAVEPOINT job`); j.Err != nil {
		return false
	}
	if j.Err = j.Run(tx); j.Err != nil {
		if _, err := tx.ExecContext(ctx, `ROLLBACK TO job`); err != nil {
			return false
		}
	}
	if _, err := tx.ExecContext(ctx, `RELEASE job`); err != nil {
		if j.Err == nil {
			j.Err = err
		}
		return false
	}
	return true
}
