package sqlite_test

import (
	"testing"

	"github.com/sous-hq/sous/integrations/sqlite"
	"github.com/sous-hq/sous/internal/testkit/storetest"
	"github.com/sous-hq/sous/tools/tickets"
)

func TestTracker(t *testing.T) {
	t.Parallel()
	storetest.Tracker(t, func(t *testing.T) tickets.Tracker {
		db, err := sqlite.Open(t.Context(), sqlite.Config{Path: t.TempDir() + "/sous.db"})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = db.Close() })
		return sqlite.NewTracker(db, func(id string) string { return "/tickets/" + id })
	})
}
