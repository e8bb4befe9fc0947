package audit

import (
	"context"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/sous-hq/sous/agent"
)

// Stored is a row as it lies in a store, with its sealed payload.
type Stored struct {
	Row
	// Sealed is the payload, nil when there is none.
	Sealed []byte
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
