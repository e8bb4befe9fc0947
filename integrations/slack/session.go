package slack

import (
	"context"
	"log/slog"
	"strings"

	"github.com/slack-go/slack"
)

// maxTitle is how long a thread is called in the agent's list of sessions; Slack
// takes 200 characters.
const maxTitle = 80

// session moves the agent session of the thread: processing while Sous works,
// suspended while it waits for a person, active when it can be asked again. With it
// Slack shows a stop button and lists the thread under the words it began with
// (docs.slack.dev/ai/agent-sessions). It is a hint, so it is tried once.
func (s *show) session(ctx context.Context, status string) {
	if s.at.thread() == "" || status == s.stage || s.quick && status == slack.AgentSessionStatusProcessing || s.awake(ctx) != nil {
		return
	}
	first := s.stage == ""
	if status == slack.AgentSessionStatusSuspended || s.stage == slack.AgentSessionStatusSuspended {
		s.shown(lookSession, status)
	}
	s.stage = status
	if s.plainApp.Load() {
		if first {
			s.title(ctx)
		}
		return
	}
	p := slack.AgentSessionSetStatusParameters{Status: status, ChannelID: s.at.channel, ThreadTS: s.at.thread(), InitiatorUserID: s.actor}
	p.Title = clip(oneLine(visible(s.asked(ctx))), maxTitle)
	_, err := s.api.SetAgentSessionStatusContext(ctx, p)
	switch code(err) {
	case "":
	case "unknown_method", "not_allowed_token_type", "missing_scope", "feature_not_enabled", "not_an_agent", "app_not_agent":
		// This app is none of Slack's agents, and will not be before the next start.
		s.plainApp.Store(true)
		s.title(ctx)
	}
	if err != nil {
		s.Log.DebugContext(ctx, "slack: no agent session", slog.Any("err", err))
	}
}

// title calls a thread of direct messages after what began it, for an app that is an
// assistant of the older kind and no agent.
func (s *show) title(ctx context.Context) {
	if !strings.HasPrefix(s.at.channel, "D") || s.turn.ID != turnID(s.at.team, s.at.channel, s.at.root) {
		return
	}
	title := clip(oneLine(visible(s.asked(ctx))), maxTitle)
	if title == "" {
		return
	}
	p := slack.AssistantThreadsSetTitleParameters{ChannelID: s.at.channel, ThreadTS: s.at.thread(), Title: title}
	if err := s.api.SetAssistantThreadsTitleContext(ctx, p); err != nil {
		s.Log.DebugContext(ctx, "slack: no title", slog.Any("err", err))
	}
}

// asked is what the turn was asked, "" when that cannot be read.
func (s *show) asked(ctx context.Context) string {
	if s.said != "" {
		return s.said
	}
	all, err := s.Records.Messages(ctx, s.turn.Workspace, s.turn.Conversation, 50)
	if err != nil {
		return ""
	}
	for _, m := range all {
		if m.Turn == s.turn.ID && m.Author.ID == s.turn.Actor.ID {
			s.said = m.Text
			return m.Text
		}
	}
	return ""
}
