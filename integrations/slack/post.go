package slack

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"sync"
	"time"

	"github.com/slack-go/slack"

	"github.com/sous-hq/sous/agent"
)

// maxPause is the longest pause between two tries.
const maxPause = 30 * time.Second

// verdict is what an error of Slack means for another try.
type verdict int

const (
	// refused: Slack said no, and would again.
	refused verdict = iota
	// limitedRate: too many; nothing happened.
	limitedRate
	// unsure: it may have happened.
	unsure
	// expelled: the app or its token is no longer good, whatever is asked.
	expelled
)

// judge says what an error means, and how long to wait before another try.
func judge(err error) (verdict, time.Duration) {
	var rate *slack.RateLimitedError
	var said slack.SlackErrorResponse
	var status slack.StatusCodeError
	switch {
	case errors.As(err, &rate):
		return limitedRate, max(rate.RetryAfter, 10*time.Millisecond)
	case errors.As(err, &said):
		switch said.Err {
		case "ratelimited", "rate_limited", "message_limit_exceeded":
			return limitedRate, time.Second
		case "invalid_auth", "not_authed", "account_inactive", "token_revoked", "token_expired", "app_uninstalled":
			return expelled, 0
		case "internal_error", "fatal_error", "service_unavailable", "request_timeout", "accesslimited":
			return unsure, 0
		}
		return refused, 0
	case errors.As(err, &status) && status.Code < 500:
		return refused, 0
	}
	return unsure, 0
}

// isRefused reports whether Slack said no, and would again.
func isRefused(err error) bool {
	why, _ := judge(err)
	return err != nil && why == refused
}

// code is Slack's word for an error, "" when it has none.
func code(err error) string {
	var said slack.SlackErrorResponse
	if errors.As(err, &said) {
		return said.Err
	}
	return ""
}

// keyName and keyType are how a post carries its key.
const (
	keyType = "sous_post"
	keyName = "key"
)

func keyed(key string) slack.MsgOption {
	return slack.MsgOptionMetadata(slack.SlackMetadata{EventType: keyType, EventPayload: map[string]any{keyName: key}})
}

// post is one message to be posted once.
type post struct {
	channel, thread, key, text string
	blocks                     []slack.Block
	// simple are blocks for a Slack that does not take these.
	simple []slack.Block
}

func (m post) options() []slack.MsgOption {
	o := []slack.MsgOption{
		slack.MsgOptionText(m.text, false), slack.MsgOptionDisableLinkUnfurl(), slack.MsgOptionDisableMediaUnfurl(),
	}
	if len(m.blocks) > 0 {
		o = append(o, slack.MsgOptionBlocks(m.blocks...))
	}
	if m.thread != "" {
		o = append(o, slack.MsgOptionTS(m.thread))
	}
	return append(o, keyed(m.key))
}

// poster posts each message once: the key goes with it, and where it is not sure
// whether a post arrived it is looked for before it is repeated.
type poster struct {
	api           *slack.Client
	clock         func() time.Time
	pace, backoff time.Duration
	log           *slog.Logger
	// shut hears that the app's token is no longer good.
	shut func(error)
	// awake is an error when others may go on with what ctx is for; see Bot.awake.
	awake func(ctx context.Context) error

	mu sync.Mutex
	// rested is when a channel will have rested from all posts: one a pace, some of
	// them together.
	rested map[string]time.Time
}

// once posts the message and returns its time stamp. It goes on while Slack is
// away; an error means that Slack refuses it, or that ctx is done.
func (p *poster) once(ctx context.Context, m post) (string, error) {
	for pause := p.backoff; ; pause = min(2*pause, maxPause) {
		if !p.wait(ctx, m.channel) {
			return "", ctx.Err()
		}
		if err := p.awake(ctx); err != nil {
			return "", err
		}
		_, ts, err := p.api.PostMessageContext(ctx, m.channel, m.options()...)
		if err == nil {
			return ts, nil
		}
		if ctx.Err() != nil {
			return "", ctx.Err()
		}
		why, after := judge(err)
		switch {
		case why == refused && len(m.blocks) > 0 && code(err) == "invalid_blocks":
			p.log.WarnContext(ctx, "slack: blocks were refused, plainer ones go", slog.String("key", m.key), slog.Int("blocks", len(m.simple)))
			m.blocks, m.simple = m.simple, nil
			continue
		case why == expelled:
			p.shut(err)
			return "", err
		case why == refused:
			return "", err
		case why == limitedRate:
			p.tire(m.channel, after)
			continue
		}
		p.log.WarnContext(ctx, "slack: a post may not have arrived", slog.Any("err", err))
		if !sleep(ctx, pause) {
			return "", ctx.Err()
		}
		found, err := p.find(ctx, m.channel, m.thread)
		if err != nil {
			return "", err
		}
		if ts := found[m.key]; ts != "" {
			return ts, nil
		}
	}
}

// maxResting is of how many channels it is known when they were posted to.
const maxResting = 4096

// together is how many posts to a channel may follow each other without a pause: Slack
// takes one a second "and short bursts" (docs.slack.dev/apis/web-api/rate-limits) and
// does not say how short. What comes after a card is pressed does not wait for the card.
const together = 3

// wait holds a post back until its channel has rested from those before it (the
// generic cell rate algorithm, ITU-T I.371).
func (p *poster) wait(ctx context.Context, channel string) bool {
	p.mu.Lock()
	now := p.clock()
	rested := p.rested[channel]
	if rested.Before(now) {
		rested = now
	}
	if len(p.rested) > maxResting {
		maps.DeleteFunc(p.rested, func(_ string, at time.Time) bool { return at.Before(now) })
	}
	p.rested[channel] = rested.Add(p.pace)
	p.mu.Unlock()
	if at := rested.Add(-(together - 1) * p.pace); at.After(now) {
		return sleep(ctx, at.Sub(now))
	}
	return ctx.Err() == nil
}

// tire says that Slack takes no post to a channel for a time, and then one.
func (p *poster) tire(channel string, rest time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if at := p.clock().Add(rest + (together-1)*p.pace); at.After(p.rested[channel]) {
		p.rested[channel] = at
	}
}

// again repeats a call that may be repeated, while Slack is away.
func (p *poster) again(ctx context.Context, f func() error) error {
	for pause := p.backoff; ; pause = min(2*pause, maxPause) {
		if err := p.awake(ctx); err != nil {
			return err
		}
		err := f()
		if err == nil || ctx.Err() != nil {
			return err
		}
		why, after := judge(err)
		switch why {
		case expelled:
			p.shut(err)
			return err
		case refused:
			return err
		case limitedRate, unsure:
		}
		if why == unsure {
			after = pause
		}
		if !sleep(ctx, after) {
			return ctx.Err()
		}
	}
}

// update replaces a message of ours.
func (p *poster) update(ctx context.Context, channel, ts string, m post) error {
	err := p.replace(ctx, channel, ts, m)
	for len(m.blocks) > 0 && code(err) == "invalid_blocks" {
		p.log.WarnContext(ctx, "slack: blocks were refused, plainer ones go", slog.String("key", m.key), slog.Int("blocks", len(m.simple)))
		m.blocks, m.simple = m.simple, nil
		err = p.replace(ctx, channel, ts, m)
	}
	return err
}

func (p *poster) replace(ctx context.Context, channel, ts string, m post) error {
	if m.blocks == nil {
		// Blocks that are left out stay; an empty list takes them away.
		m.blocks = []slack.Block{}
	}
	o := []slack.MsgOption{slack.MsgOptionText(m.text, false), slack.MsgOptionBlocks(m.blocks...)}
	return p.again(ctx, func() error {
		_, _, _, err := p.api.UpdateMessageContext(ctx, channel, ts, append(o, keyed(m.key))...)
		return err
	})
}

// strayKey is the key under which find lists a message of ours without one: a stream
// that is being written, or what is left of one.
const strayKey = "stray/"

// find returns the time stamps of our messages in a thread, or in the newest of a
// channel, by key.
func (p *poster) find(ctx context.Context, channel, thread string) (map[string]string, error) {
	found := map[string]string{}
	for cursor := ""; ; {
		var some []slack.Message
		next := ""
		err := p.again(ctx, func() error {
			var err error
			if thread == "" {
				var got *slack.GetConversationHistoryResponse
				got, err = p.api.GetConversationHistoryContext(ctx, &slack.GetConversationHistoryParameters{ChannelID: channel, Limit: 100, IncludeAllMetadata: true})
				if err == nil {
					some = got.Messages
				}
				return err
			}
			some, _, next, err = p.api.GetConversationRepliesContext(ctx, &slack.GetConversationRepliesParameters{ChannelID: channel, Timestamp: thread, Cursor: cursor, Limit: 200, IncludeAllMetadata: true})
			return err
		})
		if err != nil {
			if why, _ := judge(err); why == refused && ctx.Err() == nil {
				return nil, agent.WrapError(agent.Forbidden, err, "Slack does not show what was posted")
			}
			return nil, err
		}
		for _, m := range some {
			if m.BotID == "" {
				continue
			}
			if key, ok := m.Metadata.EventPayload[keyName].(string); ok && m.Metadata.EventType == keyType {
				found[key] = m.Timestamp
			} else {
				found[strayKey+m.Timestamp] = m.Timestamp
			}
		}
		if cursor = next; next == "" {
			return found, nil
		}
	}
}

// notice posts something about a request that made no turn, once.
func (b *Bot) notice(ctx context.Context, at where, id, text string) {
	b.later(ctx, "notice", func(ctx context.Context) error {
		found, err := b.post.find(ctx, at.channel, at.thread())
		if err != nil || found["notice/"+id] != "" {
			return err
		}
		_, err = b.post.once(ctx, post{channel: at.channel, thread: at.thread(), key: "notice/" + id, text: escape(text)})
		return err
	})
}

// tell shows something to one person alone; to whoever is not in the channel as a
// direct message.
func (b *Bot) tell(ctx context.Context, channel, thread, user, text string) {
	b.later(ctx, "note to a person", func(ctx context.Context) error {
		o := []slack.MsgOption{slack.MsgOptionText(escape(text), false)}
		if thread != "" {
			o = append(o, slack.MsgOptionTS(thread))
		}
		err := errors.New("no channel")
		if channel != "" {
			err = b.post.again(ctx, func() error {
				_, err := b.api.PostEphemeralContext(ctx, channel, user, o...)
				return err
			})
		}
		if err == nil || ctx.Err() != nil {
			return err
		}
		dm, err := b.people.dm(ctx, user)
		if err != nil {
			return err
		}
		return b.post.again(ctx, func() error {
			_, _, err := b.api.PostMessageContext(ctx, dm, slack.MsgOptionText(escape(text), false))
			return err
		})
	})
}
