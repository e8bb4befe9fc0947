package postgres_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/agent/approval"
	"github.com/sous-hq/sous/agent/loop"
	"github.com/sous-hq/sous/agent/pause"
	"github.com/sous-hq/sous/integrations/postgres"
	"github.com/sous-hq/sous/internal/testkit/pgtest"
)

// member is a replica that notes what it is told.
type member struct {
	leave                  func(context.Context) error
	gone, signals, changed chan string
	lost                   chan struct{}
}

func join(t *testing.T, db *postgres.DB, id string) member {
	t.Helper()
	m := member{gone: make(chan string, 16), signals: make(chan string, 16), changed: make(chan string, 16), lost: make(chan struct{})}
	var err error
	m.leave, err = db.Join(t.Context(), loop.Member{
		ID:      id,
		Gone:    func(_ context.Context, id string) error { m.gone <- id; return nil },
		Lost:    func() { close(m.lost) },
		Signal:  func(turn string) { m.signals <- turn },
		Changed: func(turn string) { m.changed <- turn },
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = m.leave(context.Background()) })
	// It listens from now on: what was said before it did stands for all there may be.
	wait(t, m.changed, "")
	return m
}

// wait returns the next thing told that is wanted.
func wait(t *testing.T, told <-chan string, want string) {
	t.Helper()
	for limit := time.After(20 * time.Second); ; {
		select {
		case got := <-told:
			if got == want {
				return
			}
		case <-limit:
			t.Fatalf("%q was not told", want)
		}
	}
}

func request(id string) (agent.Turn, agent.Message) {
	ann := agent.Actor{Workspace: "acme", ID: "ann", Kind: agent.Member}
	return agent.Turn{ID: id, Workspace: "acme", Conversation: "c-" + id, Actor: ann}, agent.Message{ID: id + "/m", Author: ann, Text: "hello"}
}

func accept(t *testing.T, db *postgres.DB, id string) {
	t.Helper()
	turn, m := request(id)
	if _, err := db.Accept(t.Context(), turn, m, nil); err != nil {
		t.Fatal(err)
	}
}

func TestAReplicaThatLeavesIsTakenOverAndForgotten(t *testing.T) {
	t.Parallel()
	db, _, _ := openDB(t)
	a, b := join(t, db, "a"), join(t, db, "b")
	if err := a.leave(t.Context()); err != nil {
		t.Fatal(err)
	}
	wait(t, b.gone, "a")
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		all, err := db.Replicas(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if len(all) == 1 && all[0].ID == "b" {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("replicas %v; want b alone", all)
		}
	}
	if err := db.Abandon(t.Context(), "before", "b"); err != nil {
		t.Fatal(err)
	}
	wait(t, b.gone, "before")
	select {
	case id := <-b.gone:
		t.Errorf("%s was taken over twice", id)
	case <-b.lost:
		t.Error("b was taken for gone, though it lives")
	case <-time.After(100 * time.Millisecond):
	}
}

// Nobody waits for the silence of a process that cannot be there any more.
func TestWhoComesAfterAnotherInTheSamePlaceTakesItsTurnsOverAtOnce(t *testing.T) {
	t.Parallel()
	c := postgres.Config{URL: pgtest.New(t).URL, Keys: t.TempDir() + "/keys", Beat: 200 * time.Millisecond, Silence: time.Hour}
	open := func(home string) *postgres.DB {
		t.Helper()
		c := c
		c.Home = home
		db, err := postgres.Open(t.Context(), c)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = db.Close() })
		return db
	}
	elsewhere := join(t, open("ELSEWHERE"), "elsewhere")
	was := join(t, open("HERE"), "was")
	heard := make(chan string, 8)
	c.News = func(what string) { heard <- what }
	db := open("HERE")
	is := join(t, db, "is")
	for got := ""; got != "was"; {
		select {
		case got = <-is.gone:
		case got = <-elsewhere.gone:
		case <-time.After(20 * time.Second):
			t.Fatal("who was here before is not taken over")
		}
	}
	select {
	case <-was.lost:
	case <-time.After(20 * time.Second):
		t.Error("who was here before is not told")
	}
	// Back under another name it does not begin anew, as a copy of the place would.
	join(t, db, "is again")
	select {
	case <-elsewhere.lost:
		t.Error("who is elsewhere was taken for gone")
	case <-is.lost:
		t.Error("it took itself for gone")
	case <-time.After(100 * time.Millisecond):
	}
	wait(t, heard, "") // it may have missed some
	if err := open("ELSEWHERE").Spread(t.Context(), "groups"); err != nil {
		t.Fatal(err)
	}
	wait(t, heard, "groups")
}

func TestASilentReplicaIsTakenOverAndItsLateWritesAreRefused(t *testing.T) {
	t.Parallel()
	db, _, base := openDB(t)
	other := join(t, db, "other")
	run := administrator(t, base)
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(run(`INSERT INTO replicas (id, beat) VALUES ('frozen', now() + interval '1 hour')`))
	accept(t, db, "e1")
	as := loop.InReplica(t.Context(), "frozen")
	must(db.SetStatus(as, "acme", "e1", agent.TurnWaiting))
	// What the replica is writing when it falls silent is over before it is taken over.
	conn, err := pgx.Connect(t.Context(), base.URL)
	must(err)
	defer conn.Close(context.Background())
	tx, err := conn.Begin(t.Context())
	must(err)
	_, err = tx.Exec(t.Context(), `SELECT sous.still('frozen')`)
	must(err)
	must(run(`UPDATE replicas SET beat = now() - interval '1 minute' WHERE id = 'frozen'`))
	select {
	case id := <-other.gone:
		t.Fatalf("%s is taken over while it writes", id)
	case <-time.After(200 * time.Millisecond):
	}
	must(tx.Rollback(t.Context()))
	wait(t, other.gone, "frozen")
	for name, write := range map[string]func(context.Context) error{
		"status": func(ctx context.Context) error { return db.SetStatus(ctx, "acme", "e1", agent.TurnRunning) },
		"park":   func(ctx context.Context) error { return db.Park(ctx, "acme", "e1", loop.Parked{Question: "Which?"}) },
		"finish": func(ctx context.Context) error {
			turn, _ := request("e1")
			turn.Status = agent.TurnDone
			_, err := db.Finish(ctx, loop.Finish{Turn: turn})
			return err
		},
	} {
		if err := write(as); !errors.Is(err, loop.ErrTakenOver) || agent.KindOf(err) != agent.Unavailable {
			t.Errorf("%s by the frozen replica: %v; want ErrTakenOver", name, err)
		}
	}
	if err := db.SetStatus(loop.InReplica(t.Context(), "other"), "acme", "e1", agent.TurnRunning); err != nil {
		t.Errorf("by the other replica: %v", err)
	}
}

func TestAReplicaThatWasTakenForGoneIsTold(t *testing.T) {
	t.Parallel()
	db, _, base := openDB(t)
	a := join(t, db, "a")
	if err := administrator(t, base)(`UPDATE replicas SET gone = true`); err != nil {
		t.Fatal(err)
	}
	select {
	case <-a.lost:
	case <-time.After(20 * time.Second):
		t.Fatal("it was not told")
	}
}

func TestReplicasHearOfEachOthersSignalsTurnsAndPauses(t *testing.T) {
	t.Parallel()
	base, keys := pgtest.New(t), t.TempDir()+"/keys"
	open := func() *postgres.DB {
		db, err := postgres.Open(t.Context(), postgres.Config{URL: base.URL, Keys: keys, Beat: 50 * time.Millisecond, Silence: 20 * time.Second})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = db.Close() })
		return db
	}
	here, there := open(), open()
	a, b := join(t, here, "a"), join(t, there, "b")
	accept(t, here, "e1")
	if err := here.Send(t.Context(), "acme", "e1", loop.InboxTopic, loop.Signal{Type: loop.SignalStop}); err != nil {
		t.Fatal(err)
	}
	wait(t, a.signals, "e1")
	wait(t, b.signals, "e1")
	if err := here.SetStatus(t.Context(), "acme", "e1", agent.TurnWaiting); err != nil {
		t.Fatal(err)
	}
	wait(t, b.changed, "e1")
	// Who changed it knows, and hears of what others change.
	accept(t, here, "e2")
	if err := there.SetStatus(t.Context(), "acme", "e2", agent.TurnWaiting); err != nil {
		t.Fatal(err)
	}
	for told := ""; told != "e2"; {
		select {
		case told = <-a.changed:
			if told == "e1" {
				t.Error("a process was told of its own change")
			}
		case <-time.After(20 * time.Second):
			t.Fatal("a process was not told of another's change")
		}
	}
	ann := agent.Actor{Workspace: "acme", ID: "ann", Kind: agent.Member, Owner: true}
	stops := func(db *postgres.DB) bool {
		_, over, err := db.Paused(t.Context(), pause.Subject{Workspace: "acme", Tool: "mail_send"})
		if err != nil {
			t.Fatal(err)
		}
		return over
	}
	if stops(there) {
		t.Fatal("paused before anybody did")
	}
	if _, err := here.Pause(t.Context(), ann, pause.Tool, "mail_send", "because"); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(10 * time.Second); !stops(there); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("a pause is not in force in the other process")
		}
	}
}

// A vote, a question or another decider leaves an approval open, and the turn as it was;
// whoever shows the approval elsewhere has to know all the same.
func TestReplicasHearOfWhatIsDoneToAnApprovalThatStaysOpen(t *testing.T) {
	t.Parallel()
	base, keys := pgtest.New(t), t.TempDir()+"/keys"
	open := func() *postgres.DB {
		db, err := postgres.Open(t.Context(), postgres.Config{URL: base.URL, Keys: keys, Beat: 50 * time.Millisecond, Silence: 20 * time.Second})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = db.Close() })
		return db
	}
	here, there := open(), open()
	b := join(t, there, "b")
	ledger, err := postgres.NewLedger(here, postgres.LedgerConfig{ApprovalTTL: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	ann := agent.Actor{Workspace: "acme", ID: "ann", Kind: agent.Member}
	bob, cat := agent.Actor{Workspace: "acme", ID: "bob", Kind: agent.Member}, agent.Actor{Workspace: "acme", ID: "cat", Kind: agent.Member}
	for name, change := range map[string]func(approval.Approval) (approval.Approval, error){
		"vote": func(p approval.Approval) (approval.Approval, error) { return p.Approve(bob, time.Now()) },
		"question": func(p approval.Approval) (approval.Approval, error) {
			return p.Say(approval.Change{By: bob, Event: "e", At: time.Now()}, "Why?")
		},
		"another decider": func(p approval.Approval) (approval.Approval, error) {
			return p.Delegate(approval.Change{By: bob, Event: "e", At: time.Now()}, cat)
		},
	} {
		turn := "e-" + name
		accept(t, here, turn)
		id, err := ledger.Ask(t.Context(), proposal(t, ann, turn+"/1"), agent.Verdict{Ruling: agent.Ask, Quorum: 2})
		if err != nil {
			t.Fatal(err)
		}
		if got, err := here.Change(t.Context(), bob, id, change); err != nil || got.State != approval.Asked {
			t.Fatal(name, got.State, err)
		}
		wait(t, b.changed, turn)
	}
}
