package slack

import (
	"context"
	"encoding/json"
	"log/slog"
)

// news is what changed in Slack, as processes tell each other; empty, it may be
// anything.
type news struct {
	User    string `json:"user,omitempty"`
	Channel string `json:"channel,omitempty"`
	Groups  bool   `json:"groups,omitempty"`
}

// outdated drops what was looked up before a change, here and wherever else the same
// workspace is served: Slack tells one of them.
func (b *Bot) outdated(ctx context.Context, n news) {
	b.people.drop(n)
	if b.Spread == nil {
		return
	}
	said, err := json.Marshal(n)
	if err == nil {
		err = b.Spread(ctx, string(said))
	}
	if err != nil {
		b.Log.WarnContext(ctx, "slack: other processes do not hear of a change until what they know is old", slog.Any("err", err))
	}
}

// Hear drops what another process heard is outdated; what cannot be understood
// drops everything.
func (d *Directory) Hear(said string) {
	var n news
	if json.Unmarshal([]byte(said), &n) != nil {
		n = news{}
	}
	d.drop(n)
}

func (d *Directory) drop(n news) {
	if n == (news{}) {
		d.forgetAll()
		return
	}
	d.forget(n.User, n.Channel, n.Groups)
}

// Hear is Directory.Hear for the people of every workspace.
func (i *Installed) Hear(said string) {
	for _, t := range i.tenants() {
		t.dir.Hear(said)
	}
}
