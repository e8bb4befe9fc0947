package sqlite_test

import (
	"slices"
	"testing"
	"time"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/agent/audit"
	"github.com/sous-hq/sous/integrations/sqlite"
	"github.com/sous-hq/sous/internal/testkit/storetest"
	"github.com/sous-hq/sous/memory"
)

func TestMemories(t *testing.T) {
	t.Parallel()
	storetest.Memories(t, func(t *testing.T) memory.Store {
		db, err := sqlite.Open(t.Context(), sqlite.Config{Path: t.TempDir() + "/sous.db"})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = db.Close() })
		return sqlite.NewMemories(db)
	})
}

func TestRecall(t *testing.T) {
	t.Parallel()
	storetest.Recall(t, func(t *testing.T) storetest.Vectors {
		clock := storetest.NewClock()
		db, err := sqlite.Open(t.Context(), sqlite.Config{Path: t.TempDir() + "/sous.db", Clock: clock.Now})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = db.Close() })
		m := sqlite.NewMemories(db)
		return storetest.Vectors{Store: m, Index: m, Clock: clock}
	})
}

// The scan is not the last guard, so a mistake in it would show in no answer.
func TestTheScanGivesOnlyVectorsOfAudiencesTheReaderBelongsTo(t *testing.T) {
	t.Parallel()
	db, err := sqlite.Open(t.Context(), sqlite.Config{Path: t.TempDir() + "/sous.db"})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	store := sqlite.NewMemories(db)
	save := func(ws agent.WorkspaceID, text string, readers agent.Readers) {
		t.Helper()
		_, _, err := store.SaveItem(t.Context(), memory.Item{
			ID: text, Workspace: ws, Kind: memory.Fact, Author: "ann", At: time.Unix(1, 0), Remembered: time.Unix(1, 0),
			Label: agent.Label{Readers: readers}, Chunks: []memory.Chunk{{Text: text}},
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	save("w", "everybody's", agent.Readers{Scope: agent.Everybody})
	save("w", "members'", agent.Readers{Scope: agent.WholeWorkspace})
	save("w", "ann's and bob's", agent.Only("ann", "bob"))
	save("w", "ann's", agent.Only("ann"))
	save("w2", "other members'", agent.Readers{Scope: agent.WholeWorkspace})
	save("w2", "other bob's", agent.Only("bob"))
	g, err := store.Begin(t.Context(), "m", 64)
	if err != nil {
		t.Fatal(err)
	}
	same := memory.Unit(append([]float32{1}, make([]float32, 63)...))
	for range 2 { // a piece of work is of one workspace
		work, err := store.Work(t.Context(), g.ID, 10)
		if err != nil {
			t.Fatal(err)
		}
		vectors := make([][]float32, len(work.Keys))
		for i := range vectors {
			vectors[i] = same
		}
		if err := store.SaveVectors(t.Context(), work, vectors); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		who  agent.Actor
		want []string
	}{
		{agent.Actor{Workspace: "w", ID: "bob", Kind: agent.Member}, []string{"ann's and bob's", "everybody's", "members'"}},
		{agent.Actor{Workspace: "w", ID: "ann", Kind: agent.Member}, []string{"ann's", "ann's and bob's", "everybody's", "members'"}},
		{agent.Actor{Workspace: "w", ID: "gus", Kind: agent.Guest}, []string{"everybody's"}},
		{agent.Actor{Workspace: "w", ID: "dan", Kind: agent.Member, Owner: true}, []string{"everybody's", "members'"}},
		{agent.Actor{Workspace: "w2", ID: "bob", Kind: agent.Member}, []string{"other bob's", "other members'"}},
		{agent.Actor{Workspace: "w3", ID: "bob", Kind: agent.Member, Owner: true}, nil},
		{agent.Actor{Workspace: "w", Kind: agent.Member}, nil},
	} {
		s := memory.ParseQuery(memory.Query{Reader: c.who, Text: "x"}, time.Unix(2, 0))
		s.Vector, s.Model = same, "m"
		got, err := sqlite.Scanned(t.Context(), store, s, g.ID)
		if err != nil || !slices.Equal(got, c.want) {
			t.Errorf("%s of %s: %q, %v; want %q", c.who.ID, c.who.Workspace, got, err, c.want)
		}
	}
}

func TestMemoriesAreAuditedWithoutTheirText(t *testing.T) {
	t.Parallel()
	db, err := sqlite.Open(t.Context(), sqlite.Config{Path: t.TempDir() + "/sous.db"})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	store := sqlite.NewMemories(db)
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
