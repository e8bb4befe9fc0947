package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/agent/audit"
	"github.com/sous-hq/sous/agent/privacy"
	"github.com/sous-hq/sous/integrations/postgres"
	"github.com/sous-hq/sous/integrations/sqlite"
	"github.com/sous-hq/sous/internal/config"
	"github.com/sous-hq/sous/internal/datadir"
	"github.com/sous-hq/sous/internal/transfer"
)

// copied is what a backup, a restore or a move came to.
type copied struct {
	File   string `json:"file,omitempty"`
	Bytes  int64  `json:"bytes,omitempty"`
	SHA256 string `json:"sha256,omitempty"`
	// Tables are the rows of each table and the sum of their hashes; a plain copy
	// of a file has none.
	Tables transfer.Sums `json:"tables,omitempty"`
	// Erased are the people who were erased after the backup was made, and now
	// again.
	Erased []agent.ActorID `json:"erased_again,omitempty"`
	// Unchecked says that no sum lay beside the backup, so nothing vouches for it.
	Unchecked bool   `json:"unchecked,omitempty"`
	Keys      string `json:"keys"`
}

func (c *cli) backupCommand() *cobra.Command {
	return c.jsonFlag(&cobra.Command{
		Use: "backup FILE", Short: "Copy the store to a file, while a server works or not", Args: cobra.ExactArgs(1),
		Long: `Copy the store as it is at one moment to a new file, while a server works or not. The file is
a SQLite database whichever store is in use: it can be looked into, and restored into either.
Its SHA-256 is in FILE.sha256, by which restore finds that it has changed.
The keys of the record are not in it; copy their folder to another place.`,
		Example: "  sous backup /backups/sous-$(date +%F).db",
		RunE: func(cmd *cobra.Command, args []string) error {
			cfg, err := c.load()
			if err != nil {
				return err
			}
			out, err := c.backup(cmd.Context(), cfg, args[0])
			if err != nil {
				return err
			}
			if c.asJSON {
				return c.printJSON(out)
			}
			c.tellTables(out.Tables)
			c.printf("The store is in %s (%d bytes, SHA-256 %s).\n", out.File, out.Bytes, out.SHA256)
			c.printf("The keys in %s are not in it: keep a copy of that folder in another place.\n", out.Keys)
			return nil
		},
	})
}

func (c *cli) backup(ctx context.Context, cfg config.Config, path string) (copied, error) {
	out := copied{File: path, Keys: keysFolder(cfg)}
	if _, err := os.Stat(path); err == nil {
		return out, agent.Errorf(agent.Conflict, "%s is there already", path)
	}
	err := writeWhole(path, func(part string) (err error) {
		if cfg.DatabaseURL.IsSet() {
			out.Tables, err = backupPostgres(ctx, cfg, part)
		} else {
			err = backupSQLite(ctx, cfg, part)
		}
		if err != nil {
			return err
		}
		if out.Bytes, out.SHA256, err = hashed(part); err != nil {
			return err
		}
		return writeSum(path, out.SHA256)
	})
	return out, err
}

func backupSQLite(ctx context.Context, cfg config.Config, path string) error {
	if _, err := os.Stat(sqliteFile(cfg)); err != nil {
		return agent.WrapError(agent.NotFound, err, fmt.Sprintf("there is no store %s", sqliteFile(cfg)))
	}
	db, err := sqlite.Open(ctx, sqlite.Config{Path: sqliteFile(cfg), Keys: keysFolder(cfg), Clock: now})
	if err != nil {
		return err
	}
	return errors.Join(db.Copy(ctx, path), db.Close())
}

func backupPostgres(ctx context.Context, cfg config.Config, path string) (transfer.Sums, error) {
	from, err := openServer(ctx, cfg, cfg.DatabaseURL.Reveal())
	if err != nil {
		return nil, err
	}
	var sums transfer.Sums
	err = withSQLite(ctx, cfg, path, func(to *sqlite.DB) error {
		var err error
		sums, err = to.Load(ctx, from.Dump)
		return err
	})
	return sums, errors.Join(err, from.Close())
}

// withSQLite opens a sound store and closes it.
func withSQLite(ctx context.Context, cfg config.Config, path string, f func(*sqlite.DB) error) error {
	db, err := sqlite.Open(ctx, sqlite.Config{Path: path, Keys: keysFolder(cfg), Clock: now})
	if err != nil {
		return err
	}
	err = db.Sound(ctx)
	if err == nil {
		_, err = db.Keys()
	}
	if err == nil {
		err = f(db)
	}
	return errors.Join(err, db.Close())
}

// openServer opens the store on a server.
func openServer(ctx context.Context, cfg config.Config, url string) (*postgres.DB, error) {
	db, err := postgres.Open(ctx, postgres.Config{URL: url, Keys: keysFolder(cfg), Clock: now, Version: version()})
	if err != nil {
		return nil, err
	}
	if _, err := db.Keys(); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return db, nil
}

// fillServer fills the empty store on a server.
func fillServer(ctx context.Context, cfg config.Config, url string, from *sqlite.DB) (transfer.Sums, error) {
	to, err := postgres.Open(ctx, postgres.Config{URL: url, Keys: keysFolder(cfg), Clock: now, Version: version()})
	if err != nil {
		return nil, err
	}
	// The keys have opened the store that is moved, so they are not what is wrong.
	if _, err := to.Keys(); err != nil {
		return nil, errors.Join(agent.WrapError(agent.Invalid, err, fmt.Sprintf("Sous was started on this database before, with other keys than those in %s; name an empty database, or drop this one and create it anew", keysFolder(cfg))), to.Close())
	}
	sums, err := to.Load(ctx, from.Dump)
	return sums, errors.Join(err, to.Close())
}

func hashed(path string) (int64, string, error) {
	f, err := os.Open(path)
	if err != nil {
		return 0, "", agent.WrapError(agent.Unavailable, err, fmt.Sprintf("%s cannot be read", path))
	}
	defer f.Close()
	h := sha256.New()
	n, err := io.Copy(h, f)
	return n, hex.EncodeToString(h.Sum(nil)), err
}

func (c *cli) tellTables(sums transfer.Sums) {
	for _, t := range transfer.Tables() {
		if s := sums[t.Name]; s.Rows > 0 {
			c.printf("  %-22s %8d rows  %016x\n", t.Name, s.Rows, s.Hash)
		}
	}
}

func (c *cli) restoreCommand() *cobra.Command {
	return c.jsonFlag(&cobra.Command{
		Use: "restore FILE", Short: "Put a backup into an empty store", Args: cobra.ExactArgs(1),
		Long: `Put a backup into an empty store: a data folder without one, or the empty database that
SOUS_DATABASE_URL names. The folder of keys has to be in its place before. People for whom there
is a receipt of an erasure after the backup was made are erased again. Broken off, it is done
again with the same file.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			cfg, err := c.load()
			if err != nil {
				return err
			}
			dir, err := datadir.Hold(cfg.DataDir, datadir.Holder{What: "restore"})
			if errors.Is(err, datadir.ErrHeld) {
				return held(cfg.DataDir)
			} else if err != nil {
				return agent.WrapError(agent.Unavailable, err, fmt.Sprintf("the data directory %s cannot be used: %v", cfg.DataDir, err))
			}
			out, err := c.restore(cmd.Context(), cfg, args[0])
			if err = errors.Join(err, dir.Release()); err != nil {
				return err
			}
			out.Erased, err = c.eraseAgain(cmd.Context(), cfg)
			if err = errors.Join(err, os.Remove(restoring(cfg))); err != nil {
				return err
			}
			if c.asJSON {
				return c.printJSON(out)
			}
			c.tellTables(out.Tables)
			c.printf("The store is restored from %s.\n", args[0])
			if out.Unchecked {
				c.printf("There is no %s, so nobody knows whether it was changed: look with sous check and sous audit verify.\n", sumFile(args[0]))
			}
			for _, id := range out.Erased {
				c.printf("What was held about %s is erased again, as its receipt says.\n", id)
			}
			return nil
		},
	})
}

func (c *cli) restore(ctx context.Context, cfg config.Config, path string) (copied, error) {
	out := copied{File: path, Keys: keysFolder(cfg)}
	sum, err := checkBackup(path)
	if err != nil {
		return out, err
	}
	_, err = os.Stat(sumFile(path))
	out.Unchecked = err != nil
	before, err := os.ReadFile(restoring(cfg))
	again := err == nil && string(before) == sum
	if _, err := os.Stat(sqliteFile(cfg)); err == nil && !cfg.DatabaseURL.IsSet() && !again {
		return out, agent.Errorf(agent.Conflict, "there is a store %s already; move it away, or name another folder with --data", sqliteFile(cfg))
	}
	part := sqliteFile(cfg) + unfinished
	if err := removeStore(part); err != nil {
		return out, err
	}
	if err := os.WriteFile(restoring(cfg), []byte(sum), 0o600); err != nil {
		return out, agent.WrapError(agent.Unavailable, err, fmt.Sprintf("the data directory %s cannot be written: %v", cfg.DataDir, reason(err)))
	}
	if err := usable(ctx, cfg, path, part); err != nil {
		err = errors.Join(err, removeStore(part))
		if !again {
			err = errors.Join(err, os.Remove(restoring(cfg)))
		}
		return out, err
	}
	if cfg.DatabaseURL.IsSet() {
		out.Tables, err = fillAgain(ctx, cfg, part, again)
		return out, errors.Join(err, removeStore(part))
	}
	if err := onDisk(part); err != nil {
		return out, err
	}
	// What an earlier try left is in nobody's use.
	return out, errors.Join(removeStore(sqliteFile(cfg)), os.Rename(part, sqliteFile(cfg)), onDisk(cfg.DataDir))
}

// fillAgain fills the database from the file, unless an earlier try did.
func fillAgain(ctx context.Context, cfg config.Config, file string, again bool) (sums transfer.Sums, err error) {
	err = withSQLite(ctx, cfg, file, func(db *sqlite.DB) (err error) {
		sums, err = fillServer(ctx, cfg, cfg.DatabaseURL.Reveal(), db)
		return err
	})
	switch {
	case agent.KindOf(err) == agent.Conflict && again:
		return nil, nil
	case agent.KindOf(err) == agent.Conflict:
		// Nothing was done there.
		return nil, errors.Join(err, os.Remove(restoring(cfg)))
	}
	return sums, err
}

func copyFile(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return agent.WrapError(agent.NotFound, err, fmt.Sprintf("the backup %s cannot be read", from))
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return agent.WrapError(agent.Unavailable, err, fmt.Sprintf("%s cannot be made", to))
	}
	_, err = io.Copy(out, in)
	if err = errors.Join(err, out.Sync(), out.Close()); err != nil {
		return agent.WrapError(agent.Unavailable, errors.Join(err, os.Remove(to)), fmt.Sprintf("%s cannot be written", to))
	}
	return nil
}

// eraseAgain erases the people whose receipts the restored record knows nothing
// of.
func (c *cli) eraseAgain(ctx context.Context, cfg config.Config) ([]agent.ActorID, error) {
	files, err := filepath.Glob(filepath.Join(receiptsFolder(cfg), "*.txt"))
	if err != nil || len(files) == 0 {
		return nil, err
	}
	var done []agent.ActorID
	err = c.working(ctx, "restore", func(s *session) error {
		svc, ok := s.Service.(service)
		if !ok {
			return agent.Errorf(agent.Conflict, "a server works on the data directory; stop it first")
		}
		ring, err := svc.app.db.Keys()
		if err != nil {
			return err
		}
		known, err := ring.Verifiers()
		if err != nil {
			return err
		}
		for _, f := range files {
			signed, err := os.ReadFile(f)
			if err != nil {
				return agent.WrapError(agent.Unavailable, err, fmt.Sprintf("the receipt %s cannot be read", f))
			}
			r, err := privacy.OpenReceipt(string(signed), known)
			if err != nil || slices.Contains(done, r.Subject) {
				continue // not ours
			}
			missing, err := svc.app.forgotten(ctx, r)
			if err != nil {
				return err
			}
			if !missing {
				continue
			}
			if err := svc.app.stopAll(ctx, r.People); err != nil {
				return err
			}
			if _, err := s.ErasePerson(ctx, s.by, r.Subject, false, false); err != nil {
				return fmt.Errorf("the store is restored, but what was held about %s is not erased again: %w", r.Subject, err)
			}
			done = append(done, r.Subject)
		}
		return nil
	})
	return done, err
}

// stopAll stops what people have asked for and waits until it is over.
func (a *app) stopAll(ctx context.Context, people []agent.ActorID) error {
	for deadline := now().Add(shutdownTime); ; {
		all, err := a.db.Unfinished(ctx)
		if err != nil {
			return err
		}
		all = slices.DeleteFunc(all, func(t agent.Turn) bool { return !slices.Contains(people, t.Actor.ID) })
		if len(all) == 0 || now().After(deadline) {
			return nil // what is left is said by the erasure itself
		}
		for _, t := range all {
			if err := a.assistant.Stop(ctx, t.Actor, t.ID); err != nil && agent.KindOf(err) != agent.Conflict {
				return err
			}
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// forgotten reports whether the record does not know of an erasure.
func (a *app) forgotten(ctx context.Context, r privacy.Receipt) (bool, error) {
	rows, err := a.db.Audit(ctx, r.Workspace, audit.Filter{After: r.Row - 1, Limit: 1})
	if err != nil {
		return false, err
	}
	return len(rows) == 0 || rows[0].Seq != r.Row || rows[0].Subject != r.Subject, nil
}

func (c *cli) storeCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "store", Short: "Move the store to a database server, and look after it there", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	to := ""
	move := c.jsonFlag(&cobra.Command{
		Use: "migrate --to postgres://user@host/database", Short: "Copy the embedded store into an empty PostgreSQL database", Args: cobra.NoArgs,
		Long: `Copy the embedded store into an empty PostgreSQL database, in one transaction, and compare rows
and hashes of every table. Requests that wait for people go on there. No server may work
meanwhile. The embedded store stays as it is. Vectors are computed anew: sous memory reembed.`,
		RunE: func(cmd *cobra.Command, _ []string) error { return c.migrateStore(cmd.Context(), to) },
	})
	move.Flags().StringVar(&to, "to", "", "the database (required)")
	_ = move.MarkFlagRequired("to")
	cmd.AddCommand(move, c.storeUpgradeCommand(), c.storeReplicasCommand())
	return cmd
}

func (c *cli) migrateStore(ctx context.Context, to string) error {
	cfg, err := c.load()
	if err != nil {
		return err
	}
	if !strings.HasPrefix(to, "postgres://") && !strings.HasPrefix(to, "postgresql://") {
		return usagef("--to is the URL of a PostgreSQL database, such as postgres://user@host/database")
	}
	if _, err := os.Stat(sqliteFile(cfg)); err != nil {
		return agent.WrapError(agent.NotFound, err, fmt.Sprintf("there is no store %s to move", sqliteFile(cfg)))
	}
	dir, err := datadir.Hold(cfg.DataDir, datadir.Holder{What: "store migrate"})
	if errors.Is(err, datadir.ErrHeld) {
		return held(cfg.DataDir)
	} else if err != nil {
		return agent.WrapError(agent.Unavailable, err, fmt.Sprintf("the data directory %s cannot be used: %v", cfg.DataDir, err))
	}
	out := copied{Keys: keysFolder(cfg)}
	err = withSQLite(ctx, cfg, sqliteFile(cfg), func(db *sqlite.DB) error {
		var err error
		out.Tables, err = fillServer(ctx, cfg, to, db)
		return err
	})
	if agent.KindOf(err) == agent.Unavailable {
		err = agent.WrapError(agent.Unavailable, err, strings.ReplaceAll(agent.PublicText(err), "SOUS_DATABASE_URL", "--to"))
	}
	if err = errors.Join(err, dir.Release()); err != nil {
		return err
	}
	if c.asJSON {
		return c.printJSON(out)
	}
	c.tellTables(out.Tables)
	c.printf("%d rows are in the database, the same as in %s.\n", out.Tables.Total(), sqliteFile(cfg))
	c.printf("Set SOUS_DATABASE_URL to it, keep %s where each server finds it, and move %s away.\n", out.Keys, sqliteFile(cfg))
	return nil
}
