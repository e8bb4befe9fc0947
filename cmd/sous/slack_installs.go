package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/integrations/api"
	"github.com/sous-hq/sous/integrations/slack"
	"github.com/sous-hq/sous/integrations/slack/setup"
	"github.com/sous-hq/sous/internal/config"
)

func (c *cli) slackInviteCommand() *cobra.Command {
	var days int
	cmd := c.jsonFlag(&cobra.Command{
		Use: "invite", Short: "Print the link by which the app is installed in a workspace", Args: cobra.NoArgs,
		Long: `Print the link by which an administrator installs the app in their Slack workspace,
or for their whole organisation. It holds for some days and for any number of
installations; without it the install page opens to nobody. It needs
SLACK_CLIENT_ID, SLACK_CLIENT_SECRET and SLACK_PUBLIC_URL.`,
		Example: "  sous slack invite\n  sous slack invite --days 1",
		RunE: func(*cobra.Command, []string) error {
			cfg, err := c.load()
			if err != nil {
				return err
			}
			if err := manyNeeded(cfg.Slack); err != nil {
				return err
			}
			if days < 1 || days > 90 {
				return usagef("--days is from 1 to 90")
			}
			until := now().Add(time.Duration(days) * 24 * time.Hour)
			link := slack.Invitation(cfg.Slack.PublicURL, cfg.Slack.ClientSecret.Reveal(), until)
			if c.asJSON {
				return c.printJSON(map[string]any{"link": link, "until": until})
			}
			c.printf("%s\n\nIt holds until %s. Whoever opens it and may install apps adds Sous to their workspace.\n", link, until.In(cfg.Timezone).Format("2 January 2006 15:04 MST"))
			return nil
		},
	})
	cmd.Flags().IntVar(&days, "days", int(slack.InviteFor.Hours()/24), "how many days the link holds")
	return cmd
}

// manyNeeded says what is missing for an app in several workspaces.
func manyNeeded(s config.Slack) error {
	switch {
	case s.BotToken.IsSet():
		return agent.Errorf(agent.Invalid, "SLACK_BOT_TOKEN names the one workspace Sous is in; without it, SLACK_CLIENT_ID and SLACK_CLIENT_SECRET let it be installed in several")
	case !s.Many():
		return agent.Errorf(agent.Invalid, "SLACK_CLIENT_ID and SLACK_CLIENT_SECRET are needed; sous slack apply --many --url … makes such an app")
	}
	return checkSlack(s)
}

func (c *cli) slackInstallsCommand() *cobra.Command {
	return c.jsonFlag(&cobra.Command{
		Use: "installs", Short: "List the workspaces the app is installed in", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			s, cfg, err := c.open(cmd.Context(), "slack installs", readOnly)
			if err != nil {
				return err
			}
			defer s.close()
			if err := manyNeeded(cfg.Slack); err != nil {
				return err
			}
			info, err := s.Info(cmd.Context())
			if err != nil {
				return err
			}
			if c.asJSON {
				return c.printJSON(map[string]any{"installs": info.Installs})
			}
			if len(info.Installs) == 0 {
				c.printf("Installed nowhere yet. “sous slack invite” prints the link.\n")
			}
			for _, f := range installFindings(info.Installs, now()) {
				c.printf("%-4s %s\n", f.State, f.Text)
			}
			return nil
		},
	})
}

// installs are where the app is installed, as far as this process knows.
func (a *app) installs() []api.Install {
	var all []slack.Standing
	switch {
	case a.slack.fleet != nil:
		all = a.slack.fleet.Standings()
	case a.slack.installed != nil:
		for _, i := range a.slack.installed.List() {
			all = append(all, slack.Standing{Installation: i})
		}
	}
	var out []api.Install
	for _, s := range all {
		out = append(out, api.Install{
			Team: s.Team, Name: s.Name, Enterprise: s.Enterprise, Org: s.Org, Bot: s.Bot, Scopes: s.Scopes, At: s.At, Expires: s.Expires, Trouble: s.Trouble,
		})
	}
	return out
}

// installFindings say of each installation how it is.
func installFindings(all []api.Install, now time.Time) []finding {
	needed, _ := setup.Scopes()
	var found []finding
	for _, i := range all {
		f := finding{What: "slack " + i.Team, State: "ok", Text: fmt.Sprintf("%s (%s), as %s", i.Name, i.Team, i.Bot)}
		switch {
		case i.Org:
			f.Text += ", for the whole organisation"
		case i.Enterprise != "":
			f.Text += ", of the organisation " + i.Enterprise
		}
		var not []string
		for _, s := range needed {
			if !slices.Contains(i.Scopes, s) {
				not = append(not, s)
			}
		}
		switch {
		case i.Trouble != "":
			f.State, f.Text = "bad", f.Text+": "+i.Trouble
		case !i.Expires.IsZero() && now.After(i.Expires):
			f.State, f.Text = "bad", f.Text+": its token ended "+i.Expires.UTC().Format(time.RFC3339)+" and was not renewed; install the app again"
		case len(not) > 0:
			f.State, f.Text = "bad", f.Text+": it lacks "+strings.Join(not, ", ")+"; install the app again"
		case !i.Expires.IsZero():
			f.Text += ", token until " + i.Expires.UTC().Format(time.RFC3339)
		}
		found = append(found, f)
	}
	return found
}

// checkInstalls examines the installations of an app in several workspaces.
func (c *cli) checkInstalls(ctx context.Context, s *session) []finding {
	if !s.remote {
		if i := s.Service.(service).app.slack.installed; i != nil {
			if err := i.Load(ctx); err != nil {
				return []finding{{"slack installs", "bad", agent.PublicText(err)}}
			}
		}
	}
	info, err := s.Info(ctx)
	switch {
	case err != nil:
		return []finding{{"slack installs", "bad", agent.PublicText(err)}}
	case len(info.Installs) == 0:
		return []finding{{"slack installs", "off", "installed nowhere yet; sous slack invite prints the link"}}
	}
	return installFindings(info.Installs, now())
}
