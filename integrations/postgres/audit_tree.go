package postgres

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/agent/audit"
)

var _ audit.Trees = (*DB)(nil)

// treeReader reads stored hashes of a workspace's tree.
type treeReader struct {
	ctx context.Context //nolint:containedctx // tlog.HashReader has no room for it, and a reader lives for one call
	q   handle
	ws  agent.WorkspaceID
}

// ReadHashes implements tlog.HashReader.
func (t treeReader) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	if len(indexes) == 0 {
		return nil, nil
	}
	got, err := every(t.ctx, t.q, scanHash, `SELECT id, hash FROM audit_tree WHERE workspace = $1 AND id = ANY ($2)`, t.ws, indexes)
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
			return nil, fmt.Errorf("the tree over the audit record of %s has no hash %d; run sous audit verify", t.ws, id)
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
	// Not at the price of a lock: rows come one after the other, so a size that
	// was read stays true.
	var all []string
	err := d.watch(ctx, func(tx pgx.Tx) (err error) {
		all, err = every(ctx, tx, scanText, `SELECT workspace FROM audit_heads WHERE seq > 0 ORDER BY workspace`)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read audit heads: %w", err)
	}
	var grown []audit.Head
	for _, ws := range all {
		h, err := d.head(ctx, agent.WorkspaceID(ws))
		if err != nil {
			return nil, fmt.Errorf("read audit head of %s: %w", ws, err)
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
	err := d.read(ctx, ws, func(tx pgx.Tx) error {
		if err := tx.QueryRow(ctx, `SELECT COALESCE(MAX(seq), 0) FROM audit WHERE workspace = $1`, ws).Scan(&h.Size); err != nil {
			return err
		}
		var size int64
		err := tx.QueryRow(ctx, `SELECT size, signed FROM audit_checkpoints WHERE workspace = $1 ORDER BY size DESC LIMIT 1`, ws).Scan(&size, &h.Signed)
		switch {
		case err != nil && !errors.Is(err, pgx.ErrNoRows):
			return err
		case size == h.Size:
			h = audit.Head{}
			return nil
		}
		tree := treeReader{ctx, tx, ws}
		if size > 0 && size < h.Size {
			if h.SignedRoot, err = tlog.TreeHash(size, tree); err != nil {
				return err
			}
		}
		h.Root, err = tlog.TreeHash(h.Size, tree)
		return err
	})
	return h, err
}

// SaveCheckpoint implements audit.Trees.
func (d *DB) SaveCheckpoint(ctx context.Context, c audit.Checkpoint, signed string) error {
	err := d.write(ctx, c.Workspace, func(tx pgx.Tx) error {
		_, err := tx.Exec(ctx, `INSERT INTO audit_checkpoints (workspace, size, at, signed) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING`,
			c.Workspace, c.Size, timeOf(&c.At), signed)
		return err
	})
	if err != nil {
		return fmt.Errorf("store checkpoint: %w", err)
	}
	return nil
}
