package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/agent/approval"
	"github.com/sous-hq/sous/agent/loop"
)

// listing says which approvals a person wants to see.
type listing struct {
	mine, asked bool
	states      []string
	tool        string
	tier, limit int
}

// query is what the flags ask for; without a state, what waits.
func (l listing) query() (loop.ApprovalQuery, error) {
	q := loop.ApprovalQuery{Waiting: l.mine, Mine: l.asked, Tool: strings.ReplaceAll(l.tool, " ", "_"), Limit: l.limit, States: []approval.State{approval.Asked}}
	var err error
	switch {
	case l.tier < 0 || l.tier > 3:
		err = usagef("--tier is a number from 0 to 3")
	case l.limit < 0:
		err = usagef("--limit is a number of approvals")
	case l.mine && len(l.states) > 0:
		err = usagef("--mine lists what waits for you; --state is for the others")
	case len(l.states) > 0:
		q.States, err = approval.ParseStates(l.states...)
	}
	if l.tier > 0 && l.tier <= 3 {
		q.Tier = agent.TierRead + agent.Tier(l.tier)
	}
	return q, err
}

func (c *cli) approvalsCommand() *cobra.Command {
	var l listing
	cmd := c.jsonFlag(&cobra.Command{
		Use: "approvals", Short: "List what waits for a decision", Args: cobra.NoArgs,
		Example: `  sous approvals                     what waits for somebody
  sous approvals --mine              what waits for you
  sous approvals --asked             what you asked for and others decide
  sous approvals --state denied,expired --limit 20`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			q, err := l.query()
			if err != nil {
				return err
			}
			return c.reading(cmd.Context(), "approvals", func(s *session) error { return c.listApprovals(cmd.Context(), s, q) })
		},
	})
	f := cmd.Flags()
	f.BoolVar(&l.mine, "mine", false, "only those on which it is your turn to decide")
	f.BoolVar(&l.asked, "asked", false, "only those that you asked for")
	f.StringSliceVar(&l.states, "state", nil, "asked, approved, denied, expired, spent, superseded, withdrawn, or all (default asked)")
	f.StringVar(&l.tool, "tool", "", "only calls of this tool")
	f.IntVar(&l.tier, "tier", 0, "only calls of this risk and above, 0 to 3")
	f.IntVar(&l.limit, "limit", 0, "only the newest")
	cmd.AddCommand(c.approvalCommands()...)
	return cmd
}

func (c *cli) listApprovals(ctx context.Context, s *session, q loop.ApprovalQuery) error {
	all, err := s.ListApprovals(ctx, s.by, q)
	switch {
	case err != nil:
		return err
	case c.asJSON:
		return c.printJSON(orEmpty(all))
	case len(all) == 0 && q.Waiting:
		c.printf("Nothing waits for you.\n")
	case len(all) == 0 && len(q.States) == 1 && q.States[0] == approval.Asked:
		c.printf("Nothing waits for a decision.\n")
	case len(all) == 0:
		c.printf("There are no such approvals.\n")
	}
	for _, a := range all {
		if err := c.listApproval(ctx, s, a); err != nil {
			return err
		}
	}
	return nil
}

// listApproval prints one approval with all that there is to know of it.
func (c *cli) listApproval(ctx context.Context, s *session, a approval.Approval) error {
	about, err := s.About(ctx, s.by, a.ID)
	if err != nil {
		return err
	}
	c.printf("%s  %s, asked %s, %s\n", a.ID, strings.ReplaceAll(a.Call.Tool, "_", " "), a.Created.Local().Format(time.DateTime), fate(a))
	for _, line := range argumentLines(a) {
		c.printf("    %s\n", line)
	}
	for _, n := range about {
		c.printf("    about: %s: %s\n", n.Title, strings.ReplaceAll(n.Text, "\n", "\n        "))
	}
	c.printf("    why: %s\n", a.Reason)
	for _, line := range standing(a) {
		c.printf("    %s\n", line)
	}
	return nil
}

// fate is the state of an approval in words, with who and when.
func fate(a approval.Approval) string {
	by := fmt.Sprintf("by %s, %s", cmp.Or(a.DecidedName, string(a.DecidedBy)), a.DecidedAt.Local().Format(time.DateTime))
	switch a.State {
	case approval.Asked:
		return "expires " + a.Expires.Local().Format(time.DateTime)
	case approval.Approved:
		return "approved " + by + ", to run before " + a.RunBefore().Local().Format(time.DateTime)
	case approval.Spent:
		return "approved and used " + by
	case approval.Denied:
		if a.Comment != "" {
			by += ": " + a.Comment
		}
		return "denied " + by
	case approval.Expired:
		return "expired"
	case approval.Superseded:
		if len(a.Edited) > 0 {
			return "changed " + by + "; asked anew"
		}
		return "asked anew: " + a.Comment
	case approval.Withdrawn:
		return "withdrawn: " + a.Comment
	}
	return string(a.State)
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
		a, err := s.Answer(ctx, s.by, loop.Answer{Approval: id, Yes: yes, Comment: reason})
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

// argumentLines is one line per argument, in the order of the tool; those that came
// from untrusted text are marked, and followed by where they stand in it.
func argumentLines(a approval.Approval) []string {
	all := a.Call.Arguments()
	if all == nil {
		return []string{string(a.Call.Args)}
	}
	lines := make([]string, 0, len(all))
	for _, arg := range all {
		mark, from := " ", ""
		if slices.Contains(a.Marked, arg.Name) {
			mark = "*"
			if origins := a.Origins[arg.Name]; len(origins) > 0 {
				from = "  [" + strings.Join(origins, ", ") + "]"
			}
		}
		var text string
		if json.Unmarshal(arg.Value, &text) != nil {
			text = string(arg.Value)
		}
		lines = append(lines, fmt.Sprintf("%s %s: %s%s", mark, arg.Name, strings.ReplaceAll(text, "\n", "\n        "), from))
	}
	return lines
}

// telling are the arguments people recognise a call by.
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
