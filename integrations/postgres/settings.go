package postgres

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/agent/audit"
)

var _ audit.SettingsLog = (*DB)(nil)

// RecordSettings implements audit.SettingsLog. The transaction holds the workspace
// from its start, so of two processes the later sees the row of the first.
func (d *DB) RecordSettings(ctx context.Context, e audit.Entry, after int64) error {
	err := d.write(ctx, e.Workspace, func(tx pgx.Tx) error {
		var later bool
		err := tx.QueryRow(ctx, `SELECT EXISTS (SELECT 1 FROM audit WHERE workspace = $1 AND seq > $2 AND kind = $3)`, e.Workspace, after, e.Kind).Scan(&later)
		switch {
		case err != nil:
			return err
		case later:
			return agent.Errorf(agent.Conflict, "another process has recorded settings meanwhile")
		}
		return d.record(ctx, tx, e)
	})
	if err != nil {
		return fmt.Errorf("record settings: %w", err)
	}
	return nil
}
