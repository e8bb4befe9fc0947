// Package audit is the record of what was accepted, asked, decided, intended
// and done. Rows are written by the stores in the same transaction as what they
// record and are never changed; this package says what a row holds, how it is
// sealed and hashed into a tree, and how anybody with the public key can tell
// that nothing was changed, cut or put in.
package audit

import (
	"context"
	"encoding/json"
	"time"

	"github.com/sous-hq/sous/agent"
)

// Kind says what a row records.
type Kind string

// The kinds of rows.
const (
	TurnAccepted    Kind = "turn.accepted"
	TurnEnded       Kind = "turn.ended"
	CallRead        Kind = "call.read"
	CallRefused     Kind = "call.refused"
	CallAsked       Kind = "call.asked"
	CallIntent      Kind = "call.intent"
	CallOutcome     Kind = "call.outcome"
	ApprovalDecided Kind = "approval.decided"
	ApprovalExpired Kind = "approval.expired"
	MemoryWritten   Kind = "memory.written"
	// SubjectErased says that the subject's key was destroyed: what the rows up
	// to here held about them can be read by nobody any more.
	SubjectErased Kind = "subject.erased"
	// DataPurged says that what was older than a rule allows was taken out.
	DataPurged Kind = "data.purged"
	// HoldSet and HoldReleased say that the data of the person in Status must stay,
	// and no longer has to.
	HoldSet      Kind = "hold.set"
	HoldReleased Kind = "hold.released"
)

// The reasons why a row shows no payload.
const (
	// PayloadErased means that the subject's key was destroyed.
	PayloadErased = "erased"
	// PayloadSealed means that the keys are not at hand.
	PayloadSealed = "sealed"
	// PayloadDamaged means that the payload is not the one that was recorded.
	PayloadDamaged = "damaged"
)

// Entry is one row of the record.
type Entry struct {
	// Seq counts the workspace's rows from 1 without gaps.
	Seq       int64             `json:"seq"`
	At        time.Time         `json:"at"`
	Workspace agent.WorkspaceID `json:"workspace"`
	Kind      Kind              `json:"kind"`
	// Actor is who did it; a decision's actor is the decider.
	Actor    agent.ActorID `json:"actor,omitempty"`
	Turn     string        `json:"turn,omitempty"`
	Call     string        `json:"call,omitempty"`
	Tool     string        `json:"tool,omitempty"`
	Tier     *agent.Tier   `json:"tier,omitempty"`
	Digest   string        `json:"digest,omitempty"`
	Ruling   string        `json:"ruling,omitempty"`
	Rule     string        `json:"rule,omitempty"`
	Approval string        `json:"approval,omitempty"`
	Status   string        `json:"status,omitempty"`
	// Args are the exact arguments of a call, for asked, refused and intent rows.
	Args json.RawMessage `json:"args,omitempty"`
	// Note is a short machine-made remark, such as "sole owner decided".
	Note string `json:"note,omitempty"`
	// Subject is whom the payload is about and under whose key it lies, when
	// that is not the actor.
	Subject agent.ActorID `json:"subject,omitempty"`
	// Payload says why digest, arguments and note are not shown, "" when they are.
	Payload string `json:"payload,omitempty"`
}

// Filter selects rows; empty fields select all.
type Filter struct {
	Kinds    []Kind
	Turn     string
	Tool     string
	Actor    agent.ActorID
	Approval string
	Since    time.Time
	Until    time.Time
	// After returns rows with a greater Seq, for paging.
	After int64
	// Limit is at most this many rows, 0 for the store's default of 1,000. With
	// Newest the last rows are chosen, still returned oldest first.
	Limit  int
	Newest bool
}

// Reader reads the record of one workspace.
type Reader interface {
	Audit(ctx context.Context, ws agent.WorkspaceID, f Filter) ([]Entry, error)
}
