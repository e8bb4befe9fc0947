package slack

import (
	"context"
	"fmt"
	"log/slog"
	"strings"

	"github.com/slack-go/slack"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/agent/approval"
	"github.com/sous-hq/sous/agent/loop"
)

// approvals posts a card for each approval, and keeps those that are posted true.
func (s *show) approvals(ctx context.Context, v loop.View) error {
	var open []approval.Approval
	for _, a := range v.Approvals {
		if a.State == approval.Asked {
			open = append(open, a)
		}
		if err := s.card(ctx, a); err != nil {
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
	look := fmt.Sprintf("%s %d %d %d", a.State, len(a.Votes), a.Stage, len(a.Notes))
	key := "card/" + a.ID
	full := s.turn.ID + "/" + key
	if s.looks[a.ID] == look {
		return nil
	}
	blocks, text := Card(a), cardText(a)
	if s.looks[a.ID] == "" && s.posted[full] == "" {
		if a.State != approval.Asked {
			return nil
		}
		if err := s.once(ctx, key, text, blocks); err != nil {
			return err
		}
		s.looks[a.ID] = look
		s.cards[a.ID] = append(s.cards[a.ID], place{s.at.channel, s.posted[full], full})
		return s.inform(ctx, a, blocks, text)
	}
	if s.looks[a.ID] == "" {
		s.cards[a.ID] = append(s.cards[a.ID], place{s.at.channel, s.posted[full], full})
		if err := s.inform(ctx, a, blocks, text); err != nil {
			return err
		}
	}
	s.looks[a.ID] = look
	for _, c := range s.cards[a.ID] {
		if err := s.settle(s.post.update(ctx, c.channel, c.ts, post{key: c.key, text: text, blocks: blocks})); err != nil {
			return err
		}
	}
	return nil
}

// maxInformed is how many approvers get a direct message.
const maxInformed = 10

// inform sends the card to those whose groups decide, by direct message.
func (s *show) inform(ctx context.Context, a approval.Approval, blocks []slack.Block, text string) error {
	if a.Kind == approval.ByRequester {
		return nil
	}
	sent := 0
	for _, g := range a.Groups() {
		members, err := s.people.Members(ctx, a.Workspace, g)
		if err != nil {
			return err
		}
		for _, m := range members {
			user, ok := userOf(m.ID)
			if !ok || !m.Active || !a.Waits(m.Actor, s.Clock()) && a.State == approval.Asked || sent >= maxInformed {
				continue
			}
			sent++
			if err := s.hand(ctx, a, user, blocks, text); err != nil {
				return err
			}
		}
	}
	return nil
}

// hand posts a card to one person.
func (s *show) hand(ctx context.Context, a approval.Approval, user string, blocks []slack.Block, text string) error {
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
		if ts, err = s.post.once(ctx, post{channel: dm, key: key, text: text, blocks: blocks}); err != nil {
			return s.settle(err)
		}
		s.noted(key, place{dm, ts, key})
	}
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
