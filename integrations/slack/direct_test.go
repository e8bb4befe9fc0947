package slack_test

import (
	"context"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/agent/delivery"
	"github.com/sous-hq/sous/agent/loop"
	front "github.com/sous-hq/sous/integrations/slack"
	"github.com/sous-hq/sous/internal/testkit/slackfake"
)

// counted counts the deliveries that are kept.
type counted struct {
	delivery.Store
	mu   sync.Mutex
	kept int
}

func (c *counted) Keep(ctx context.Context, f delivery.Front, all []delivery.Delivery) ([]bool, error) {
	c.mu.Lock()
	c.kept += len(all)
	c.mu.Unlock()
	return c.Store.Keep(ctx, f, all)
}

func (c *counted) total() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.kept
}

// held is a desk at which what is handed in may have to wait, or is refused.
type held struct {
	front.Desk
	accept func(in loop.Incoming) error
}

func (h held) Accept(ctx context.Context, by agent.Actor, in loop.Incoming) (loop.Acceptance, error) {
	if err := h.accept(in); err != nil {
		return loop.Acceptance{}, err
	}
	return h.Desk.Accept(ctx, by, in)
}

// newCounted is a process whose deliveries are counted, and that knows the channel.
func newCounted(t *testing.T, accept func(in loop.Incoming) error) (*world, *process, *counted) {
	w := newWorld(t)
	c := &counted{}
	w.change = func(f *front.Config) {
		c.Store, f.Deliveries = f.Deliveries, c
		f.Desk = held{f.Desk, accept}
	}
	p := w.start(t)
	w.reply(t, general, w.slack.Post(ann, general, "<@"+w.slack.BotUser+"> hello"), "")
	return w, p, c
}

func TestAPlainRequestIsATurnWhenItIsAcknowledged(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w, p, c := newCounted(t, func(loop.Incoming) error { return nil })
		before, kept := p.turns(t), c.total()
		root, id, body := w.slack.Mention(ann, general, "hello again")
		if status := w.slack.Redeliver(id, body); status != 200 || p.turns(t) != before+1 {
			t.Errorf("status %d, %d turns; want 200, %d", status, p.turns(t), before+1)
		}
		// The same once more, and as the other event that Slack makes of it.
		w.slack.Redeliver(id, body)
		w.slack.Emit(map[string]any{"type": "message", "user": ann, "text": "<@" + w.slack.BotUser + "> hello again", "ts": root, "channel": general, "channel_type": "channel", "event_ts": root})
		w.reply(t, general, root, "")
		time.Sleep(time.Second)
		if n := p.turns(t); n != before+1 || c.total() != kept || w.answers(general, root) != 1 {
			t.Errorf("%d turns, %d deliveries kept, %d answers; want %d, %d, 1", n, c.total(), w.answers(general, root), before+1, kept)
		}
	})
}

func TestWhatCannotBeHandedInAtOnceIsKeptAndHandedInLater(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		away := 2
		w, p, c := newCounted(t, func(in loop.Incoming) error {
			if strings.Contains(in.Text, "away") && away > 0 {
				away--
				return agent.Errorf(agent.Unavailable, "away for a moment")
			}
			return nil
		})
		before, kept := p.turns(t), c.total()
		root, id, body := w.slack.Mention(ann, general, "you were away")
		if status := w.slack.Redeliver(id, body); status != 200 || c.total() != kept+1 {
			t.Errorf("status %d, %d deliveries kept; want 200, %d", status, c.total(), kept+1)
		}
		w.reply(t, general, root, "")
		if n := p.turns(t); n != before+1 || away != 0 {
			t.Errorf("%d turns, %d refusals left; want %d, 0", n, away, before+1)
		}
	})
}

func TestWhatIsSaidNextInAThreadComesNext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		var order []string
		w, _, _ := newCounted(t, func(in loop.Incoming) error {
			if strings.Contains(in.Text, "first") {
				time.Sleep(200 * time.Millisecond)
			}
			mu.Lock()
			defer mu.Unlock()
			order = append(order, in.Text)
			return nil
		})
		root := w.slack.Post(ann, general, "<@"+w.slack.BotUser+"> the first words")
		time.Sleep(50 * time.Millisecond)
		for _, next := range []string{"the second words", "the third words"} {
			w.slack.Post(ann, general, next, slackfake.Said{Thread: root})
			time.Sleep(10 * time.Millisecond)
		}
		wait(t, "three requests", func() bool { mu.Lock(); defer mu.Unlock(); return len(order) == 4 })
		if got := strings.Join(order[1:], ", "); got != "the first words, the second words, the third words" {
			t.Errorf("handed in: %s", got)
		}
	})
}
