package main

import (
	"context"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/agent/pause"
)

// Pauses implements api.Control: those of the actor's workspace, and what stops
// every workspace.
func (s service) Pauses(ctx context.Context, by agent.Actor) ([]pause.Pause, error) {
	all, err := s.app.db.Pauses(ctx)
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(all, func(p pause.Pause) bool {
		return p.Workspace != by.Workspace && p.Scope != pause.Everything
	}), nil
}

// Pause implements api.Control. A tool or turn there is none of is refused: whoever
// mistyped a name would believe it stopped.
func (s service) Pause(ctx context.Context, by agent.Actor, scope pause.Scope, target, reason string) (pause.Pause, error) {
	_, err := pause.New(by, scope, target, reason, now())
	if err == nil && scope == pause.Tool {
		_, err = s.Schema(ctx, target)
	}
	if err == nil && scope == pause.Turn {
		_, _, _, err = s.app.db.Turn(ctx, by.Workspace, target)
	}
	if err != nil {
		return pause.Pause{}, err
	}
	return s.app.db.Pause(ctx, by, scope, target, reason)
}

// Resume implements api.Control.
func (s service) Resume(ctx context.Context, by agent.Actor, scope pause.Scope, target string) (pause.Pause, error) {
	return s.app.db.Resume(ctx, by, scope, target)
}

// countPaused is how many pauses are in force, for the metrics.
func (a *app) countPaused() (int, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	all, err := a.db.Pauses(ctx)
	return len(all), err
}

// scopeFlags are the flags that name what a pause stops.
type scopeFlags struct {
	tool, turn            string
	workspace, everything bool
}

func (f *scopeFlags) add(cmd *cobra.Command) {
	fl := cmd.Flags()
	fl.StringVar(&f.tool, "tool", "", "one tool, by name")
	fl.StringVar(&f.turn, "turn", "", "one turn, by id")
	fl.BoolVar(&f.workspace, "workspace", false, "all of this workspace")
	fl.BoolVar(&f.everything, "everything", false, "every workspace of this installation")
	cmd.MarkFlagsMutuallyExclusive("tool", "turn", "workspace", "everything")
}

func (f *scopeFlags) scope() (s pause.Scope, target string, err error) {
	switch {
	case f.tool != "":
		return pause.Tool, f.tool, nil
	case f.turn != "":
		return pause.Turn, f.turn, nil
	case f.workspace:
		return pause.Workspace, "", nil
	case f.everything:
		return pause.Everything, "", nil
	}
	return "", "", usagef("what? name --tool T, --turn ID, --workspace or --everything")
}

func (c *cli) pauseCommand() *cobra.Command {
	var f scopeFlags
	var reason string
	var show bool
	cmd := c.jsonFlag(&cobra.Command{
		Use: "pause", Short: "Stop a turn, a tool, the workspace or everything, until it is resumed", Args: cobra.NoArgs,
		Long: `Stop a turn, a tool, the workspace or everything. Nothing new begins from the moment
the command returns; a running server obeys within seconds. What was under way is
still recorded. Turns wait and go on after: sous resume.`,
		Example: "  sous pause --tool ticket_create --reason \"it opens duplicates\"\n  sous pause --list",
		RunE: func(cmd *cobra.Command, _ []string) error {
			return c.reading(cmd.Context(), "pause", func(s *session) error {
				if show {
					return c.listPauses(cmd.Context(), s)
				}
				scope, target, err := f.scope()
				if err != nil {
					return err
				}
				p, err := s.Pause(cmd.Context(), s.by, scope, target, reason)
				return c.tellPause(p, p.String(), err)
			})
		},
	})
	f.add(cmd)
	cmd.Flags().StringVar(&reason, "reason", "", "why; everybody whose work stops is told (required)")
	cmd.Flags().BoolVar(&show, "list", false, "list what is stopped now")
	return cmd
}

func (c *cli) resumeCommand() *cobra.Command {
	var f scopeFlags
	cmd := c.jsonFlag(&cobra.Command{
		Use: "resume", Short: "Let go on what was stopped with sous pause", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			scope, target, err := f.scope()
			if err != nil {
				return err
			}
			return c.reading(cmd.Context(), "resume", func(s *session) error {
				p, err := s.Resume(cmd.Context(), s.by, scope, target)
				return c.tellPause(p, "Resumed: "+p.What()+".", err)
			})
		},
	})
	f.add(cmd)
	return cmd
}

func (c *cli) tellPause(p pause.Pause, text string, err error) error {
	switch {
	case err != nil:
		return err
	case c.asJSON:
		return c.printJSON(p)
	}
	c.printf("%s\n", text)
	return nil
}

func (c *cli) listPauses(ctx context.Context, s *session) error {
	all, err := s.Pauses(ctx, s.by)
	switch {
	case err != nil:
		return err
	case c.asJSON:
		return c.printJSON(orEmpty(all))
	case len(all) == 0:
		c.printf("Nothing is paused.\n")
	}
	for _, p := range all {
		c.printf("%s\n", p)
	}
	return nil
}
