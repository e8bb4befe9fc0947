package slack

import (
	"context"

	"github.com/slack-go/slack"
	"golang.org/x/sync/errgroup"

	"github.com/sous-hq/sous/agent"
)

// How much of a channel is looked at to say who reads it. A larger one counts as
// open to outsiders, which is the safe mistake.
const (
	maxMembers = 2000
	maxChecked = 100
)

// Place returns who sees a channel. Slack has the word; when it does not say in
// time the place counts as open to everybody, so that nothing is told there that
// not everybody may know.
func (d *Directory) Place(ctx context.Context, channel, kind, user string) agent.Place {
	p, err := d.place(ctx, channel, kind, user)
	if err != nil {
		return agent.Place{ID: p.ID, Kind: agent.Shared}
	}
	return p
}

// place is Place for who can wait: that Slack does not say now is an error of kind
// Unavailable, for which the place has its id alone. Where Slack says no, the place
// counts as open to everybody.
func (d *Directory) place(ctx context.Context, channel, kind, user string) (agent.Place, error) {
	me, err := d.self(ctx)
	id := "slack:" + me.team + ":" + channel
	if err != nil {
		return agent.Place{ID: id}, err
	}
	if kind == "im" {
		// The signed event says so, and nobody joins a direct message.
		return agent.Place{ID: id, Kind: agent.DM, Members: []agent.ActorID{ActorID(d.team(), user)}}, nil
	}
	now := d.clock()
	d.mu.Lock()
	had, ok := d.places[channel]
	d.mu.Unlock()
	if ok && now.Sub(had.at) < d.fresh {
		return had.Place, nil
	}
	p, err := ask(ctx, d, "place "+channel, func(ctx context.Context) (agent.Place, error) {
		p, err := d.lookUp(ctx, channel, user)
		p.ID = id
		return p, err
	}, func(p agent.Place) {
		if p.Kind != agent.DM {
			d.places[channel] = knownPlace{p, now}
		}
	})
	switch {
	case isRefused(err):
		return agent.Place{ID: id, Kind: agent.Shared}, nil
	case err != nil:
		return agent.Place{ID: id}, agent.WrapError(agent.Unavailable, err, "Slack does not say who reads this")
	}
	return p, nil
}

func (d *Directory) lookUp(ctx context.Context, channel, user string) (agent.Place, error) {
	// Nearly always both are needed.
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var members []string
	var g errgroup.Group
	g.Go(func() (err error) {
		members, err = d.members(ctx, channel)
		return err
	})
	c, err := d.api.GetConversationInfoContext(ctx, &slack.GetConversationInfoInput{ChannelID: channel, IncludeNumMembers: true})
	switch {
	case err != nil:
		return agent.Place{}, err
	case c.IsIM:
		return agent.Place{Kind: agent.DM, Members: []agent.ActorID{ActorID(d.team(), user)}}, nil
	case c.IsExtShared || c.IsPendingExtShared, d.org == "" && (c.IsShared || c.IsOrgShared || c.IsGlobalShared):
		return agent.Place{Kind: agent.Shared}, nil
	}
	if err := g.Wait(); err != nil {
		return agent.Place{}, err
	}
	open, err := d.outsiders(ctx, members)
	switch {
	case err != nil:
		return agent.Place{}, err
	case open:
		return agent.Place{Kind: agent.Shared}, nil
	case !c.IsPrivate && !c.IsMpIM:
		return agent.Place{Kind: agent.Public}, nil
	}
	p := agent.Place{Kind: agent.Private}
	for _, m := range members {
		p.Members = append(p.Members, ActorID(d.team(), m))
	}
	return p, nil
}

func (d *Directory) members(ctx context.Context, channel string) ([]string, error) {
	var all []string
	for cursor := ""; ; {
		some, next, err := d.api.GetUsersInConversationContext(ctx, &slack.GetUsersInConversationParameters{ChannelID: channel, Cursor: cursor, Limit: 999})
		if err != nil {
			return nil, err
		}
		if all = append(all, some...); next == "" || len(all) > maxMembers {
			return all, nil
		}
		cursor = next
	}
}

// outsiders reports whether a guest or somebody of another workspace is among the
// members, or might be. That Slack does not say now is an error.
func (d *Directory) outsiders(ctx context.Context, members []string) (bool, error) {
	if len(members) > maxChecked {
		return true, nil
	}
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(8)
	for _, m := range members {
		g.Go(func() error {
			u, err := d.user(ctx, m)
			switch {
			case err != nil:
				return err
			case u.IsBot || u.Deleted:
				return nil
			case u.IsRestricted || u.IsUltraRestricted || d.outside(u):
				return agent.Errorf(agent.Forbidden, "%s is no full member", m)
			}
			return nil
		})
	}
	err := g.Wait()
	if agent.KindOf(err) == agent.Unavailable {
		return false, err
	}
	return err != nil, nil
}
