package dbos_test

import (
	"testing"
	"time"

	"github.com/sous-hq/sous/agent/loop"
	"github.com/sous-hq/sous/integrations/dbos"
	"github.com/sous-hq/sous/integrations/sqlite"
	"github.com/sous-hq/sous/internal/testkit/looptest"
)

func TestEngineOnSQLite(t *testing.T) {
	looptest.Engines(t, func(t *testing.T, db *sqlite.DB, limits loop.Limits, clock func() time.Time) looptest.Engine {
		e, err := dbos.New(t.Context(), dbos.Config{SQLite: db.SQL(), Signals: db, Limits: limits, Clock: clock})
		if err != nil {
			t.Fatal(err)
		}
		return e
	})
}
