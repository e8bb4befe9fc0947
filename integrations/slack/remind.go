package slack

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/slack-go/slack"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/agent/approval"
	"github.com/sous-hq/sous/agent/loop"
)

// The day, in hours of the person's own clock. Outside of it and at the weekend
// nobody is reminded of anything.
const (
	dayBegins = 8
	dayEnds   = 20
)

// awake reports whether it is day on a workday where the person is. Where that is
// not known it is.
func awake(now time.Time, zone *time.Location) bool {
	if zone == nil {
		return true
	}
	now = now.In(zone)
	return now.Weekday() != time.Saturday && now.Weekday() != time.Sunday && now.Hour() >= dayBegins && now.Hour() < dayEnds
}

// remind sends the reminders that are due to those who are awake. One for people who
// are all asleep waits for the first of them to wake.
func (b *Bot) remind(ctx context.Context) error {
	if b.Reminders == nil {
		return nil
	}
	due, err := b.Reminders.Due(ctx, b.workspace())
	if err != nil {
		return err
	}
	for _, r := range due {
		to, err := b.awakeOf(ctx, r)
		if err != nil {
			return err
		}
		if len(to) == 0 {
			continue
		}
		// Noted first: a reminder that is lost is less of a harm than two.
		err = b.Reminders.Reminded(ctx, b.workspace(), r.Approval.ID, r.N)
		switch {
		case err == nil:
			b.sendReminder(ctx, r, to)
		case agent.KindOf(err) != agent.Conflict:
			return err
		}
	}
	return nil
}

// awakeOf lists the Slack accounts to remind now.
func (b *Bot) awakeOf(ctx context.Context, r loop.Reminder) ([]string, error) {
	var to []string
	for _, id := range r.To {
		user, ours := userOf(id)
		if !ours {
			continue
		}
		u, err := b.people.user(ctx, user)
		switch {
		case agent.KindOf(err) == agent.NotFound && err != nil:
			continue
		case err != nil:
			return nil, err
		case awake(b.Clock(), u.where()):
			to = append(to, user)
		}
	}
	return to, nil
}

func (b *Bot) sendReminder(ctx context.Context, r loop.Reminder, to []string) {
	a := r.Approval
	for _, user := range to {
		dm, err := b.people.dm(ctx, user)
		if err == nil {
			text := fmt.Sprintf("This still waits for you: %s. It expires %s.", b.cardLink(ctx, a, user), when(a.Expires))
			_, err = b.post.once(ctx, post{channel: dm, key: fmt.Sprintf("remind/%s/%d/%s", a.ID, r.N, user), text: text})
		}
		if err != nil && ctx.Err() == nil {
			b.Log.WarnContext(ctx, "slack: somebody is not reminded", slog.String("approval", a.ID), slog.Any("err", err))
		}
	}
}

// cardLink leads to the card of an approval, the person's own when they have one; the
// card's words alone when there is none that can be linked.
func (b *Bot) cardLink(ctx context.Context, a approval.Approval, user string) string {
	words := cardText(a) + " (" + escape(a.ID) + ")"
	posts, err := b.Deliveries.Posts(ctx, b.front(), a.Call.Turn)
	if err != nil {
		return words
	}
	key := a.Call.Turn + "/card/" + a.ID
	for _, want := range []string{key + "/" + user, key} {
		for _, p := range posts {
			if p.Key != want {
				continue
			}
			url, err := b.api.GetPermalinkContext(ctx, &slack.PermalinkParameters{Channel: p.Place, Ts: p.Ref})
			if err == nil {
				return "<" + escape(url) + "|" + strings.ReplaceAll(words, "|", "/") + ">"
			}
		}
	}
	return words
}
