package journal

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/sous-hq/sous/agent/admission"
)

// errClosed says that no more turns are begun.
var errClosed = errors.New("no more turns are begun")

// slots are the places of turns that are worked on. Those who wait for one get it
// in order, and workspaces in turn, so that a busy one does not keep the others
// waiting; who was waited for comes before who is new.
type slots struct {
	now    func() time.Time
	mu     sync.Mutex
	free   int
	size   int
	closed bool
	// left is when the last slot that was taken was given back.
	left time.Time
	// each is about how long a slot is held.
	each time.Duration
	// urgent waits before fresh.
	urgent, fresh lanes
}

// lanes are the waiting, by workspace.
type lanes struct {
	of map[string][]*waiter
	// turn is the order in which workspaces are served; each that waits is there once.
	turn []string
	n    int
}

// waiter waits for a slot: go is called with it, or with an error.
type waiter struct {
	ctx context.Context //nolint:containedctx // whose end ends the waiting
	run func(error)
}

func newSlots(n int, now func() time.Time) *slots {
	return &slots{now: now, free: n, size: n, urgent: lanes{of: map[string][]*waiter{}}, fresh: lanes{of: map[string][]*waiter{}}}
}

// enter has run called in a goroutine of its own when there is a slot, and gives
// the slot back when it returns.
func (s *slots) enter(ctx context.Context, workspace string, urgent bool, run func(error)) {
	s.wait(workspace, urgent, &waiter{ctx, func(err error) {
		go func() {
			if err == nil {
				began := s.now()
				defer func() { s.took(s.now().Sub(began)); s.leave() }()
			}
			run(err)
		}()
	}})
}

// leave gives a slot back.
func (s *slots) leave() {
	s.mu.Lock()
	s.free++
	s.left = s.now()
	s.mu.Unlock()
	s.serve()
}

// pause gives the slot back until the function that is returned has got it again,
// before all others.
func (s *slots) pause() (again func(ctx context.Context) error) {
	s.leave()
	return func(ctx context.Context) error {
		got := make(chan error, 1)
		s.wait("", true, &waiter{ctx, func(err error) { got <- err }})
		// It is counted as free again by whoever leaves, whatever came of this.
		if err := <-got; err != nil {
			s.mu.Lock()
			s.free--
			s.mu.Unlock()
			return err
		}
		return nil
	}
}

func (s *slots) wait(workspace string, urgent bool, w *waiter) {
	s.mu.Lock()
	l := &s.fresh
	if urgent {
		l = &s.urgent
	}
	l.add(workspace, w)
	s.mu.Unlock()
	s.serve()
}

// serve gives what is free to who waits.
func (s *slots) serve() {
	for {
		s.mu.Lock()
		if s.closed {
			all := append(s.urgent.all(), s.fresh.all()...)
			s.mu.Unlock()
			for _, w := range all {
				w.run(errClosed)
			}
			return
		}
		if s.free <= 0 {
			s.mu.Unlock()
			return
		}
		w := s.urgent.next()
		if w == nil {
			w = s.fresh.next()
		}
		if w == nil {
			s.mu.Unlock()
			return
		}
		if err := w.ctx.Err(); err != nil {
			s.mu.Unlock()
			w.run(err)
			continue
		}
		s.free--
		s.mu.Unlock()
		w.run(nil)
	}
}

// close ends the waiting; slots that are taken stay so.
func (s *slots) close() {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.serve()
}

// waiting tells what waits for a slot to be begun and how long a new one of the
// workspace will: workspaces are served in turn, and what was waited for comes first.
func (s *slots) waiting(workspace string) admission.Backlog {
	s.mu.Lock()
	defer s.mu.Unlock()
	b := admission.Backlog{Own: len(s.fresh.of[workspace]), All: s.fresh.n}
	share := float64(max(len(s.fresh.turn), 1))
	if b.Own == 0 && b.All > 0 {
		share++
	}
	if s.free <= 0 || b.Own > 0 {
		b.Wait = admission.Waits(s.urgent.n+b.Own, s.size, 1/share, s.each)
	}
	return b
}

// took notes how long a slot was held without a pause, as a moving average over the
// last twenty or so.
func (s *slots) took(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.each == 0 {
		s.each = d
	}
	s.each += (d - s.each) / 20
}

// busy counts the slots that are taken, of how many.
func (s *slots) busy() (taken, of int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.size - s.free, s.size
}

// idle tells when the last slot was given back, if none is taken; zero when none
// ever was.
func (s *slots) idle() (since time.Time, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.left, s.free == s.size
}

func (l *lanes) add(workspace string, w *waiter) {
	if len(l.of[workspace]) == 0 {
		l.turn = append(l.turn, workspace)
	}
	l.of[workspace] = append(l.of[workspace], w)
	l.n++
}

func (l *lanes) next() *waiter {
	if len(l.turn) == 0 {
		return nil
	}
	workspace := l.turn[0]
	l.turn = l.turn[1:]
	all := l.of[workspace]
	w := all[0]
	if len(all) == 1 {
		delete(l.of, workspace)
	} else {
		l.of[workspace] = all[1:]
		l.turn = append(l.turn, workspace)
	}
	l.n--
	return w
}

func (l *lanes) all() []*waiter {
	var all []*waiter
	for w := l.next(); w != nil; w = l.next() {
		all = append(all, w)
	}
	return all
}
