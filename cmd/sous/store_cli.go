package main

import (
	"context"
	"fmt"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/integrations/postgres"
)

// shared opens the store of replicas for f; the embedded one has nothing of what is
// asked for.
func (c *cli) shared(ctx context.Context, f func(*postgres.DB) error) error {
	cfg, err := c.load()
	if err != nil {
		return err
	}
	log, err := c.logger(cfg, false)
	if err != nil {
		return err
	}
	if !cfg.DatabaseURL.IsSet() {
		return agent.Errorf(agent.Invalid, "this is for PostgreSQL, and SOUS_DATABASE_URL is not set")
	}
	db, err := postgres.Open(ctx, postgres.Config{URL: cfg.DatabaseURL.Reveal(), Keys: keysFolder(cfg), Clock: now, Log: log, Version: version()})
	if err != nil {
		return err
	}
	defer db.Close()
	return f(db)
}

func (c *cli) storeUpgradeCommand() *cobra.Command {
	return &cobra.Command{
		Use: "upgrade", Short: "Bring the database up to date, as its owner, and end", Args: cobra.NoArgs,
		Long: `Bring the tables of the database up to date, with SOUS_DATABASE_URL naming their owner.
Sous does so itself at each start; this is for servers whose own login owns nothing and
is a member of the role sous_server. One older version of Sous goes on working beside.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return c.shared(cmd.Context(), func(*postgres.DB) error {
				c.printf("The database is up to date.\n")
				return nil
			})
		},
	}
}

func (c *cli) storeReplicasCommand() *cobra.Command {
	return c.jsonFlag(&cobra.Command{
		Use: "replicas", Short: "List the processes that work on the database", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return c.shared(cmd.Context(), func(db *postgres.DB) error {
				all, err := db.Replicas(cmd.Context())
				if err != nil {
					return err
				}
				if c.asJSON {
					return c.printJSON(orEmpty(all))
				}
				if len(all) == 0 {
					c.printf("No process works on the database.\n")
					return nil
				}
				w := tabwriter.NewWriter(screen{c.stdout}, 0, 0, 2, ' ', 0)
				for _, r := range all {
					fmt.Fprintf(w, "%s\t%s\tprocess %d\tsous %s\tsince %s\tseen %s ago\n", r.ID, r.Host, r.PID, r.Version,
						r.Started.Local().Format(time.DateTime), time.Since(r.Beat).Round(time.Second))
				}
				return w.Flush()
			})
		},
	})
}
