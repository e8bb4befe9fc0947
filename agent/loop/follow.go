package loop

import (
	"context"

	"github.com/sous-hq/sous/agent"
)

// follower is somebody who watches many turns at once. Its fields are guarded by
// the hub's lock.
type follower struct {
	// changed are the turns with events not yet looked at, seen the number of the last
	// of each turn's events that was.
	changed []string
	listed  map[string]bool
	seen    map[string]int
	// queue says that something has happened to approvals since that was last told.
	queue bool
	wake  chan struct{}
}

func (f *follower) mark(turn string, approvals bool) {
	f.queue = f.queue || approvals
	if !f.listed[turn] {
		f.changed, f.listed[turn] = append(f.changed, turn), true
	}
	select {
	case f.wake <- struct{}{}:
	default:
	}
}

// Follow returns a function that yields the events of all turns, those that are
// still kept first, waiting when there is none. An EventQueue comes first and whenever
// something has happened to approvals since the last one, also where nothing else of
// the turn is kept. It returns ok false when ctx is done. A slow follower delays nobody.
func (h *Hub) Follow(ctx context.Context) func() (Event, bool) {
	f := &follower{listed: map[string]bool{}, seen: map[string]int{}, queue: true, wake: make(chan struct{}, 1)}
	h.mu.Lock()
	h.followers[f] = struct{}{}
	for turn := range h.turns {
		f.mark(turn, false)
	}
	h.mu.Unlock()
	context.AfterFunc(ctx, func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		delete(h.followers, f)
	})
	return func() (Event, bool) {
		for {
			if ev, ok := h.nextFor(f); ok {
				return ev, ctx.Err() == nil
			}
			select {
			case <-ctx.Done():
				return Event{}, false
			case <-f.wake:
			}
		}
	}
}

// nextFor is the next event that the follower has not seen, if there is one.
func (h *Hub) nextFor(f *follower) (Event, bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if f.queue {
		f.queue = false
		return Event{Type: EventQueue}, true
	}
	for len(f.changed) > 0 {
		turn := f.changed[0]
		if s := h.turns[turn]; s != nil {
			if ev, ok := s.after(f.seen[turn]); ok {
				f.seen[turn] = ev.N
				return ev, true
			}
		}
		f.changed = f.changed[1:]
		delete(f.listed, turn)
		if s := h.turns[turn]; s == nil || s.ended {
			delete(f.seen, turn)
		}
	}
	return Event{}, false
}

// Follow yields what happens in a conversation, "" for none, as far as the actor
// may see it, and an EventQueue at first and whenever something has happened to
// approvals anywhere in the process: then the lists of those are to be read again.
func (a *Assistant) Follow(ctx context.Context, by agent.Actor, conversation string) func() (Event, bool) {
	next := a.Hub.Follow(ctx)
	here := map[string]bool{}
	return func() (Event, bool) {
		for {
			ev, ok := next()
			if !ok {
				return ev, false
			}
			if ev.Type == EventQueue {
				ev.At = a.Clock()
				return ev, true
			}
			shown, asked := here[ev.Turn]
			if !asked && conversation != "" {
				t, _, _, err := a.Store.Turn(ctx, by.Workspace, ev.Turn)
				shown = err == nil && t.Conversation == conversation && t.Place.Readers().Includes(by)
				if err == nil {
					here[ev.Turn] = shown
				}
			}
			if ev.Type == EventEnd {
				delete(here, ev.Turn)
			}
			if shown {
				return ev, true
			}
		}
	}
}
