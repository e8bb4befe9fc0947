package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/spf13/cobra"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/agent/audit"
	"github.com/sous-hq/sous/internal/keyring"
)

func (c *cli) auditSearchCommand() *cobra.Command {
	var value string
	cmd := c.jsonFlag(&cobra.Command{
		Use: "search --value TEXT", Short: "Find the rows that hold a value, by its commitment", Args: cobra.NoArgs,
		Long: `Find the rows whose arguments, note or digest are the value, or hold it as a whole text or
number. Only commitments are compared: what was erased is not found, nor is a part of a text.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if value == "" {
				return usagef("--value is required")
			}
			return c.withEvidence(cmd.Context(), nil, func(e *evidence) error {
				if e.ring == nil {
					return agent.WrapError(agent.Unavailable, e.trouble, "nothing can be looked up: "+e.trouble.Error())
				}
				found, err := audit.Search(cmd.Context(), e, e.ws(), e.ring.KEK, value)
				switch {
				case err != nil:
					return err
				case c.asJSON:
					return c.printJSON(orEmpty(found))
				case len(found) == 0:
					c.printf("No row holds that.\n")
				}
				for _, m := range found {
					c.printf("%6d  %s  %-17s %-8s %s (%s)\n", m.Entry.Seq, m.Entry.At.Local().Format(time.DateTime), m.Entry.Kind, m.Entry.Actor, m.Entry.Tool, m.In)
				}
				return nil
			})
		},
	})
	cmd.Flags().StringVar(&value, "value", "", "the exact value to look for")
	return cmd
}

func (c *cli) auditExportCommand() *cobra.Command {
	var since, until string
	format := "jsonl"
	cmd := &cobra.Command{
		Use: "export", Short: "Print the whole record for another system", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var window [2]time.Time
			for i, text := range []string{since, until} {
				var err error
				if window[i], err = moment(text); err != nil {
					return err
				}
			}
			return c.withEvidence(cmd.Context(), nil, func(e *evidence) error { return c.exportRecord(cmd.Context(), e, format, window) })
		},
	}
	cmd.Flags().StringVar(&format, "format", format, "jsonl, ocsf (API Activity, class 6003, one event a line) or cef")
	cmd.Flags().StringVar(&since, "since", "", "from this time on (2006-01-02, RFC 3339, or 24h for the last day)")
	cmd.Flags().StringVar(&until, "until", "", "up to this time")
	return cmd
}

func (c *cli) exportRecord(ctx context.Context, e *evidence, format string, window [2]time.Time) error {
	out := bufio.NewWriter(c.stdout)
	enc := json.NewEncoder(out)
	var write func(audit.Entry) error
	switch format {
	case "jsonl":
		write = func(e audit.Entry) error { return enc.Encode(e) }
	case "ocsf":
		write = func(e audit.Entry) error { return enc.Encode(audit.ToOCSF(e)) }
	case "cef":
		write = func(e audit.Entry) error {
			_, err := fmt.Fprintln(out, audit.ToCEF(e))
			return err
		}
	default:
		return usagef("--format is jsonl, ocsf or cef, not %q", format)
	}
	open, err := audit.Opener(ctx, e, e.ws(), e.kek())
	if err != nil {
		return err
	}
	err = e.Rows(ctx, e.ws(), 0, 0, func(s audit.Stored) error {
		if s.At.Before(window[0]) || !window[1].IsZero() && !s.At.Before(window[1]) {
			return nil
		}
		return write(open(s))
	})
	return errors.Join(err, out.Flush())
}

func (c *cli) auditExplainCommand() *cobra.Command {
	return c.jsonFlag(&cobra.Command{
		Use:   "explain EFFECT | CALL | APPROVAL | TURN | TICKET",
		Short: "Tell the whole story: who asked, what was read, what policy and people said, what came of it", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.withEvidence(cmd.Context(), nil, func(e *evidence) error {
				all, err := e.Explain(cmd.Context(), e.ws(), e.kek(), args[0])
				if err != nil {
					return err
				}
				if c.asJSON {
					return c.printJSON(all)
				}
				for i := range all {
					if i > 0 {
						c.printf("\n---\n\n")
					}
					if err := all[i].Tell(c.stdout, time.Local); err != nil {
						return fmt.Errorf("write: %w", err)
					}
				}
				return nil
			})
		},
	})
}

// checkpointer signs the record of the store this process holds.
func (a *app) checkpointer() (*audit.Checkpointer, error) {
	ring, err := a.db.Keys()
	if err != nil {
		return nil, err
	}
	known, err := ring.Verifiers()
	if err != nil {
		return nil, fmt.Errorf("read public keys: %w", err)
	}
	if err := writable(a.cfg.Audit.Checkpoints); err != nil {
		return nil, err
	}
	c := audit.CheckpointConfig{
		Trees: a.db, Signer: ring.Signer, Verifiers: known, File: checkpointFile(a.cfg), Now: now, Log: a.log,
		PostEvery: a.cfg.Audit.PostEvery,
	}
	if c.PostEvery > 0 {
		c.Post = a.postCheckpoint
	}
	if a.hooks.checkpoints != nil {
		a.hooks.checkpoints(&c)
	}
	return audit.NewCheckpointer(c)
}

// holding runs f with the store of a data directory that nobody else works on.
func (c *cli) holding(ctx context.Context, what string, f func(*session, *app) error) error {
	s, _, err := c.open(ctx, what, alone)
	if err != nil {
		return err
	}
	svc, ok := s.Service.(service)
	if !ok {
		return errors.Join(agent.Errorf(agent.Conflict, "a server works on the data directory; stop it first"), s.close())
	}
	return errors.Join(f(s, svc.app), s.close())
}

func (c *cli) auditCheckpointCommand() *cobra.Command {
	return &cobra.Command{
		Use: "checkpoint", Short: "Sign the record as it stands now (a server does so every minute)", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return c.holding(cmd.Context(), "audit checkpoint", func(_ *session, a *app) error {
				p, err := a.checkpointer()
				if err != nil {
					return err
				}
				if err := p.Sign(cmd.Context()); err != nil {
					return err
				}
				c.printf("The record is signed in %s.\n", checkpointFile(a.cfg))
				return nil
			})
		},
	}
}

func (c *cli) auditEraseCommand() *cobra.Command {
	sure := false
	cmd := &cobra.Command{
		Use: "erase SUBJECT", Short: "Destroy the key of a person's payloads in the record", Args: cobra.ExactArgs(1),
		Long: `Destroy the key under which the record holds what a person's calls said: digests, arguments
and notes become unreadable for everybody, for ever. The rows stay and the record still
verifies. Backups of the store still hold the key until they are gone too.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if !sure {
				return usagef("this cannot be taken back; say --yes as well")
			}
			return c.holding(cmd.Context(), "audit erase", func(s *session, a *app) error {
				n, err := a.db.Erase(cmd.Context(), s.by, agent.ActorID(args[0]))
				if err != nil {
					return err
				}
				c.printf("%d payloads of %s are gone.\n", n, args[0])
				return nil
			})
		},
	}
	cmd.Flags().BoolVar(&sure, "yes", false, "yes, for ever")
	return cmd
}

func (c *cli) auditKeysCommand() *cobra.Command {
	rotate := false
	cmd := &cobra.Command{
		Use: "keys", Short: "Print the public keys of the record, or rotate its keys", Args: cobra.NoArgs,
		Long: `Print the public keys that sign the record, the oldest first; keep the last one where whoever
can write the store cannot. With --rotate the signing key and the key that wraps the subjects'
keys are replaced first; what the old ones signed and sealed still counts.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := c.load()
			if err != nil {
				return err
			}
			if rotate {
				err := c.holding(cmd.Context(), "audit keys", func(s *session, a *app) error { return a.rotateKeys(cmd.Context(), s.by.ID) })
				if err != nil {
					return err
				}
			}
			keys, err := keyring.LoadVerifiers(keysFolder(cfg))
			if err != nil {
				return agent.WrapError(agent.Unavailable, err, err.Error())
			}
			for _, k := range keys {
				c.printf("%s\n", k)
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&rotate, "rotate", false, "make new keys first")
	return cmd
}

// rotateKeys signs what there is with the old key, makes new ones, and records it.
func (a *app) rotateKeys(ctx context.Context, by agent.ActorID) error {
	p, err := a.checkpointer()
	if err != nil {
		return err
	}
	if err := p.Sign(ctx); err != nil {
		return err
	}
	if err := a.db.RotateKEK(ctx); err != nil {
		return err
	}
	signer, err := keyring.RotateSigner(keysFolder(a.cfg))
	if err != nil {
		return err
	}
	return a.db.RecordSettings(ctx, audit.Entry{Workspace: workspace, Kind: audit.KeysRotated, Actor: by, Status: signer}, math.MaxInt64)
}
