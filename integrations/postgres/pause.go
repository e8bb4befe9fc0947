package postgres

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/agent/audit"
	"github.com/sous-hq/sous/agent/pause"
)

// Pause stops what the scope names until it is resumed, in one transaction with
// its audit row; see pause.New for who may. No effect is intended after it
// returns, here or in another process. Pausing again changes nothing: the first
// pause is returned.
func (d *DB) Pause(ctx context.Context, by agent.Actor, s pause.Scope, target, reason string) (pause.Pause, error) {
	p, err := pause.New(by, s, target, reason, d.now())
	if err != nil {
		return pause.Pause{}, err
	}
	defer d.pauses.Forget()
	err = d.write(ctx, p.Workspace, func(tx pgx.Tx) error {
		if s == pause.Everything {
			// Wait for the intents of every workspace that did not see it.
			if _, err := tx.Exec(ctx, `SELECT pg_advisory_xact_lock($1)`, pauseLock); err != nil {
				return err
			}
		}
		was, known, err := pauseNamed(ctx, tx, p)
		if err != nil || known {
			p = was
			return err
		}
		_, err = tx.Exec(ctx, `INSERT INTO pauses (workspace, scope, target, by, name, reason, at)
			VALUES ($1, $2, $3, $4, $5, $6, $7)`, p.Workspace, p.Scope, p.Target, p.By, p.Name, p.Reason, p.At.UnixMicro())
		if err != nil {
			return err
		}
		return d.record(ctx, tx, pauseEntry(audit.PauseSet, by, p))
	})
	if err != nil {
		return pause.Pause{}, fmt.Errorf("pause: %w", err)
	}
	return p, nil
}

// Resume lifts a pause of the actor's workspace and returns it; one that is not
// there is NotFound.
func (d *DB) Resume(ctx context.Context, by agent.Actor, s pause.Scope, target string) (pause.Pause, error) {
	p, err := pause.Named(by, s, target)
	if err != nil {
		return pause.Pause{}, err
	}
	defer d.pauses.Forget()
	err = d.write(ctx, p.Workspace, func(tx pgx.Tx) error {
		was, known, err := pauseNamed(ctx, tx, p)
		switch {
		case err != nil:
			return err
		case !known:
			return agent.Errorf(agent.NotFound, "%s is not paused", p.What())
		}
		p = was
		_, err = tx.Exec(ctx, `DELETE FROM pauses WHERE workspace = $1 AND scope = $2 AND target = $3`, p.Workspace, p.Scope, p.Target)
		if err != nil {
			return err
		}
		e := pauseEntry(audit.PauseLifted, by, p)
		e.At = d.now()
		return d.record(ctx, tx, e)
	})
	if err != nil {
		return pause.Pause{}, fmt.Errorf("resume: %w", err)
	}
	return p, nil
}

// Pauses lists the pauses that are in force, oldest first, of all workspaces.
func (d *DB) Pauses(ctx context.Context) ([]pause.Pause, error) {
	var all []pause.Pause
	err := d.watch(ctx, func(tx pgx.Tx) (err error) {
		all, err = every(ctx, tx, scanPause, `SELECT `+pauseColumns+` FROM pauses ORDER BY at, workspace, scope, target`)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read pauses: %w", err)
	}
	return all, nil
}

// Paused returns what stops the subject, by what the store held at most
// pause.Fresh ago. An error counts as paused.
func (d *DB) Paused(ctx context.Context, s pause.Subject) (pause.Pause, bool, error) {
	return d.pauses.Over(ctx, s)
}

// Paused implements tools.Ledger.
func (l *Ledger) Paused(ctx context.Context, c agent.Call) (string, error) {
	p, paused, err := l.db.Paused(ctx, subjectOf(c))
	if err != nil || !paused {
		return "", err
	}
	return p.String(), nil
}

// pausedIn is Paused by what the store holds now.
func pausedIn(ctx context.Context, q handle, s pause.Subject) (pause.Pause, bool, error) {
	all, err := every(ctx, q, scanPause, `SELECT `+pauseColumns+` FROM pauses
		WHERE workspace = $1 OR scope NOT IN ('workspace', 'tool', 'turn') ORDER BY at, workspace, scope, target`, s.Workspace)
	if err != nil {
		return pause.Pause{}, false, fmt.Errorf("read pauses: %w", err)
	}
	p, over := pause.Over(all, s)
	return p, over, nil
}

const pauseColumns = `workspace, scope, target, by, name, reason, at`

func pauseNamed(ctx context.Context, q handle, p pause.Pause) (pause.Pause, bool, error) {
	return first(q.QueryRow(ctx, `SELECT `+pauseColumns+` FROM pauses
		WHERE workspace = $1 AND scope = $2 AND target = $3`, p.Workspace, p.Scope, p.Target), scanPause)
}

func scanPause(row sqlRow) (pause.Pause, error) {
	var p pause.Pause
	var at int64
	err := row.Scan(&p.Workspace, &p.Scope, &p.Target, &p.By, &p.Name, &p.Reason, &at)
	p.At = time.UnixMicro(at).UTC()
	return p, err
}

func pauseEntry(k audit.Kind, by agent.Actor, p pause.Pause) audit.Entry {
	e := audit.Entry{At: p.At, Workspace: p.Workspace, Kind: k, Actor: by.ID, Status: string(p.Scope), Note: p.Reason}
	switch p.Scope {
	case pause.Tool:
		e.Tool = p.Target
	case pause.Turn:
		e.Turn = p.Target
	case pause.Everything, pause.Workspace:
	}
	return e
}

func subjectOf(c agent.Call) pause.Subject {
	return pause.Subject{Workspace: c.Actor.Workspace, Turn: c.Turn, Tool: c.Tool}
}
