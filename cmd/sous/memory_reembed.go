package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/memory"
)

const reembedHelp = `Embed everything that is remembered with the model of OPENAI_EMBEDDING_MODEL, beside the vectors in use, which serve
meanwhile. When all is embedded, both are tried on a sample of passages, and the new ones are used unless they find
less; the former ones are dropped. It may be broken off: it goes on where it was, with this command or when Sous serves.

Without another model there is nothing to do anew, and the command waits until what is queued is embedded.`

// reembedEvery is how often the command looks how far it is.
const reembedEvery = 300 * time.Millisecond

func (c *cli) memoryReembedCommand() *cobra.Command {
	var anyway, cancel, status bool
	cmd := c.jsonFlag(&cobra.Command{
		Use: "reembed", Short: "Embed what is remembered anew, with another model", Long: reembedHelp, Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return c.memoryReembed(cmd.Context(), anyway, cancel, status)
		},
	})
	cmd.Flags().BoolVar(&anyway, "anyway", false, "embed anew with the same model too, and use the result even when it finds less")
	cmd.Flags().BoolVar(&cancel, "cancel", false, "drop what was embedded anew and stay with the vectors in use")
	cmd.Flags().BoolVar(&status, "status", false, "say how far it is and change nothing")
	return cmd
}

func (c *cli) memoryReembed(ctx context.Context, anyway, cancel, status bool) (err error) {
	s, _, err := c.open(ctx, "memory reembed", alone)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	switch {
	case status:
		return c.showVectors(ctx, s)
	case cancel:
		if err := s.CancelReembed(ctx, s.by); err != nil {
			return err
		}
		c.printf("Dropped; the vectors in use stay.\n")
		return nil
	}
	began, err := s.Reembed(ctx, s.by, anyway)
	if agent.KindOf(err) == agent.Conflict {
		began, err = c.inUse(ctx, s, err)
	}
	if err != nil {
		return err
	}
	if !c.asJSON {
		c.printf("%s, %d dimensions\n", began.Model, began.Dimension)
	}
	return c.followVectors(ctx, s, began)
}

// inUse returns the vectors in use when there are no others, as after a
// conflict because they are of the model of the settings already.
func (c *cli) inUse(ctx context.Context, s *session, conflict error) (memory.Generation, error) {
	st, err := s.Vectors(ctx, s.by)
	if err != nil {
		return memory.Generation{}, err
	}
	if _, making := memory.InState(st.Generations, memory.Building); making {
		return memory.Generation{}, conflict
	}
	g, ok := memory.InState(st.Generations, memory.Current)
	if !ok {
		return g, conflict
	}
	return g, nil
}

// followVectors shows the progress until nothing is queued and the generation is
// in use, is held back or is gone.
func (c *cli) followVectors(ctx context.Context, s *session, began memory.Generation) error {
	last := ""
	for {
		st, err := s.Vectors(ctx, s.by)
		if err != nil {
			return err
		}
		g, there := find(st.Generations, began.ID)
		switch {
		case st.Held != nil && g.State == memory.Building:
			return agent.Errorf(agent.Conflict, "not used: %s; --anyway uses it, --cancel drops it", st.Held)
		case st.Problem != "":
			return agent.Errorf(agent.Unavailable, "%s; what is queued stays queued and goes on when Sous serves, or with this command", st.Problem)
		case !there:
			return agent.Errorf(agent.Conflict, "the vectors were dropped meanwhile")
		case g.State == memory.Current && g.Waiting == 0:
			if c.asJSON {
				return c.printJSON(st)
			}
			c.printf("%d passages are searched by their vectors.\n", g.Vectors)
			return nil
		}
		if now := progressOf(g); now != last && !c.asJSON {
			c.printf("  %s\n", now)
			last = now
		}
		select {
		case <-ctx.Done():
			return agent.Errorf(agent.Cancelled, "broken off; it goes on when Sous serves, or with this command")
		case <-time.After(reembedEvery):
		}
	}
}

func progressOf(g memory.Generation) string {
	if g.Waiting == 0 {
		return fmt.Sprintf("%d passages embedded; the index is built and compared", g.Vectors)
	}
	return fmt.Sprintf("%d passages embedded, %d items to go", g.Vectors, g.Waiting)
}

func find(all []memory.Generation, id int64) (memory.Generation, bool) {
	for _, g := range all {
		if g.ID == id {
			return g, true
		}
	}
	return memory.Generation{}, false
}

func (c *cli) showVectors(ctx context.Context, s *session) error {
	st, err := s.Vectors(ctx, s.by)
	switch {
	case err != nil:
		return err
	case c.asJSON:
		return c.printJSON(st)
	case len(st.Generations) == 0:
		c.printf("Nothing is embedded yet.\n")
	}
	for _, g := range st.Generations {
		c.printf("%-8s  %s, %d dimensions, %d passages, %d items queued\n", g.State, g.Model, g.Dimension, g.Vectors, g.Waiting)
	}
	if st.Held != nil {
		c.printf("held back: %s\n", st.Held)
	}
	if st.Problem != "" {
		c.printf("problem: %s\n", st.Problem)
	}
	return nil
}
