package main

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/agent/audit"
)

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
	cmd.AddCommand(
		c.auditVerifyCommand(), c.auditProveCommand(), c.auditCheckProofCommand(), c.auditSearchCommand(),
		c.auditExportCommand(), c.auditExplainCommand(), c.auditCheckpointCommand(), c.auditEraseCommand(), c.auditKeysCommand(),
	)
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
		for _, w := range []string{e.Tool, e.Ruling, e.Rule, e.Approval, e.Status, string(e.Subject), e.Remark(), e.Payload} {
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
		return now().Add(-d), nil
	}
	for _, layout := range []string{time.RFC3339, time.DateTime, time.DateOnly} {
		if t, err := time.ParseInLocation(layout, s, time.Local); err == nil {
			return t, nil
		}
	}
	return time.Time{}, usagef("%q is no time: write 2006-01-02, 2006-01-02 15:04:05, RFC 3339, or a duration such as 24h", s)
}
