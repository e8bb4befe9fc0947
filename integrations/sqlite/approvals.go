package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/agent/approval"
	"github.com/sous-hq/sous/agent/audit"
	"github.com/sous-hq/sous/agent/loop"
)

// approvalRows is how many approvals one read returns at most.
const approvalRows = 1000

// Approval implements loop.Approvals.
func (d *DB) Approval(ctx context.Context, ws agent.WorkspaceID, id string) (approval.Approval, error) {
	a, ok, err := approvalByID(ctx, d.sql, ws, id)
	switch {
	case err != nil:
		return approval.Approval{}, d.publicError(fmt.Errorf("read approval: %w", err))
	case !ok:
		return approval.Approval{}, noApproval(agent.NotFound, id)
	}
	return a, nil
}

// Approvals implements loop.Approvals.
func (d *DB) Approvals(ctx context.Context, ws agent.WorkspaceID, f loop.ApprovalFilter) ([]approval.Approval, error) {
	query, args := `SELECT body FROM approvals WHERE workspace = ?`, []any{ws}
	if f.Turn != "" {
		query, args = query+` AND turn = ?`, append(args, f.Turn)
	}
	if n := len(f.States); n > 0 {
		query += ` AND state IN (?` + strings.Repeat(`, ?`, n-1) + `)`
		for _, s := range f.States {
			args = append(args, s)
		}
	}
	args = append(args, bounded(f.Limit, approvalRows))
	all, err := every(ctx, d.sql, scanApproval, query+` ORDER BY created, id LIMIT ?`, args...)
	if err != nil {
		return nil, d.publicError(fmt.Errorf("read approvals: %w", err))
	}
	return all, nil
}

// Change implements loop.Approvals. Of what f returns only the decision counts;
// spending is Intend's alone.
func (d *DB) Change(ctx context.Context, by agent.Actor, id string, f func(approval.Approval) (approval.Approval, error)) (approval.Approval, error) {
	var got approval.Approval
	err := d.tx(ctx, func(tx *sql.Tx) error {
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
		got = was
		if now.State == was.State {
			return nil
		}
		got.State, got.Comment = now.State, now.Comment
		got.DecidedBy, got.DecidedName, got.DecidedAt = now.DecidedBy, now.DecidedName, stored(now.DecidedAt)
		return d.decided(ctx, tx, by, got)
	})
	if err != nil {
		return approval.Approval{}, fmt.Errorf("change approval: %w", err)
	}
	return got, nil
}

// decided stores the new state, the row that says so and the turn's signal.
func (d *DB) decided(ctx context.Context, tx *sql.Tx, by agent.Actor, a approval.Approval) error {
	e := approvalEntry(a)
	e.Actor, e.Status = by.ID, string(a.State)
	switch a.State {
	case approval.Approved, approval.Denied:
		e.Kind = audit.ApprovalDecided
		e.Note = decisionNote(a)
	case approval.Expired:
		e.Kind = audit.ApprovalExpired
	case approval.Asked, approval.Spent:
		return errors.New("an approval is asked by Ask and spent by Intend")
	default:
		return fmt.Errorf("no approval state %q", a.State)
	}
	if err := storeApproval(ctx, tx, a); err != nil {
		return err
	}
	if err := d.record(ctx, tx, e); err != nil {
		return err
	}
	return send(ctx, tx, address{a.Workspace, a.Call.Turn, loop.InboxTopic}, loop.Signal{
		Type: loop.SignalDecided, Approval: a.ID, State: a.State, By: by.ID, Text: a.Comment,
	})
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

func approvalByID(ctx context.Context, q sqlHandle, ws agent.WorkspaceID, id string) (approval.Approval, bool, error) {
	return first(q.QueryRowContext(ctx, `SELECT body FROM approvals WHERE workspace = ? AND id = ?`, ws, id), scanApproval)
}

func scanApproval(row sqlRow) (approval.Approval, error) {
	var a approval.Approval
	err := row.Scan(jsonOf(&a))
	return a, err
}

// storeApproval writes a new approval or the new state of a known one.
func storeApproval(ctx context.Context, tx *sql.Tx, a approval.Approval) error {
	_, err := tx.ExecContext(ctx, `INSERT INTO approvals (workspace, id, turn, state, created, body) VALUES (?, ?, ?, ?, ?, ?)
		ON CONFLICT DO UPDATE SET state = excluded.state, body = excluded.body`,
		a.Workspace, a.ID, a.Call.Turn, a.State, timeOf(&a.Created), jsonOf(a))
	if err != nil {
		return fmt.Errorf("store approval: %w", err)
	}
	return nil
}
