package pause_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/agent/pause"
)

func noon() time.Time { return time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC) }

func olga() agent.Actor {
	return agent.Actor{Workspace: "acme", ID: "olga", Name: "Olga", Kind: agent.Member, Owner: true}
}

func TestWhoMayPause(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(*agent.Actor)
		wide   bool // may pause everything
		may    bool // may pause the rest
	}{
		{"an owner", func(*agent.Actor) {}, true, true},
		{"an administrator", func(a *agent.Actor) { a.Owner, a.Groups = false, []string{"x", "administrators"} }, false, true},
		{"a member of the owners' group", func(a *agent.Actor) { a.Owner, a.Groups = false, []string{"owners"} }, false, true},
		{"a member", func(a *agent.Actor) { a.Owner = false }, false, false},
		{"a guest", func(a *agent.Actor) { a.Kind = agent.Guest }, false, false},
		{"a stranger", func(a *agent.Actor) { a.Kind = agent.Stranger }, false, false},
		{"a program", func(a *agent.Actor) { a.Kind = agent.Program }, false, false},
		{"Sous itself", func(a *agent.Actor) { a.Kind = agent.System }, false, false},
		{"nobody", func(a *agent.Actor) { a.ID = "" }, false, false},
		{"somebody of nowhere", func(a *agent.Actor) { a.Workspace = "" }, false, false},
	} {
		by := olga()
		c.change(&by)
		for s, target := range map[pause.Scope]string{pause.Everything: "", pause.Workspace: "", pause.Tool: "t", pause.Turn: "e"} {
			want := c.may
			if s == pause.Everything {
				want = c.wide
			}
			_, err := pause.New(by, s, target, "because", noon())
			if (err == nil) != want || err != nil && agent.KindOf(err) != agent.Forbidden {
				t.Errorf("%s pauses %s: %v; want allowed: %v", c.name, s, err, want)
			}
			if _, err := pause.Named(by, s, target); (err == nil) != want {
				t.Errorf("%s resumes %s: %v; want allowed: %v", c.name, s, err, want)
			}
		}
	}
}

func TestAPauseNeedsAReasonAndAFittingTarget(t *testing.T) {
	for _, c := range []struct {
		scope          pause.Scope
		target, reason string
	}{
		{pause.Workspace, "", ""},
		{pause.Workspace, "", " \n\t"},
		{pause.Workspace, "", strings.Repeat("x", 501)},
		{pause.Workspace, "", "\xff"},
		{pause.Workspace, "w", "because"},
		{pause.Everything, "w", "because"},
		{pause.Tool, "", "because"},
		{pause.Turn, "", "because"},
		{pause.Turn, strings.Repeat("x", 301), "because"},
		{pause.Turn, "\xff", "because"},
		{"", "", "because"},
		{"planet", "earth", "because"},
	} {
		if p, err := pause.New(olga(), c.scope, c.target, c.reason, noon()); agent.KindOf(err) != agent.Invalid || err == nil {
			t.Errorf("%+v: %+v, %v; want it invalid", c, p, err)
		}
	}
	p, err := pause.New(olga(), pause.Tool, "mail_send", " it sends\n twice ", noon())
	if err != nil || p.String() != "The tool mail_send is paused by Olga since 2026-03-02 12:00 UTC: it sends twice" {
		t.Errorf("%q, %v", p, err)
	}
}

func TestWhatAPauseStops(t *testing.T) {
	call := pause.Subject{Workspace: "acme", Turn: "e1", Tool: "mail_send"}
	turn := pause.Subject{Workspace: "acme", Turn: "e1"}
	for _, c := range []struct {
		p          pause.Pause
		call, turn bool
	}{
		{pause.Pause{Workspace: "acme", Scope: pause.Workspace}, true, true},
		{pause.Pause{Workspace: "globex", Scope: pause.Workspace}, false, false},
		{pause.Pause{Workspace: "acme", Scope: pause.Tool, Target: "mail_send"}, true, false},
		{pause.Pause{Workspace: "acme", Scope: pause.Tool, Target: "mail"}, false, false},
		{pause.Pause{Workspace: "globex", Scope: pause.Tool, Target: "mail_send"}, false, false},
		{pause.Pause{Workspace: "acme", Scope: pause.Turn, Target: "e1"}, true, true},
		{pause.Pause{Workspace: "globex", Scope: pause.Turn, Target: "e1"}, false, false},
		{pause.Pause{Workspace: "globex", Scope: pause.Everything}, true, true},
		{pause.Pause{Workspace: "globex", Scope: "of a newer version"}, true, true},
	} {
		if c.p.Covers(call) != c.call || c.p.Covers(turn) != c.turn {
			t.Errorf("%s: a call %v, its turn %v; want %v, %v", c.p, c.p.Covers(call), c.p.Covers(turn), c.call, c.turn)
		}
	}
	all := []pause.Pause{
		{Workspace: "acme", Scope: pause.Turn, Target: "e1"}, {Workspace: "globex", Scope: pause.Workspace}, {Workspace: "acme", Scope: pause.Workspace},
	}
	if p, ok := pause.Over(all, call); !ok || p.Scope != pause.Workspace || p.Workspace != "acme" {
		t.Errorf("over the call is %+v, %v; want the widest that stops it", p, ok)
	}
	if p, ok := pause.Over(all[1:2], call); ok {
		t.Errorf("another workspace's pause %+v stops it", p)
	}
}

// board is a store that counts its reads.
type board struct {
	all   []pause.Pause
	err   error
	reads int
}

func (b *board) load(context.Context) ([]pause.Pause, error) {
	b.reads++
	return b.all, b.err
}

func TestAWatchIsNeverOlderThanItSays(t *testing.T) {
	b := &board{}
	now := noon()
	w, err := pause.NewWatch(b.load, func() time.Time { return now })
	if err != nil {
		t.Fatal(err)
	}
	want := func(what string, paused bool, reads int) {
		t.Helper()
		_, got, err := w.Over(t.Context(), pause.Subject{Workspace: "acme"})
		if err != nil || got != paused || b.reads != reads {
			t.Errorf("%s: paused %v, %v, after %d reads; want %v after %d", what, got, err, b.reads, paused, reads)
		}
	}
	want("at first", false, 1)
	b.all = []pause.Pause{{Workspace: "acme", Scope: pause.Workspace}}
	now = now.Add(pause.Fresh - 1)
	want("while it is fresh", false, 1)
	now = now.Add(1)
	want("when it is not", true, 2)
	b.all = nil
	w.Forget()
	want("after a change here", false, 3)
	b.all = []pause.Pause{{Workspace: "acme", Scope: pause.Workspace}}
	now = now.Add(-time.Hour)
	want("when the clock was put back", true, 4)
	b.err = errors.New("the disk is gone")
	now = now.Add(pause.Fresh)
	for range 2 {
		if p, paused, err := w.Over(t.Context(), pause.Subject{Workspace: "acme"}); err == nil {
			t.Errorf("the store is away, and the answer was %+v, %v", p, paused)
		}
	}
	if _, err := pause.NewWatch(nil, time.Now); err == nil {
		t.Error("a watch over nothing was made")
	}
}
