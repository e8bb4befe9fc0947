package postgres

import (
	"context"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"

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
	r.At, r.Name, r.Text = stored(r.At), storable(r.Name), storable(r.Text)
	err := s.db.write(ctx, r.Workspace, func(tx pgx.Tx) error {
		_, err := tx.Exec(ctx, `INSERT INTO ratings (workspace, turn, by, name, good, reasons, text, model, prompt, at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
			ON CONFLICT (workspace, turn, by) DO UPDATE SET name = excluded.name, good = excluded.good, reasons = excluded.reasons,
			text = excluded.text, model = excluded.model, prompt = excluded.prompt, at = excluded.at`,
			r.Workspace, r.Turn, r.By, r.Name, r.Good, jsonOf(r.Reasons), r.Text, r.Model, r.Prompt, r.At)
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
	w := ratingFilter(ws, f)
	all, err := list(ctx, s.db, ws, scanRating, `SELECT workspace, turn, by, name, good, reasons, text, model, prompt, at FROM ratings
		WHERE `+w.text+w.bind(` ORDER BY at DESC, turn COLLATE "C", by COLLATE "C" LIMIT ?`, bounded(f.Limit, ratingRows)), w.args...)
	if err != nil {
		return nil, fmt.Errorf("read ratings: %w", err)
	}
	return all, nil
}

func ratingFilter(ws agent.WorkspaceID, f feedback.Filter) where {
	var w where
	w.and(`workspace = ?`, ws)
	if f.Turn != "" {
		w.and(`turn = ?`, f.Turn)
	}
	if f.By != "" {
		w.and(`by = ?`, f.By)
	}
	if f.Bad {
		w.and(`NOT good`)
	}
	if !f.Since.IsZero() {
		w.and(`at >= ?`, f.Since)
	}
	return w
}

func scanRating(row sqlRow) (feedback.Rating, error) {
	var r feedback.Rating
	err := row.Scan(&r.Workspace, &r.Turn, &r.By, &r.Name, &r.Good, jsonOf(&r.Reasons), &r.Text, &r.Model, &r.Prompt, timeOf(&r.At))
	return r, err
}

// Tally implements feedback.Store.
func (s *Feedback) Tally(ctx context.Context, ws agent.WorkspaceID, f feedback.Filter) (feedback.Tally, error) {
	w := ratingFilter(ws, f)
	t := feedback.Tally{Reasons: map[feedback.Reason]int{}}
	err := s.db.read(ctx, ws, func(tx pgx.Tx) error {
		err := tx.QueryRow(ctx, `SELECT COUNT(*) FILTER (WHERE good), COUNT(*) FILTER (WHERE NOT good) FROM ratings WHERE `+w.text, w.args...).Scan(&t.Good, &t.Bad)
		if err != nil {
			return err
		}
		_, err = every(ctx, tx, func(row sqlRow) (struct{}, error) {
			var reason feedback.Reason
			var n int
			err := row.Scan(&reason, &n)
			t.Reasons[reason] = n
			return struct{}{}, err
		}, `SELECT e.reason, COUNT(*) FROM ratings r, jsonb_array_elements_text(CASE WHEN r.reasons = 'null' THEN '[]' ELSE r.reasons::jsonb END) e (reason)
			WHERE `+w.text+` GROUP BY e.reason`, w.args...)
		return err
	})
	if err != nil {
		return t, fmt.Errorf("count ratings: %w", err)
	}
	return t, nil
}

// Forget implements feedback.Store.
func (s *Feedback) Forget(ctx context.Context, by agent.Actor, subject agent.ActorID) (int, error) {
	var n int64
	err := s.db.write(ctx, by.Workspace, func(tx pgx.Tx) error {
		r, err := tx.Exec(ctx, `UPDATE ratings SET name = '', text = '' WHERE workspace = $1 AND by = $2 AND (name <> '' OR text <> '')`, by.Workspace, subject)
		if n = r.RowsAffected(); err != nil || n == 0 {
			return err
		}
		return s.db.record(ctx, tx, audit.Entry{Workspace: by.Workspace, Kind: audit.FeedbackForgotten, Actor: by.ID, Subject: subject})
	})
	if err != nil {
		return 0, fmt.Errorf("forget ratings: %w", err)
	}
	return int(n), nil
}
