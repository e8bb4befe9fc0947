package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/agent/approval"
)

func (c *cli) approvalsCommand() *cobra.Command {
	var mine bool
	cmd := c.jsonFlag(&cobra.Command{
		Use: "approvals", Short: "List what waits for a decision", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return c.reading(cmd.Context(), "approvals", func(s *session) error { return c.listApprovals(cmd.Context(), s, mine) })
		},
	})
	cmd.Flags().BoolVar(&mine, "mine", false, "only those on which it is your turn to decide")
	cmd.AddCommand(c.approvalCommands()...)
	return cmd
}

func (c *cli) listApprovals(ctx context.Context, s *session, mine bool) error {
	list := s.Pending
	if mine {
		list = s.Queue
	}
	all, err := list(ctx, s.by)
	switch {
	case err != nil:
		return err
	case c.asJSON:
		return c.printJSON(orEmpty(all))
	case len(all) == 0:
		c.printf("Nothing waits for a decision.\n")
		return nil
	}
	for _, a := range all {
		c.printf("%s  %s, asked %s, expires %s\n", a.ID, strings.ReplaceAll(a.Call.Tool, "_", " "),
			a.Created.Local().Format(time.DateTime), a.Expires.Local().Format(time.DateTime))
		for _, line := range argumentLines(a) {
			c.printf("    %s\n", line)
		}
		c.printf("    why: %s\n", a.Reason)
		for _, line := range standing(a) {
			c.printf("    %s\n", line)
		}
	}
	return nil
}

func (c *cli) decideCommand(yes bool) *cobra.Command {
	use, short := "approve ID...", "Say yes to calls that wait, and let their turns go on"
	if !yes {
		use, short = "deny ID...", "Say no to calls that wait"
	}
	var turn, reason string
	cmd := c.jsonFlag(&cobra.Command{
		Use: use, Short: short, Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, ids []string) error {
			if len(ids) == 0 && turn == "" {
				return usagef("which? sous approvals lists what waits; name ids, or a turn with --turn")
			}
			s, _, err := c.open(cmd.Context(), cmd.Name(), runTurns)
			if err != nil {
				return err
			}
			return errors.Join(c.decideAll(cmd.Context(), s, ids, turn, yes, reason), s.close())
		},
	})
	cmd.Flags().StringVar(&turn, "turn", "", "decide everything that waits in this turn")
	if !yes {
		cmd.Flags().StringVar(&reason, "reason", "", "why not; the assistant is told")
	}
	return cmd
}

// decideAll decides, then follows the turns until they end or wait again.
func (c *cli) decideAll(ctx context.Context, s *session, ids []string, turn string, yes bool, reason string) error {
	if turn != "" {
		v, err := s.View(ctx, s.by, turn)
		if err != nil {
			return err
		}
		for _, a := range v.Approvals {
			if a.State == approval.Asked {
				ids = append(ids, a.ID)
			}
		}
		if len(ids) == 0 {
			return agent.Errorf(agent.Conflict, "nothing waits for a decision in turn %s", turn)
		}
	}
	var turns []string
	var errs []error
	for _, id := range ids {
		a, err := s.Decide(ctx, s.by, id, yes, reason)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		if !slices.Contains(turns, a.Call.Turn) {
			turns = append(turns, a.Call.Turn)
		}
		if !c.asJSON {
			fmt.Fprintf(c.stderr, "%s: %s\n", a.ID, a.State)
		}
	}
	var out []answer
	for _, id := range turns {
		f := &follower{cli: c, session: s, quiet: c.asJSON}
		v, err := f.until(ctx, id)
		if err != nil {
			return errors.Join(append(errs, err)...)
		}
		if out = append(out, answerOf(v)); !c.asJSON {
			f.conclude(v)
		}
	}
	if c.asJSON {
		errs = append(errs, c.printJSON(orEmpty(out)))
	}
	return errors.Join(errs...)
}

func (c *cli) undoCommand() *cobra.Command {
	return c.jsonFlag(&cobra.Command{
		Use: "undo EFFECT", Short: "Take back something Sous did", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx := cmd.Context()
			s, _, err := c.open(ctx, "undo", runTurns)
			if err != nil {
				return err
			}
			acc, err := s.Undo(ctx, s.by, args[0])
			if err != nil {
				return errors.Join(err, s.close())
			}
			f := &follower{cli: c, session: s, quiet: c.asJSON, prompt: c.interactive() && !c.asJSON}
			v, err := f.follow(ctx, acc.Turn.ID)
			if err == nil && c.asJSON {
				err = c.printJSON(answerOf(v))
			} else if err == nil {
				f.conclude(v)
			}
			return errors.Join(err, s.close())
		},
	})
}

// argumentLines is one line per argument; those that came from untrusted text
// are marked.
func argumentLines(a approval.Approval) []string {
	var args map[string]json.RawMessage
	if json.Unmarshal(a.Call.Args, &args) != nil {
		return []string{string(a.Call.Args)}
	}
	names := slices.SortedFunc(maps.Keys(args), func(a, b string) int {
		return cmp.Or(cmp.Compare(rank(a), rank(b)), strings.Compare(a, b))
	})
	lines := make([]string, 0, len(names))
	for _, name := range names {
		raw, mark := args[name], " "
		if slices.Contains(a.Marked, name) {
			mark = "*"
		}
		var text string
		if json.Unmarshal(raw, &text) != nil {
			text = string(raw)
		}
		lines = append(lines, fmt.Sprintf("%s %s: %s", mark, name, strings.ReplaceAll(text, "\n", "\n        ")))
	}
	return lines
}

// rank puts the arguments people recognise a call by first.
func rank(name string) int {
	if i := slices.Index(telling(), name); i >= 0 {
		return i
	}
	return len(telling())
}

func telling() []string { return []string{"title", "text", "id"} }

// firstArgument is the argument people recognise a call by.
func firstArgument(a approval.Approval) string {
	var args map[string]any
	if json.Unmarshal(a.Call.Args, &args) != nil {
		return ""
	}
	for _, name := range telling() {
		if s, ok := args[name].(string); ok {
			return s
		}
	}
	return ""
}

func orEmpty[T any](all []T) []T {
	if all == nil {
		return []T{}
	}
	return all
}
