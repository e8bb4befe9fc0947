package postgres

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/memory"
)

// Search implements memory.Store. It is one consistent read.
func (m *Memories) Search(ctx context.Context, s memory.Search) (hits []memory.Hit, err error) {
	err = m.db.transact(ctx, begin("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY", roleApp, s.Reader.Workspace), func(tx pgx.Tx) (err error) {
		hits, err = m.search(ctx, tx, s)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("search memory: %w", err)
	}
	return hits, nil
}

func (m *Memories) search(ctx context.Context, tx pgx.Tx, s memory.Search) ([]memory.Hit, error) {
	if len(s.Terms) == 0 {
		keys, err := newest(ctx, tx, s)
		if err != nil {
			return nil, err
		}
		ranked := make([]memory.Ranked, len(keys))
		for n, k := range keys {
			ranked[n].Key = k
		}
		return load(ctx, tx, s, ranked)
	}
	keys, c, err := candidates(ctx, tx, s)
	if err != nil || len(keys) == 0 {
		return nil, err
	}
	passages, err := m.passages(ctx, tx, keys)
	if err != nil {
		return nil, err
	}
	return load(ctx, tx, s, memory.Rank(s, c, passages, nil))
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

// readableQuery also counts the workspace's corpus, once for all rows.
const readableQuery = `SELECT i.seq, i.chunks, (SELECT c.chunks FROM memory_corpus c WHERE c.workspace = $1), (SELECT c.terms FROM memory_corpus c WHERE c.workspace = $1)
	FROM unnest($4::bigint[]) k (seq) JOIN memory_items i ON i.seq = k.seq WHERE ` + liveAndReadable

// candidates returns, in order, the keys of the readable live chunks that are
// ranked, with what stands within memory.Reach of them, and the size of the
// corpus.
func candidates(ctx context.Context, tx pgx.Tx, s memory.Search) ([]int64, memory.Corpus, error) {
	found, err := match(ctx, tx, s)
	if err != nil || len(found.keys) == 0 {
		return nil, memory.Corpus{}, err
	}
	items, err := readableItems(ctx, tx, s.Reader, found.keys)
	if err != nil || len(items) == 0 {
		return nil, memory.Corpus{}, err
	}
	counts := make(map[int64]int64, len(items))
	for _, i := range items {
		counts[i.seq] = i.chunks
	}
	corpus := items[0].corpus
	corpus.Frequent = memory.Frequencies(found.frequent, corpus)
	keys := memory.Spread(found.keys, counts)
	points, err := points(ctx, tx, s, items)
	if err == nil && len(points) > 0 {
		keys = append(keys, points...)
		slices.Sort(keys)
		keys = slices.Compact(keys)
	}
	return keys, corpus, err
}

// pointsQuery is bounded: a query is about some meetings, not about hundreds.
const pointsQuery = `SELECT c.key FROM unnest($1::bigint[]) WITH ORDINALITY k (seq, n) JOIN memory_chunks c ON c.workspace = $3 AND c.kind = $2
	AND c.kind IN ('decision', 'action', 'question') AND c.key >= k.seq << 16 AND c.key < (k.seq + 1) << 16 ORDER BY k.n, c.key LIMIT 500`

// points returns the keys of the chunks of the favoured kinds in the items, the
// newest items first.
func points(ctx context.Context, tx pgx.Tx, s memory.Search, items []readableItem) ([]int64, error) {
	var found []int64
	for _, kind := range s.Favour {
		seqs := make([]int64, 0, len(items))
		for _, i := range slices.Backward(items) {
			seqs = append(seqs, i.seq)
		}
		keys, err := every(ctx, tx, scanInt, pointsQuery, seqs, kind, s.Reader.Workspace)
		if err != nil {
			return nil, err
		}
		found = append(found, keys...)
	}
	return found, nil
}

// readableItem is an item that the reader may read and that is live.
type readableItem struct {
	seq, chunks int64
	corpus      memory.Corpus
}

// readableItems returns those of the items of these chunks, whose keys are in
// order, that the reader may read and that are live.
func readableItems(ctx context.Context, tx pgx.Tx, reader agent.Actor, keys []int64) ([]readableItem, error) {
	seqs := memory.ItemsOf(keys)
	return every(ctx, tx, func(row sqlRow) (i readableItem, err error) {
		err = row.Scan(&i.seq, &i.chunks, &i.corpus.Chunks, &i.corpus.Terms)
		return i, err
	}, readableQuery, append(readerArgs(reader), seqs)...)
}

//nolint:gosec // a query, no password
const passageQuery = `SELECT c.key, CASE c.kind WHEN '' THEN i.kind ELSE c.kind END, i.kind, COALESCE(c.at, i.at),
	c.terms, i.title_terms, c.speaker_words
	FROM unnest($1::bigint[]) k (key) JOIN memory_chunks c ON c.key = k.key JOIN memory_items i ON i.seq = c.key >> 16`

// passages returns the passages of the keys in order, from the cache or the database.
func (m *Memories) passages(ctx context.Context, tx pgx.Tx, keys []int64) ([]*memory.Passage, error) {
	passages, missing := m.cache.Get(keys)
	if len(missing) == 0 {
		return passages, nil
	}
	read, err := every(ctx, tx, scanPassage, passageQuery, missing)
	if err != nil {
		return nil, err
	}
	loaded := make(map[int64]*memory.Passage, len(read))
	for _, p := range read {
		loaded[p.Key] = p
	}
	m.cache.Put(loaded)
	for n, p := range passages {
		if p == nil {
			passages[n] = loaded[keys[n]]
		}
	}
	// A chunk erased since it was matched is in neither.
	return slices.DeleteFunc(passages, func(p *memory.Passage) bool { return p == nil }), nil
}

func scanPassage(row sqlRow) (*memory.Passage, error) {
	var p memory.Passage
	var terms, title, speaker string
	if err := row.Scan(&p.Key, &p.Kind, &p.ItemKind, timeOf(&p.At), &terms, &title, &speaker); err != nil {
		return nil, err
	}
	p.Item = memory.ItemOf(p.Key)
	p.SetWords(strings.Fields(terms), strings.Fields(title), strings.Fields(speaker))
	return &p, nil
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
