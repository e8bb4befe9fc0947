package main

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/agent/approval"
	"github.com/sous-hq/sous/agent/loop"
	"github.com/sous-hq/sous/tools"
)

// ListEffects implements api.Control.
func (s service) ListEffects(ctx context.Context, by agent.Actor, f loop.EffectFilter) ([]loop.Effect, error) {
	var all []loop.Effect
	if f.Limit == 0 {
		f.Limit = 1000
	}
	wanted := func(e tools.EffectState) bool { return len(f.States) == 0 || slices.Contains(f.States, e) }
	if wanted(tools.EffectPlanned) || wanted(tools.EffectApproved) {
		open, err := s.app.db.Approvals(ctx, by.Workspace, loop.ApprovalFilter{
			Turn: f.Turn, States: []approval.State{approval.Asked, approval.Approved},
		})
		if err != nil {
			return nil, err
		}
		for _, a := range open {
			state := tools.EffectPlanned
			if a.State == approval.Approved {
				state = tools.EffectApproved
			}
			if wanted(state) {
				all = append(all, loop.Effect{
					Turn: a.Call.Turn, Call: a.Call, Digest: a.Digest, Tier: a.Tier, State: string(state), Approval: a.ID,
				})
			}
		}
	}
	made, err := s.app.db.FindEffects(ctx, by.Workspace, f)
	if err != nil {
		return nil, err
	}
	if all, err = s.visible(ctx, by, append(made, all...)); err != nil {
		return nil, err
	}
	return all[max(0, len(all)-f.Limit):], nil
}

// visible leaves the effects of turns that the actor sees, and an owner all.
func (s service) visible(ctx context.Context, by agent.Actor, all []loop.Effect) ([]loop.Effect, error) {
	if by.Owner {
		return all, nil
	}
	seen := map[string]bool{}
	var mine []loop.Effect
	for _, e := range all {
		may, known := seen[e.Turn]
		if !known {
			t, _, _, err := s.app.db.Turn(ctx, by.Workspace, e.Turn)
			if err != nil && agent.KindOf(err) != agent.NotFound {
				return nil, err
			}
			may = err == nil && t.Place.Readers().Includes(by)
			seen[e.Turn] = may
		}
		if may {
			mine = append(mine, e)
		}
	}
	return mine, nil
}

// ResolveEffect implements api.Control.
func (s service) ResolveEffect(ctx context.Context, by agent.Actor, key string, happened bool, note string) (loop.Effect, error) {
	e, err := s.app.db.Effect(ctx, by.Workspace, key)
	if err != nil {
		return loop.Effect{}, err
	}
	mine, err := s.visible(ctx, by, []loop.Effect{e})
	switch {
	case err != nil:
		return loop.Effect{}, err
	case len(mine) == 0:
		return loop.Effect{}, agent.Errorf(agent.NotFound, "there is no effect %s", key)
	}
	return s.app.ledger.Resolve(ctx, by, key, happened, note)
}

func (c *cli) effectsCommand() *cobra.Command {
	var f loop.EffectFilter
	var unknown bool
	cmd := c.jsonFlag(&cobra.Command{
		Use: "effects", Short: "List what was changed, and what nobody knows the outcome of", Args: cobra.NoArgs,
		Long: `List effects, oldest first: planned (waits for a yes), approved, intent (about to
run or interrupted), done, failed, unknown (look, then: sous effects resolve).`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if unknown {
				f.States = []tools.EffectState{tools.EffectUnknown}
			}
			return c.reading(cmd.Context(), "effects", func(s *session) error { return c.listEffects(cmd.Context(), s, f) })
		},
	})
	cmd.Flags().BoolVar(&unknown, "unknown", false, "only those that wait for a person to look")
	cmd.Flags().StringVar(&f.Turn, "turn", "", "only this turn")
	cmd.Flags().IntVar(&f.Limit, "limit", 50, "at most this many, the newest")
	resolve := c.resolveCommand()
	cmd.AddCommand(resolve)
	return cmd
}

func (c *cli) listEffects(ctx context.Context, s *session, f loop.EffectFilter) error {
	all, err := s.ListEffects(ctx, s.by, f)
	switch {
	case err != nil:
		return err
	case c.asJSON:
		return c.printJSON(orEmpty(all))
	case len(all) == 0:
		c.printf("No effects.\n")
	}
	for _, e := range all {
		at := "-"
		if !e.Intended.IsZero() {
			at = e.Intended.Local().Format(time.DateTime)
		}
		c.printf("%-32s  %-8s  %-19s  %s\n", orDash(e.Key), e.State, at, strings.ReplaceAll(e.Call.Tool, "_", " "))
		c.printf("    turn %s  %s\n", e.Turn, e.Call.Args)
		if e.Attempts > 1 {
			c.printf("    attempts: %d\n", e.Attempts)
		}
		if e.Outcome.Error != "" {
			c.printf("    %s\n", e.Outcome.Error)
		}
		if r := e.Resolution; r != nil {
			c.printf("    %s looked at %s: %s\n", r.Who(), r.At.Local().Format(time.DateTime), r.Note)
		}
		if e.CanUndo(now()) {
			c.printf("    can be undone until %s: sous undo %s\n", e.UndoUntil.Local().Format(time.DateTime), e.Key)
		}
	}
	return nil
}

func (c *cli) resolveCommand() *cobra.Command {
	var happened, not bool
	var note string
	cmd := c.jsonFlag(&cobra.Command{
		Use: "resolve KEY", Short: "Say what became of an unknown effect, after you have looked", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if happened == not {
				return usagef("say --happened or --did-not")
			}
			return c.reading(cmd.Context(), "effects", func(s *session) error {
				e, err := s.ResolveEffect(cmd.Context(), s.by, args[0], happened, note)
				switch {
				case err != nil:
					return err
				case c.asJSON:
					return c.printJSON(e)
				}
				c.printf("%s is %s now; that you said so is on the record.\n", e.Key, e.State)
				return nil
			})
		},
	})
	cmd.Flags().BoolVar(&happened, "happened", false, "it happened")
	cmd.Flags().BoolVar(&not, "did-not", false, "it did not happen")
	cmd.Flags().StringVar(&note, "note", "", "where you looked and what you saw (required)")
	return cmd
}
