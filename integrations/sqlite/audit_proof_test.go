package sqlite_test

import (
	"context"
	"database/sql"
	"os"
	"path/filepath"
	"testing"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/agent/audit"
	"github.com/sous-hq/sous/integrations/sqlite"
	"github.com/sous-hq/sous/internal/testkit/storetest"
)

// openProvable opens an empty store whose files can be copied and tampered with.
func openProvable(t testing.TB) storetest.Provable {
	t.Helper()
	path := filepath.Join(t.TempDir(), "sous.db")
	clock := storetest.NewClock()
	db, err := sqlite.Open(t.Context(), sqlite.Config{Path: path, Clock: clock.Now})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	l, err := sqlite.NewLedger(db, sqlite.LedgerConfig{ApprovalTTL: storetest.ApprovalTTL})
	if err != nil {
		t.Fatal(err)
	}
	ring, err := db.Keys()
	if err != nil {
		t.Fatal(err)
	}
	known, err := ring.Verifiers()
	if err != nil {
		t.Fatal(err)
	}
	// One reader at a time, as a command is one.
	var reader *sqlite.Record
	finish := func() {
		if reader != nil {
			_ = reader.Close()
		}
	}
	t.Cleanup(finish)
	return storetest.Provable{
		Stores: storetest.Stores{Store: db, Ledger: l, Clock: clock},
		Trees:  db, Signer: ring.Signer, Known: known, KEK: ring.KEK,
		Evidence: func() audit.Evidence {
			finish()
			reader = recordOf(t, path)
			return reader
		},
		Erase: func(ctx context.Context, by agent.Actor, subject agent.ActorID) (int64, error) {
			finish()
			reader = nil
			return db.Erase(ctx, by, subject)
		},
		Tampered: func(f func(*sql.DB) error, check func(audit.Evidence)) { tamper(t, path, f, check) },
	}
}

func recordOf(t testing.TB, path string) *sqlite.Record {
	t.Helper()
	r, err := sqlite.OpenRecord(context.Background(), path)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// tamper copies the store's file, drops every trigger, lets f loose on it and
// reads what is left. It stands outside of every promise the code makes.
func tamper(t testing.TB, path string, f func(*sql.DB) error, check func(audit.Evidence)) {
	t.Helper()
	copied := filepath.Join(filepath.Dir(path), "tampered.db")
	for _, end := range []string{"", "-wal"} {
		raw, err := os.ReadFile(path + end)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(copied+end, raw, 0o600); err != nil {
			t.Fatal(err)
		}
		defer os.Remove(copied + end)
	}
	db, err := sql.Open("sqlite", "file:"+copied+"?_pragma=synchronous(OFF)&_pragma=foreign_keys(OFF)")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{
		"audit_keep_rows", "audit_keep_words", "audit_append", "audit_payload_keep", "audit_tree_keep_rows", "audit_tree_keep_words",
		"audit_checkpoints_keep_rows", "audit_checkpoints_keep_words",
	} {
		if _, err := db.Exec(`DROP TRIGGER ` + name); err != nil {
			t.Fatal(err)
		}
	}
	if err := f(db); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	r, err := sqlite.OpenRecord(context.Background(), copied)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	check(r)
}

func TestAuditProof(t *testing.T) { storetest.AuditProof(t, openProvable) }
