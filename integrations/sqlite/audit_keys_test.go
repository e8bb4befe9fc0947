package sqlite_test

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/agent/audit"
	"github.com/sous-hq/sous/integrations/sqlite"
	"github.com/sous-hq/sous/internal/keyring"
	"github.com/sous-hq/sous/tools"
)

func refuse(t testing.TB, db *sqlite.DB, n int, args string) error {
	t.Helper()
	p := call(t, n)
	p.Call.Args = json.RawMessage(args)
	return ledger(t, db).Refuse(t.Context(), p, agent.Verdict{Rule: "no"})
}

func mustRefuse(t testing.TB, db *sqlite.DB, n int, args string) {
	t.Helper()
	if err := refuse(t, db, n, args); err != nil {
		t.Fatal(err)
	}
}

func rowsOf(t testing.TB, db *sqlite.DB) []audit.Entry {
	t.Helper()
	rows, err := db.Audit(t.Context(), "acme", audit.Filter{})
	if err != nil {
		t.Fatal(err)
	}
	return rows
}

// report verifies the record of a store with the keys in its folder, if any.
func report(t testing.TB, path string) *audit.Report {
	t.Helper()
	r := recordOf(t, path)
	defer r.Close()
	c := audit.VerifyConfig{Evidence: r, Workspace: "acme"}
	if ring, err := keyring.Load(filepath.Join(filepath.Dir(path), "keys")); err == nil {
		c.KEK = ring.KEK
	}
	got, err := audit.Verify(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// stored makes a store with two rows and closes it.
func storeWithRows(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "sous.db")
	db := open(t, path)
	mustRefuse(t, db, 1, `{"to":"someone"}`)
	if err := accept(t.Context(), db, "e1"); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestWithoutItsKeysAStoreIsReadAndNothingIsDone(t *testing.T) {
	for name, spoil := range map[string]struct {
		f    func(keys string) error
		says string
	}{
		"the folder is gone": {os.RemoveAll, "missing"},
		"the KEK is gone":    {func(k string) error { return os.Remove(filepath.Join(k, keyring.KEKFile)) }, keyring.KEKFile},
		"the signer is gone": {func(k string) error { return os.Remove(filepath.Join(k, keyring.SignerFile)) }, keyring.SignerFile},
		"the keys are another store's": {func(k string) error {
			_, err := keyring.Make(filepath.Join(filepath.Dir(k), "other"))
			if err == nil {
				err = os.Rename(filepath.Join(filepath.Dir(k), "other", keyring.KEKFile), filepath.Join(k, keyring.KEKFile))
			}
			return err
		}, "not the key this store was written with"},
		"others can read the KEK": {func(k string) error { return os.Chmod(filepath.Join(k, keyring.KEKFile), 0o644) }, "chmod 600"},
	} {
		t.Run(name, func(t *testing.T) {
			path := storeWithRows(t)
			if err := spoil.f(filepath.Join(filepath.Dir(path), "keys")); err != nil {
				t.Fatal(err)
			}
			db := open(t, path)
			if _, err := db.Keys(); err == nil {
				t.Error("the keys are said to be in order")
			}
			wantError(t, accept(t.Context(), db, "e2"), agent.Unavailable, "nothing can be recorded", spoil.says)
			p := call(t, 1)
			_, err := ledger(t, db).Intend(t.Context(), tools.Intent{Key: key(p), Proposal: p, Verdict: agent.Verdict{Ruling: agent.Allow}})
			wantError(t, err, agent.Unavailable)
			if effects, err := db.Effects(t.Context(), "acme", "e1"); err != nil || len(effects) != 0 {
				t.Errorf("effects %v, %v; want none", effects, err)
			}
			if turns, err := db.Unfinished(t.Context()); err != nil || len(turns) != 1 {
				t.Errorf("turns %v, %v; want the one from before", turns, err)
			}
			rows := rowsOf(t, db)
			if len(rows) != 2 || rows[0].Payload != audit.PayloadSealed || rows[0].Args != nil || rows[0].Tool != "ticket_create" {
				t.Errorf("rows %+v", rows)
			}
			if _, err := os.Stat(filepath.Join(filepath.Dir(path), "keys", keyring.SignerFile)); err == nil && name == "the signer is gone" {
				t.Error("a new signing key was made")
			}
		})
	}
}

func TestTheTreeIsVerifiedWithoutKeys(t *testing.T) {
	path := storeWithRows(t)
	if err := os.RemoveAll(filepath.Join(filepath.Dir(path), "keys")); err != nil {
		t.Fatal(err)
	}
	if r := report(t, path); !r.OK() || r.Rows != 2 || r.Sealed != 1 {
		t.Errorf("report %+v", r)
	}
}

func TestARotatedKEKReadsOldRowsAndTheOldOneIsRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "sous.db")
	db := open(t, path)
	mustRefuse(t, db, 1, `{"a":"before"}`)
	kek := filepath.Join(filepath.Dir(path), "keys", keyring.KEKFile)
	old, err := os.ReadFile(kek)
	if err != nil {
		t.Fatal(err)
	}
	if err := db.RotateKEK(t.Context()); err != nil {
		t.Fatal(err)
	}
	mustRefuse(t, db, 2, `{"a":"after"}`)
	again := open(t, path)
	if rows := rowsOf(t, again); len(rows) != 2 || string(rows[0].Args) != `{"a":"before"}` || string(rows[1].Args) != `{"a":"after"}` {
		t.Errorf("rows %+v", rows)
	}
	if r := report(t, path); !r.OK() || r.Payloads != 2 {
		t.Errorf("report %+v", r)
	}
	if err := os.WriteFile(kek, old, 0o600); err != nil {
		t.Fatal(err)
	}
	wantError(t, refuse(t, open(t, path), 3, `{}`), agent.Unavailable, "not the key")
}

func TestAKeyAnotherProcessDestroyedIsNotUsedAgain(t *testing.T) {
	path := filepath.Join(t.TempDir(), "sous.db")
	a, b := open(t, path), open(t, path)
	mustRefuse(t, a, 1, `{"n":"one"}`)
	if n, err := b.Erase(t.Context(), agent.Actor{Workspace: "acme", ID: "root"}, "ann"); err != nil || n != 1 {
		t.Fatalf("erased %d, %v", n, err)
	}
	mustRefuse(t, a, 2, `{"n":"two"}`)
	for _, db := range []*sqlite.DB{a, b} {
		rows := rowsOf(t, db)
		if len(rows) != 3 || rows[0].Payload != audit.PayloadErased || string(rows[2].Args) != `{"n":"two"}` {
			t.Errorf("rows %+v", rows)
		}
	}
	if r := report(t, path); !r.OK() || r.Erased != 1 || r.Payloads != 1 {
		t.Errorf("report %+v", r)
	}
}

func TestARowThatRolledBackLeavesNoKeyBehind(t *testing.T) {
	path := filepath.Join(t.TempDir(), "sous.db")
	db := open(t, path)
	exec := func(q string) {
		t.Helper()
		if _, err := db.SQL().ExecContext(t.Context(), q); err != nil {
			t.Fatal(err)
		}
	}
	exec(`ALTER TABLE audit_tree RENAME TO away`)
	if err := refuse(t, db, 1, `{"n":1}`); err == nil {
		t.Fatal("recorded without a tree")
	}
	exec(`ALTER TABLE away RENAME TO audit_tree`)
	mustRefuse(t, db, 1, `{"n":2}`)
	if rows := rowsOf(t, db); len(rows) != 1 || string(rows[0].Args) != `{"n":2}` {
		t.Errorf("rows %+v", rows)
	}
	if rows := rowsOf(t, open(t, path)); len(rows) != 1 || string(rows[0].Args) != `{"n":2}` {
		t.Errorf("another process reads %+v", rows)
	}
}

// TestErasedStringsAreNowhereInTheFiles plants 1,000 strings, destroys the key,
// and looks for them and for the key in everything the store left on the disk.
func TestErasedStringsAreNowhereInTheFiles(t *testing.T) {
	path := filepath.Join(t.TempDir(), "sous.db")
	db := open(t, path)
	planted := make([][]byte, 1000)
	for i := range planted {
		planted[i] = fmt.Appendf(nil, "planted-%04d-secret", i)
		mustRefuse(t, db, i, fmt.Sprintf(`{"to":%q}`, planted[i]))
	}
	var wrapped []byte
	if err := db.SQL().QueryRowContext(t.Context(), `SELECT wrapped FROM subject_keys`).Scan(&wrapped); err != nil {
		t.Fatal(err)
	}
	if !inFiles(t, path, wrapped) {
		t.Fatal("the search would not find the key")
	}
	look := func(when string, what [][]byte) {
		t.Helper()
		for _, s := range what {
			if inFiles(t, path, s) {
				t.Fatalf("%s: %q is in the files", when, s)
			}
		}
	}
	look("sealed", planted)
	if n, err := db.Erase(t.Context(), agent.Actor{Workspace: "acme", ID: "root"}, "ann"); err != nil || n != 1000 {
		t.Fatalf("erased %d, %v", n, err)
	}
	look("erased", append(planted, wrapped))
	if _, err := db.SQL().ExecContext(t.Context(), `VACUUM`); err != nil {
		t.Fatal(err)
	}
	if _, err := db.SQL().ExecContext(t.Context(), `PRAGMA wal_checkpoint(TRUNCATE)`); err != nil {
		t.Fatal(err)
	}
	look("after VACUUM", append(planted, wrapped))
	if r := report(t, path); !r.OK() || r.Erased != 1000 || r.Rows != 1001 {
		t.Errorf("report %+v", r)
	}
}

func inFiles(t *testing.T, path string, what []byte) bool {
	t.Helper()
	for _, end := range []string{"", "-wal", "-shm"} {
		raw, err := os.ReadFile(path + end)
		if err == nil && bytes.Contains(raw, what) {
			return true
		}
	}
	return false
}

// oldStore makes a store as versions before the tree left it.
func oldStore(t *testing.T, rows int) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "sous.db")
	db, err := sql.Open("sqlite", "file:"+path+"?_pragma=journal_mode(WAL)")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	exec := func(q string, args ...any) {
		t.Helper()
		if _, err := db.Exec(q, args...); err != nil {
			t.Fatalf("%s: %v", q, err)
		}
	}
	exec(`CREATE TABLE schema_version (version INTEGER NOT NULL)`)
	files, err := filepath.Glob("migrations/000[1-4]_*.sql")
	if err != nil || len(files) != 4 {
		t.Fatal(files, err)
	}
	for i, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		exec(string(text))
		exec(`INSERT INTO schema_version VALUES (?)`, i+1)
	}
	for i := range rows {
		exec(`INSERT INTO audit (workspace, seq, at, kind, actor, turn, call, tool, tier, digest, ruling, rule, approval, status, args, note)
			VALUES (?, ?, ?, 'call.asked', 'ann', 'e1', 'e1/1', 'ticket_create', 1, 'd1', 'ask', 'r', 'AAAA', '', ?, ?)`,
			[]string{"acme", "globex"}[i%2], i/2+1, 1000+i, fmt.Sprintf(`{"title":"before-%d"}`, i), fmt.Sprintf("note before-%d", i))
	}
	return path
}

func TestRowsFromBeforeTheTreeAreSealedIntoIt(t *testing.T) {
	path := oldStore(t, 2500)
	if _, err := sqlite.OpenRecord(t.Context(), path); agent.KindOf(err) != agent.Conflict {
		t.Errorf("before it is brought up to date: %v", err)
	}
	db := open(t, path)
	rows := rowsOf(t, db)
	if len(rows) != 1000 || string(rows[7].Args) != `{"title":"before-14"}` || rows[7].Note != "note before-14" || rows[7].Digest != "d1" ||
		rows[7].At.UnixMicro() != 1014 || rows[7].Tier == nil || *rows[7].Tier != agent.TierWrite {
		t.Errorf("%d rows, the eighth %+v", len(rows), rows[7])
	}
	mustRefuse(t, db, 1, `{}`)
	if r := report(t, path); !r.OK() || r.Rows != 1251 || r.Payloads != 1251 {
		t.Errorf("report %+v", r)
	}
	if inFiles(t, path, []byte("before-14")) {
		t.Error("what lay in the open still does")
	}
}

func TestAnOldRecordWithAGapIsNotSealedOver(t *testing.T) {
	path := oldStore(t, 20)
	db, err := sql.Open("sqlite", "file:"+path)
	if err != nil {
		t.Fatal(err)
	}
	for _, q := range []string{`DROP TRIGGER audit_keep_rows`, `DELETE FROM audit WHERE seq = 3`, `CREATE TRIGGER audit_keep_rows BEFORE DELETE ON audit BEGIN SELECT 1; END`} {
		if _, err := db.Exec(q); err != nil {
			t.Fatal(err)
		}
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	openFails(t, path, agent.Conflict, "gap before row 4")
}

func TestARecordThatWasCutTakesNothingMore(t *testing.T) {
	path := storeWithRows(t)
	db := open(t, path)
	for _, q := range []string{`DROP TRIGGER audit_keep_rows`, `DELETE FROM audit WHERE seq = 2`} {
		if _, err := db.SQL().ExecContext(t.Context(), q); err != nil {
			t.Fatal(err)
		}
	}
	if err := accept(t.Context(), db, "e2"); err == nil {
		t.Error("a row was put where the tree says another was")
	}
	if turns, err := db.Unfinished(t.Context()); err != nil || len(turns) != 1 {
		t.Errorf("turns %v, %v", turns, err)
	}
}

func TestTheRecordIsReadBesideWhoeverWrites(t *testing.T) {
	path := filepath.Join(t.TempDir(), "sous.db")
	db := open(t, path)
	mustRefuse(t, db, 1, `{}`)
	r := recordOf(t, path)
	defer r.Close()
	tx, err := db.SQL().BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if n, err := r.Size(t.Context(), "acme"); err != nil || n != 1 {
		t.Errorf("while somebody writes: %d, %v", n, err)
	}
	if err := tx.Rollback(); err != nil {
		t.Fatal(err)
	}
	mustRefuse(t, db, 2, `{}`)
	if n, err := r.Size(t.Context(), "acme"); err != nil || n != 1 {
		t.Errorf("its moment moved: %d, %v", n, err)
	}
	if _, err := sqlite.OpenRecord(context.Background(), filepath.Join(t.TempDir(), "none.db")); agent.KindOf(err) != agent.NotFound {
		t.Errorf("without a store: %v", err)
	}
}
