package loop

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sous-hq/sous/agent"
)

// told are the events that a watcher has now, and whether there may be more.
func told(w *Watcher) (numbers []int, more bool) {
	for {
		ev, ok, changed := w.Poll()
		if !ok {
			return numbers, changed != nil
		}
		numbers = append(numbers, ev.N)
	}
}

func happen(h *Hub, turn string, all ...EventType) {
	for _, e := range all {
		h.Publish(Event{Turn: turn, Type: e})
	}
}

func TestWhoWatchesATurnHearsOfItsEndHoweverLate(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := NewHub()
		ctx, cancel := context.WithCancel(t.Context())
		w := h.Watcher(ctx, "t", 0)
		happen(h, "t", EventStatus, EventApproval)
		if got, more := told(w); len(got) != 2 || !more {
			t.Errorf("told %v, more: %t", got, more)
		}
		happen(h, "t", EventDecided, EventEnd)
		time.Sleep(10 * keepEnded)
		if got, more := told(w); len(got) != 2 || more {
			t.Errorf("ten minutes later told %v, more: %t; want the end", got, more)
		}
		called := make(chan bool, 1)
		h.await(agent.Turn{ID: "t", Workspace: "w"}, 2, func() { called <- true })
		<-called
		cancel()
		synctest.Wait()
		if len(h.turns) != 0 {
			t.Errorf("of %d turns that nobody looks at something is kept", len(h.turns))
		}
	})
}

func TestNothingIsKeptOfWhatNobodyWatches(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := NewHub()
		a := &Assistant{Effects: &Effects{Config: Config{Hub: h}}}
		turn := func(id string) agent.Turn { return agent.Turn{ID: id, Workspace: "w"} }
		over, cancel := context.WithCancel(t.Context())
		cancel()
		// Decided here, carried elsewhere; looked at by somebody who has gone; rested, and
		// left to another process.
		happen(h, "decided", EventDecided, EventReminder)
		w := a.Attend(over, turn("gone"), 0)
		synctest.Wait()
		if got, more := told(w); len(got) != 0 || !more {
			t.Errorf("told %v, more: %t", got, more)
		}
		ctx, leave := context.WithCancel(t.Context())
		a.Attend(ctx, turn("rested"), 0)
		happen(h, "rested", EventStatus, EventApproval)
		stop := a.Await(turn("rested"), 2, func() { t.Error("called though nothing happened") })
		leave()
		synctest.Wait()
		if len(h.turns) != 1 || len(h.watched("rested")) != 1 {
			t.Errorf("%d turns are kept, watched: %v; want the one that rests", len(h.turns), h.watched(""))
		}
		stop()
		if len(h.turns) != 0 {
			t.Errorf("%d turns are kept that nobody looks at", len(h.turns))
		}
	})
}

func TestARestEndsByWhatComesAfterItAndByNothingElse(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h, turn := NewHub(), agent.Turn{ID: "t", Workspace: "w"}
		viewer := h.Watcher(t.Context(), "t", 0)
		happen(h, "t", EventStatus, EventCall, EventApproval)
		calls := 0
		stop := h.await(turn, 3, func() { calls++ })
		// Who looks on misses nothing, and who comes back hears that there was something.
		if got, _ := told(viewer); len(got) == 0 || got[len(got)-1] != 3 {
			t.Errorf("the viewer was told %v", got)
		}
		if got, _ := told(h.Watcher(t.Context(), "t", 1)); len(got) == 0 || got[len(got)-1] != 3 {
			t.Errorf("a viewer that is back was told %v", got)
		}
		// Another begins where the first has let go of it.
		stop()
		w := h.Watcher(t.Context(), "t", 0)
		told(w)
		h.await(turn, w.Seen(), func() { calls++ })
		synctest.Wait()
		if calls != 0 {
			t.Errorf("%d calls though nothing happened", calls)
		}
		happen(h, "t", EventDecided)
		synctest.Wait()
		if calls != 1 {
			t.Errorf("%d calls; want one", calls)
		}
		// Of a stream that was begun anew the numbers are lower than what was seen.
		late := NewHub().Watcher(t.Context(), "t", 57)
		happen(late.hub, "t", EventStatus)
		if got, _ := told(late); len(got) != 1 {
			t.Errorf("told %v of a stream that began anew", got)
		}
	})
}

// unsteady is a store whose reads fail at first.
type unsteady struct {
	Store
	fails int
}

func (s *unsteady) Turn(context.Context, agent.WorkspaceID, string) (agent.Turn, agent.Message, *Ordered, error) {
	if s.fails--; s.fails >= 0 {
		return agent.Turn{}, agent.Message{}, nil, errors.New("the store is away")
	}
	return agent.Turn{ID: "t", Workspace: "w", Status: agent.TurnDone}, agent.Message{}, nil, nil
}

func TestWhatWasHeardOfATurnIsNotForgottenWhileItCannotBeRead(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a := &Assistant{Effects: &Effects{Config: Config{Hub: NewHub(), Store: &unsteady{fails: 2}, Log: slog.New(slog.DiscardHandler), Clock: time.Now}}}
		w := a.Attend(t.Context(), agent.Turn{ID: "t", Workspace: "w"}, 0)
		a.Heard("")
		time.Sleep(time.Minute)
		if got, more := told(w); len(got) != 1 || more {
			t.Errorf("told %v, more: %t; want the end", got, more)
		}
	})
}
