package dbos_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/sous-hq/sous/agent/loop"
	"github.com/sous-hq/sous/integrations/dbos"
	"github.com/sous-hq/sous/integrations/postgres"
	"github.com/sous-hq/sous/integrations/sqlite"
	"github.com/sous-hq/sous/internal/testkit/looptest"
	"github.com/sous-hq/sous/internal/testkit/pgtest"
	"github.com/sous-hq/sous/tools"
)

func TestMain(m *testing.M) {
	os.Exit(pgtest.Main(m, pgtest.Suite{Prepare: prepare, Keep: []string{"sous.schema_version", "sous_turns.dbos_migrations"}}))
}

// prepare makes the tables of the store and of the engine.
func prepare(ctx context.Context, url string) error {
	keys, err := os.MkdirTemp("", "keys")
	if err != nil {
		return err
	}
	defer os.RemoveAll(keys)
	db, err := postgres.Open(ctx, postgres.Config{URL: url, Keys: keys})
	if err != nil {
		return err
	}
	defer db.Close()
	e, err := dbos.New(ctx, dbos.Config{Postgres: db.EnginePool, Replicas: db, Signals: db})
	if err != nil {
		return err
	}
	if err := e.Close(time.Second); err != nil {
		return err
	}
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	// The keys are every test's own.
	_, err = conn.Exec(ctx, `DELETE FROM sous.keyring_check`)
	return err
}

func TestEngineOnSQLite(t *testing.T) {
	t.Parallel()
	looptest.Engines(t, looptest.Bench{Engine: func(t testing.TB, db looptest.Store, p looptest.Parts) looptest.Engine {
		e, err := dbos.New(t.Context(), dbos.Config{SQLite: db.(*sqlite.DB).SQL(), Signals: db, Limits: p.Limits, Clock: p.Clock})
		if err != nil {
			t.Fatal(err)
		}
		return e
	}})
}

func TestEngineOnPostgreSQL(t *testing.T) {
	t.Parallel()
	looptest.Engines(t, onPostgres)
}

// onPostgres is the engine of replicas; those that fall silent are missed sooner
// than in earnest.
var onPostgres = looptest.Bench{
	Stores: func(t testing.TB) func(clock func() time.Time) (looptest.Store, tools.Ledger) {
		return storesOn(t, pgtest.New(t))
	},
	Engine: func(t testing.TB, db looptest.Store, p looptest.Parts) looptest.Engine {
		shared := db.(*postgres.DB)
		e, err := dbos.New(context.Background(), dbos.Config{
			Postgres: shared.EnginePool, Replicas: shared, Signals: db, Limits: p.Limits, Clock: p.Clock, Recover: p.Recover, Changed: p.Heard,
		})
		if err != nil {
			t.Fatal(err)
		}
		return e
	},
}

func storesOn(t testing.TB, base pgtest.Database) func(clock func() time.Time) (looptest.Store, tools.Ledger) {
	keys := filepath.Join(t.TempDir(), "keys")
	return func(clock func() time.Time) (looptest.Store, tools.Ledger) {
		db, err := postgres.Open(context.Background(), postgres.Config{URL: base.URL, Keys: keys, Clock: clock, Beat: 100 * time.Millisecond, Silence: 3 * time.Second})
		if err != nil {
			t.Fatal(err)
		}
		ledger, err := postgres.NewLedger(db, postgres.LedgerConfig{ApprovalTTL: looptest.ApprovalTTL})
		if err != nil {
			t.Fatal(err)
		}
		return db, ledger
	}
}

var _ loop.Engine = (*dbos.Engine)(nil)
