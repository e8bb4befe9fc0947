package postgres

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/agent/audit"
	"github.com/sous-hq/sous/agent/loop"
)

// Bury implements loop.Letters.
func (d *DB) Bury(ctx context.Context, ws agent.WorkspaceID, id string, s loop.Stuck, answer string) error {
	s.At = stored(s.At)
	s.Reason = storable(s.Reason)
	err := d.write(ctx, ws, func(tx pgx.Tx) error {
		t, err := turnByID(ctx, tx, ws, id)
		if err != nil || t.Status.Ended() {
			return err
		}
		_, err = tx.Exec(ctx, `UPDATE turns SET status = 'waiting', carrier = '', question = '', answer = $3, stuck = $4 WHERE workspace = $1 AND id = $2`,
			ws, id, storable(answer), jsonOf(s))
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
	err := d.write(ctx, by.Workspace, func(tx pgx.Tx) error {
		if err := turnExists(ctx, tx, by.Workspace, id); err != nil {
			return err
		}
		done, err := tx.Exec(ctx, `UPDATE turns SET status = 'running', carrier = $3, answer = '', stuck = NULL, tries = 0
			WHERE workspace = $1 AND id = $2 AND ended IS NULL AND stuck IS NOT NULL`, by.Workspace, id, loop.ReplicaOf(ctx))
		switch {
		case err != nil:
			return err
		case done.RowsAffected() == 0:
			return agent.Errorf(agent.Conflict, "this turn was not set aside, so there is nothing to replay")
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
func (d *DB) apart(ctx context.Context, tx pgx.Tx, t agent.Turn, f loop.Finish) error {
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
	err := tx.QueryRow(ctx, `SELECT stuck IS NOT NULL FROM turns WHERE workspace = $1 AND id = $2 FOR UPDATE`, f.Turn.Workspace, f.Turn.ID).Scan(&aside)
	switch {
	case err != nil:
		return err
	case !aside:
		return agent.Errorf(agent.Conflict, "this turn is not set aside any more")
	}
	return d.record(ctx, tx, audit.Entry{Workspace: f.Turn.Workspace, Kind: audit.TurnCancelled, Actor: f.CancelledBy, Turn: f.Turn.ID})
}

// FindTurns implements loop.Letters.
func (d *DB) FindTurns(ctx context.Context, ws agent.WorkspaceID, f loop.TurnFilter) ([]loop.Listed, error) {
	var w where
	w.and(`t.workspace = ?`, ws)
	if f.ID != "" {
		w.and(`t.id = ?`, f.ID)
	}
	if len(f.Statuses) > 0 {
		names := make([]string, len(f.Statuses))
		for i, s := range f.Statuses {
			names[i] = s.String()
		}
		w.and(`t.status = ANY (?)`, names)
	}
	if f.Stuck {
		w.and(`t.stuck IS NOT NULL`)
	}
	limited := w.bind(`ORDER BY t.seq DESC LIMIT ?`, bounded(f.Limit, turnRows))
	all, err := list(ctx, d, ws, scanListed, `SELECT `+turnColumns+`, t.stuck, t.carrier, t.tries,
		(SELECT COUNT(*) FROM journal j WHERE j.workspace = t.workspace AND j.turn = t.id)
		FROM turns t WHERE `+w.text+` `+limited, w.args...)
	if err != nil {
		return nil, fmt.Errorf("read turns: %w", err)
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
