// Package storetest says what a store promises. Every adapter runs the same
// suites over a real database of its own; a new promise is one more entry in a
// list, and its name is the promise.
package storetest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/agent/approval"
	"github.com/sous-hq/sous/agent/audit"
	"github.com/sous-hq/sous/agent/loop"
	"github.com/sous-hq/sous/tools"
)

// ApprovalTTL is how long the ledger under test gives people to decide.
const ApprovalTTL = 24 * time.Hour

// UndoTTL is how long the ledger under test offers to take an effect back.
const UndoTTL = 10 * time.Minute

// Stores is a fresh, empty store with everything its suites need.
type Stores struct {
	loop.Store
	Ledger tools.Ledger
	// Control is where people step in.
	Control Control
	// Clock is the clock both were opened with.
	Clock *Clock
	// People is the directory the ledger was opened with.
	People *Directory
	// Exec runs SQL past the adapter, as somebody with the database would.
	Exec func(query string) error
}

// Clock is a clock that stands still until it is moved.
type Clock struct {
	mu  sync.Mutex
	now time.Time
}

// NewClock returns a clock that shows a Monday morning.
func NewClock() *Clock {
	return &Clock{now: time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)}
}

// Now is the time it shows.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

// Advance moves it.
func (c *Clock) Advance(by time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(by)
}

// Opener opens a fresh, empty store for one test.
type Opener func(t *testing.T) Stores

// promise is one subtest over a store of its own.
type promise struct {
	name  string
	check func(t *testing.T, s Stores)
}

func (open Opener) keeps(t *testing.T, all []promise) {
	for _, p := range all {
		t.Run(p.name, func(t *testing.T) { p.check(t, open(t)) })
	}
}

const (
	acme   agent.WorkspaceID = "acme"
	globex agent.WorkspaceID = "globex"
	// racers is how many try the same thing at once.
	racers = 16
)

func person(ws agent.WorkspaceID, id string) agent.Actor {
	return agent.Actor{Workspace: ws, ID: agent.ActorID(id), Kind: agent.Member, Name: strings.ToUpper(id[:1]) + id[1:]}
}

func ann() agent.Actor { return person(acme, "ann") }
func bob() agent.Actor { return person(acme, "bob") }

func channel() agent.Place { return agent.Place{ID: "general", Kind: agent.Public} }

// event is a message that asks for something, as a front end hands it in.
func event(id, conversation string, by agent.Actor) (agent.Turn, agent.Message) {
	t := agent.Turn{ID: id, Workspace: by.Workspace, Conversation: conversation, Place: channel(), Actor: by}
	m := agent.Message{
		ID: "m-" + id, Author: by, Text: "please do " + id,
		Label: agent.Label{Integrity: agent.Requester, Readers: agent.Readers{Scope: agent.WholeWorkspace}, Sources: []string{"chat"}},
	}
	return t, m
}

// accept takes in an event that must be new.
func accept(t *testing.T, s Stores, id, conversation string, by agent.Actor) loop.Acceptance {
	t.Helper()
	turn, m := event(id, conversation, by)
	acc, err := s.Accept(t.Context(), turn, m, nil)
	if err != nil || acc.Duplicate {
		t.Fatalf("accept %s: duplicate %v, error %v", id, acc.Duplicate, err)
	}
	return acc
}

// endTurn is Finish when it does not matter what is queued.
func endTurn(ctx context.Context, s Stores, f loop.Finish) error {
	_, err := s.Finish(ctx, f)
	return err
}

// finish ends a turn as done.
func finish(t *testing.T, s Stores, turn agent.Turn) {
	t.Helper()
	if err := endTurn(t.Context(), s, ending(turn, "done")); err != nil {
		t.Fatalf("finish %s: %v", turn.ID, err)
	}
}

func ending(turn agent.Turn, answer string) loop.Finish {
	turn.Status, turn.Answer = agent.TurnDone, answer
	return loop.Finish{Turn: turn, Answer: agent.Message{
		ID: turn.ID + "/answer", Text: answer, Author: agent.Actor{Workspace: turn.Workspace, ID: "sous", Kind: agent.System},
	}}
}

// proposal is a call of the turn's n-th step.
func proposal(t *testing.T, by agent.Actor, turn string, n int) tools.Proposal {
	t.Helper()
	return proposalFor(t, by, turn, n, `{"title":"Fix <the> build & ship"}`)
}

func proposalFor(t *testing.T, by agent.Actor, turn string, n int, args string) tools.Proposal {
	t.Helper()
	c := agent.Call{ID: fmt.Sprintf("%s/%d", turn, n), Turn: turn, Actor: by, Tool: "ticket_create", Args: json.RawMessage(args)}
	digest, err := c.Digest()
	if err != nil {
		t.Fatal(err)
	}
	return tools.Proposal{
		Call: c, Digest: digest, Place: channel(),
		Spec:    tools.Spec{Name: c.Tool, Tier: agent.TierWrite, Undo: "The ticket is closed."},
		Context: agent.Label{Sources: []string{"standup.vtt"}},
	}
}

func asks() agent.Verdict {
	return agent.Verdict{Ruling: agent.Ask, Rule: "untrusted-context", Reason: "It comes from a file.", Marked: []string{"title"}}
}

func allows() agent.Verdict { return agent.Verdict{Ruling: agent.Allow, Rule: "ordered"} }

// ask records a question and returns the approval's id.
func ask(t *testing.T, s Stores, p tools.Proposal, v agent.Verdict) string {
	t.Helper()
	id, err := s.Ledger.Ask(t.Context(), p, v)
	if err != nil {
		t.Fatalf("ask: %v", err)
	}
	return id
}

// approve is a person's yes.
func approve(ctx context.Context, s Stores, by agent.Actor, id string) error {
	_, err := s.Change(ctx, by, id, func(a approval.Approval) (approval.Approval, error) { return a.Approve(by, s.Clock.Now()) })
	return err
}

// approved asks, has bob say yes, and returns the approval's id.
func approved(t *testing.T, s Stores, p tools.Proposal) string {
	t.Helper()
	id := ask(t, s, p, asks())
	if err := approve(t.Context(), s, person(p.Call.Actor.Workspace, "bob"), id); err != nil {
		t.Fatalf("approve: %v", err)
	}
	return id
}

// record reads the whole audit of a workspace.
func record(t *testing.T, s Stores, ws agent.WorkspaceID) []audit.Entry {
	t.Helper()
	rows, err := s.Audit(t.Context(), ws, audit.Filter{})
	if err != nil {
		t.Fatalf("audit: %v", err)
	}
	return rows
}

// kinds is what the audit of acme says, in order.
func kinds(t *testing.T, s Stores) []audit.Kind {
	t.Helper()
	var all []audit.Kind
	for _, e := range record(t, s, acme) {
		all = append(all, e.Kind)
	}
	return all
}

func wantKinds(t *testing.T, s Stores, want ...audit.Kind) {
	t.Helper()
	if got := kinds(t, s); !slices.Equal(got, want) {
		t.Errorf("audit says %v; want %v", got, want)
	}
}

// wantError checks the kind of an error and what people would read of it.
func wantError(t *testing.T, err error, k agent.Kind, says ...string) {
	t.Helper()
	if err == nil {
		t.Errorf("no error; want %v", k)
		return
	}
	if agent.KindOf(err) != k {
		t.Errorf("error %v is %v; want %v", err, agent.KindOf(err), k)
	}
	for _, text := range says {
		if !strings.Contains(agent.PublicText(err), text) {
			t.Errorf("people read %q; want it to say %q", agent.PublicText(err), text)
		}
	}
}

// wantJSON compares as the outside sees it.
func wantJSON(t *testing.T, what string, got, want any) {
	t.Helper()
	g, gerr := json.Marshal(got)
	w, werr := json.Marshal(want)
	if err := errors.Join(gerr, werr); err != nil {
		t.Fatal(err)
	}
	if string(g) != string(w) {
		t.Errorf("%s:\n got %s\nwant %s", what, g, w)
	}
}

// race runs f n times at once and returns what each came to.
func race(n int, f func(i int) error) []error {
	errs := make([]error, n)
	start := make(chan struct{})
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			<-start
			errs[i] = f(i)
		})
	}
	close(start)
	wg.Wait()
	return errs
}

// oneWinner checks that exactly one of the racers won and what the others heard.
func oneWinner(t *testing.T, errs []error, k agent.Kind, says ...string) {
	t.Helper()
	won := 0
	for _, err := range errs {
		if err == nil {
			won++
			continue
		}
		wantError(t, err, k, says...)
	}
	if won != 1 {
		t.Errorf("%d of %d won; want 1", won, len(errs))
	}
}

// withoutAudit runs f while no audit row can be written.
func withoutAudit(t *testing.T, s Stores, f func()) {
	t.Helper()
	if err := s.Exec(`ALTER TABLE audit RENAME TO audit_away`); err != nil {
		t.Fatalf("take the audit away: %v", err)
	}
	f()
	if err := s.Exec(`ALTER TABLE audit_away RENAME TO audit`); err != nil {
		t.Fatalf("bring the audit back: %v", err)
	}
}
