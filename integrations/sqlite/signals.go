package sqlite

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/agent/audit"
	"github.com/sous-hq/sous/agent/loop"
)

// address says where a signal goes.
type address struct {
	ws          agent.WorkspaceID
	turn, topic string
}

// Send implements loop.Signals. A turn that does not exist is NotFound.
func (d *DB) Send(ctx context.Context, ws agent.WorkspaceID, turn, topic string, s loop.Signal) error {
	err := d.tx(ctx, func(tx *sql.Tx) error {
		if err := turnExists(ctx, tx, ws, turn); err != nil {
			return err
		}
		if err := send(ctx, tx, address{ws, turn, topic}, s); err != nil || s.Type != loop.SignalStop {
			return err
		}
		return d.record(ctx, tx, audit.Entry{Workspace: ws, Kind: audit.TurnStopped, Actor: s.By, Turn: turn})
	})
	if err != nil {
		return fmt.Errorf("send signal: %w", err)
	}
	return nil
}

// send appends a signal; the write lock of the transaction keeps the numbers whole.
func send(ctx context.Context, tx *sql.Tx, to address, s loop.Signal) error {
	_, err := tx.ExecContext(ctx, `INSERT INTO signals (workspace, turn, topic, n, body) VALUES (?1, ?2, ?3,
		(SELECT COALESCE(MAX(n), 0) + 1 FROM signals WHERE workspace = ?1 AND turn = ?2 AND topic = ?3), ?4)`,
		to.ws, to.turn, to.topic, jsonOf(s))
	if err != nil {
		return fmt.Errorf("store signal: %w", err)
	}
	return nil
}

// Received implements loop.Signals.
func (d *DB) Received(ctx context.Context, ws agent.WorkspaceID, turn, topic string, n int) (loop.Signal, bool, error) {
	s, ok, err := first(d.sql.QueryRowContext(ctx, `SELECT body FROM signals
		WHERE workspace = ? AND turn = ? AND topic = ? AND n = ?`, ws, turn, topic, n), scanSignal)
	if err != nil {
		return loop.Signal{}, false, d.publicError(fmt.Errorf("read signal: %w", err))
	}
	return s, ok, nil
}

func scanSignal(row sqlRow) (loop.Signal, error) {
	var s loop.Signal
	err := row.Scan(jsonOf(&s))
	return s, err
}
