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
	for change, says := range map[string]string{"titel=x": "takes no argument", "title": "NAME=VALUE", "due=soon": "due"} {
		if out, err := sous(t, data, "", "approvals", "edit", was[0].ID, change); err == nil {
			t.Errorf("edit %s (%s): %q", change, says, out)
		}
	}
	run("approvals", "edit", was[0].ID, "title=Write the notes of the firmware")
	if out := run("tickets"); !strings.Contains(out, "Write the notes of the firmware") || strings.Contains(out, "order") {
		t.Errorf("tickets: %q", out)
	}
	if left := mine(); len(left) != len(was)-1 {
		t.Errorf("%d approvals wait; want %d", len(left), len(was)-1)
	}
	if out := run("approvals", "show", strings.ToLower(was[0].ID)); !strings.Contains(out, "changed by Tester") || !strings.Contains(out, "firmware release notes") {
		t.Errorf("the one that was edited: %q", out)
	}
	if out := run("approvals", "--asked", "--state", "superseded,spent"); !strings.Contains(out, was[0].ID) || !strings.Contains(out, "approved and used by Tester") || strings.Contains(out, was[1].ID) {
		t.Errorf("what was asked for: %q", out)
	}
	for _, wrong := range [][]string{{"--state", "maybe"}, {"--tier", "4"}, {"--mine", "--state", "denied"}} {
		if out, err := sous(t, data, "", append([]string{"approvals"}, wrong...)...); err == nil {
			t.Errorf("%v: %q", wrong, out)
		}
	}
}
