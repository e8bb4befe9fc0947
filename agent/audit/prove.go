package audit

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/sous-hq/sous/agent"
)

// Proof shows that a row is in a record, to somebody who has the public key and
// nothing else: the row, the way from its hash to the head (RFC 6962, section
// 2.1.1), and the signed head.
type Proof struct {
	Row        Row         `json:"row"`
	Size       int64       `json:"size"`
	Hashes     []tlog.Hash `json:"hashes"`
	Checkpoint string      `json:"checkpoint"`
}

// Prove makes the proof of a row under a signed checkpoint that covers it.
func Prove(ctx context.Context, e Evidence, ws agent.WorkspaceID, seq int64, signed string, known note.Verifiers) (*Proof, error) {
	c, err := OpenCheckpoint(signed, known)
	switch {
	case err != nil:
		return nil, fmt.Errorf("checkpoint: %w", err)
	case c.Workspace != ws || seq < 1 || seq > c.Size:
		return nil, agent.Errorf(agent.Invalid, "the checkpoint does not cover row %d", seq)
	}
	p := &Proof{Size: c.Size, Checkpoint: signed}
	found := false
	err = e.Rows(ctx, ws, seq, seq, func(s Stored) error {
		p.Row, found = s.Row, true
		return nil
	})
	switch {
	case err != nil:
		return nil, err
	case !found:
		return nil, agent.Errorf(agent.NotFound, "there is no row %d", seq)
	}
	hashes, err := tlog.ProveRecord(c.Size, seq-1, e.HashReader(ctx, ws))
	if err != nil {
		return nil, fmt.Errorf("prove row %d: %w", seq, err)
	}
	p.Hashes = hashes
	if _, err := p.Check(known); err != nil {
		return nil, agent.WrapError(agent.Conflict, err, fmt.Sprintf("row %d cannot be proved: %v; run sous audit verify", seq, err))
	}
	return p, nil
}

// ParseProof reads a proof as JSON.
func ParseProof(raw []byte) (*Proof, error) {
	var p Proof
	if err := json.Unmarshal(raw, &p); err != nil {
		return nil, agent.WrapError(agent.Invalid, err, "this is no proof: "+err.Error())
	}
	return &p, nil
}

// Check verifies the proof and returns the checkpoint that vouches for the row.
func (p *Proof) Check(known note.Verifiers) (Checkpoint, error) {
	c, err := OpenCheckpoint(p.Checkpoint, known)
	switch {
	case err != nil:
		return Checkpoint{}, fmt.Errorf("the checkpoint does not count: %w", err)
	case c.Size != p.Size || c.Workspace != p.Row.Workspace:
		return Checkpoint{}, errors.New("the checkpoint is of another record")
	case p.Row.Seq < 1 || p.Row.Seq > c.Size:
		return Checkpoint{}, errors.New("the checkpoint does not cover the row")
	}
	if err := tlog.CheckRecord(p.Hashes, c.Size, c.Root, p.Row.Seq-1, p.Row.Hash()); err != nil {
		return Checkpoint{}, fmt.Errorf("the row is not in the signed record: %w", err)
	}
	return c, nil
}
