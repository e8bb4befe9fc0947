package slack

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/slack-go/slack"

	"github.com/sous-hq/sous/agent/approval"
	"github.com/sous-hq/sous/agent/loop"
)

var _ loop.Notifier = (*Bot)(nil)

// Remind implements loop.Notifier: a direct message to each of those who are to be
// reminded and have an account here, with a link to the card. What Slack does not
// take is logged; a reminder that is lost is less of a harm than two.
func (b *Bot) Remind(ctx context.Context, r loop.Reminder) error {
	if r.Approval.Workspace != b.workspace() {
		return nil
	}
	var failed []error
	for _, id := range r.To {
		user, ours := userOf(id)
		if !ours || id != ActorID(b.people.team(), user) {
			continue
		}
		if err := b.sendReminder(ctx, r, user); err != nil {
			failed = append(failed, err)
		}
	}
	return errors.Join(failed...)
}

func (b *Bot) sendReminder(ctx context.Context, r loop.Reminder, user string) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	dm, err := b.people.dm(ctx, user)
	if err != nil {
		return err
	}
	a := r.Approval
	text := fmt.Sprintf("This still waits for you: %s. It expires %s.", b.cardLink(ctx, a, user), when(a.Expires))
	_, err = b.post.once(ctx, post{channel: dm, key: fmt.Sprintf("remind/%s/%d/%s", a.ID, r.N, user), text: text})
	return err
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
