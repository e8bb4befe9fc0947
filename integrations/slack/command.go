package slack

import (
	"context"
	"fmt"
	"regexp"
	"strings"

	"github.com/slack-go/slack"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/agent/loop"
)

const commandHelp = "*What I understand here*\n" +
	"• `/sous ask …` – ask me anything; I answer in our direct messages\n" +
	"• `/sous summarize #channel since Monday` – minutes of what was said there\n" +
	"• `/sous approvals` – what waits for your decision\n" +
	"• `/sous forget …` – what I should no longer remember\n" +
	"• `/sous status` – how I am\n" +
	"Mention me in a channel or a thread, or drop a transcript in our direct messages."

// said is the answer to a command that its sender alone sees.
func said(text string) map[string]any {
	return map[string]any{"response_type": "ephemeral", "text": text}
}

// command takes a slash command in. The answer goes into the acknowledgement.
func (b *Bot) command(ctx context.Context, body []byte) (any, error) {
	c, err := parseCommand(body)
	if err != nil {
		return nil, err
	}
	me, err := b.self(ctx)
	if err != nil {
		return nil, err
	}
	if c.TeamID != me.team || c.UserID == "" || c.TriggerID == "" {
		return said("This app is not of your workspace."), nil
	}
	by := b.people.Actor(ctx, "", c.UserID)
	word, rest, _ := strings.Cut(strings.TrimSpace(c.Text), " ")
	rest = strings.TrimSpace(rest)
	switch strings.ToLower(word) {
	case "ask":
		return b.ask(ctx, me, by, c, rest, nil)
	case "forget":
		return b.ask(ctx, me, by, c, "Forget "+rest, nil)
	case "summarize", "summarise", "minutes":
		return b.summarise(ctx, me, by, c, rest)
	case "approvals":
		return b.waiting(ctx, by)
	case "status":
		return said(escape(or(b.Status(), "I am well."))), nil
	case "", "help":
		return said(commandHelp), nil
	}
	return b.ask(ctx, me, by, c, strings.TrimSpace(c.Text), nil)
}

// ask makes a turn of a command. It is answered in the direct messages, because a
// command has no message that others could see the answer under.
func (b *Bot) ask(ctx context.Context, me identity, by agent.Actor, c slack.SlashCommand, text string, files []string) (any, error) {
	if text == "" && len(files) == 0 {
		return said(commandHelp), nil
	}
	dm, err := b.people.dm(ctx, c.UserID)
	if err != nil {
		return said(refusal(err)), nil
	}
	at := where{me.team, dm, commandRoot(c.TriggerID)}
	place := b.people.Place(ctx, dm, "im", c.UserID)
	if err := b.accept(ctx, by, at, loop.Incoming{Event: turnID(me.team, dm, at.root), Conversation: at.conversation(), Place: place, Text: text, Files: files}); err != nil {
		return nil, err
	}
	return said("I answer in our direct messages."), nil
}

// channelRef is a channel as Slack writes it into a command.
var channelRef = regexp.MustCompile(`<#([A-Z0-9]+)(?:\|[^>]*)?>`) //nolint:gochecknoglobals // a compiled pattern, never changed

// summarise reads a channel's history for somebody who is in it.
func (b *Bot) summarise(ctx context.Context, me identity, by agent.Actor, c slack.SlashCommand, text string) (any, error) {
	channel := c.ChannelID
	if m := channelRef.FindStringSubmatch(text); m != nil {
		channel = m[1]
		text = strings.Replace(text, m[0], "", 1)
	}
	members, err := b.people.members(ctx, channel)
	if err != nil {
		return said("I am not in that channel: invite me first."), nil
	}
	in := false
	for _, m := range members {
		in = in || m == c.UserID
	}
	if !in {
		return said("You are not in that channel."), nil
	}
	now := b.Clock()
	if u, err := b.people.user(ctx, c.UserID); err == nil {
		now = now.In(u.zone())
	}
	from := since(text, now)
	// Only its sender sees the answer, so that is who may read the file too.
	dm, err := b.people.dm(ctx, c.UserID)
	if err != nil {
		return said(refusal(err)), nil
	}
	f, err := b.historyFile(ctx, by, b.people.Place(ctx, dm, "im", c.UserID), channel, from)
	if err != nil {
		return said(refusal(err)), nil
	}
	return b.ask(ctx, me, by, c, fmt.Sprintf("Summarise what was said since %s", from.Format("2 January 2006 15:04")), []string{f.ID})
}

// waiting lists what waits for the person's decision.
func (b *Bot) waiting(ctx context.Context, by agent.Actor) (any, error) {
	mine, err := b.Decisions.Queue(ctx, by)
	if err != nil {
		return said(refusal(err)), nil
	}
	if len(mine) == 0 {
		return said("Nothing waits for you."), nil
	}
	var blocks []slack.Block
	for i, a := range mine {
		if len(blocks) > 35 {
			blocks = append(blocks, small(fmt.Sprintf("%d more; the home tab lists them.", len(mine)-i)))
			break
		}
		blocks = append(blocks, homeItem(a, true)...)
	}
	answer := said(fmt.Sprintf("%d approvals wait for you.", len(mine)))
	answer["blocks"] = blocks
	return answer, nil
}
