package slack

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/slack-go/slack"
)

// How much goes into one message, in characters. Slack takes 40,000 in a message
// and 12,000 in a stream's piece, but shows long ones badly.
const (
	maxPost   = 3800
	maxPieces = 12
	maxStream = 9000
)

// stream is the answer of a turn while it is being written. Slack closes a stream
// after five minutes, so it is closed and another begun before; where streams do
// not work the message is posted and edited. It is a preview: at the end the
// message is replaced by the answer.
type stream struct {
	*show
	text  string
	tasks []task
	// began is when the first words came; sent counts what is shown of the text.
	began time.Time
	sent  int
	// ts is the message being written, since opened; older are those before it.
	ts     string
	opened time.Time
	older  []string
	// begun are all messages that were begun as streams.
	begun   []place
	editing bool
	edited  time.Time
	broken  bool
	// quiet says that what came so far was taken back, and nothing has come since.
	quiet bool
}

func (s *stream) add(text string) {
	if s.text == "" && len(s.tasks) == 0 {
		s.began = s.Clock()
	}
	s.text += text
	s.quiet = false
}

// writes remembers that this process writes a message that has no key yet.
func (b *Bot) writes(at place) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if now := b.Clock(); now.Sub(b.swept) > keepFor {
		maps.DeleteFunc(b.written, func(_ place, since time.Time) bool { return !since.IsZero() && now.Sub(since) > keepFor })
		b.swept = now
	}
	b.written[at] = time.Time{}
}

// wrote says that messages have their keys, or are gone; kept is false when they were
// left as they were, for whoever shows the turn next.
func (b *Bot) wrote(all []place, kept bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, at := range all {
		if kept {
			b.written[at] = b.Clock()
		} else {
			delete(b.written, at)
		}
	}
}

// isWritten reports whether this process writes a message, or did so a moment ago.
func (b *Bot) isWritten(at place) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	since, is := b.written[at]
	return is && (since.IsZero() || b.Clock().Sub(since) < keepFor)
}

// live reports whether something is being written, or waits to be.
func (s *stream) live() bool {
	return !s.broken && !s.quiet && (s.ts != "" || len(s.text) > s.sent || slices.ContainsFunc(s.tasks, func(t task) bool { return !t.sent }))
}

// stable is the length of the text whose looks later words cannot change.
func stable(text string) int {
	n := strings.LastIndexAny(text, " \n") + 1
	if i := strings.LastIndexByte(text[:n], '['); i >= 0 && !strings.Contains(text[i:n], ")") {
		n = i
	}
	return n
}

// flush shows what has come since.
func (s *stream) flush(ctx context.Context) {
	if s.text == "" && len(s.tasks) == 0 || s.broken || s.quiet || s.at.thread() == "" || s.Clock().Sub(s.began) < s.StreamAfter || s.awake(ctx) != nil {
		return
	}
	if !s.editing && s.ts != "" && s.Clock().Sub(s.opened) > s.StreamFor {
		s.close(ctx)
	}
	n := stable(s.text)
	switch {
	case s.editing && n > s.sent:
		s.edit(ctx, n)
		return
	case s.editing:
		return
	}
	n = min(max(n, s.sent), s.sent+maxStream)
	if more := s.chunks(plainLinks(s.text[s.sent:n])); len(more) > 0 {
		s.grow(ctx, more, n)
	}
}

// grow adds to the stream, or begins one; n is how much of the text it shows then.
func (s *stream) grow(ctx context.Context, more []slack.StreamChunk, n int) {
	var err error
	if s.ts == "" {
		s.status = ""
		_, s.ts, err = s.api.StartStreamContext(ctx, s.at.channel, slack.MsgOptionTS(s.at.thread()), slack.MsgOptionChunks(more...),
			slack.MsgOptionTaskDisplayMode(slack.TaskDisplayModePlan), slack.MsgOptionRecipientUserID(s.actor), slack.MsgOptionRecipientTeamID(s.people.teamOf(ctx, s.actor)))
		s.opened = s.Clock()
		if s.ts != "" {
			at := place{channel: s.at.channel, ts: s.ts}
			s.begun = append(s.begun, at)
			s.writes(at)
		}
	} else {
		_, _, err = s.api.AppendStreamContext(ctx, s.at.channel, s.ts, slack.MsgOptionChunks(more...))
	}
	switch why, _ := judge(err); {
	case err == nil:
		s.sent = n
		s.tasksSent()
	case code(err) == "message_not_in_streaming_state":
		// Slack closed it; the next flush begins another.
		s.older, s.ts = append(s.older, s.ts), ""
	case why == refused:
		s.Log.InfoContext(ctx, "slack: no streaming here", slog.Any("err", err))
		s.editing = s.ts == ""
		s.broken = !s.editing
	case why == unsure && s.ts == "":
		// A stream may have begun that nobody knows of; it is swept at the end.
		s.broken = true
		s.again = true
	}
}

// edit shows the text in a message that is replaced now and then.
func (s *stream) edit(ctx context.Context, n int) {
	text := mrkdwn(s.text[:n], false)
	if text = clip(text, maxPost); text == "" || s.Clock().Sub(s.edited) < 3*s.Pace {
		return
	}
	s.edited = s.Clock()
	if s.ts == "" {
		ts, err := s.post.once(ctx, post{channel: s.at.channel, thread: s.at.thread(), key: s.turn.ID + "/answer/draft", text: text})
		if err != nil {
			s.broken = true
			return
		}
		s.ts, s.sent = ts, n
		return
	}
	if err := s.post.update(ctx, s.at.channel, s.ts, post{key: s.turn.ID + "/answer/draft", text: text}); err == nil {
		s.sent = n
	}
}

// close ends the open stream so that another can go on.
func (s *stream) close(ctx context.Context) {
	if s.ts == "" {
		return
	}
	if !s.editing {
		s.left(s.post.again(ctx, func() error {
			_, _, err := s.api.StopStreamContext(ctx, s.at.channel, s.ts)
			return err
		}))
	}
	s.older, s.ts = append(s.older, s.ts), ""
}

// left notes that something may stand in the thread that is to be swept at the end.
func (s *stream) left(err error) {
	if errors.Is(err, errAsleep) {
		s.again = true
	}
}

// reset begins anew: what was shown so far was another attempt's.
func (s *stream) reset(ctx context.Context) {
	s.drop(ctx)
	s.broken = false
}

// drop takes the preview back.
func (s *stream) drop(ctx context.Context) {
	s.close(ctx)
	for _, ts := range s.older {
		s.left(s.post.again(ctx, func() error {
			_, _, err := s.api.DeleteMessageContext(ctx, s.at.channel, ts)
			return err
		}))
	}
	s.text, s.sent, s.older = "", 0, nil
	s.forgetTasks()
	s.quiet = true
}

// finish replaces the preview by the first piece of the answer; false when there is
// no preview to replace.
func (s *stream) finish(ctx context.Context, key string, m post) (bool, error) {
	if s.posted[key] != "" {
		s.drop(ctx)
		return true, nil
	}
	if draft := s.posted[s.turn.ID+"/answer/draft"]; draft != "" && s.ts == "" {
		s.ts, s.editing = draft, true
	}
	if s.show.again || s.broken {
		found, err := s.post.find(ctx, s.at.channel, s.at.thread())
		if err != nil {
			return false, err
		}
		strays := s.adopt(found)
		if s.posted[key] != "" {
			return true, nil
		}
		s.sweepStrays(ctx, strays)
	}
	ts := s.ts
	s.close(ctx)
	if ts == "" && len(s.older) > 0 {
		ts = s.older[len(s.older)-1]
	}
	if ts == "" {
		return false, nil
	}
	if n := len(s.older); n > 0 {
		s.older = s.older[:n-1]
	}
	s.drop(ctx)
	m.key = key
	err := s.post.update(ctx, s.at.channel, ts, m)
	if why, _ := judge(err); err != nil && why == refused {
		return false, nil
	}
	if err == nil {
		s.posted[key] = ts
		s.noted(key, place{s.at.channel, ts, key})
	}
	return err == nil, err
}
