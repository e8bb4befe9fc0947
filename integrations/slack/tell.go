package slack

import (
	"context"
	"errors"

	"github.com/sous-hq/sous/agent"
)

// Notice is something to tell people of one workspace by direct message.
type Notice struct {
	Workspace agent.WorkspaceID
	// To are who is told, as far as they have an account here.
	To []agent.ActorID
	// Key names it: each person is told once.
	Key, Text string
}

// Inform tells of a notice. It returns at once and goes on while Slack is away, for
// a while; what Slack does not take in the end is logged.
func (b *Bot) Inform(ctx context.Context, n Notice) {
	b.longer(ctx, "notice to people", func(ctx context.Context) error {
		if err := b.introduce(ctx); err != nil || n.Workspace != b.workspace() {
			return err
		}
		var failed []error
		for _, id := range n.To {
			user, ours := userOf(id)
			if !ours || id != ActorID(b.people.team(), user) {
				continue
			}
			dm, err := b.people.dm(ctx, user)
			if err == nil {
				_, err = b.post.once(ctx, post{channel: dm, key: n.Key + "/" + user, text: escape(n.Text)})
			}
			failed = append(failed, err)
		}
		return errors.Join(failed...)
	})
}

// Inform tells of a notice in the workspace it is for, when the app is installed
// there.
func (f *Fleet) Inform(ctx context.Context, n Notice) {
	f.mu.Lock()
	b := f.bots[n.Workspace]
	f.mu.Unlock()
	if b != nil {
		b.bot.Inform(ctx, n)
	}
}
