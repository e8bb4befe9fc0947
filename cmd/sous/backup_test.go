package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sous-hq/sous/internal/testkit/pgtest"
)

// TestAStoreMovesToAServerAndBackWithWhatWaits: what is asked of people on the
// embedded store is decided on the server, and the other way round.
func TestAStoreMovesToAServerAndBackWithWhatWaits(t *testing.T) {
	data, url := t.TempDir(), pgtest.Empty(t).URL
	run := func(args ...string) string {
		t.Helper()
		out, err := sous(t, data, "", args...)
		if err != nil {
			t.Fatalf("sous %v: %v\n%s", args, err, out)
		}
		return out
	}
	first := parked(t, data)
	said := run("store", "migrate", "--to", url)
	if !strings.Contains(said, "journal  ") || !strings.Contains(said, "the same as in") {
		t.Errorf("said %s", said)
	}
	if out, err := sous(t, data, "", "store", "migrate", "--to", url); err == nil {
		t.Errorf("a database in use is filled: %s", out)
	}

	other := pgtest.Empty(t).URL
	t.Setenv("SOUS_DATABASE_URL", other)
	if out, err := sous(t, t.TempDir(), "", "store", "upgrade"); err != nil {
		t.Fatal(err, out)
	}
	if err := os.Unsetenv("SOUS_DATABASE_URL"); err != nil {
		t.Fatal(err)
	}
	// It is the wrong database, rather than keys that are to be brought back.
	if out, err := sous(t, data, "", "store", "migrate", "--to", other); err == nil || err.Error() != "exit status 2" {
		t.Errorf("a database of other keys: %v\n%s", err, out)
	}

	t.Setenv("SOUS_DATABASE_URL", url)
	run("approve", "--turn", first.Turn)
	if n := countTickets(t, data); n != 2 {
		t.Errorf("%d tickets; want 2", n)
	}
	file := filepath.Join(t.TempDir(), "later.txt")
	if err := os.WriteFile(file, []byte("Dora: Emil, can you clean the fryer by Monday?\nEmil: Yes, I will clean the fryer by Monday.\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	var second answer
	if err := json.Unmarshal([]byte(run("ask", "--json", "--file", file, "Summarise this meeting and open tickets for the action items")), &second); err != nil || len(second.Approvals) != 1 {
		t.Fatalf("%+v, %v", second, err)
	}
	run("audit", "verify")
	run("check")
	copyTo := filepath.Join(t.TempDir(), "copy.db")
	run("backup", copyTo)

	// Back into the embedded store, and into an empty server.
	if err := os.Unsetenv("SOUS_DATABASE_URL"); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(data, "sous.db")); err != nil {
		t.Fatal(err)
	}
	for _, end := range []string{"-wal", "-shm"} {
		_ = os.Remove(filepath.Join(data, "sous.db"+end))
	}
	run("restore", copyTo)
	run("approve", "--turn", second.Turn)
	if n := countTickets(t, data); n != 3 {
		t.Errorf("%d tickets; want 3", n)
	}
	run("audit", "verify")
	run("check")
	t.Setenv("SOUS_DATABASE_URL", pgtest.Empty(t).URL)
	run("restore", copyTo)
	run("approve", "--turn", second.Turn)
	if n := countTickets(t, data); n != 3 {
		t.Errorf("%d tickets on the second server; want 3", n)
	}
}
