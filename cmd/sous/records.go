package main

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/sous-hq/sous/agent"
)

// reading opens a read-only session for f.
func (c *cli) reading(ctx context.Context, what string, f func(*session) error) error {
	s, _, err := c.open(ctx, what, readOnly)
	if err != nil {
		return err
	}
	return errors.Join(f(s), s.close())
}

func (c *cli) ticketsCommand() *cobra.Command {
	var q agent.TicketQuery
	var all bool
	cmd := c.jsonFlag(&cobra.Command{
		Use: "tickets [ID | words...]", Short: "List or find tickets, or show one", Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.reading(cmd.Context(), "tickets", func(s *session) error {
				if len(args) == 1 && strings.ContainsAny(args[0], "0123456789") && strings.Contains(args[0], "-") {
					return c.showTicket(cmd.Context(), s, args[0])
				}
				if q.Text = strings.Join(args, " "); q.Text == "list" {
					q.Text = "" // as in "sous turns list"
				}
				if !all {
					q.Statuses = []agent.TicketStatus{agent.TicketOpen, agent.TicketInProgress}
				}
				return c.listTickets(cmd.Context(), s, q)
			})
		},
	})
	cmd.Flags().BoolVar(&all, "all", false, "list ended tickets too")
	cmd.Flags().IntVar(&q.Limit, "limit", 50, "at most this many")
	return cmd
}

func (c *cli) listTickets(ctx context.Context, s *session, q agent.TicketQuery) error {
	found, err := s.Tickets(ctx, s.by, q)
	switch {
	case err != nil:
		return err
	case c.asJSON:
		return c.printJSON(orEmpty(found))
	case len(found) == 0 && q.Text != "":
		c.printf("No tickets with these words.\n")
	case len(found) == 0:
		c.printf("No tickets.\n")
	}
	for _, t := range found {
		c.printf("%-6s %-12s %-14s %s\n", t.ID, t.Status, orDash(t.Assignee), t.Title)
	}
	return nil
}

func (c *cli) showTicket(ctx context.Context, s *session, id string) error {
	t, err := s.Ticket(ctx, s.by, id)
	if err != nil {
		return err
	}
	if c.asJSON {
		return c.printJSON(t)
	}
	c.printf("%s  %s\n  status    %s\n  assignee  %s\n", t.ID, t.Title, t.Status, orDash(t.Assignee))
	if t.Due != "" {
		c.printf("  due       %s\n", t.Due)
	}
	if len(t.Labels) > 0 {
		c.printf("  labels    %s\n", strings.Join(t.Labels, ", "))
	}
	for _, l := range t.Links {
		c.printf("  source    %s\n", l)
	}
	if t.Body != "" {
		c.printf("\n%s\n", t.Body)
	}
	for _, m := range t.Comments {
		body := m.Body
		if m.Retracted {
			body = "(retracted)"
		}
		c.printf("\n%s, %s:\n%s\n", m.Author, m.At.Local().Format(time.DateTime), body)
	}
	return nil
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}
