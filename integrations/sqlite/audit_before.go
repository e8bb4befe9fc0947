package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/agent/audit"
)

// sealBefore moves the rows that were recorded before there was a tree into it:
// all of them, in one transaction, or none.
func (d *DB) sealBefore(ctx context.Context) error {
	there, err := tableExists(ctx, d.sql, "audit_before")
	if err != nil || !there {
		return err
	}
	err = d.tx(ctx, func(tx *sql.Tx) error {
		// Another process may have been faster.
		if there, err := tableExists(ctx, tx, "audit_before"); err != nil || !there {
			return err
		}
		// What lay in the open does not stay in the file's free pages.
		if _, err := tx.ExecContext(ctx, `PRAGMA secure_delete = ON`); err != nil {
			return err
		}
		all, err := workspaces(ctx, tx, "audit_before")
		if err != nil {
			return err
		}
		for _, ws := range all {
			if err := d.sealWorkspace(ctx, tx, ws); err != nil {
				return err
			}
		}
		_, err = tx.ExecContext(ctx, `DROP TABLE audit_before`)
		return err
	})
	if err != nil {
		return fmt.Errorf("seal earlier audit rows: %w", err)
	}
	// And not in the log that is written ahead either. Somebody reading keeps it
	// a while longer; that is no reason not to start.
	_, _ = d.sql.ExecContext(ctx, `PRAGMA wal_checkpoint(TRUNCATE)`)
	return nil
}

func (d *DB) sealWorkspace(ctx context.Context, tx *sql.Tx, ws agent.WorkspaceID) error {
	for after := int64(0); ; {
		rows, err := every(ctx, tx, scanBefore, `SELECT workspace, seq, at, kind, actor, turn, call, tool, tier, digest,
			ruling, rule, approval, status, args, note FROM audit_before WHERE workspace = ? AND seq > ? ORDER BY seq LIMIT 1000`, ws, after)
		if err != nil {
			return err
		}
		for _, e := range rows {
			if e.Seq != after+1 {
				return agent.Errorf(agent.Conflict, "the audit record of %s has a gap before row %d; bring the store back from a backup", ws, e.Seq)
			}
			if !json.Valid(e.Args) {
				e.Args = nil
			}
			after = e.Seq
			if err := d.append(ctx, tx, e); err != nil {
				return err
			}
		}
		if len(rows) == 0 {
			return nil
		}
	}
}

func scanBefore(row sqlRow) (audit.Entry, error) {
	var e audit.Entry
	var tier sql.NullInt64
	err := row.Scan(&e.Workspace, &e.Seq, timeOf(&e.At), &e.Kind, &e.Actor, &e.Turn, &e.Call, &e.Tool, &tier, &e.Digest,
		&e.Ruling, &e.Rule, &e.Approval, &e.Status, rawColumn{&e.Args}, &e.Note)
	if tier.Valid {
		e.Tier = tierOf(tier.Int64)
	}
	return e, err
}

func tableExists(ctx context.Context, q sqlHandle, name string) (bool, error) {
	var one int
	err := q.QueryRowContext(ctx, `SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = ?`, name).Scan(&one)
	if errors.Is(err, sql.ErrNoRows) {
		return false, nil
	}
	return err == nil, err
}
