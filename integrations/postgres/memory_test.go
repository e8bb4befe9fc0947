package postgres_test

import (
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/agent/audit"
	"github.com/sous-hq/sous/integrations/postgres"
	"github.com/sous-hq/sous/internal/testkit/embedtest"
	"github.com/sous-hq/sous/internal/testkit/storetest"
	"github.com/sous-hq/sous/memory"
)

func TestMemories(t *testing.T) {
	t.Parallel()
	storetest.Memories(t, func(t *testing.T) memory.Store {
		db, _, _ := openDB(t)
		return postgres.NewMemories(db)
	})
}

func TestMemoriesOfManyPassages(t *testing.T) {
	t.Parallel()
	storetest.Memories(t, func(t *testing.T) memory.Store {
		db, _, _ := openDB(t)
		return postgres.WideMemories(db)
	})
}

func TestMemoriesAreAuditedWithoutTheirText(t *testing.T) {
	t.Parallel()
	db, _, _ := openDB(t)
	store := postgres.NewMemories(db)
	item := memory.Item{
		ID: "i1", Workspace: "w", Kind: memory.Fact, Author: "ann", At: time.Unix(1, 0), Remembered: time.Unix(1, 0),
		Label: agent.Label{Readers: agent.Readers{Scope: agent.WholeWorkspace}}, Chunks: []memory.Chunk{{Text: "a secret recipe"}},
	}
	for range 2 {
		if _, _, err := store.SaveItem(t.Context(), item); err != nil {
			t.Fatal(err)
		}
	}
	bob := agent.Actor{Workspace: "w", ID: "bob", Kind: agent.Member}
	for _, at := range []time.Time{time.Unix(2, 0), time.Unix(3, 0), {}} {
		if err := store.SetForgotten(t.Context(), bob, "i1", at); err != nil {
			t.Fatal(err)
		}
	}
	rows, err := db.Audit(t.Context(), "w", audit.Filter{Kinds: []audit.Kind{audit.MemoryWritten}})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, r := range rows {
		got = append(got, string(r.Actor)+": "+r.Note)
	}
	if want := []string{"ann: remembered i1 (fact)", "bob: forgot i1", "bob: restored i1"}; !slices.Equal(got, want) {
		t.Errorf("the audit says %q; want %q", got, want)
	}
}

func TestRecall(t *testing.T) {
	t.Parallel()
	storetest.Recall(t, func(t *testing.T) storetest.Vectors {
		db, clock, _ := openDB(t)
		m := postgres.NewMemories(db)
		return storetest.Vectors{Store: m, Index: m, Clock: clock}
	})
}

func TestRecallOfManyPassages(t *testing.T) {
	t.Parallel()
	storetest.Recall(t, func(t *testing.T) storetest.Vectors {
		db, clock, _ := openDB(t)
		m := postgres.WideMemories(db)
		return storetest.Vectors{Store: m, Index: m, Clock: clock}
	})
}

func TestNearestBySigns(t *testing.T) {
	t.Parallel()
	storetest.Nearest(t, func(t *testing.T) storetest.Vectors {
		db, clock, _ := openDB(t)
		m := postgres.SignedMemories(db)
		return storetest.Vectors{Store: m, Index: m, Clock: clock}
	})
}

func TestSignsFollowTheirVectorsWhateverWritesThese(t *testing.T) {
	t.Parallel()
	db, clock, base := openDB(t)
	store := postgres.SignedMemories(db)
	indexer, err := memory.NewIndexer(memory.IndexerConfig{
		Index: store, Store: store, Embedder: &embedtest.Embedder{}, Clock: clock.Now, Log: slog.New(slog.DiscardHandler), By: agent.Actor{Workspace: "w", ID: "olga"},
	})
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(err)
	embed := func() {
		for more := true; more; {
			more, err = indexer.Step(t.Context())
			must(err)
		}
	}
	conn, err := pgx.Connect(t.Context(), base.AdminURL)
	must(err)
	defer func() { _ = conn.Close(t.Context()) }()
	wants := func(when string, want int) {
		t.Helper()
		var vectors, signs, right int
		must(conn.QueryRow(t.Context(), `SELECT count(v.key), count(s.key),
			count(*) FILTER (WHERE s.signs = binary_quantize(v.embedding) AND s.workspace = v.workspace AND s.audience = v.audience)
			FROM sous.memory_vectors_1 v FULL JOIN sous.memory_vectors_1_signs s USING (key)`).Scan(&vectors, &signs, &right))
		if vectors != want || signs != want || right != want {
			t.Errorf("%s: %d vectors, signs of %d, %d of them right; want %d", when, vectors, signs, right, want)
		}
	}
	ann := agent.Actor{Workspace: "w", ID: "ann", Kind: agent.Member}
	for _, id := range []string{"a", "b", "c"} {
		_, _, err := store.SaveItem(t.Context(), memory.Item{
			ID: id, Workspace: "w", Kind: memory.Fact, Author: "ann", At: time.Unix(1, 0), Remembered: time.Unix(1, 0),
			Label: agent.Label{Readers: agent.Only("ann")}, Chunks: []memory.Chunk{{Text: "the osprey is " + id}, {Text: "so is the heron"}},
		})
		must(err)
	}
	embed()
	wants("embedded", 6)
	must(store.SetForgotten(t.Context(), ann, "a", time.Unix(2, 0)))
	wants("one is forgotten", 4)
	must(store.SetForgotten(t.Context(), ann, "a", time.Time{}))
	embed()
	wants("it is back", 6)
	_, err = store.Remove(t.Context(), ann, []string{"b"})
	must(err)
	wants("one is removed", 4)
	run := administrator(t, base)
	for _, query := range []string{
		`DROP TRIGGER memory_signs_follow ON memory_vectors_1`, `DROP TABLE memory_vectors_1_signs`,
		`DROP FUNCTION memory_signs_follow, memory_generation_signs`,
		// What this test leaves is not what was prepared: another test must not get it.
		`CREATE TABLE changed ()`,
	} {
		must(run(query))
	}
	must(postgres.MigrateAgain(t.Context(), base.URL, 24))
	wants("carried over", 4)
}

func TestWithoutPgvectorRecallIsByWordsAndSaysWhatIsMissing(t *testing.T) {
	t.Parallel()
	db, clock, base := openDB(t)
	// The type stands in the way of whoever would install the extension.
	for _, query := range []string{`DROP EXTENSION vector`, `CREATE TYPE public.vector AS (missing int)`} {
		if err := administrator(t, base)(query); err != nil {
			t.Fatal(err)
		}
	}
	store := postgres.NewMemories(db)
	m, err := memory.New(memory.Config{Store: store, Index: store, Embedder: &embedtest.Embedder{}, Clock: clock.Now})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := store.Begin(t.Context(), "a model", 8); agent.KindOf(err) != agent.Unavailable || !strings.Contains(agent.PublicText(err), "no pgvector 0.8 or newer") {
		t.Errorf("beginning a generation: %v", err)
	}
	if err := store.Able(t.Context()); agent.KindOf(err) != agent.Unavailable || !strings.Contains(agent.PublicText(err), "no pgvector 0.8 or newer") {
		t.Errorf("whether it can keep vectors: %v", err)
	}
	indexer, err := memory.NewIndexer(memory.IndexerConfig{
		Index: store, Store: store, Embedder: &embedtest.Embedder{}, Clock: clock.Now, Log: slog.New(slog.DiscardHandler), By: agent.Actor{Workspace: "w", ID: "olga"},
	})
	if err != nil {
		t.Fatal(err)
	}
	if s, err := indexer.Status(t.Context()); err != nil || !strings.Contains(s.Ranking("a model"), "CREATE EXTENSION vector") {
		t.Errorf("what doctor says: %q, %v", s.Ranking("a model"), err)
	}
	if all, err := store.Generations(t.Context()); err != nil || len(all) != 0 {
		t.Errorf("there are generations: %v, %v; want none", all, err)
	}
	item := memory.Item{
		ID: "i1", Workspace: "w", Kind: memory.Fact, Author: "ann", At: time.Unix(1, 0), Remembered: time.Unix(1, 0),
		Label: agent.Label{Readers: agent.Readers{Scope: agent.WholeWorkspace}}, Chunks: []memory.Chunk{{Text: "The automobile is red."}},
	}
	if _, _, err := store.SaveItem(t.Context(), item); err != nil {
		t.Fatal(err)
	}
	hits, err := m.Recall(t.Context(), memory.Query{Reader: agent.Actor{Workspace: "w", ID: "bob", Kind: agent.Member}, Text: "which automobile?"})
	if err != nil || len(hits) != 1 {
		t.Errorf("recall gives %d hits, %v; want the one by words", len(hits), err)
	}
}

func TestWordsStoredBeforeTheIndexKnewTheirReadersAreFoundByThemAlone(t *testing.T) {
	t.Parallel()
	db, _, base := openDB(t)
	store := postgres.NewMemories(db)
	ann, bob := agent.Actor{Workspace: "w", ID: "ann", Kind: agent.Member}, agent.Actor{Workspace: "w", ID: "bob", Kind: agent.Member}
	for _, id := range []string{"kept", "forgotten", "restored"} {
		item := memory.Item{
			ID: id, Workspace: "w", Kind: memory.Fact, Author: "ann", At: time.Unix(1, 0), Remembered: time.Unix(1, 0),
			Label: agent.Label{Readers: agent.Only("ann")}, Chunks: []memory.Chunk{{Text: "the osprey is " + id}},
		}
		if _, _, err := store.SaveItem(t.Context(), item); err != nil {
			t.Fatal(err)
		}
	}
	for _, id := range []string{"forgotten", "restored"} {
		if err := store.SetForgotten(t.Context(), ann, id, time.Unix(2, 0)); err != nil {
			t.Fatal(err)
		}
	}
	run := administrator(t, base)
	for _, query := range []string{
		`DROP TRIGGER memory_index_follow ON memory_items`, `DROP TRIGGER memory_index_before ON memory_index`,
		`DROP FUNCTION memory_index_follow, memory_index_before, memory_lists, memory_newest`,
		`ALTER TABLE memory_index DROP COLUMN audience`,
		// What this test leaves is not what was prepared: another test must not get it.
		`CREATE TABLE changed ()`,
	} {
		if err := run(query); err != nil {
			t.Fatal(query, err)
		}
	}
	if err := postgres.MigrateAgain(t.Context(), base.URL, 21); err != nil {
		t.Fatal(err)
	}
	wants := func(when string, want ...string) {
		t.Helper()
		for among, store := range map[string]memory.Store{"few": store, "many": postgres.WideMemories(db)} {
			if got := ospreys(t, store, ann); !slices.Equal(got, want) {
				t.Errorf("%s, among %s passages ann finds %q; want %q", when, among, got, want)
			}
			if got := ospreys(t, store, bob); len(got) > 0 {
				t.Errorf("%s, among %s passages bob finds %q", when, among, got)
			}
		}
	}
	wants("carried over", "kept")
	if err := store.SetForgotten(t.Context(), ann, "restored", time.Time{}); err != nil {
		t.Fatal(err)
	}
	wants("restored", "kept", "restored")
	if err := run(`WITH gone AS (DELETE FROM memory_index RETURNING workspace, key, words) INSERT INTO memory_index (workspace, key, words) SELECT * FROM gone`); err != nil {
		t.Fatal(err)
	}
	wants("written by an older version", "kept", "restored")
}

// ospreys are the ids of what a reader finds of them.
func ospreys(t *testing.T, store memory.Store, reader agent.Actor) (ids []string) {
	t.Helper()
	m, err := memory.New(memory.Config{Store: store, Clock: func() time.Time { return time.Unix(3, 0) }})
	if err != nil {
		t.Fatal(err)
	}
	hits, err := m.Recall(t.Context(), memory.Query{Reader: reader, Text: "osprey"})
	if err != nil {
		t.Fatal(err)
	}
	for _, h := range hits {
		ids = append(ids, h.Item.ID)
	}
	slices.Sort(ids)
	return ids
}
