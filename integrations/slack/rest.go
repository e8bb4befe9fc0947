package slack

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/agent/delivery"
)

// A turn that waits for a person may do so for days, and two thousand of them cost no
// goroutine, timer or write each: their shows rest until something happens to the
// turns, and all leases are renewed together.
const (
	// restFor is how long a turn rests until it is looked at although nobody told that
	// anything happened to it.
	restFor = 10 * time.Minute
	// atOnceRead is of how many turns what was left is read at once.
	atOnceRead = 16
)

// nap is a show that rests.
type nap struct {
	*show
	since time.Time
	stop  func()
}

// rest lets go of a turn that waits, until something happens to it.
func (b *Bot) rest(s *show) {
	s.said, s.ready = "", func() {}
	id := s.turn.ID
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return
	}
	b.resting[id] = &nap{show: s, since: b.Clock(), stop: b.Desk.Await(s.turn, s.seen, func() { b.wakeUp(id) })}
	if h, ok := b.held[id]; ok {
		b.held[id] = hold{h.since, func() { b.drop(id) }}
	}
}

// wakeUp shows a turn again that rested.
func (b *Bot) wakeUp(id string) {
	b.mu.Lock()
	n := b.resting[id]
	if n == nil {
		b.mu.Unlock()
		return
	}
	delete(b.resting, id)
	b.fresh = append(b.fresh, followed{turn: n.turn, again: true, show: n.show})
	b.mu.Unlock()
	n.stop()
	b.rouse()
}

// drop leaves a turn that rested to another process.
func (b *Bot) drop(id string) {
	b.mu.Lock()
	n := b.resting[id]
	delete(b.resting, id)
	if n != nil {
		delete(b.followed, id)
	}
	b.mu.Unlock()
	if n != nil {
		n.stop()
	}
}

// dropAll ends all rest.
func (b *Bot) dropAll() {
	b.mu.Lock()
	var all []string
	for id := range b.resting {
		all = append(all, id)
	}
	b.closed = true
	b.mu.Unlock()
	for _, id := range all {
		b.drop(id)
	}
}

// lookAround wakes the turns that have rested for long.
func (b *Bot) lookAround() {
	long := b.Clock().Add(-restFor)
	var all []string
	b.mu.Lock()
	for id, n := range b.resting {
		if n.since.Before(long) {
			all = append(all, id)
		}
	}
	b.mu.Unlock()
	for _, id := range all {
		b.wakeUp(id)
	}
}

// queue waits until what was left of a turn may be read. The function it returns lets
// the next one; it may be called again.
func (b *Bot) queue(ctx context.Context, f followed) (ready func()) {
	if !f.again || f.show != nil {
		return func() {}
	}
	select {
	case b.reading <- struct{}{}:
		return sync.OnceFunc(func() { <-b.reading })
	case <-ctx.Done():
		return func() {}
	}
}

// hold is a lease that this process has.
type hold struct {
	since time.Time
	// lost is called when another process has it.
	lost func()
}

// lease takes the leave to show a turn, for as long as the context it returns; nil
// when somebody else shows it or all of it has been shown. A process that is alone
// needs none for what it has just taken in.
func (b *Bot) lease(ctx context.Context, f followed) (context.Context, func()) {
	mine, cancel := context.WithCancel(ctx)
	if b.Holder == "" && (!f.again || f.show != nil) {
		return mine, cancel
	}
	since := b.Clock()
	is, err := b.Deliveries.Take(ctx, b.front(), delivery.Lease{About: f.turn.ID, Holder: b.Holder, For: b.Lease})
	if err != nil && ctx.Err() == nil {
		b.Log.WarnContext(ctx, "slack: who shows a turn is not known", slog.String("turn", f.turn.ID), slog.Any("err", err))
	}
	if err != nil || is != delivery.Mine {
		cancel()
		return nil, cancel
	}
	if b.Holder != "" {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.held[f.turn.ID] = hold{since, cancel}
	}
	return mine, cancel
}

// renew keeps the leases of this process, all at once, until ctx is done.
func (b *Bot) renew(ctx context.Context) {
	last := b.Clock()
	for sleep(ctx, b.Lease/3) {
		began := b.Clock()
		kept, err := b.Deliveries.Retain(ctx, b.front(), b.Holder, b.Lease)
		switch {
		case err == nil:
			last = began
			b.lost(began, kept)
		case ctx.Err() != nil:
		default:
			b.Log.WarnContext(ctx, "slack: the leases are not renewed", slog.Any("err", err))
			if b.Clock().Sub(last) > b.Lease/2 {
				// Before others may take them.
				b.lost(began, nil)
			}
		}
	}
}

// lost gives up the leases that were taken before a time and are not among those that
// were kept.
func (b *Bot) lost(before time.Time, kept []string) {
	is := make(map[string]bool, len(kept))
	for _, id := range kept {
		is[id] = true
	}
	var gone []func()
	b.mu.Lock()
	for id, h := range b.held {
		if !is[id] && h.since.Before(before) {
			gone = append(gone, h.lost)
			delete(b.held, id)
		}
	}
	b.mu.Unlock()
	for _, f := range gone {
		f()
	}
}

// Left says that a process that worked in the same place is gone and its leases are
// free: what it was showing, and what it had kept, is taken up at once.
func (b *Bot) Left() {
	select {
	case b.left <- struct{}{}:
	default:
	}
}

// errAsleep says that this process stood still for so long that another may show what
// it was about to show.
var errAsleep = agent.Errorf(agent.Unavailable, "this process was not heard of for a while; others may have gone on")

// awake is an error when others may have taken this process for gone since it took the
// leave to show the turn.
func (s *show) awake() error {
	if term, ok := s.present(); !ok || term != s.term {
		return errAsleep
	}
	return nil
}

func (b *Bot) present() (term string, ok bool) {
	if b.Present == nil {
		return "", true
	}
	return b.Present()
}
