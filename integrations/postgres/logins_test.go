package postgres_test

import (
	"context"
	"errors"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/agent/audit"
	"github.com/sous-hq/sous/integrations/postgres"
)

// The owner brings the database up to date; another login, which owns nothing,
// serves on it, and a third audits.
func TestWhoServesOwnsNothingAndWhoAuditsOnlyReads(t *testing.T) {
	t.Parallel()
	db, clock, base := openDB(t)
	fill(t, db, clock)
	run := administrator(t, base)
	server, auditor := newRole(t, run, `PASSWORD 'x' IN ROLE sous_server`), newRole(t, run, `PASSWORD 'x' IN ROLE sous_auditor`)

	served, err := postgres.Open(t.Context(), postgres.Config{URL: asUser(t, base.URL, server, "x"), Keys: t.TempDir() + "/other"})
	if err != nil {
		t.Fatal(err)
	}
	defer served.Close()
	if err := served.Ping(t.Context()); err != nil {
		t.Errorf("ping: %v", err)
	}
	if all, err := served.Recent(t.Context(), "acme", "", 5); err != nil || len(all) == 0 {
		t.Errorf("turns: %d, %v", len(all), err)
	}
	leave := join(t, served, "a").leave
	if err := leave(t.Context()); err != nil {
		t.Errorf("leave: %v", err)
	}
	conn, err := pgx.Connect(t.Context(), asUser(t, base.URL, server, "x"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	for _, query := range []string{
		`DROP POLICY workspace ON sous.turns`, `ALTER TABLE sous.audit DISABLE TRIGGER ALL`, `ALTER TABLE sous.turns NO FORCE ROW LEVEL SECURITY`,
		`UPDATE sous.audit SET actor = 'x'`, `DELETE FROM sous.audit`, `TRUNCATE sous.audit`, `CREATE TABLE sous.x ()`,
	} {
		var pg *pgconn.PgError
		if _, err := conn.Exec(t.Context(), query); !errors.As(err, &pg) || pg.Code != "42501" {
			t.Errorf("%s: %v; want no right to it", query, err)
		}
	}

	record, err := postgres.OpenRecord(t.Context(), asUser(t, base.URL, auditor, "x"))
	if err != nil {
		t.Fatal(err)
	}
	defer record.Close()
	if all, err := record.Workspaces(t.Context()); err != nil || len(all) != 1 || all[0] != "acme" {
		t.Errorf("workspaces %v, %v", all, err)
	}
	report, err := audit.Verify(t.Context(), audit.VerifyConfig{Evidence: record, Workspace: "acme"})
	if err != nil || report.Rows == 0 || report.Rows != report.Size {
		t.Errorf("verified %+v, %v", report, err)
	}
	_, err = postgres.Open(t.Context(), postgres.Config{URL: asUser(t, base.URL, auditor, "x"), Keys: t.TempDir() + "/k"})
	wantTrouble(t, "an auditor who opens the store", err, agent.Unavailable, "lacks a right")
}
