package postgres

import (
	"cmp"
	"context"
	_ "embed"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/pgvector/pgvector-go"

	"github.com/sous-hq/sous/memory"
)

//go:embed memory_recall.sql
var recallQuery string

// extent is how much is looked at: what a search takes goes with it, and a search
// for ten passages needs less than one for two hundred.
type extent struct {
	// words is how many passages that share words with the query are ranked with what
	// stands beside them, candidates how many are ranked at last, and shown how many
	// of them come with all that is shown.
	words, candidates, shown int
}

func extentOf(s memory.Search) extent {
	e := extent{words: min(100+4*s.Limit, 300), candidates: min(200+8*s.Limit, 600)}
	if len(s.Vector) > 0 {
		// What the vectors find need not be found by words.
		e = extent{words: min(80+4*s.Limit, 250), candidates: min(160+8*s.Limit, 450)}
	}
	e.shown = 50 + 3*s.Limit
	return e
}

const (
	// few is from how many on frequent words need not be looked for one by one.
	few = 50
	// nearCount is how many of the nearest passages count for one query.
	nearCount = 60
	// signCount is how many the signs give for them to be picked from.
	signCount = 256
)

// fewness says who may read so little that all of it is looked at, instead of the
// indexes being asked.
type fewness struct {
	// words is up to how many passages all are searched for all words, the frequent
	// ones too.
	words int
	// Up to vectors passages the vectors are compared one by one; up to where that and
	// the graph take the same, too, when a filter has to be asked of each.
	vectors, filtered int
	// Beyond them the signs of all are looked at first, as long as that takes less than
	// the graph, which is left only after so many more as the reader may read less: the
	// time of the one grows with the passages p, that of the other with all n of them
	// over p, and they cross where p² is a share times n: signs for the signs, share
	// for whole vectors.
	signs, share int
}

// usualFew is as measured with 384 dimensions and 10,000 to 200,000 passages.
func usualFew() fewness {
	return fewness{words: 4000, vectors: 2000, filtered: 6000, signs: 12_000, share: 4400}
}

// The ways to the nearest: by nobody, exactly among what the reader may read, by
// signs first, and through the graph. The counted passages decide, not the planner,
// who errs here by an order of magnitude: the offset keeps the one from the graph,
// and what is asked IS TRUE the other from the index of audiences; that has them in
// a hash, too. Signs are sorted with their key as one number, which takes a fifth
// less than two columns do; it has room for the keys of 2^34 items and for more
// signs than there can be dimensions.
const (
	nearNone  = `SELECT NULL::bigint key, NULL::float8 cosine WHERE false`
	nearExact = `SELECT * FROM (SELECT d.key, -d.distance cosine FROM (
		SELECT v.key, v.embedding OPERATOR({schema}.<#>) (SELECT v FROM question) distance
			FROM {vectors} v{vector_join} WHERE (SELECT near FROM way) = 'exact' AND v.workspace = $1 AND v.audience = ANY ((SELECT audiences FROM reader)::bigint[]){vector_filter} OFFSET 0
		) d ORDER BY d.distance LIMIT {near_count}) exact`
	nearSigns = `
	UNION ALL SELECT * FROM (SELECT * FROM (SELECT v.key, -(v.embedding OPERATOR({schema}.<#>) (SELECT v FROM question)) cosine FROM {vectors} v WHERE v.workspace = $1 AND v.key = ANY ((
		SELECT array_agg(x & ((1::bigint << 50) - 1)) FROM (SELECT ((s.signs OPERATOR({schema}.<~>) (SELECT signs FROM question))::bigint << 50) + s.key x
			FROM {vectors}_signs s WHERE (SELECT near FROM way) = 'signs' AND s.workspace = $1 AND s.audience = ANY ((SELECT audiences FROM reader)::bigint[]) ORDER BY x LIMIT {sign_count}) s
		)::bigint[]) OFFSET 0) v ORDER BY cosine DESC LIMIT {near_count}) signs`
	nearGraph = `
	UNION ALL SELECT * FROM (SELECT v.key, -(v.embedding OPERATOR({schema}.<#>) (SELECT v FROM question)) cosine
		FROM {vectors} v{vector_join} WHERE (SELECT near FROM way) = 'graph' AND v.workspace = $1 AND (v.audience IN (SELECT a.id FROM audience a)) IS TRUE{vector_filter}
		ORDER BY v.embedding OPERATOR({schema}.<#>) (SELECT v FROM question) LIMIT {near_count}) graph`
)

// liveItem is the condition that item i is one to be found, allowedItem that the
// reader may read it, by the readers of the item itself.
const (
	liveItem    = `i.workspace = $1 AND i.forgotten IS NULL AND i.superseded_by = ''`
	allowedItem = `((i.scope = 'public' OR i.scope = 'workspace' AND $3 OR i.scope = '' AND
		(SELECT true FROM sous.memory_readers r WHERE r.item = i.seq AND r.actor = $2 AND r.workspace = $1)) AND $2 <> '')`
	filterOfItem = `($9::text[] IS NULL OR c.kind = ANY ($9::text[]) OR i.kind = ANY ($9::text[]))
		AND ($10::timestamptz IS NULL OR COALESCE(c.at, i.at) >= $10::timestamptz) AND ($11::timestamptz IS NULL OR COALESCE(c.at, i.at) < $11::timestamptz)
		AND NOT EXISTS (SELECT 1 FROM unnest($12::text[]) w (word) WHERE strpos(c.speaker_words, w.word) = 0)`
	// seedWords is by mass, as the shares of neighbours are of it; seedBoth by places,
	// which alone can be compared between the orders.
	seedWords = `SELECT key, NULL::float8 cosine, mass weight FROM words`
	seedBoth  = `SELECT key, max(cosine) cosine, sum(weight) weight FROM (
        SELECT key, NULL::float8 cosine, {words_weight}::float8 / ({offset} + row_number() OVER (ORDER BY mass DESC, key DESC)) weight FROM words
        UNION ALL SELECT key, cosine, {meaning_weight}::float8 / ({offset} + row_number() OVER (ORDER BY cosine DESC, key DESC)) FROM near
    ) s GROUP BY key`
	// points are what of favoured kinds the same items hold.
	points = `
        SELECT key, max(cosine) cosine, max(weight) weight FROM ((SELECT c.key, NULL::float8 cosine, 1e9::float8 weight FROM (SELECT DISTINCT key >> 16 seq FROM seed) i
            JOIN sous.memory_chunks c ON c.workspace = $1 AND c.kind = ANY ($13::text[])
            AND c.kind IN ('decision', 'action', 'question') AND c.key >= i.seq << 16 AND c.key < (i.seq + 1) << 16 LIMIT 500)
        UNION ALL`
	pointsEnd = `) p GROUP BY key`
)

// recallStatement is the statement for a search in a generation, which may be none.
func (m *Memories) recallStatement(s memory.Search, g memory.Generation, schema string) string {
	filter := func(row string) string { return "" }
	near, wider, exact, share := nearNone, "signs", m.few.vectors, m.few.signs
	question, vectorJoin, vectorFilter, point, pointEnd, newest := "NULL v, NULL signs", "", "", "", "", "$17"
	seed := seedWords
	if len(s.Favour) > 0 {
		point, pointEnd = points, pointsEnd
	}
	if len(s.Vector) > 0 {
		near, question = nearExact+nearSigns+nearGraph, "v, "+schema+".binary_quantize(v) signs FROM (SELECT $8::text::"+schema+".halfvec v OFFSET 0) q"
		seed = seedBoth
	}
	if filtered(s) {
		near, wider, exact, share = strings.Replace(near, nearSigns, "", 1), "exact", m.few.filtered, m.few.share
		// A key must stand there ready, not shifted in the condition: row-level security
		// lets nothing that could leak be asked before it.
		filter = func(row string) string {
			return ` WHERE EXISTS (SELECT 1 FROM (SELECT * FROM sous.memory_chunks WHERE key = ` + row + `.key OFFSET 0) c
				CROSS JOIN LATERAL (SELECT * FROM sous.memory_items WHERE seq = ` + row + `.seq OFFSET 0) i WHERE ` + filterOfItem + `)`
		}
		newest = "NULL"
		vectorJoin = ` JOIN sous.memory_chunks c ON c.key = v.key JOIN sous.memory_items i ON i.seq = v.key >> 16`
		vectorFilter = ` AND ` + filterOfItem
	}
	first := strings.NewReplacer("{near}", near, "{seed}", seed, "{shown}", shownColumns()).Replace(recallQuery)
	return strings.NewReplacer(
		"{question}", question, "{live}", liveItem, "{allowed}", allowedItem, "{rare_filter}", filter("r"), "{together_filter}", filter("f"), "{newest}", newest,
		"{point}", point, "{point_end}", pointEnd,
		"{vector_join}", vectorJoin, "{vector_filter}", vectorFilter, "{vectors}", vectorTable(g.ID), "{schema}", schema, "{few}", fmt.Sprint(few),
		"{words_weight}", fmt.Sprint(memory.WordsWeight), "{meaning_weight}", fmt.Sprint(memory.MeaningWeight), "{offset}", fmt.Sprint(memory.FuseOffset),
		"{narrow}", fmt.Sprint(m.few.words), "{exact}", fmt.Sprint(exact), "{wider}", wider, "{share}", fmt.Sprint(share),
		"{near_count}", fmt.Sprint(nearCount), "{sign_count}", fmt.Sprint(signCount),
	).Replace(first)
}

// shownColumns are those of a passage and its item, NULL where they are not shown.
func shownColumns() string {
	columns := strings.Split(chunkColumns+", "+itemColumns, ",")
	for n, c := range columns {
		columns[n] = "CASE WHEN x.place <= $14 THEN " + strings.TrimSpace(c) + " END"
	}
	return strings.Join(columns, ", ")
}

// filtered reports whether the search lets less than everything pass.
func filtered(s memory.Search) bool {
	return len(s.Kinds) > 0 || len(s.Speaker) > 0 || !s.Since.IsZero() || !s.Until.IsZero()
}

// settings hold for the one transaction that the search is: who asks, and what the
// planner would get wrong. The graph is searched until enough of what it finds may
// be read.
const settings = `SELECT set_config('search_path', 'sous', true), set_config('role', '` + roleApp + `', true), set_config('sous.workspace', $1, true),
	set_config('transaction_read_only', 'on', true), set_config('plan_cache_mode', 'force_generic_plan', true), set_config('jit', 'off', true),
	set_config('enable_seqscan', 'off', true)`

const graphSettings = settings + `, set_config('hnsw.ef_search', '60', true), set_config('hnsw.iterative_scan', 'relaxed_order', true), set_config('hnsw.max_scan_tuples', '40000', true)`

// candidates are what one statement gives for a search.
type candidates struct {
	corpus   memory.Corpus
	frequent []int64
	passages []*memory.Passage
	near     memory.Nearest
	items    map[int64]memory.Item
	chunks   map[int64]memory.Chunk
}

// ask runs the statement: settings and query go to the server together, and the
// answer comes back in one round trip.
func (m *Memories) ask(ctx context.Context, s memory.Search, g memory.Generation, w wording) (candidates, error) {
	before := settings
	schema := "public"
	if len(s.Vector) > 0 {
		var err error
		if schema, err = m.vectorSchema(ctx); err != nil {
			return candidates{}, err
		}
		before = graphSettings
	}
	b := &pgx.Batch{}
	b.Queue(before, string(s.Reader.Workspace))
	b.Queue(m.recallStatement(s, g, schema), recallArgs(s, w)...)
	answer := m.db.pool.SendBatch(ctx, b)
	if _, err := answer.Exec(); err != nil {
		_ = answer.Close()
		return candidates{}, publicError(err)
	}
	found, err := m.readCandidates(answer)
	if closing := answer.Close(); err == nil {
		err = closing
	}
	return found, publicError(err)
}

func recallArgs(s memory.Search, w wording) []any {
	var vector, kinds, since, until any
	if len(s.Vector) > 0 {
		vector = pgvector.NewHalfVector(s.Vector).String()
	}
	if len(s.Kinds) > 0 {
		kinds = s.Kinds
	}
	if !s.Since.IsZero() {
		since = s.Since
	}
	if !s.Until.IsZero() {
		until = s.Until
	}
	speaker := make([]string, len(s.Speaker))
	for n, word := range s.Speaker {
		speaker[n] = " " + storable(word) + " "
	}
	favour := s.Favour
	if favour == nil {
		favour = []memory.Kind{}
	}
	e := extentOf(s)
	return []any{
		s.Reader.Workspace, s.Reader.ID, readerArgs(s.Reader)[2], append(slices.Clone(w.rare), w.common...), w.weights, w.together, w.either, vector, kinds, since, until, speaker,
		favour, e.shown, memory.MaxMatches, len(w.rare), e.words, e.candidates,
	}
}

func (m *Memories) readCandidates(answer pgx.BatchResults) (candidates, error) {
	c := candidates{near: memory.Nearest{}, items: map[int64]memory.Item{}, chunks: map[int64]memory.Chunk{}}
	rows, err := answer.Query()
	if err != nil {
		return c, err
	}
	defer rows.Close()
	for rows.Next() {
		if err := c.scan(rows); err != nil {
			return c, err
		}
	}
	return c, rows.Err()
}

// The columns before those of a shown passage: the chunk's, beginning with its
// key, then the item's, beginning with its seq.
const (
	columnsBefore = 12
	columnsChunk  = 7
)

func (c *candidates) scan(rows pgx.Rows) error {
	var p memory.Passage
	var key, readable *int64
	var cosine *float64
	var kind, itemKind, terms, title, speaker *string
	var at *time.Time
	raw := rows.RawValues()
	into := make([]any, len(raw))
	copy(into, []any{&c.corpus.Chunks, &c.corpus.Terms, &c.frequent, &readable, &key, &cosine, &kind, &itemKind, &at, &terms, &title, &speaker})
	shown := raw[columnsBefore] != nil
	var chunk storedChunk
	if shown {
		copy(into[columnsBefore:], chunk.columns())
	}
	if err := rows.Scan(into...); err != nil || key == nil {
		return err
	}
	p.Key, p.Item, p.Kind, p.ItemKind, p.At = *key, memory.ItemOf(*key), memory.Kind(*kind), memory.Kind(*itemKind), at.UTC()
	p.SetText(*terms, *title, *speaker)
	c.passages = append(c.passages, &p)
	if cosine != nil {
		c.near[p.Key] = *cosine
	}
	if !shown {
		return nil
	}
	chunk.N = memory.ChunkOf(chunk.key)
	c.chunks[p.Key] = chunk.Chunk
	if _, read := c.items[p.Item]; read {
		return nil
	}
	// Of the passages of one item the first brings it.
	var item storedItem
	clear(into)
	copy(into[columnsBefore+columnsChunk:], item.columns())
	err := rows.Scan(into...)
	c.items[p.Item] = item.Item
	return err
}

// answer finds what answers a search that has terms.
func (m *Memories) answer(ctx context.Context, s memory.Search) ([]memory.Hit, error) {
	g, err := m.searched(ctx, s)
	if err != nil {
		return nil, err
	}
	if g.ID == 0 {
		s.Vector = nil
	}
	w := m.word(s)
	found, err := m.ask(ctx, s, g, w)
	if err == nil && m.learn(s.Reader.Workspace, w, found.frequent) {
		// Words that were taken for rare are frequent: what was found of them is some
		// of many. It is so once a process for each such word.
		w = m.word(s)
		found, err = m.ask(ctx, s, g, w)
	}
	if err != nil {
		return nil, err
	}
	found.corpus.Frequent = memory.Frequencies(w.frequent, found.corpus)
	slices.SortFunc(found.passages, func(a, b *memory.Passage) int { return cmp.Compare(a.Key, b.Key) })
	ranked := memory.Rank(s, found.corpus, found.passages, found.near)
	hits := memory.Hits(ranked, found.items, found.chunks)
	if len(hits) == len(ranked) {
		return hits, nil
	}
	// The order that the statement foresees is not quite that of memory.Rank: what is
	// to be shown and did not come with it is read now.
	return m.show(ctx, s, ranked)
}
