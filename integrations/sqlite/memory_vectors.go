package sqlite

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/agent/audit"
	"github.com/sous-hq/sous/memory"
)

var _ memory.Index = (*Memories)(nil)

// maxDimension bounds vectors; no model of today is near it.
const maxDimension = 16_384

const generationColumns = `g.id, g.model, g.dimension, g.state, g.created`

func scanGeneration(row sqlRow) (g memory.Generation, err error) {
	err = row.Scan(&g.ID, &g.Model, &g.Dimension, &g.State, timeOf(&g.Created))
	return g, err
}

// Able implements memory.Index: the file needs nothing for it.
func (m *Memories) Able(context.Context) error { return nil }

// Generations implements memory.Index.
func (m *Memories) Generations(ctx context.Context) ([]memory.Generation, error) {
	all, err := every(ctx, m.db.sql, scanGeneration, `SELECT `+generationColumns+` FROM memory_generations g
		ORDER BY CASE g.state WHEN 'current' THEN 0 WHEN 'building' THEN 1 ELSE 2 END, g.id`)
	if err != nil {
		return nil, m.db.publicError(fmt.Errorf("list generations: %w", err))
	}
	return all, nil
}

// Progress implements memory.Index.
func (m *Memories) Progress(ctx context.Context, generation int64) (vectors, waiting int64, err error) {
	err = m.db.sql.QueryRowContext(ctx, `SELECT (SELECT count(*) FROM memory_vectors WHERE generation = ?1),
		(SELECT count(*) FROM memory_queue WHERE generation = ?1)`, generation).Scan(&vectors, &waiting)
	if err != nil {
		err = m.db.publicError(fmt.Errorf("count a generation: %w", err))
	}
	return vectors, waiting, err
}

// generation returns one by its id, else NotFound.
func generation(ctx context.Context, q sqlHandle, id int64) (memory.Generation, error) {
	g, ok, err := first(q.QueryRowContext(ctx, `SELECT `+generationColumns+` FROM memory_generations g WHERE g.id = ?`, id), scanGeneration)
	if err == nil && !ok {
		err = agent.Errorf(agent.NotFound, "there is no generation %d of vectors", id)
	}
	return g, err
}

// Begin implements memory.Index.
func (m *Memories) Begin(ctx context.Context, model string, dimension int) (g memory.Generation, err error) {
	if model == "" || dimension < 1 || dimension > maxDimension {
		return g, agent.Errorf(agent.Invalid, "vectors of %d dimensions cannot be kept; at most %d", dimension, maxDimension)
	}
	now := m.db.now()
	err = m.db.tx(ctx, func(tx *sql.Tx) error {
		var there bool
		g, there, err = first(tx.QueryRowContext(ctx, `SELECT `+generationColumns+` FROM memory_generations g WHERE g.state = 'building'`), scanGeneration)
		switch {
		case err != nil:
			return err
		case there && (g.Model != model || g.Dimension != dimension):
			return agent.Errorf(agent.Conflict, "vectors of %s with %d dimensions are being made; wait for them or cancel that first", g.Model, g.Dimension)
		case there:
			return nil
		}
		r, err := tx.ExecContext(ctx, `INSERT INTO memory_generations (model, dimension, state, created) VALUES (?, ?, 'building', ?)`, model, dimension, timeOf(&now))
		if err != nil {
			return err
		}
		id, err := r.LastInsertId()
		if err != nil {
			return err
		}
		g = memory.Generation{ID: id, Model: model, Dimension: dimension, State: memory.Building, Created: now}
		_, err = tx.ExecContext(ctx, `INSERT INTO memory_queue (generation, item) SELECT ?, seq FROM memory_items WHERE forgotten IS NULL AND superseded_by = ''`, id)
		return err
	})
	if err != nil {
		return g, fmt.Errorf("begin a generation: %w", err)
	}
	return g, nil
}

// queued is an item of the queue.
type queued struct {
	seq, next int64
	workspace agent.WorkspaceID
	title     string
}

// Work implements memory.Index. One process works on the file, so nothing is
// claimed: what a process did not finish is simply still queued.
func (m *Memories) Work(ctx context.Context, generation int64, most int) (memory.Work, error) {
	w := memory.Work{Generation: generation}
	err := m.db.tx(ctx, func(tx *sql.Tx) error {
		items, err := every(ctx, tx, func(row sqlRow) (q queued, err error) {
			err = row.Scan(&q.seq, &q.next, &q.workspace, &q.title)
			return q, err
		}, `SELECT q.item, q.next, i.workspace, i.title FROM memory_queue q JOIN memory_items i ON i.seq = q.item WHERE q.generation = ? ORDER BY q.item LIMIT ?`, generation, most)
		if err != nil {
			return err
		}
		for _, q := range items {
			if len(w.Keys) >= most || w.Workspace != "" && q.workspace != w.Workspace {
				break
			}
			w.Workspace = q.workspace
			if err := take(ctx, tx, &w, q, most-len(w.Keys)); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return memory.Work{}, fmt.Errorf("take work: %w", err)
	}
	return w, nil
}

// take adds the next passages of the item that have no vector, at most so many.
func take(ctx context.Context, tx *sql.Tx, w *memory.Work, q queued, most int) error {
	chunks, err := every(ctx, tx, scanChunk, `SELECT `+chunkColumns+` FROM memory_chunks c WHERE c.key >= ? AND c.key < ?
		AND NOT EXISTS (SELECT 1 FROM memory_vectors v WHERE v.key = c.key AND v.generation = ?) ORDER BY c.key LIMIT ?`,
		q.seq<<memory.KeyShift|q.next, (q.seq+1)<<memory.KeyShift, w.Generation, most)
	if err != nil {
		return err
	}
	part := memory.WorkItem{Seq: q.seq, From: int(q.next), To: int(q.next), Done: len(chunks) < most}
	for _, c := range chunks {
		w.Keys = append(w.Keys, c.key)
		w.Texts = append(w.Texts, memory.EmbeddedText(q.title, c.Chunk))
		part.To = c.N + 1
	}
	w.Items = append(w.Items, part)
	return nil
}

// SaveVectors implements memory.Index.
func (m *Memories) SaveVectors(ctx context.Context, w memory.Work, vectors [][]float32) error {
	if len(vectors) != len(w.Keys) {
		return fmt.Errorf("save vectors: %d for %d passages", len(vectors), len(w.Keys))
	}
	err := m.db.tx(ctx, func(tx *sql.Tx) error {
		g, err := generation(ctx, tx, w.Generation)
		if err != nil {
			return err
		}
		if err := memory.CheckDimensions(vectors, g.Dimension); err != nil {
			return err
		}
		mine := map[int64]bool{}
		for _, part := range w.Items {
			settled, err := settlePart(ctx, tx, w.Generation, part)
			if err != nil {
				return err
			}
			mine[part.Seq] = settled
		}
		insert, err := tx.PrepareContext(ctx, `INSERT INTO memory_vectors (generation, key, code)
			SELECT ?1, ?2, ?3 WHERE EXISTS (SELECT 1 FROM memory_chunks WHERE key = ?2) ON CONFLICT DO NOTHING`)
		if err != nil {
			return err
		}
		defer insert.Close()
		for n, key := range w.Keys {
			code := memory.EncodeVector(vectors[n])
			if code == nil || !mine[memory.ItemOf(key)] {
				continue
			}
			if _, err := insert.ExecContext(ctx, w.Generation, key, []byte(code)); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("save vectors: %w", err)
	}
	return nil
}

// settlePart moves the queue past the part; false says that another has, or that
// the item is gone.
func settlePart(ctx context.Context, tx *sql.Tx, generation int64, part memory.WorkItem) (bool, error) {
	query, args := `UPDATE memory_queue SET next = ?4 WHERE generation = ?1 AND item = ?2 AND next = ?3`, []any{generation, part.Seq, part.From, part.To}
	if part.Done {
		query, args = `DELETE FROM memory_queue WHERE generation = ?1 AND item = ?2 AND next = ?3`, args[:3]
	}
	r, err := tx.ExecContext(ctx, query, args...)
	if err != nil {
		return false, err
	}
	n, err := r.RowsAffected()
	return n > 0, err
}

// Seal implements memory.Index: the scan needs nothing built.
func (m *Memories) Seal(context.Context, int64) error { return nil }

// Switch implements memory.Index.
func (m *Memories) Switch(ctx context.Context, by agent.Actor, id int64, note string) error {
	err := m.db.tx(ctx, func(tx *sql.Tx) error {
		g, err := generation(ctx, tx, id)
		if err != nil {
			return err
		}
		if g.State != memory.Building {
			return agent.Errorf(agent.Conflict, "generation %d of vectors is not being built", id)
		}
		if _, err := tx.ExecContext(ctx, `UPDATE memory_generations SET state = 'retired' WHERE state = 'current'`); err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, `UPDATE memory_generations SET state = 'current' WHERE id = ?`, id); err != nil {
			return err
		}
		return m.db.record(ctx, tx, audit.Entry{Workspace: by.Workspace, Kind: audit.MemoryWritten, Actor: by.ID, Note: note})
	})
	if err != nil {
		return fmt.Errorf("switch generations: %w", err)
	}
	return nil
}

// dropStep is how many vectors go in one transaction, so that others get theirs.
const dropStep = 5000

// Drop implements memory.Index.
func (m *Memories) Drop(ctx context.Context, id int64) error {
	var last int64
	if err := m.db.sql.QueryRowContext(ctx, `SELECT COALESCE(max(n), 0) FROM memory_vectors`).Scan(&last); err != nil {
		return m.db.publicError(fmt.Errorf("drop a generation: %w", err))
	}
	for n := int64(0); n <= last; n += dropStep {
		err := m.db.tx(ctx, func(tx *sql.Tx) error {
			g, err := generation(ctx, tx, id)
			if err != nil {
				return err
			}
			if g.State == memory.Current {
				return agent.Errorf(agent.Conflict, "generation %d of vectors is in use", id)
			}
			if _, err := tx.ExecContext(ctx, `DELETE FROM memory_vectors WHERE generation = ? AND n > ? AND n <= ?`, id, n, n+dropStep); err != nil {
				return err
			}
			if n+dropStep <= last {
				return nil
			}
			_, err = tx.ExecContext(ctx, `DELETE FROM memory_generations WHERE id = ?`, id)
			return err
		})
		if err != nil {
			return fmt.Errorf("drop a generation: %w", err)
		}
	}
	return nil
}

// Sample implements memory.Index: every so-manieth passage, by key.
func (m *Memories) Sample(ctx context.Context, most int) ([]memory.Sample, error) {
	if most <= 0 {
		return nil, nil
	}
	found, err := every(ctx, m.db.sql, scanSample, `WITH live AS (SELECT c.key, row_number() OVER (ORDER BY c.key) n, count(*) OVER () total
		FROM memory_items i JOIN memory_chunks c ON c.key >= i.seq << 16 AND c.key < (i.seq + 1) << 16
		WHERE i.forgotten IS NULL AND i.superseded_by = '')
		SELECT `+itemColumns+`, `+chunkColumns+` FROM live l JOIN memory_chunks c ON c.key = l.key JOIN memory_items i ON i.seq = c.key >> 16
		WHERE l.n % ((l.total + ?1 - 1) / ?1) = 0 ORDER BY c.key LIMIT ?1`, most)
	if err != nil {
		return nil, m.db.publicError(fmt.Errorf("sample memory: %w", err))
	}
	return found, nil
}

func scanSample(row sqlRow) (s memory.Sample, err error) {
	var i storedItem
	var c storedChunk
	err = row.Scan(append(i.columns(), c.columns()...)...)
	c.N = memory.ChunkOf(c.key)
	return memory.Sample{Key: c.key, Item: i.Item, Chunk: c.Chunk}, err
}
