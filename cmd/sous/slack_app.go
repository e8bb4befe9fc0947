package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/integrations/slack/setup"
	"github.com/sous-hq/sous/internal/config"
)

// slackAppFile holds, in the data directory, what Slack gave the app when it was
// made, in the form of environment variables.
const slackAppFile = "slack-app.env"

func (c *cli) slackCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "slack", Short: "Make, change and check the Slack app", Args: cobra.NoArgs,
		Long: `Sous is a Slack app of your own. Without a public address it connects outwards
(Socket Mode); with --url Slack calls it over HTTP. With --many it is installed in
several workspaces by links that “invite” prints. docs/slack.md goes through it
step by step.`,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(c.slackManifestCommand(), c.slackApplyCommand(), c.slackInviteCommand(), c.slackInstallsCommand())
	return cmd
}

// formFlags adds the flags that say what form of the app is wanted.
func (c *cli) formFlags(cmd *cobra.Command, f *setup.Form) {
	cmd.Flags().StringVar(&f.Name, "name", "", "the app's name (default Sous)")
	cmd.Flags().StringVar(&f.URL, "url", "", "public https address of Sous: events come over HTTP (SLACK_PUBLIC_URL)")
	cmd.Flags().BoolVar(&f.Socket, "socket", false, "events come by Socket Mode, even with --url")
	cmd.Flags().BoolVar(&f.Many, "many", false, "for several workspaces: an install page, rotated tokens, whole organisations; needs --url")
}

// form is what the flags and, for the address, the settings say.
func (c *cli) form(f setup.Form) (setup.Form, config.Config, error) {
	cfg, err := c.load()
	if f.URL == "" {
		f.URL = cfg.Slack.PublicURL
	}
	return f, cfg, err
}

func (c *cli) slackManifestCommand() *cobra.Command {
	var f setup.Form
	cmd := &cobra.Command{
		Use: "manifest", Short: "Print the app's manifest, to make the app from", Args: cobra.NoArgs,
		Example: "  sous slack manifest > manifest.json\n  sous slack manifest --url https://sous.example.com",
		RunE: func(*cobra.Command, []string) error {
			f, _, err := c.form(f)
			if err != nil {
				return err
			}
			raw, err := setup.Manifest(f)
			if err != nil {
				return err
			}
			c.printf("%s", raw)
			return nil
		},
	}
	c.formFlags(cmd, &f)
	return cmd
}

func (c *cli) slackApplyCommand() *cobra.Command {
	var f setup.Form
	var id string
	cmd := c.jsonFlag(&cobra.Command{
		Use: "apply", Short: "Make the app in Slack, or bring it to the manifest", Args: cobra.NoArgs,
		Long: `Make the app in Slack from the manifest, or bring the one that is there to it. It
needs a configuration token (api.slack.com/apps, “Your App Configuration Tokens”),
which lives for 12 hours, in SLACK_CONFIG_TOKEN.

What Slack tells of a new app only once, its secrets among it, is kept in
` + slackAppFile + ` in the data directory, for your eyes alone; the next apply finds the
app's id there.`,
		Example: "  SLACK_CONFIG_TOKEN=xoxe.xoxp-… sous slack apply\n  sous slack apply --app A0123456789 --url https://sous.example.com",
		RunE: func(cmd *cobra.Command, _ []string) error {
			f, cfg, err := c.form(f)
			if err != nil {
				return err
			}
			return c.slackApply(cmd.Context(), cfg, f, id)
		},
	})
	c.formFlags(cmd, &f)
	cmd.Flags().StringVar(&id, "app", "", "id of the app to change (default: the one in "+slackAppFile+")")
	return cmd
}

func (c *cli) slackApply(ctx context.Context, cfg config.Config, f setup.Form, id string) error {
	raw, err := setup.Manifest(f)
	if err != nil {
		return err
	}
	path := filepath.Join(cfg.DataDir, slackAppFile)
	if id == "" {
		if id, err = knownApp(path); err != nil {
			return err
		}
	}
	got, err := (setup.Manager{Token: cfg.Slack.ConfigToken.Reveal(), APIURL: cfg.Slack.APIURL}).Apply(ctx, raw, id)
	if err != nil {
		return err
	}
	kept := ""
	if got.Made {
		// The app is there whatever happens now: what can never be had again is told
		// rather than lost.
		if err := keepApp(path, got); err != nil {
			return fmt.Errorf("app %s was made, but %s cannot be written; copy its secrets from its page on api.slack.com/apps: %w", got.ID, path, err)
		}
		kept = path
	}
	if c.asJSON {
		return c.printJSON(map[string]any{"app": got.ID, "made": got.Made, "reinstall": got.Reinstall, "install_url": got.InstallURL, "file": kept})
	}
	c.explainApply(f, got, kept)
	return nil
}

func (c *cli) explainApply(f setup.Form, got setup.App, kept string) {
	page := "https://api.slack.com/apps/" + got.ID
	switch {
	case got.Made && f.Many:
		c.printf("Made the app %s. Its secrets are in %s.\n\nNext:\n", got.ID, kept)
		c.printf("  1. Start sous with SLACK_CLIENT_ID, SLACK_CLIENT_SECRET and SLACK_SIGNING_SECRET from the file, and SLACK_PUBLIC_URL=%s.\n", f.URL)
		c.printf("  2. Let Slack verify the address: %s/event-subscriptions; for other workspaces than yours, activate public distribution: %s/distribute\n", page, page)
		c.printf("  3. “sous slack invite” prints the link by which it is installed; “sous doctor” says how each installation is.\n")
	case got.Made:
		c.printf("Made the app %s. Its secrets are in %s.\n\nNext:\n", got.ID, kept)
		c.printf("  1. Install it: %s/install-on-team; the Bot User OAuth Token is SLACK_BOT_TOKEN.\n", page)
		if f.Socket || f.URL == "" {
			c.printf("  2. %s/general: make an App-Level Token with connections:write; it is SLACK_APP_TOKEN.\n", page)
		} else {
			c.printf("  2. Start sous with SLACK_SIGNING_SECRET from the file, then let Slack verify the address: %s/event-subscriptions\n", page)
		}
		c.printf("  3. Start sous with both and run “sous doctor”.\n")
	case got.Reinstall:
		c.printf("Changed the app %s. Its scopes changed: install it again, %s/install-on-team\n", got.ID, page)
	default:
		c.printf("The app %s is as the manifest says.\n", got.ID)
	}
}

// knownApp is the id of the app that was made from this data directory, or "".
func knownApp(path string) (string, error) {
	raw, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", agent.WrapError(agent.Unavailable, err, fmt.Sprintf("%s cannot be read: %v", path, err))
	}
	for line := range strings.Lines(string(raw)) {
		if id, ok := strings.CutPrefix(strings.TrimSpace(line), "SLACK_APP_ID="); ok {
			return id, nil
		}
	}
	return "", nil
}

// keepApp writes down what Slack tells once, for the owner's eyes.
func keepApp(path string, a setup.App) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	text := "# The Slack app of this Sous, made " + now().UTC().Format(time.DateOnly) + ". SLACK_APP_ID is for “sous slack apply”.\n" +
		"SLACK_APP_ID=" + a.ID + "\nSLACK_CLIENT_ID=" + a.ClientID + "\nSLACK_CLIENT_SECRET=" + a.ClientSecret + "\nSLACK_SIGNING_SECRET=" + a.Signing + "\n"
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	return errors.Join(err, f.Sync(), f.Close())
}

// checkSlackApp examines the app, when Slack is set up.
func (c *cli) checkSlackApp(ctx context.Context, cfg config.Config, in *session) []finding {
	s := cfg.Slack
	if !s.IsSet() {
		return []finding{{"slack", "off", "set SLACK_BOT_TOKEN and SLACK_APP_TOKEN to switch it on"}}
	}
	if err := checkSlack(s); err != nil {
		return []finding{{"slack", "bad", agent.PublicText(err)}}
	}
	id, err := knownApp(filepath.Join(cfg.DataDir, slackAppFile))
	if err != nil {
		return []finding{{"slack", "bad", agent.PublicText(err)}}
	}
	found := []finding{{"slack", "ok", (&app{cfg: cfg}).slackState()}}
	for _, f := range setup.Examine(ctx, setup.Probe{
		BotToken: s.BotToken.Reveal(), AppToken: s.AppToken.Reveal(), SigningSecret: s.SigningSecret.Reveal(), ConfigToken: s.ConfigToken.Reveal(),
		AppID: id, APIURL: s.APIURL, PublicURL: s.PublicURL, Form: setup.Form{URL: s.PublicURL, Socket: s.AppToken.IsSet(), Many: s.Many()}, Clock: now,
	}) {
		found = append(found, finding{f.What, string(f.State), f.Text})
	}
	switch {
	case s.Many():
		found = append(found, c.checkInstalls(ctx, in)...)
	case s.ClientID != "" && s.BotToken.IsSet():
		found = append(found, finding{"slack installs", "off", "SLACK_BOT_TOKEN names the one workspace; SLACK_CLIENT_ID is not used"})
	}
	return found
}
