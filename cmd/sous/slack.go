package main

import (
	"context"
	"log/slog"
	"net/http"
	"path/filepath"
	"strings"
	"sync/atomic"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/agent/loop"
	"github.com/sous-hq/sous/agent/people"
	"github.com/sous-hq/sous/integrations/slack"
	"github.com/sous-hq/sous/integrations/slack/setup"
	"github.com/sous-hq/sous/internal/config"
)

// slackParts are what Sous has of Slack; the zero value has none.
type slackParts struct {
	// people knows the accounts of Slack: those of directory, or of installed.
	people people.Source
	// directory and bot are the one workspace of a bot token.
	directory *slack.Directory
	bot       *slack.Bot
	// installed and fleet are the workspaces the app was installed in by its own page.
	installed *slack.Installed
	fleet     *slack.Fleet
	// left is called when a process that worked in the same place is gone; nil before
	// there is a front end.
	left atomic.Pointer[func()]
	// trouble says why Slack is off although it is set up; it holds a string.
	trouble atomic.Value
}

// checkSlack refuses settings with which nothing would ever come from Slack.
func checkSlack(s config.Slack) error {
	switch {
	case !s.IsSet():
		return nil
	case s.Many() && s.PublicURL == "":
		return agent.Errorf(agent.Invalid, "SLACK_CLIENT_ID is set, but SLACK_PUBLIC_URL is not: the app's install page needs an address that browsers reach")
	case !s.BotToken.IsSet() && !s.Many():
		return agent.Errorf(agent.Invalid, "SLACK_BOT_TOKEN is missing: Slack needs it beside SLACK_APP_TOKEN or SLACK_SIGNING_SECRET (or, for several workspaces, SLACK_CLIENT_ID and SLACK_CLIENT_SECRET)")
	case !s.AppToken.IsSet() && !s.SigningSecret.IsSet():
		name := "SLACK_BOT_TOKEN is"
		if s.Many() {
			name = "SLACK_CLIENT_ID and SLACK_CLIENT_SECRET are"
		}
		return agent.Errorf(agent.Invalid, "%s set, but neither SLACK_APP_TOKEN (Socket Mode) nor SLACK_SIGNING_SECRET (HTTP) is", name)
	}
	return nil
}

// joinSlack makes the directory of Slack's people, which whatever decides or runs
// something asks, with or without the front end.
func (a *app) joinSlack(ctx context.Context, n need) error {
	s := a.cfg.Slack
	c := slack.DirectoryConfig{APIURL: s.APIURL, Clock: now}
	switch {
	case s.Many():
		a.slack.installed = slack.NewInstalled(a.db, c)
		a.slack.people = a.slack.installed
		// Turns go on before the front end begins, and ask who people are.
		if err := a.slack.installed.Load(ctx); err != nil && n == runTurns {
			return err
		}
	case s.IsSet():
		c.BotToken, c.Workspace = s.BotToken.Reveal(), workspace
		a.slack.directory = slack.NewDirectory(c)
		a.slack.people = a.slack.directory
	}
	return nil
}

// slackNews is what another process heard of Slack's people.
func (a *app) slackNews(said string) {
	if d := a.slack.directory; d != nil {
		d.Hear(said)
	}
	if i := a.slack.installed; i != nil {
		i.Hear(said)
	}
}

// slackLeft is called when another process that worked in the same place is gone.
func (a *app) slackLeft() {
	if f := a.slack.left.Load(); f != nil {
		(*f)()
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
		Personal: personal{service{a.assistant, a}}, Cited: a.cited, Systems: a.systems, Status: a.condition, Pages: pages, Clock: now, Log: a.log,
	}
	if a.cfg.DatabaseURL.IsSet() {
		// Other replicas show what this one leaves, and this one what they leave.
		c.Holder, c.Present, c.Spread = a.db.holder, a.db.present, a.db.spread
	}
	if a.hooks.slack != nil {
		a.hooks.slack(&c)
	}
	var err error
	if !s.Many() {
		if a.slack.bot, err = slack.New(c); err == nil {
			left := a.slack.bot.Left
			a.slack.left.Store(&left)
		}
		return err
	}
	needed, optional := setup.Scopes()
	// The web chat is this machine's own workspace, and not theirs.
	c.Pages = ""
	a.slack.fleet, err = slack.NewFleet(slack.FleetConfig{
		Bot: c, Installs: a.db, Installed: a.slack.installed, ClientID: s.ClientID, ClientSecret: s.ClientSecret.Reveal(),
		Redirect: strings.TrimRight(s.PublicURL, "/") + setup.CallbackPath, Authorize: authorizePage(s.APIURL), Scopes: append(needed, optional...),
	})
	if err == nil {
		left := a.slack.fleet.Left
		a.slack.left.Store(&left)
	}
	return err
}

// authorizePage is where people agree to an installation: beside the Web API when
// that is not Slack's own.
func authorizePage(api string) string {
	if api == "" {
		return ""
	}
	return strings.TrimSuffix(strings.TrimRight(api, "/"), "/api") + "/oauth/v2/authorize"
}

// slackHandler answers what Slack sends over HTTP, and the install page; nil when
// neither is in use.
func (a *app) slackHandler() http.Handler {
	switch {
	case a.slack.fleet != nil:
		return a.slack.fleet.Handler()
	case a.slack.bot != nil && a.cfg.Slack.SigningSecret.IsSet():
		return a.slack.bot.Handler()
	}
	return nil
}

// workspaces are whose turns this Sous runs.
func (a *app) workspaces() []agent.WorkspaceID {
	all := []agent.WorkspaceID{workspace}
	if a.slack.fleet != nil {
		all = append(all, a.slack.fleet.Workspaces()...)
	}
	return all
}

// tellers are the front ends that tell people of reminders where they are.
func (a *app) tellers() []loop.Notifier {
	switch {
	case a.slack.bot != nil:
		return []loop.Notifier{a.slack.bot}
	case a.slack.fleet != nil:
		return []loop.Notifier{a.slack.fleet}
	}
	return nil
}

// runSlack is the Slack front end until ctx is done. That Slack wants no more of
// it must not cost the web chat, so it is said and no error.
func (a *app) runSlack(ctx context.Context) {
	var run func(context.Context) error
	switch {
	case a.slack.bot != nil:
		run = a.slack.bot.Run
	case a.slack.fleet != nil:
		run = a.slack.fleet.Run
	default:
		return
	}
	if err := run(ctx); err != nil {
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
	how := ", by " + strings.Join(by, " and ")
	if s.Many() {
		how += ", where it is installed"
	}
	if a.slack.bot == nil && a.slack.fleet == nil {
		return "on while sous serves" + how
	}
	return "on" + how
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
