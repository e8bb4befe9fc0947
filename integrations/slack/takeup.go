package slack

import (
	"context"
	"log/slog"
	"time"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/agent/delivery"
)

// What a starting process looks at, and each one every so often: the turns that ended
// lately may not have been shown to their end. So many are taken up at once, and so
// many of the newest may have something that can be taken back.
const (
	lately     = 24 * time.Hour
	unshown    = 2000
	lookAgain  = 10 * time.Minute
	latelyMost = 100
)

// recover takes up what a former process left, for as long as the store is away.
func (b *Bot) recover(ctx context.Context) {
	for pause := b.Backoff; ; pause = min(2*pause, maxPause) {
		err := b.takeUp(ctx, b.Clock().Add(time.Second))
		if err == nil {
			var recent []agent.Turn
			if recent, err = b.Records.Recent(ctx, b.workspace(), "", latelyMost); err == nil {
				b.busy.Go(func() { b.offersOf(ctx, recent) })
			}
		}
		if err == nil || ctx.Err() != nil {
			return
		}
		b.Log.WarnContext(ctx, "slack: what was left is not taken up", slog.Any("err", err))
		if !sleep(ctx, pause) {
			return
		}
	}
}

// sweep takes up what another process left, and what this one could not finish, and
// forgets what is long over.
func (b *Bot) sweep(ctx context.Context) {
	// What came just now is on its way to its lane.
	err := b.takeUp(ctx, b.Clock().Add(-b.Sweep))
	if err == nil {
		err = b.Deliveries.Forget(ctx, b.front(), b.Clock().Add(-remember))
	}
	b.closeOffers(ctx)
	b.lookAround()
	if err != nil && ctx.Err() == nil {
		b.Log.WarnContext(ctx, "slack: a sweep did not come to its end", slog.Any("err", err))
	}
}

// succeed takes up what another process left that is gone, be it from just now or from
// before it waited for Slack.
func (b *Bot) succeed(ctx context.Context) {
	b.mu.Lock()
	b.looked = time.Time{}
	b.mu.Unlock()
	if err := b.takeUp(ctx, b.Clock().Add(time.Second)); err != nil && ctx.Err() == nil {
		b.Log.WarnContext(ctx, "slack: what another process left is taken up later", slog.Any("err", err))
	}
}

// remember is how long it is known what came and what was shown: Slack delivers
// again for a day.
const remember = 72 * time.Hour

// takeUp handles the deliveries kept before a time, and shows the turns that are
// not shown to their end, as far as no other process does.
func (b *Bot) takeUp(ctx context.Context, before time.Time) error {
	left, err := b.Deliveries.Waiting(ctx, b.front(), before)
	if err != nil {
		return err
	}
	due := left[:0]
	for _, d := range left {
		if b.Clock().Sub(d.At) > lately {
			// Nobody waits for the answer any more.
			b.Log.WarnContext(ctx, "slack: a delivery waited too long and is not handled", slog.String("id", d.ID))
			b.clerk.settle(delivery.Settled{Done: []string{d.ID}})
			continue
		}
		due = append(due, d)
	}
	b.arrived(due)
	open, err := b.Records.Unfinished(ctx)
	if err != nil {
		return err
	}
	ended, err := b.endedUnshown(ctx)
	if err != nil {
		return err
	}
	byID := map[string]agent.Turn{}
	var ids []string
	for _, t := range append(open, ended...) {
		_, ours := whereOf(t.Conversation)
		if ours && t.Workspace == b.workspace() && !b.isFollowed(t.ID) && (!t.Status.Ended() || b.Clock().Sub(t.Ended) < lately) && byID[t.ID].ID == "" {
			byID[t.ID] = t
			ids = append(ids, t.ID)
		}
	}
	if ids, err = b.Deliveries.Untaken(ctx, b.front(), b.Holder, ids); err != nil {
		return err
	}
	for _, id := range ids {
		b.track(byID[id], true)
	}
	return b.takeUpReviews(ctx)
}

// endedUnshown lists the turns that have ended and are not shown to their end: those
// of the last day at first and now and then, those since a while else.
func (b *Bot) endedUnshown(ctx context.Context) ([]agent.Turn, error) {
	now := b.Clock()
	b.mu.Lock()
	since, whole := now.Add(-b.Lease-4*b.Sweep), now.Sub(b.looked) >= lookAgain || b.looked.After(now)
	b.mu.Unlock()
	if whole {
		since = now.Add(-lately)
	}
	all, err := b.Deliveries.Unshown(ctx, b.front(), idPrefix, since, unshown)
	if err == nil && whole && len(all) < unshown {
		b.mu.Lock()
		b.looked = now
		b.mu.Unlock()
	}
	return all, err
}

func (b *Bot) isFollowed(id string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.followed[id]
}
