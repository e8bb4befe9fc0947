package main

import (
	"context"
	"errors"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/integrations/api"
	"github.com/sous-hq/sous/memory"
)

// Facts implements api.Facts.
func (s service) Facts(ctx context.Context, by agent.Actor, q api.FactsQuery) ([]api.Fact, error) {
	if q.Limit <= 0 {
		q.Limit = 20
	}
	all, err := s.app.memory.Facts(ctx, memory.FactsQuery{Reader: by, Text: q.Query, History: q.History, Limit: q.Limit})
	if err != nil {
		return nil, err
	}
	out := make([]api.Fact, len(all))
	for n, st := range all {
		out[n] = factOf(st.Hit)
		for _, o := range st.Against {
			out[n].Against = append(out[n].Against, refOf(all[o].Hit))
		}
		for _, v := range st.Before {
			out[n].Before = append(out[n].Before, refOf(memory.Hit{Item: v, Chunk: memory.Chunk{Text: v.Text()}}))
		}
	}
	return out, nil
}

func factOf(h memory.Hit) api.Fact {
	f := api.Fact{
		ID: h.Item.ID, Kind: string(h.Kind()), Text: h.Chunk.Text, Quote: h.Chunk.Quote, Who: h.Chunk.Speaker, Where: h.Item.Where, When: h.At(),
		Source: h.Item.Source, Citation: h.Citation(), Label: h.Label(),
	}
	if h.Item.Kind == memory.Fact {
		f.Who = h.Item.AuthorName
	}
	return f
}

func refOf(h memory.Hit) api.FactRef {
	return api.FactRef{ID: h.Item.ID, Text: h.Chunk.Text, Citation: h.Citation()}
}

// ForgetItem implements api.Facts.
func (s service) ForgetItem(ctx context.Context, by agent.Actor, id string, forGood bool) (api.Memory, error) {
	if forGood {
		i, err := s.app.memory.Remove(ctx, by, id)
		return itemOf(i), err
	}
	i, err := s.app.memory.Forget(ctx, by, id)
	return itemOf(i), err
}

// RestoreItem implements api.Facts.
func (s service) RestoreItem(ctx context.Context, by agent.Actor, id string) (api.Memory, error) {
	i, err := s.app.memory.Get(ctx, by, id)
	switch {
	case err != nil:
		return api.Memory{}, err
	case i.SupersededBy != "":
		i, err = s.app.memory.Revert(ctx, by, id)
	default:
		i, err = s.app.memory.Restore(ctx, by, id)
	}
	return itemOf(i), err
}

func itemOf(i memory.Item) api.Memory {
	return api.Memory{ID: i.ID, Kind: string(i.Kind), Title: i.Title, Text: i.Text(), Source: i.Source, At: i.At, Label: i.Label}
}

func (c *cli) memoryFactsCommand() *cobra.Command {
	var q api.FactsQuery
	cmd := c.jsonFlag(&cobra.Command{
		Use: "facts [words...]", Short: "List facts, decisions and commitments: who said them, where and when", Args: cobra.ArbitraryArgs,
		Long: `List what people asked to have remembered and what meetings decided and promised, the newest first or what
fits the words best. What contradicts a fact is listed after it; nothing is overwritten by what somebody else said.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			q.Query = strings.Join(args, " ")
			return c.reading(cmd.Context(), "memory facts", func(s *session) error {
				all, err := s.Facts(cmd.Context(), s.by, q)
				switch {
				case err != nil:
					return err
				case c.asJSON:
					return c.printJSON(orEmpty(all))
				case len(all) == 0:
					c.printf("No facts are remembered about that.\n")
				}
				for _, f := range all {
					c.printFact(f)
				}
				return nil
			})
		},
	})
	cmd.Flags().BoolVar(&q.History, "history", false, "show what facts were before they were corrected")
	cmd.Flags().IntVar(&q.Limit, "limit", 20, "at most this many")
	return cmd
}

func (c *cli) printFact(f api.Fact) {
	c.printf("%s  [%s] %s\n    %s\n", f.ID, f.Kind, f.Citation, strings.ReplaceAll(f.Text, "\n", "\n    "))
	if f.Quote != "" {
		c.printf("    “%s”\n", strings.ReplaceAll(f.Quote, "\n", " "))
	}
	for _, o := range f.Against {
		c.printf("    disagrees with: %s [%s]\n", strings.ReplaceAll(o.Text, "\n", " "), o.Citation)
	}
	for _, b := range f.Before {
		c.printf("    before that: %s [%s]\n", strings.ReplaceAll(b.Text, "\n", " "), b.Citation)
	}
}

func (c *cli) memoryForgetCommand() *cobra.Command {
	var forGood bool
	cmd := c.jsonFlag(&cobra.Command{
		Use: "forget ID", Short: "Forget something remembered, with the versions it took the place of", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.changeMemory(cmd.Context(), func(ctx context.Context, s *session) (api.Memory, string, error) {
				m, err := s.ForgetItem(ctx, s.by, args[0], forGood)
				if forGood {
					return m, "Removed for good", err
				}
				return m, "Forgotten (sous memory restore " + args[0] + " brings it back)", err
			})
		},
	})
	cmd.Flags().BoolVar(&forGood, "for-good", false, "take it out for good: it cannot be restored")
	return cmd
}

func (c *cli) memoryRestoreCommand() *cobra.Command {
	return c.jsonFlag(&cobra.Command{
		Use: "restore ID", Short: "Bring back what was forgotten, or what a correction took the place of", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.changeMemory(cmd.Context(), func(ctx context.Context, s *session) (api.Memory, string, error) {
				m, err := s.RestoreItem(ctx, s.by, args[0])
				return m, "Restored", err
			})
		},
	})
}

// changeMemory changes one item and shows it.
func (c *cli) changeMemory(ctx context.Context, do func(context.Context, *session) (api.Memory, string, error)) (err error) {
	s, _, err := c.open(ctx, "memory", alone)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	m, said, err := do(ctx, s)
	switch {
	case err != nil:
		return err
	case c.asJSON:
		return c.printJSON(m)
	}
	text := strings.Join(strings.Fields(m.Text), " ")
	if r := []rune(text); len(r) > 200 {
		text = string(r[:200]) + "…"
	}
	c.printf("%s: %s\n", said, text)
	return nil
}
