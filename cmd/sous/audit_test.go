package main

import (
	"database/sql"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sous-hq/sous/agent/audit"
)

// TestVerifyNamesTheRowThatWasChanged changes one row of
// the file past the program, and asks which.
func TestVerifyNamesTheRowThatWasChanged(t *testing.T) {
	t.Parallel()
	data := t.TempDir()
	parked(t, data)
	if _, err := sous(t, data, "", "audit", "checkpoint"); err != nil {
		t.Fatal(err)
	}
	db, err := sql.Open("sqlite", filepath.Join(data, "sous.db"))
	if err != nil {
		t.Fatal(err)
	}
	for _, q := range []string{`DROP TRIGGER audit_keep_words`, `UPDATE audit SET actor = 'somebody else' WHERE seq = 2`} {
		if _, err := db.ExecContext(t.Context(), q); err != nil {
			t.Fatal(err)
		}
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	out, err := sous(t, data, "", "audit", "verify", "--json")
	if err == nil {
		t.Error("the exit code says that all is in order")
	}
	var all []audit.Report
	if err := json.Unmarshal([]byte(out), &all); err != nil {
		t.Fatalf("%v in %s", err, out)
	}
	if len(all) != 1 || len(all[0].Problems) != 1 || all[0].Problems[0].Seq != 2 {
		t.Errorf("problems %+v; want one, at row 2", all)
	}
}

// TestADecidedCallIsExplained asks why a call waits, and later what came of it.
func TestADecidedCallIsExplained(t *testing.T) {
	t.Parallel()
	data := t.TempDir()
	a := parked(t, data)
	id := a.Approvals[0].ID
	if out, err := sous(t, data, "", "audit", "explain", strings.ToLower(id)); err != nil || !strings.Contains(out, "it never ran") ||
		!strings.Contains(out, "planning.txt") || !strings.Contains(out, "ruling    ask") {
		t.Errorf("before the decision: %v\n%s", err, out)
	}
	if _, err := sous(t, data, "", "approve", id); err != nil {
		t.Fatal(err)
	}
	goOnUntil(t, data, id)
	out, err := sous(t, data, "", "audit", "explain", id)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"Summarise this meeting", "Files     planning.txt", "decision  approved by owner", "effect    done", `"title"`} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
}

// goOnUntil waits until the approval's effect is there.
func goOnUntil(t *testing.T, data, approval string) {
	t.Helper()
	for range 200 {
		out, err := sous(t, data, "", "audit", "--json", "--approval", approval, "--kind", "call.outcome")
		if err == nil && strings.Contains(out, "call.outcome") {
			return
		}
	}
	t.Fatal("the approved call did not run")
}

func TestAnErrorAboutKeysNamesTheFile(t *testing.T) {
	t.Parallel()
	data := t.TempDir()
	parked(t, data)
	path := filepath.Join(data, "keys", "kek.json")
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	out, err := sous(t, data, "", "audit", "verify")
	if err != nil || !strings.Contains(out, "could not be opened") || !strings.Contains(out, path) || !strings.Contains(out, "chmod 600") {
		t.Errorf("%v\n%s", err, out)
	}
}
