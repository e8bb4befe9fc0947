package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/agent/budget"
	"github.com/sous-hq/sous/integrations/api"
)

// Status implements api.Statuses.
func (s service) Status(ctx context.Context, by agent.Actor) (api.Status, error) {
	st := api.Status{Breakers: s.app.breakers()}
	if e := s.app.engine; e != nil {
		st.Working, st.Most = e.Busy()
		st.Waiting = e.Backlog(by.Workspace).Own
	}
	st.InLine = s.app.admission.State().Line
	err := s.app.recordable(ctx)
	if err != nil {
		st.Store = agent.PublicText(err)
	}
	if st.Stuck, err = s.app.countStuck(); err != nil {
		return st, err
	}
	if st.Budgets, err = s.app.budget.Lines(ctx, by); err != nil {
		return st, err
	}
	if st.Breakers == nil {
		st.Breakers = []api.Breaker{}
	}
	if st.Budgets == nil {
		st.Budgets = []budget.Line{}
	}
	return st, nil
}

// recordable tries whether the store can be written and the keys of its record are there.
func (a *app) recordable(ctx context.Context) error {
	if err := a.db.Ping(ctx); err != nil {
		return err
	}
	_, err := a.db.Keys()
	return err
}

func (c *cli) statusCommand() *cobra.Command {
	return c.jsonFlag(&cobra.Command{
		Use: "status", Short: "Show how much there is to do, what is away, and what was used of the budgets", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return c.reading(cmd.Context(), "status", func(s *session) error { return c.tellStatus(cmd.Context(), s) })
		},
	})
}

func (c *cli) tellStatus(ctx context.Context, s *session) error {
	st, err := s.Status(ctx, s.by)
	switch {
	case err != nil:
		return err
	case c.asJSON:
		return c.printJSON(st)
	case st.Most == 0:
		c.printf("work      no server runs here\n")
	default:
		c.printf("work      %d of %d turns at once, %d wait for a place, %d requests wait to be taken\n", st.Working, st.Most, st.Waiting, st.InLine)
	}
	if st.Store != "" {
		c.printf("store     %s\n", st.Store)
	}
	if st.Stuck > 0 {
		c.printf("stuck     %d set aside: sous turns list --stuck\n", st.Stuck)
	}
	for _, b := range st.Breakers {
		c.printf("breaker   %s\n", b)
	}
	for _, l := range st.Budgets {
		whose := string(l.Person)
		if whose == "" {
			whose = "workspace"
		}
		c.printf("budget    %s: %s (%d %%), anew on %s\n", whose, l, l.Percent(), l.Renewed.Format("2 Jan 15:04 MST"))
	}
	return nil
}

// checkStatus says which outside systems are left alone and which budgets are nearly
// used up.
func checkStatus(ctx context.Context, s *session) []finding {
	st, err := s.Status(ctx, s.by)
	if err != nil {
		return []finding{{"status", "bad", agent.PublicText(err)}}
	}
	var found []finding
	for _, b := range st.Breakers {
		f := finding{"breaker", "ok", b.String()}
		if b.State != "closed" {
			f.State = "bad"
		}
		found = append(found, f)
	}
	for _, l := range st.Budgets {
		f := finding{"budget", "ok", l.String()}
		if l.Used >= l.Most {
			f.State = "bad"
			f.Text += ": used up until " + l.Renewed.Format("2 January 15:04 MST")
		}
		found = append(found, f)
	}
	return found
}
