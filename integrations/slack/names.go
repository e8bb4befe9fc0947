package slack

import (
	"context"
	"html"
	"regexp"
	"strings"
	"unicode"

	"github.com/slack-go/slack"
)

// markup is what Slack writes in angle brackets.
var markup = regexp.MustCompile(`<([^<>\s][^<>]*)>`)

// readable turns Slack's markup into words: people by the name the directory has
// for them, channels by name, links as addresses. What people and channels are
// called their owners chose: the words of a name are joined by no-break spaces, so
// that the gate can tell them from what was said, and outside says which of them
// come from outside the workspace, "" for none.
func (b *Bot) readable(ctx context.Context, me identity, text string) (words, outside string) {
	return b.spelled(ctx, me, text, b.ownChannel)
}

// line is readable on one line, for what counts as text from outside anyhow.
func (b *Bot) line(ctx context.Context, me identity, text string) string {
	words, _ := b.spelled(ctx, me, text, func(context.Context, string) bool { return false })
	return strings.Join(strings.Fields(words), " ")
}

// spelled is readable; own says whether a channel is the workspace's alone.
func (b *Bot) spelled(ctx context.Context, me identity, text string, own func(ctx context.Context, channel string) bool) (words, outside string) {
	text = strings.TrimSpace(strings.ReplaceAll(text, "<@"+me.user+">", ""))
	text = markup.ReplaceAllStringFunc(text, func(m string) string {
		id, label, _ := strings.Cut(m[1:len(m)-1], "|")
		switch {
		case strings.HasPrefix(id, "@"):
			name, ours := b.calledUser(ctx, id[1:], label)
			if !ours {
				outside = "the name of somebody from outside"
			}
			return name
		case strings.HasPrefix(id, "#"):
			if label != "" && !own(ctx, id[1:]) {
				outside = "the name of a channel that is shared with others"
			}
			return called("#", or(label, id[1:]))
		case strings.HasPrefix(id, "!subteam^"):
			return called("@", strings.TrimPrefix(or(label, id[1:]), "@"))
		case strings.HasPrefix(id, "!"):
			return "@" + strings.TrimPrefix(id, "!")
		}
		return id
	})
	return html.UnescapeString(text), outside
}

// calledUser is how a person is written; ours is false unless they are known to be
// of this workspace.
func (b *Bot) calledUser(ctx context.Context, user, label string) (name string, ours bool) {
	u, err := b.people.user(ctx, user)
	if err != nil {
		return called("@", or(label, user)), label == ""
	}
	home := u.TeamID == "" || u.TeamID == b.people.team()
	return called("@", nameOf(u)), home && !u.IsRestricted && !u.IsUltraRestricted && !u.IsStranger
}

// called writes a name behind its sign as one piece.
func called(sign, name string) string {
	parts := strings.FieldsFunc(html.UnescapeString(name), func(r rune) bool {
		return !unicode.In(r, unicode.L, unicode.M, unicode.N) && !strings.ContainsRune("._’'-", r)
	})
	if len(parts) == 0 {
		return sign + "somebody"
	}
	return sign + strings.Join(parts, "\u00a0")
}

// ownChannel reports whether a channel is known to be this workspace's alone.
func (b *Bot) ownChannel(ctx context.Context, channel string) bool {
	c, err := ask(ctx, b.people, "channel "+channel, func(ctx context.Context) (*slack.Channel, error) {
		return b.people.api.GetConversationInfoContext(ctx, &slack.GetConversationInfoInput{ChannelID: channel})
	}, func(*slack.Channel) {})
	return err == nil && !c.IsExtShared && !c.IsPendingExtShared && !c.IsShared && !c.IsOrgShared && !c.IsGlobalShared
}
