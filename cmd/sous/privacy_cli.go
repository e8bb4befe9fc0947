package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/agent/privacy"
	"github.com/sous-hq/sous/internal/keyring"
)

func (c *cli) privacyCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "privacy", Short: "Show, keep and erase what is held about people", Args: cobra.NoArgs,
	}
	cmd.AddCommand(c.privacyExportCommand(), c.privacyEraseCommand(), c.privacyHoldCommand(), c.privacyReleaseCommand(),
		c.privacyHoldsCommand(), c.privacyPurgeCommand(), c.privacyReceiptCommand())
	return cmd
}

// working gets a session in which turns run: at the server, or else here.
func (c *cli) working(ctx context.Context, what string, f func(*session) error) error {
	s, _, err := c.open(ctx, what, runTurns)
	if err != nil {
		return err
	}
	return errors.Join(f(s), s.close())
}

// about gives a command the flag that says whom it is about.
func about(cmd *cobra.Command, user *string) {
	cmd.Flags().StringVar(user, "user", "", "the person's id (required)")
	_ = cmd.MarkFlagRequired("user")
	cmd.PreRunE = func(*cobra.Command, []string) error {
		if strings.TrimSpace(*user) == "" {
			return usagef("--user takes a person's id, as sous people lists them")
		}
		return nil
	}
}

func (c *cli) privacyExportCommand() *cobra.Command {
	var user, out string
	cmd := c.jsonFlag(&cobra.Command{
		Use: "export --user ID", Short: "Show all that is held about a person", Args: cobra.NoArgs,
		Long: `Show all that is held about a person, by all their accounts: what they said and were told,
their files, requests, approvals, tickets, memories, and their rows of the record with what those
hold. One JSON object a line with --json or --out, a summary without.`,
		Example: "  sous privacy export --user ann --out ann.jsonl",
		RunE: func(cmd *cobra.Command, _ []string) error {
			return c.reading(cmd.Context(), "privacy export", func(s *session) error {
				all, err := s.PersonalData(cmd.Context(), s.by, agent.ActorID(user))
				if err != nil {
					return err
				}
				return c.tellPersonalData(user, out, all)
			})
		},
	})
	about(cmd, &user)
	cmd.Flags().StringVar(&out, "out", "", "write to this file, for your eyes alone")
	return cmd
}

func (c *cli) tellPersonalData(user, out string, all []privacy.Record) error {
	lines := func(w io.Writer) error {
		enc := json.NewEncoder(w)
		enc.SetEscapeHTML(false)
		for _, r := range all {
			if err := enc.Encode(r); err != nil {
				return err
			}
		}
		return nil
	}
	if out != "" {
		f, err := os.OpenFile(out, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
		if err != nil {
			return agent.WrapError(agent.Invalid, err, fmt.Sprintf("the file cannot be made: %v", err))
		}
		if err := errors.Join(lines(f), f.Close()); err != nil {
			return agent.WrapError(agent.Unavailable, err, fmt.Sprintf("the file cannot be written: %v", err))
		}
		c.printf("%d things held about %s are in %s.\n", len(all), user, out)
		return nil
	}
	if c.asJSON {
		return lines(c.stdout)
	}
	counts := privacy.Counts{}
	for _, r := range all {
		counts[r.Kind]++
	}
	c.tellCounts(counts)
	if len(all) == 0 {
		c.printf("Nothing is held about %s; sous people lists the ids there are.\n", user)
		return nil
	}
	c.printf("That is held about %s; --out FILE writes it, --json prints it.\n", user)
	return nil
}

func (c *cli) tellCounts(counts privacy.Counts) {
	for _, k := range counts.Kinds() {
		c.printf("  %6d %s\n", counts[k], k)
	}
}

func (c *cli) privacyEraseCommand() *cobra.Command {
	var user string
	var dry, sure, scrub bool
	cmd := c.jsonFlag(&cobra.Command{
		Use: "erase --user ID", Short: "Erase all that is held about a person", Args: cobra.NoArgs,
		Long: `Erase what a person said and asked for, what they were told, their files, memories and the
texts of their tickets, by all their accounts; destroy the key of what the record holds about
them; rewrite the store's files so that no byte stays (with PostgreSQL only with --scrub, which
locks each table meanwhile). Rows that others need stay without their texts; the record still
verifies. It is refused while a request of theirs is open or a hold is on them. A signed receipt
is kept in the data folder.

Look first: --dry-run says what would go. It cannot be taken back.`,
		Example: "  sous privacy erase --user ann --dry-run\n  sous privacy erase --user ann --yes",
		RunE: func(cmd *cobra.Command, _ []string) error {
			if !dry && !sure {
				return usagef("this cannot be taken back; look with --dry-run first, then say --yes")
			}
			return c.working(cmd.Context(), "privacy erase", func(s *session) error {
				done, err := s.ErasePerson(cmd.Context(), s.by, agent.ActorID(user), dry, scrub)
				if err != nil {
					return err
				}
				if c.asJSON {
					return c.printJSON(done)
				}
				c.tellCounts(done.Counts)
				if done.Counts.Total() == 0 {
					c.printf("Nothing is held about %s; sous people lists the ids there are.\n", user)
				}
				switch {
				case !dry:
					c.printf("It is erased. The receipt is in %s.\n", done.File)
				case done.Counts.Total() > 0:
					c.printf("This would go of %s. Nothing has changed.\n", user)
				}
				c.printf("Sous cannot reach copies in: %s.\n", strings.Join(done.Elsewhere, "; "))
				return nil
			})
		},
	})
	f := cmd.Flags()
	about(cmd, &user)
	f.BoolVar(&dry, "dry-run", false, "say what would go, and change nothing")
	f.BoolVar(&sure, "yes", false, "yes, for ever")
	f.BoolVar(&scrub, "scrub", false, "rewrite the tables of PostgreSQL too")
	return cmd
}

func (c *cli) privacyHoldCommand() *cobra.Command {
	var user, reason string
	cmd := c.jsonFlag(&cobra.Command{
		Use: "hold --user ID --reason WHY", Short: "Keep a person's data from being erased or purged", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return c.working(cmd.Context(), "privacy hold", func(s *session) error {
				h, err := s.HoldPerson(cmd.Context(), s.by, agent.ActorID(user), reason)
				return c.tellHold(h, err, "is under a hold")
			})
		},
	})
	about(cmd, &user)
	cmd.Flags().StringVar(&reason, "reason", "", "why (required)")
	_ = cmd.MarkFlagRequired("reason")
	return cmd
}

func (c *cli) privacyReleaseCommand() *cobra.Command {
	var user string
	cmd := c.jsonFlag(&cobra.Command{
		Use: "release --user ID", Short: "Let a person's data be erased and purged again", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return c.working(cmd.Context(), "privacy release", func(s *session) error {
				h, err := s.ReleasePerson(cmd.Context(), s.by, agent.ActorID(user))
				return c.tellHold(h, err, "is under no hold any more")
			})
		},
	})
	about(cmd, &user)
	return cmd
}

func (c *cli) tellHold(h privacy.Hold, err error, what string) error {
	switch {
	case err != nil:
		return err
	case c.asJSON:
		return c.printJSON(h)
	}
	c.printf("%s %s.\n", h.Subject, what)
	return nil
}

func (c *cli) privacyHoldsCommand() *cobra.Command {
	return c.jsonFlag(&cobra.Command{
		Use: "holds", Short: "List the people whose data must stay", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return c.reading(cmd.Context(), "privacy holds", func(s *session) error {
				all, err := s.Holds(cmd.Context(), s.by)
				switch {
				case err != nil:
					return err
				case c.asJSON:
					return c.printJSON(all)
				case len(all) == 0:
					c.printf("Nobody is under a hold.\n")
				}
				for _, h := range all {
					c.printf("%-20s  since %s by %s: %s\n", h.Subject, h.At.Format(time.DateOnly), h.By, h.Reason)
				}
				return nil
			})
		},
	})
}

func (c *cli) privacyPurgeCommand() *cobra.Command {
	dry := false
	cmd := c.jsonFlag(&cobra.Command{
		Use: "purge", Short: "Take out now what is older than the rules of retention allow", Args: cobra.NoArgs,
		Long: `Take out what is older than the rules of retention allow (SOUS_RETENTION, or retention in
sous.yaml), as a server does every night at three. Rules stand one after the other:

  conversations 180d; files 90d; memories kind=transcript 1y; memories label=pii 30d

Conversations are requests that are over with all that was said in them; files are what was handed
in; memories may be narrowed by kind, place and label. The record, and tickets, stay.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return c.working(cmd.Context(), "privacy purge", func(s *session) error {
				all, err := s.PurgeOld(cmd.Context(), s.by, dry)
				switch {
				case err != nil:
					return err
				case c.asJSON:
					return c.printJSON(all)
				case len(all) == 0:
					c.printf("There are no rules of retention: everything is kept. See sous privacy purge --help.\n")
				}
				for _, p := range all {
					c.printf("%s: %s\n", p.Rule, p.Counts)
					if p.Error != "" {
						c.printf("  stopped: %s\n", p.Error)
						c.code = exitFailed
					}
				}
				if dry && len(all) > 0 {
					c.printf("Nothing has changed.\n")
				}
				return nil
			})
		},
	})
	cmd.Flags().BoolVar(&dry, "dry-run", false, "say what would go, and change nothing")
	return cmd
}

func (c *cli) privacyReceiptCommand() *cobra.Command {
	keys := ""
	cmd := c.jsonFlag(&cobra.Command{
		Use: "receipt FILE", Short: "Check a receipt of an erasure and show it", Args: cobra.ExactArgs(1),
		Long: "Check that a receipt is signed with a key of this record, or with one of those in --keys.",
		RunE: func(_ *cobra.Command, args []string) error {
			if keys == "" {
				cfg, err := c.load()
				if err != nil {
					return err
				}
				keys = filepath.Join(keysFolder(cfg), keyring.VerifiersFile)
			}
			raw, err := os.ReadFile(keys)
			if err != nil {
				return agent.WrapError(agent.Invalid, err, fmt.Sprintf("the public keys cannot be read: %v", err))
			}
			known, err := keyring.Verifiers(strings.Fields(string(raw)))
			if err != nil {
				return agent.WrapError(agent.Invalid, err, fmt.Sprintf("the public keys cannot be read: %v", err))
			}
			signed, err := os.ReadFile(args[0])
			if err != nil {
				return agent.WrapError(agent.Invalid, err, fmt.Sprintf("the receipt cannot be read: %v", err))
			}
			r, err := privacy.OpenReceipt(string(signed), known)
			if err != nil {
				return err
			}
			if c.asJSON {
				return c.printJSON(r)
			}
			c.printf("Signed. On %s %s erased what was held about %s: %s. Row %d of the record says so.\n",
				r.At.Format(time.RFC3339), r.By, r.Subject, r.Erased, r.Row)
			return nil
		},
	})
	cmd.Flags().StringVar(&keys, "keys", "", "a file of public keys, one a line")
	return cmd
}
