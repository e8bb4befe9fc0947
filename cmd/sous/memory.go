package main

import (
	"strings"

	"github.com/spf13/cobra"
)

func (c *cli) memoryCommand() *cobra.Command {
	limit := 20
	cmd := c.jsonFlag(&cobra.Command{
		Use: "memory [words...]", Short: "Show what is remembered, or what fits the words best", Args: cobra.ArbitraryArgs,
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
				}
				return nil
			})
		},
	})
	cmd.Flags().IntVar(&limit, "limit", limit, "at most this many")
	cmd.AddCommand(c.memoryImportCommand(), c.memoryImportsCommand(), c.memoryFactsCommand(), c.memoryForgetCommand(), c.memoryRestoreCommand())
	for _, sub := range cmd.Commands() {
		wrapArgs(sub)
	}
	return cmd
}
