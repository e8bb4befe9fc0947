package slack

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/slack-go/slack"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/agent/delivery"
	"github.com/sous-hq/sous/agent/install"
)

// A token lives for twelve hours and is renewed two before it ends
// (docs.slack.dev/authentication/using-token-rotation). A refresh token is good once,
// so among replicas one renews: who has the lease, for as long as that takes.
const (
	renewAhead  = 2 * time.Hour
	renewWithin = time.Minute
	renewAbout  = "token"
)

// renewDue renews the tokens that end soon.
func (f *Fleet) renewDue(ctx context.Context) {
	f.renewing.Lock()
	defer f.renewing.Unlock()
	for _, t := range f.Installed.tenants() {
		if !t.Due(f.Bot.Clock(), renewAhead) {
			continue
		}
		if err := f.renew(ctx, t.Workspace); err != nil && ctx.Err() == nil {
			f.Bot.Log.WarnContext(ctx, "slack: a token is not renewed yet", slog.String("team", t.Team), slog.Time("ends", t.Expires), slog.String("why", agent.PublicText(err)))
		}
	}
}

// renew renews the token of one installation, unless another process does or did.
func (f *Fleet) renew(ctx context.Context, ws agent.WorkspaceID) error {
	if f.Bot.Holder != "" {
		is, err := f.Bot.Deliveries.Take(ctx, delivery.Front{Workspace: ws, Source: system}, delivery.Lease{About: renewAbout, Holder: f.Bot.Holder, For: renewWithin})
		if err != nil || is != delivery.Mine {
			return err
		}
		// Whoever had the lease before may have renewed it.
		if err := f.Installed.Load(ctx); err != nil {
			return err
		}
	}
	t, ok := f.Installed.tenant(ws)
	now := f.Bot.Clock()
	if !ok || !t.Due(now, renewAhead) {
		return nil
	}
	asking, cancel := context.WithTimeout(ctx, renewWithin/2)
	defer cancel()
	got, err := slack.RefreshOAuthV2TokenContext(asking, f.http, f.ClientID, f.ClientSecret, t.Refresh.Reveal(), f.apiURL())
	switch {
	case err != nil:
		return explainOAuth(err)
	case got.AccessToken == "" || got.RefreshToken == "" || got.ExpiresIn <= 0:
		return errors.New("slack: a renewed token lacks a part")
	}
	next := t.Installation
	next.Token, next.Refresh, next.Expires = install.Secret(got.AccessToken), install.Secret(got.RefreshToken), now.Add(time.Duration(got.ExpiresIn)*time.Second)
	return f.keepRenewed(ctx, next, t.Refresh)
}

// keepRenewed stores a renewed token. The one before is good for nothing any more, so
// it goes on while the store is away, a while past the end of ctx.
func (f *Fleet) keepRenewed(ctx context.Context, next install.Installation, was install.Secret) error {
	f.Installed.Put(next)
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), renewWithin)
	defer cancel()
	for pause := f.Bot.Backoff; ; pause = min(2*pause, maxPause) {
		err := f.Installs.Renew(ctx, next, was)
		switch kind := agent.KindOf(err); {
		case err == nil:
			f.Installed.Put(next)
			return nil
		case kind == agent.Conflict || kind == agent.NotFound:
			// Installed anew, or removed, while Slack answered: that counts.
			return f.Installed.Load(ctx)
		case !sleep(ctx, pause):
			return err
		}
	}
}
