package sqlite_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/agent/audit"
	"github.com/sous-hq/sous/agent/check"
	"github.com/sous-hq/sous/integrations/sqlite"
)

func open(t testing.TB, path string) *sqlite.DB {
	t.Helper()
	db, err := sqlite.Open(t.Context(), sqlite.Config{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db
}

func ann() agent.Actor {
	return agent.Actor{Workspace: "acme", ID: "ann", Kind: agent.Member, Name: "Ann"}
}

func accept(ctx context.Context, db *sqlite.DB, id string) error {
	turn := agent.Turn{ID: id, Workspace: "acme", Conversation: "c", Actor: ann(), Place: agent.Place{ID: "p", Kind: agent.Public}}
	_, err := db.Accept(ctx, turn, agent.Message{ID: "m-" + id, Author: ann(), Text: "do " + id}, nil)
	return err
}

func wantError(t *testing.T, err error, k agent.Kind, says ...string) {
	t.Helper()
	if err == nil || agent.KindOf(err) != k {
		t.Fatalf("error %v of kind %v; want %v", err, agent.KindOf(err), k)
	}
	for _, text := range says {
		if !strings.Contains(agent.PublicText(err), text) {
			t.Errorf("people read %q; want it to say %q", agent.PublicText(err), text)
		}
	}
}

func openFails(t *testing.T, path string, k agent.Kind, says ...string) {
	t.Helper()
	db, err := sqlite.Open(t.Context(), sqlite.Config{Path: path})
	if err == nil {
		t.Fatal("opened", errors.Join(db.Close()))
	}
	wantError(t, err, k, says...)
}

func TestOpenMakesFolderAndFileForTheirOwnerAlone(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "new", "a b?c#d%e;f")
	path := filepath.Join(folder, "söus & co.db")
	db := open(t, path)
	if err := accept(t.Context(), db, "e1"); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]os.FileMode{folder: 0o700, path: 0o600, path + "-wal": 0o600} {
		info, err := os.Stat(name)
		if err != nil || info.Mode().Perm() != want {
			t.Errorf("%s: %v, %v; want %o", name, info.Mode(), err, want)
		}
	}
	if db.Path() != path {
		t.Errorf("path %q; want %q", db.Path(), path)
	}
	if err := db.Ping(t.Context()); err != nil {
		t.Errorf("ping: %v", err)
	}
}

func TestOpenNeedsAPath(t *testing.T) {
	if _, err := sqlite.Open(t.Context(), sqlite.Config{}); err == nil {
		t.Error("opened nothing")
	}
	if _, err := sqlite.NewLedger(nil, sqlite.LedgerConfig{ApprovalTTL: time.Hour}); err == nil {
		t.Error("a ledger without a store")
	}
	if _, err := sqlite.NewLedger(open(t, filepath.Join(t.TempDir(), "x.db")), sqlite.LedgerConfig{}); err == nil {
		t.Error("a ledger whose approvals never expire, or at once")
	}
}

func TestAFileThatIsNoStoreIsRefusedAndLeftAlone(t *testing.T) {
	path := filepath.Join(t.TempDir(), "sous.db")
	content := bytes.Repeat([]byte("not a database, but dear to somebody\n"), 500)
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	openFails(t, path, agent.Unavailable, path, "damaged or not a SQLite file", "backup")
	if got, err := os.ReadFile(path); err != nil || !bytes.Equal(got, content) {
		t.Errorf("the file was changed: %v", err)
	}
}

func TestADamagedStoreSaysSo(t *testing.T) {
	path := filepath.Join(t.TempDir(), "sous.db")
	db := open(t, path)
	if err := accept(t.Context(), db, "e1"); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for i := 4096; i < len(raw); i++ {
		raw[i] = 0xA5
	}
	if err := os.WriteFile(path, raw, 0o600); err != nil {
		t.Fatal(err)
	}
	db, err = sqlite.Open(t.Context(), sqlite.Config{Path: path})
	if err == nil {
		err = errors.Join(accept(t.Context(), db, "e2"), db.Close())
	}
	wantError(t, err, agent.Unavailable, "damaged", "backup")
}

// A page that nobody needs at the moment is found all the same.
func TestADamagedPageIsFoundAndTold(t *testing.T) {
	path := filepath.Join(t.TempDir(), "sous.db")
	db := open(t, path)
	if err := accept(t.Context(), db, "e1"); err != nil {
		t.Fatal(err)
	}
	if err := sqlite.Whole(t.Context(), path); err != nil {
		t.Errorf("a sound store: %v", err)
	}
	var page int64
	err := db.SQL().QueryRowContext(t.Context(), `SELECT rootpage FROM sqlite_schema WHERE name = 'turns'`).Scan(&page)
	if err = errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	_, err = f.WriteAt(bytes.Repeat([]byte{0xA5}, 4096), (page-1)*4096)
	if err = errors.Join(err, f.Close()); err != nil {
		t.Fatal(err)
	}
	db = open(t, path)
	if err := db.Ping(t.Context()); err != nil {
		t.Errorf("what is not looked at is in nobody's way: %v", err)
	}
	wantError(t, sqlite.Whole(t.Context(), path), agent.Unavailable, path, "damaged", "backup")
	r, err := sqlite.OpenRecord(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	_, err = r.TurnFacts(t.Context(), "acme", check.Page{Limit: 10})
	wantError(t, sqlite.Told(path, err), agent.Unavailable, path, "damaged", "backup")
}

func TestAStoreOfANewerVersionIsRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "sous.db")
	db := open(t, path)
	if _, err := db.SQL().ExecContext(t.Context(), `INSERT INTO schema_version (version) VALUES (999)`); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	openFails(t, path, agent.Conflict, "newer version of Sous", "999", "start that version")
}

func TestAFolderThatIsNoneIsRefused(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	openFails(t, filepath.Join(file, "sous.db"), agent.Unavailable, file, "cannot be made")
	openFails(t, filepath.Join(file, "deeper", "sous.db"), agent.Unavailable, "cannot be made")
	// A folder where the file should be.
	openFails(t, filepath.Dir(file), agent.Unavailable, "cannot be opened")
}

func TestWhatWasAcknowledgedIsThereAfterACrash(t *testing.T) {
	folder := t.TempDir()
	db := open(t, filepath.Join(folder, "sous.db"))
	if err := accept(t.Context(), db, "e1"); err != nil {
		t.Fatal(err)
	}
	// What a killed process leaves: the files as they are, nothing closed.
	crashed := filepath.Join(t.TempDir(), "sous.db")
	for _, end := range []string{"", "-wal"} {
		raw, err := os.ReadFile(filepath.Join(folder, "sous.db"+end))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(crashed+end, raw, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	turns, err := open(t, crashed).Unfinished(t.Context())
	if err != nil || len(turns) != 1 || turns[0].ID != "e1" {
		t.Errorf("unfinished %v, %v; want e1", turns, err)
	}
}

func TestManyProcessesOpenANewStoreAtOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "sous.db")
	errs := make([]error, 6)
	var wg sync.WaitGroup
	for i := range errs {
		wg.Go(func() {
			db, err := sqlite.Open(t.Context(), sqlite.Config{Path: path})
			if err == nil {
				err = errors.Join(accept(t.Context(), db, fmt.Sprint(i)), db.Close())
			}
			errs[i] = err
		})
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		t.Error(err)
	}
	if turns, err := open(t, path).Unfinished(t.Context()); err != nil || len(turns) != len(errs) {
		t.Errorf("%d turns, %v; want %d", len(turns), err, len(errs))
	}
}

func TestTwoProcessesWriteAtOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "sous.db")
	dbs := []*sqlite.DB{open(t, path), open(t, path)}
	const each, writers = 10, 4
	errs := make([]error, len(dbs)*writers)
	var wg sync.WaitGroup
	for w := range errs {
		wg.Go(func() {
			for n := range each {
				// Both processes are handed every event.
				if err := accept(t.Context(), dbs[w%2], fmt.Sprintf("e%d-%d", w/2, n)); err != nil {
					errs[w] = err
					return
				}
			}
		})
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	rows, err := dbs[0].Audit(t.Context(), "acme", audit.Filter{})
	if err != nil || len(rows) != writers*each {
		t.Fatalf("%d rows, %v; want %d: each event once", len(rows), err, writers*each)
	}
	for i, e := range rows {
		if e.Seq != int64(i+1) {
			t.Fatalf("row %d has number %d", i+1, e.Seq)
		}
	}
}

func TestALockedStoreSaysSo(t *testing.T) {
	path := filepath.Join(t.TempDir(), "sous.db")
	holder, db := open(t, path), open(t, path)
	if err := accept(t.Context(), db, "e1"); err != nil {
		t.Fatal(err)
	}
	tx, err := holder.SQL().BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	// Reading goes on meanwhile.
	if turns, err := db.Recent(t.Context(), "acme", "", 0); err != nil || len(turns) != 1 {
		t.Errorf("read %v, %v", turns, err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	wantError(t, accept(ctx, db, "e2"), agent.Unavailable)

	db.SQL().SetMaxOpenConns(1)
	if _, err := db.SQL().ExecContext(t.Context(), `PRAGMA busy_timeout = 20`); err != nil {
		t.Fatal(err)
	}
	wantError(t, accept(t.Context(), db, "e2"), agent.Unavailable, "another program holds the store", path)
	wantError(t, db.Ping(t.Context()), agent.Unavailable, "another program")
	if err := tx.Rollback(); err != nil {
		t.Fatal(err)
	}
	if err := accept(t.Context(), db, "e2"); err != nil {
		t.Errorf("once it is free: %v", err)
	}
}

func TestACancelledWriteWritesNothing(t *testing.T) {
	db := open(t, filepath.Join(t.TempDir(), "sous.db"))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	wantError(t, accept(ctx, db, "e1"), agent.Cancelled)
	if turns, err := db.Unfinished(t.Context()); err != nil || len(turns) != 0 {
		t.Errorf("unfinished %v, %v; want none", turns, err)
	}
}

func TestTheLogGivesBackWhatALongReadingMadeOfIt(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "sous.db")
	db := open(t, path)
	size := func() int64 {
		info, err := os.Stat(path + "-wal")
		if err != nil {
			t.Fatal(err)
		}
		return info.Size()
	}
	write := func(n int) {
		t.Helper()
		for range n {
			if _, err := db.SQL().ExecContext(t.Context(), `INSERT INTO long_reading VALUES (randomblob(1 << 20))`); err != nil {
				t.Fatal(err)
			}
		}
	}
	if _, err := db.SQL().ExecContext(t.Context(), `CREATE TABLE long_reading (x)`); err != nil {
		t.Fatal(err)
	}
	reading, err := db.SQL().Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var n int
	for _, q := range []string{`BEGIN DEFERRED`, `SELECT COUNT(*) FROM long_reading`} {
		if err := reading.QueryRowContext(t.Context(), q).Scan(&n); err != nil && !strings.Contains(err.Error(), "no rows") {
			t.Fatal(err)
		}
	}
	write(24)
	if was := size(); was < 24<<20 {
		t.Fatalf("the log has %d bytes while somebody reads", was)
	}
	if _, err := reading.ExecContext(t.Context(), `COMMIT`); err != nil {
		t.Fatal(err)
	}
	if err := reading.Close(); err != nil {
		t.Fatal(err)
	}
	write(2)
	if is := size(); is > 17<<20 {
		t.Errorf("the log has %d bytes after nobody reads any more", is)
	}
}
