package sqlite_test

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"slices"
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
	copied := &tampering{}
	t.Cleanup(func() { finish(); copied.close() })
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
		Tampered: func(f func(*sql.Tx) error, check func(audit.Evidence)) { copied.tamper(t, path, f, check) },
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

// tampering is a copy of a store's file without its triggers, open to anybody:
// it stands outside of every promise the code makes.
type tampering struct {
	db *sql.DB
	// of is what the copy was made of.
	of string
}

// copyOf returns the copy of the store as it is now.
func (c *tampering) copyOf(t testing.TB, path string) *sql.DB {
	t.Helper()
	var all [2][]byte
	for i, end := range []string{"", "-wal"} {
		var err error
		if all[i], err = os.ReadFile(path + end); err != nil {
			t.Fatal(err)
		}
	}
	of := fmt.Sprintf("%x", sha256.Sum256(slices.Concat(all[0], all[1])))
	if c.of == of {
		return c.db
	}
	c.close()
	copied := filepath.Join(t.TempDir(), "tampered.db")
	for i, end := range []string{"", "-wal"} {
		if err := os.WriteFile(copied+end, all[i], 0o600); err != nil {
			t.Fatal(err)
		}
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
	c.db, c.of = db, of
	return db
}

func (c *tampering) close() {
	if c.db != nil {
		_ = c.db.Close()
	}
}

// tamper lets f loose on the copy, reads what is left, and takes it back.
func (c *tampering) tamper(t testing.TB, path string, f func(*sql.Tx) error, check func(audit.Evidence)) {
	t.Helper()
	tx, err := c.copyOf(t, path).BeginTx(context.Background(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = tx.Rollback() }()
	if err := f(tx); err != nil {
		t.Fatal(err)
	}
	check(sqlite.RecordIn(tx))
}

func TestAuditProof(t *testing.T) { storetest.AuditProof(t, openProvable) }
