package storetest

import (
	"errors"
	"fmt"
	"testing"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/agent/approval"
	"github.com/sous-hq/sous/agent/audit"
	"github.com/sous-hq/sous/agent/loop"
)

// Signals checks loop.Signals.
func Signals(t *testing.T, open Opener) {
	open.keeps(t, []promise{
		{"signals are numbered from 1 and read as often as one likes", signalsCount},
		{"each turn and topic counts for itself", signalsApart},
		{"another workspace neither sends nor receives", signalsWorkspace},
		{"many senders at once leave no gap and lose none", signalsRace},
		{"who asks a turn to stop stands in the record, or it is not asked", signalsStop},
	})
}

func stop(by string) loop.Signal {
	return loop.Signal{Type: loop.SignalStop, By: agent.ActorID(by)}
}

func signalsCount(t *testing.T, s Stores) {
	accept(t, s, "e1", "c", ann())
	sent := []loop.Signal{
		stop("ann"),
		{Type: loop.SignalDecided, Approval: "ABCDEFGH", State: approval.Denied, By: "bob", Text: "not <now>"},
	}
	for _, sig := range sent {
		if err := s.Send(t.Context(), acme, "e1", loop.InboxTopic, sig); err != nil {
			t.Fatal(err)
		}
	}
	for range 2 {
		for i, want := range sent {
			got, ok, err := s.Received(t.Context(), acme, "e1", loop.InboxTopic, i+1)
			if err != nil || !ok || got != want {
				t.Errorf("signal %d is %+v, %v, %v; want %+v", i+1, got, ok, err, want)
			}
		}
	}
	for _, n := range []int{-1, 0, 3} {
		if got, ok, err := s.Received(t.Context(), acme, "e1", loop.InboxTopic, n); ok || err != nil {
			t.Errorf("signal %d is %+v, %v", n, got, err)
		}
	}
}

func signalsApart(t *testing.T, s Stores) {
	accept(t, s, "e1", "c", ann())
	accept(t, s, "e2", "c", ann())
	for _, to := range [][2]string{{"e1", "inbox"}, {"e1", "other"}, {"e2", "inbox"}} {
		if err := s.Send(t.Context(), acme, to[0], to[1], stop(to[0]+to[1])); err != nil {
			t.Fatal(err)
		}
		if got, ok, err := s.Received(t.Context(), acme, to[0], to[1], 1); !ok || err != nil || got != stop(to[0]+to[1]) {
			t.Errorf("first signal of %v is %+v, %v, %v", to, got, ok, err)
		}
		if _, ok, _ := s.Received(t.Context(), acme, to[0], to[1], 2); ok {
			t.Errorf("%v has a second signal", to)
		}
	}
}

func signalsWorkspace(t *testing.T, s Stores) {
	accept(t, s, "e1", "c", ann())
	wantError(t, s.Send(t.Context(), globex, "e1", loop.InboxTopic, stop("eve")), agent.NotFound, "there is no turn e1")
	if err := s.Send(t.Context(), acme, "e1", loop.InboxTopic, stop("ann")); err != nil {
		t.Fatal(err)
	}
	if got, ok, err := s.Received(t.Context(), globex, "e1", loop.InboxTopic, 1); ok || err != nil {
		t.Errorf("another workspace received %+v, %v", got, err)
	}
}

func signalsRace(t *testing.T, s Stores) {
	accept(t, s, "e1", "c", ann())
	errs := race(racers, func(i int) error {
		return s.Send(t.Context(), acme, "e1", loop.InboxTopic, stop(fmt.Sprint(i)))
	})
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	by := map[agent.ActorID]bool{}
	for _, sig := range heard(t, s, "e1") {
		by[sig.By] = true
	}
	if len(by) != racers {
		t.Errorf("heard %d of %d", len(by), racers)
	}
}

func signalsStop(t *testing.T, s Stores) {
	accept(t, s, "e1", "c", ann())
	if err := s.Send(t.Context(), acme, "e1", loop.InboxTopic, stop("bob")); err != nil {
		t.Fatal(err)
	}
	wantKinds(t, s, audit.TurnAccepted, audit.TurnStopped)
	if row := record(t, s, acme)[1]; row.Actor != "bob" || row.Turn != "e1" {
		t.Errorf("recorded %+v", row)
	}
	withoutAudit(t, s, func() {
		if err := s.Send(t.Context(), acme, "e1", loop.InboxTopic, stop("bob")); err == nil {
			t.Error("stopped without an audit")
		}
	})
	if got, ok, err := s.Received(t.Context(), acme, "e1", loop.InboxTopic, 2); ok || err != nil {
		t.Errorf("a stop that is not recorded is sent: %+v, %v", got, err)
	}
}
