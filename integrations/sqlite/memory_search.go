package sqlite

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/memory"
)

// Search implements memory.Store.
func (m *Memories) Search(ctx context.Context, s memory.Search) ([]memory.Hit, error) {
	hits, err := m.search(ctx, s)
	if err != nil {
		return nil, fmt.Errorf("search memory: %w", m.db.publicError(err))
	}
	return hits, nil
}

func (m *Memories) search(ctx context.Context, s memory.Search) ([]memory.Hit, error) {
	if len(s.Terms) == 0 {
		keys, err := m.newest(ctx, s)
		if err != nil {
			return nil, err
		}
		ranked := make([]memory.Ranked, len(keys))
		for n, k := range keys {
			ranked[n].Key = k
		}
		return m.load(ctx, s, ranked)
	}
	near, err := m.nearest(ctx, s)
	if err != nil {
		return nil, err
	}
	keys, c, err := m.candidates(ctx, s, near)
	if err != nil || len(keys) == 0 {
		return nil, err
	}
	passages, err := m.passages(ctx, keys)
	if err != nil {
		return nil, err
	}
	return m.load(ctx, s, memory.Rank(s, c, passages, near))
}

// newest returns the keys of the newest chunks, see memory.Store.
func (m *Memories) newest(ctx context.Context, s memory.Search) ([]int64, error) {
	where, args := liveAndReadable, readerArgs(s.Reader)
	add := func(cond string, with ...any) {
		where += ` AND ` + cond
		args = append(args, with...)
	}
	at := `COALESCE(c.at, i.at)`
	if !s.Since.IsZero() {
		add(at+` >= ?`, timeOf(&s.Since))
	}
	if !s.Until.IsZero() {
		add(at+` < ?`, timeOf(&s.Until))
	}
	if len(s.Kinds) > 0 {
		add(`(c.kind IN `+marks(len(s.Kinds))+` OR i.kind IN `+marks(len(s.Kinds))+`)`, append(anyKinds(s.Kinds), anyKinds(s.Kinds)...)...)
	}
	if len(s.Favour) > 0 {
		add(`(CASE c.kind WHEN '' THEN i.kind ELSE c.kind END) IN `+marks(len(s.Favour)), anyKinds(s.Favour)...)
	}
	for _, w := range s.Speaker {
		add(`instr(c.speaker_words, ?) > 0`, " "+w+" ")
	}
	pick, group := `c.key`, ``
	if !s.Narrow() {
		pick, group = `min(c.key)`, ` GROUP BY i.seq`
	}
	return every(ctx, m.db.sql, scanInt, `SELECT `+pick+` FROM memory_items i JOIN memory_chunks c
		ON c.key >= i.seq << 16 AND c.key < (i.seq + 1) << 16 WHERE `+where+group+` ORDER BY i.at DESC, i.seq DESC, c.key LIMIT ?`, append(args, s.Limit)...)
}

// readableQuery also counts the workspace's corpus, once for all rows.
const readableQuery = `SELECT i.seq, i.chunks, (SELECT c.chunks FROM memory_corpus c WHERE c.workspace = ?1), (SELECT c.terms FROM memory_corpus c WHERE c.workspace = ?1)
	FROM json_each(?4) k CROSS JOIN memory_items i ON i.seq = k.value WHERE ` + liveAndReadable

// candidates returns, in order, the keys of the readable live chunks that are
// ranked, with what stands within memory.Reach of them, and the size of the
// corpus. near are candidates too.
func (m *Memories) candidates(ctx context.Context, s memory.Search, near memory.Nearest) ([]int64, memory.Corpus, error) {
	found, err := m.match(ctx, s)
	if err != nil {
		return nil, memory.Corpus{}, err
	}
	if len(near) > 0 {
		found.keys = memory.Merge(found.keys, slices.Collect(maps.Keys(near)))
	}
	if len(found.keys) == 0 {
		return nil, memory.Corpus{}, nil
	}
	items, err := m.readableItems(ctx, s.Reader, found.keys)
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
	points, err := m.points(ctx, s.Favour, items)
	if err == nil && len(points) > 0 {
		keys = memory.Merge(keys, points)
	}
	return keys, corpus, err
}

// pointsQuery is bounded: a query is about some meetings, not about hundreds.
const pointsQuery = `SELECT c.key FROM json_each(?1) k CROSS JOIN memory_chunks c ON c.kind = ?2
	AND c.kind IN ('decision', 'action', 'question') AND c.key >= k.value << 16 AND c.key < (k.value + 1) << 16 LIMIT 500`

// points returns the keys of the chunks of the favoured kinds in the items, the
// newest items first.
func (m *Memories) points(ctx context.Context, favour []memory.Kind, items []readableItem) ([]int64, error) {
	var found []int64
	for _, kind := range favour {
		seqs := make([]int64, 0, len(items))
		for _, i := range slices.Backward(items) {
			seqs = append(seqs, i.seq)
		}
		keys, err := prepared(ctx, m, scanInt, pointsQuery, jsonInts(seqs), kind)
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
func (m *Memories) readableItems(ctx context.Context, reader agent.Actor, keys []int64) ([]readableItem, error) {
	seqs := memory.ItemsOf(keys)
	return prepared(ctx, m, func(row sqlRow) (i readableItem, err error) {
		err = row.Scan(&i.seq, &i.chunks, &i.corpus.Chunks, &i.corpus.Terms)
		return i, err
	}, readableQuery, append(readerArgs(reader), jsonInts(seqs))...)
}

//nolint:gosec // a query, no password
const passageQuery = `SELECT c.key, CASE c.kind WHEN '' THEN i.kind ELSE c.kind END, i.kind, COALESCE(c.at, i.at),
	c.terms, i.title_terms, c.speaker_words
	FROM json_each(?) k CROSS JOIN memory_chunks c ON c.key = k.value CROSS JOIN memory_items i ON i.seq = c.key >> 16`

// passages returns the passages of the keys in order, from the cache or the file.
func (m *Memories) passages(ctx context.Context, keys []int64) ([]*memory.Passage, error) {
	passages, missing := m.cache.Get(keys)
	if len(missing) == 0 {
		return passages, nil
	}
	read, err := prepared(ctx, m, scanPassage, passageQuery, jsonInts(missing))
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
	p.SetText(terms, title, speaker)
	return &p, nil
}

const (
	hitItemQuery  = `SELECT ` + itemColumns + ` FROM json_each(?4) k CROSS JOIN memory_items i ON i.seq = k.value WHERE ` + liveAndReadable
	hitChunkQuery = `SELECT ` + chunkColumns + ` FROM json_each(?) k CROSS JOIN memory_chunks c ON c.key = k.value`
)

// load returns the hits of ranked chunks, asking once more that the reader may
// read them and that they are live.
func (m *Memories) load(ctx context.Context, s memory.Search, ranked []memory.Ranked) ([]memory.Hit, error) {
	if len(ranked) == 0 {
		return nil, nil
	}
	keys := make([]int64, len(ranked))
	seqs := make([]int64, len(ranked))
	for n, r := range ranked {
		keys[n], seqs[n] = r.Key, memory.ItemOf(r.Key)
	}
	slices.Sort(seqs)
	items, err := prepared(ctx, m, scanItem, hitItemQuery, append(readerArgs(s.Reader), jsonInts(slices.Compact(seqs)))...)
	if err != nil {
		return nil, err
	}
	chunks, err := prepared(ctx, m, scanChunk, hitChunkQuery, jsonInts(keys))
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

func scanInt(row sqlRow) (n int64, err error) {
	err = row.Scan(&n)
	return n, err
}

func jsonInts(ns []int64) string {
	b := make([]byte, 0, 2+12*len(ns))
	b = append(b, '[')
	for i, n := range ns {
		if i > 0 {
			b = append(b, ',')
		}
		b = strconv.AppendInt(b, n, 10)
	}
	return string(append(b, ']'))
}

// prepared is every over a statement that is prepared once for each connection.
func prepared[T any](ctx context.Context, m *Memories, scan func(sqlRow) (T, error), query string, args ...any) ([]T, error) {
	m.mu.Lock()
	stmt, err := m.statements[query], error(nil)
	if stmt == nil {
		if stmt, err = m.db.sql.PrepareContext(ctx, query); err == nil {
			m.statements[query] = stmt
		}
	}
	m.mu.Unlock()
	if err != nil {
		return nil, err
	}
	rows, err := stmt.QueryContext(ctx, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var all []T
	for rows.Next() {
		v, err := scan(rows)
		if err != nil {
			return nil, err
		}
		all = append(all, v)
	}
	return all, rows.Err()
}
