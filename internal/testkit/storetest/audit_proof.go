package storetest

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/tink-crypto/tink-go/v2/tink"
	sumdb "golang.org/x/mod/sumdb/note"
	"pgregory.net/rapid"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/agent/audit"
	"github.com/sous-hq/sous/tools"
)

// Provable is a store whose record can be proved, with what its suite needs.
type Provable struct {
	Stores
	Trees  audit.Trees
	Signer sumdb.Signer
	Known  sumdb.Verifiers
	KEK    tink.AEAD
	// Evidence opens the record as it lies there now, until the test ends.
	Evidence func() audit.Evidence
	// Erase destroys a subject's key.
	Erase func(ctx context.Context, by agent.Actor, subject agent.ActorID) (int64, error)
	// Tampered runs f on a copy of the store whose protections are off, as
	// somebody with the files would, hands the copy's record to check, and takes
	// back what f did.
	Tampered func(f func(tx *sql.Tx) error, check func(audit.Evidence))
}

// ProvableOpener opens a fresh, empty store for one test.
type ProvableOpener func(t testing.TB) Provable

// AuditProof checks that whatever is done to a record is found.
func AuditProof(t *testing.T, open ProvableOpener) {
	for _, p := range []struct {
		name  string
		check func(t *testing.T, p Provable)
	}{
		{"650 tamperings are found, each at its row", proofTamperings},
		{"a destroyed key erases the payloads, and the tree still verifies", proofErasure},
		{"a payload or key that is taken away is no erasure", proofNoErasure},
		{"a row is proved to whoever has the public key alone", proofRows},
		{"a value is found by its commitment, in its workspace alone", proofSearch},
		{"a rewritten record is not signed again", proofNotSigned},
		{"a part of the record verifies by itself", proofParts},
	} {
		t.Run(p.name, func(t *testing.T) { p.check(t, open(t)) })
	}
	t.Run("any rows verify, and any change of them is found", func(t *testing.T) { proofProperty(t, open) })
}

// busy writes rows of every kind, of several people.
func busy(t testing.TB, p Provable, rounds int) {
	t.Helper()
	for i := range rounds {
		by := person(acme, []string{"ann", "bob", "carol"}[i%3])
		turn := fmt.Sprintf("e%d", i)
		must := func(err error) {
			if err != nil {
				t.Fatalf("round %d: %v", i, err)
			}
		}
		tn, m := event(turn, "c"+turn, by)
		_, err := p.Accept(t.Context(), tn, m, nil)
		must(err)
		c := agent.Call{ID: turn + "/1", Turn: turn, Actor: by, Tool: "ticket_create", Args: json.RawMessage(fmt.Sprintf(`{"title":"planted-%04d","n":[%d,true]}`, i, i))}
		digest, err := c.Digest()
		must(err)
		q := tools.Proposal{Call: c, Digest: digest, Place: channel(), Spec: tools.Spec{Name: c.Tool, Tier: agent.TierWrite}}
		if i%4 == 3 {
			must(p.Ledger.Refuse(t.Context(), q, agent.Verdict{Rule: "no"}))
			continue
		}
		key := "k" + turn
		rec, err := p.Ledger.Intend(t.Context(), tools.Intent{Key: key, Proposal: q, Verdict: allows()})
		must(err)
		must(p.Ledger.Settle(t.Context(), tools.Settlement{Key: key, Fence: rec.Fence, State: tools.EffectDone, Outcome: agent.Outcome{Call: c.ID, Tool: c.Tool, Status: agent.Done}}))
	}
}

// signed signs the heads as they are and returns the notes, as they would lie
// outside the store.
func signed(t testing.TB, p Provable) []audit.SignedNote {
	t.Helper()
	file := t.TempDir() + "/checkpoints"
	c, err := audit.NewCheckpointer(audit.CheckpointConfig{Trees: p.Trees, Signer: p.Signer, Verifiers: p.Known, File: file, Now: p.Clock.Now})
	if err != nil {
		t.Fatal(err)
	}
	heads, err := p.Trees.Heads(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Sign(t.Context()); err != nil {
		t.Fatal(err)
	}
	var out []audit.SignedNote
	for _, h := range heads {
		text, err := audit.Checkpoint{Workspace: h.Workspace, Size: h.Size, Root: h.Root, At: p.Clock.Now()}.Sign(p.Signer)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, audit.SignedNote{Where: "the checkpoint outside", Text: text})
	}
	return out
}

func verify(t testing.TB, p Provable, e audit.Evidence, outside []audit.SignedNote) *audit.Report {
	t.Helper()
	return verifyOf(t, p, acme, e, outside)
}

func verifyOf(t testing.TB, p Provable, ws agent.WorkspaceID, e audit.Evidence, outside []audit.SignedNote) *audit.Report {
	t.Helper()
	r, err := audit.Verify(context.Background(), audit.VerifyConfig{Evidence: e, Workspace: ws, Signed: outside, Known: p.Known, KEK: p.KEK})
	if err != nil {
		t.Fatalf("verify: %v", err)
	}
	return r
}

func wantOK(t testing.TB, r *audit.Report) {
	t.Helper()
	if !r.OK() {
		t.Fatalf("problems in a record nobody touched: %+v", r.Problems)
	}
}

// flipped changes one bit of a column of a row.
func flipped(rnd *rand.Rand, tx *sql.Tx, table, column, where string, args ...any) error {
	var v any
	if err := tx.QueryRow(`SELECT `+column+` FROM `+table+` WHERE `+where, args...).Scan(&v); err != nil {
		return fmt.Errorf("read %s of %s: %w", column, table, err)
	}
	switch was := v.(type) {
	case int64:
		v = was ^ 1<<rnd.IntN(20)
	case string:
		if was == "" {
			v = "x"
			break
		}
		b := []byte(was)
		b[rnd.IntN(len(b))] ^= 1 << rnd.IntN(5)
		// A text column of PostgreSQL takes neither broken UTF-8 nor NUL.
		v = strings.ReplaceAll(strings.ToValidUTF8(string(b), "?"), "\x00", "?")
	case []byte:
		if len(was) == 0 {
			v = []byte{1}
			break
		}
		was[rnd.IntN(len(was))] ^= 1 << rnd.IntN(8)
		v = was
	case nil:
		v = []byte{1}
	}
	_, err := tx.Exec(`UPDATE `+table+` SET `+column+` = ? WHERE `+where, append([]any{v}, args...)...)
	return err
}

var rowColumns = []string{
	"at", "kind", "actor", "subject", "key", "turn", "call", "tool", "ruling", "rule", "approval", "status", "args", "note", "digest", "fields",
}

// openRows reads the open part of every row.
func openRows(t testing.TB, e audit.Evidence) []audit.Row {
	t.Helper()
	var rows []audit.Row
	err := e.Rows(context.Background(), acme, 0, 0, func(s audit.Stored) error {
		rows = append(rows, s.Row)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return rows
}

func proofTamperings(t *testing.T, p Provable) {
	busy(t, p, 12)
	outside := signed(t, p)
	wantOK(t, verify(t, p, p.Evidence(), outside))
	size, err := p.Evidence().Size(t.Context(), acme)
	if err != nil || size < 30 {
		t.Fatalf("%d rows, %v", size, err)
	}
	rows := openRows(t, p.Evidence())
	rnd := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // a test that can be repeated
	tries, found := 0, 0
	try := func(kind string, at int64, f func(tx *sql.Tx) error) {
		tries++
		p.Tampered(f, func(e audit.Evidence) {
			r := verify(t, p, e, outside)
			if r.OK() {
				t.Errorf("not found: %s of row %d", kind, at)
				return
			}
			if at > 0 && !saysRow(r, at) {
				t.Errorf("%s of row %d: found elsewhere: %+v", kind, at, r.Problems)
			}
			found++
		})
	}
	for range 200 {
		seq, col := 1+rnd.Int64N(size), rowColumns[rnd.IntN(len(rowColumns))]
		try("flip of "+col, seq, func(tx *sql.Tx) error { return flipped(rnd, tx, "audit", col, "workspace = 'acme' AND seq = ?", seq) })
	}
	for range 100 {
		seq := 1 + rnd.Int64N(size-1)
		try("deletion", seq, func(tx *sql.Tx) error {
			_, err := tx.Exec(`DELETE FROM audit WHERE seq = ?`, seq)
			return err
		})
	}
	for range 100 {
		a := 1 + rnd.Int64N(size-1)
		b := a + 1 + rnd.Int64N(size-a)
		try("swap", a, func(tx *sql.Tx) error { return swapped(tx, a, b) })
	}
	for range 100 {
		from := 2 + rnd.Int64N(size-1)
		try("cut", from, func(tx *sql.Tx) error { return cutOff(tx, from) })
	}
	for range 100 {
		seq := 1 + rnd.Int64N(size)
		try("re-chaining", 0, func(tx *sql.Tx) error { return rechained(tx, slices.Clone(rows), seq) })
	}
	for range 50 {
		col := rowColumns[rnd.IntN(len(rowColumns))]
		try("change of the last row's "+col, size, func(tx *sql.Tx) error {
			return flipped(rnd, tx, "audit", col, "workspace = 'acme' AND seq = ?", size)
		})
	}
	t.Logf("%d tamperings, %d found", tries, found)
	if tries != 650 || found != 650 {
		t.Errorf("%d of %d tamperings found; want 650 of 650", found, tries)
	}
}

func saysRow(r *audit.Report, seq int64) bool {
	for _, p := range r.Problems {
		if p.Seq == seq {
			return true
		}
	}
	return false
}

func swapped(tx *sql.Tx, a, b int64) error {
	for _, step := range [][2]int64{{a, -1}, {b, a}, {-1, b}} {
		if _, err := tx.Exec(`UPDATE audit SET seq = ? WHERE seq = ?`, step[1], step[0]); err != nil {
			return err
		}
	}
	return nil
}

// cutOff takes the tail away with everything in the store that speaks of it.
func cutOff(tx *sql.Tx, from int64) error {
	for _, q := range []string{
		`DELETE FROM audit WHERE seq >= ?1`, `DELETE FROM audit_payload WHERE seq >= ?1`, `DELETE FROM audit_checkpoints WHERE size >= ?1`,
	} {
		if _, err := tx.Exec(q, from); err != nil {
			return err
		}
	}
	_, err := tx.Exec(`DELETE FROM audit_tree WHERE id >= ?`, storedCount(from-1))
	return err
}

// rechained changes a row, rebuilds the whole tree over it, as somebody who
// knows the code would, and drops the checkpoints that say otherwise.
func rechained(tx *sql.Tx, rows []audit.Row, seq int64) error {
	before := slices.Clone(rows)
	rows[seq-1].Status, rows[seq-1].Actor = "denied", "mallory"
	if _, err := tx.Exec(`UPDATE audit SET status = 'denied', actor = 'mallory' WHERE seq = ?`, seq); err != nil {
		return err
	}
	if _, err := tx.Exec(`DELETE FROM audit_checkpoints`); err != nil {
		return err
	}
	was, now := treeOf(before), treeOf(rows)
	for id, h := range now {
		if h == was[id] {
			continue
		}
		if _, err := tx.Exec(`UPDATE audit_tree SET hash = ? WHERE id = ?`, h[:], id); err != nil {
			return err
		}
	}
	return nil
}

func proofErasure(t *testing.T, p Provable) {
	busy(t, p, 12)
	outside := signed(t, p)
	before := verify(t, p, p.Evidence(), outside)
	wantOK(t, before)
	gone, err := p.Erase(t.Context(), bob(), "ann")
	if err != nil || gone == 0 {
		t.Fatalf("erase: %d payloads, %v", gone, err)
	}
	after := verify(t, p, p.Evidence(), append(outside, signed(t, p)...))
	wantOK(t, after)
	if after.Erased != gone || after.Payloads != before.Payloads-gone {
		t.Errorf("%d erased and %d left; want %d and %d", after.Erased, after.Payloads, gone, before.Payloads-gone)
	}
	for _, e := range record(t, p.Stores, acme) {
		anns := e.Actor == "ann" && strings.HasPrefix(string(e.Kind), "call.")
		if anns != (e.Payload == audit.PayloadErased) || anns && (e.Args != nil || e.Digest != "" || e.Note != "") {
			t.Errorf("row %d of %s after ann was erased: %+v", e.Seq, e.Actor, e)
		}
	}
	last := record(t, p.Stores, acme)
	if e := last[len(last)-1]; e.Kind != audit.SubjectErased || e.Actor != "bob" || e.Subject != "ann" {
		t.Errorf("the last row is %+v; want ann's erasure by bob", e)
	}
	// She goes on working; what is recorded of her now has another key.
	busyAgain(t, p, ann())
	wantOK(t, verify(t, p, p.Evidence(), outside))
	if got, err := p.Erase(t.Context(), bob(), "nobody"); err != nil || got != 0 {
		t.Errorf("erasing nobody: %d, %v", got, err)
	}
	// Whoever keeps the digest cannot even test a guess: no plain hash is left.
	found, err := audit.Search(t.Context(), p.Evidence(), acme, p.KEK, "planted-0000")
	if err != nil || len(found) != 0 {
		t.Errorf("what was erased is found: %v, %v", found, err)
	}
}

func busyAgain(t *testing.T, p Provable, by agent.Actor) {
	t.Helper()
	q := proposal(t, by, "again", 1)
	if err := p.Ledger.Refuse(t.Context(), q, agent.Verdict{Rule: "no"}); err != nil {
		t.Fatal(err)
	}
	rows := record(t, p.Stores, acme)
	if e := rows[len(rows)-1]; e.Payload != "" || string(e.Args) != string(q.Call.Args) || e.Digest != q.Digest {
		t.Errorf("a new row of %s reads %+v", by.ID, e)
	}
}

func proofNoErasure(t *testing.T, p Provable) {
	busy(t, p, 9)
	outside := signed(t, p)
	for name, f := range map[string]func(tx *sql.Tx) error{
		"a payload is deleted":       exec(`DELETE FROM audit_payload WHERE seq = (SELECT MIN(seq) FROM audit_payload)`),
		"all payloads are deleted":   exec(`DELETE FROM audit_payload`),
		"a key is deleted":           exec(`DELETE FROM subject_keys WHERE subject = 'ann'`),
		"keys change their subjects": exec(`UPDATE subject_keys SET subject = 'x' || subject`),
		"payloads change places": exec(`UPDATE audit_payload SET seq = -1 WHERE seq = 2`, `UPDATE audit_payload SET seq = 2 WHERE seq = 3`,
			`UPDATE audit_payload SET seq = 3 WHERE seq = -1`),
		"a payload is added":             exec(`INSERT INTO audit_payload (workspace, seq, key, sealed) SELECT workspace, 1, key, sealed FROM audit_payload LIMIT 1`),
		"a payload belongs to no row":    exec(`INSERT INTO audit_payload (workspace, seq, key, sealed) SELECT workspace, 9999, key, sealed FROM audit_payload LIMIT 1`),
		"a checkpoint is damaged":        exec(`UPDATE audit_checkpoints SET signed = replace(signed, 'sous/', 'sour/')`),
		"a hash of the tree is changed":  exec(`UPDATE audit_tree SET hash = zeroblob(32) WHERE id = 2`),
		"a hash of the tree is deleted":  exec(`DELETE FROM audit_tree WHERE id = 2`),
		"the last hash is deleted":       exec(`DELETE FROM audit_tree WHERE id = (SELECT MAX(id) FROM audit_tree)`),
		"a hash is added":                exec(`INSERT INTO audit_tree (workspace, id, hash) VALUES ('acme', 100000, zeroblob(32))`),
		"a row is put before the first":  exec(`UPDATE audit SET seq = 0 WHERE seq = 1`),
		"everything is deleted":          exec(`DELETE FROM audit`, `DELETE FROM audit_tree`, `DELETE FROM audit_payload`, `DELETE FROM audit_checkpoints`),
		"rows move to another workspace": exec(`UPDATE audit SET workspace = 'globex' WHERE seq > 5`),
	} {
		p.Tampered(f, func(e audit.Evidence) {
			if r := verify(t, p, e, outside); r.OK() {
				t.Errorf("%s: not found: %+v", name, r)
			}
		})
	}
	// Keys and payloads alone prove nothing against an auditor without the KEK.
	r, err := audit.Verify(t.Context(), audit.VerifyConfig{Evidence: p.Evidence(), Workspace: acme, Signed: outside, Known: p.Known})
	if err != nil || !r.OK() || r.Sealed == 0 || r.Payloads != 0 {
		t.Errorf("without keys: %+v, %v; want the tree in order and the payloads unopened", r, err)
	}
}

func exec(queries ...string) func(tx *sql.Tx) error {
	return func(tx *sql.Tx) error {
		for _, q := range queries {
			if _, err := tx.Exec(q); err != nil {
				return fmt.Errorf("%s: %w", q, err)
			}
		}
		return nil
	}
}

func proofRows(t *testing.T, p Provable) {
	busy(t, p, 10)
	outside := signed(t, p)[0].Text
	busyAgain(t, p, ann())
	e := p.Evidence()
	size, err := e.Size(t.Context(), acme)
	if err != nil {
		t.Fatal(err)
	}
	for seq := int64(1); seq < size; seq++ {
		proof, err := audit.Prove(t.Context(), e, acme, seq, outside, p.Known)
		if err != nil {
			t.Fatalf("prove %d: %v", seq, err)
		}
		raw, err := json.Marshal(proof)
		if err != nil {
			t.Fatal(err)
		}
		back, err := audit.ParseProof(raw)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := back.Check(p.Known); err != nil {
			t.Errorf("row %d: %v", seq, err)
		}
		back.Row.Status += "x"
		if _, err := back.Check(p.Known); err == nil {
			t.Errorf("row %d: another status is proved too", seq)
		}
	}
	_, err = audit.Prove(t.Context(), e, acme, size, outside, p.Known)
	wantError(t, err, agent.Invalid, "does not cover")
}

func proofSearch(t *testing.T, p Provable) {
	busy(t, p, 8)
	q := proposalFor(t, person(globex, "eve"), "g1", 1, `{"title":"planted-0001"}`)
	if err := p.Ledger.Refuse(t.Context(), q, agent.Verdict{Rule: "no"}); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		value, in string
		want      int
	}{
		{"planted-0001", "field", 1},
		{"7", "field", 1},
		{`{"n":[1,true], "title":"planted-0001"}`, "args", 1},
		{"planted", "", 0},
		{"PLANTED-0001", "", 0},
		{"", "", 0},
		{"true", "", 0},
	} {
		found, err := audit.Search(t.Context(), p.Evidence(), acme, p.KEK, tt.value)
		if err != nil || len(found) != tt.want {
			t.Errorf("%q: %d rows, %v; want %d", tt.value, len(found), err, tt.want)
			continue
		}
		for _, m := range found {
			if m.In != tt.in || len(m.Entry.Args) == 0 || m.Entry.Workspace != acme {
				t.Errorf("%q is found in %s of %+v; want in %s", tt.value, m.In, m.Entry, tt.in)
			}
		}
	}
}

func proofNotSigned(t *testing.T, p Provable) {
	busy(t, p, 5)
	signed(t, p)
	busyAgain(t, p, ann())
	heads, err := p.Trees.Heads(t.Context())
	if err != nil || len(heads) != 1 {
		t.Fatalf("heads %v, %v", heads, err)
	}
	file := t.TempDir() + "/checkpoints"
	trees := &lyingTrees{Trees: p.Trees, head: heads[0]}
	c, err := audit.NewCheckpointer(audit.CheckpointConfig{Trees: trees, Signer: p.Signer, Verifiers: p.Known, File: file, Now: p.Clock.Now})
	if err != nil {
		t.Fatal(err)
	}
	trees.head.SignedRoot[0] ^= 1
	if err := c.Sign(t.Context()); err == nil || !strings.Contains(err.Error(), "not those that were signed") {
		t.Errorf("a rewritten record: %v", err)
	}
	trees.head = heads[0]
	trees.head.Size = 1
	if err := c.Sign(t.Context()); err == nil || !strings.Contains(err.Error(), "were signed") {
		t.Errorf("a cut record: %v", err)
	}
	if trees.saved != 0 {
		t.Errorf("%d checkpoints were kept", trees.saved)
	}
	trees.head = heads[0]
	if err := c.Sign(t.Context()); err != nil || trees.saved != 1 {
		t.Errorf("the true record: %v, %d kept", err, trees.saved)
	}
}

// lyingTrees says of one tree what a store somebody rewrote would say.
type lyingTrees struct {
	audit.Trees
	head  audit.Head
	saved int
}

func (l *lyingTrees) Heads(context.Context) ([]audit.Head, error) { return []audit.Head{l.head}, nil }

func (l *lyingTrees) SaveCheckpoint(context.Context, audit.Checkpoint, string) error {
	l.saved++
	return nil
}

func proofParts(t *testing.T, p Provable) {
	busy(t, p, 15)
	outside := signed(t, p)
	part := func(e audit.Evidence, from, to int64) *audit.Report {
		r, err := audit.Verify(t.Context(), audit.VerifyConfig{
			Evidence: e, Workspace: acme, Signed: outside, Known: p.Known, KEK: p.KEK, From: from, To: to,
		})
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	if r := part(p.Evidence(), 10, 20); !r.OK() || r.Rows != 11 || r.Checkpoints == 0 {
		t.Errorf("rows 10 to 20: %+v", r)
	}
	p.Tampered(exec(`UPDATE audit SET status = 'x' WHERE seq = 15`), func(e audit.Evidence) {
		if r := part(e, 10, 20); r.OK() || !saysRow(r, 15) {
			t.Errorf("a changed row in the part: %+v", r.Problems)
		}
		if r := part(e, 16, 20); !r.OK() {
			t.Errorf("a changed row outside the part: %+v", r.Problems)
		}
	})
	p.Tampered(exec(`DELETE FROM audit WHERE seq = 15`), func(e audit.Evidence) {
		if r := part(e, 10, 20); r.OK() || !saysRow(r, 15) {
			t.Errorf("a missing row: %+v", r.Problems)
		}
	})
}

// proofProperty works in a workspace of its own each time, in one store.
func proofProperty(t *testing.T, open ProvableOpener) {
	p, runs := open(t), 0
	rapid.Check(t, func(rt *rapid.T) {
		runs++
		ws := agent.WorkspaceID(fmt.Sprintf("ws%d", runs))
		n := rapid.IntRange(1, 12).Draw(rt, "rows")
		for i := range n {
			by := person(ws, rapid.SampledFrom([]string{"ann", "bob", "zoë"}).Draw(rt, "by"))
			q := proposalFor(t, by, fmt.Sprint(i), 1, rapid.SampledFrom([]string{`{}`, `{"a":"b"}`, `{"a":["x",1,{"y":"z\u0000"}]}`}).Draw(rt, "args"))
			q.Call.Tool = rapid.SampledFrom([]string{"t", "made up\nby a model", ""}).Draw(rt, "tool")
			if err := p.Ledger.Refuse(context.Background(), q, agent.Verdict{Rule: "r"}); err != nil {
				rt.Fatal(err)
			}
		}
		outside := signed(t, p)
		if r := verifyOf(t, p, ws, p.Evidence(), outside); !r.OK() || r.Rows != int64(n) {
			rt.Fatalf("untouched: %+v", r)
		}
		p.Tampered(mutation(rt, ws, int64(n)), func(e audit.Evidence) {
			if r := verifyOf(t, p, ws, e, outside); r.OK() {
				rt.Fatalf("not found: %+v", r)
			}
		})
	})
}

// mutation is one change of anything the record of a workspace is made of.
func mutation(rt *rapid.T, ws agent.WorkspaceID, n int64) func(tx *sql.Tx) error {
	seq := rapid.Int64Range(1, n).Draw(rt, "row")
	rnd := rand.New(rand.NewPCG(rapid.Uint64().Draw(rt, "seed"), 1)) //nolint:gosec // rapid repeats it
	flip := func(table, column, where string, arg any) func(tx *sql.Tx) error {
		return func(tx *sql.Tx) error { return flipped(rnd, tx, table, column, "workspace = ? AND "+where, ws, arg) }
	}
	switch rapid.SampledFrom([]string{"row", "row", "payload", "hash", "delete", "key"}).Draw(rt, "what") {
	case "row":
		return flip("audit", rapid.SampledFrom(rowColumns).Draw(rt, "column"), "seq = ?", seq)
	case "payload":
		return flip("audit_payload", "sealed", "seq = ?", seq)
	case "hash":
		return flip("audit_tree", "hash", "id = ?", storedCount(seq)-1)
	case "key":
		return flip("subject_keys", "wrapped", "id >= ?", 0)
	}
	return func(tx *sql.Tx) error {
		_, err := tx.Exec(`DELETE FROM audit WHERE workspace = ? AND seq = ?`, ws, seq)
		return err
	}
}
