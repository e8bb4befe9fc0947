package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/agent/people"
	"github.com/sous-hq/sous/integrations/api"
	"github.com/sous-hq/sous/internal/config"
)

func (c *cli) peopleCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "people", Short: "Who belongs to the workspace, and who may sign in", Args: cobra.NoArgs,
		Long: `Without a people file the workspace is its owner's alone. With one (people_file in the settings, or
SOUS_PEOPLE_FILE) it has groups, which policy names as approvers, and each person signs in to the web chat
with a link of their own. A running Sous takes a changed file over at once, or refuses it and says why.`,
		RunE: func(cmd *cobra.Command, _ []string) error { return c.listPeople(cmd.Context(), "") },
	}
	list := c.jsonFlag(&cobra.Command{
		Use: "list", Short: "List everybody", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return c.listPeople(cmd.Context(), "") },
	})
	show := c.jsonFlag(&cobra.Command{
		Use: "show ID", Short: "Show one person with their accounts", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.listPeople(cmd.Context(), agent.ActorID(args[0]))
		},
	})
	cmd.AddCommand(list, show, c.peopleCheckCommand(), c.peopleTokenCommand())
	return c.jsonFlag(cmd)
}

// listPeople prints everybody, or one person with all their accounts.
func (c *cli) listPeople(ctx context.Context, who agent.ActorID) error {
	return c.reading(ctx, "people", func(s *session) error {
		all, err := s.People(ctx, s.by)
		if err != nil {
			return err
		}
		if who != "" {
			i := slices.IndexFunc(all, func(p api.Person) bool { return p.ID == who })
			if i < 0 {
				return agent.Errorf(agent.NotFound, "there is no %s", who)
			}
			human := all[i].Human()
			all = slices.DeleteFunc(all, func(p api.Person) bool { return p.Human() != human })
		}
		if c.asJSON {
			return c.printJSON(orEmpty(all))
		}
		return c.printPeople(all)
	})
}

func (c *cli) printPeople(all []api.Person) error {
	w := tabwriter.NewWriter(screen{c.stdout}, 0, 0, 2, ' ', 0)
	for _, p := range all {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", p.ID, orDash(p.Name), p.Kind, orDash(strings.Join(p.Groups, ", ")), strings.Join(marks(p), "; "))
	}
	return w.Flush()
}

// marks says what is special about an account.
func marks(p api.Person) []string {
	var all []string
	add := func(when bool, text string) {
		if when {
			all = append(all, text)
		}
	}
	add(p.Owner, "owner")
	add(p.Human() != p.ID, "account of "+string(p.Human()))
	add(!p.Active, "deactivated")
	away := people.Person{AwayUntil: p.AwayUntil}.Away(now())
	add(away, "away until "+p.AwayUntil.AddDate(0, 0, -1).Format(time.DateOnly))
	add(!p.SignIn.IsZero(), "signs in since "+p.SignIn.Local().Format(time.DateOnly))
	return all
}

func (c *cli) peopleCheckCommand() *cobra.Command {
	return &cobra.Command{
		Use: "check [FILE]", Short: "Say everything that is wrong with a people file", Args: cobra.MaximumNArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			cfg, err := c.load()
			if err != nil {
				return err
			}
			if len(args) > 0 {
				cfg.PeopleFile = args[0]
			}
			if cfg.PeopleFile == "" {
				return usagef("name a file, or set people_file (SOUS_PEOPLE_FILE)")
			}
			f, err := openPeople(cfg)
			if err != nil {
				return err
			}
			c.printf("%s: %s, nothing wrong\n", cfg.PeopleFile, countPeople(f.Roster()))
			return nil
		},
	}
}

// countPeople says how many there are.
func countPeople(r *people.Roster) string {
	groups := map[string]bool{}
	for _, p := range r.People() {
		for _, g := range p.Groups {
			groups[g] = true
		}
	}
	return fmt.Sprintf("%d members, %d groups, %d escalations", r.Humans(), len(groups), len(r.Escalation()))
}

func (c *cli) peopleTokenCommand() *cobra.Command {
	var revoke bool
	cmd := c.jsonFlag(&cobra.Command{
		Use: "token ID", Short: "Print a link with which a person signs in to the web chat", Args: cobra.ExactArgs(1),
		Long: `Print a link with which a person signs in to the web chat as themselves. It is shown once: only its hash is
kept. A new one takes the place of the old, whose sessions end. Give it to that person alone; who has it decides
in their name.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx, who := cmd.Context(), agent.ActorID(args[0])
			s, cfg, err := c.open(ctx, "people token", alone)
			if err != nil {
				return err
			}
			if revoke {
				err = c.revokeToken(ctx, s, who)
			} else {
				err = c.issueToken(ctx, s, cfg, who)
			}
			return errors.Join(err, s.close())
		},
	})
	cmd.Flags().BoolVar(&revoke, "revoke", false, "take their token back, and end the sessions it began")
	return cmd
}

func (c *cli) revokeToken(ctx context.Context, s *session, who agent.ActorID) error {
	err := s.RevokeToken(ctx, s.by, who)
	switch {
	case err != nil:
		return err
	case c.asJSON:
		return c.printJSON(map[string]any{"person": who, "revoked": true})
	}
	c.printf("%s can no longer sign in.\n", who)
	return nil
}

func (c *cli) issueToken(ctx context.Context, s *session, cfg config.Config, who agent.ActorID) error {
	got, err := s.IssueToken(ctx, s.by, who)
	if err != nil {
		return err
	}
	switch {
	case len(cfg.Hosts) > 0:
		// What people reach it by has TLS in front.
		got.Address = "https://" + cfg.Hosts[0] + "/"
	case got.Address == "":
		got.Address = "http://" + cfg.Listen + "/"
	}
	link := got.Address + "?token=" + got.Token
	if c.asJSON {
		return c.printJSON(map[string]any{"person": who, "link": link})
	}
	c.printf("%s signs in with this link, which is shown once:\n  %s\n", who, link)
	if host, _, err := net.SplitHostPort(cfg.Listen); err == nil && net.ParseIP(host).IsLoopback() && len(cfg.Hosts) == 0 {
		c.printf("It works on this machine alone, where Sous listens (%s); SOUS_HOSTS names others.\n", cfg.Listen)
	}
	return nil
}

// checkPeople examines the people file for doctor.
func checkPeople(cfg config.Config) finding {
	f, err := openPeople(cfg)
	switch {
	case err != nil:
		return finding{"people", "bad", agent.PublicText(err)}
	case f == nil:
		return finding{"people", "off", "the workspace is its owner's alone; set SOUS_PEOPLE_FILE for more people"}
	}
	r := f.Roster()
	p, _ := r.Account(agent.ActorID(cfg.Operator))
	text := fmt.Sprintf("%s: %s; commands here act for %s", cfg.PeopleFile, countPeople(r), p.ID)
	for _, s := range r.Escalation() {
		for _, g := range s.Groups {
			if !slices.ContainsFunc(r.People(), func(p people.Person) bool { return p.Active && slices.Contains(p.Groups, g) }) {
				text += fmt.Sprintf("; nobody there is in %s, to which decisions go after %s", g, s.After)
			}
		}
	}
	return finding{"people", "ok", text}
}
