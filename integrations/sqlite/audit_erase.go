package sqlite

import (
	"context"
	"database/sql"
	"fmt"

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
	err := d.tx(ctx, func(tx *sql.Tx) error {
		// Neither the key nor the payloads stay in the file's free pages.
		if _, err := tx.ExecContext(ctx, `PRAGMA secure_delete = ON`); err != nil {
			return err
		}
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
	return gone, d.settleLog(ctx)
}

// eraseKey destroys a subject's key, if there is one, and what is sealed with it.
func eraseKey(ctx context.Context, tx *sql.Tx, ws agent.WorkspaceID, subject agent.ActorID) (payloads int64, known bool, err error) {
	id, known, err := first(tx.QueryRowContext(ctx, `SELECT id FROM subject_keys WHERE workspace = ? AND subject = ?`, ws, subject), scanKeyID)
	if err != nil || !known {
		return 0, false, err
	}
	r, err := tx.ExecContext(ctx, `DELETE FROM audit_payload WHERE workspace = ? AND key = ?`, ws, id)
	if err != nil {
		return 0, true, err
	}
	if payloads, err = r.RowsAffected(); err != nil {
		return 0, true, err
	}
	_, err = tx.ExecContext(ctx, `DELETE FROM subject_keys WHERE id = ?`, id)
	return payloads, true, err
}

// settleLog moves what the log that is written ahead holds into the file and
// empties it, so that nothing deleted stays there.
func (d *DB) settleLog(ctx context.Context) error {
	var busy, log, moved int64
	if err := d.sql.QueryRowContext(ctx, `PRAGMA wal_checkpoint(TRUNCATE)`).Scan(&busy, &log, &moved); err != nil {
		return d.publicError(fmt.Errorf("empty the log: %w", err))
	}
	if busy != 0 {
		return agent.Errorf(agent.Unavailable, "it is erased, but somebody is reading the store %s, so its -wal file may still hold the old bytes; erase again when nobody reads", d.path)
	}
	return nil
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
	err = d.tx(ctx, func(tx *sql.Tx) error {
		type owned struct {
			ws agent.WorkspaceID
			audit.StoredKey
		}
		all, err := every(ctx, tx, func(row sqlRow) (owned, error) {
			var k owned
			err := row.Scan(&k.ws, &k.ID, &k.Subject, &k.Wrapped)
			return k, err
		}, `SELECT workspace, id, subject, wrapped FROM subject_keys`)
		if err != nil {
			return err
		}
		for _, k := range all {
			wrapped, err := audit.RewrapSubjectKey(ring.KEK, k.ws, k.Subject, k.ID, k.Wrapped)
			if err != nil {
				return err
			}
			if _, err := tx.ExecContext(ctx, `UPDATE subject_keys SET wrapped = ? WHERE id = ?`, wrapped, k.ID); err != nil {
				return err
			}
		}
		_, err = tx.ExecContext(ctx, `UPDATE keyring_check SET proof = ?`, proof)
		return err
	})
	if err != nil {
		return fmt.Errorf("rotate key: %w", err)
	}
	d.keys.forget()
	return nil
}

func scanKeyID(row sqlRow) (int64, error) {
	var n int64
	err := row.Scan(&n)
	return n, err
}
