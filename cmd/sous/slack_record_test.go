package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sous-hq/sous/internal/testkit/slackfake"
)

// TestOwnersAreToldSignedHeadsInSlack holds the record against the head that the
// owner copied from a direct message.
func TestOwnersAreToldSignedHeadsInSlack(t *testing.T) {
	o := newOffice(t, false)
	file := filepath.Join(t.TempDir(), "people.yaml")
	people := `people:
  - {id: owner, name: Ann Archer, owner: true, accounts: ["slack:` + o.Team + `:` + ann + `"]}
  - {id: bob, name: Bob Brown, accounts: ["slack:` + o.Team + `:U0BOB"]}
`
	if err := os.WriteFile(file, []byte(people), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("SOUS_PEOPLE_FILE", file)
	t.Setenv("SOUS_AUDIT_POST_EVERY", "24h")
	o.serve(t, "")
	var head slackfake.Message
	o.until(t, "a signed head", func() bool {
		for _, m := range o.Channel(o.dm) {
			if strings.Contains(m.Text, "sous/audit/local") {
				head = m
				return true
			}
		}
		return false
	})
	_, text, _ := strings.Cut(head.Text, "```\n")
	text, _, _ = strings.Cut(text, "```")
	copied := filepath.Join(t.TempDir(), "head.txt")
	if err := os.WriteFile(copied, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := sous(t, o.data, "", "audit", "verify", "--checkpoint", copied)
	if err != nil || !strings.Contains(out, "in order") {
		t.Errorf("the record against %q: %v\n%s", text, err, out)
	}
	for _, m := range o.Channel(o.DM("U0BOB")) {
		t.Errorf("Bob, who owns nothing, was told %q", m.Text)
	}
}
