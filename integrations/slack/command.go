package slack

import (
	"context"
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/slack-go/slack"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/agent/approval"
	"github.com/sous-hq/sous/agent/delivery"
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
	if !me.isHome(c.TeamID, c.EnterpriseID) || c.UserID == "" || c.TriggerID == "" {
		return said("This app is not of your workspace."), nil
	}
	by, err := b.whoIs(ctx, "", c.UserID)
	if err != nil {
		return said(refusal(err)), nil
	}
	answer := "I answer in our direct messages."
	switch word, rest := verb(c); word {
	case "approvals":
		return b.waiting(ctx, by)
	case "status":
		return said(escape(or(b.Status(), "I am well."))), nil
	case "summarize":
		channel, from, err := b.readPart(ctx, c, rest)
		if err != nil {
			return said(refusal(err)), nil
		}
		answer = fmt.Sprintf("I am reading <#%s> since %s. The minutes come in our direct messages.", channel, when(from))
	case "help":
		return said(commandHelp), nil
	}
	// Reading takes as long as Slack's limits want, and a command's answer cannot wait.
	err = b.takeIn(ctx, delivery.Delivery{ID: keptCommand + c.TriggerID, Queue: "command/" + c.UserID, Body: body})
	if err != nil {
		return nil, err
	}
	return said(answer), nil
}

// verb is what a command wants, with its words; "" is a question in plain words.
func verb(c slack.SlashCommand) (word, rest string) {
	text := strings.TrimSpace(c.Text)
	word, rest, _ = strings.Cut(text, " ")
	rest = strings.TrimSpace(rest)
	switch word = strings.ToLower(word); word {
	case "approvals", "status", "help":
		return word, rest
	case "summarize", "summarise", "minutes":
		return "summarize", rest
	case "ask", "forget":
		if rest != "" {
			return word, rest
		}
		return "help", ""
	case "":
		return "help", ""
	}
	return "", text
}

// commanded does what a command wants after its answer. It makes a turn in the
// direct messages, because a command has no message that others could see the
// answer under.
func (b *Bot) commanded(ctx context.Context, by agent.Actor, c slack.SlashCommand) error {
	err := b.commandTurn(ctx, by, c)
	if err == nil || agent.KindOf(err) == agent.Unavailable || agent.KindOf(err) == agent.Internal {
		return err
	}
	b.tell(ctx, c.ChannelID, "", c.UserID, refusal(err))
	return nil
}

func (b *Bot) commandTurn(ctx context.Context, by agent.Actor, c slack.SlashCommand) error {
	word, text := verb(c)
	dm, err := b.people.dm(ctx, c.UserID)
	if err != nil {
		return err
	}
	me, err := b.self(ctx)
	if err != nil {
		return err
	}
	var in loop.Incoming
	switch in.Text, in.Outside = b.readable(ctx, me, text); word {
	case "forget":
		in.Text = "Forget " + in.Text
	case "summarize":
		channel, from, err := b.readPart(ctx, c, text)
		if err != nil {
			return err
		}
		// Only its sender sees the answer, so that is who may read the file too.
		f, err := b.historyFile(ctx, by, b.people.Place(ctx, dm, "im", c.UserID), channel, from)
		if err != nil {
			return err
		}
		in = loop.Incoming{Text: fmt.Sprintf("Summarise what was said since %s", from.Format("2 January 2006 15:04")), Files: []string{f.ID}}
	}
	return b.askIn(ctx, by, where{me.team, dm, commandRoot(c.TriggerID)}, in)
}

// askIn makes a turn in a person's direct messages that no message began.
func (b *Bot) askIn(ctx context.Context, by agent.Actor, at where, in loop.Incoming) error {
	user, _ := userOf(by.ID)
	in.Event, in.Conversation, in.Place = turnID(at.team, at.channel, at.root), at.conversation(), b.people.Place(ctx, at.channel, "im", user)
	return b.accept(ctx, by, at, in)
}

// channelRef is a channel as Slack writes it into a command.
var channelRef = regexp.MustCompile(`<#([A-Z0-9]+)(?:\|[^>]*)?>`)

// readPart says which channel a command means and since when, when its sender is in
// that channel.
func (b *Bot) readPart(ctx context.Context, c slack.SlashCommand, text string) (channel string, from time.Time, err error) {
	channel = c.ChannelID
	if m := channelRef.FindStringSubmatch(text); m != nil {
		channel = m[1]
		text = strings.Replace(text, m[0], "", 1)
	}
	if err := b.isIn(ctx, channel, c.UserID); err != nil {
		return "", time.Time{}, err
	}
	return channel, since(text, b.localNow(ctx, c.UserID)), nil
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
	answer := said(fmt.Sprintf("%s for you.", map[bool]string{true: "1 approval waits", false: fmt.Sprintf("%d approvals wait", len(mine))}[len(mine) == 1]))
	answer["blocks"] = WaitingBlocks(mine)
	return answer, nil
}

// WaitingBlocks list what waits for somebody, as /sous approvals answers.
func WaitingBlocks(mine []approval.Approval) []slack.Block {
	var blocks []slack.Block
	for i, a := range mine {
		if len(blocks) > 35 {
			return append(blocks, small(fmt.Sprintf("%d more; the home tab lists them.", len(mine)-i)))
		}
		blocks = append(blocks, homeItem(a, true)...)
	}
	return blocks
}
