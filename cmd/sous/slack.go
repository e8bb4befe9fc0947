package main

import (
	"context"
	"crypto/rand"
	"log/slog"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/agent/loop"
	"github.com/sous-hq/sous/integrations/slack"
	"github.com/sous-hq/sous/internal/config"
)

// slackParts are what Sous has of Slack; the zero value has none.
type slackParts struct {
	directory *slack.Directory
	bot       *slack.Bot
	// trouble says why Slack is off although it is set up; it holds a string.
	trouble atomic.Value
}

// checkSlack refuses settings with which nothing would ever come from Slack.
func checkSlack(s config.Slack) error {
	switch {
	case !s.IsSet():
		return nil
	case !s.BotToken.IsSet():
		return agent.Errorf(agent.Invalid, "SLACK_BOT_TOKEN is missing: Slack needs it beside SLACK_APP_TOKEN or SLACK_SIGNING_SECRET")
	case !s.AppToken.IsSet() && !s.SigningSecret.IsSet():
		return agent.Errorf(agent.Invalid, "SLACK_BOT_TOKEN is set, but neither SLACK_APP_TOKEN (Socket Mode) nor SLACK_SIGNING_SECRET (HTTP) is")
	}
	return nil
}

// joinSlack makes the directory of Slack's people, which whatever decides or runs
// something asks, with or without the front end.
func (a *app) joinSlack() {
	if a.cfg.Slack.IsSet() {
		a.slack.directory = slack.NewDirectory(slack.DirectoryConfig{
			BotToken: a.cfg.Slack.BotToken.Reveal(), APIURL: a.cfg.Slack.APIURL, Workspace: workspace, Clock: time.Now,
		})
	}
}

// newBot makes the Slack front end, when Slack is set up.
func (a *app) newBot() error {
	s := a.cfg.Slack
	if !s.IsSet() {
		return nil
	}
	pages := a.address
	if exposed(a.cfg.Listen) == "" {
		// Nobody but this machine could follow it.
		pages = ""
	}
	c := slack.Config{
		Desk: a.assistant, Decisions: a.assistant, Records: a.db, Deliveries: a.db, Opinions: service{a.assistant, a}, Reviews: a.db, Teams: a.teams,
		Unread:   slack.Dir(filepath.Join(a.cfg.DataDir, "slack-unread")),
		BotToken: s.BotToken.Reveal(), SigningSecret: s.SigningSecret.Reveal(), AppToken: s.AppToken.Reveal(), APIURL: s.APIURL,
		Workspace: workspace, Directory: a.slack.directory, Everybody: a.people.source, MaxFile: a.cfg.Limits.UploadBytes,
		Personal: personal{service{a.assistant, a}}, Systems: a.systems, Status: a.condition, Pages: pages, Clock: time.Now, Log: a.log,
	}
	if a.cfg.DatabaseURL.IsSet() {
		// Other replicas show what this one leaves, and this one what they leave.
		c.Holder = rand.Text()
	}
	if a.hooks.slack != nil {
		a.hooks.slack(&c)
	}
	var err error
	a.slack.bot, err = slack.New(c)
	return err
}

// tellers are the front ends that tell people of reminders where they are.
func (a *app) tellers() []loop.Notifier {
	if a.slack.bot == nil {
		return nil
	}
	return []loop.Notifier{a.slack.bot}
}

// runSlack is the Slack front end until ctx is done. That Slack wants no more of
// it must not cost the web chat, so it is said and no error.
func (a *app) runSlack(ctx context.Context) {
	if a.slack.bot == nil {
		return
	}
	if err := a.slack.bot.Run(ctx); err != nil {
		a.slack.trouble.Store(agent.PublicText(err))
		a.log.ErrorContext(ctx, "slack is off until the next start", slog.Any("err", err))
	}
}

// slackState says for people whether Slack is on, and how.
func (a *app) slackState() string {
	s := a.cfg.Slack
	if !s.IsSet() {
		return "off"
	}
	if why, ok := a.slack.trouble.Load().(string); ok {
		return "off: " + why
	}
	var by []string
	if s.AppToken.IsSet() {
		by = append(by, "Socket Mode")
	}
	if s.SigningSecret.IsSet() {
		by = append(by, "HTTP at /slack/")
	}
	if a.slack.bot == nil {
		return "on while sous serves, by " + strings.Join(by, " and ")
	}
	return "on, by " + strings.Join(by, " and ")
}

// condition says for people how Sous is: its model, and whether that answers.
func (a *app) condition() string {
	name := "built-in; it extracts and does not reason"
	if a.cfg.Model.IsSet() {
		name = a.cfg.Model.Name
	}
	text := "Model: " + name + "."
	if c := a.models.circuit; c != nil && c.State() != "closed" {
		text += " It does not answer right now, so the built-in model does."
	}
	return text
}
