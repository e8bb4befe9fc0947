package postgres_test

import (
	"strconv"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/sous-hq/sous/agent/check"
	"github.com/sous-hq/sous/integrations/postgres"
	"github.com/sous-hq/sous/internal/testkit/storetest"
)

func TestCheck(t *testing.T) {
	storetest.Check(t, openProvable)
}

func TestAStoreIsAtWorkWhileAReplicaShowsThatItLives(t *testing.T) {
	t.Parallel()
	_, _, base := openDB(t)
	run := administrator(t, base)
	for _, c := range []struct {
		what, query string
		want        bool
	}{
		{"nobody has come", `SELECT 1`, false},
		{"one lives", `INSERT INTO replicas (id, beat) VALUES ('a', clock_timestamp() + '1 hour')`, true},
		{"it has left", `UPDATE replicas SET gone = true`, false},
		{"it was killed", `UPDATE replicas SET gone = false, beat = clock_timestamp() - interval '1 hour'`, false},
	} {
		if err := run(c.query); err != nil {
			t.Fatal(err)
		}
		r, err := postgres.OpenRecord(t.Context(), base.URL)
		if err != nil {
			t.Fatal(err)
		}
		if live, err := r.AtWork(t.Context()); live != c.want || err != nil {
			t.Errorf("%s: %v, %v; want %v", c.what, live, err, c.want)
		}
		if err := r.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// Row-level security lets nothing be looked up by what a function makes that is not
// marked leakproof: all rows of the workspace were read for each turn then.
func TestACheckReadsAsManyRowsAsItsTurnsHave(t *testing.T) {
	t.Parallel()
	db, _, base := openDB(t)
	accept(t, db, "T")
	run := administrator(t, base)
	const turns, page = 2000, 100
	for _, query := range []string{
		`INSERT INTO turns SELECT (jsonb_populate_record(t, jsonb_build_object('id', t.id || n, 'seq', n, 'conversation', t.conversation || n, 'request', t.request || n))).*
			FROM turns t, generate_series(2, ` + strconv.Itoa(turns) + `) n`,
		`INSERT INTO messages SELECT (jsonb_populate_record(m, jsonb_build_object('id', m.id || n, 'turn', m.turn || n, 'conversation', m.conversation || n))).*
			FROM messages m, generate_series(2, ` + strconv.Itoa(turns) + `) n`,
		`ANALYZE`,
	} {
		if err := run(query); err != nil {
			t.Fatal(err)
		}
	}
	as(t, base.URL, "sous_app", "acme", func(tx pgx.Tx) {
		if _, err := tx.Exec(t.Context(), `SET LOCAL enable_seqscan = off`); err != nil {
			t.Fatal(err)
		}
		found, err := postgres.RecordIn(tx.Conn()).TurnFacts(t.Context(), "acme", check.Page{Limit: page})
		if err != nil || len(found) != page {
			t.Fatalf("%d turns of %d: %v", len(found), page, err)
		}
		for _, f := range found {
			if f.Requests != 1 {
				t.Fatalf("turn %s has %d requests", f.ID, f.Requests)
			}
		}
		var read int
		if err := tx.QueryRow(t.Context(), `SELECT sum(pg_stat_get_xact_tuples_fetched(relid) + pg_stat_get_xact_tuples_returned(relid)) FROM pg_stat_xact_user_tables`).Scan(&read); err != nil {
			t.Fatal(err)
		}
		if most := 20 * page; read > most {
			t.Errorf("%d rows were read for %d turns, want %d at most", read, page, most)
		}
	})
}
