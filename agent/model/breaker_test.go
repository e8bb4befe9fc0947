package model_test

import (
	"context"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/agent/model"
)

func TestBreakerSparesADeadModelAndTriesItAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := playing("m", fails(busy(0)), fails(busy(0)), fails(busy(0)), fails(busy(0)), says("back"))
		var changes []string
		b := model.Breaker(m, model.BreakerConfig{Failures: 3, Rest: 20 * time.Second, OnChange: func(from, to string) {
			changes = append(changes, from+" to "+to)
		}})
		ask := func() error { _, err := b.Complete(t.Context(), hello(), nil); return err }
		for range 3 {
			wantKind(t, ask(), agent.Unavailable)
		}
		time.Sleep(5 * time.Second)
		err := ask()
		wantKind(t, err, agent.Unavailable)
		if m.asked.Load() != 3 || b.State() != "open" || b.OpenFor() != 15*time.Second || model.RetryAfter(err) != 15*time.Second {
			t.Fatalf("asked %d times, %s for %s, retry after %s", m.asked.Load(), b.State(), b.OpenFor(), model.RetryAfter(err))
		}
		time.Sleep(15 * time.Second)
		wantKind(t, ask(), agent.Unavailable) // the probe fails: open again
		if m.asked.Load() != 4 || b.State() != "open" {
			t.Fatalf("after a failed probe: asked %d times, %s", m.asked.Load(), b.State())
		}
		time.Sleep(20 * time.Second)
		if err := ask(); err != nil || b.State() != "closed" {
			t.Fatalf("after a good probe: %v, %s", err, b.State())
		}
		want := []string{"closed to open", "open to half-open", "half-open to open", "open to half-open", "half-open to closed"}
		if !slices.Equal(changes, want) {
			t.Errorf("changes %v, want %v", changes, want)
		}
	})
}

func TestBreakerCountsOnlyTheModelsOwnFailures(t *testing.T) {
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	for _, ask := range []func(m model.Model) error{
		func(m model.Model) error { _, err := m.Complete(t.Context(), hello(), nil); return err }, // refused
		func(m model.Model) error { _, err := m.Complete(gone, hello(), nil); return err },        // left
	} {
		b := model.Breaker(playing("m", refusesOrHangs), model.BreakerConfig{Failures: 1})
		for range 3 {
			if ask(b) == nil {
				t.Fatal("want an error")
			}
		}
		if b.State() != "closed" {
			t.Errorf("the breaker is %s, want closed", b.State())
		}
	}
}

// refusesOrHangs hangs for a caller that has left already, and refuses others.
func refusesOrHangs(ctx context.Context, req model.Request, delta func(string)) (model.Response, error) {
	if ctx.Err() != nil {
		return hangs(ctx, req, delta)
	}
	return model.Response{}, agent.Errorf(agent.Invalid, "bad request")
}

func TestBreakerRecoversWhenTheCallerOfItsProbeLeaves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := playing("m", fails(busy(0)), hangs, says("back"))
		b := model.Breaker(m, model.BreakerConfig{Failures: 1, Rest: time.Second})
		_, err := b.Complete(t.Context(), hello(), nil)
		wantKind(t, err, agent.Unavailable)
		time.Sleep(time.Second)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err = b.Complete(ctx, hello(), nil); err == nil {
			t.Fatal("want an error")
		}
		time.Sleep(time.Second)
		if _, err = b.Complete(t.Context(), hello(), nil); err != nil {
			t.Errorf("the probe's permit was lost: %v", err)
		}
	})
}
