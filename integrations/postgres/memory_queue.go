package postgres

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"
	"github.com/pgvector/pgvector-go"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/memory"
)

// queued is an item of the queue that this process has claimed.
type queued struct {
	seq, next int64
	title     string
	live      bool
}

// Work implements memory.Index. Replicas claim items for memory.ClaimTime, by
// their own clocks.
func (m *Memories) Work(ctx context.Context, generation int64, most int) (memory.Work, error) {
	w := memory.Work{Generation: generation}
	now := m.db.now()
	free := `generation = $1 AND (claimed IS NULL OR claimed < $2)`
	err := m.db.watch(ctx, func(tx pgx.Tx) error {
		ws, _, err := first(tx.QueryRow(ctx, `SELECT workspace FROM memory_queue WHERE `+free+` ORDER BY item LIMIT 1`, generation, now), scanText)
		w.Workspace = agent.WorkspaceID(ws)
		return err
	})
	if err != nil || w.Workspace == "" {
		return memory.Work{}, wrap("take work", err)
	}
	err = m.db.transact(ctx, begin("begin", roleApp, w.Workspace), func(tx pgx.Tx) error {
		items, err := every(ctx, tx, func(row sqlRow) (q queued, err error) {
			err = row.Scan(&q.seq, &q.next, &q.title, &q.live)
			return q, err
		}, `WITH mine AS MATERIALIZED (SELECT item FROM memory_queue WHERE `+free+` AND workspace = $3 ORDER BY item LIMIT $4 FOR UPDATE SKIP LOCKED)
			UPDATE memory_queue q SET claimed = $5 FROM mine JOIN memory_items i ON i.seq = mine.item
			WHERE q.generation = $1 AND q.item = mine.item
			RETURNING q.item, q.next, i.title, i.forgotten IS NULL AND i.superseded_by = ''`,
			generation, now, w.Workspace, most, now.Add(memory.ClaimTime))
		if err != nil {
			return err
		}
		slices.SortFunc(items, func(a, b queued) int { return cmp.Compare(a.seq, b.seq) })
		return fillWork(ctx, tx, &w, items, most)
	})
	if err != nil {
		return memory.Work{}, wrap("take work", err)
	}
	return w, nil
}

// fillWork reads the passages of the claimed items, at most so many, and gives
// back what is left.
func fillWork(ctx context.Context, tx pgx.Tx, w *memory.Work, items []queued, most int) error {
	var back, dead []int64
	for _, q := range items {
		switch {
		case !q.live:
			dead = append(dead, q.seq)
		case len(w.Keys) >= most:
			back = append(back, q.seq)
		default:
			if err := takeItem(ctx, tx, w, q, most-len(w.Keys)); err != nil {
				return err
			}
		}
	}
	if _, err := tx.Exec(ctx, `UPDATE memory_queue SET claimed = NULL WHERE workspace = $1 AND generation = $2 AND item = ANY ($3)`, w.Workspace, w.Generation, back); err != nil {
		return err
	}
	_, err := tx.Exec(ctx, `DELETE FROM memory_queue WHERE workspace = $1 AND generation = $2 AND item = ANY ($3)`, w.Workspace, w.Generation, dead)
	return err
}

// takeItem adds the next passages of the item that have no vector, at most so many.
func takeItem(ctx context.Context, tx pgx.Tx, w *memory.Work, q queued, most int) error {
	from, to := memory.KeyRange(q.seq)
	chunks, err := every(ctx, tx, scanChunk, `SELECT `+chunkColumns+` FROM memory_chunks c WHERE c.workspace = $1 AND c.key >= $2 AND c.key < $3
		AND NOT EXISTS (SELECT 1 FROM `+vectorTable(w.Generation)+` v WHERE v.key = c.key) ORDER BY c.key LIMIT $4`, w.Workspace, from+q.next, to, most)
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
	var keys []int64
	var texts []string
	for n, key := range w.Keys {
		if unit := memory.Unit(vectors[n]); unit != nil {
			keys = append(keys, key)
			texts = append(texts, pgvector.NewHalfVector(unit).String())
		}
	}
	schema, err := m.vectorSchema(ctx)
	if err != nil {
		return err
	}
	err = m.db.transact(ctx, begin("begin", roleApp, w.Workspace), func(tx pgx.Tx) error {
		g, err := generationIn(ctx, tx, w.Generation)
		if err != nil {
			return err
		}
		if err := memory.CheckDimensions(vectors, g.Dimension); err != nil {
			return err
		}
		var mine []int64
		for _, part := range w.Items {
			settled, err := settlePart(ctx, tx, w, part)
			if err != nil {
				return err
			}
			if settled {
				mine = append(mine, part.Seq)
			}
		}
		_, err = tx.Exec(ctx, `INSERT INTO `+vectorTable(w.Generation)+` (key, workspace, audience, embedding)
			SELECT v.key, i.workspace, i.audience, v.embedding::`+schema+`.halfvec FROM unnest($2::bigint[], $3::text[]) v (key, embedding)
			JOIN memory_chunks c ON c.key = v.key JOIN memory_items i ON i.seq = v.key >> 16
			WHERE i.workspace = $1 AND i.seq = ANY ($4) AND i.forgotten IS NULL AND i.superseded_by = '' ON CONFLICT DO NOTHING`, w.Workspace, keys, texts, mine)
		return err
	})
	return wrap("save vectors", err)
}

// settlePart moves the queue past the part; false says that another has, or that
// the item is gone.
func settlePart(ctx context.Context, tx pgx.Tx, w memory.Work, part memory.WorkItem) (bool, error) {
	query, args := `UPDATE memory_queue SET next = $5, claimed = NULL WHERE workspace = $1 AND generation = $2 AND item = $3 AND next = $4`,
		[]any{w.Workspace, w.Generation, part.Seq, part.From, part.To}
	if part.Done {
		query, args = `DELETE FROM memory_queue WHERE workspace = $1 AND generation = $2 AND item = $3 AND next = $4`, args[:4]
	}
	r, err := tx.Exec(ctx, query, args...)
	return r.RowsAffected() > 0, err
}

// Sample implements memory.Index: every so-manieth passage of each workspace.
func (m *Memories) Sample(ctx context.Context, most int) ([]memory.Sample, error) {
	if most <= 0 {
		return nil, nil
	}
	var workspaces []string
	err := m.db.watch(ctx, func(tx pgx.Tx) (err error) {
		workspaces, err = every(ctx, tx, scanText, `SELECT workspace FROM memory_items WHERE forgotten IS NULL AND superseded_by = ''
			GROUP BY workspace ORDER BY count(*) DESC, workspace LIMIT $1`, most)
		return err
	})
	var all []memory.Sample
	for n := 0; err == nil && n < len(workspaces); n++ {
		share := max(1, (most-len(all))/(len(workspaces)-n))
		var found []memory.Sample
		found, err = list(ctx, m.db, agent.WorkspaceID(workspaces[n]), scanSample, `WITH live AS (SELECT c.key, row_number() OVER (ORDER BY c.key) n, count(*) OVER () total
			FROM memory_items i JOIN memory_chunks c ON c.workspace = i.workspace AND c.key >= i.seq << 16 AND c.key < (i.seq + 1) << 16
			WHERE i.workspace = $1 AND i.forgotten IS NULL AND i.superseded_by = '')
			SELECT `+itemColumns+`, `+chunkColumns+` FROM live l JOIN memory_chunks c ON c.key = l.key JOIN memory_items i ON i.seq = c.key >> 16
			WHERE l.n % ((l.total + $2 - 1) / $2) = 0 ORDER BY c.key LIMIT $2`, workspaces[n], share)
		all = append(all, found...)
	}
	if err != nil {
		return nil, wrap("sample memory", err)
	}
	return all[:min(len(all), most)], nil
}

func scanSample(row sqlRow) (s memory.Sample, err error) {
	var i storedItem
	var c storedChunk
	err = row.Scan(append(i.columns(), c.columns()...)...)
	c.N = memory.ChunkOf(c.key)
	return memory.Sample{Key: c.key, Item: i.Item, Chunk: c.Chunk}, err
}

func wrap(what string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", what, err)
}
