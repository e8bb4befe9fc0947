package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/spf13/cobra"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/agent/check"
)

func (c *cli) checkCommand() *cobra.Command {
	return c.jsonFlag(&cobra.Command{
		Use: "check", Short: "Look in the store for what must never be there", Args: cobra.NoArgs,
		Long: `Look in the store for what must never be there: an accepted event without its turn, a turn
without an end or a reason to wait, a question to people with no end or with two, an approval
that was spent twice, an effect without ruling, intent or outcome; and verify the record.
It reads the store as it is at one moment, with or without a server at work, and changes
nothing. The exit code is 1 when a promise is broken.`,
		RunE: func(cmd *cobra.Command, _ []string) error { return c.check(cmd.Context()) },
	})
}

func (c *cli) check(ctx context.Context) error {
	cfg, err := c.load()
	if err != nil {
		return err
	}
	// The file before the store: what is signed meanwhile is not missed there.
	signed, _, err := readCheckpoints(checkpointFile(cfg))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return agent.WrapError(agent.Invalid, err, fmt.Sprintf("the checkpoint file cannot be read: %v", err))
	}
	r, err := check.Twice(ctx, check.Moment, func(ctx context.Context) (*check.Report, error) {
		var r *check.Report
		err := c.withEvidence(ctx, nil, func(e *evidence) error {
			// At each look anew: a process that was killed counts as at work for a moment.
			live, err := e.atWork(ctx)
			if err != nil {
				return err
			}
			if r, err = check.Run(ctx, check.Config{Facts: e, Live: live, Now: now()}); err != nil {
				return err
			}
			all, err := e.verify(ctx, verifyFlags{}, signed)
			for _, a := range all {
				r.Verified(a)
			}
			return err
		})
		return r, err
	})
	if err != nil {
		return err
	}
	if !r.OK() {
		c.code = exitFailed
	}
	if c.asJSON {
		return c.printJSON(r)
	}
	c.tellCheck(r)
	return nil
}

// atWork reports whether some process works on the store: replicas of a server show
// it there, the one process of a file by its socket.
func (e *evidence) atWork(ctx context.Context) (bool, error) {
	if server, ok := e.record.(interface {
		AtWork(ctx context.Context) (bool, error)
	}); ok {
		return server.AtWork(ctx)
	}
	s, err := dial(ctx, e.cfg)
	return err == nil && s.close() == nil, nil
}

func (c *cli) tellCheck(r *check.Report) {
	c.printf("Looked at %d turns, %d approvals, %d effects and %d rows of the record.\n", r.Turns, r.Approvals, r.Effects, r.Rows)
	if r.OK() {
		c.printf("Every promise is kept.\n")
		return
	}
	for _, v := range r.Violations {
		about := v.Turn
		if v.About != "" {
			about += " " + v.About
		}
		c.printf("%-20s  %s/%s: %s\n", v.Rule, v.Workspace, about, v.Text)
	}
	if r.More > 0 {
		c.printf("and %d more\n", r.More)
	}
}

// promises watches the store this process serves from.
func (a *app) promises() (*check.Watch, error) {
	w, err := check.NewWatch(check.WatchConfig{Now: now, Log: a.log, Open: func(ctx context.Context) (check.Facts, func() error, error) {
		r, err := openRecord(ctx, a.cfg)
		if err != nil {
			return nil, nil, err
		}
		return r, r.Close, nil
	}})
	if err != nil {
		return nil, err
	}
	names := make([]string, 0, len(check.Rules()))
	for _, rule := range check.Rules() {
		names = append(names, string(rule))
	}
	return w, a.metrics.Promises(names, func() (map[string]int, time.Time) {
		n := map[string]int{}
		for rule, count := range w.Broken() {
			n[string(rule)] = count
		}
		return n, w.Last()
	})
}
