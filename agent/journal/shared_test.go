package journal_test

import (
	"context"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/agent/journal"
	"github.com/sous-hq/sous/agent/loop"
	"github.com/sous-hq/sous/agent/model"
	"github.com/sous-hq/sous/integrations/postgres"
	"github.com/sous-hq/sous/internal/testkit/looptest"
	"github.com/sous-hq/sous/internal/testkit/pgtest"
	"github.com/sous-hq/sous/tools"
)

// onBase is onPostgres on a database the test can change past Sous.
func onBase(t *testing.T) (looptest.Bench, func(query string)) {
	t.Helper()
	base := pgtest.New(t)
	bench := onPostgres
	bench.Stores = func(t testing.TB) func(clock func() time.Time) (looptest.Store, tools.Ledger) {
		return storesOn(t, base)
	}
	return bench, func(query string) {
		t.Helper()
		conn, err := pgx.Connect(t.Context(), base.AdminURL)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close(context.Background())
		if _, err := conn.Exec(t.Context(), query); err != nil {
			t.Fatal(err)
		}
	}
}

func ask(req model.Request) (model.Response, error) {
	if r := looptest.Results(req); len(r) > 0 {
		return looptest.Say("made " + strings.Join(r, " "))
	}
	return looptest.Call(`thing_make {"name":"unsaid"}`)
}

// A full disk, or a database that takes no writes for a while, must cost no turn:
// the journal fails here while everything else works.
func TestATurnWhoseStepsCannotBeRecordedGoesOnWhenTheyCan(t *testing.T) {
	for _, code := range []string{"53100", "25006", "XX000"} {
		t.Run(code, func(t *testing.T) {
			t.Parallel()
			on, run := onBase(t)
			w := looptest.NewWorld(t, on, loop.Limits{}, ask)
			p := w.Start()
			run(`CREATE FUNCTION sous.full() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
					RAISE EXCEPTION 'no room' USING ERRCODE = '` + code + `'; END $$;
				CREATE TRIGGER full_up BEFORE INSERT ON sous.journal FOR EACH ROW EXECUTE FUNCTION sous.full()`)
			p.Ask("e", "c", "make it")
			// Long enough for the engine to give the step up.
			time.Sleep(500 * time.Millisecond)
			run(`DROP TRIGGER full_up ON sous.journal; DROP FUNCTION sous.full`)
			v := p.Until("e", agent.TurnWaiting)
			if _, err := p.Decide(t.Context(), looptest.Ann(), v.Approvals[0].ID, true, ""); err != nil {
				t.Fatal(err)
			}
			p.Until("e", agent.TurnDone)
			if made, _ := w.Things(); made != 1 {
				t.Errorf("made %d; want one", made)
			}
		})
	}
}

func TestADecisionInOneProcessWakesTheTurnInAnother(t *testing.T) {
	t.Parallel()
	w := looptest.NewWorld(t, onPostgres, loop.Limits{}, ask)
	here, there := w.Start(), w.Start()
	here.Ask("e", "c", "make it")
	v := here.Until("e", agent.TurnWaiting)
	next, err := there.Watch(t.Context(), looptest.Ann(), "e", 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := there.Decide(t.Context(), looptest.Ann(), v.Approvals[0].ID, true, ""); err != nil {
		t.Fatal(err)
	}
	// Whoever watches there sees the end, though the turn ran here.
	for {
		ev, ok := next()
		if !ok {
			t.Fatal("the watcher in the other process saw no end")
		}
		if ev.Type == loop.EventEnd {
			if !strings.HasPrefix(ev.Text, "made") {
				t.Errorf("the end says %q", ev.Text)
			}
			break
		}
	}
	if made, runs := w.Things(); made != 1 || runs != 1 || len(there.Model.Requests()) != 0 {
		t.Errorf("made %d in %d runs, the other process asked its model %d times", made, runs, len(there.Model.Requests()))
	}
}

func TestWhatAProcessLeavesGoesOnInAnother(t *testing.T) {
	t.Parallel()
	w := looptest.NewWorld(t, onPostgres, loop.Limits{}, ask)
	here, there := w.Start(), w.Start()
	here.Ask("e", "c", "make it")
	v := here.Until("e", agent.TurnWaiting)
	here.Stop()
	if _, err := there.Decide(t.Context(), looptest.Ann(), v.Approvals[0].ID, true, ""); err != nil {
		t.Fatal(err)
	}
	there.Until("e", agent.TurnDone)
	if made, runs := w.Things(); made != 1 || runs != 1 {
		t.Errorf("made %d in %d runs", made, runs)
	}
}

// The others take a process for gone that is not: cut off, or stopped for a while.
func TestAProcessTakenForGoneComesBackAndDoesNothingTwice(t *testing.T) {
	t.Parallel()
	on, run := onBase(t)
	w := looptest.NewWorld(t, on, loop.Limits{}, ask)
	here := w.Start()
	here.Ask("e", "c", "make it")
	v := here.Until("e", agent.TurnWaiting)
	there := w.Start()
	run(`UPDATE sous.replicas SET gone = true WHERE id = (SELECT id FROM sous.replicas ORDER BY started LIMIT 1)`)
	if _, err := there.Decide(t.Context(), looptest.Ann(), v.Approvals[0].ID, true, ""); err != nil {
		t.Fatal(err)
	}
	there.Until("e", agent.TurnDone)
	// The process that was lost takes work again.
	here.Ask("f", "c2", "make it")
	v = here.Until("f", agent.TurnWaiting)
	if _, err := here.Decide(t.Context(), looptest.Ann(), v.Approvals[0].ID, true, ""); err != nil {
		t.Fatal(err)
	}
	here.Until("f", agent.TurnDone)
	if made, runs := w.Things(); made != 2 || runs != 2 {
		t.Errorf("made %d in %d runs", made, runs)
	}
}

// A process dies between taking a request and beginning its turn.
func TestARequestThatWasTakenAndNotBegunIsBegunByAnother(t *testing.T) {
	t.Parallel()
	on, run := onBase(t)
	w := looptest.NewWorld(t, on, loop.Limits{}, ask)
	p := w.Start()
	by := looptest.Ann()
	turn := agent.Turn{ID: "e", Workspace: by.Workspace, Conversation: "c", Actor: by, Place: looptest.Desk()}
	run(`INSERT INTO sous.replicas (id) VALUES ('dead')`)
	if _, err := p.DB.Accept(loop.InReplica(t.Context(), "dead"), turn, agent.Message{ID: "e/request", Author: by, Text: "make it", Label: agent.Label{Readers: turn.Place.Readers()}}, nil); err != nil {
		t.Fatal(err)
	}
	run(`UPDATE sous.replicas SET gone = true WHERE id = 'dead'`)
	p.Until("e", agent.TurnWaiting)
}

// The database committed that a request is taken, and the connection went before it could
// say so: who sent it sends it again, and it is known already.
func TestARequestThatWasTakenWithoutAnAnswerToThatIsBegun(t *testing.T) {
	t.Parallel()
	for name, on := range map[string]looptest.Bench{"SQLite": onSQLite, "PostgreSQL": onPostgres} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := looptest.NewWorld(t, on, loop.Limits{}, ask)
			p := w.Start()
			by := looptest.Ann()
			turn := agent.Turn{ID: "e", Workspace: by.Workspace, Conversation: "c", Actor: by, Place: looptest.Desk()}
			said := agent.Message{ID: "e/request", Author: by, Text: "make it", Label: agent.Label{Readers: turn.Place.Readers()}}
			if _, err := p.DB.Accept(loop.InReplica(t.Context(), p.Carrier()), turn, said, nil); err != nil {
				t.Fatal(err)
			}
			p.Ask("e", "c", "make it")
			v := p.Until("e", agent.TurnWaiting)
			if _, err := p.Decide(t.Context(), looptest.Ann(), v.Approvals[0].ID, true, ""); err != nil {
				t.Fatal(err)
			}
			p.Until("e", agent.TurnDone)
			if made, runs := w.Things(); made != 1 || runs != 1 {
				t.Errorf("made %d in %d runs", made, runs)
			}
		})
	}
}

// hasty are replicas among which whoever joins hears at once, before the engine does
// anything else, that the one that joined before is gone.
type hasty struct {
	loop.Replicas

	before string
	// early says that its turns were taken over before the new one had begun.
	early atomic.Bool
}

// Join implements loop.Replicas.
func (h *hasty) Join(ctx context.Context, m loop.Member) (func(context.Context) error, error) {
	leave, err := h.Replicas.Join(ctx, m)
	if before := h.before; err == nil && before != "" {
		told := make(chan error, 1)
		go func() { told <- m.Gone(context.WithoutCancel(ctx), before) }()
		select {
		case err := <-told:
			h.early.Store(err == nil)
		case <-time.After(200 * time.Millisecond):
		}
	}
	h.before = m.ID
	return leave, err
}

func TestATermTakesTheTurnsOfTheOneBeforeOverUnderItsOwnName(t *testing.T) {
	t.Parallel()
	on, run := onBase(t)
	h := &hasty{}
	on.Engine = func(t testing.TB, db looptest.Store, p looptest.Parts) looptest.Engine {
		h.Replicas = db.(*postgres.DB)
		return newEngine(t, journal.Config{Store: db, Replicas: h, Limits: p.Limits, Clock: p.Clock, Recover: p.Recover, Changed: p.Heard})
	}
	w := looptest.NewWorld(t, on, loop.Limits{}, ask)
	p := w.Start()
	p.Ask("e", "c", "make it")
	v := p.Until("e", agent.TurnWaiting)
	run(`UPDATE sous.replicas SET gone = true`)
	if _, err := p.Decide(t.Context(), looptest.Ann(), v.Approvals[0].ID, true, ""); err != nil {
		t.Fatal(err)
	}
	p.Until("e", agent.TurnDone)
	if h.early.Load() {
		t.Error("they were taken over under the name that is gone")
	}
}

func TestATurnOfACarrierThatIsNoReplicaAnyMoreGoesOn(t *testing.T) {
	t.Parallel()
	on, run := onBase(t)
	w := looptest.NewWorld(t, on, loop.Limits{}, ask)
	p := w.Start()
	p.Ask("e", "c", "make it")
	v := p.Until("e", agent.TurnWaiting)
	run(`UPDATE sous.turns SET carrier = 'overlooked' WHERE id = 'e'`)
	if _, err := p.Decide(t.Context(), looptest.Ann(), v.Approvals[0].ID, true, ""); err != nil {
		t.Fatal(err)
	}
	p.Until("e", agent.TurnDone)
}
