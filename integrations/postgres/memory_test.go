package postgres_test

import (
	"slices"
	"strings"
	"testing"
	"time"

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
