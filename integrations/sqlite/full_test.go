package sqlite_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/agent/approval"
	"github.com/sous-hq/sous/agent/audit"
	"github.com/sous-hq/sous/agent/loop"
	"github.com/sous-hq/sous/integrations/sqlite"
	"github.com/sous-hq/sous/tools"
)

// fill lets the store grow by no page more, which SQLite reports exactly as it
// reports a full disk, and uses up what is left. It returns how to make room.
func fill(t *testing.T, db *sqlite.DB) (room func()) {
	t.Helper()
	db.SQL().SetMaxOpenConns(1) // the bound is one connection's
	exec := func(query string) {
		t.Helper()
		if _, err := db.SQL().ExecContext(t.Context(), query); err != nil {
			t.Fatal(err)
		}
	}
	exec(`CREATE TABLE ballast (b BLOB)`)
	exec(`PRAGMA max_page_count = 1`) // becomes the present size
	for size := 64 << 10; size >= 1; size /= 2 {
		for range 1000 {
			if _, err := db.SQL().ExecContext(t.Context(), `INSERT INTO ballast VALUES (zeroblob(?))`, size); err != nil {
				break
			}
		}
	}
	return func() { exec(`PRAGMA max_page_count = 1000000`) }
}

// untilFull repeats f until it fails for want of room.
func untilFull(t *testing.T, what string, f func(n int) error) {
	t.Helper()
	for n := range 500 {
		if err := f(n); err != nil {
			wantError(t, err, agent.Unavailable, "disk", "full", "free some space")
			return
		}
	}
	t.Fatalf("%s never ran out of room", what)
}

func call(t testing.TB, n int) tools.Proposal {
	t.Helper()
	c := agent.Call{
		ID: fmt.Sprintf("e1/%d", n), Turn: "e1", Actor: ann(), Tool: "ticket_create",
		Args: json.RawMessage(`{"title":"Fix the build","body":"It has been red since Tuesday."}`),
	}
	digest, err := c.Digest()
	if err != nil {
		t.Fatal(err)
	}
	return tools.Proposal{Call: c, Digest: digest, Spec: tools.Spec{Name: c.Tool, Tier: agent.TierWrite}}
}

func ledger(t testing.TB, db *sqlite.DB) *sqlite.Ledger {
	t.Helper()
	l, err := sqlite.NewLedger(db, sqlite.LedgerConfig{ApprovalTTL: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func key(p tools.Proposal) string { return p.Call.ID + p.Digest[:8] }

func TestAFullDiskLosesNothingAndWritesNothingByHalves(t *testing.T) {
	db := open(t, filepath.Join(t.TempDir(), "sous.db"))
	l := ledger(t, db)
	if err := accept(t.Context(), db, "e1"); err != nil {
		t.Fatal(err)
	}
	room := fill(t, db)
	ctx := t.Context()

	asked, intended := 0, 0
	untilFull(t, "Accept", func(n int) error { return accept(ctx, db, fmt.Sprintf("f%d", n)) })
	untilFull(t, "SaveFile", func(n int) error {
		return db.SaveFile(ctx, agent.File{
			FileRef: agent.FileRef{ID: fmt.Sprint(n)}, Workspace: "acme", Content: make([]byte, 10_000),
			Label: agent.Label{Readers: agent.Only("ann")},
		})
	})
	untilFull(t, "Ask", func(n int) error {
		_, err := l.Ask(ctx, call(t, n), agent.Verdict{Ruling: agent.Ask})
		if err == nil {
			asked++
		}
		return err
	})
	untilFull(t, "Intend", func(n int) error {
		p := call(t, n)
		_, err := l.Intend(ctx, tools.Intent{Key: key(p), Proposal: p, Verdict: agent.Verdict{Ruling: agent.Allow}})
		if err == nil {
			intended++
		}
		return err
	})
	if err := db.Ping(ctx); err != nil {
		t.Errorf("a full store still answers: %v", err)
	}
	wholeStory(t, db, asked, intended)
	room()
	if err := accept(ctx, db, "after"); err != nil {
		t.Errorf("once there is room: %v", err)
	}
	wholeStory(t, db, asked, intended)
}

// wholeStory checks that rows and audit say the same: nothing is there by halves.
func wholeStory(t *testing.T, db *sqlite.DB, asked, intended int) {
	t.Helper()
	ctx := t.Context()
	turns, err := db.Unfinished(ctx)
	messages, err2 := db.Messages(ctx, "acme", "c", 0)
	approvals, err3 := db.Approvals(ctx, "acme", loop.ApprovalFilter{States: []approval.State{approval.Asked}})
	effects, err4 := db.Effects(ctx, "acme", "e1")
	rows, err5 := db.Audit(ctx, "acme", audit.Filter{})
	if err := errors.Join(err, err2, err3, err4, err5); err != nil {
		t.Fatal(err)
	}
	count := map[audit.Kind]int{}
	for i, e := range rows {
		count[e.Kind]++
		if e.Seq != int64(i+1) {
			t.Fatalf("row %d has number %d", i+1, e.Seq)
		}
	}
	if len(turns) != len(messages) || len(turns) != count[audit.TurnAccepted] {
		t.Errorf("%d turns, %d messages, %d audit rows", len(turns), len(messages), count[audit.TurnAccepted])
	}
	if len(approvals) != asked || count[audit.CallAsked] != asked {
		t.Errorf("%d approvals and %d audit rows; %d were acknowledged", len(approvals), count[audit.CallAsked], asked)
	}
	if len(effects) != intended || count[audit.CallIntent] != intended {
		t.Errorf("%d effects and %d audit rows; %d were acknowledged", len(effects), count[audit.CallIntent], intended)
	}
}
