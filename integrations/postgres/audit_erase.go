package postgres

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/agent/audit"
	"github.com/sous-hq/sous/internal/keyring"
)

// Erase destroys the subject's key and the payloads sealed with it, and records
// who did it. The rows stay, with commitments that mean nothing any more, so
// the tree still verifies. It reports how many payloads are gone; a subject
// about whom nothing is sealed is no error.
func (d *DB) Erase(ctx context.Context, by agent.Actor, subject agent.ActorID) (int64, error) {
	var gone int64
	err := d.write(ctx, by.Workspace, func(tx pgx.Tx) error {
		var known bool
		var err error
		if gone, known, err = eraseKey(ctx, tx, by.Workspace, subject); err != nil || !known {
			return err
		}
		return d.record(ctx, tx, audit.Entry{Workspace: by.Workspace, Kind: audit.SubjectErased, Actor: by.ID, Subject: subject})
	})
	if err != nil {
		return 0, fmt.Errorf("erase subject: %w", err)
	}
	d.keys.forget()
	// Whoever reads at this moment may hold the dead rows; autovacuum comes back
	// for them, and without the key they say nothing.
	if _, err := d.pool.Exec(ctx, `VACUUM sous.audit_payload, sous.subject_keys`); err != nil {
		return gone, publicError(fmt.Errorf("it is erased, but the dead rows could not be swept: %w", err))
	}
	return gone, nil
}

// eraseKey destroys a subject's key, if there is one, and what is sealed with it.
func eraseKey(ctx context.Context, tx pgx.Tx, ws agent.WorkspaceID, subject agent.ActorID) (payloads int64, known bool, err error) {
	id, known, err := first(tx.QueryRow(ctx, `SELECT id FROM subject_keys WHERE workspace = $1 AND subject = $2`, ws, subject), scanInt)
	if err != nil || !known {
		return 0, false, err
	}
	r, err := tx.Exec(ctx, `DELETE FROM audit_payload WHERE workspace = $1 AND key = $2`, ws, id)
	if err != nil {
		return 0, true, err
	}
	_, err = tx.Exec(ctx, `DELETE FROM subject_keys WHERE workspace = $1 AND id = $2`, ws, id)
	return r.RowsAffected(), true, err
}

// RotateKEK gives the KEK a new primary key and wraps every subject's key with
// it. No other process may work on the store meanwhile.
func (d *DB) RotateKEK(ctx context.Context) error {
	if d.keys.trouble != nil {
		return d.keys.trouble
	}
	ring, err := keyring.RotateKEK(d.keys.dir)
	if err != nil {
		return fmt.Errorf("rotate key: %w", err)
	}
	d.keys.ring = ring
	proof, err := ring.KEK.Encrypt([]byte(kekProof), []byte("keyring_check"))
	if err != nil {
		return fmt.Errorf("rotate key: %w", err)
	}
	var all []string
	err = d.watch(ctx, func(tx pgx.Tx) (err error) {
		all, err = every(ctx, tx, scanText, `SELECT workspace FROM audit_heads ORDER BY workspace`)
		return err
	})
	if err != nil {
		return fmt.Errorf("rotate key: %w", err)
	}
	err = d.transact(ctx, begin("begin", roleApp, ""), func(tx pgx.Tx) error {
		for _, ws := range all {
			if err := rewrap(ctx, tx, agent.WorkspaceID(ws), ring); err != nil {
				return err
			}
		}
		_, err = tx.Exec(ctx, `UPDATE keyring_check SET proof = $1`, proof)
		return err
	})
	if err != nil {
		return fmt.Errorf("rotate key: %w", err)
	}
	d.keys.forget()
	return nil
}

// rewrap wraps the keys of one workspace anew.
func rewrap(ctx context.Context, tx pgx.Tx, ws agent.WorkspaceID, ring *keyring.Ring) error {
	if _, err := tx.Exec(ctx, `SELECT set_config('sous.workspace', $1, true)`, ws); err != nil {
		return err
	}
	keys, err := every(ctx, tx, scanKey, `SELECT id, subject, wrapped FROM subject_keys WHERE workspace = $1`, ws)
	if err != nil {
		return err
	}
	for _, k := range keys {
		wrapped, err := audit.RewrapSubjectKey(ring.KEK, ws, k.Subject, k.ID, k.Wrapped)
		if err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, `UPDATE subject_keys SET wrapped = $1 WHERE workspace = $2 AND id = $3`, wrapped, ws, k.ID); err != nil {
			return err
		}
	}
	return nil
}

func scanInt(row sqlRow) (int64, error) {
	var n int64
	err := row.Scan(&n)
	return n, err
}
