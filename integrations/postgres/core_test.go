package postgres_test

import (
	"context"
	"net/url"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/sous-hq/sous/integrations/postgres"
	"github.com/sous-hq/sous/internal/testkit/pgtest"
	"github.com/sous-hq/sous/internal/testkit/storetest"
)

// openDB opens an empty store on a clock that is moved by hand.
func openDB(t testing.TB) (*postgres.DB, *storetest.Clock, pgtest.Database) {
	t.Helper()
	clock, base := storetest.NewClock(), pgtest.New(t)
	return openAt(t, base.URL, clock), clock, base
}

func openAt(t testing.TB, address string, clock *storetest.Clock) *postgres.DB {
	t.Helper()
	db, err := postgres.Open(t.Context(), postgres.Config{URL: address, Keys: t.TempDir() + "/keys", Clock: clock.Now, Beat: 50 * time.Millisecond, Silence: 300 * time.Millisecond, Patience: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db
}

// administrator runs SQL past the adapter and past every policy.
func administrator(t testing.TB, base pgtest.Database) func(query string) error {
	return func(query string) error {
		u, err := url.Parse(base.AdminURL)
		if err != nil {
			return err
		}
		q := u.Query()
		q.Set("search_path", "sous")
		u.RawQuery = q.Encode()
		// At the end of the test, too.
		ctx := context.WithoutCancel(t.Context())
		conn, err := pgx.Connect(ctx, u.String())
		if err != nil {
			return err
		}
		defer conn.Close(ctx)
		_, err = conn.Exec(ctx, query)
		return err
	}
}

// openStores opens an empty store with its ledger.
func openStores(t *testing.T) storetest.Stores {
	t.Helper()
	db, clock, base := openDB(t)
	return storesOf(t, db, clock, base)
}

func storesOf(t *testing.T, db *postgres.DB, clock *storetest.Clock, base pgtest.Database) storetest.Stores {
	t.Helper()
	people := storetest.NewDirectory(clock)
	ledger, err := postgres.NewLedger(db, postgres.LedgerConfig{ApprovalTTL: storetest.ApprovalTTL, UndoTTL: storetest.UndoTTL, People: people})
	if err != nil {
		t.Fatal(err)
	}
	control := struct {
		*postgres.DB
		*postgres.Ledger
	}{db, ledger}
	return storetest.Stores{Store: db, Ledger: ledger, Control: control, Clock: clock, People: people, Exec: administrator(t, base)}
}

func TestInbox(t *testing.T)         { storetest.Inbox(t, openStores) }
func TestBudgets(t *testing.T)       { storetest.Budgets(t, openStores) }
func TestTurns(t *testing.T)         { storetest.Turns(t, openStores) }
func TestConversations(t *testing.T) { storetest.Conversations(t, openStores) }
func TestFiles(t *testing.T)         { storetest.Files(t, openStores) }
func TestSignals(t *testing.T)       { storetest.Signals(t, openStores) }
func TestApprovals(t *testing.T)     { storetest.Approvals(t, openStores) }
func TestLedger(t *testing.T)        { storetest.Ledger(t, openStores) }
func TestPauses(t *testing.T)        { storetest.Pauses(t, openStores) }
func TestTokens(t *testing.T)        { storetest.Tokens(t, openStores) }
func TestSettings(t *testing.T)      { storetest.Settings(t, openStores) }
func TestAudit(t *testing.T)         { storetest.Audit(t, openStores) }

func TestJournal(t *testing.T) {
	storetest.Journal(t, func(t *testing.T) storetest.Stores {
		s := openStores(t)
		if err := s.Exec(`INSERT INTO replicas (id) VALUES ('sous-a'), ('sous-b')`); err != nil {
			t.Fatal(err)
		}
		return s
	}, "sous-a", "sous-b")
}

// A statement that pgx has dropped is prepared anew where its tables are, whatever the
// connection is believed to know.
func TestTurnsWhereFewStatementsAreKept(t *testing.T) {
	storetest.Turns(t, func(t *testing.T) storetest.Stores {
		base, clock := pgtest.New(t), storetest.NewClock()
		return storesOf(t, openAt(t, base.URL+"&statement_cache_capacity=5&pool_max_conns=2", clock), clock, base)
	})
}
