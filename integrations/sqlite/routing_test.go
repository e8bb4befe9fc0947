package sqlite_test

import (
	"testing"

	"github.com/sous-hq/sous/integrations/sqlite"
	"github.com/sous-hq/sous/internal/testkit/storetest"
	"github.com/sous-hq/sous/tools/routing"
)

func TestRoutingCases(t *testing.T) {
	t.Parallel()
	storetest.RoutingCases(t, func(t *testing.T) routing.Cases {
		db, err := sqlite.Open(t.Context(), sqlite.Config{Path: t.TempDir() + "/sous.db"})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = db.Close() })
		return sqlite.NewRoutingCases(db)
	})
}
