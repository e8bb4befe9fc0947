package postgres

import (
	"context"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/sous-hq/sous/memory"
)

// Search implements memory.Store. Words and vectors are searched by one statement;
// see memory_recall.sql.
func (m *Memories) Search(ctx context.Context, s memory.Search) (hits []memory.Hit, err error) {
	switch {
	case s.Reader.Workspace == "" || s.Reader.ID == "":
		return nil, nil
	case len(s.Terms) == 0:
		hits, err = m.newestHits(ctx, s)
	default:
		hits, err = m.answer(ctx, s)
		if undefinedTable(err) {
			// The generation was dropped after this process looked at which there are.
			m.known.forget()
			hits, err = m.answer(ctx, s)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("search memory: %w", err)
	}
	return hits, nil
}

// newestHits is one consistent read.
func (m *Memories) newestHits(ctx context.Context, s memory.Search) (hits []memory.Hit, err error) {
	err = m.db.transact(ctx, begin("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY", roleApp, s.Reader.Workspace), func(tx pgx.Tx) error {
		keys, err := newest(ctx, tx, s)
		if err != nil {
			return err
		}
		ranked := make([]memory.Ranked, len(keys))
		for n, k := range keys {
			ranked[n].Key = k
		}
		hits, err = load(ctx, tx, s, ranked)
		return err
	})
	return hits, err
}

// show returns the hits of ranked chunks.
func (m *Memories) show(ctx context.Context, s memory.Search, ranked []memory.Ranked) (hits []memory.Hit, err error) {
	err = m.db.transact(ctx, begin("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY", roleApp, s.Reader.Workspace), func(tx pgx.Tx) error {
		hits, err = load(ctx, tx, s, ranked)
		return err
	})
	return hits, err
}

// newest returns the keys of the newest chunks, see memory.Store.
func newest(ctx context.Context, tx pgx.Tx, s memory.Search) ([]int64, error) {
	w := where{text: liveAndReadable, args: readerArgs(s.Reader)}
	if !s.Since.IsZero() {
		w.and(`COALESCE(c.at, i.at) >= ?`, s.Since)
	}
	if !s.Until.IsZero() {
		w.and(`COALESCE(c.at, i.at) < ?`, s.Until)
	}
	if len(s.Kinds) > 0 {
		w.and(`(c.kind = ANY (?) OR i.kind = ANY (?))`, s.Kinds, s.Kinds)
	}
	if len(s.Favour) > 0 {
		w.and(`(CASE c.kind WHEN '' THEN i.kind ELSE c.kind END) = ANY (?)`, s.Favour)
	}
	for _, word := range s.Speaker {
		w.and(`strpos(c.speaker_words, ?) > 0`, " "+storable(word)+" ")
	}
	pick, group := `c.key`, `, c.key`
	if !s.Narrow() {
		pick, group = `min(c.key)`, ``
	}
	limited := w.bind(`ORDER BY i.at DESC, i.seq DESC, 1 LIMIT ?`, s.Limit)
	return every(ctx, tx, scanInt, `SELECT `+pick+` FROM memory_items i JOIN memory_chunks c
		ON c.workspace = i.workspace AND c.key >= i.seq << 16 AND c.key < (i.seq + 1) << 16 WHERE `+w.text+`
		GROUP BY i.seq`+group+` `+limited, w.args...)
}

const (
	hitItemQuery  = `SELECT ` + itemColumns + ` FROM unnest($4::bigint[]) k (seq) JOIN memory_items i ON i.seq = k.seq WHERE ` + liveAndReadable
	hitChunkQuery = `SELECT ` + chunkColumns + ` FROM unnest($1::bigint[]) k (key) JOIN memory_chunks c ON c.key = k.key`
)

// load returns the hits of ranked chunks, asking once more that the reader may
// read them and that they are live.
func load(ctx context.Context, tx pgx.Tx, s memory.Search, ranked []memory.Ranked) ([]memory.Hit, error) {
	if len(ranked) == 0 {
		return nil, nil
	}
	keys := make([]int64, len(ranked))
	seqs := make([]int64, len(ranked))
	for n, r := range ranked {
		keys[n], seqs[n] = r.Key, memory.ItemOf(r.Key)
	}
	slices.Sort(seqs)
	items, err := every(ctx, tx, scanItem, hitItemQuery, append(readerArgs(s.Reader), slices.Compact(seqs))...)
	if err != nil {
		return nil, err
	}
	chunks, err := every(ctx, tx, scanChunk, hitChunkQuery, keys)
	if err != nil {
		return nil, err
	}
	return assemble(ranked, items, chunks), nil
}

func assemble(ranked []memory.Ranked, items []storedItem, chunks []storedChunk) []memory.Hit {
	bySeq := make(map[int64]memory.Item, len(items))
	for _, i := range items {
		bySeq[i.seq] = i.Item
	}
	byKey := make(map[int64]memory.Chunk, len(chunks))
	for _, c := range chunks {
		byKey[c.key] = c.Chunk
	}
	return memory.Hits(ranked, bySeq, byKey)
}
