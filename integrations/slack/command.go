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
		return b.ask(ctx, by, c, rest, nil)
	case "forget":
		return b.ask(ctx, by, c, "Forget "+rest, nil)
	case "summarize", "summarise", "minutes":
		return b.summarise(ctx, by, c, rest)
	case "approvals":
		return b.waiting(ctx, by)
	case "status":
		return said(escape(or(b.Status(), "I am well."))), nil
	case "", "help":
		return said(commandHelp), nil
	}
	return b.ask(ctx, by, c, strings.TrimSpace(c.Text), nil)
}

// ask makes a turn of a command. It is answered in the direct messages, because a
// command has no message that others could see the answer under.
func (b *Bot) ask(ctx context.Context, by agent.Actor, c slack.SlashCommand, text string, files []string) (any, error) {
	if text == "" && len(files) == 0 {
		return said(commandHelp), nil
	}
	dm, err := b.people.dm(ctx, c.UserID)
	if err != nil {
		return said(refusal(err)), nil
	}
	if err := b.askIn(ctx, by, dm, c.UserID, commandRoot(c.TriggerID), text, files); err != nil {
		return nil, err
	}
	return said("I answer in our direct messages."), nil
}

// askIn makes a turn in a person's direct messages that no message began.
func (b *Bot) askIn(ctx context.Context, by agent.Actor, dm, user, root, text string, files []string) error {
	me, err := b.self(ctx)
	if err != nil {
		return err
	}
	at := where{me.team, dm, root}
	return b.accept(ctx, by, at, loop.Incoming{
		Event: turnID(me.team, dm, root), Conversation: at.conversation(), Place: b.people.Place(ctx, dm, "im", user), Text: text, Files: files,
	})
}

// channelRef is a channel as Slack writes it into a command.
var channelRef = regexp.MustCompile(`<#([A-Z0-9]+)(?:\|[^>]*)?>`)

// summarise reads a channel's history for somebody who is in it.
func (b *Bot) summarise(ctx context.Context, by agent.Actor, c slack.SlashCommand, text string) (any, error) {
	channel := c.ChannelID
	if m := channelRef.FindStringSubmatch(text); m != nil {
		channel = m[1]
		text = strings.Replace(text, m[0], "", 1)
	}
	if err := b.isIn(ctx, channel, c.UserID); err != nil {
		return said(refusal(err)), nil
	}
	from := since(text, b.localNow(ctx, c.UserID))
	// Only its sender sees the answer, so that is who may read the file too.
	dm, err := b.people.dm(ctx, c.UserID)
	if err != nil {
		return said(refusal(err)), nil
	}
	// Reading takes as long as Slack's limits want, and a command's answer cannot wait.
	b.longer(ctx, "summary of a channel", func(ctx context.Context) error {
		f, err := b.historyFile(ctx, by, b.people.Place(ctx, dm, "im", c.UserID), channel, from)
		if err == nil {
			words := fmt.Sprintf("Summarise what was said since %s", from.Format("2 January 2006 15:04"))
			err = b.askIn(ctx, by, dm, c.UserID, commandRoot(c.TriggerID), words, []string{f.ID})
		}
		if err != nil {
			b.tell(ctx, c.ChannelID, "", c.UserID, refusal(err))
		}
		return err
	})
	return said(fmt.Sprintf("I am reading <#%s> since %s. The minutes come in our direct messages.", channel, when(from))), nil
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
