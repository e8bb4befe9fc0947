package postgres

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/agent/approval"
	"github.com/sous-hq/sous/agent/audit"
	"github.com/sous-hq/sous/agent/loop"
)

const (
	// approvalRows is how many approvals one read returns at most.
	approvalRows = 1000
	// approvalSelect reads approvals with their votes, which are rows of their own.
	approvalSelect = `SELECT a.body, (SELECT '[' || string_agg(v.body, ',' ORDER BY v.n) || ']' FROM approval_votes v
		WHERE v.workspace = a.workspace AND v.approval = a.id) FROM approvals a`
)

// Approval implements loop.Approvals.
func (d *DB) Approval(ctx context.Context, ws agent.WorkspaceID, id string) (approval.Approval, error) {
	a, ok, err := one(ctx, d, ws, scanApproval, approvalSelect+` WHERE a.workspace = $1 AND a.id = $2`, ws, id)
	switch {
	case err != nil:
		return approval.Approval{}, fmt.Errorf("read approval: %w", err)
	case !ok:
		return approval.Approval{}, noApproval(agent.NotFound, id)
	}
	return a, nil
}

// Approvals implements loop.Approvals.
func (d *DB) Approvals(ctx context.Context, ws agent.WorkspaceID, f loop.ApprovalFilter) ([]approval.Approval, error) {
	var w where
	w.and(`a.workspace = ?`, ws)
	if f.Turn != "" {
		w.and(`a.turn = ?`, f.Turn)
	}
	if len(f.States) > 0 {
		w.and(`a.state = ANY (?)`, f.States)
	}
	if f.Tool != "" {
		w.and(`a.body::jsonb #>> '{call,tool}' = ?`, f.Tool)
	}
	if f.Requester != "" {
		w.and(`COALESCE(NULLIF(a.body::jsonb #>> '{call,actor,person}', ''), a.body::jsonb #>> '{call,actor,id}') = ?`, f.Requester)
	}
	order := `ORDER BY a.created, a.id LIMIT ?`
	if f.Newest {
		order = `ORDER BY a.created DESC, a.id DESC LIMIT ?`
	}
	limited := w.bind(order, bounded(f.Limit, approvalRows))
	all, err := list(ctx, d, ws, scanApproval, approvalSelect+` WHERE `+w.text+` `+limited, w.args...)
	if err != nil {
		return nil, fmt.Errorf("read approvals: %w", err)
	}
	if f.Newest {
		slices.Reverse(all)
	}
	return all, nil
}

// Change implements loop.Approvals. The transaction holds the write lock from its
// start, so f sees every vote before its own. Of what f returns only the decision
// counts; spending is Intend's alone.
func (d *DB) Change(ctx context.Context, by agent.Actor, id string, f func(approval.Approval) (approval.Approval, error)) (approval.Approval, error) {
	var got approval.Approval
	err := d.write(ctx, by.Workspace, func(tx pgx.Tx) error {
		was, ok, err := approvalByID(ctx, tx, by.Workspace, id)
		switch {
		case err != nil:
			return err
		case !ok:
			return noApproval(agent.NotFound, id)
		}
		now, err := f(was)
		if err != nil {
			return err
		}
		got = changed(was, now)
		return d.storeChange(ctx, tx, by, was, got)
	})
	if err != nil {
		return approval.Approval{}, fmt.Errorf("change approval: %w", err)
	}
	return got, nil
}

// changed is the approval with what a transition may change of it.
func changed(was, now approval.Approval) approval.Approval {
	got := was
	got.State, got.Comment, got.Event = now.State, now.Comment, now.Event
	got.Edited, got.EditedBy = now.Edited, now.EditedBy
	got.DecidedBy, got.DecidedName, got.DecidedAt = now.DecidedBy, now.DecidedName, stored(now.DecidedAt)
	got.Stage, got.Handed, got.Notes, got.Reminded = now.Stage, now.Handed, now.Notes, now.Reminded
	got.RemindedAt = stored(now.RemindedAt)
	if len(now.Votes) > len(was.Votes) {
		vote := now.Votes[len(was.Votes)]
		vote.At = stored(vote.At)
		got.Votes = append(slices.Clone(was.Votes), vote)
	}
	return got
}

// storeChange stores what has changed with the row that says so and, when the
// state did, the turn's signal.
func (d *DB) storeChange(ctx context.Context, tx pgx.Tx, by agent.Actor, was, now approval.Approval) error {
	voted := len(now.Votes) > len(was.Votes)
	if voted {
		if err := storeVote(tx, by, now); err != nil {
			return err
		}
	}
	e := approvalEntry(now)
	e.Actor, e.Status = by.ID, string(now.State)
	switch {
	case now.State != was.State:
		return d.decided(ctx, tx, e, now)
	case voted:
		e.Kind, e.Note = audit.ApprovalVoted, fmt.Sprintf("%d of %d", len(now.Votes), now.Needs())
	case len(now.Handed) > len(was.Handed):
		e.Kind, e.Note = audit.ApprovalHanded, "to "+string(now.Handed[len(now.Handed)-1].To)
	case now.Stage > was.Stage:
		e.Kind, e.Note = audit.ApprovalEscalated, "to "+strings.Join(now.Groups(), ", ")
	case len(now.Notes) > len(was.Notes):
		e.Kind, e.Note = audit.ApprovalNoted, now.Notes[len(now.Notes)-1].Text
	case now.Reminded > was.Reminded:
		e.Kind, e.Note = audit.ApprovalReminded, fmt.Sprintf("reminder %d", now.Reminded)
	default:
		return nil
	}
	storeApproval(tx, now)
	// Of a new state approvals_tell tells.
	later(tx, `SELECT sous.tell('turn', $1)`, now.Call.Turn)
	return d.record(ctx, tx, e)
}

// storeVote adds by's vote, the last one of the approval.
func storeVote(tx pgx.Tx, by agent.Actor, a approval.Approval) error {
	v := a.Votes[len(a.Votes)-1]
	if v.By != by.ID || v.Person != by.Human() {
		return errors.New("a vote is given by the one who votes")
	}
	later(tx, `INSERT INTO approval_votes (workspace, approval, person, n, body) VALUES ($1, $2, $3, $4, $5)`,
		a.Workspace, a.ID, v.Person, len(a.Votes), jsonOf(v))
	return nil
}

// decided stores the new state, the row that says so and the turn's signal.
func (d *DB) decided(ctx context.Context, tx pgx.Tx, e audit.Entry, a approval.Approval) error {
	switch a.State {
	case approval.Approved, approval.Denied:
		e.Kind, e.Note = audit.ApprovalDecided, decisionNote(a)
	case approval.Expired:
		e.Kind = audit.ApprovalExpired
	case approval.Superseded, approval.Withdrawn:
		e.Kind, e.Args, e.Note = audit.ApprovalClosed, a.Edited, closingNote(a)
	case approval.Asked, approval.Spent:
		return errors.New("an approval is asked by Ask and spent by Intend")
	default:
		return fmt.Errorf("no approval state %q", a.State)
	}
	storeApproval(tx, a)
	if err := d.record(ctx, tx, e); err != nil {
		return err
	}
	sig := loop.Signal{Type: loop.SignalDecided, Approval: a.ID, State: a.State, By: e.Actor, Text: a.Comment}
	if len(a.Edited) > 0 {
		sig.By, sig.Args = a.EditedBy, string(a.Edited)
	}
	send(tx, address{a.Workspace, a.Call.Turn, loop.InboxTopic}, sig)
	return nil
}

// closingNote says why an approval was closed unused.
func closingNote(a approval.Approval) string {
	if len(a.Edited) > 0 {
		return "edited"
	}
	return a.Comment
}

// decisionNote says when a decision was not another person's.
func decisionNote(a approval.Approval) string {
	switch {
	case a.DecidedBy != a.Call.Actor.ID:
		return ""
	case a.Kind == approval.ByRequester && a.State == approval.Approved:
		return "confirmed by requester"
	case a.Kind == approval.ByRequester:
		return "declined by requester"
	case a.Sole:
		return "sole owner decided"
	}
	return ""
}

// approvalEntry is the part every row about the approval has.
func approvalEntry(a approval.Approval) audit.Entry {
	tier := a.Tier
	return audit.Entry{
		Workspace: a.Workspace, Turn: a.Call.Turn, Call: a.Call.ID, Tool: a.Call.Tool, Tier: &tier,
		Digest: a.Digest, Rule: a.Rule, Approval: a.ID,
	}
}

func noApproval(k agent.Kind, id string) error { return agent.Errorf(k, "there is no approval %s", id) }

func approvalByID(ctx context.Context, q handle, ws agent.WorkspaceID, id string) (approval.Approval, bool, error) {
	return first(q.QueryRow(ctx, approvalSelect+` WHERE a.workspace = $1 AND a.id = $2`, ws, id), scanApproval)
}

func scanApproval(row sqlRow) (approval.Approval, error) {
	var a approval.Approval
	var votes []approval.Vote
	err := row.Scan(jsonOf(&a), jsonOf(&votes))
	a.Votes = nil
	if len(votes) > 0 {
		a.Votes = votes
	}
	return a, err
}

// storeApproval writes a new approval or the new state of a known one, without
// its votes.
func storeApproval(tx pgx.Tx, a approval.Approval) {
	a.Votes = nil
	later(tx, `INSERT INTO approvals (workspace, id, turn, state, created, body) VALUES ($1, $2, $3, $4, $5, $6)
		ON CONFLICT (workspace, id) DO UPDATE SET state = excluded.state, body = excluded.body`,
		a.Workspace, a.ID, a.Call.Turn, a.State, timeOf(&a.Created), jsonOf(a))
}
