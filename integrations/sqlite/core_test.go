package sqlite_test

import (
	"path/filepath"
	"testing"

	"github.com/sous-hq/sous/integrations/sqlite"
	"github.com/sous-hq/sous/internal/testkit/storetest"
)

// openStores opens an empty store with its ledger, on a clock that is moved by hand.
func openStores(t *testing.T) storetest.Stores {
	t.Helper()
	clock := storetest.NewClock()
	db, err := sqlite.Open(t.Context(), sqlite.Config{Path: filepath.Join(t.TempDir(), "sous.db"), Clock: clock.Now})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	people := storetest.NewDirectory(clock)
	ledger, err := sqlite.NewLedger(db, sqlite.LedgerConfig{ApprovalTTL: storetest.ApprovalTTL, UndoTTL: storetest.UndoTTL, People: people})
	if err != nil {
		t.Fatal(err)
	}
	control := struct {
		*sqlite.DB
		*sqlite.Ledger
	}{db, ledger}
	return storetest.Stores{Store: db, Ledger: ledger, Control: control, Clock: clock, People: people, Exec: func(query string) error {
		_, err := db.SQL().ExecContext(t.Context(), query)
		return err
	}}
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
func TestJournal(t *testing.T)       { storetest.Journal(t, openStores, "sous-a", "sous-b") }
func TestSettings(t *testing.T)      { storetest.Settings(t, openStores) }
func TestAudit(t *testing.T)         { storetest.Audit(t, openStores) }
