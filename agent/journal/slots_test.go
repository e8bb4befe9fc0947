package journal

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
)

// Whoever gives memory back when nothing is under way asks this; a turn that rests
// gives its slot back, one that waits for a slot has none yet.
func TestIdleSinceTheLastSlotWasGivenBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSlots(2, time.Now)
		if since, ok := s.idle(); !ok || !since.IsZero() {
			t.Fatalf("before the first turn: idle since %v, %v; want ever", since, ok)
		}
		for _, d := range []time.Duration{time.Second, 3 * time.Second} {
			s.enter(t.Context(), "w", false, func(error) { time.Sleep(d) })
		}
		time.Sleep(2 * time.Second)
		if _, ok := s.idle(); ok {
			t.Error("idle while a turn is worked on")
		}
		time.Sleep(5 * time.Second)
		if since, ok := s.idle(); !ok || time.Since(since) != 4*time.Second {
			t.Errorf("idle since %v before, %v; want 4s", time.Since(since), ok)
		}
		s.enter(t.Context(), "w", true, func(error) {
			again := s.pause()
			time.Sleep(time.Minute)
			if err := again(context.WithoutCancel(t.Context())); err != nil {
				t.Error(err)
			}
		})
		time.Sleep(time.Second)
		if _, ok := s.idle(); !ok {
			t.Error("not idle while the one turn rests")
		}
		synctest.Wait()
		time.Sleep(2 * time.Minute)
	})
}
