package slack

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/agent/approval"
	"github.com/sous-hq/sous/agent/loop"
	"github.com/sous-hq/sous/agent/people"
)

// approvals posts a card for each approval, and keeps those that are posted true.
func (s *show) approvals(ctx context.Context, v loop.View) error {
	var open []approval.Approval
	changed := false
	for _, a := range v.Approvals {
		if a.State == approval.Asked {
			open = append(open, a)
		}
		was := s.looks[a.ID]
		if err := s.card(ctx, a); err != nil {
			return err
		}
		changed = changed || was != "" && was != s.looks[a.ID]
	}
	if changed && len(v.Approvals) > 1 {
		// A card for all of them may stand there that nobody came to note.
		if err := s.lookUp(ctx); err != nil {
			return err
		}
	}
	key := ""
	// Before the turn waits, more may be asked.
	if len(open) > 1 && v.Status == agent.TurnWaiting {
		key = s.turn.ID + "/all/" + v.Approvals[len(v.Approvals)-1].ID
	}
	if err := s.closeAll(ctx, key); err != nil || key == "" {
		return err
	}
	var ids []string
	for _, a := range open {
		if _, whole := argumentBlocks(a); whole {
			ids = append(ids, a.ID)
		}
	}
	if len(ids) < 2 {
		return nil
	}
	return s.once(ctx, strings.TrimPrefix(key, s.turn.ID+"/"), fmt.Sprintf("%d actions wait for a decision", len(ids)), allBlocks(ids))
}

// closeAll takes the button off each card for all but the one that still stands.
func (s *show) closeAll(ctx context.Context, stands string) error {
	for key, ts := range s.posted {
		if !strings.HasPrefix(key, s.turn.ID+"/all/") || key == stands || s.looks[key] != "" {
			continue
		}
		s.looks[key] = "closed"
		if err := s.settle(s.post.update(ctx, s.at.channel, ts, post{key: key, text: "All of these have been decided, or are asked anew below."})); err != nil {
			return err
		}
		s.shown(key, "closed")
	}
	return nil
}

// settle takes no for an answer where a card cannot be changed any more.
func (s *show) settle(err error) error {
	if err == nil {
		return nil
	}
	if why, _ := judge(err); why == refused {
		return nil
	}
	return err
}

func (s *show) card(ctx context.Context, a approval.Approval) error {
	look := fmt.Sprintf("%s %d %d %d %d", a.State, len(a.Votes), a.Stage, len(a.Notes), len(a.Handed))
	key := "card/" + a.ID
	full := s.turn.ID + "/" + key
	if s.looks[a.ID] == look {
		return nil
	}
	m := post{text: cardText(a), blocks: Card(a), simple: nil}
	if users := s.deciders(ctx, a); len(users) > 0 {
		m.blocks, m.simple = Card(a, users...), m.blocks
	}
	absent := false
	if s.looks[a.ID] == "" {
		var err error
		if absent, err = s.missing(ctx, full); err != nil {
			return err
		}
	}
	if absent {
		if a.State != approval.Asked {
			return nil
		}
		if err := s.put(ctx, key, m); err != nil {
			return err
		}
		s.looks[a.ID] = look
		s.cards[a.ID] = append(s.cards[a.ID], place{s.at.channel, s.posted[full], full})
		if err := s.inform(ctx, a, m); err != nil {
			return err
		}
		s.shown(a.ID, look)
		return nil
	}
	if s.looks[a.ID] == "" {
		here := place{s.at.channel, s.posted[full], full}
		s.cards[a.ID] = append(s.cards[a.ID], here)
		// Whoever posted it may not have come to that.
		s.noted(full, here)
		if err := s.inform(ctx, a, m); err != nil {
			return err
		}
	}
	s.looks[a.ID] = look
	for _, c := range s.cards[a.ID] {
		m.key = c.key
		if err := s.settle(s.post.update(ctx, c.channel, c.ts, m)); err != nil {
			return err
		}
	}
	s.shown(a.ID, look)
	return nil
}

// maxSeers is for how many people's eyes a button is at most; with more it is for
// everybody's.
const maxSeers = 50

// deciders are the accounts that may decide an open approval; none when that is not
// a matter of who is listed somewhere.
func (s *show) deciders(ctx context.Context, a approval.Approval) []string {
	if a.State != approval.Asked {
		return nil
	}
	if a.Kind == approval.ByRequester {
		if user, ok := userOf(a.Call.Actor.ID); ok {
			return []string{user}
		}
		return nil
	}
	members, err := s.groupsOf(ctx, a)
	if err != nil {
		return nil
	}
	var all []string
	for _, m := range members {
		if user, ok := userOf(m.ID); ok && m.Active && a.MayDecide(m.Actor) == nil {
			all = append(all, user)
		}
	}
	for _, d := range a.Handed {
		if user, ok := userOf(d.To); ok {
			all = append(all, user)
		}
	}
	slices.Sort(all)
	if all = slices.Compact(all); len(all) > maxSeers {
		return nil
	}
	return all
}

// groupsOf are the people of the groups that decide, by the directory that is asked
// when one of them does.
func (s *show) groupsOf(ctx context.Context, a approval.Approval) ([]people.Person, error) {
	var all []people.Person
	for _, g := range a.Groups() {
		members, err := s.Everybody.Members(ctx, a.Workspace, g)
		if err != nil {
			return nil, err
		}
		all = append(all, members...)
	}
	return all, nil
}

// maxInformed is how many approvers get a direct message.
const maxInformed = 10

// inform sends the card to those whose groups decide, by direct message.
func (s *show) inform(ctx context.Context, a approval.Approval, m post) error {
	if a.Kind == approval.ByRequester {
		return nil
	}
	members, err := s.groupsOf(ctx, a)
	if err != nil {
		return err
	}
	sent := map[string]bool{}
	for _, p := range members {
		user, ok := userOf(p.ID)
		if !ok || sent[user] || !p.Active || !a.Waits(p.Actor, s.Clock()) && a.State == approval.Asked || len(sent) >= maxInformed {
			continue
		}
		sent[user] = true
		if err := s.hand(ctx, a, user, m); err != nil {
			return err
		}
	}
	return nil
}

// hand posts a card to one person.
func (s *show) hand(ctx context.Context, a approval.Approval, user string, m post) error {
	dm, err := s.people.dm(ctx, user)
	if isRefused(err) {
		s.Log.WarnContext(ctx, "slack: an approver is not informed", slog.String("approval", a.ID), slog.Any("err", err))
		return nil
	}
	if err != nil {
		return err
	}
	if dm == s.at.channel {
		return nil
	}
	key, ts := s.turn.ID+"/card/"+a.ID+"/"+user, ""
	if s.again {
		if ts, err = s.sent(ctx, dm, key); err != nil {
			return err
		}
	}
	if ts == "" {
		if a.State != approval.Asked {
			return nil
		}
		if ts, err = s.post.once(ctx, post{channel: dm, key: key, text: m.text, blocks: m.blocks, simple: m.simple}); err != nil {
			return s.settle(err)
		}
	}
	s.noted(key, place{dm, ts, key})
	s.cards[a.ID] = append(s.cards[a.ID], place{dm, ts, key})
	return nil
}

// sent looks for a post in somebody's direct messages.
func (s *show) sent(ctx context.Context, dm, key string) (string, error) {
	noted, err := s.Deliveries.Posts(ctx, s.front(), s.turn.ID)
	if err != nil {
		return "", err
	}
	for _, p := range noted {
		if p.Key == key && p.Place == dm {
			return p.Ref, nil
		}
	}
	found, err := s.post.find(ctx, dm, "")
	return found[key], err
}
