package postgres_test

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/agent/audit"
	"github.com/sous-hq/sous/integrations/postgres"
	"github.com/sous-hq/sous/internal/testkit/pgtest"
	"github.com/sous-hq/sous/internal/testkit/storetest"
)

var rounds = flag.Int("privacy.rounds", 1, "how often each kind of personal text is planted; 23 plants a thousand")

func TestPrivacy(t *testing.T) {
	t.Parallel()
	storetest.Privacy(t, *rounds, func(t *testing.T) storetest.PrivacyStores {
		db, clock, base := openDB(t)
		s := storesOf(t, db, clock, base)
		ask := func(query string, each func(rows pgx.Rows) error) {
			conn, err := pgx.Connect(t.Context(), base.AdminURL)
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close(t.Context())
			rows, err := conn.Query(t.Context(), query)
			if err != nil {
				t.Fatal(err)
			}
			defer rows.Close()
			for rows.Next() {
				if err := each(rows); err != nil {
					t.Fatal(err)
				}
			}
			if rows.Err() != nil {
				t.Fatal(rows.Err())
			}
		}
		text := func(query string) (all []string) {
			ask(query, func(rows pgx.Rows) error {
				var v string
				err := rows.Scan(&v)
				all = append(all, v)
				return err
			})
			return all
		}
		tables := func() []string {
			return text(`SELECT tablename FROM pg_tables WHERE schemaname = 'sous' ORDER BY 1`)
		}
		return storetest.PrivacyStores{
			Stores: s, Privacy: db, Pauses: db, Tracker: postgres.NewTracker(db, func(id string) string { return id }),
			Memories: postgres.NewMemories(db), Cases: postgres.NewRoutingCases(db), Tables: tables,
			Bytes: func() []byte {
				var all bytes.Buffer
				for _, name := range tables() {
					for _, row := range text(`SELECT t::text FROM sous.` + name + ` t`) {
						all.WriteString(row)
					}
				}
				// What the planner learns of the columns, as the server has it learn by itself
				// now and then, and the files of a server on this machine, too.
				_ = text(`ANALYZE`)
				_ = text(`CHECKPOINT`)
				for _, dir := range text(`SELECT current_setting('data_directory') || '/base/' || oid FROM pg_database WHERE datname = current_database()`) {
					files, _ := filepath.Glob(filepath.Join(dir, "*"))
					for _, f := range files {
						b, _ := os.ReadFile(f)
						all.Write(b)
					}
				}
				return all.Bytes()
			},
			Verify: func() (wrong []string) {
				ring, err := db.Keys()
				if err != nil {
					t.Fatal(err)
				}
				r, err := postgres.OpenRecord(t.Context(), base.URL)
				if err != nil {
					t.Fatal(err)
				}
				defer r.Close()
				got, err := audit.Verify(t.Context(), audit.VerifyConfig{Evidence: r, Workspace: "acme", KEK: ring.KEK})
				if err != nil {
					t.Fatal(err)
				}
				for _, p := range got.Problems {
					wrong = append(wrong, fmt.Sprint(p))
				}
				return wrong
			},
		}
	})
}

// TestASweepWaitsForWhoStillSees: a row that an older transaction sees is not gone,
// and the sweep says so.
func TestASweepWaitsForWhoStillSees(t *testing.T) {
	t.Parallel()
	base := pgtest.New(t)
	db, err := postgres.Open(t.Context(), postgres.Config{URL: base.URL, Keys: t.TempDir() + "/keys", Patience: 300 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	// What is not one of ours: a backup by another login, and a request of another
	// database of the server, since snapshots taken here reach back to it.
	elsewhere := strings.Replace(base.AdminURL, base.Name, "postgres", 1)
	for name, c := range map[string]struct{ url, query string }{
		"who reads this database":   {base.AdminURL, "SELECT 1"},
		"who writes in another one": {elsewhere, "SELECT pg_current_xact_id()"},
	} {
		conn, err := pgx.Connect(t.Context(), c.url)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close(context.WithoutCancel(t.Context()))
		tx, err := conn.BeginTx(t.Context(), pgx.TxOptions{IsoLevel: pgx.RepeatableRead})
		if err == nil {
			_, err = tx.Exec(t.Context(), c.query)
		}
		if err != nil {
			t.Fatal(err)
		}
		if err := db.Sweep(t.Context(), true); agent.KindOf(err) != agent.Unavailable {
			t.Errorf("swept beside %s: %v", name, err)
		}
		if err := tx.Rollback(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	// Others write on the server, each for a moment.
	for err = db.Sweep(t.Context(), true); agent.KindOf(err) == agent.Unavailable && t.Context().Err() == nil; {
		err = db.Sweep(t.Context(), true)
	}
	if err != nil {
		t.Error(err)
	}
}

// TestOnlyTheOwnerOfTheDatabaseScrubs: of the statistics the server would pass over
// what is not the login's, and say nothing.
func TestOnlyTheOwnerOfTheDatabaseScrubs(t *testing.T) {
	t.Parallel()
	db, _, base := openDB(t)
	run := administrator(t, base)
	owner, _, _ := strings.Cut(strings.SplitN(base.URL, "//", 2)[1], ":")
	if err := run(`ALTER DATABASE ` + base.Name + ` OWNER TO CURRENT_USER`); err != nil {
		t.Fatal(err)
	}
	err := db.Sweep(t.Context(), true)
	if agent.KindOf(err) != agent.Forbidden || !strings.Contains(agent.PublicText(err), "owner of the database") {
		t.Errorf("scrubbed by a login that owns the tables alone: %v", err)
	}
	if err := run(`ALTER DATABASE ` + base.Name + ` OWNER TO ` + owner); err != nil {
		t.Fatal(err)
	}
}

// TestASweepTakesWhatTheServerHasLearned: of a table that is empty by then, too.
func TestASweepTakesWhatTheServerHasLearned(t *testing.T) {
	t.Parallel()
	db, _, base := openDB(t)
	conn, err := pgx.Connect(t.Context(), base.AdminURL)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.WithoutCancel(t.Context()))
	learned := func() (n int) {
		t.Helper()
		if err := conn.QueryRow(t.Context(), `SELECT count(*) FROM pg_stats WHERE schemaname = 'sous' AND most_common_vals::text LIKE '%planted%'`).Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	for _, q := range []string{
		`INSERT INTO sous.journal (workspace, turn, n, effect, result) SELECT 'acme', 't', n, 'think', 'planted' FROM generate_series(1, 50) n`,
		`ANALYZE sous.journal`,
	} {
		if _, err := conn.Exec(t.Context(), q); err != nil {
			t.Fatal(err)
		}
	}
	if learned() == 0 {
		t.Fatal("the server has learned nothing")
	}
	if _, err := conn.Exec(t.Context(), `DELETE FROM sous.journal`); err != nil {
		t.Fatal(err)
	}
	if err := db.Sweep(t.Context(), true); err != nil {
		t.Fatal(err)
	}
	if n := learned(); n > 0 {
		t.Errorf("the server still knows %d values", n)
	}
}
