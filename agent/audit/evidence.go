package audit

import (
	"context"

	"github.com/tink-crypto/tink-go/v2/tink"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/sous-hq/sous/agent"
)

// Stored is a row as it lies in a store, with its sealed payload.
type Stored struct {
	Row
	// Sealed is the payload, nil when there is none, and SealedBy the key it says
	// it was sealed with.
	Sealed   []byte
	SealedBy int64
}

// Evidence reads a record as it lies in a store, at one moment.
type Evidence interface {
	// Workspaces lists those with rows, hashes or checkpoints.
	Workspaces(ctx context.Context) ([]agent.WorkspaceID, error)
	// Rows yields the rows from from to to (0 for the last), whatever their
	// numbers are, in order. It stops at the first error of f.
	Rows(ctx context.Context, ws agent.WorkspaceID, from, to int64, f func(Stored) error) error
	// Hashes yields the stored hashes in order, from the given index on.
	Hashes(ctx context.Context, ws agent.WorkspaceID, from int64, f func(id int64, h []byte) error) error
	// HashReader reads single stored hashes.
	HashReader(ctx context.Context, ws agent.WorkspaceID) tlog.HashReader
	// Size is the number of the last row.
	Size(ctx context.Context, ws agent.WorkspaceID) (int64, error)
	// Checkpoints lists the signed checkpoints of the store, smallest first.
	Checkpoints(ctx context.Context, ws agent.WorkspaceID) ([]string, error)
	// Keys lists the wrapped keys of the subjects.
	Keys(ctx context.Context, ws agent.WorkspaceID) ([]StoredKey, error)
	// Payloads counts the sealed payloads, those that no row asks for too.
	Payloads(ctx context.Context, ws agent.WorkspaceID) (int64, error)
}

// StoredKey is a subject's key, wrapped.
type StoredKey struct {
	ID      int64
	Subject agent.ActorID
	Wrapped []byte
}

// Opener returns how rows of the workspace are read as entries: with the
// payloads that kek opens. Without kek they are PayloadSealed.
func Opener(ctx context.Context, e Evidence, ws agent.WorkspaceID, kek tink.AEAD) (func(Stored) Entry, error) {
	if kek == nil {
		return func(s Stored) Entry {
			out := s.Entry()
			if s.Key != 0 {
				out.Payload = PayloadSealed
			}
			return out
		}, nil
	}
	stored, err := e.Keys(ctx, ws)
	if err != nil {
		return nil, err
	}
	keys, damaged := map[int64]*SubjectKey{}, map[int64]bool{}
	for _, s := range stored {
		k, err := OpenSubjectKey(kek, ws, s.Subject, s.ID, s.Wrapped)
		if err != nil {
			damaged[s.ID] = true
			continue
		}
		keys[s.ID] = k
	}
	return func(s Stored) Entry {
		k := keys[s.Key]
		if s.Sealed == nil {
			k = nil
		}
		out := s.Open(k, s.Sealed)
		if damaged[s.Key] {
			out.Payload = PayloadDamaged
		}
		return out
	}, nil
}
