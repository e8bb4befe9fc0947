package sqlite

import (
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"time"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/agent/audit"
	"github.com/sous-hq/sous/memory"
)

// supersede marks what the new item takes the place of; an imported item
// removes it.
func (m *Memories) supersede(ctx context.Context, tx *sql.Tx, i memory.Item, seq int64) error {
	if i.Supersedes != "" {
		r, err := tx.ExecContext(ctx, `UPDATE memory_items SET superseded_by = ? WHERE workspace = ? AND id = ? AND superseded_by = ''`,
			i.ID, i.Workspace, i.Supersedes)
		if err != nil {
			return err
		}
		if n, err := r.RowsAffected(); err != nil || n == 0 {
			_, none := readItem(ctx, tx, i.Workspace, i.Supersedes)
			return cmp.Or(err, none, memory.ErrCorrected())
		}
	}
	if i.Slot == "" {
		return nil
	}
	if i.Collection != "" {
		old, err := every(ctx, tx, scanInt, `SELECT seq FROM memory_items
			WHERE workspace = ? AND slot = ? AND slot <> '' AND seq <> ? AND superseded_by = '' AND forgotten IS NULL`, i.Workspace, i.Slot, seq)
		if err != nil {
			return err
		}
		return removeItems(ctx, tx, i.Workspace, old)
	}
	_, err := tx.ExecContext(ctx, `UPDATE memory_items SET superseded_by = ?
		WHERE workspace = ? AND slot = ? AND slot <> '' AND seq <> ? AND superseded_by = ''`, i.ID, i.Workspace, i.Slot, seq)
	return err
}

// versions is the start of a query over an item and what it took the place of;
// its arguments are the workspace and the item's id.
const versions = `WITH RECURSIVE versions (id) AS (SELECT ?2 UNION
	SELECT i.id FROM memory_items i JOIN versions v ON i.superseded_by = v.id WHERE i.workspace = ?1 AND i.superseded_by <> '') `

// SetForgotten implements memory.Store.
func (m *Memories) SetForgotten(ctx context.Context, by agent.Actor, id string, at time.Time) error {
	return m.db.tx(ctx, func(tx *sql.Tx) error {
		if _, err := readItem(ctx, tx, by.Workspace, id); err != nil {
			return err
		}
		return m.setForgotten(ctx, tx, by, id, at)
	})
}

func (m *Memories) setForgotten(ctx context.Context, tx *sql.Tx, by agent.Actor, id string, at time.Time) error {
	update, who, note := `UPDATE memory_items SET forgotten = ?3, forgotten_by = ?4
		WHERE workspace = ?1 AND forgotten IS NULL AND id IN (SELECT id FROM versions)`, by.ID, "forgot "+id
	if at.IsZero() {
		who, note = "", "restored "+id
		update = `UPDATE memory_items SET forgotten = ?3, forgotten_by = ?4
			WHERE workspace = ?1 AND forgotten = (SELECT forgotten FROM memory_items WHERE workspace = ?1 AND id = ?2) AND id IN (SELECT id FROM versions)`
	}
	r, err := tx.ExecContext(ctx, versions+update, by.Workspace, id, timeOf(&at), who)
	if err != nil {
		return err
	}
	if n, err := r.RowsAffected(); err != nil || n == 0 {
		return err
	}
	return m.db.record(ctx, tx, audit.Entry{Workspace: by.Workspace, Kind: audit.MemoryWritten, Actor: by.ID, Note: note})
}

// readItem reads an item without its chunks, else NotFound.
func readItem(ctx context.Context, tx *sql.Tx, ws agent.WorkspaceID, id string) (storedItem, error) {
	i, ok, err := first(tx.QueryRowContext(ctx, `SELECT `+itemColumns+` FROM memory_items i WHERE i.workspace = ? AND i.id = ?`, ws, id), scanItem)
	if err == nil && !ok {
		err = memoryNotFound(id)
	}
	return i, err
}

// Revert implements memory.Store.
func (m *Memories) Revert(ctx context.Context, by agent.Actor, id string, at time.Time) error {
	return m.db.tx(ctx, func(tx *sql.Tx) error {
		old, err := readItem(ctx, tx, by.Workspace, id)
		if err != nil {
			return err
		}
		if old.SupersededBy == "" {
			return agent.Errorf(agent.Conflict, "nothing has taken its place")
		}
		successor, err := readItem(ctx, tx, by.Workspace, old.SupersededBy)
		switch {
		case err == nil && successor.SupersededBy != "":
			return agent.Errorf(agent.Conflict, "it has been corrected again since")
		case err != nil && agent.KindOf(err) != agent.NotFound:
			return err
		}
		_, err = tx.ExecContext(ctx, `UPDATE memory_items SET superseded_by = '', forgotten = NULL, forgotten_by = '' WHERE workspace = ? AND id = ?`, by.Workspace, id)
		if err != nil {
			return err
		}
		if err := m.setForgotten(ctx, tx, by, old.SupersededBy, at); err != nil {
			return err
		}
		return m.db.record(ctx, tx, audit.Entry{Workspace: by.Workspace, Kind: audit.MemoryWritten, Actor: by.ID, Note: "took back the correction of " + id})
	})
}

// Remove implements memory.Store.
func (m *Memories) Remove(ctx context.Context, by agent.Actor, ids []string) (int, error) {
	removed := 0
	err := m.db.tx(ctx, func(tx *sql.Tx) error {
		removed = 0
		for _, id := range ids {
			seqs, err := every(ctx, tx, scanInt, versions+`SELECT seq FROM memory_items WHERE workspace = ?1 AND id IN (SELECT id FROM versions)`, by.Workspace, id)
			if err != nil || len(seqs) == 0 {
				if err != nil {
					return err
				}
				continue
			}
			if err := removeItems(ctx, tx, by.Workspace, seqs); err != nil {
				return err
			}
			removed += len(seqs)
			err = m.db.record(ctx, tx, audit.Entry{Workspace: by.Workspace, Kind: audit.MemoryWritten, Actor: by.ID, Note: "removed " + id})
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return 0, fmt.Errorf("remove items: %w", err)
	}
	return removed, nil
}

// removeItems deletes all that is stored of items of the workspace.
func removeItems(ctx context.Context, tx *sql.Tx, ws agent.WorkspaceID, seqs []int64) error {
	for _, seq := range seqs {
		from, to := memory.KeyRange(seq)
		for _, q := range []struct {
			text string
			args []any
		}{
			{`UPDATE memory_corpus SET chunks = memory_corpus.chunks - gone.n, terms = memory_corpus.terms - gone.terms FROM
				(SELECT count(*) n, COALESCE(sum(CASE terms WHEN '' THEN 0 ELSE 1 + length(terms) - length(replace(terms, ' ', '')) END), 0) terms
				FROM memory_chunks WHERE key >= ?2 AND key < ?3) gone WHERE workspace = ?1`, []any{ws, from, to}},
			{`DELETE FROM memory_index WHERE rowid IN (SELECT key FROM memory_chunks WHERE key >= ? AND key < ?)`, []any{from, to}},
			{`DELETE FROM memory_chunks WHERE key >= ? AND key < ?`, []any{from, to}},
			{`DELETE FROM memory_readers WHERE item = ?`, []any{seq}},
			{`DELETE FROM memory_people WHERE item = ?`, []any{seq}},
			{`DELETE FROM memory_items WHERE workspace = ? AND seq = ?`, []any{ws, seq}},
		} {
			if _, err := tx.ExecContext(ctx, q.text, q.args...); err != nil {
				return err
			}
		}
	}
	return nil
}
