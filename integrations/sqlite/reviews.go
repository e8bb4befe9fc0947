package sqlite

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/agent/audit"
	"github.com/sous-hq/sous/agent/review"
)

var _ review.Store = (*DB)(nil)

// reviewRows is how many reviews one read returns at most.
const reviewRows = 200

// OpenReview implements review.Store.
func (d *DB) OpenReview(ctx context.Context, r review.Review) (review.Review, error) {
	r.Created = stored(r.Created)
	var got review.Review
	err := d.tx(ctx, func(tx *sql.Tx) error {
		had, ok, err := reviewByID(ctx, tx, r.Workspace, r.ID)
		if err != nil || ok {
			got = had
			return err
		}
		got = r
		_, err = tx.ExecContext(ctx, `INSERT INTO reviews (workspace, id, turn, state, created, body) VALUES (?, ?, ?, ?, ?, ?)`,
			r.Workspace, r.ID, r.Turn, r.State, timeOf(&r.Created), jsonOf(r))
		if err != nil {
			return err
		}
		return d.record(ctx, tx, audit.Entry{At: r.Created, Workspace: r.Workspace, Kind: audit.MinutesReviewed, Actor: r.Reviewer.ID, Turn: r.Turn, Status: string(review.Draft)})
	})
	if err != nil {
		return review.Review{}, fmt.Errorf("open review: %w", err)
	}
	return got, nil
}

// Review implements review.Store.
func (d *DB) Review(ctx context.Context, ws agent.WorkspaceID, id string) (review.Review, error) {
	r, ok, err := reviewByID(ctx, d.sql, ws, id)
	switch {
	case err != nil:
		return r, d.publicError(fmt.Errorf("read review: %w", err))
	case !ok:
		return r, agent.Errorf(agent.NotFound, "there are no minutes %.40s", id)
	}
	return r, nil
}

// Reviews implements review.Store.
func (d *DB) Reviews(ctx context.Context, ws agent.WorkspaceID, turn string) ([]review.Review, error) {
	query, args := `SELECT body FROM reviews WHERE workspace = ? AND turn = ? ORDER BY created, id LIMIT ?`, []any{ws, turn, reviewRows}
	if turn == "" {
		query, args = `SELECT body FROM reviews WHERE workspace = ? ORDER BY created DESC, id LIMIT ?`, []any{ws, reviewRows}
	}
	all, err := every(ctx, d.sql, scanReview, query, args...)
	if err != nil {
		return nil, d.publicError(fmt.Errorf("read reviews: %w", err))
	}
	return all, nil
}

// ChangeReview implements review.Store. The transaction holds the write lock from
// its start.
func (d *DB) ChangeReview(ctx context.Context, by agent.Actor, id string, f func(review.Review) (review.Review, error)) (review.Review, error) {
	var got review.Review
	err := d.tx(ctx, func(tx *sql.Tx) error {
		was, ok, err := reviewByID(ctx, tx, by.Workspace, id)
		switch {
		case err != nil:
			return err
		case !ok:
			return agent.Errorf(agent.NotFound, "there are no minutes %.40s", id)
		}
		if got, err = f(was); err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, `UPDATE reviews SET state = ?, body = ? WHERE workspace = ? AND id = ?`, got.State, jsonOf(got), was.Workspace, was.ID); err != nil {
			return err
		}
		if e, ok := reviewEntry(by, was, got); ok {
			return d.record(ctx, tx, e)
		}
		return nil
	})
	if err != nil {
		return review.Review{}, fmt.Errorf("change review: %w", err)
	}
	return got, nil
}

func reviewEntry(by agent.Actor, was, now review.Review) (audit.Entry, bool) {
	word, remark := review.Change(was, now)
	return audit.Entry{Workspace: was.Workspace, Kind: audit.MinutesReviewed, Actor: by.ID, Turn: was.Turn, Status: word, Note: remark}, word != ""
}

func reviewByID(ctx context.Context, q sqlHandle, ws agent.WorkspaceID, id string) (review.Review, bool, error) {
	return first(q.QueryRowContext(ctx, `SELECT body FROM reviews WHERE workspace = ? AND id = ?`, ws, id), scanReview)
}

func scanReview(row sqlRow) (review.Review, error) {
	var r review.Review
	err := row.Scan(jsonOf(&r))
	return r, err
}
