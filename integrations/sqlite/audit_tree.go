package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/agent/audit"
)

var _ audit.Trees = (*DB)(nil)

// grow adds the row's hash to the tree, and those of the subtrees it completes:
// two hashes a row on average.
func (d *DB) grow(ctx context.Context, tx *sql.Tx, r audit.Row) error {
	n := r.Seq - 1
	add, err := tlog.StoredHashesForRecordHash(n, r.Hash(), tlog.HashReaderFunc(func(indexes []int64) ([]tlog.Hash, error) {
		all := make([]tlog.Hash, len(indexes))
		for i, id := range indexes {
			h, _, err := first(tx.StmtContext(ctx, d.audit.hash).QueryRowContext(ctx, r.Workspace, id), scanBytes)
			switch {
			case err != nil:
				return nil, err
			case len(h) != tlog.HashSize:
				return nil, noHash(r.Workspace, id)
			}
			all[i] = tlog.Hash(h)
		}
		return all, nil
	}))
	if err != nil {
		return fmt.Errorf("grow tree: %w", err)
	}
	insert := tx.StmtContext(ctx, d.audit.addHash)
	for i, id := 0, tlog.StoredHashIndex(0, n); i < len(add); i++ {
		if _, err := insert.ExecContext(ctx, r.Workspace, id+int64(i), add[i][:]); err != nil {
			return fmt.Errorf("grow tree: %w", err)
		}
	}
	return nil
}

func noHash(ws agent.WorkspaceID, id int64) error {
	return fmt.Errorf("the tree over the audit record of %s has no hash %d; run sous audit verify", ws, id)
}

// treeReader reads stored hashes of a workspace's tree.
type treeReader struct {
	ctx context.Context //nolint:containedctx // tlog.HashReader has no room for it, and a reader lives for one call
	q   sqlHandle
	ws  agent.WorkspaceID
}

// ReadHashes implements tlog.HashReader.
func (t treeReader) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	if len(indexes) == 0 {
		return nil, nil
	}
	args := make([]any, 1, 1+len(indexes))
	args[0] = t.ws
	for _, i := range indexes {
		args = append(args, i)
	}
	got, err := every(t.ctx, t.q, scanHash, `SELECT id, hash FROM audit_tree
		WHERE workspace = ? AND id IN (?`+strings.Repeat(`, ?`, len(indexes)-1)+`)`, args...)
	if err != nil {
		return nil, fmt.Errorf("read tree: %w", err)
	}
	byID := make(map[int64]tlog.Hash, len(got))
	for _, h := range got {
		if len(h.hash) == tlog.HashSize {
			byID[h.id] = tlog.Hash(h.hash)
		}
	}
	all := make([]tlog.Hash, len(indexes))
	for i, id := range indexes {
		h, ok := byID[id]
		if !ok {
			return nil, noHash(t.ws, id)
		}
		all[i] = h
	}
	return all, nil
}

type hashRow struct {
	id   int64
	hash []byte
}

func scanHash(row sqlRow) (hashRow, error) {
	var h hashRow
	err := row.Scan(&h.id, &h.hash)
	return h, err
}

// Recorded implements audit.Trees.
func (d *DB) Recorded() int64 { return d.recorded.Load() }

// Heads implements audit.Trees.
func (d *DB) Heads(ctx context.Context) ([]audit.Head, error) {
	// Not at the price of the write lock: rows come one after the other, so a
	// size that was read stays true.
	all, err := workspaces(ctx, d.sql, "audit")
	if err != nil {
		return nil, d.publicError(fmt.Errorf("read audit heads: %w", err))
	}
	var grown []audit.Head
	for _, ws := range all {
		h, err := d.head(ctx, ws)
		if err != nil {
			return nil, d.publicError(fmt.Errorf("read audit head of %s: %w", ws, err))
		}
		if h.Size > 0 {
			grown = append(grown, h)
		}
	}
	return grown, nil
}

// head is where the tree stands, with Size 0 when its last checkpoint says so
// already.
func (d *DB) head(ctx context.Context, ws agent.WorkspaceID) (audit.Head, error) {
	h := audit.Head{Workspace: ws}
	if err := d.sql.QueryRowContext(ctx, `SELECT COALESCE(MAX(seq), 0) FROM audit WHERE workspace = ?`, ws).Scan(&h.Size); err != nil {
		return h, err
	}
	var size int64
	err := d.sql.QueryRowContext(ctx, `SELECT size, signed FROM audit_checkpoints WHERE workspace = ? ORDER BY size DESC LIMIT 1`, ws).Scan(&size, &h.Signed)
	switch {
	case err != nil && !errors.Is(err, sql.ErrNoRows):
		return h, err
	case size == h.Size:
		return audit.Head{}, nil
	}
	tree := treeReader{ctx, d.sql, ws}
	if size > 0 && size < h.Size {
		if h.SignedRoot, err = tlog.TreeHash(size, tree); err != nil {
			return h, err
		}
	}
	h.Root, err = tlog.TreeHash(h.Size, tree)
	return h, err
}

// SaveCheckpoint implements audit.Trees.
func (d *DB) SaveCheckpoint(ctx context.Context, c audit.Checkpoint, signed string) error {
	return d.tx(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `INSERT INTO audit_checkpoints (workspace, size, at, signed) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING`,
			c.Workspace, c.Size, timeOf(&c.At), signed)
		if err != nil {
			return fmt.Errorf("store checkpoint: %w", err)
		}
		return nil
	})
}

// workspaces lists those of a table whose key they lead, by hopping from one to
// the next.
func workspaces(ctx context.Context, q sqlHandle, table string) ([]agent.WorkspaceID, error) {
	all, err := every(ctx, q, scanText, `WITH RECURSIVE w (ws) AS (
		SELECT MIN(workspace) FROM `+table+`
		UNION ALL SELECT (SELECT MIN(workspace) FROM `+table+` WHERE workspace > w.ws) FROM w WHERE w.ws IS NOT NULL
	) SELECT ws FROM w WHERE ws IS NOT NULL`)
	if err != nil {
		return nil, err
	}
	out := make([]agent.WorkspaceID, len(all))
	for i, s := range all {
		out[i] = agent.WorkspaceID(s)
	}
	return out, nil
}
