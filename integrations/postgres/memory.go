package postgres

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/agent/audit"
	"github.com/sous-hq/sous/memory"
)

var _ memory.Store = (*Memories)(nil)

// Memories keeps what is remembered; it is a memory.Store and its memory.Index.
// What it keeps of the database in memory only makes searches quicker, so two
// processes on one database need not tell each other anything.
type Memories struct {
	db *DB
	// known and frequent are what this process has seen of the database.
	known    generations
	frequent wordSet
	few      fewness
}

// NewMemories returns the store of memories in db; make one and share it.
func NewMemories(db *DB) *Memories { return &Memories{db: db, few: usualFew()} }

// SaveItem implements memory.Store.
func (m *Memories) SaveItem(ctx context.Context, i memory.Item) (memory.Item, bool, error) {
	chunks, terms := memory.Analyse(i)
	fresh := false
	err := m.db.write(ctx, i.Workspace, func(tx pgx.Tx) error {
		seq, err := insertItem(ctx, tx, i)
		if err != nil || seq == 0 {
			return err
		}
		fresh = true
		if err := m.supersede(ctx, tx, i, seq); err != nil {
			return err
		}
		if err := insertReaders(ctx, tx, i, seq); err != nil {
			return err
		}
		if err := insertPeople(ctx, tx, i, seq); err != nil {
			return err
		}
		if err := insertChunks(ctx, tx, i.Workspace, seq, chunks); err != nil {
			return err
		}
		_, err = tx.Exec(ctx, `INSERT INTO memory_corpus (workspace, chunks, terms) VALUES ($1, $2, $3)
			ON CONFLICT (workspace) DO UPDATE SET chunks = memory_corpus.chunks + excluded.chunks, terms = memory_corpus.terms + excluded.terms`,
			i.Workspace, len(chunks), terms)
		if err != nil {
			return err
		}
		return m.db.record(ctx, tx, audit.Entry{
			Workspace: i.Workspace, Kind: audit.MemoryWritten, Actor: i.Author, Note: "remembered " + i.ID + " (" + string(i.Kind) + ")",
		})
	})
	if err != nil {
		return memory.Item{}, false, fmt.Errorf("save item: %w", err)
	}
	stored, err := m.Item(ctx, i.Workspace, i.ID)
	return stored, fresh, err
}

// insertItem returns the new item's seq, or 0 when its id is taken.
func insertItem(ctx context.Context, tx pgx.Tx, i memory.Item) (int64, error) {
	seq, _, err := first(tx.QueryRow(ctx, `INSERT INTO memory_items
		(workspace, id, kind, title, title_terms, source, author, author_name, place, label, scope, at, remembered, slot, supersedes, chunks,
		place_name, collection, hash) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19)
		ON CONFLICT (workspace, id) DO NOTHING RETURNING seq`,
		i.Workspace, i.ID, i.Kind, storable(i.Title), storable(strings.Join(memory.Terms(i.Title), " ")), storable(i.Source), i.Author, storable(i.AuthorName), i.Place,
		jsonOf(i.Label), i.Label.Readers.Scope, timeOf(&i.At), timeOf(&i.Remembered), i.Slot, i.Supersedes, len(i.Chunks),
		storable(i.Where), storable(i.Collection), i.Hash), scanInt)
	return seq, err
}

func insertPeople(ctx context.Context, tx pgx.Tx, i memory.Item, seq int64) error {
	if len(i.People) == 0 {
		return nil
	}
	_, err := tx.Exec(ctx, `INSERT INTO memory_people (workspace, item, actor)
		SELECT $1, $2, actor FROM unnest($3::text[]) actor ON CONFLICT DO NOTHING`, i.Workspace, seq, i.People)
	return err
}

func insertReaders(ctx context.Context, tx pgx.Tx, i memory.Item, seq int64) error {
	if i.Label.Readers.Scope != agent.OnlyNamed {
		return nil
	}
	_, err := tx.Exec(ctx, `INSERT INTO memory_readers (workspace, item, actor)
		SELECT $1, $2, actor FROM unnest($3::text[]) actor ON CONFLICT DO NOTHING`, i.Workspace, seq, i.Label.Readers.Named)
	return err
}

// batch is how many chunks are written in one statement.
const batch = 500

func insertChunks(ctx context.Context, tx pgx.Tx, ws agent.WorkspaceID, seq int64, chunks []memory.Analysed) error {
	tag := tag(ws)
	for from := 0; from < len(chunks); from += batch {
		some := chunks[from:min(from+batch, len(chunks))]
		columns := make([][]string, 8)
		times := make([]*time.Time, len(some))
		for n, c := range some {
			for i, v := range []string{string(c.Kind), c.Text, c.Quote, c.Speaker, c.SpeakerWords, c.Position, c.Terms, chunkWords(tag, c.Found)} {
				columns[i] = append(columns[i], storable(v))
			}
			if !c.At.IsZero() {
				at := stored(c.At)
				times[n] = &at
			}
		}
		first := seq<<memory.KeyShift | int64(from)
		_, err := tx.Exec(ctx, `INSERT INTO memory_chunks (workspace, key, kind, text, quote, speaker, speaker_words, position, terms, at)
			SELECT $1, $2 + n - 1, kind, text, quote, speaker, words, position, terms, at
			FROM unnest($3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[], $9::text[], $10::timestamptz[])
				WITH ORDINALITY c (kind, text, quote, speaker, words, position, terms, at, n)`,
			ws, first, columns[0], columns[1], columns[2], columns[3], columns[4], columns[5], columns[6], times)
		if err != nil {
			return fmt.Errorf("store chunks: %w", err)
		}
		_, err = tx.Exec(ctx, `INSERT INTO memory_index (workspace, key, words, audience)
			SELECT $1, $2 + n - 1, words::tsvector, (SELECT audience FROM memory_items WHERE seq = $4) FROM unnest($3::text[]) WITH ORDINALITY c (words, n)`,
			ws, first, columns[7], seq)
		if err != nil {
			return fmt.Errorf("index chunks: %w", err)
		}
	}
	return nil
}

// chunkWords is the tsvector of a chunk's terms, without positions: ranking
// happens in Go.
func chunkWords(tag, terms string) string {
	all := strings.Fields(terms)
	for i, t := range all {
		all[i] = lexeme(tag, t)
	}
	slices.Sort(all)
	return strings.Join(slices.Compact(all), " ")
}

// Item implements memory.Store.
func (m *Memories) Item(ctx context.Context, ws agent.WorkspaceID, id string) (memory.Item, error) {
	var found storedItem
	var chunks []storedChunk
	err := m.db.read(ctx, ws, func(tx pgx.Tx) (err error) {
		var ok bool
		found, ok, err = first(tx.QueryRow(ctx, `SELECT `+itemColumns+` FROM memory_items i WHERE i.workspace = $1 AND i.id = $2`, ws, id), scanItem)
		switch {
		case err != nil:
			return err
		case !ok:
			return memoryNotFound(id)
		}
		chunks, err = every(ctx, tx, scanChunk, `SELECT `+chunkColumns+` FROM memory_chunks c
			WHERE c.workspace = $1 AND c.key >= $2 AND c.key < $3 ORDER BY c.key`, ws, found.seq<<memory.KeyShift, (found.seq+1)<<memory.KeyShift)
		return err
	})
	if err != nil {
		return memory.Item{}, fmt.Errorf("read item: %w", err)
	}
	for _, c := range chunks {
		found.Chunks = append(found.Chunks, c.Chunk)
	}
	return found.Item, nil
}

// Items implements memory.Store.
func (m *Memories) Items(ctx context.Context, f memory.Filter) ([]memory.Item, error) {
	w := where{text: readable, args: readerArgs(f.Reader)}
	if !f.Forgotten {
		w.and(`i.forgotten IS NULL`)
	}
	if !f.Superseded {
		w.and(`i.superseded_by = ''`)
	}
	if f.Author != "" {
		w.and(`i.author = ?`, f.Author)
	}
	if f.Collection != "" {
		w.and(`i.collection = ?`, storable(f.Collection))
	}
	if len(f.Kinds) > 0 {
		w.and(`i.kind = ANY (?)`, f.Kinds)
	}
	limit := f.Limit
	if limit <= 0 {
		limit = 100
	}
	limited := w.bind(`ORDER BY i.at DESC, i.seq DESC LIMIT ?`, limit)
	found, err := list(ctx, m.db, f.Reader.Workspace, scanItem, `SELECT `+itemColumns+` FROM memory_items i WHERE `+w.text+` `+limited, w.args...)
	if err != nil {
		return nil, fmt.Errorf("list items: %w", err)
	}
	items := make([]memory.Item, len(found))
	for n, r := range found {
		items[n] = r.Item
	}
	return items, nil
}

// readable is the condition that an actor may read item i: the SQL twin of
// agent.Readers.Includes. Its arguments are readerArgs.
const readable = `i.workspace = $1 AND (i.scope = 'public' OR i.scope = 'workspace' AND $3 OR i.scope = '' AND EXISTS
	(SELECT 1 FROM memory_readers r WHERE r.item = i.seq AND r.actor = $2 AND r.workspace = $1)) AND $2 <> ''`

// liveAndReadable adds that the item is neither forgotten nor superseded.
const liveAndReadable = `i.forgotten IS NULL AND i.superseded_by = '' AND ` + readable

func readerArgs(a agent.Actor) []any {
	return []any{a.Workspace, a.ID, a.Kind == agent.Member}
}

const itemColumns = `i.seq, i.workspace, i.id, i.kind, i.title, i.source, i.author, i.author_name, i.place, i.label,
	i.at, i.remembered, i.slot, i.supersedes, i.superseded_by, i.forgotten, i.forgotten_by, i.place_name, i.collection, i.hash`

type storedItem struct {
	memory.Item
	seq int64
}

func (i *storedItem) columns() []any {
	return []any{
		&i.seq, &i.Workspace, &i.ID, &i.Kind, &i.Title, &i.Source, &i.Author, &i.AuthorName, &i.Place, jsonOf(&i.Label),
		timeOf(&i.At), timeOf(&i.Remembered), &i.Slot, &i.Supersedes, &i.SupersededBy, timeOf(&i.Forgotten), &i.ForgottenBy,
		&i.Where, &i.Collection, &i.Hash,
	}
}

func scanItem(row sqlRow) (storedItem, error) {
	var i storedItem
	err := row.Scan(i.columns()...)
	return i, err
}

const chunkColumns = `c.key, c.kind, c.text, c.quote, c.speaker, c.position, c.at`

type storedChunk struct {
	memory.Chunk
	key int64
}

func (c *storedChunk) columns() []any {
	return []any{&c.key, &c.Kind, &c.Text, &c.Quote, &c.Speaker, &c.Position, timeOf(&c.At)}
}

func scanChunk(row sqlRow) (storedChunk, error) {
	var c storedChunk
	err := row.Scan(c.columns()...)
	c.N = memory.ChunkOf(c.key)
	return c, err
}

func memoryNotFound(id string) error {
	return agent.Errorf(agent.NotFound, "nothing is remembered under %q", id)
}
