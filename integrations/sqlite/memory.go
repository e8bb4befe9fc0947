package sqlite

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
	"sync"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/agent/audit"
	"github.com/sous-hq/sous/memory"
)

var _ memory.Store = (*Memories)(nil)

// Memories keeps what is remembered; it is a memory.Store. It holds a bounded
// cache of passages, which never change once stored, so two processes on one
// file need not tell each other anything.
type Memories struct {
	db    *DB
	cache memory.PassageCache
	// current and building are the vectors that were searched.
	current, building flatIndex

	mu         sync.Mutex
	statements map[string]*sql.Stmt // by their text; they end with the DB
}

// NewMemories returns the store of memories in db. Each has a cache of its own:
// make one and share it.
func NewMemories(db *DB) *Memories {
	return &Memories{db: db, statements: map[string]*sql.Stmt{}}
}

// SaveItem implements memory.Store.
func (m *Memories) SaveItem(ctx context.Context, i memory.Item) (memory.Item, bool, error) {
	chunks, terms := memory.Analyse(i)
	fresh := false
	err := m.db.tx(ctx, func(tx *sql.Tx) error {
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
		if err := insertChunks(ctx, tx, seq, chunks); err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, `INSERT INTO memory_corpus (workspace, chunks, terms) VALUES (?, ?, ?)
			ON CONFLICT (workspace) DO UPDATE SET chunks = chunks + excluded.chunks, terms = terms + excluded.terms`,
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
func insertItem(ctx context.Context, tx *sql.Tx, i memory.Item) (int64, error) {
	r, err := tx.ExecContext(ctx, `INSERT INTO memory_items
		(workspace, id, kind, title, title_terms, source, author, author_name, place, label, scope, at, remembered, slot, supersedes, chunks,
		place_name, collection, hash) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT (workspace, id) DO NOTHING`,
		i.Workspace, i.ID, i.Kind, i.Title, strings.Join(memory.Terms(i.Title), " "), i.Source, i.Author, i.AuthorName, i.Place,
		jsonOf(i.Label), i.Label.Readers.Scope, timeOf(&i.At), timeOf(&i.Remembered), i.Slot, i.Supersedes, len(i.Chunks),
		i.Where, i.Collection, i.Hash)
	if err != nil {
		return 0, err
	}
	if n, err := r.RowsAffected(); err != nil || n == 0 {
		return 0, err
	}
	return r.LastInsertId()
}

func insertPeople(ctx context.Context, tx *sql.Tx, i memory.Item, seq int64) error {
	for _, actor := range i.People {
		if _, err := tx.ExecContext(ctx, `INSERT OR IGNORE INTO memory_people (workspace, item, actor) VALUES (?, ?, ?)`, i.Workspace, seq, actor); err != nil {
			return err
		}
	}
	return nil
}

func insertReaders(ctx context.Context, tx *sql.Tx, i memory.Item, seq int64) error {
	if i.Label.Readers.Scope != agent.OnlyNamed {
		return nil
	}
	for _, actor := range i.Label.Readers.Named {
		if _, err := tx.ExecContext(ctx, `INSERT OR IGNORE INTO memory_readers (workspace, item, actor) VALUES (?, ?, ?)`,
			i.Workspace, seq, actor); err != nil {
			return err
		}
	}
	return nil
}

func insertChunks(ctx context.Context, tx *sql.Tx, seq int64, chunks []memory.Analysed) error {
	chunk, err := tx.PrepareContext(ctx, `INSERT INTO memory_chunks
		(key, kind, text, quote, speaker, speaker_words, position, at, terms) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`)
	if err != nil {
		return err
	}
	defer chunk.Close()
	index, err := tx.PrepareContext(ctx, `INSERT INTO memory_index (rowid, terms) VALUES (?, ?)`)
	if err != nil {
		return err
	}
	defer index.Close()
	for n, c := range chunks {
		key := seq<<memory.KeyShift | int64(n)
		if _, err := chunk.ExecContext(ctx, key, c.Kind, c.Text, c.Quote, c.Speaker, c.SpeakerWords, c.Position, timeOf(&c.At), c.Terms); err != nil {
			return err
		}
		if _, err := index.ExecContext(ctx, key, c.Found); err != nil {
			return err
		}
	}
	return nil
}

// Item implements memory.Store.
func (m *Memories) Item(ctx context.Context, ws agent.WorkspaceID, id string) (memory.Item, error) {
	found, ok, err := first(m.db.sql.QueryRowContext(ctx,
		`SELECT `+itemColumns+` FROM memory_items i WHERE i.workspace = ? AND i.id = ?`, ws, id), scanItem)
	if err != nil {
		return memory.Item{}, m.db.publicError(fmt.Errorf("read item: %w", err))
	}
	if !ok {
		return memory.Item{}, memoryNotFound(id)
	}
	chunks, err := every(ctx, m.db.sql, scanChunk,
		`SELECT `+chunkColumns+` FROM memory_chunks c WHERE c.key >= ? AND c.key < ? ORDER BY c.key`,
		found.seq<<memory.KeyShift, (found.seq+1)<<memory.KeyShift)
	if err != nil {
		return memory.Item{}, m.db.publicError(fmt.Errorf("read item: %w", err))
	}
	for _, c := range chunks {
		found.Chunks = append(found.Chunks, c.Chunk)
	}
	return found.Item, nil
}

// Items implements memory.Store.
func (m *Memories) Items(ctx context.Context, f memory.Filter) ([]memory.Item, error) {
	where, args := readable, readerArgs(f.Reader)
	if !f.Forgotten {
		where += ` AND i.forgotten IS NULL`
	}
	if !f.Superseded {
		where += ` AND i.superseded_by = ''`
	}
	if f.Author != "" {
		where += ` AND i.author = ?`
		args = append(args, f.Author)
	}
	if f.Collection != "" {
		where += ` AND i.collection = ?`
		args = append(args, f.Collection)
	}
	if len(f.Kinds) > 0 {
		where += ` AND i.kind IN ` + marks(len(f.Kinds))
		args = append(args, anyKinds(f.Kinds)...)
	}
	limit := f.Limit
	if limit <= 0 {
		limit = 100
	}
	found, err := every(ctx, m.db.sql, scanItem, `SELECT `+itemColumns+` FROM memory_items i WHERE `+where+
		` ORDER BY i.at DESC, i.seq DESC LIMIT ?`, append(args, limit)...)
	if err != nil {
		return nil, m.db.publicError(fmt.Errorf("list items: %w", err))
	}
	items := make([]memory.Item, len(found))
	for n, r := range found {
		items[n] = r.Item
	}
	return items, nil
}

// readable is the condition that an actor may read item i: the SQL twin of
// agent.Readers.Includes. Its arguments are readerArgs.
const readable = `i.workspace = ?1 AND (i.scope = 'public' OR i.scope = 'workspace' AND ?3 OR i.scope = '' AND EXISTS
	(SELECT 1 FROM memory_readers r WHERE r.item = i.seq AND r.actor = ?2 AND r.workspace = ?1)) AND ?2 <> ''`

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

// marks returns n question marks in parentheses.
func marks(n int) string { return "(" + strings.TrimSuffix(strings.Repeat("?,", n), ",") + ")" }

func anyKinds(kinds []memory.Kind) []any {
	out := make([]any, len(kinds))
	for n, k := range kinds {
		out[n] = string(k)
	}
	return out
}
