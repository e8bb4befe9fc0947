package sqlite

import (
	"context"
	"database/sql"
	"fmt"
	"strings"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/agent/audit"
	"github.com/sous-hq/sous/agent/loop"
)

// Bury implements loop.Letters.
func (d *DB) Bury(ctx context.Context, ws agent.WorkspaceID, id string, s loop.Stuck, answer string) error {
	s.At = stored(s.At)
	err := d.tx(ctx, func(tx *sql.Tx) error {
		t, err := turnByID(ctx, tx, ws, id)
		if err != nil || t.Status.Ended() {
			return err
		}
		_, err = tx.ExecContext(ctx, `UPDATE turns SET status = 'waiting', carrier = '', question = '', answer = ?3, stuck = ?4 WHERE workspace = ?1 AND id = ?2`,
			ws, id, answer, jsonOf(s))
		if err != nil {
			return err
		}
		return d.record(ctx, tx, audit.Entry{
			Workspace: ws, Kind: audit.TurnStuck, Actor: "sous", Turn: id, Status: s.Step, Note: fmt.Sprintf("%d tries: %s", s.Tries, s.Reason),
		})
	})
	if err != nil {
		return fmt.Errorf("set turn aside: %w", err)
	}
	return nil
}

// Revive implements loop.Letters.
func (d *DB) Revive(ctx context.Context, by agent.Actor, id string) error {
	err := d.tx(ctx, func(tx *sql.Tx) error {
		if err := turnExists(ctx, tx, by.Workspace, id); err != nil {
			return err
		}
		done, err := tx.ExecContext(ctx, `UPDATE turns SET status = 'running', carrier = ?3, answer = '', stuck = NULL, tries = 0
			WHERE workspace = ?1 AND id = ?2 AND ended IS NULL AND stuck IS NOT NULL`, by.Workspace, id, loop.ReplicaOf(ctx))
		if err != nil {
			return err
		}
		if n, err := done.RowsAffected(); err != nil || n == 0 {
			return notStuck(err)
		}
		return d.record(ctx, tx, audit.Entry{Workspace: by.Workspace, Kind: audit.TurnReplayed, Actor: by.ID, Turn: id})
	})
	if err != nil {
		return fmt.Errorf("replay turn: %w", err)
	}
	return nil
}

// apart records who ends a turn that was set aside, if somebody does, and why a
// model was not asked, if one was not.
func (d *DB) apart(ctx context.Context, tx *sql.Tx, t agent.Turn, f loop.Finish) error {
	if f.Refused != "" {
		err := d.record(ctx, tx, audit.Entry{Workspace: t.Workspace, Kind: audit.BudgetRefused, Actor: t.Actor.ID, Turn: t.ID, Note: f.Refused})
		if err != nil {
			return err
		}
	}
	if f.CancelledBy == "" {
		return nil
	}
	var aside bool
	err := tx.QueryRowContext(ctx, `SELECT stuck IS NOT NULL FROM turns WHERE workspace = ? AND id = ?`, f.Turn.Workspace, f.Turn.ID).Scan(&aside)
	if err != nil {
		return err
	}
	if !aside {
		return agent.Errorf(agent.Conflict, "this turn is not set aside any more")
	}
	return d.record(ctx, tx, audit.Entry{Workspace: f.Turn.Workspace, Kind: audit.TurnCancelled, Actor: f.CancelledBy, Turn: f.Turn.ID})
}

func notStuck(err error) error {
	if err != nil {
		return err
	}
	return agent.Errorf(agent.Conflict, "this turn was not set aside, so there is nothing to replay")
}

// FindTurns implements loop.Letters.
func (d *DB) FindTurns(ctx context.Context, ws agent.WorkspaceID, f loop.TurnFilter) ([]loop.Listed, error) {
	where, args := `t.workspace = ?`, []any{ws}
	if f.ID != "" {
		where, args = where+` AND t.id = ?`, append(args, f.ID)
	}
	if n := len(f.Statuses); n > 0 {
		where += ` AND t.status IN (?` + strings.Repeat(`, ?`, n-1) + `)`
		for _, s := range f.Statuses {
			args = append(args, s.String())
		}
	}
	if f.Stuck {
		where += ` AND t.stuck IS NOT NULL`
	}
	all, err := every(ctx, d.sql, scanListed, `SELECT `+turnColumns+`, t.stuck, t.carrier, t.tries,
		(SELECT COUNT(*) FROM journal j WHERE j.workspace = t.workspace AND j.turn = t.id)
		FROM turns t WHERE `+where+` ORDER BY t.seq DESC LIMIT ?`, append(args, bounded(f.Limit, turnRows))...)
	if err != nil {
		return nil, d.publicError(fmt.Errorf("read turns: %w", err))
	}
	return all, nil
}

func scanListed(row sqlRow) (loop.Listed, error) {
	var l loop.Listed
	err := row.Scan(append(turnInto(&l.Turn), jsonOf(&l.Stuck), &l.Carrier, &l.Tries, &l.Steps)...)
	if l.Carrier == "-" {
		l.Carrier = ""
	}
	return l, err
}
