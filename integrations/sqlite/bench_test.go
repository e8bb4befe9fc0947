package sqlite_test

import (
	"fmt"
	"path/filepath"
	"testing"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/tools"
)

func BenchmarkAccept(b *testing.B) {
	db := open(b, filepath.Join(b.TempDir(), "sous.db"))
	for n := 0; b.Loop(); n++ {
		if err := accept(b.Context(), db, fmt.Sprint(n)); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkIntendAndSettle(b *testing.B) {
	db := open(b, filepath.Join(b.TempDir(), "sous.db"))
	l := ledger(b, db)
	for n := 0; b.Loop(); n++ {
		p := call(b, n)
		rec, err := l.Intend(b.Context(), tools.Intent{Key: key(p), Proposal: p, Verdict: agent.Verdict{Ruling: agent.Allow}})
		if err != nil {
			b.Fatal(err)
		}
		o := agent.Outcome{Call: p.Call.ID, Tool: p.Call.Tool, Status: agent.Done}
		if err := l.Settle(b.Context(), tools.Settlement{Key: key(p), Fence: rec.Fence, State: tools.EffectDone, Outcome: o}); err != nil {
			b.Fatal(err)
		}
	}
}
