package storetest

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/agent/audit"
	"github.com/sous-hq/sous/tools"
)

// Audit checks audit.Reader and that its rows stay.
func Audit(t *testing.T, open Opener) {
	open.keeps(t, []promise{
		{"rows cannot be changed, taken away or put in between", auditStays},
		{"many writers leave no gap, in any workspace", auditGapless},
		{"what failed leaves no number behind", auditFailedLeavesNoGap},
		{"each filter selects what it says", auditFilters},
		{"the newest rows come oldest first, and pages follow each other", auditPages},
		{"a read without a limit is bounded", auditBounded},
		{"a filter is a value, never a piece of SQL", auditInjection},
		{"another workspace reads none of our rows", auditApart},
	})
}

func auditStays(t *testing.T, s Stores) {
	intend(t, s, allowed(proposal(t, ann(), "e1", 1)))
	intend(t, s, allowed(proposal(t, ann(), "e1", 2)))
	before := record(t, s, acme)
	const columns = `workspace, seq, at, kind, actor, subject, key, turn, call, tool, tier, ruling, rule, approval, status, args, note, digest, fields`
	for _, query := range []string{
		`UPDATE audit SET status = 'nothing to see' WHERE seq = 1`,
		`UPDATE audit SET seq = 9 WHERE seq = 2`,
		`DELETE FROM audit WHERE seq = 2`,
		`DELETE FROM audit`,
		strings.Replace(`INSERT INTO audit (COLS) SELECT COLS FROM audit WHERE seq = 1`, "COLS", columns, 2),
		`INSERT INTO audit (` + columns + `) SELECT ` + strings.Replace(columns, "seq", "seq + 5", 1) + ` FROM audit WHERE seq = 1`,
		`INSERT INTO audit (` + columns + `) SELECT ` + strings.Replace(columns, "seq", "0", 1) + ` FROM audit WHERE seq = 1`,
	} {
		if err := s.Exec(query); err == nil {
			t.Errorf("%s: went through", query)
		}
	}
	wantJSON(t, "audit", record(t, s, acme), before)
}

func auditGapless(t *testing.T, s Stores) {
	errs := race(racers, func(i int) error {
		by := ann()
		if i%2 == 1 {
			by = person(globex, "eve")
		}
		p := tools.Proposal{Call: agent.Call{ID: fmt.Sprint(i), Actor: by, Tool: "x"}}
		return errors.Join(s.Ledger.Refuse(t.Context(), p, agent.Verdict{}), s.Ledger.Refuse(t.Context(), p, agent.Verdict{}))
	})
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	for _, ws := range []agent.WorkspaceID{acme, globex} {
		rows := record(t, s, ws)
		if len(rows) != racers {
			t.Errorf("%s has %d rows; want %d", ws, len(rows), racers)
		}
		for i, e := range rows {
			if e.Seq != int64(i+1) || e.Workspace != ws {
				t.Fatalf("row %d of %s is %s/%d", i+1, ws, e.Workspace, e.Seq)
			}
		}
	}
}

func auditFailedLeavesNoGap(t *testing.T, s Stores) {
	p := proposal(t, ann(), "e1", 1)
	id := approved(t, s, p)
	intend(t, s, withApproval(p, id))
	i := withApproval(p, id)
	i.Key = "another"
	_, err := s.Ledger.Intend(t.Context(), i)
	wantError(t, err, agent.Conflict)
	accept(t, s, "e1", "c", ann())
	if rows := record(t, s, acme); rows[len(rows)-1].Seq != 4 || len(rows) != 4 {
		t.Errorf("%d rows, the last is %d; want 4 and 4", len(rows), rows[len(rows)-1].Seq)
	}
}

// story writes seven rows, one second apart where the clock is moved.
func story(t *testing.T, s Stores) (id string) {
	t.Helper()
	accept(t, s, "e1", "c1", ann()) // 1
	s.Clock.Advance(time.Second)
	accept(t, s, "e2", "c2", bob()) // 2
	s.Clock.Advance(time.Second)
	p := proposal(t, ann(), "e1", 1)
	id = approved(t, s, p)              // 3, 4
	intend(t, s, withApproval(p, id))   // 5
	s.Clock.Advance(time.Second)        //
	q := proposal(t, bob(), "e2", 1)    //
	q.Call.Tool = "mail_send"           //
	err := s.Ledger.Refuse(t.Context(), // 6
		q, agent.Verdict{Rule: "no-mail"})
	if err != nil {
		t.Fatal(err)
	}
	finish(t, s, agent.Turn{ID: "e2", Workspace: acme}) // 7
	return id
}

// seqs lists the numbers a filter selects.
func seqs(t *testing.T, s Stores, f audit.Filter) string {
	t.Helper()
	rows, err := s.Audit(t.Context(), acme, f)
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, e := range rows {
		all = append(all, fmt.Sprint(e.Seq))
	}
	return strings.Join(all, " ")
}

func auditFilters(t *testing.T, s Stores) {
	start := s.Clock.Now()
	id := story(t, s)
	for _, tt := range []struct {
		name string
		f    audit.Filter
		want string
	}{
		{"nothing", audit.Filter{}, "1 2 3 4 5 6 7"},
		{"one kind", audit.Filter{Kinds: []audit.Kind{audit.TurnAccepted}}, "1 2"},
		{"two kinds", audit.Filter{Kinds: []audit.Kind{audit.CallIntent, audit.CallRefused}}, "5 6"},
		{"turn", audit.Filter{Turn: "e1"}, "1 3 4 5"},
		{"tool", audit.Filter{Tool: "mail_send"}, "6"},
		{"actor", audit.Filter{Actor: "bob"}, "2 4 6 7"},
		{"approval", audit.Filter{Approval: id}, "3 4 5"},
		{"since, inclusive", audit.Filter{Since: start.Add(2 * time.Second)}, "3 4 5 6 7"},
		{"until, exclusive", audit.Filter{Until: start.Add(2 * time.Second)}, "1 2"},
		{"a span", audit.Filter{Since: start.Add(time.Second), Until: start.Add(3 * time.Second)}, "2 3 4 5"},
		{"after", audit.Filter{After: 5}, "6 7"},
		{"all together", audit.Filter{
			Kinds: []audit.Kind{audit.ApprovalDecided}, Turn: "e1", Tool: "ticket_create", Actor: "bob", Approval: id, Since: start, After: 3,
		}, "4"},
		{"what is not there", audit.Filter{Turn: "e9"}, ""},
	} {
		if got := seqs(t, s, tt.f); got != tt.want {
			t.Errorf("%s: rows %s; want %s", tt.name, got, tt.want)
		}
	}
}

func auditPages(t *testing.T, s Stores) {
	story(t, s)
	for _, tt := range []struct {
		f    audit.Filter
		want string
	}{
		{audit.Filter{Limit: 3}, "1 2 3"},
		{audit.Filter{Limit: 3, After: 3}, "4 5 6"},
		{audit.Filter{Limit: 3, After: 6}, "7"},
		{audit.Filter{Limit: 3, After: 7}, ""},
		{audit.Filter{Limit: 3, Newest: true}, "5 6 7"},
		{audit.Filter{Limit: 2, Newest: true, Turn: "e1"}, "4 5"},
	} {
		if got := seqs(t, s, tt.f); got != tt.want {
			t.Errorf("%+v: rows %s; want %s", tt.f, got, tt.want)
		}
	}
}

func auditBounded(t *testing.T, s Stores) {
	turn := accept(t, s, "e1", "c", ann()).Turn
	f := ending(turn, "done")
	f.Reads = make([]audit.Entry, 1200)
	if err := endTurn(t.Context(), s, f); err != nil {
		t.Fatal(err)
	}
	for limit, want := range map[int]int{0: 1000, 10: 10, 5000: 1000} {
		rows, err := s.Audit(t.Context(), acme, audit.Filter{Limit: limit, Newest: true})
		if err != nil || len(rows) != want || rows[want-1].Seq != 1202 {
			t.Errorf("limit %d reads %d rows, %v; want the last %d", limit, len(rows), err, want)
		}
	}
}

func auditInjection(t *testing.T, s Stores) {
	story(t, s)
	evil := `x' OR 1=1 --`
	for _, f := range []audit.Filter{
		{Turn: evil}, {Tool: evil}, {Actor: agent.ActorID(evil)}, {Approval: evil}, {Kinds: []audit.Kind{audit.Kind(evil)}},
	} {
		if got := seqs(t, s, f); got != "" {
			t.Errorf("%+v: rows %s; want none", f, got)
		}
	}
}

func auditApart(t *testing.T, s Stores) {
	story(t, s)
	for _, f := range []audit.Filter{{}, {Turn: "e1"}, {Actor: "ann"}, {Newest: true}} {
		if rows, err := s.Audit(t.Context(), globex, f); err != nil || len(rows) != 0 {
			t.Errorf("another workspace reads %v, %v", rows, err)
		}
	}
}
