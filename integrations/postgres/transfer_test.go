package postgres_test

import (
	"context"
	"path/filepath"
	"testing"

	"github.com/sous-hq/sous/agent/audit"
	"github.com/sous-hq/sous/integrations/postgres"
	"github.com/sous-hq/sous/integrations/sqlite"
	"github.com/sous-hq/sous/internal/keyring"
	"github.com/sous-hq/sous/internal/testkit/pgtest"
	"github.com/sous-hq/sous/internal/testkit/storetest"
	"github.com/sous-hq/sous/internal/transfer"
)

// problems verifies the record of acme.
func problems(t *testing.T, e audit.Evidence, ring *keyring.Ring) (wrong []string) {
	t.Helper()
	r, err := audit.Verify(t.Context(), audit.VerifyConfig{Evidence: e, Workspace: "acme", KEK: ring.KEK})
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range r.Problems {
		wrong = append(wrong, p.What)
	}
	return wrong
}

// embedded opens an empty SQLite store with these keys.
func embedded(t *testing.T, keys string, clock *storetest.Clock) (*sqlite.DB, storetest.PrivacyStores) {
	t.Helper()
	db, err := sqlite.Open(t.Context(), sqlite.Config{Path: filepath.Join(t.TempDir(), "sous.db"), Keys: keys, Clock: clock.Now})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	people := storetest.NewDirectory(clock)
	ledger, err := sqlite.NewLedger(db, sqlite.LedgerConfig{ApprovalTTL: storetest.ApprovalTTL, UndoTTL: storetest.UndoTTL, People: people})
	if err != nil {
		t.Fatal(err)
	}
	return db, storetest.PrivacyStores{
		Stores:  storetest.Stores{Store: db, Ledger: ledger, Clock: clock, People: people},
		Privacy: db, Pauses: db, Tracker: sqlite.NewTracker(db, func(id string) string { return id }),
		Memories: sqlite.NewMemories(db), Cases: sqlite.NewRoutingCases(db),
		Verify: func() []string {
			ring, _ := db.Keys()
			r, err := sqlite.OpenRecord(t.Context(), db.Path())
			if err != nil {
				t.Fatal(err)
			}
			defer r.Close()
			return problems(t, r, ring)
		},
	}
}

// server opens an empty PostgreSQL store with these keys.
func server(t *testing.T, keys string, clock *storetest.Clock) (*postgres.DB, storetest.PrivacyStores) {
	t.Helper()
	base := pgtest.New(t)
	db, err := postgres.Open(t.Context(), postgres.Config{URL: base.URL, Keys: keys, Clock: clock.Now})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db, storetest.PrivacyStores{
		Stores: storesOf(t, db, clock, base), Privacy: db, Pauses: db, Tracker: postgres.NewTracker(db, func(id string) string { return id }),
		Memories: postgres.NewMemories(db), Cases: postgres.NewRoutingCases(db),
		Verify: func() []string {
			ring, _ := db.Keys()
			r, err := postgres.OpenRecord(t.Context(), base.URL)
			if err != nil {
				t.Fatal(err)
			}
			defer r.Close()
			return problems(t, r, ring)
		},
	}
}

func TestAStoreMovesFromSQLiteToPostgreSQL(t *testing.T) {
	t.Parallel()
	keys, clock := t.TempDir()+"/keys", storetest.NewClock()
	here, from := embedded(t, keys, clock)
	there, to := server(t, keys, clock)
	storetest.Transfer(t, from, to, func() { moved(t, there.Load, here.Dump) })
	if _, err := there.Load(t.Context(), here.Dump); err == nil {
		t.Error("a store in use is filled")
	}
	// The policies are back in force, for the owner too.
	if n, err := there.Pool().Query(t.Context(), `SELECT 1 FROM sous.messages`); err == nil {
		defer n.Close()
		if n.Next() {
			t.Error("the owner sees rows without a role")
		}
	}
}

func TestAStoreMovesFromPostgreSQLToSQLite(t *testing.T) {
	t.Parallel()
	keys, clock := t.TempDir()+"/keys", storetest.NewClock()
	here, from := server(t, keys, clock)
	there, to := embedded(t, keys, clock)
	storetest.Transfer(t, from, to, func() { moved(t, there.Load, here.Dump) })
	if _, err := there.Load(t.Context(), here.Dump); err == nil {
		t.Error("a store in use is filled")
	}
}

type dump func(ctx context.Context, f func(transfer.Row) error) error

func moved(t *testing.T, load func(ctx context.Context, d func(ctx context.Context, f func(transfer.Row) error) error) (transfer.Sums, error), from dump) {
	t.Helper()
	sums, err := load(t.Context(), from)
	if err != nil {
		t.Fatal(err)
	}
	if sums.Total() == 0 || sums["messages"].Rows == 0 || sums["audit"].Rows == 0 {
		t.Errorf("moved %v", sums)
	}
}

// Every table is either moved or made anew, so none is forgotten.
func TestEveryTableIsMovedOrMadeAnew(t *testing.T) {
	t.Parallel()
	_, _, base := openDB(t)
	known := map[string]bool{}
	for _, table := range transfer.Tables() {
		known[table.Name] = true
	}
	for name := range transfer.Made() {
		known[name] = true
	}
	for _, name := range tablesOf(t, base) {
		if !known[name] {
			t.Errorf("internal/transfer does not say what becomes of the table %s", name)
		}
	}
}
