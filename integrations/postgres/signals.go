package postgres

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

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
	err := d.write(ctx, ws, func(tx pgx.Tx) error {
		if err := turnExists(ctx, tx, ws, turn); err != nil {
			return err
		}
		send(tx, address{ws, turn, topic}, s)
		if s.Type != loop.SignalStop {
			return nil
		}
		return d.record(ctx, tx, audit.Entry{Workspace: ws, Kind: audit.TurnStopped, Actor: s.By, Turn: turn})
	})
	if err != nil {
		return fmt.Errorf("send signal: %w", err)
	}
	return nil
}

// send appends a signal; the workspace that the transaction holds keeps the numbers whole.
func send(tx pgx.Tx, to address, s loop.Signal) {
	later(tx, `INSERT INTO signals (workspace, turn, topic, n, body) VALUES ($1, $2, $3,
		(SELECT COALESCE(MAX(n), 0) + 1 FROM signals WHERE workspace = $1 AND turn = $2 AND topic = $3), $4)`,
		to.ws, to.turn, to.topic, jsonOf(s))
}

// Received implements loop.Signals.
func (d *DB) Received(ctx context.Context, ws agent.WorkspaceID, turn, topic string, n int) (loop.Signal, bool, error) {
	s, ok, err := one(ctx, d, ws, scanSignal, `SELECT body FROM signals
		WHERE workspace = $1 AND turn = $2 AND topic = $3 AND n = $4`, ws, turn, topic, n)
	if err != nil {
		return loop.Signal{}, false, fmt.Errorf("read signal: %w", err)
	}
	return s, ok, nil
}

func scanSignal(row sqlRow) (loop.Signal, error) {
	var s loop.Signal
	err := row.Scan(jsonOf(&s))
	return s, err
}
