package main

import (
	"encoding/json"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/sous-hq/sous/agent/audit"
)

// settingsRows are the rows of the record about settings.
func settingsRows(t *testing.T, data string) []audit.Entry {
	t.Helper()
	out, err := sous(t, data, "", "audit", "--json")
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	var rows []audit.Entry
	for lines := json.NewDecoder(strings.NewReader(out)); lines.More(); {
		var e audit.Entry
		if err := lines.Decode(&e); err != nil {
			t.Fatal(err)
		}
		if e.Kind == audit.PolicyLoaded || e.Kind == audit.PeopleLoaded {
			rows = append(rows, e)
		}
	}
	return rows
}

// TestChangedRulesAndPeopleStandInTheRecord edits both files while the server
// runs and while it does not.
func TestChangedRulesAndPeopleStandInTheRecord(t *testing.T) {
	k := newKitchen(t)
	notes := func(n int, last ...string) {
		t.Helper()
		var rows []audit.Entry
		for deadline := time.Now().Add(15 * time.Second); len(rows) < n && time.Now().Before(deadline); time.Sleep(100 * time.Millisecond) {
			rows = settingsRows(t, k.data)
		}
		if len(rows) != n || rows[n-1].Actor != "sous" {
			t.Fatalf("the record has %d rows about settings; want %d: %+v", len(rows), n, rows)
		}
		for _, want := range last {
			if !strings.Contains(rows[n-1].Note, want) {
				t.Errorf("the last says %q; want %q", rows[n-1].Note, want)
			}
		}
		for _, r := range rows {
			if all := r.Note + string(r.Args); strings.Contains(all, "Ortiz") || strings.Contains(all, "sre ") || strings.Contains(all, "forbid") {
				t.Errorf("contents stand in %s", all)
			}
		}
	}
	notes(2)
	k.staff(t, strings.Replace(twoPeople, "groups: [sre]", "groups: [sre, owners-too]", 1))
	notes(3, "changed: bob (groups)")
	rules := askSRE + `@id("added") forbid (principal, action, resource == Tool::"forget");`
	if err := os.WriteFile(os.Getenv("SOUS_POLICY"), []byte(rules), 0o600); err != nil {
		t.Fatal(err)
	}
	notes(4, "added: added")
	// Edited while nobody serves: the next process that runs something records it.
	k.end(t)
	k.staff(t, strings.Replace(twoPeople, "name: Bob Ortiz,", "name: Bob Ortiz, owner: true,", 1))
	notes(4)
	if out, err := sous(t, k.data, "", "ask", "--json", "hello"); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	notes(5, "changed: bob (groups, owner)")
	if out, err := sous(t, k.data, "", "ask", "--json", "hello again"); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	notes(5)
	if out, err := sous(t, k.data, "", "audit", "verify"); err != nil {
		t.Errorf("%v: %s", err, out)
	}
}
