package slack

import (
	"context"
	"slices"
	"strings"

	"github.com/slack-go/slack"

	"github.com/sous-hq/sous/agent/loop"
)

// maxCited is how many sources an answer names with a link.
const maxCited = 5

// cited names what an answer rests on that was said in Slack, each with a link to the
// message; "" when there is nothing of the kind. Slack opens a message for whoever is
// in its channel, so a link tells nobody more than they may read.
func (s *show) cited(ctx context.Context, v loop.View) string {
	if s.Cited == nil {
		return ""
	}
	if len(v.AnswerLabel.Sources) == 0 {
		return ""
	}
	sources := s.Cited(ctx, s.turn.Actor, v.Answer, v.AnswerLabel.Sources)
	var links []string
	for _, citation := range v.AnswerLabel.Sources {
		if len(links) == maxCited {
			break
		}
		link := s.linkTo(ctx, sources[citation])
		if link == "" {
			continue
		}
		link = "<" + escape(link) + "|" + strings.ReplaceAll(escape(clip(oneLine(visible(citation)), 120)), "|", "/") + ">"
		if !slices.Contains(links, link) {
			links = append(links, link)
		}
	}
	if len(links) == 0 {
		return ""
	}
	return "\n_From_ " + strings.Join(links, " · ")
}

// linkTo is the address of the message that a source names: the one that asked for a
// turn, or the first of a thread. "" is a source of another kind, or of elsewhere.
func (s *show) linkTo(ctx context.Context, source string) string {
	kind, id, _ := strings.Cut(source, ":")
	at, ours := whereOf(id)
	if kind != "turn" && kind != "thread" || !ours || at.team != s.at.team {
		return ""
	}
	// What was asked anew after an edit has the same message.
	at.root, _, _ = strings.Cut(at.root, "-")
	if at.thread() == "" {
		return ""
	}
	url, err := s.api.GetPermalinkContext(ctx, &slack.PermalinkParameters{Channel: at.channel, Ts: at.root})
	if err != nil {
		return ""
	}
	return url
}
