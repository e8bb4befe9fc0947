package main

import (
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sous-hq/sous/agent/audit"
	"github.com/sous-hq/sous/agent/pause"
	"github.com/sous-hq/sous/integrations/sqlite"
	"github.com/sous-hq/sous/internal/config"
)

// TestAPauseByOneProcessStopsAnother: two live processes on one store, the one
// that serves and this one, which pauses past its socket. What the first one is
// asked from then on is refused; it goes on when this one lifts the pause.
func TestAPauseByOneProcessStopsAnother(t *testing.T) {
	k := newKitchen(t)
	k.staff(t, "people: [{id: owner, name: Ann Keller, owner: true, groups: [sre]}]")
	other, err := sqlite.Open(t.Context(), sqlite.Config{Path: filepath.Join(k.data, "sous.db"), Clock: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = other.Close() })
	olga := owner(config.Config{Owner: "Olga"})

	id := k.asked(t, "the freezer is too warm")
	if _, err := other.Pause(t.Context(), olga, pause.Tool, "ticket_create", "It went wrong."); err != nil {
		t.Fatal(err)
	}
	// A yes given before or after the pause changes nothing while it lasts.
	if out, err := sous(t, k.data, "", "approve", id); err == nil && strings.Contains(out, "T-1") {
		t.Errorf("it ran: %s", out)
	}
	k.until(t, "the refusal", func() bool {
		rows, err := other.Audit(t.Context(), workspace, audit.Filter{Kinds: []audit.Kind{audit.CallRefused}})
		return err == nil && len(rows) > 0 && rows[0].Tool == "ticket_create"
	})
	// No effect begins from the pause on; that nothing is asked any more either is
	// known within 2 s.
	k.until(t, "an answer that says why", func() bool {
		out, err := sous(t, k.data, "", "ask", "--json", "open a ticket: the grill is cold")
		var a answer
		return err == nil && json.Unmarshal([]byte(out), &a) == nil && len(a.Approvals) == 0 && strings.Contains(a.Answer, "It went wrong.")
	})
	if n := countTickets(t, k.data); n != 0 {
		t.Errorf("%d tickets while ticket_create was paused", n)
	}
	if _, err := other.Resume(t.Context(), olga, pause.Tool, "ticket_create"); err != nil {
		t.Fatal(err)
	}
	k.until(t, "a question again", func() bool {
		out, err := sous(t, k.data, "", "ask", "--json", "open a ticket: the grill is cold")
		var a answer
		return err == nil && json.Unmarshal([]byte(out), &a) == nil && len(a.Approvals) == 1
	})
}
