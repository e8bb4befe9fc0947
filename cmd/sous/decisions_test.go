package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sous-hq/sous/agent/approval"
)

func TestACallIsEditedFromTheCommandLine(t *testing.T) {
	t.Parallel()
	data := t.TempDir()
	file := filepath.Join(t.TempDir(), "planning.txt")
	if err := os.WriteFile(file, []byte(meeting), 0o600); err != nil {
		t.Fatal(err)
	}
	run := func(args ...string) string {
		t.Helper()
		out, err := sous(t, data, "", args...)
		if err != nil {
			t.Fatalf("sous %s: %v\n%s", strings.Join(args, " "), err, out)
		}
		return out
	}
	run("ask", "--file", file, "Summarise this meeting and open tickets for the action items")
	mine := func() (all []approval.Approval) {
		t.Helper()
		if err := json.Unmarshal([]byte(run("approvals", "--mine", "--json")), &all); err != nil {
			t.Fatal(err)
		}
		return all
	}
	was := mine()
	if len(was) < 2 {
		t.Fatalf("%d approvals wait; want two", len(was))
	}
	if out := run("approvals", "note", was[1].ID, "Who pays?"); !strings.Contains(out, "asked") {
		t.Errorf("note: %q", out)
	}
	if out := run("approvals"); !strings.Contains(out, "Who pays?") || !strings.Contains(out, "marked * from: planning.txt") {
		t.Errorf("list: %q", out)
	}
	if out, err := sous(t, data, "", "approvals", "hand", was[1].ID, "bob"); err == nil {
		t.Errorf("handed to nobody: %q", out)
	}
	var args map[string]any
	if err := json.Unmarshal(was[0].Call.Args, &args); err != nil {
		t.Fatal(err)
	}
	args["title"] = "Write the notes of the firmware"
	edited, err := json.Marshal(args)
	if err != nil {
		t.Fatal(err)
	}
	run("approvals", "edit", was[0].ID, string(edited))
	if out := run("tickets"); !strings.Contains(out, "Write the notes of the firmware") || strings.Contains(out, "order") {
		t.Errorf("tickets: %q", out)
	}
	if left := mine(); len(left) != len(was)-1 {
		t.Errorf("%d approvals wait; want %d", len(left), len(was)-1)
	}
}
