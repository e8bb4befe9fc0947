package journal_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/sous-hq/sous/agent/journal"
	"github.com/sous-hq/sous/agent/loop"
	"github.com/sous-hq/sous/integrations/postgres"
	"github.com/sous-hq/sous/internal/testkit/looptest"
	"github.com/sous-hq/sous/internal/testkit/pgtest"
	"github.com/sous-hq/sous/tools"
)

var _ loop.Engine = (*journal.Engine)(nil)

func TestMain(m *testing.M) {
	os.Exit(pgtest.Main(m, pgtest.Suite{Prepare: prepare, Keep: []string{"sous.schema_version"}}))
}

// prepare makes the tables of the store.
func prepare(ctx context.Context, url string) error {
	if err := postgres.Migrate(ctx, url); err != nil {
		return err
	}
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return err
	}
	return conn.Close(ctx)
}

// onSQLite is the engine on the embedded store.
var onSQLite = looptest.Bench{Engine: func(t testing.TB, db looptest.Store, p looptest.Parts) looptest.Engine {
	return newEngine(t, journal.Config{Store: db, Limits: p.Limits, Clock: p.Clock})
}}

// onPostgres is the engine of replicas; those that fall silent are missed sooner
// than in earnest.
var onPostgres = looptest.Bench{
	Stores: func(t testing.TB) func(clock func() time.Time) (looptest.Store, tools.Ledger) {
		return storesOn(t, pgtest.New(t))
	},
	Engine: func(t testing.TB, db looptest.Store, p looptest.Parts) looptest.Engine {
		return newEngine(t, journal.Config{Store: db, Replicas: db.(*postgres.DB), Limits: p.Limits, Clock: p.Clock, Recover: p.Recover, Changed: p.Heard})
	},
}

func newEngine(t testing.TB, c journal.Config) *journal.Engine {
	t.Helper()
	e, err := journal.New(c)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// storesOn opens stores on a database.
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

func TestEngineOnSQLite(t *testing.T) { t.Parallel(); looptest.Engines(t, onSQLite) }

func TestEngineOnPostgreSQL(t *testing.T) { t.Parallel(); looptest.Engines(t, onPostgres) }
