package sqlite

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/agent/audit"
)

var _ audit.SettingsLog = (*DB)(nil)

// RecordSettings implements audit.SettingsLog.
func (d *DB) RecordSettings(ctx context.Context, e audit.Entry, after int64) error {
	err := d.tx(ctx, func(tx *sql.Tx) error {
		var later bool
		err := tx.QueryRowContext(ctx, `SELECT EXISTS (SELECT 1 FROM audit WHERE workspace = ? AND seq > ? AND kind = ?)`, e.Workspace, after, e.Kind).Scan(&later)
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
