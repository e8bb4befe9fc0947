package memory

import (
	"context"
	"crypto/sha256"
	"encoding/base32"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/sous-hq/sous/agent"
)

// Config is what New needs: Store and Clock; the rest may be nil.
type Config struct {
	Store Store
	// Clock returns the present time.
	Clock func() time.Time
	// Index and Embedder are the vectors of what is remembered and the model that
	// makes them; without either recall goes by words alone.
	Index    Index
	Embedder Embedder
	// Reranker puts the best passages in a better order.
	Reranker Reranker
	// OnSaved is called when something new was stored, such as to wake an Indexer.
	OnSaved func()
	// OnFallback is told why a query had to do without vectors or reranking.
	OnFallback func(ctx context.Context, err error)
}

// Memory remembers, recalls and forgets. It is safe for concurrent use.
type Memory struct {
	store      Store
	clock      func() time.Time
	vectors    vectors
	reranker   Reranker
	onSaved    func()
	onFallback func(context.Context, error)
}

// New returns a Memory over a store.
func New(c Config) (*Memory, error) {
	if c.Store == nil || c.Clock == nil {
		return nil, fmt.Errorf("memory: Store and Clock are required")
	}
	if c.OnSaved == nil {
		c.OnSaved = func() {}
	}
	if c.OnFallback == nil {
		c.OnFallback = func(context.Context, error) {}
	}
	return &Memory{
		store: c.Store, clock: c.Clock, vectors: vectors{index: c.Index, embedder: c.Embedder},
		reranker: c.Reranker, onSaved: c.OnSaved, onFallback: c.OnFallback,
	}, nil
}

// Remember stores an item and returns it as stored. The same item again (by
// Key, or without one by content, source, place and readers) is returned as it
// is and nothing changes: an item that was forgotten stays so, see Restore.
//
// Invalid means the item lacks a workspace, author, kind or text, or that its
// label says nobody may read it; TooLarge that it exceeds MaxChunks or
// MaxChunkBytes; NotFound that the item it Supersedes is not there; Conflict
// that this was superseded before; Forbidden that it is somebody else's, or known
// to people who could not read the new one.
func (m *Memory) Remember(ctx context.Context, i Item) (Item, error) {
	stored, _, err := m.RememberNew(ctx, i)
	return stored, err
}

// RememberNew is Remember, and says whether the item was new.
func (m *Memory) RememberNew(ctx context.Context, i Item) (stored Item, fresh bool, err error) {
	if i, err = prepare(i, m.clock()); err != nil {
		return Item{}, false, err
	}
	if i.Supersedes != "" {
		old, err := m.store.Item(ctx, i.Workspace, i.Supersedes)
		if err == nil {
			err = mayCorrect(old, i)
		}
		if err != nil {
			return Item{}, false, fmt.Errorf("remember: %w", err)
		}
	}
	if stored, fresh, err = m.store.SaveItem(ctx, i); err != nil {
		return Item{}, false, fmt.Errorf("remember: %w", err)
	}
	if fresh {
		m.onSaved()
	}
	return stored, fresh, nil
}

// Has reports whether the item is stored already, in whatever state.
func (m *Memory) Has(ctx context.Context, i Item) (bool, error) {
	i, err := prepare(i, m.clock())
	if err != nil {
		return false, err
	}
	_, err = m.store.Item(ctx, i.Workspace, i.ID)
	if agent.KindOf(err) == agent.NotFound {
		return false, nil
	}
	return err == nil, err
}

// mayCorrect reports why an item cannot take another's place. Nobody loses
// sight of a fact because it was corrected where they were not.
func mayCorrect(old, with Item) error {
	switch {
	case old.Author != with.Author:
		return agent.Errorf(agent.Forbidden, "only the person who had it remembered can correct it")
	case !with.Label.Readers.Covers(old.Label.Readers):
		return agent.Errorf(agent.Forbidden, "more people know it than could read the correction; correct it where they can see it")
	}
	return nil
}

// ErrCorrected is the Conflict of a correction of what holds no more.
func ErrCorrected() error {
	return agent.Errorf(agent.Conflict, "it was corrected already; correct what holds now")
}

// prepare checks the item, cleans its text and gives it its id.
func prepare(i Item, now time.Time) (Item, error) {
	i.Chunks = slices.Clone(i.Chunks)
	kept := i.Chunks[:0]
	for _, c := range i.Chunks {
		c.Text, c.Quote = clean(c.Text), clean(c.Quote)
		c.Speaker, c.Position = clip(clean(c.Speaker), 200), clip(clean(c.Position), 200)
		if c.Text == "" && c.Quote == "" {
			continue
		}
		if len(c.Text)+len(c.Quote) > MaxChunkBytes {
			return i, agent.Errorf(agent.TooLarge, "a passage to remember is longer than %d KiB", MaxChunkBytes>>10)
		}
		if c.Kind != "" && !c.Kind.Known() {
			return i, agent.Errorf(agent.Invalid, "there is no kind of memory named %q", c.Kind)
		}
		c.N = len(kept)
		kept = append(kept, c)
	}
	i.Chunks = kept
	switch {
	case i.Workspace == "" || i.Author == "":
		return i, agent.Errorf(agent.Invalid, "what is remembered needs a workspace and an author")
	case !i.Kind.Known():
		return i, agent.Errorf(agent.Invalid, "there is no kind of memory named %q", i.Kind)
	case len(i.Chunks) == 0:
		return i, agent.Errorf(agent.Invalid, "there is no text to remember")
	case len(i.Chunks) > MaxChunks:
		return i, agent.Errorf(agent.TooLarge, "that is more than %d passages to remember", MaxChunks)
	case i.Label.Readers.Scope == agent.OnlyNamed && len(i.Label.Readers.Named) == 0:
		return i, agent.Errorf(agent.Invalid, "nobody could read what is to be remembered")
	}
	i.Title = clip(clean(i.Title), MaxTitleBytes)
	i.Where, i.AuthorName = clip(clean(i.Where), 200), clip(clean(i.AuthorName), 200)
	if i.At.IsZero() {
		i.At = now
	}
	i.Remembered = now
	i.SupersededBy, i.Forgotten, i.ForgottenBy = "", time.Time{}, ""
	var err error
	i.ID, err = identity(i)
	return i, err
}

// clean makes text storable: valid UTF-8 without NUL, trimmed.
func clean(s string) string {
	return strings.TrimSpace(strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "\x00", ""))
}

// identity returns the id of an item: of its key when it has one, else of its
// content and where it belongs.
func identity(i Item) (string, error) {
	var of any = []string{"key", i.Key}
	if i.Key == "" {
		of = []any{"content", i.Kind, i.Title, i.Source, i.Place, i.Author, i.Label.Readers, i.Supersedes, i.Chunks}
	}
	raw, err := json.Marshal([]any{i.Workspace, of})
	if err != nil {
		return "", fmt.Errorf("identity of item: %w", err)
	}
	return shortHash(raw), nil
}

// shortHash is 80 bits of SHA-256 as sixteen letters that people can type.
func shortHash(raw []byte) string {
	sum := sha256.Sum256(raw)
	return strings.ToLower(base32.StdEncoding.EncodeToString(sum[:10]))
}

// Recall returns the passages that answer a query best, best first. An empty
// text, or one of stop words only, gives the newest. Nothing is returned that
// the reader may not read, that is forgotten or superseded, or that belongs to
// another workspace.
func (m *Memory) Recall(ctx context.Context, q Query) ([]Hit, error) {
	if q.Reader.Workspace == "" || q.Reader.ID == "" {
		return nil, agent.Errorf(agent.Invalid, "recall needs to know who asks")
	}
	for _, k := range q.Kinds {
		if !k.Known() {
			return nil, agent.Errorf(agent.Invalid, "there is no kind of memory named %q", k)
		}
	}
	hits, err := m.recall(ctx, ParseQuery(q, m.clock()))
	if err != nil {
		return nil, fmt.Errorf("recall: %w", err)
	}
	return hits, nil
}

// asReadBy returns the item's label for a reader: what were the author's own
// words are, to anybody else, words of a member.
func asReadBy(i Item, reader agent.Actor) agent.Label {
	l := i.Label
	if i.Author != reader.ID {
		l.Integrity = min(l.Integrity, agent.Organisation)
	}
	return l
}

// search asks the store. A query that names a kind of passage and nothing else
// ("what did we decide?") gives the newest of that kind, then what its words find.
func (m *Memory) search(ctx context.Context, s Search) ([]Hit, error) {
	if !s.onlyCues() {
		return m.store.Search(ctx, s)
	}
	newest := s
	newest.Terms = nil
	hits, err := m.store.Search(ctx, newest)
	if err != nil || len(hits) >= s.Limit {
		return hits, err
	}
	more, err := m.store.Search(ctx, s)
	for _, h := range more {
		known := func(o Hit) bool { return o.Item.ID == h.Item.ID && o.Chunk.N == h.Chunk.N }
		if len(hits) < s.Limit && !slices.ContainsFunc(hits, known) {
			hits = append(hits, h)
		}
	}
	return hits, err
}

// Get returns an item that the reader may read, else NotFound.
func (m *Memory) Get(ctx context.Context, reader agent.Actor, id string) (Item, error) {
	i, err := m.store.Item(ctx, reader.Workspace, id)
	if err != nil {
		return Item{}, fmt.Errorf("get item: %w", err)
	}
	if !readable(i, reader) {
		return Item{}, notFound(id)
	}
	i.Label = asReadBy(i, reader)
	return i, nil
}

// List returns items that the filter's reader may read, newest first, without
// their chunks.
func (m *Memory) List(ctx context.Context, f Filter) ([]Item, error) {
	if f.Reader.Workspace == "" || f.Reader.ID == "" {
		return nil, agent.Errorf(agent.Invalid, "a list needs to know who asks")
	}
	items, err := m.store.Items(ctx, f)
	if err != nil {
		return nil, fmt.Errorf("list items: %w", err)
	}
	return slices.DeleteFunc(items, func(i Item) bool { return !readable(i, f.Reader) }), nil
}

func readable(i Item, a agent.Actor) bool {
	return i.Workspace == a.Workspace && i.Label.Readers.Includes(a)
}

func notFound(id string) error {
	return agent.Errorf(agent.NotFound, "nothing is remembered under %q", clip(id, 40))
}
