package postgres

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"sync"

	"github.com/jackc/pgx/v5"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/agent/audit"
	"github.com/sous-hq/sous/internal/keyring"
)

// auditKeys are the keys the record is written and read with.
type auditKeys struct {
	dir  string
	ring *keyring.Ring
	// trouble says why there are none; then nothing is recorded.
	trouble error

	mu sync.Mutex
	// byID and bySubject remember unwrapped keys. Ids are random and never used
	// again, so what is remembered of a transaction that failed does no harm.
	byID      map[int64]*audit.SubjectKey
	bySubject map[subjectID]*audit.SubjectKey
}

type subjectID struct {
	ws      agent.WorkspaceID
	subject agent.ActorID
}

// rememberedKeys bounds how many unwrapped keys are kept in memory.
const rememberedKeys = 10_000

// kekProof is what keyring_check holds, under the KEK.
const kekProof = "the key of this store"

// openKeys loads the keys, or makes them for a store that has none yet. Keys
// that are not there or are others' leave the store open for reading.
func (d *DB) openKeys(ctx context.Context, dir string) error {
	d.keys.dir = dir
	d.keys.forget()
	proof, known, err := one(ctx, d, "", scanBytes, `SELECT proof FROM keyring_check`)
	if err != nil {
		return fmt.Errorf("read key check: %w", err)
	}
	if known {
		d.keys.ring, err = keyring.Load(dir)
	} else {
		d.keys.ring, err = keyring.Make(dir)
	}
	if err == nil && !known {
		if proof, err = d.storeProof(ctx); err != nil {
			return err
		}
	}
	if err == nil {
		err = d.keys.prove(proof)
	}
	if err != nil {
		d.keys.ring = nil
		text := fmt.Sprintf("nothing can be recorded, so nothing is done: the keys of the store cannot be used: %v", err)
		if known && !errors.Is(err, keyring.ErrOpen) {
			text += fmt.Sprintf("; bring the folder %s back from a backup, or copy it from another replica", dir)
		}
		d.keys.trouble = agent.WrapError(agent.Unavailable, err, text)
	}
	return nil
}

// storeProof binds the store to the KEK and returns the proof that stands:
// another replica, with keys of its own, may have been faster.
func (d *DB) storeProof(ctx context.Context) (proof []byte, err error) {
	mine, err := d.keys.ring.KEK.Encrypt([]byte(kekProof), []byte("keyring_check"))
	if err != nil {
		return nil, fmt.Errorf("make key check: %w", err)
	}
	err = d.transact(ctx, begin("begin", roleApp, ""), func(tx pgx.Tx) error {
		_, err := tx.Exec(ctx, `INSERT INTO keyring_check (id, proof) VALUES (1, $1) ON CONFLICT DO NOTHING`, mine)
		if err != nil {
			return err
		}
		return tx.QueryRow(ctx, `SELECT proof FROM keyring_check`).Scan(&proof)
	})
	return proof, err
}

func (k *auditKeys) prove(proof []byte) error {
	if text, err := k.ring.KEK.Decrypt(proof, []byte("keyring_check")); err != nil || string(text) != kekProof {
		return fmt.Errorf("%s is not the key this store was written with", filepath.Join(k.dir, keyring.KEKFile))
	}
	return nil
}

// Keys returns the keys of the store, or why there are none: then nothing can
// be recorded, and so nothing is done.
func (d *DB) Keys() (*keyring.Ring, error) { return d.keys.ring, d.keys.trouble }

func (k *auditKeys) forget() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.byID, k.bySubject = map[int64]*audit.SubjectKey{}, map[subjectID]*audit.SubjectKey{}
}

func (k *auditKeys) remember(s subjectID, key *audit.SubjectKey) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if len(k.byID) >= rememberedKeys {
		k.byID, k.bySubject = map[int64]*audit.SubjectKey{}, map[subjectID]*audit.SubjectKey{}
	}
	k.byID[key.ID], k.bySubject[s] = key, key
}

func (k *auditKeys) of(s subjectID) (*audit.SubjectKey, bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	key, ok := k.bySubject[s]
	return key, ok
}

func (k *auditKeys) withID(id int64) (*audit.SubjectKey, bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	key, ok := k.byID[id]
	return key, ok
}

// seal writes the entry's payload and returns its row. The key may have been
// destroyed by another process since it was remembered; then a new one is made.
func (d *DB) seal(ctx context.Context, tx pgx.Tx, e audit.Entry) (audit.Row, error) {
	subject, needed := audit.SubjectOf(e)
	if !needed {
		r, _, err := audit.Seal(e, nil)
		return r, err
	}
	s := subjectID{e.Workspace, subject}
	for _, fresh := range []bool{false, true} {
		k, err := d.subjectKey(ctx, tx, s, fresh)
		if err != nil {
			return audit.Row{}, err
		}
		r, sealed, err := audit.Seal(e, k)
		if err != nil {
			return audit.Row{}, fmt.Errorf("seal payload: %w", err)
		}
		// The workspace is held, so the key cannot go between the two.
		done, err := tx.Exec(ctx, `INSERT INTO audit_payload (workspace, seq, key, sealed)
			SELECT $1, $2, id, $4 FROM subject_keys WHERE workspace = $1 AND id = $3`, r.Workspace, r.Seq, r.Key, sealed)
		if err != nil || done.RowsAffected() == 1 {
			return r, err
		}
	}
	return audit.Row{}, errors.New("the subject's key is gone")
}

// subjectKey returns the subject's key, making it when there is none. Fresh
// asks the store even when one is remembered.
func (d *DB) subjectKey(ctx context.Context, tx pgx.Tx, s subjectID, fresh bool) (*audit.SubjectKey, error) {
	if k, ok := d.keys.of(s); ok && !fresh {
		return k, nil
	}
	stored, ok, err := first(tx.QueryRow(ctx, `SELECT id, subject, wrapped FROM subject_keys
		WHERE workspace = $1 AND subject = $2`, s.ws, s.subject), scanKey)
	if err != nil {
		return nil, fmt.Errorf("read subject key: %w", err)
	}
	if ok {
		return d.unwrap(s.ws, stored)
	}
	k, wrapped, err := audit.NewSubjectKey(d.keys.ring.KEK, s.ws, s.subject)
	if err != nil {
		return nil, err
	}
	_, err = tx.Exec(ctx, `INSERT INTO subject_keys (id, workspace, subject, wrapped, made) VALUES ($1, $2, $3, $4, $5)`,
		k.ID, s.ws, s.subject, wrapped, d.now())
	if err != nil {
		return nil, fmt.Errorf("store subject key: %w", err)
	}
	d.keys.remember(s, k)
	return k, nil
}

func (d *DB) unwrap(ws agent.WorkspaceID, stored audit.StoredKey) (*audit.SubjectKey, error) {
	k, err := audit.OpenSubjectKey(d.keys.ring.KEK, ws, stored.Subject, stored.ID, stored.Wrapped)
	if err != nil {
		return nil, err
	}
	d.keys.remember(subjectID{ws, stored.Subject}, k)
	return k, nil
}

// open returns a row with what can be read of its payload.
func (d *DB) open(ctx context.Context, tx pgx.Tx, r audit.Stored) (audit.Entry, error) {
	if r.Key == 0 || r.Sealed == nil {
		return r.Open(nil, nil), nil
	}
	if d.keys.ring == nil {
		e := r.Entry()
		e.Payload = audit.PayloadSealed
		return e, nil
	}
	k, ok := d.keys.withID(r.Key)
	if !ok {
		stored, found, err := first(tx.QueryRow(ctx, `SELECT id, subject, wrapped FROM subject_keys WHERE workspace = $1 AND id = $2`, r.Workspace, r.Key), scanKey)
		if err != nil {
			return audit.Entry{}, err
		}
		if !found {
			return r.Open(nil, nil), nil
		}
		if k, err = d.unwrap(r.Workspace, stored); err != nil {
			e := r.Entry()
			e.Payload = audit.PayloadDamaged
			return e, nil //nolint:nilerr // the row is readable, its payload is not, and says so
		}
	}
	return r.Open(k, r.Sealed), nil
}

func scanKey(row sqlRow) (audit.StoredKey, error) {
	var k audit.StoredKey
	err := row.Scan(&k.ID, &k.Subject, &k.Wrapped)
	return k, err
}

func scanBytes(row sqlRow) ([]byte, error) {
	var b []byte
	err := row.Scan(&b)
	return b, err
}
