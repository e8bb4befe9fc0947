package sqlite_test

import (
	"testing"

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
