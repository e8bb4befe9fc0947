package slack

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/slack-go/slack"

	"github.com/sous-hq/sous/agent"
)

// maxRead is how many messages of a thread or channel are read.
const maxRead = 5000

// threadWords are how people ask for the minutes of where they are.
var threadWords = regexp.MustCompile(`(?i)\b(summari[sz]e|summary|minutes|recap)\b.*\b(this|the) (thread|discussion|conversation)\b`)

// keepWords are how people ask to have the thread they are in remembered.
var keepWords = regexp.MustCompile(`(?i)^\W*(?:please\s+)?(?:remember|save|keep|store)\s+(?:(?:this|the|our|whole|entire)\s+)+(?:thread|discussion|conversation)(?:\s+(?:for\s+.{1,30}|please))?[\s.!]*$`)

func asksForThread(text string) bool {
	return threadWords.MatchString(text) || keepWords.MatchString(text)
}

// channelWords are how people ask for the minutes of a channel without naming it.
var channelWords = regexp.MustCompile(`(?i)\b(summari[sz]e|summary|minutes|recap|catch me up)\b.*\b(this|the) channel\b`) //nolint:gochecknoglobals // a compiled pattern, never changed

// looks notes which channel a person has open beside the app; it is a hint, so it
// lives in memory alone.
func (b *Bot) looks(user, channel string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.looking) >= maxLooking {
		clear(b.looking)
	}
	if delete(b.looking, user); channel != "" {
		b.looking[user] = channel
	}
}

// maxLooking bounds of how many people it is known what they look at.
const maxLooking = 10_000

// channelFile stores what was said in the channel that the words mean: the one they
// were said in, or in a direct message the one the person has open.
func (b *Bot) channelFile(ctx context.Context, by agent.Actor, place agent.Place, ev inner, text string) (agent.FileRef, error) {
	user, channel := string(ev.User), string(ev.Channel)
	if ev.ChannelType == "im" {
		b.mu.Lock()
		channel = b.looking[user]
		b.mu.Unlock()
		if channel == "" {
			return agent.FileRef{}, agent.Errorf(agent.Invalid, "Which channel? Try /sous summarize #channel since Monday.")
		}
		if err := b.isIn(ctx, channel, user); err != nil {
			return agent.FileRef{}, err
		}
	}
	return b.historyFile(ctx, by, place, channel, since(text, b.localNow(ctx, user)))
}

// isIn is an error unless the person is in the channel and so is Sous.
func (b *Bot) isIn(ctx context.Context, channel, user string) error {
	me, err := b.self(ctx)
	if err != nil {
		return err
	}
	members, err := b.people.members(ctx, channel)
	switch {
	case err != nil && !isRefused(err):
		return agent.WrapError(agent.Unavailable, err, "Slack does not say who is in that channel right now; please try again.")
	case err != nil || !slices.Contains(members, me.user):
		return agent.WrapError(agent.Forbidden, err, "I am not in that channel: invite me first.")
	case !slices.Contains(members, user):
		return agent.Errorf(agent.Forbidden, "You are not in that channel.")
	}
	return nil
}

// localNow is the time in the person's own zone.
func (b *Bot) localNow(ctx context.Context, user string) time.Time {
	now := b.Clock()
	if u, err := b.people.user(ctx, user); err == nil {
		return now.In(u.zone())
	}
	return now
}

// threadFile stores what was said in a thread as a transcript.
func (b *Bot) threadFile(ctx context.Context, by agent.Actor, place agent.Place, at where) (agent.FileRef, error) {
	all, err := b.replies(ctx, at)
	if err != nil {
		return agent.FileRef{}, err
	}
	return b.transcript(ctx, by, place, "thread-"+at.root+".txt", all)
}

// replies are the messages of a thread, oldest first.
func (b *Bot) replies(ctx context.Context, at where) ([]slack.Message, error) {
	var all []slack.Message
	for cursor := ""; ; {
		some, _, next, err := b.api.GetConversationRepliesContext(ctx, &slack.GetConversationRepliesParameters{ChannelID: at.channel, Timestamp: at.root, Cursor: cursor, Limit: 200})
		if why, pause := judge(err); err != nil && why == limitedRate && sleep(ctx, pause) {
			continue
		}
		if err != nil {
			return nil, unreachable(err, "this thread")
		}
		all = append(all, some...)
		if cursor = next; next == "" || len(all) >= maxRead {
			break
		}
	}
	return all, nil
}

// historyFile stores what was said in a channel since a time.
func (b *Bot) historyFile(ctx context.Context, by agent.Actor, place agent.Place, channel string, since time.Time) (agent.FileRef, error) {
	var all []slack.Message
	for cursor := ""; ; {
		got, err := b.api.GetConversationHistoryContext(ctx, &slack.GetConversationHistoryParameters{
			ChannelID: channel, Cursor: cursor, Limit: 200, Oldest: strconv.FormatInt(since.Unix(), 10) + ".000000",
		})
		if why, pause := judge(err); err != nil && why == limitedRate && sleep(ctx, pause) {
			continue
		}
		if err != nil {
			return agent.FileRef{}, unreachable(err, "this channel; invite me first")
		}
		all = append(all, got.Messages...)
		if cursor = got.ResponseMetaData.NextCursor; cursor == "" || len(all) >= maxRead {
			break
		}
	}
	slices.Reverse(all)
	return b.transcript(ctx, by, place, "channel-"+channel+".txt", all)
}

// transcript writes messages down as a speaker and their words, a line each. What
// Sous itself said is left out.
func (b *Bot) transcript(ctx context.Context, by agent.Actor, place agent.Place, name string, all []slack.Message) (agent.FileRef, error) {
	me, err := b.self(ctx)
	if err != nil {
		return agent.FileRef{}, err
	}
	var out strings.Builder
	for _, m := range all {
		if m.User == "" || m.User == me.user || m.BotID != "" || strings.TrimSpace(m.Text) == "" {
			continue
		}
		who := m.User
		if u, err := b.people.user(ctx, m.User); err == nil {
			who = nameOf(u)
		}
		who = strings.NewReplacer(":", " ", "\n", " ").Replace(who)
		fmt.Fprintf(&out, "%s: %s\n", who, b.line(ctx, me, m.Text))
	}
	if out.Len() == 0 {
		return agent.FileRef{}, agent.Errorf(agent.Invalid, "There is nothing to summarise here.")
	}
	return b.Desk.Upload(ctx, by, place, name, "text/plain", []byte(out.String()))
}

// since reads "since Monday", "since yesterday", "since 2026-11-02" and "last 3
// days"; without any it is a day ago.
func since(text string, now time.Time) time.Time {
	words := strings.Fields(strings.ToLower(text))
	midnight := time.Date(now.Year(), now.Month(), now.Day(), 0, 0, 0, 0, now.Location())
	for i, w := range words {
		if w == "yesterday" {
			return midnight.AddDate(0, 0, -1)
		}
		if w == "today" {
			return midnight
		}
		if t, err := time.ParseInLocation("2006-01-02", w, now.Location()); err == nil {
			return t
		}
		if n, err := strconv.Atoi(w); err == nil && n > 0 && n <= 366 && i+1 < len(words) {
			switch strings.TrimSuffix(words[i+1], "s") {
			case "day":
				return midnight.AddDate(0, 0, -n)
			case "hour":
				return now.Add(-time.Duration(n) * time.Hour)
			case "week":
				return midnight.AddDate(0, 0, -7*n)
			}
		}
		for day := time.Sunday; day <= time.Saturday; day++ {
			if w == strings.ToLower(day.String()) {
				back := (int(now.Weekday()) - int(day) + 7) % 7
				return midnight.AddDate(0, 0, -back)
			}
		}
	}
	return now.AddDate(0, 0, -1)
}
