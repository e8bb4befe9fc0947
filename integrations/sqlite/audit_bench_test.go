package sqlite_test

import (
	"encoding/json"
	"flag"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/agent/audit"
	"github.com/sous-hq/sous/agent/loop"
	"github.com/sous-hq/sous/integrations/sqlite"
)

// auditRows is how many rows the benchmark verifies. Filling a store with a
// million takes minutes, so the default is smaller; the figure reported is the
// time for a million.
var auditRows = flag.Int("audit.rows", 20_000, "rows of the record that BenchmarkVerify verifies")

// fillRecord records n rows, two of three with a payload, a thousand a commit.
func fillRecord(b *testing.B, db *sqlite.DB, n int) {
	b.Helper()
	if _, err := db.SQL().ExecContext(b.Context(), `PRAGMA synchronous = OFF`); err != nil {
		b.Fatal(err)
	}
	tier := agent.TierWrite
	for done := 0; done < n; {
		id := fmt.Sprintf("fill%d", done)
		if err := accept(b.Context(), db, id); err != nil {
			b.Fatal(err)
		}
		reads := make([]audit.Entry, min(1000, n-done))
		for i := range reads {
			reads[i] = audit.Entry{Call: fmt.Sprintf("%s/%d", id, i), Tool: "ticket_search", Tier: &tier, Status: "done", Actor: agent.ActorID(fmt.Sprintf("p%d", i%50))}
			if i%3 > 0 {
				reads[i].Digest, reads[i].Args = "0123456789abcdef", json.RawMessage(fmt.Sprintf(`{"query":"row %d","limit":10}`, done+i))
			}
		}
		f := loop.Finish{Turn: agent.Turn{ID: id, Workspace: "acme", Status: agent.TurnDone}, Reads: reads}
		if _, err := db.Finish(b.Context(), f); err != nil {
			b.Fatal(err)
		}
		done += len(reads) + 2
	}
}

func BenchmarkVerify(b *testing.B) {
	path := filepath.Join(b.TempDir(), "sous.db")
	db := open(b, path)
	fillRecord(b, db, *auditRows)
	ring, err := db.Keys()
	if err != nil {
		b.Fatal(err)
	}
	known, err := ring.Verifiers()
	if err != nil {
		b.Fatal(err)
	}
	p, err := audit.NewCheckpointer(audit.CheckpointConfig{
		Trees: db, Signer: ring.Signer, Verifiers: known, File: filepath.Join(b.TempDir(), "checkpoints"), Now: time.Now,
	})
	if err != nil {
		b.Fatal(err)
	}
	if err := p.Sign(b.Context()); err != nil {
		b.Fatal(err)
	}
	var rows int64
	for b.Loop() {
		e := recordOf(b, path)
		r, err := audit.Verify(b.Context(), audit.VerifyConfig{Evidence: e, Workspace: "acme", Known: known, KEK: ring.KEK})
		if err != nil || !r.OK() || r.Checkpoints != 1 || r.Rows < int64(*auditRows) {
			b.Fatalf("%+v, %v", r, err)
		}
		rows = r.Rows
		if err := e.Close(); err != nil {
			b.Fatal(err)
		}
	}
	perRow := float64(b.Elapsed().Nanoseconds()) / float64(b.N) / float64(rows)
	b.ReportMetric(perRow, "ns/row")
	b.ReportMetric(perRow/1e3, "s/million")
}

func BenchmarkProve(b *testing.B) {
	path := filepath.Join(b.TempDir(), "sous.db")
	db := open(b, path)
	fillRecord(b, db, 5000)
	ring, err := db.Keys()
	if err != nil {
		b.Fatal(err)
	}
	known, err := ring.Verifiers()
	if err != nil {
		b.Fatal(err)
	}
	heads, err := db.Heads(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	signed, err := audit.Checkpoint{Workspace: "acme", Size: heads[0].Size, Root: heads[0].Root, At: time.Now()}.Sign(ring.Signer)
	if err != nil {
		b.Fatal(err)
	}
	e := recordOf(b, path)
	defer e.Close()
	for b.Loop() {
		if _, err := audit.Prove(b.Context(), e, "acme", 1234, signed, known); err != nil {
			b.Fatal(err)
		}
	}
}
