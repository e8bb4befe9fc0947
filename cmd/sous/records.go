package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/agent/audit"
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
				q.Text = strings.Join(args, " ")
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

func (c *cli) memoryCommand() *cobra.Command {
	limit := 20
	cmd := c.jsonFlag(&cobra.Command{
		Use: "memory [words...]", Short: "Show what is remembered, or what fits the words best", Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.reading(cmd.Context(), "memory", func(s *session) error {
				found, err := s.Memories(cmd.Context(), s.by, strings.Join(args, " "), limit)
				switch {
				case err != nil:
					return err
				case c.asJSON:
					return c.printJSON(orEmpty(found))
				case len(found) == 0:
					c.printf("Nothing is remembered about that.\n")
				}
				for _, m := range found {
					c.printf("%s  [%s] %s\n    %s\n", m.ID, m.Kind, m.Source, strings.ReplaceAll(m.Text, "\n", "\n    "))
				}
				return nil
			})
		},
	})
	cmd.Flags().IntVar(&limit, "limit", limit, "at most this many")
	return cmd
}

func (c *cli) auditCommand() *cobra.Command {
	var f audit.Filter
	var since, until, kind, actor string
	cmd := c.jsonFlag(&cobra.Command{
		Use: "audit", Short: "List the record: what was accepted, asked, decided, intended and done", Args: cobra.NoArgs,
		Long: `List the record, oldest row first. With --json it prints one JSON object a line and
every row that fits, for export; otherwise the last rows, 50 unless --limit says more.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var err error
			if f.Since, err = moment(since); err != nil {
				return err
			}
			if f.Until, err = moment(until); err != nil {
				return err
			}
			f.Actor = agent.ActorID(actor)
			if kind != "" {
				f.Kinds = []audit.Kind{audit.Kind(kind)}
			}
			return c.reading(cmd.Context(), "audit", func(s *session) error {
				if c.asJSON {
					return c.exportAudit(cmd.Context(), s, f)
				}
				return c.listAudit(cmd.Context(), s, f)
			})
		},
	})
	fl := cmd.Flags()
	fl.StringVar(&f.Turn, "turn", "", "only this turn")
	fl.StringVar(&f.Tool, "tool", "", "only this tool")
	fl.StringVar(&f.Approval, "approval", "", "only this approval")
	fl.StringVar(&actor, "actor", "", "only this actor")
	fl.StringVar(&kind, "kind", "", "only this kind, e.g. call.intent")
	fl.StringVar(&since, "since", "", "from this time on (2006-01-02, RFC 3339, or 24h for the last day)")
	fl.StringVar(&until, "until", "", "up to this time")
	fl.IntVar(&f.Limit, "limit", 0, "at most this many rows")
	return cmd
}

func (c *cli) listAudit(ctx context.Context, s *session, f audit.Filter) error {
	f.Newest = true
	if f.Limit == 0 {
		f.Limit = 50
	}
	rows, err := s.Audit(ctx, s.by, f)
	if err != nil {
		return err
	}
	for _, e := range rows {
		what := make([]string, 0, 8)
		for _, w := range []string{e.Tool, e.Ruling, e.Rule, e.Approval, e.Status, e.Note} {
			if w != "" {
				what = append(what, w)
			}
		}
		c.printf("%6d  %s  %-17s %-8s %s\n", e.Seq, e.At.Local().Format(time.DateTime), e.Kind, e.Actor, strings.Join(what, "  "))
		if len(e.Args) > 0 {
			c.printf("        %s\n", e.Args)
		}
	}
	return nil
}

// exportAudit prints every row that fits as JSON lines, page by page.
func (c *cli) exportAudit(ctx context.Context, s *session, f audit.Filter) error {
	const page = 500
	enc := json.NewEncoder(c.stdout)
	for left := f.Limit; ; {
		f.Limit = page
		if left > 0 {
			f.Limit = min(page, left)
		}
		rows, err := s.Audit(ctx, s.by, f)
		if err != nil {
			return err
		}
		for _, e := range rows {
			if err := enc.Encode(e); err != nil {
				return fmt.Errorf("write: %w", err)
			}
			f.After = e.Seq
		}
		if left > 0 {
			if left -= len(rows); left <= 0 {
				return nil
			}
		}
		if len(rows) < f.Limit {
			return nil
		}
	}
}

// moment reads a time as people write it.
func moment(s string) (time.Time, error) {
	if s == "" {
		return time.Time{}, nil
	}
	if d, err := time.ParseDuration(s); err == nil {
		return time.Now().Add(-d), nil
	}
	for _, layout := range []string{time.RFC3339, time.DateTime, time.DateOnly} {
		if t, err := time.ParseInLocation(layout, s, time.Local); err == nil {
			return t, nil
		}
	}
	return time.Time{}, usagef("%q is no time: write 2006-01-02, 2006-01-02 15:04:05, RFC 3339, or a duration such as 24h", s)
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}
