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

// rest lets go of a turn that waits, until something happens to it; false when it is
// not this process's any more. Whoever watched the turn still does, so that nothing
// happens unseen in between.
func (b *Bot) rest(s *show) bool {
	s.said, s.ready = "", func() {}
	id := s.turn.ID
	b.mu.Lock()
	defer b.mu.Unlock()
	h, held := b.held[id]
	if b.closed || b.Holder != "" && !held {
		return false
	}
	b.resting[id] = &nap{show: s, since: b.Clock(), stop: b.Desk.Await(s.turn, s.seen, func() { b.wakeUp(id) })}
	if held {
		b.held[id] = hold{h.since, func() { b.drop(id) }}
	}
	return true
}

// wakeUp shows a turn again that rested. Its rest ends when somebody watches the turn.
func (b *Bot) wakeUp(id string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	n := b.resting[id]
	if n == nil || b.closed {
		return
	}
	delete(b.resting, id)
	b.fresh = append(b.fresh, followed{turn: n.turn, again: true, show: n.show, rested: n.stop})
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
	woken := b.fresh
	b.fresh = nil
	b.mu.Unlock()
	for _, f := range woken {
		f.end()
	}
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
		// What was renewed while this was being taken does not know of it.
		b.held[f.turn.ID] = hold{b.Clock(), cancel}
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

// termKey is under which a context knows the term of this process it began in.
type termKey struct{}

// inTerm is a context for what others go on with when they take this process for gone:
// Slack is told nothing in it from then on.
func (b *Bot) inTerm(ctx context.Context) context.Context {
	if b.Present == nil {
		return ctx
	}
	term, _ := b.Present()
	return context.WithValue(ctx, termKey{}, term)
}

// awake is an error when others may have taken this process for gone since the context
// began to be in its term. It is asked directly before Slack is: whoever waits for Slack
// may stand still meanwhile.
func (b *Bot) awake(ctx context.Context) error {
	was, in := ctx.Value(termKey{}).(string)
	if !in {
		return nil
	}
	if term, ok := b.Present(); !ok || term != was {
		return errAsleep
	}
	return nil
}

// onceAwake goes on with what was not shown to its end when the others hear of this
// process again.
func (b *Bot) onceAwake(ctx context.Context) {
	for sleep(ctx, time.Second) {
		if _, ok := b.Present(); ok {
			break
		}
	}
	// Who is put to sleep from here on waits anew.
	b.napping.Store(false)
	b.Left()
}
