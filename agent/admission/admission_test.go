package admission_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/agent/admission"
	"github.com/sous-hq/sous/agent/model"
)

// rush has so many come at once to a store that takes one after the other, and
// returns how many were taken.
func rush(t *testing.T, g *admission.Gate, n int, each time.Duration) (taken, shed int) {
	t.Helper()
	var ok, no atomic.Int32
	store := make(chan struct{}, 1)
	var all sync.WaitGroup
	for range n {
		all.Go(func() {
			leave, err := g.Enter(t.Context(), "w")
			if err != nil {
				if !admission.IsBusy(err) || agent.KindOf(err) != agent.Unavailable || model.RetryAfter(err) < time.Second || !strings.Contains(err.Error(), "not taken") {
					t.Errorf("refused with %v, after %s", err, model.RetryAfter(err))
				}
				no.Add(1)
				return
			}
			store <- struct{}{}
			time.Sleep(each)
			<-store
			leave(nil)
			ok.Add(1)
		})
	}
	all.Wait()
	return int(ok.Load()), int(no.Load())
}

func TestWhatComesAtOnceIsQueuedNotShed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		if taken, shed := rush(t, admission.New(admission.Config{}), 5000, 5*time.Millisecond); taken != 5000 || shed != 0 {
			t.Errorf("%d taken and %d shed of 5000 at once", taken, shed)
		}
	})
}

func TestAStoreThatDoesNotKeepUpShedsEarlyAndGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var shed atomic.Int32
		g := admission.New(admission.Config{Patience: 2 * time.Second, Shed: func(string) { shed.Add(1) }})
		began := time.Now()
		taken, no := rush(t, g, 500, 100*time.Millisecond)
		if no == 0 || taken == 0 || int(shed.Load()) != no {
			t.Errorf("%d taken and %d shed, %d counted", taken, no, shed.Load())
		}
		if took := time.Since(began); took > 30*time.Second {
			t.Errorf("the last was told after %s", took)
		}
		if s := g.State(); s.Line != 0 || s.Inside != 0 {
			t.Errorf("somebody is left inside: %+v", s)
		}
		if taken, _ := rush(t, g, 4, time.Millisecond); taken != 4 {
			t.Errorf("%d of 4 taken once the rush is over", taken)
		}
	})
}

func TestMoreThanCanBeWorkedOffIsShed(t *testing.T) {
	var b admission.Backlog
	g := admission.New(admission.Config{Backlog: func(agent.WorkspaceID) admission.Backlog { return b }})
	for _, c := range []struct {
		b     admission.Backlog
		says  string
		after time.Duration
	}{
		{admission.Backlog{Own: 5000, All: 5000, Wait: 9 * time.Minute}, "", 0},
		{admission.Backlog{Own: 900, All: 5000, Wait: 11 * time.Minute}, "900 requests wait before this one, about 11m0s of work", time.Minute},
		{admission.Backlog{Own: 20_000}, "20000 requests wait", time.Minute},
		{admission.Backlog{Own: 1, All: 80_000}, "80000 requests wait", time.Minute},
		{admission.Backlog{Own: 9, Wait: 10 * time.Hour}, "9 requests wait", 5 * time.Minute},
	} {
		b = c.b
		leave, err := g.Enter(t.Context(), "w")
		if c.says == "" {
			if err != nil {
				t.Errorf("%+v: %v", b, err)
				continue
			}
			leave(nil)
			continue
		}
		if err == nil || !strings.Contains(agent.PublicText(err), c.says) || model.RetryAfter(err) != c.after {
			t.Errorf("%+v: %v after %s; want %q", b, err, model.RetryAfter(err), c.says)
		}
	}
}

func TestWhoLeavesTheLineIsNotCountedAsInside(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := admission.New(admission.Config{Least: 1, Start: 1, Most: 1})
		leave, err := g.Enter(t.Context(), "w")
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { _, err := g.Enter(ctx, "w"); done <- err }()
		synctest.Wait()
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) || admission.IsBusy(err) {
			t.Errorf("who left was told %v", err)
		}
		leave(agent.Errorf(agent.Unavailable, "the store is away"))
		if leave, err = g.Enter(t.Context(), "w"); err != nil {
			t.Fatal(err)
		}
		leave(nil)
		if s := g.State(); s.Inside != 0 || s.Line != 0 {
			t.Errorf("%+v", s)
		}
	})
}

func TestTheWaitGrowsWithTheLineAndShrinksWithThePlaces(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n, places := rapid.IntRange(0, 100_000).Draw(t, "n"), rapid.IntRange(1, 1000).Draw(t, "places")
		share := rapid.Float64Range(0.001, 1).Draw(t, "share")
		each := time.Duration(rapid.Int64Range(0, int64(time.Minute)).Draw(t, "each"))
		w := admission.Waits(n, places, share, each)
		if w < 0 || admission.Waits(n+1, places, share, each) < w || admission.Waits(n, places+1, share, each) > w || admission.Waits(n, places, share/2, each) < w {
			t.Fatalf("Waits(%d, %d, %f, %s) = %s", n, places, share, each, w)
		}
	})
}

func TestNoGateTakesAll(t *testing.T) {
	var g *admission.Gate
	leave, err := g.Enter(t.Context(), "w")
	if err != nil || g.State() != (admission.State{}) {
		t.Fatal(err)
	}
	leave(nil)
}
