package sqlite

import (
	"context"
	"database/sql"
	"fmt"
	"strings"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/agent/audit"
	"github.com/sous-hq/sous/agent/feedback"
)

var _ feedback.Store = (*Feedback)(nil)

// Feedback keeps what people thought of answers. It is safe for concurrent use.
type Feedback struct{ db *DB }

// NewFeedback returns the feedback of the store.
func NewFeedback(db *DB) *Feedback { return &Feedback{db} }

// ratingRows is how many ratings one read returns at most.
const ratingRows = 1000

// Rate implements feedback.Store.
func (s *Feedback) Rate(ctx context.Context, r feedback.Rating) error {
	r.At = stored(r.At)
	err := s.db.tx(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `INSERT INTO ratings (workspace, turn, by, name, good, reasons, text, model, prompt, at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
			ON CONFLICT (workspace, turn, by) DO UPDATE SET name = excluded.name, good = excluded.good, reasons = excluded.reasons,
			text = excluded.text, model = excluded.model, prompt = excluded.prompt, at = excluded.at`,
			r.Workspace, r.Turn, r.By, r.Name, r.Good, jsonOf(r.Reasons), r.Text, r.Model, r.Prompt, timeOf(&r.At))
		if err != nil {
			return err
		}
		return s.db.record(ctx, tx, ratingEntry(r))
	})
	if err != nil {
		return fmt.Errorf("rate: %w", err)
	}
	return nil
}

func ratingEntry(r feedback.Rating) audit.Entry {
	var why []string
	for _, reason := range r.Reasons {
		why = append(why, string(reason))
	}
	return audit.Entry{At: r.At, Workspace: r.Workspace, Kind: audit.FeedbackGiven, Actor: r.By, Turn: r.Turn, Status: r.Verdict(), Note: strings.Join(why, ", ")}
}

// Ratings implements feedback.Store.
func (s *Feedback) Ratings(ctx context.Context, ws agent.WorkspaceID, f feedback.Filter) ([]feedback.Rating, error) {
	where, args := ratingFilter(ws, f)
	all, err := every(ctx, s.db.sql, scanRating, `SELECT workspace, turn, by, name, good, reasons, text, model, prompt, at FROM ratings
		WHERE `+where+` ORDER BY at DESC, turn, by LIMIT ?`, append(args, bounded(f.Limit, ratingRows))...)
	if err != nil {
		return nil, s.db.publicError(fmt.Errorf("read ratings: %w", err))
	}
	return all, nil
}

func ratingFilter(ws agent.WorkspaceID, f feedback.Filter) (string, []any) {
	where, args := `workspace = ?`, []any{ws}
	if f.Turn != "" {
		where, args = where+` AND turn = ?`, append(args, f.Turn)
	}
	if f.By != "" {
		where, args = where+` AND by = ?`, append(args, f.By)
	}
	if f.Bad {
		where += ` AND good = 0`
	}
	if !f.Since.IsZero() {
		where, args = where+` AND at >= ?`, append(args, timeOf(&f.Since))
	}
	return where, args
}

func scanRating(row sqlRow) (feedback.Rating, error) {
	var r feedback.Rating
	err := row.Scan(&r.Workspace, &r.Turn, &r.By, &r.Name, &r.Good, jsonOf(&r.Reasons), &r.Text, &r.Model, &r.Prompt, timeOf(&r.At))
	return r, err
}

// Tally implements feedback.Store.
func (s *Feedback) Tally(ctx context.Context, ws agent.WorkspaceID, f feedback.Filter) (feedback.Tally, error) {
	where, args := ratingFilter(ws, f)
	t := feedback.Tally{Reasons: map[feedback.Reason]int{}}
	err := s.db.sql.QueryRowContext(ctx, `SELECT COUNT(*) FILTER (WHERE good), COUNT(*) FILTER (WHERE NOT good) FROM ratings WHERE `+where, args...).Scan(&t.Good, &t.Bad)
	if err != nil {
		return t, s.db.publicError(fmt.Errorf("count ratings: %w", err))
	}
	_, err = every(ctx, s.db.sql, func(row sqlRow) (struct{}, error) {
		var reason feedback.Reason
		var n int
		err := row.Scan(&reason, &n)
		t.Reasons[reason] = n
		return struct{}{}, err
	}, `SELECT e.value, COUNT(*) FROM ratings r, json_each(r.reasons) e WHERE `+where+` AND e.type = 'text' GROUP BY e.value`, args...)
	if err != nil {
		return t, s.db.publicError(fmt.Errorf("count ratings: %w", err))
	}
	return t, nil
}

// Forget implements feedback.Store.
func (s *Feedback) Forget(ctx context.Context, by agent.Actor, subject agent.ActorID) (int, error) {
	var n int64
	err := s.db.tx(ctx, func(tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, `PRAGMA secure_delete = ON`); err != nil {
			return err
		}
		r, err := tx.ExecContext(ctx, `UPDATE ratings SET name = '', text = '' WHERE workspace = ? AND by = ? AND (name <> '' OR text <> '')`, by.Workspace, subject)
		if err != nil {
			return err
		}
		if n, err = r.RowsAffected(); err != nil || n == 0 {
			return err
		}
		return s.db.record(ctx, tx, audit.Entry{Workspace: by.Workspace, Kind: audit.FeedbackForgotten, Actor: by.ID, Subject: subject})
	})
	if err != nil {
		return 0, fmt.Errorf("forget ratings: %w", err)
	}
	return int(n), nil
}
