package sqlite

import (
	"cmp"
	"context"
	"database/sql"
	"slices"
	"sync"

	"github.com/sous-hq/sous/memory"
)

// nearCount is how many of the nearest passages count for one query, and
// candidates how many the scan by signs gives for them to be picked from.
const (
	nearCount  = 60
	candidates = 256
	// widest bounds how far the candidates are widened when many of them turn out
	// not to be live or not to be spoken by whom the search names.
	widest = 16 * candidates
)

// flatIndex is the copy in memory of a generation's vectors. It is read when the
// first query needs it and follows the table, which it reads from where it stands.
type flatIndex struct {
	mu         sync.Mutex
	generation int64
	flat       *memory.Flat
	last       int64
}

// nearest returns the passages nearest to the search's vector that the reader may
// read, that are live and that the filters let pass. Without a vector, or when the
// generation is of another model, there are none; a vector of another dimension is
// a Conflict.
func (m *Memories) nearest(ctx context.Context, s memory.Search) (memory.Nearest, error) {
	if len(s.Vector) == 0 {
		return nil, nil
	}
	g, ok, err := first(m.db.sql.QueryRowContext(ctx, `SELECT `+generationColumns+` FROM memory_generations g
		WHERE g.id = ?1 OR ?1 = 0 AND g.state = 'current'`, s.Generation), scanGeneration)
	if err != nil || !ok || g.Model != s.Model {
		return nil, err
	}
	if err := memory.CheckDimensions([][]float32{s.Vector}, g.Dimension); err != nil {
		return nil, err
	}
	scan, err := m.scan(ctx, s, g)
	if err != nil || scan == nil {
		return nil, err
	}
	for most := candidates; ; most *= 4 {
		rows := scan(most)
		near, err := m.rescore(ctx, s, rows)
		if err != nil || len(near) >= nearCount || len(rows) < most || most >= widest {
			return bestOf(near), err
		}
	}
}

// scan returns what gives the vectors nearest to the search's by their signs, at
// most so many, of passages of audiences the reader belongs to; nil when the
// reader belongs to none. So what others may read never takes a place from what
// the reader may, however much of it there is.
func (m *Memories) scan(ctx context.Context, s memory.Search, g memory.Generation) (func(most int) []int64, error) {
	flat, err := m.flatOf(ctx, g)
	if err != nil {
		return nil, err
	}
	audiences, err := prepared(ctx, m, scanInt, audienceQuery, readerArgs(s.Reader)...)
	if err != nil || len(audiences) == 0 {
		return nil, err
	}
	pass := s.MarkFilter(audiences)
	return func(most int) []int64 { return flat.Nearest(s.Vector, most, pass) }, nil
}

// audienceQuery lists the audiences the reader belongs to.
const audienceQuery = `SELECT a.id FROM memory_audiences a WHERE a.workspace = ?1 AND ?2 <> '' AND (a.scope = 'public' OR a.scope = 'workspace' AND ?3)
	UNION ALL SELECT r.audience FROM memory_audience_readers r JOIN memory_audiences a ON a.id = r.audience AND a.workspace = ?1 AND a.scope = ''
	WHERE r.actor = ?2 AND ?2 <> ''`

// flatOf returns the copy in memory of the generation's vectors, up to date.
func (m *Memories) flatOf(ctx context.Context, g memory.Generation) (*memory.Flat, error) {
	f := &m.current
	if g.State != memory.Current {
		f = &m.building
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.flat == nil || f.generation != g.ID {
		f.flat, f.generation, f.last = memory.NewFlat(g.Dimension), g.ID, 0
	}
	var last int64
	err := m.db.sql.QueryRowContext(ctx, `SELECT COALESCE(max(n), 0) FROM memory_vectors`).Scan(&last)
	if err != nil || last == f.last {
		return f.flat, err
	}
	rows, err := m.db.sql.QueryContext(ctx, `SELECT v.n, v.code, i.audience, COALESCE(c.at, i.at), CASE c.kind WHEN '' THEN i.kind ELSE c.kind END, i.kind
		FROM memory_vectors v CROSS JOIN memory_chunks c ON c.key = v.key CROSS JOIN memory_items i ON i.seq = v.key >> 16
		WHERE v.generation = ? AND v.n > ? AND v.n <= ? ORDER BY v.n`, g.ID, f.last, last)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var n, at int64
		var audience int32
		var code sql.RawBytes
		var kind, itemKind memory.Kind
		if err := rows.Scan(&n, &code, &audience, &at, &kind, &itemKind); err != nil {
			return nil, err
		}
		f.flat.Add(memory.NewMark(n, audience, at, kind, itemKind), memory.Code(code))
		f.last = n
	}
	if err := rows.Err(); err != nil {
		return nil, err
	}
	f.last = last
	return f.flat, nil
}

const rescoreQuery = `SELECT v.key, v.code FROM json_each(?4) k CROSS JOIN memory_vectors v ON v.n = k.value CROSS JOIN memory_items i ON i.seq = v.key >> 16
	WHERE ` + liveAndReadable

// rescore returns the cosines of those of the vectors whose passages are live and
// that the reader may read.
func (m *Memories) rescore(ctx context.Context, s memory.Search, rows []int64) (memory.Nearest, error) {
	if len(rows) == 0 {
		return nil, nil
	}
	near := make(memory.Nearest, len(rows))
	scan := func(row sqlRow) (key int64, err error) {
		var code sql.RawBytes
		if err = row.Scan(&key, &code); err == nil {
			near[key] = memory.Code(code).Cosine(s.Vector)
		}
		return key, err
	}
	keys, err := prepared(ctx, m, scan, rescoreQuery, append(readerArgs(s.Reader), jsonInts(rows))...)
	if err != nil || len(s.Speaker) == 0 {
		return near, err
	}
	slices.Sort(keys)
	passages, err := m.passages(ctx, keys)
	if err != nil {
		return nil, err
	}
	for _, p := range passages {
		if !p.SpokenBy(s.Speaker) {
			delete(near, p.Key)
		}
	}
	return near, nil
}

// bestOf keeps the nearCount most similar.
func bestOf(near memory.Nearest) memory.Nearest {
	if len(near) <= nearCount {
		return near
	}
	type one struct {
		key    int64
		cosine float64
	}
	all := make([]one, 0, len(near))
	for k, c := range near {
		all = append(all, one{k, c})
	}
	slices.SortFunc(all, func(a, b one) int { return cmp.Or(cmp.Compare(b.cosine, a.cosine), cmp.Compare(b.key, a.key)) })
	for _, o := range all[nearCount:] {
		delete(near, o.key)
	}
	return near
}
