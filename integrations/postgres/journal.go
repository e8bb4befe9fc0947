package postgres

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/agent/loop"
)

// Checkpoints implements loop.Journal.
func (d *DB) Checkpoints(ctx context.Context, ws agent.WorkspaceID, turn string) ([]loop.Checkpoint, error) {
	all, err := list(ctx, d, ws, scanCheckpoint, `SELECT n, effect, result FROM journal WHERE workspace = $1 AND turn = $2 ORDER BY n`, ws, turn)
	if err != nil {
		return nil, fmt.Errorf("read journal: %w", err)
	}
	return all, nil
}

func scanCheckpoint(row sqlRow) (loop.Checkpoint, error) {
	var c loop.Checkpoint
	var raw json.RawMessage
	err := row.Scan(&c.N, &c.Effect, rawColumn{&raw})
	c.Result = raw
	return c, err
}

// journal writes what is pending of a turn that has not ended; saved is to be
// called when that is committed.
func journal(tx pgx.Tx, p *loop.Pending) (saved func()) {
	all, heard := p.Unsaved()
	for _, c := range all {
		later(tx, `INSERT INTO journal (workspace, turn, n, effect, result)
			SELECT workspace, id, $3, $4, $5 FROM turns WHERE workspace = $1 AND id = $2 AND ended IS NULL
			ON CONFLICT DO NOTHING`, p.Workspace, p.Turn, c.N, c.Effect, storable(string(c.Result)))
	}
	if len(all) > 0 && p.Tried() {
		later(tx, `UPDATE turns SET tries = 0 WHERE workspace = $1 AND id = $2 AND ended IS NULL`, p.Workspace, p.Turn)
	}
	if heard > 0 {
		// Who has heard something has something to do, though it still counts as waiting:
		// the process that adopts it must not wait for the next signal.
		later(tx, `UPDATE turns SET heard = $3, wake = 'epoch' WHERE workspace = $1 AND id = $2 AND heard < $3`, p.Workspace, p.Turn, heard)
	}
	return func() { p.Saved(all, heard) }
}

// Record implements loop.Journal.
func (d *DB) Record(ctx context.Context, all []*loop.Pending) error {
	ctx = loop.WithPending(ctx, nil)
	of := map[agent.WorkspaceID][]*loop.Pending{}
	for _, p := range all {
		of[p.Workspace] = append(of[p.Workspace], p)
	}
	for ws, some := range of {
		var saved []func()
		err := d.write(ctx, ws, func(tx pgx.Tx) error {
			saved = saved[:0]
			for _, p := range some {
				saved = append(saved, journal(tx, p))
			}
			return nil
		})
		if err != nil {
			return err
		}
		for _, s := range saved {
			s()
		}
	}
	return nil
}

// carriedIn lists the workspaces in which processes carry turns: those named, or
// any but one.
func (d *DB) carriedIn(ctx context.Context, but string, from []string) (all []agent.WorkspaceID, err error) {
	err = d.watch(ctx, func(tx pgx.Tx) error {
		found, err := every(ctx, tx, scanText, `SELECT DISTINCT workspace FROM turns
			WHERE ended IS NULL AND carrier <> '' AND carrier <> $1 AND ($2 OR carrier = ANY ($3)) ORDER BY workspace`, but, len(from) == 0, from)
		for _, ws := range found {
			all = append(all, agent.WorkspaceID(ws))
		}
		return err
	})
	return all, err
}

// Adopt implements loop.Journal.
func (d *DB) Adopt(ctx context.Context, carrier string, from ...string) ([]loop.Carried, error) {
	if len(from) > 0 {
		from = append(from, "-")
	}
	in, err := d.carriedIn(ctx, carrier, from)
	if err != nil {
		return nil, fmt.Errorf("adopt turns: %w", err)
	}
	var all []loop.Carried
	for _, ws := range in {
		var some []loop.Carried
		err := d.write(loop.InReplica(ctx, carrier), ws, func(tx pgx.Tx) (err error) {
			some, err = every(ctx, tx, scanCarried, `UPDATE turns t SET carrier = $2,
				tries = CASE WHEN t.status = 'running' AND t.carrier <> '-' AND t.tries < $3 THEN t.tries + 1 ELSE t.tries END
				WHERE workspace = $1 AND ended IS NULL AND status IN ('running', 'waiting') AND carrier NOT IN ('', $2) AND stuck IS NULL
				AND ($4 OR carrier = ANY ($5))
				RETURNING workspace, id, status, wake, tries,
					heard < (SELECT COALESCE(MAX(n), 0) FROM signals s WHERE s.workspace = t.workspace AND s.turn = t.id AND s.topic = 'inbox')`,
				ws, carrier, loop.AloneFrom, len(from) == 0, from)
			return err
		})
		if err != nil {
			return nil, fmt.Errorf("adopt turns: %w", err)
		}
		all = append(all, some...)
	}
	return all, nil
}

func scanCarried(row sqlRow) (loop.Carried, error) {
	var c loop.Carried
	err := row.Scan(&c.Workspace, &c.Turn, nameOf(&c.Status), timeOf(&c.Wake), &c.Tries, &c.Ready)
	return c, err
}

// Try implements loop.Journal.
func (d *DB) Try(ctx context.Context, s loop.Start) (int, error) {
	n := 0
	err := d.write(ctx, agent.WorkspaceID(s.Workspace), func(tx pgx.Tx) error {
		err := tx.QueryRow(ctx, `UPDATE turns SET tries = tries + 1 WHERE workspace = $1 AND id = $2 RETURNING tries`, s.Workspace, s.Turn).Scan(&n)
		if errors.Is(err, pgx.ErrNoRows) {
			return noTurn(s.Turn)
		}
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("count a try: %w", err)
	}
	return n, nil
}

// Carriers implements loop.Journal.
func (d *DB) Carriers(ctx context.Context) (all []string, err error) {
	err = d.watch(ctx, func(tx pgx.Tx) (err error) {
		all, err = every(ctx, tx, scanText, `SELECT DISTINCT carrier FROM turns WHERE ended IS NULL AND carrier NOT IN ('', '-')`)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read carriers: %w", err)
	}
	return all, nil
}

// GiveBack implements loop.Journal.
func (d *DB) GiveBack(ctx context.Context, carrier string) error {
	in, err := d.carriedIn(ctx, "", []string{carrier})
	if err != nil {
		return fmt.Errorf("give turns back: %w", err)
	}
	for _, ws := range in {
		err := d.write(ctx, ws, func(tx pgx.Tx) error {
			_, err := tx.Exec(ctx, `UPDATE turns SET carrier = '-' WHERE workspace = $1 AND ended IS NULL AND carrier = $2`, ws, carrier)
			return err
		})
		if err != nil {
			return fmt.Errorf("give turns back: %w", err)
		}
	}
	return nil
}

// Ready implements loop.Journal.
func (d *DB) Ready(ctx context.Context, carrier string) (all []loop.Start, err error) {
	err = d.watch(ctx, func(tx pgx.Tx) (err error) {
		all, err = every(ctx, tx, scanStart, `SELECT workspace, id FROM turns t WHERE ended IS NULL AND status = 'waiting' AND carrier = $1
			AND heard < (SELECT COALESCE(MAX(n), 0) FROM signals s WHERE s.workspace = t.workspace AND s.turn = t.id AND s.topic = 'inbox')`, carrier)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read parked turns: %w", err)
	}
	return all, nil
}

// Carried implements loop.Journal.
func (d *DB) Carried(ctx context.Context, carrier string) (all []loop.Start, err error) {
	err = d.watch(ctx, func(tx pgx.Tx) (err error) {
		all, err = every(ctx, tx, scanStart, `SELECT workspace, id FROM turns
			WHERE ended IS NULL AND status IN ('running', 'waiting') AND carrier = $1 AND carrier <> '' AND stuck IS NULL`, carrier)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read carried turns: %w", err)
	}
	return all, nil
}

func scanStart(row sqlRow) (loop.Start, error) {
	var s loop.Start
	err := row.Scan(&s.Workspace, &s.Turn)
	return s, err
}
