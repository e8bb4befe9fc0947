package loop_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/agent/audit"
	"github.com/sous-hq/sous/agent/loop"
	"github.com/sous-hq/sous/agent/model"
	"github.com/sous-hq/sous/agent/pause"
	"github.com/sous-hq/sous/internal/testkit/looptest"
)

// maker makes a thing the person named, then reports.
func maker(req model.Request) (model.Response, error) {
	if len(looptest.Results(req)) > 0 {
		return looptest.Say("results: " + strings.Join(looptest.Results(req), " "))
	}
	return looptest.Call(`thing_make {"name":"lamp"}`)
}

func setPause(t *testing.T, p *looptest.Process, s pause.Scope, target string) {
	t.Helper()
	if _, err := p.DB.Pause(t.Context(), looptest.Ann(), s, target, "the lamps are wrong"); err != nil {
		t.Fatal(err)
	}
}

func lift(t *testing.T, p *looptest.Process, s pause.Scope, target string) {
	t.Helper()
	if _, err := p.DB.Resume(t.Context(), looptest.Ann(), s, target); err != nil {
		t.Fatal(err)
	}
}

// told waits until the turn shows why it is held.
func told(t *testing.T, p *looptest.Process, turn string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	next, err := p.Watch(ctx, looptest.Ann(), turn, 0)
	if err != nil {
		t.Fatal(err)
	}
	for {
		ev, ok := next()
		if !ok {
			t.Fatal("the turn never said why it is held")
		}
		if ev.Step != nil && ev.Step.Kind == "pause" && strings.Contains(ev.Step.Title, "Ann") && strings.Contains(ev.Step.Title, "the lamps are wrong") {
			return
		}
	}
}

func TestAPausedTurnAsksNoModelAndGoesOnWhenResumed(t *testing.T) {
	t.Parallel()
	for _, s := range []pause.Scope{pause.Everything, pause.Workspace, pause.Turn} {
		t.Run(string(s), func(t *testing.T) {
			t.Parallel()
			target := ""
			if s == pause.Turn {
				target = "e1"
			}
			w := looptest.NewWorld(t, onSQLite, loop.Limits{}, maker)
			p := w.Start()
			setPause(t, p, s, target)
			p.Ask("e1", "c", "make a lamp")
			told(t, p, "e1")
			if n := len(p.Model.Requests()); n > 0 {
				t.Fatalf("the model was asked %d times by a paused turn", n)
			}
			// The next process holds it too.
			p.Stop()
			p = w.Start()
			told(t, p, "e1")
			lift(t, p, s, target)
			p.Until("e1", agent.TurnDone)
			if made, _ := w.Things(); made != 1 {
				t.Errorf("%d things made; want 1", made)
			}
		})
	}
}

func TestAPausedTurnCanBeStopped(t *testing.T) {
	t.Parallel()
	w := looptest.NewWorld(t, onSQLite, loop.Limits{}, maker)
	p := w.Start()
	setPause(t, p, pause.Workspace, "")
	p.Ask("e1", "c", "make a lamp")
	told(t, p, "e1")
	if err := p.Assistant.Stop(t.Context(), looptest.Ann(), "e1"); err != nil {
		t.Fatal(err)
	}
	p.Until("e1", agent.TurnStopped)
	if made, _ := w.Things(); made != 0 || len(p.Model.Requests()) != 0 {
		t.Errorf("%d things made, %d requests", made, len(p.Model.Requests()))
	}
}

func TestATurnDoesNotStopForAnotherTurnsPause(t *testing.T) {
	t.Parallel()
	w := looptest.NewWorld(t, onSQLite, loop.Limits{}, maker)
	p := w.Start()
	setPause(t, p, pause.Turn, "other")
	p.Ask("e1", "c", "make a lamp")
	p.Until("e1", agent.TurnDone)
	if made, _ := w.Things(); made != 1 {
		t.Errorf("%d things made; want 1", made)
	}
}

func TestAPausedToolIsRefusedAndTheModelIsToldWhy(t *testing.T) {
	t.Parallel()
	w := looptest.NewWorld(t, onSQLite, loop.Limits{}, maker)
	p := w.Start()
	setPause(t, p, pause.Tool, "thing_make")
	p.Ask("e1", "c", "make a lamp")
	v := p.Until("e1", agent.TurnDone)
	if made, runs := w.Things(); made != 0 || runs != 0 {
		t.Errorf("a paused tool ran %d times", runs)
	}
	if !strings.Contains(v.Answer, "denied") || !strings.Contains(v.Answer, "the lamps are wrong") {
		t.Errorf("the model was told %q; want who paused it and why", v.Answer)
	}
	rows, err := p.DB.Audit(t.Context(), "w", audit.Filter{Turn: "e1"})
	if err != nil || !slices.ContainsFunc(rows, func(e audit.Entry) bool { return e.Kind == audit.CallRefused && e.Rule == "paused" }) {
		t.Errorf("the refusal is not on the record: %v", err)
	}
}

func TestAnApprovedCallWaitsForThePauseToEnd(t *testing.T) {
	t.Parallel()
	w := looptest.NewWorld(t, onSQLite, loop.Limits{}, func(req model.Request) (model.Response, error) {
		if len(looptest.Results(req)) > 0 {
			return looptest.Say("made")
		}
		return looptest.Call(`thing_make {"name":"unsaid"}`)
	})
	p := w.Start()
	p.Ask("e1", "c", "make something")
	v := p.Until("e1", agent.TurnWaiting)
	setPause(t, p, pause.Turn, "e1")
	if _, err := p.Decide(t.Context(), looptest.Ann(), v.Approvals[0].ID, true, ""); err != nil {
		t.Fatal(err)
	}
	told(t, p, "e1")
	if _, runs := w.Things(); runs != 0 {
		t.Fatal("it ran while paused")
	}
	lift(t, p, pause.Turn, "e1")
	p.Until("e1", agent.TurnDone)
	if made, runs := w.Things(); made != 1 || runs != 1 {
		t.Errorf("%d made in %d runs; want the approved call to have run once", made, runs)
	}
}

func TestAnEffectCanBeUndoneForASetTime(t *testing.T) {
	t.Parallel()
	w := looptest.NewWorld(t, onSQLite, loop.Limits{}, maker)
	var late time.Duration
	w.Clock = func() time.Time { return time.Now().Add(late) }
	p := w.Start()
	p.Ask("e1", "c", "make a lamp")
	v := p.Until("e1", agent.TurnDone)
	e := v.Effects[0]
	if e.UndoTool == "" || !e.CanUndo(e.UndoUntil.Add(-1)) || e.CanUndo(e.UndoUntil) {
		t.Fatalf("effect %+v; want it undoable until %s", e, e.UndoUntil)
	}
	p.Stop()
	late = time.Hour
	p = w.Start()
	if _, err := p.Undo(t.Context(), looptest.Ann(), e.Key); agent.KindOf(err) != agent.Expired {
		t.Errorf("undoing after the time: %v; want expired", err)
	}
	if made, _ := w.Things(); made != 1 {
		t.Errorf("%d things; want the undo not to have run", made)
	}
}
