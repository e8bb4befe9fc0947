package main

import (
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/integrations/api"
)

func (c *cli) memoryCommand() *cobra.Command {
	cmd := c.memorySearchCommand("memory [words...]", "Show what is remembered, or what fits the words best")
	cmd.AddCommand(c.memorySearchCommand("search [words...]", "The same as memory alone, for words that are commands"),
		c.memoryImportCommand(), c.memoryImportsCommand(), c.memoryFactsCommand(), c.memoryForgetCommand(), c.memoryRestoreCommand(), c.memoryReembedCommand())
	return cmd
}

func (c *cli) memorySearchCommand(use, short string) *cobra.Command {
	limit, explain := 20, false
	cmd := c.jsonFlag(&cobra.Command{
		Use: use, Short: short, Args: cobra.ArbitraryArgs,
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
					if explain {
						c.explainMemory(m)
					}
				}
				return nil
			})
		},
	})
	cmd.Flags().IntVar(&limit, "limit", limit, "at most this many")
	cmd.Flags().BoolVar(&explain, "explain", false, "show who may read each passage, where it is from and what its score is made of")
	return cmd
}

// explainMemory shows the label of a passage, its source and the parts of its score.
func (c *cli) explainMemory(m api.Memory) {
	readers := string(m.Label.Readers.Scope)
	if m.Label.Readers.Scope == agent.OnlyNamed {
		names := make([]string, len(m.Label.Readers.Named))
		for n, id := range m.Label.Readers.Named {
			names[n] = string(id)
		}
		readers = strings.Join(names, ", ")
	}
	c.printf("      label   %s, for %s\n", m.Label.Integrity, readers)
	if m.Link != "" {
		c.printf("      from    %s\n", m.Link)
	}
	if m.Parts == nil {
		return
	}
	p := m.Parts
	if p.Words+p.Meaning > 0 {
		c.printf("      score   %.4f = place %s by words, place %s by meaning (similarity %.3f)\n", m.Score, place(p.Words), place(p.Meaning), p.Similarity)
	} else {
		c.printf("      score   %.3f\n", m.Score)
	}
	if p.Reranked {
		c.printf("      rerank  %.4f\n", p.Rerank)
	}
	if p.Words+p.Meaning == 0 || p.Words > 0 {
		c.printf("      words   (bm25 %.2f + title %.2f + near %.2f + neighbours %.2f + item %.2f) x (1 + speaker %.2f + date %.2f + kind %.2f + recency %.3f)\n",
			p.BM25, p.Title, p.Near, p.Neighbour, p.Whole, p.Speaker, p.Date, p.Kind, p.Recency)
	}
}

func place(n int) string {
	if n == 0 {
		return "-"
	}
	return strconv.Itoa(n)
}
