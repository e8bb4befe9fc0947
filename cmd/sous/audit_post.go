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
	"github.com/sous-hq/sous/agent/people"
	"github.com/sous-hq/sous/integrations/slack"
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

// postCheckpoint tells the owners a signed head: in a conversation of theirs and,
// where Slack is on, by direct message. Whoever rewrites the store and the
// checkpoint file does not reach what they have kept of it.
func (a *app) postCheckpoint(ctx context.Context, c audit.Checkpoint, signed string) error {
	var to []agent.ActorID
	for _, p := range a.everybody() {
		if p.Owner && p.Active && p.Human() == p.ID {
			to = append(to, p.ID)
		}
	}
	slices.Sort(to)
	name := sha256.Sum256(fmt.Append(nil, to))
	// Records of other workspaces are told here, where whoever runs Sous reads them.
	of, key := "", fmt.Sprintf("checkpoint-%d", c.Size)
	if c.Workspace != workspace {
		of, key = " of "+string(c.Workspace), fmt.Sprintf("checkpoint-%s-%d", c.Workspace, c.Size)
	}
	text := fmt.Sprintf("The record%s had %d rows at %s. This is its signed head. Keep a copy where nobody who runs Sous can change it; "+
		"put into a file, `sous audit verify --checkpoint FILE` holds the record against it.\n\n```\n%s```\n", of, c.Size, c.At.UTC().Format(time.RFC3339), signed)
	err := a.assistant.Tell(ctx, loop.Notice{
		Workspace: workspace, Key: key, Conversation: "record-" + hex.EncodeToString(name[:6]), To: to,
		Title: "Signed head of the record", Text: text,
	})
	tell := a.inSlack()
	if err != nil || tell == nil {
		return err
	}
	owners, err := a.people.source.Members(ctx, c.Workspace, people.Owners)
	if err != nil {
		return fmt.Errorf("owners in Slack: %w", err)
	}
	to = nil
	for _, p := range owners {
		if p.Active && p.Kind == agent.Member {
			to = append(to, p.ID)
		}
	}
	tell(ctx, slack.Notice{Workspace: c.Workspace, To: to, Key: key, Text: text})
	return nil
}

// inSlack tells people something by direct message; nil where Slack is off.
func (a *app) inSlack() func(context.Context, slack.Notice) {
	switch {
	case a.slack.bot != nil:
		return a.slack.bot.Inform
	case a.slack.fleet != nil:
		return a.slack.fleet.Inform
	}
	return nil
}
