package postgres

import (
	"context"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/sous-hq/sous/agent"
)

// RoutingCases keeps the cases the router learns from. It is safe for
// concurrent use.
type RoutingCases struct{ db *DB }

// NewRoutingCases returns the cases of the store.
func NewRoutingCases(db *DB) *RoutingCases { return &RoutingCases{db} }

const selectCases = `SELECT n, text, team, by, at, label FROM routing_cases WHERE workspace = $1 AND NOT removed`

func scanCase(r sqlRow) (agent.RoutingCase, error) {
	var c agent.RoutingCase
	var n int64
	err := r.Scan(&n, &c.Text, &c.Team, &c.By, timeOf(&c.At), jsonOf(&c.Label))
	c.ID = caseID(n)
	return c, err
}

// Record keeps a case under the next id of the workspace.
func (s *RoutingCases) Record(ctx context.Context, w agent.Write, text, team string) (agent.RoutingCase, error) {
	return once(ctx, s.db, keyed{w, "record", "routing_writes"}, func(tx pgx.Tx) (agent.RoutingCase, error) {
		c := agent.RoutingCase{Text: storable(text), Team: storable(team), By: w.By.ID, At: s.db.clock().UTC().Truncate(time.Microsecond), Label: w.Label}
		var n int64
		err := tx.QueryRow(ctx, `SELECT COALESCE(MAX(n), 0) + 1 FROM routing_cases WHERE workspace = $1`, w.By.Workspace).Scan(&n)
		if err != nil {
			return c, err
		}
		c.ID = caseID(n)
		_, err = tx.Exec(ctx, `INSERT INTO routing_cases (workspace, n, text, team, by, at, label) VALUES ($1, $2, $3, $4, $5, $6, $7)`,
			w.By.Workspace, n, c.Text, c.Team, c.By, timeOf(&c.At), jsonOf(c.Label))
		return c, err
	})
}

// Unrecord takes a case out and returns it. Its row stays, so that its id is
// not given again.
func (s *RoutingCases) Unrecord(ctx context.Context, w agent.Write, id string) (agent.RoutingCase, error) {
	n, err := caseNumber(id)
	if err != nil {
		return agent.RoutingCase{}, err
	}
	return once(ctx, s.db, keyed{w, "unrecord", "routing_writes"}, func(tx pgx.Tx) (agent.RoutingCase, error) {
		c, found, err := first(tx.QueryRow(ctx, selectCases+` AND n = $2`, w.By.Workspace, n), scanCase)
		switch {
		case err != nil:
			return c, err
		case !found:
			return c, agent.Errorf(agent.NotFound, "there is no routing case %s", caseID(n))
		}
		_, err = tx.Exec(ctx, `UPDATE routing_cases SET removed = true WHERE workspace = $1 AND n = $2`, w.By.Workspace, n)
		return c, err
	})
}

// Cases lists at most limit cases, the newest first.
func (s *RoutingCases) Cases(ctx context.Context, ws agent.WorkspaceID, limit int) ([]agent.RoutingCase, error) {
	return list(ctx, s.db, ws, scanCase, selectCases+` ORDER BY n DESC LIMIT $2`, ws, limit)
}

// Changes counts the writes of the workspace.
func (s *RoutingCases) Changes(ctx context.Context, ws agent.WorkspaceID) (int64, error) {
	n, _, err := one(ctx, s.db, ws, scanInt, `SELECT COUNT(*) FROM routing_writes WHERE workspace = $1`, ws)
	return n, err
}

func caseID(n int64) string { return "R-" + strconv.FormatInt(n, 10) }

// caseNumber reads "R-4", "r-4" and "4".
func caseNumber(id string) (int64, error) {
	n, err := strconv.ParseInt(strings.TrimPrefix(strings.ToUpper(strings.TrimSpace(id)), "R-"), 10, 64)
	if err != nil || n <= 0 {
		return 0, agent.Errorf(agent.NotFound, "there is no routing case %.40q; ids look like R-4", id)
	}
	return n, nil
}
