package postgres

import (
	"context"
	"fmt"
	"time"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/agent/budget"
)

// Spent implements budget.Store. The turns of a month are the last ones: they are
// found from the end of the order, which needs no index of its own.
func (d *DB) Spent(ctx context.Context, ws agent.WorkspaceID, day, month time.Time) ([]budget.Spent, error) {
	day, month = stored(day), stored(month)
	all, err := list(ctx, d, ws, scanSpent, `SELECT COALESCE(NULLIF(actor::json ->> 'person', ''), actor_id) AS person, model,
		SUM(CASE WHEN created >= $2 THEN input_tokens ELSE 0 END)::bigint, SUM(CASE WHEN created >= $2 THEN output_tokens ELSE 0 END)::bigint,
		SUM(input_tokens)::bigint, SUM(output_tokens)::bigint
		FROM turns WHERE workspace = $1 AND created >= $3 AND input_tokens + output_tokens > 0
		AND seq > COALESCE((SELECT seq FROM turns WHERE workspace = $1 AND created < $3 ORDER BY seq DESC LIMIT 1), 0)
		GROUP BY 1, 2 ORDER BY 1, 2`, ws, timeOf(&day), timeOf(&month))
	if err != nil {
		return nil, fmt.Errorf("read what was used: %w", err)
	}
	return all, nil
}

func scanSpent(row sqlRow) (budget.Spent, error) {
	var s budget.Spent
	err := row.Scan(&s.Person, &s.Model, &s.Day.InputTokens, &s.Day.OutputTokens, &s.Month.InputTokens, &s.Month.OutputTokens)
	return s, err
}
