package main

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/agent/loop"
)

func (c *cli) turnsCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "turns", Short: "List turns, show one, end one, or have one run again that was set aside", Args: cobra.NoArgs,
		Long: `A turn is one request and all that is done for it. One whose step keeps failing, or in the
middle of which the process ended again and again, is set aside after five tries: it waits
until somebody has looked at it. Then replay has it run again from where it stood, and
cancel ends it. Both are on the record.`,
		Example: "  sous turns list --stuck\n  sous turns show T\n  sous turns replay T",
	}
	cmd.AddCommand(c.turnsListCommand(), c.turnsShowCommand(), c.turnsCancelCommand(), c.turnsReplayCommand())
	return cmd
}

func (c *cli) turnsListCommand() *cobra.Command {
	var f loop.TurnFilter
	var statuses []string
	cmd := c.jsonFlag(&cobra.Command{
		Use: "list", Short: "List turns, the newest first", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			for _, name := range statuses {
				var s agent.TurnStatus
				if s.UnmarshalText([]byte(name)) != nil {
					return usagef("%q is no status; there are queued, running, waiting, done, failed and stopped", name)
				}
				f.Statuses = append(f.Statuses, s)
			}
			return c.reading(cmd.Context(), "turns list", func(s *session) error { return c.listTurns(cmd.Context(), s, f) })
		},
	})
	cmd.Flags().StringSliceVar(&statuses, "status", nil, "only those that are queued, running, waiting, done, failed or stopped")
	cmd.Flags().BoolVar(&f.Stuck, "stuck", false, "only those that were set aside")
	cmd.Flags().IntVar(&f.Limit, "limit", 20, "at most this many")
	return cmd
}

func (c *cli) listTurns(ctx context.Context, s *session, f loop.TurnFilter) error {
	all, err := s.ListTurns(ctx, s.by, f)
	switch {
	case err != nil:
		return err
	case c.asJSON:
		return c.printJSON(orEmpty(all))
	case len(all) == 0 && f.Stuck:
		c.printf("No turn was set aside.\n")
	case len(all) == 0:
		c.printf("No turns.\n")
	}
	for _, l := range all {
		c.tellTurn(l)
	}
	return nil
}

// tellTurn prints how a turn stands, without what was said in it.
func (c *cli) tellTurn(l loop.Listed) {
	took := "since " + l.Created.Local().Format(time.DateTime)
	if !l.Ended.IsZero() {
		took = l.Created.Local().Format(time.DateTime) + ", " + l.Ended.Sub(l.Created).Round(time.Millisecond).String()
	}
	c.printf("%-26s  %-8s  %-30s  %s\n", l.ID, l.Status, took, orDash(l.Actor.Name))
	if w := l.Stuck; w != nil {
		c.printf("    set aside %s: the step “%s” was tried %d times. %s\n", w.At.Local().Format(time.DateTime), w.Step, w.Tries, w.Reason)
		c.printf("    sous turns replay %s has it run again, sous turns cancel %s ends it\n", l.ID, l.ID)
	}
	if l.Degraded != "" {
		c.printf("    degraded: %s\n", l.Degraded)
	}
}

// turnShown is what turns show --json prints.
type turnShown struct {
	loop.Listed
	Question  string        `json:"question,omitempty"`
	Visible   []agent.Step  `json:"steps"`
	Approvals []string      `json:"approvals"`
	Effects   []loop.Effect `json:"effects"`
}

func (c *cli) turnsShowCommand() *cobra.Command {
	return c.jsonFlag(&cobra.Command{
		Use: "show ID", Short: "Show how a turn stands and what it did", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.reading(cmd.Context(), "turns show", func(s *session) error { return c.showTurn(cmd.Context(), s, args[0]) })
		},
	})
}

func (c *cli) showTurn(ctx context.Context, s *session, id string) error {
	all, err := s.ListTurns(ctx, s.by, loop.TurnFilter{ID: id})
	switch {
	case err != nil:
		return err
	case len(all) == 0:
		return agent.Errorf(agent.NotFound, "there is no turn %s", id)
	}
	t := turnShown{Listed: all[0], Visible: []agent.Step{}, Approvals: []string{}, Effects: []loop.Effect{}}
	v, err := s.View(ctx, s.by, id)
	// Whoever looks after Sous sees how a turn stands that is not theirs to read.
	if err != nil && agent.KindOf(err) != agent.NotFound {
		return err
	}
	if err == nil {
		t.Question, t.Visible, t.Effects = v.Question, orEmpty(v.Steps), orEmpty(v.Effects)
		for _, a := range v.Approvals {
			t.Approvals = append(t.Approvals, a.ID)
		}
	}
	if c.asJSON {
		return c.printJSON(t)
	}
	c.tellTurn(t.Listed)
	c.printf("    model %s, %d tokens in, %d out", orDash(t.Model), t.Usage.InputTokens, t.Usage.OutputTokens)
	if !t.Status.Ended() {
		c.printf("; carried by %s, %d steps in the journal", orDash(t.Carrier), t.Steps)
		if t.Tries > 0 {
			c.printf(", %d processes ended while they ran it", t.Tries)
		}
	}
	c.printf("\n")
	for _, st := range t.Visible {
		c.printf("    %2d  %-8s  %s %s %s\n", st.N, st.Kind, st.Title, st.Status, st.Detail)
	}
	for _, e := range t.Effects {
		c.printf("    effect %s  %s  %s\n", e.Key, e.State, strings.ReplaceAll(e.Call.Tool, "_", " "))
	}
	if len(t.Approvals) > 0 {
		c.printf("    approvals %s\n", strings.Join(t.Approvals, " "))
	}
	if t.Answer != "" {
		c.printf("\n%s\n", t.Answer)
	}
	return nil
}

func (c *cli) turnsCancelCommand() *cobra.Command {
	return c.jsonFlag(&cobra.Command{
		Use: "cancel ID", Short: "End a turn; its answer says what was done before", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.onTurn(cmd.Context(), "turns cancel", func(ctx context.Context, s *session) error {
				if err := s.Stop(ctx, s.by, args[0]); err != nil {
					return err
				}
				return c.becameOf(ctx, s, args[0], agent.TurnQueued)
			})
		},
	})
}

func (c *cli) turnsReplayCommand() *cobra.Command {
	return c.jsonFlag(&cobra.Command{
		Use: "replay ID", Short: "Have a turn that was set aside run again from where it stood", Args: cobra.ExactArgs(1),
		Long: `Have a turn that was set aside run again from where it stood: what it did before is not done
again. When it cannot go on once more it is set aside again.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.onTurn(cmd.Context(), "turns replay", func(ctx context.Context, s *session) error {
				if err := s.Replay(ctx, s.by, args[0]); err != nil {
					return err
				}
				return c.becameOf(ctx, s, args[0], agent.TurnWaiting)
			})
		},
	})
}

// onTurn does something to a turn where turns are run.
func (c *cli) onTurn(ctx context.Context, what string, f func(context.Context, *session) error) error {
	s, _, err := c.open(ctx, what, runTurns)
	if err != nil {
		return err
	}
	return errors.Join(f(ctx, s), s.close())
}

// becameOf shows a turn once it has ended or come to the status, or after a while
// in which it has not.
func (c *cli) becameOf(ctx context.Context, s *session, id string, rests agent.TurnStatus) error {
	waiting, cancel := context.WithTimeout(ctx, becomes)
	defer cancel()
	for wait := 10 * time.Millisecond; ; wait = min(2*wait, time.Second) {
		all, err := s.ListTurns(ctx, s.by, loop.TurnFilter{ID: id})
		if err != nil {
			return err
		}
		if waiting.Err() != nil || len(all) == 1 && (all[0].Status.Ended() || all[0].Status == rests) {
			return c.showTurn(ctx, s, id)
		}
		select {
		case <-waiting.Done():
		case <-time.After(wait):
		}
	}
}

// becomes is how long a command waits for what becomes of a turn.
const becomes = 30 * time.Second

// countStuck is how many turns were set aside, for the metrics.
func (a *app) countStuck() (int, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	all, err := a.db.FindTurns(ctx, workspace, loop.TurnFilter{Stuck: true})
	return len(all), err
}

// checkTurns says whether turns wait for somebody to look at them.
func checkTurns(ctx context.Context, s *session) finding {
	all, err := s.ListTurns(ctx, s.by, loop.TurnFilter{Stuck: true})
	switch {
	case err != nil:
		return finding{"turns", "bad", agent.PublicText(err)}
	case len(all) == 0:
		return finding{"turns", "ok", "none was set aside"}
	case len(all) == 1:
		return finding{"turns", "bad", "1 turn was set aside: sous turns list --stuck"}
	}
	return finding{"turns", "bad", strconv.Itoa(len(all)) + " turns were set aside: sous turns list --stuck"}
}
