package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/agent/audit"
	"github.com/sous-hq/sous/agent/loop"
)

// writable refuses a checkpoint file that nothing could be written to: the record
// would have no witness. "" is the one in the data directory.
func writable(path string) error {
	if path == "" {
		return nil
	}
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err == nil {
		err = f.Close()
	}
	if err != nil {
		return agent.WrapError(agent.Invalid, err, fmt.Sprintf("the checkpoint file cannot be written: %v", err))
	}
	return nil
}

// postCheckpoint tells the owners a signed head. Whoever rewrites the store and
// the checkpoint file does not reach what they have kept of it.
func (a *app) postCheckpoint(ctx context.Context, c audit.Checkpoint, signed string) error {
	var to []agent.ActorID
	for _, p := range a.everybody() {
		if p.Owner && p.Active && p.Human() == p.ID {
			to = append(to, p.ID)
		}
	}
	slices.Sort(to)
	name := sha256.Sum256(fmt.Append(nil, to))
	return a.assistant.Tell(ctx, loop.Notice{
		Workspace: c.Workspace, Key: fmt.Sprintf("checkpoint-%d", c.Size), Conversation: "record-" + hex.EncodeToString(name[:6]), To: to,
		Title: "Signed head of the record",
		Text: fmt.Sprintf("The record had %d rows at %s. This is its signed head. Keep a copy where nobody who runs Sous can change it; "+
			"put into a file, `sous audit verify --checkpoint FILE` holds the record against it.\n\n```\n%s```\n", c.Size, c.At.UTC().Format(time.RFC3339), signed),
	})
}
