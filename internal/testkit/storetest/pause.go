package storetest

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/agent/approval"
	"github.com/sous-hq/sous/agent/audit"
	"github.com/sous-hq/sous/agent/loop"
	"github.com/sous-hq/sous/agent/pause"
	"github.com/sous-hq/sous/tools"
)

// Control is what a store offers to people who step in.
type Control interface {
	Pause(ctx context.Context, by agent.Actor, s pause.Scope, target, reason string) (pause.Pause, error)
	Resume(ctx context.Context, by agent.Actor, s pause.Scope, target string) (pause.Pause, error)
	Pauses(ctx context.Context) ([]pause.Pause, error)
	FindEffects(ctx context.Context, ws agent.WorkspaceID, f loop.EffectFilter) ([]loop.Effect, error)
	Resolve(ctx context.Context, by agent.Actor, key string, happened bool, note string) (loop.Effect, error)
}

// Pauses checks the kill switch.
func Pauses(t *testing.T, open Opener) {
	open.keeps(t, []promise{
		{"a pause is in force when it returns, and gone when it is lifted", pauses},
		{"each scope stops what it names and nothing else", pauseScopes},
		{"only owners and administrators pause and resume", pauseForbidden},
		{"pausing twice keeps the first pause", pauseTwice},
		{"a paused call spends no approval and is recorded as refused", pauseSpendsNothing},
		{"an intent that is known stays as it is while paused", pauseKnownIntent},
		{"while calls run at once no intent comes after a pause", pauseRace},
		{"another process's pause is seen in time", pauseElsewhere},
		{"what is paused cannot be read: nothing is intended", pauseUnreadable},
		{"without an audit nothing is paused or resumed", pauseNeedsAudit},
	})
}

func owner(ws agent.WorkspaceID) agent.Actor {
	a := person(ws, "olga")
	a.Owner = true
	return a
}

func halt(t *testing.T, s Stores, by agent.Actor, scope pause.Scope, target string) pause.Pause {
	t.Helper()
	p, err := s.Control.Pause(t.Context(), by, scope, target, "It went wrong.")
	if err != nil {
		t.Fatalf("pause: %v", err)
	}
	return p
}

func resume(t *testing.T, s Stores, by agent.Actor, scope pause.Scope, target string) {
	t.Helper()
	if _, err := s.Control.Resume(t.Context(), by, scope, target); err != nil {
		t.Fatalf("resume: %v", err)
	}
}

// wantPaused checks both ways to ask: the quick one and the intent's own.
func wantPaused(t *testing.T, s Stores, p tools.Proposal, paused bool) {
	t.Helper()
	why, err := s.Ledger.Paused(t.Context(), p.Call)
	if err != nil || (why != "") != paused {
		t.Errorf("%s of %s: %q, %v; want paused %v", p.Call.Tool, p.Call.ID, why, err, paused)
	}
	rec, err := s.Ledger.Intend(t.Context(), allowed(p))
	if err != nil || (rec.Paused != "") != paused || rec.Fresh == paused || rec.Paused != why {
		t.Errorf("intending %s of %s: %+v, %v; want paused %v", p.Call.Tool, p.Call.ID, rec, err, paused)
	}
}

func pauses(t *testing.T, s Stores) {
	// The answer from before the pause must not outlive it.
	wantPaused(t, s, proposal(t, ann(), "e1", 1), false)
	set := s.Clock.Now()
	p := halt(t, s, owner(acme), pause.Workspace, "")
	wantPaused(t, s, proposal(t, ann(), "e1", 2), true)
	why, _ := s.Ledger.Paused(t.Context(), proposal(t, ann(), "e1", 2).Call)
	if !strings.Contains(why, "Olga") || !strings.Contains(why, "It went wrong.") {
		t.Errorf("people read %q; want who paused it and why", why)
	}
	all, err := s.Control.Pauses(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	wantJSON(t, "pauses", all, []pause.Pause{p})
	s.Clock.Advance(time.Hour)
	resume(t, s, owner(acme), pause.Workspace, "")
	wantPaused(t, s, proposal(t, ann(), "e1", 3), false)
	_, err = s.Control.Resume(t.Context(), owner(acme), pause.Workspace, "")
	wantError(t, err, agent.NotFound, "this workspace is not paused")
	rows := record(t, s, acme)
	wantKinds(t, s, audit.CallIntent, audit.PauseSet, audit.CallRefused, audit.PauseLifted, audit.CallIntent)
	wantJSON(t, "audit", rows[1], audit.Entry{
		Seq: 2, At: set, Workspace: acme, Kind: audit.PauseSet, Actor: "olga", Status: "workspace", Note: "It went wrong.",
	})
	if rows[2].Rule != tools.RulePaused || rows[3].Actor != "olga" || !rows[3].At.Equal(s.Clock.Now()) {
		t.Errorf("audit rows %+v", rows[2:4])
	}
}

func pauseScopes(t *testing.T, s Stores) {
	n := 0
	check := func(by agent.Actor, turn string, paused bool) {
		t.Helper()
		n++
		wantPaused(t, s, proposal(t, by, turn, n), paused)
	}
	theirs := person(globex, "ann")
	halt(t, s, owner(acme), pause.Turn, "e1")
	check(ann(), "e1", true)
	check(ann(), "e2", false)
	check(theirs, "e1", false)
	resume(t, s, owner(acme), pause.Turn, "e1")
	halt(t, s, owner(acme), pause.Tool, "ticket_create")
	check(ann(), "e2", true)
	check(theirs, "e2", false)
	halt(t, s, owner(acme), pause.Tool, "ticket_close")
	resume(t, s, owner(acme), pause.Tool, "ticket_create")
	check(ann(), "e2", false)
	halt(t, s, owner(acme), pause.Everything, "")
	check(ann(), "e2", true)
	check(theirs, "e2", true)
	_, err := s.Control.Resume(t.Context(), owner(globex), pause.Everything, "")
	wantError(t, err, agent.NotFound)
	check(theirs, "e2", true)
	resume(t, s, owner(acme), pause.Everything, "")
	check(theirs, "e2", false)
}

func pauseForbidden(t *testing.T, s Stores) {
	admin := bob()
	admin.Groups = []string{"administrators"}
	program := owner(acme)
	program.Kind = agent.Program
	system := owner(acme)
	system.Kind = agent.System
	for _, by := range []agent.Actor{bob(), program, system, {}} {
		_, err := s.Control.Pause(t.Context(), by, pause.Workspace, "", "because")
		wantError(t, err, agent.Forbidden)
	}
	_, err := s.Control.Pause(t.Context(), admin, pause.Everything, "", "because")
	wantError(t, err, agent.Forbidden, "only an owner")
	_, err = s.Control.Pause(t.Context(), admin, pause.Tool, "ticket_create", " ")
	wantError(t, err, agent.Invalid, "say why")
	wantKinds(t, s)
	halt(t, s, admin, pause.Workspace, "")
	for _, by := range []agent.Actor{bob(), program, system, {}} {
		_, err := s.Control.Resume(t.Context(), by, pause.Workspace, "")
		wantError(t, err, agent.Forbidden)
	}
	wantPaused(t, s, proposal(t, ann(), "e1", 1), true)
}

func pauseTwice(t *testing.T, s Stores) {
	first := halt(t, s, owner(acme), pause.Tool, "ticket_create")
	s.Clock.Advance(time.Minute)
	again, err := s.Control.Pause(t.Context(), owner(acme), pause.Tool, "ticket_create", "Another reason.")
	if err != nil {
		t.Fatal(err)
	}
	wantJSON(t, "pause", again, first)
	wantKinds(t, s, audit.PauseSet)
}

func pauseSpendsNothing(t *testing.T, s Stores) {
	p := proposal(t, ann(), "e1", 1)
	id := approved(t, s, p)
	halt(t, s, owner(acme), pause.Turn, "e1")
	rec, err := s.Ledger.Intend(t.Context(), withApproval(p, id))
	if err != nil || rec.Paused == "" || rec.State != "" {
		t.Errorf("intended %+v, %v; want it paused", rec, err)
	}
	if a := read(t, s, id); a.State != approval.Approved {
		t.Errorf("approval is %s; want it unspent", a.State)
	}
	noEffects(t, s, "e1")
	wantKinds(t, s, audit.CallAsked, audit.ApprovalDecided, audit.PauseSet, audit.CallRefused)
	resume(t, s, owner(acme), pause.Turn, "e1")
	intend(t, s, withApproval(p, id))
}

func pauseKnownIntent(t *testing.T, s Stores) {
	p := proposal(t, ann(), "e1", 1)
	fence := intend(t, s, allowed(p))
	halt(t, s, owner(acme), pause.Everything, "")
	rec, err := s.Ledger.Intend(t.Context(), allowed(p))
	if err != nil || rec.Paused == "" || rec.State != tools.EffectIntent || rec.Attempts != 1 {
		t.Errorf("intended again %+v, %v; want the known intent, paused", rec, err)
	}
	// What was under way may say how it ended.
	err = s.Ledger.Settle(t.Context(), tools.Settlement{Key: keyOf(p), Fence: fence, State: tools.EffectDone, Outcome: outcome(p, agent.Done, `{}`)})
	if err != nil {
		t.Error(err)
	}
	rec, err = s.Ledger.Intend(t.Context(), allowed(p))
	if err != nil || rec.Paused != "" || rec.State != tools.EffectDone {
		t.Errorf("a settled effect: %+v, %v", rec, err)
	}
	wantKinds(t, s, audit.CallIntent, audit.PauseSet, audit.CallOutcome)
}

// pauseRace pauses while workers intend as fast as they can: in the record no
// intent stands after the pause, and none is told it may run once Pause returned.
func pauseRace(t *testing.T, s Stores) {
	for round := range 20 {
		turn := fmt.Sprintf("r%d", round)
		var paused atomic.Bool
		var late, began atomic.Int64
		running := make(chan struct{})
		over := make(chan struct{})
		var wg sync.WaitGroup
		var once sync.Once
		for w := range 4 {
			wg.Go(func() {
				for n := range 1000 {
					select {
					case <-over:
						return
					default:
					}
					p := proposal(t, ann(), turn, w*1000+n)
					after := paused.Load()
					rec, err := s.Ledger.Intend(context.Background(), allowed(p))
					if err != nil {
						t.Error(err)
						return
					}
					if rec.Fresh {
						began.Add(1)
						once.Do(func() { close(running) })
						if after {
							late.Add(1)
						}
					}
				}
			})
		}
		<-running
		halt(t, s, owner(acme), pause.Workspace, "")
		paused.Store(true)
		time.Sleep(2 * time.Millisecond)
		close(over)
		wg.Wait()
		if late.Load() > 0 {
			t.Fatalf("%d of %d intents began after the pause", late.Load(), began.Load())
		}
		resume(t, s, owner(acme), pause.Workspace, "")
	}
	stopped := false
	for _, e := range record(t, s, acme) {
		switch {
		case e.Kind == audit.PauseSet:
			stopped = true
		case e.Kind == audit.PauseLifted:
			stopped = false
		case e.Kind == audit.CallIntent && stopped:
			t.Fatalf("an intent stands after the pause: row %d", e.Seq)
		}
	}
}

// pauseElsewhere writes past the adapter, as another replica would.
func pauseElsewhere(t *testing.T, s Stores) {
	p := proposal(t, ann(), "e1", 1)
	if why, err := s.Ledger.Paused(t.Context(), p.Call); why != "" || err != nil {
		t.Fatalf("%q, %v", why, err)
	}
	err := s.Exec(`INSERT INTO pauses (workspace, scope, target, by, name, reason, at) VALUES ('acme', 'workspace', '', 'olga', '', 'x', 0)`)
	if err != nil {
		t.Fatal(err)
	}
	rec, err := s.Ledger.Intend(t.Context(), allowed(p))
	if err != nil || rec.Paused == "" {
		t.Errorf("intended %+v, %v; want the pause seen at once", rec, err)
	}
	s.Clock.Advance(pause.Fresh)
	if why, err := s.Ledger.Paused(t.Context(), p.Call); why == "" || err != nil {
		t.Errorf("%q, %v after %s; want the pause seen", why, err, pause.Fresh)
	}
}

func pauseUnreadable(t *testing.T, s Stores) {
	if err := s.Exec(`ALTER TABLE pauses RENAME TO pauses_away`); err != nil {
		t.Fatal(err)
	}
	p := proposal(t, ann(), "e1", 1)
	if why, err := s.Ledger.Paused(t.Context(), p.Call); err == nil {
		t.Errorf("nobody could read what is paused, and the answer was %q", why)
	}
	if rec, err := s.Ledger.Intend(t.Context(), allowed(p)); err == nil {
		t.Errorf("intended %+v", rec)
	}
	noEffects(t, s, "e1")
	if err := s.Exec(`ALTER TABLE pauses_away RENAME TO pauses`); err != nil {
		t.Fatal(err)
	}
	intend(t, s, allowed(p))
}

func pauseNeedsAudit(t *testing.T, s Stores) {
	withoutAudit(t, s, func() {
		if _, err := s.Control.Pause(t.Context(), owner(acme), pause.Workspace, "", "because"); err == nil {
			t.Error("paused without an audit")
		}
	})
	halt(t, s, owner(acme), pause.Workspace, "")
	withoutAudit(t, s, func() {
		if _, err := s.Control.Resume(t.Context(), owner(acme), pause.Workspace, ""); err == nil {
			t.Error("resumed without an audit")
		}
	})
	all, err := s.Control.Pauses(t.Context())
	if err != nil || len(all) != 1 {
		t.Errorf("%d pauses, %v; want the one that was recorded", len(all), err)
	}
}
