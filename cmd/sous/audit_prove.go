package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"github.com/spf13/cobra"
	"github.com/tink-crypto/tink-go/v2/tink"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/agent/audit"
	"github.com/sous-hq/sous/internal/config"
	"github.com/sous-hq/sous/internal/keyring"
)

// checkpointFile is where signed checkpoints go, outside the database.
func checkpointFile(cfg config.Config) string {
	if cfg.Audit.Checkpoints != "" {
		return cfg.Audit.Checkpoints
	}
	return filepath.Join(cfg.DataDir, "audit-checkpoints.txt")
}

// keysFolder is where the keys of the record are.
func keysFolder(cfg config.Config) string {
	return cmp.Or(cfg.KeysDir, filepath.Join(cfg.DataDir, "keys"))
}

// evidence is the record read beside whoever works with the store, and the keys
// that are at hand.
type evidence struct {
	cfg config.Config
	record
	// ring is nil when the keys cannot be used; trouble says why.
	ring    *keyring.Ring
	trouble error
	// keys are the public keys whose signatures count.
	keys  []string
	known note.Verifiers
}

// withEvidence opens the record for f. Public keys given on the command line
// count instead of those in the key folder.
func (c *cli) withEvidence(ctx context.Context, trusted []string, f func(*evidence) error) error {
	cfg, err := c.load()
	if err != nil {
		return err
	}
	e := &evidence{cfg: cfg}
	e.ring, e.trouble = keyring.Load(keysFolder(cfg))
	if e.keys, e.known, err = publicKeys(cfg, trusted); err != nil {
		return err
	}
	if e.record, err = openRecord(ctx, cfg); err != nil {
		return err
	}
	return errors.Join(toldRecord(cfg, f(e)), e.Close())
}

// publicKeys are the keys given, or those of the key folder.
func publicKeys(cfg config.Config, trusted []string) ([]string, note.Verifiers, error) {
	if len(trusted) == 0 {
		// Without keys nothing is vouched for, and verifying says so.
		trusted, _ = keyring.LoadVerifiers(keysFolder(cfg))
	}
	known, err := keyring.Verifiers(trusted)
	if err != nil {
		return nil, nil, usagef("--key: %v", err)
	}
	return trusted, known, nil
}

// kek opens payloads; nil when the keys are not at hand.
func (e *evidence) kek() tink.AEAD {
	if e.ring == nil {
		return nil
	}
	return e.ring.KEK
}

// ws is the workspace of this installation.
func (e *evidence) ws() agent.WorkspaceID { return workspace }

// readCheckpoints reads the signed checkpoints of a file. Torn is a last one
// that was being written.
func readCheckpoints(path string) (all []audit.SignedNote, torn bool, err error) {
	raw, err := os.ReadFile(path)
	if err != nil {
		return nil, false, err
	}
	notes, rest := audit.SplitNotes(string(raw))
	for i, n := range notes {
		all = append(all, audit.SignedNote{Where: fmt.Sprintf("checkpoint %d of %s", i+1, path), Text: n})
	}
	return all, rest != "", nil
}

// verifyFlags is what is verified against what.
type verifyFlags struct {
	checkpoints string
	keys        []string
	from, to    int64
}

func (c *cli) auditVerifyCommand() *cobra.Command {
	var f verifyFlags
	cmd := c.jsonFlag(&cobra.Command{
		Use: "verify", Short: "Recompute the record and say exactly what is wrong with it", Args: cobra.NoArgs,
		Long: `Recompute the whole record from its rows: numbers without gaps, every hash, the tree's
head against every signed checkpoint of the store and of the checkpoint file, and the
commitments against the payloads that can be opened. It works beside a running server.
The exit code is 1 when anything is wrong. Keep the checkpoint file and the public key
(sous audit keys) where whoever can write the store cannot, and name them here.`,
		RunE: func(cmd *cobra.Command, _ []string) error { return c.verifyAudit(cmd.Context(), f) },
	})
	fl := cmd.Flags()
	fl.StringVar(&f.checkpoints, "checkpoint", "", "file of signed checkpoints (default: the one of the settings, audit.checkpoints)")
	fl.StringArrayVar(&f.keys, "key", nil, "public key whose signatures count, instead of those in the data directory; may be repeated")
	fl.Int64Var(&f.from, "from", 0, "check the rows from this one on")
	fl.Int64Var(&f.to, "to", 0, "check the rows up to this one")
	return cmd
}

func (c *cli) verifyAudit(ctx context.Context, f verifyFlags) error {
	cfg, err := c.load()
	if err != nil {
		return err
	}
	path := f.checkpoints
	if path == "" {
		path = checkpointFile(cfg)
	}
	// The file before the store: what is signed meanwhile is not missed there.
	signed, torn, err := readCheckpoints(path)
	if err != nil && (f.checkpoints != "" || !errors.Is(err, fs.ErrNotExist)) {
		return agent.WrapError(agent.Invalid, err, fmt.Sprintf("the checkpoint file %s cannot be read: %v", path, err))
	}
	noFile := err != nil
	return c.withEvidence(ctx, f.keys, func(e *evidence) error {
		all, err := e.verify(ctx, f, signed)
		if err != nil {
			return err
		}
		for _, r := range all {
			if noFile {
				r.Notices = append(r.Notices, fmt.Sprintf("there is no checkpoint file %s: only the store itself vouches for what it says", path))
			}
			if torn {
				r.Notices = append(r.Notices, fmt.Sprintf("the last checkpoint of %s was not written to its end; it is left out", path))
			}
			if !r.OK() {
				c.code = exitFailed
			}
		}
		if c.asJSON {
			return c.printJSON(orEmpty(all))
		}
		c.tellReports(all)
		return nil
	})
}

// verify checks every workspace that the store or a checkpoint knows of.
func (e *evidence) verify(ctx context.Context, f verifyFlags, signed []audit.SignedNote) ([]*audit.Report, error) {
	all, err := e.Workspaces(ctx)
	if err != nil {
		return nil, err
	}
	for _, s := range signed {
		if c, err := audit.OpenCheckpoint(s.Text, e.known); err == nil && !slices.Contains(all, c.Workspace) {
			all = append(all, c.Workspace)
		}
	}
	var out []*audit.Report
	for i, ws := range all {
		own := signed
		if i > 0 {
			// What does not count is reported once.
			own = slices.DeleteFunc(slices.Clone(signed), func(s audit.SignedNote) bool {
				_, err := audit.OpenCheckpoint(s.Text, e.known)
				return err != nil
			})
		}
		r, err := audit.Verify(ctx, audit.VerifyConfig{
			Evidence: e, Workspace: ws, Signed: own, Known: e.known, KEK: e.kek(), From: f.from, To: f.to,
		})
		if err != nil {
			return nil, err
		}
		if e.trouble != nil && r.Sealed > 0 {
			r.Notices = append(r.Notices, e.trouble.Error())
		}
		out = append(out, r)
	}
	return out, nil
}

func (c *cli) tellReports(all []*audit.Report) {
	if len(all) == 0 {
		c.printf("Nothing is on record yet.\n")
	}
	for _, r := range all {
		verdict := "in order"
		if !r.OK() {
			verdict = "NOT IN ORDER"
		}
		c.printf("Workspace %s: %s\n  %d of %d rows checked; head %s\n", r.Workspace, verdict, r.Rows, r.Size, r.Root)
		if r.Checkpoints > 0 {
			c.printf("  %d signed checkpoints agree; the last vouches for %d rows, %s\n", r.Checkpoints, r.Signed, r.SignedAt.Local().Format(time.DateTime))
		}
		c.printf("  %d payloads fit their commitments, %d are erased, %d could not be opened\n", r.Payloads, r.Erased, r.Sealed)
		for _, p := range r.Problems {
			if p.Seq > 0 {
				c.printf("  row %d: %s\n", p.Seq, p.What)
			} else {
				c.printf("  %s\n", p.What)
			}
		}
		if r.More > 0 {
			c.printf("  and %d more\n", r.More)
		}
		for _, n := range r.Notices {
			c.printf("  note: %s\n", n)
		}
	}
}

func (c *cli) auditProveCommand() *cobra.Command {
	return &cobra.Command{
		Use: "prove SEQ", Short: "Print a proof that a row is in the signed record", Args: cobra.ExactArgs(1),
		Long: `Print a proof, as JSON, that a row is in the signed record. Anybody with the public key can
check it with sous audit verify-proof, without the store.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			seq, err := strconv.ParseInt(args[0], 10, 64)
			if err != nil || seq < 1 {
				return usagef("%q is no row number", args[0])
			}
			return c.withEvidence(cmd.Context(), nil, func(e *evidence) error {
				signed, err := e.covering(cmd.Context(), seq)
				if err != nil {
					return err
				}
				p, err := audit.Prove(cmd.Context(), e, e.ws(), seq, signed, e.known)
				if err != nil {
					return err
				}
				return c.printJSON(p)
			})
		},
	}
}

// covering returns a signed checkpoint that covers the row: the store's last
// one, or else one that is signed now.
func (e *evidence) covering(ctx context.Context, seq int64) (string, error) {
	size, err := e.Size(ctx, e.ws())
	switch {
	case err != nil:
		return "", err
	case seq > size:
		return "", agent.Errorf(agent.NotFound, "there is no row %d; the record has %d", seq, size)
	}
	all, err := e.Checkpoints(ctx, e.ws())
	if err != nil {
		return "", err
	}
	for _, signed := range slices.Backward(all) {
		if c, err := audit.OpenCheckpoint(signed, e.known); err == nil && c.Size >= seq && c.Size <= size {
			return signed, nil
		}
	}
	if e.ring == nil {
		return "", agent.WrapError(agent.Unavailable, e.trouble, fmt.Sprintf("no checkpoint covers row %d yet, and none can be signed: %v", seq, e.trouble))
	}
	root, err := tlog.TreeHash(size, e.HashReader(ctx, e.ws()))
	if err != nil {
		return "", err
	}
	return audit.Checkpoint{Workspace: e.ws(), Size: size, Root: root, At: now()}.Sign(e.ring.Signer)
}

func (c *cli) auditCheckProofCommand() *cobra.Command {
	var keys []string
	cmd := c.jsonFlag(&cobra.Command{
		Use: "verify-proof FILE", Short: "Check a proof made by sous audit prove", Args: cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			cfg, err := c.load()
			if err != nil {
				return err
			}
			_, known, err := publicKeys(cfg, keys)
			if err != nil {
				return err
			}
			raw, err := os.ReadFile(args[0])
			if err != nil {
				return agent.WrapError(agent.Invalid, err, err.Error())
			}
			p, err := audit.ParseProof(raw)
			if err != nil {
				return err
			}
			cp, err := p.Check(known)
			if err != nil {
				return agent.WrapError(agent.Conflict, err, "the proof does not hold: "+err.Error())
			}
			if c.asJSON {
				return c.printJSON(map[string]any{"ok": true, "row": p.Row, "size": cp.Size, "signed_at": cp.At})
			}
			row, err := json.Marshal(p.Row)
			if err != nil {
				return fmt.Errorf("write: %w", err)
			}
			c.printf("Row %d is in the record of %s that was signed at %s over %d rows:\n%s\n", p.Row.Seq, cp.Workspace, cp.At.Local().Format(time.DateTime), cp.Size, row)
			return nil
		},
	})
	cmd.Flags().StringArrayVar(&keys, "key", nil, "public key whose signatures count, instead of those in the data directory; may be repeated")
	return cmd
}
