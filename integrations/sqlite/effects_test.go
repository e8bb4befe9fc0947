package sqlite_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/integrations/sqlite"
	"github.com/sous-hq/sous/tools"
	"github.com/sous-hq/sous/tools/toolstest"
)

// commits counts the transactions in the write-ahead log: the frames that say
// how large the database is after them. See sqlite.org/fileformat2.html#walformat.
func commits(t *testing.T, db *sqlite.DB) int {
	t.Helper()
	wal, err := os.ReadFile(db.Path() + "-wal")
	if err != nil {
		t.Fatal(err)
	}
	const header, frameHeader = 32, 24
	if len(wal) < header {
		return 0
	}
	page := int(binary.BigEndian.Uint32(wal[8:]))
	n := 0
	for at := header; at+frameHeader+page <= len(wal); at += frameHeader + page {
		sameLog := string(wal[at+8:at+16]) == string(wal[16:24])
		if sameLog && binary.BigEndian.Uint32(wal[at+4:]) > 0 {
			n++
		}
	}
	return n
}

type ringIn struct {
	Bell string `json:"bell"`
}

// rings is an executor over the store with one tool that changes something, and
// counts how often it did.
func rings(t *testing.T, db *sqlite.DB, r *agent.Ruling) (*tools.Executor, *int) {
	t.Helper()
	rung := 0
	tool, err := tools.New(tools.Spec{Name: "bell_ring", Doc: "Rings.", Tier: agent.TierWrite, Class: tools.Keyed, Timeout: time.Second},
		tools.Funcs[ringIn, ringIn]{
			Run: func(_ context.Context, _ tools.Invocation, in ringIn) (ringIn, error) {
				rung++
				return in, nil
			},
			Label: func(inv tools.Invocation, _, _ ringIn) agent.Label { return inv.Context },
		})
	registry := toolstest.NewRegistry(t, []tools.Tool{tool}, err)
	gate := toolstest.GateFunc(func(context.Context, tools.Proposal) (agent.Verdict, error) {
		return agent.Verdict{Ruling: *r, Rule: "test"}, nil
	})
	e, err := tools.NewExecutor(registry, gate, ledger(t, db))
	if err != nil {
		t.Fatal(err)
	}
	return e, &rung
}

func ring(id string) tools.Plan {
	return tools.Plan{Call: agent.Call{ID: id, Turn: "e1", Actor: ann(), Tool: "bell_ring", Args: []byte(`{"bell":"front"}`)}}
}

func TestWithoutAnAuditNothingRuns(t *testing.T) {
	db := open(t, filepath.Join(t.TempDir(), "sous.db"))
	ruling := agent.Allow
	e, rung := rings(t, db, &ruling)
	if _, err := db.SQL().ExecContext(t.Context(), `CREATE TRIGGER no_audit BEFORE INSERT ON audit BEGIN SELECT RAISE(ABORT, 'refused'); END`); err != nil {
		t.Fatal(err)
	}
	for n := range 100 {
		for _, ruling = range []agent.Ruling{agent.Deny, agent.Ask, agent.Allow} {
			if o, err := e.Execute(t.Context(), ring(fmt.Sprintf("e1/%d", n))); err == nil {
				t.Fatalf("%s: %+v, although nothing could be recorded", ruling, o)
			}
		}
	}
	if *rung > 0 {
		t.Errorf("%d of 100 calls ran without a record", *rung)
	}
}

func TestAnEffectCostsTwoCommits(t *testing.T) {
	db := open(t, filepath.Join(t.TempDir(), "sous.db"))
	ruling := agent.Allow
	e, _ := rings(t, db, &ruling)
	execute := func(id string) (agent.Outcome, int) {
		t.Helper()
		before := commits(t, db)
		o, err := e.Execute(t.Context(), ring(id))
		if err != nil {
			t.Fatal(err)
		}
		return o, commits(t, db) - before
	}
	execute("e1/1") // the first one makes its person's key
	for _, c := range []struct {
		id     string
		ruling agent.Ruling
		status agent.Status
		want   int
	}{
		{"e1/2", agent.Allow, agent.Done, 2},
		{"e1/2", agent.Allow, agent.Done, 1}, // known: a look in a transaction that writes nothing is at most one
		{"e1/3", agent.Ask, agent.Waiting, 1},
		{"e1/4", agent.Deny, agent.Denied, 1},
	} {
		ruling = c.ruling
		if o, n := execute(c.id); o.Status != c.status || n > c.want {
			t.Errorf("%s: %s in %d commits; want %s in at most %d", c.id, o.Status, n, c.status, c.want)
		}
	}
	if _, n := execute("e1/5"); n == 0 {
		t.Error("a refusal was recorded in no commit: the log is not counted")
	}
}
