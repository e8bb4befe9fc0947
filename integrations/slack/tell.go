package slack

import (
	"context"
	"errors"
	"slices"

	"github.com/sous-hq/sous/agent"
)

// Inform sends something to those of these people who have an account here, each by
// direct message and, for one key, once. It returns at once and goes on while Slack
// is away, for a while; what Slack does not take in the end is logged.
func (b *Bot) Inform(ctx context.Context, to []agent.ActorID, key, text string) {
	to = slices.Clone(to)
	b.longer(ctx, "notice to people", func(ctx context.Context) error {
		if err := b.introduce(ctx); err != nil {
			return err
		}
		var failed []error
		for _, id := range to {
			user, ours := userOf(id)
			if !ours || id != ActorID(b.people.team(), user) {
				continue
			}
			dm, err := b.people.dm(ctx, user)
			if err == nil {
				_, err = b.post.once(ctx, post{channel: dm, key: key + "/" + user, text: escape(text)})
			}
			failed = append(failed, err)
		}
		return errors.Join(failed...)
	})
}
