package slack

import (
	"context"
	"strings"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/agent/delivery"
	"github.com/sous-hq/sous/agent/loop"
)

// directly is how many deliveries may wait for their acknowledgement at most for one of
// them to be handed in before it: when more wait, each is kept first, which is quicker
// for the last of them.
const directly = 32

// takeEvent takes in an event that asks for something: at once when nobody but the
// store has to be asked about it, else it is kept and handled after it was
// acknowledged.
func (b *Bot) takeEvent(ctx context.Context, me identity, ev inner, d delivery.Delivery) error {
	known := me.team != "" && b.people.knows(string(ev.Channel), ev.ChannelType, string(ev.User))
	switch {
	case known && justWords(me, ev) && b.taking.waiting.Load() <= directly:
		if b.direct(ctx, me, ev, d) {
			return nil
		}
	case !known && me.team != "" && b.taking.waiting.Load() <= crowd:
		// What Slack has to be asked about it, it is asked while the delivery is kept.
		b.busy.Go(func() {
			b.people.learn(context.WithoutCancel(ctx), string(ev.Channel), ev.ChannelType, string(ev.User))
		})
	}
	return b.takeIn(ctx, d)
}

// justWords reports whether a message is words alone, in which nothing is named that has
// to be looked up, and asks for nothing that has to be read in Slack.
func justWords(me identity, ev inner) bool {
	if ev.Subtype != "" || len(ev.Files) > 0 || ev.Type != "app_mention" && ev.Type != "message" || !sayable(me, ev) {
		return false
	}
	words := strings.TrimSpace(strings.ReplaceAll(ev.Text, "<@"+me.user+">", ""))
	return words != "" && !strings.Contains(words, "<") && !asksForThread(words) && !channelWords.MatchString(words)
}

// direct hands a request in, and reports whether the store has its turn: then it needs
// not be kept, since a turn is not lost either. What comes twice at once is handed in
// once; what is asked before in the same lane comes first.
func (b *Bot) direct(ctx context.Context, me identity, ev inner, d delivery.Delivery) bool {
	done, _, _ := b.handing.Do(d.ID, func() (any, error) {
		mine, before := b.occupy(d)
		if !mine {
			return before, nil
		}
		ctx, cancel := context.WithTimeout(ctx, b.AckWithin/2)
		defer cancel()
		ok := b.handIn(ctx, me, ev)
		b.vacate(d, ok)
		return ok, nil
	})
	return done == true
}

// occupy takes a lane that nobody works on; before reports that the delivery has been
// handed in already.
func (b *Bot) occupy(d delivery.Delivery) (mine, before bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if _, working := b.lanes[d.Queue]; working || b.handed[d.ID] {
		return false, b.handed[d.ID]
	}
	b.lanes[d.Queue] = nil
	return true, false
}

// vacate leaves a lane to what has come for it meanwhile.
func (b *Bot) vacate(d delivery.Delivery, ok bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if ok {
		if len(b.handed) >= maxEngaged {
			clear(b.handed)
		}
		b.handed[d.ID] = true
	}
	if len(b.lanes[d.Queue]) == 0 {
		delete(b.lanes, d.Queue)
		return
	}
	b.idle = append(b.idle, d.Queue)
	b.rouse()
}

// handIn makes a turn of a plain message; false when it did not work, for whatever
// reason: it is kept then, and who asked is told when it is handled.
func (b *Bot) handIn(ctx context.Context, me identity, ev inner) bool {
	by, err := b.whoIs(ctx, ev.UserTeam, string(ev.User))
	if err != nil || by.Kind == agent.Program {
		return false
	}
	at := where{me.team, string(ev.Channel), or(ev.Thread, ev.TS)}
	place, err := b.people.place(ctx, at.channel, ev.ChannelType, string(ev.User))
	if err != nil {
		return false
	}
	text, outside := b.readable(ctx, me, ev.Text)
	return b.hand(ctx, by, loop.Incoming{
		Event: turnID(me.team, at.channel, ev.TS), Conversation: at.conversation(), Place: place, Text: text, Outside: outside,
	}) == nil
}
