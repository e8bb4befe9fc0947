package slack

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync/atomic"
	"time"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/agent/delivery"
)

// The kinds of what is kept before it is handled, as its id begins.
const (
	keptEvent    = "event/"
	keptShortcut = "shortcut/"
	keptCommand  = "command/"
	// keptOnce is the signature of what must not come twice; there is nothing to do.
	keptOnce = "once/"
)

// How what was kept is handled: so many at once, each for so long at a time, and
// one that fails for a reason of its own so many times at most.
const (
	maxLanes = 16
	handling = 10 * time.Minute
	maxTries = 12
)

// While more than so many deliveries wait for their acknowledgement, and for a
// moment after there was a rush of them, work that nobody waits for by the second
// makes way, but not for longer than this.
const (
	crowd   = 4
	rush    = 64
	calm    = 50 * time.Millisecond
	makeWay = 250 * time.Millisecond
)

// queue is how many deliveries wait for their acknowledgement.
type queue struct {
	waiting atomic.Int64
	// rushed is when there was a rush last, in nanoseconds of the clock.
	rushed atomic.Int64
}

func (q *queue) enter(clock func() time.Time) {
	if q.waiting.Add(1) >= rush {
		q.rushed.Store(clock().UnixNano())
	}
}

func (q *queue) leave() { q.waiting.Add(-1) }

// crowded reports whether whoever does something else should make way: a rush comes
// in waves, and between two of them nobody may be waiting.
func (q *queue) crowded(now time.Time) bool {
	return q.waiting.Load() > crowd || now.UnixNano()-q.rushed.Load() < int64(calm)
}

// takeIn keeps a delivery, so that it is handled whatever becomes of this process.
func (b *Bot) takeIn(ctx context.Context, d delivery.Delivery) error {
	_, err := b.clerk.keep(ctx, d)
	return err
}

// arrived puts what was kept into its lanes: a lane is handled in order, several
// lanes at once.
func (b *Bot) arrived(all []delivery.Delivery) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, d := range all {
		if b.atHand[d.ID] {
			continue
		}
		b.atHand[d.ID] = true
		_, working := b.lanes[d.Queue]
		b.lanes[d.Queue] = append(b.lanes[d.Queue], d)
		if !working {
			b.idle = append(b.idle, d.Queue)
		}
	}
	if len(b.idle) > 0 {
		b.rouse()
	}
}

// next returns what comes next in a lane, and ends the lane when nothing does.
func (b *Bot) next(queue string) (delivery.Delivery, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	all := b.lanes[queue]
	if len(all) == 0 {
		delete(b.lanes, queue)
		return delivery.Delivery{}, false
	}
	b.lanes[queue] = all[1:]
	return all[0], true
}

// work handles a lane until it is empty. What ctx cuts short waits in the store for
// the next process.
func (b *Bot) work(ctx context.Context, queue string) {
	for {
		d, ok := b.next(queue)
		if !ok || !b.seeTo(ctx, d) {
			return
		}
		b.clerk.settle(delivery.Settled{Done: []string{d.ID}})
		b.mu.Lock()
		delete(b.atHand, d.ID)
		b.mu.Unlock()
	}
}

// seeTo handles one delivery, again while Slack or the store is away; false when
// ctx is done before.
func (b *Bot) seeTo(ctx context.Context, d delivery.Delivery) bool {
	pause := b.Backoff
	for tries := 1; ; tries++ {
		if !b.slot(ctx) {
			return false
		}
		err := b.handle(ctx, d)
		<-b.slots
		switch {
		case err == nil:
			return true
		case ctx.Err() != nil:
			return false
		case errors.Is(err, errUnreadable), agent.KindOf(err) == agent.Internal && tries >= maxTries:
			kind, _, _ := strings.Cut(d.ID, "/")
			if b.keep(ctx, kind, d.Body, err) == nil {
				return true
			}
		default:
			b.Log.WarnContext(ctx, "slack: a delivery is handled later", slog.String("id", d.ID), slog.Any("err", err))
		}
		if !sleep(ctx, pause) {
			return false
		}
		pause = min(2*pause, maxPause)
	}
}

// slot waits for leave to handle something. Only whoever has a slot looks whether
// there is a crowd: of hundreds, the looking itself would cost what it is to save.
func (b *Bot) slot(ctx context.Context) bool {
	select {
	case b.slots <- struct{}{}:
	case <-ctx.Done():
		return false
	}
	for begin := b.Clock(); b.taking.crowded(b.Clock()) && b.Clock().Sub(begin) < makeWay; {
		if !sleep(ctx, 5*time.Millisecond) {
			<-b.slots
			return false
		}
	}
	return true
}

// handle does what a kept delivery asks for. It may be called again with the same.
func (b *Bot) handle(ctx context.Context, d delivery.Delivery) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%w: panic: %v", errUnreadable, p)
		}
	}()
	ctx, cancel := context.WithTimeout(ctx, handling)
	defer cancel()
	me, err := b.self(ctx)
	if err != nil {
		return err
	}
	switch {
	case strings.HasPrefix(d.ID, keptOnce):
		return nil
	case strings.HasPrefix(d.ID, keptShortcut):
		c, err := parseClick(d.Body)
		if err != nil {
			return err
		}
		by, err := b.whoIs(ctx, c.User.Team, c.User.ID)
		if err != nil {
			return err
		}
		return b.shortcut(ctx, me, by, c)
	case strings.HasPrefix(d.ID, keptCommand):
		c, err := parseCommand(d.Body)
		if err != nil {
			return err
		}
		by, err := b.whoIs(ctx, "", c.UserID)
		if err != nil {
			return err
		}
		return b.commanded(ctx, by, c)
	}
	env, ev, err := parseEvent(d.Body)
	if err != nil || !env.isFor(me) {
		return err
	}
	switch ev.Type {
	case "message":
		return b.message(ctx, me, ev)
	case "app_mention":
		return b.said(ctx, me, ev, "")
	case "agent_session_stopped":
		return b.stop(ctx, me, where{me.team, string(ev.Channel), ev.Thread}, string(ev.User))
	}
	return nil
}

// whoIs is Actor for what cannot be done for a stranger on a guess: that Slack is
// away is an error.
func (b *Bot) whoIs(ctx context.Context, team, user string) (agent.Actor, error) {
	if _, err := b.people.user(ctx, user); agent.KindOf(err) == agent.Unavailable {
		return agent.Actor{}, err
	}
	return b.people.Actor(ctx, team, user), nil
}

// request says under which id and in which lane an event is kept; no id means that
// it is not for Sous. A message that arrives as two events is one, and so is what
// comes by both transports.
func (b *Bot) request(ctx context.Context, me identity, env envelope, ev inner) (id, queue string, err error) {
	at := where{me.team, string(ev.Channel), or(ev.Thread, ev.TS)}
	switch ev.Type {
	case "app_mention", "message":
		switch ev.Subtype {
		case "message_changed":
			return b.changeOf(ctx, me, ev)
		case "message_deleted":
			return b.deletionOf(ctx, me, ev)
		case "", "file_share", "thread_broadcast", "me_message":
		default:
			return "", "", nil
		}
		if !sayable(me, ev) {
			return "", "", nil
		}
		meant, err := b.meant(ctx, me, ev, at)
		if err != nil || !meant {
			return "", "", err
		}
		id = at.channel + "/" + ev.TS
	case "agent_session_stopped":
		id = "stop/" + env.EventID
	}
	return keptEvent + id, at.lane(), nil
}

// changeOf is request for an edit: one matters when it may bring a mention or
// change a request.
func (b *Bot) changeOf(ctx context.Context, me identity, ev inner) (id, queue string, err error) {
	if !edits(ev) {
		return "", "", nil
	}
	at := where{me.team, string(ev.Channel), or(ev.Message.Thread, ev.Message.TS)}
	if !strings.Contains(ev.Message.Text, "<@"+me.user) {
		if known, err := b.engaged(ctx, me, at); err != nil || !known {
			return "", "", err
		}
	}
	return keptEvent + at.channel + "/" + ev.Message.TS + "/" + ev.Message.Edited.TS, at.lane(), nil
}

// deletionOf is request for a deletion.
func (b *Bot) deletionOf(ctx context.Context, me identity, ev inner) (id, queue string, err error) {
	if ev.Previous == nil {
		return "", "", nil
	}
	at := where{me.team, string(ev.Channel), or(ev.Previous.Thread, ev.DeletedTS)}
	if known, err := b.engaged(ctx, me, at); err != nil || !known {
		return "", "", err
	}
	return keptEvent + at.channel + "/" + ev.DeletedTS + "/gone", at.lane(), nil
}

// sayable reports whether a message may be a person's to Sous at all.
func sayable(me identity, ev inner) bool {
	return ev.User != "" && ev.Bot == "" && string(ev.User) != me.user && ev.Channel != "" && ev.TS != ""
}

// edits reports whether an edit changed words.
func edits(ev inner) bool {
	return ev.Message != nil && ev.Message.Edited != nil && (ev.Previous == nil || ev.Previous.Text != ev.Message.Text)
}
