package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/agent/loop"
)

// Checkpoints implements loop.Journal.
func (d *DB) Checkpoints(ctx context.Context, ws agent.WorkspaceID, turn string) ([]loop.Checkpoint, error) {
	all, err := every(ctx, d.sql, scanCheckpoint, `SELECT n, effect, result FROM journal WHERE workspace = ? AND turn = ? ORDER BY n`, ws, turn)
	if err != nil {
		return nil, d.publicError(fmt.Errorf("read journal: %w", err))
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

// carrying runs f in one transaction and records in it what is pending of the turn
// the work is for.
func (d *DB) carrying(ctx context.Context, tx *sql.Tx, f func(tx *sql.Tx) error) (saved func(), err error) {
	if err := f(tx); err != nil {
		return nil, err
	}
	p := loop.PendingOf(ctx)
	if p == nil {
		return func() {}, nil
	}
	return journal(ctx, tx, p)
}

// journal writes what is pending of a turn that has not ended; saved is to be
// called when that is committed.
func journal(ctx context.Context, tx *sql.Tx, p *loop.Pending) (saved func(), err error) {
	all, heard := p.Unsaved()
	for _, c := range all {
		_, err := tx.ExecContext(ctx, `INSERT INTO journal (workspace, turn, n, effect, result)
			SELECT workspace, id, ?3, ?4, ?5 FROM turns WHERE workspace = ?1 AND id = ?2 AND ended IS NULL
			ON CONFLICT DO NOTHING`, p.Workspace, p.Turn, c.N, c.Effect, string(c.Result))
		if err != nil {
			return nil, fmt.Errorf("write journal: %w", err)
		}
	}
	if len(all) > 0 && p.Tried() {
		if _, err := tx.ExecContext(ctx, `UPDATE turns SET tries = 0 WHERE workspace = ? AND id = ? AND ended IS NULL`, p.Workspace, p.Turn); err != nil {
			return nil, fmt.Errorf("write journal: %w", err)
		}
	}
	if len(all) > 0 || heard > 0 {
		// Who has heard something has something to do, though it still counts as waiting:
		// the process that adopts it must not wait for the next signal.
		if _, err := tx.ExecContext(ctx, `UPDATE turns SET heard = ?3, wake = 1 WHERE workspace = ?1 AND id = ?2 AND heard < ?3`, p.Workspace, p.Turn, heard); err != nil {
			return nil, fmt.Errorf("write journal: %w", err)
		}
	}
	return func() { p.Saved(all, heard) }, nil
}

// Record implements loop.Journal.
func (d *DB) Record(ctx context.Context, all []*loop.Pending) error {
	var saved []func()
	err := d.tx(loop.WithPending(ctx, nil), func(tx *sql.Tx) error {
		saved = saved[:0]
		for _, p := range all {
			s, err := journal(ctx, tx, p)
			if err != nil {
				return err
			}
			saved = append(saved, s)
		}
		return nil
	})
	if err != nil {
		return err
	}
	for _, s := range saved {
		s()
	}
	return nil
}

// Adopt implements loop.Journal.
func (d *DB) Adopt(ctx context.Context, carrier string, from ...string) ([]loop.Carried, error) {
	var all []loop.Carried
	err := d.tx(ctx, func(tx *sql.Tx) error {
		var err error
		all, err = every(ctx, tx, scanCarried, `UPDATE turns SET carrier = ?1,
			tries = CASE WHEN status = 'running' AND carrier <> '-' AND tries < ?2 THEN tries + 1 ELSE tries END
			WHERE ended IS NULL AND status IN ('running', 'waiting') AND carrier NOT IN ('', ?1) AND stuck IS NULL
			AND (?3 = '[]' OR carrier IN (SELECT value FROM json_each(?3)))
			RETURNING workspace, id, status, wake, tries,
				heard < (SELECT COALESCE(MAX(n), 0) FROM signals s WHERE s.workspace = turns.workspace AND s.turn = turns.id AND s.topic = 'inbox'), seq`,
			carrier, loop.AloneFrom, jsonOf(append([]string{}, from...)))
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("adopt turns: %w", err)
	}
	return all, nil
}

func scanCarried(row sqlRow) (loop.Carried, error) {
	var c loop.Carried
	var seq int64
	err := row.Scan(&c.Workspace, &c.Turn, nameOf(&c.Status), timeOf(&c.Wake), &c.Tries, &c.Ready, &seq)
	return c, err
}

// Try implements loop.Journal.
func (d *DB) Try(ctx context.Context, s loop.Start) (int, error) {
	n := 0
	err := d.tx(ctx, func(tx *sql.Tx) error {
		err := tx.QueryRowContext(ctx, `UPDATE turns SET tries = tries + 1 WHERE workspace = ? AND id = ? RETURNING tries`, s.Workspace, s.Turn).Scan(&n)
		if errors.Is(err, sql.ErrNoRows) {
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
func (d *DB) Carriers(ctx context.Context) ([]string, error) {
	all, err := every(ctx, d.sql, scanText, `SELECT DISTINCT carrier FROM turns WHERE ended IS NULL AND carrier NOT IN ('', '-')`)
	if err != nil {
		return nil, d.publicError(fmt.Errorf("read carriers: %w", err))
	}
	return all, nil
}

// GiveBack implements loop.Journal.
func (d *DB) GiveBack(ctx context.Context, carrier string) error {
	err := d.tx(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `UPDATE turns SET carrier = '-' WHERE ended IS NULL AND carrier = ?`, carrier)
		return err
	})
	if err != nil {
		return fmt.Errorf("give turns back: %w", err)
	}
	return nil
}

// Ready implements loop.Journal.
func (d *DB) Ready(ctx context.Context, carrier string) ([]loop.Start, error) {
	all, err := every(ctx, d.sql, scanStart, `SELECT workspace, id FROM turns WHERE ended IS NULL AND status = 'waiting' AND carrier = ?
		AND heard < (SELECT COALESCE(MAX(n), 0) FROM signals s WHERE s.workspace = turns.workspace AND s.turn = turns.id AND s.topic = 'inbox')`, carrier)
	if err != nil {
		return nil, d.publicError(fmt.Errorf("read parked turns: %w", err))
	}
	return all, nil
}

// Carried implements loop.Journal.
func (d *DB) Carried(ctx context.Context, carrier string) ([]loop.Start, error) {
	all, err := every(ctx, d.sql, scanStart, `SELECT workspace, id FROM turns
		WHERE ended IS NULL AND status IN ('running', 'waiting') AND carrier = ? AND stuck IS NULL`, carrier)
	if err != nil {
		return nil, d.publicError(fmt.Errorf("read carried turns: %w", err))
	}
	return all, nil
}

func scanStart(row sqlRow) (loop.Start, error) {
	var s loop.Start
	err := row.Scan(&s.Workspace, &s.Turn)
	return s, err
}
