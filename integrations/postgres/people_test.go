package postgres_test

import (
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/sous-hq/sous/agent/feedback"
	"github.com/sous-hq/sous/agent/install"
	"github.com/sous-hq/sous/agent/review"
	"github.com/sous-hq/sous/integrations/postgres"
	"github.com/sous-hq/sous/internal/testkit/storetest"
)

func TestFeedback(t *testing.T) {
	t.Parallel()
	storetest.Feedback(t, func(t *testing.T) storetest.Recorded[feedback.Store] {
		db, _, _ := openDB(t)
		return storetest.Recorded[feedback.Store]{Store: postgres.NewFeedback(db), Reader: db}
	})
}

func TestReviews(t *testing.T) {
	t.Parallel()
	storetest.Reviews(t, func(t *testing.T) storetest.Recorded[review.Store] {
		db, _, _ := openDB(t)
		return storetest.Recorded[review.Store]{Store: db, Reader: db}
	})
}

func TestInstallations(t *testing.T) {
	t.Parallel()
	storetest.Installations(t, func(t *testing.T) storetest.Installs {
		db, _, base := openDB(t)
		return storetest.Installs{Recorded: storetest.Recorded[install.Store]{Store: db, Reader: db}, Raw: func(t *testing.T) string {
			t.Helper()
			// The administrator sees past every policy.
			conn, err := pgx.Connect(t.Context(), base.AdminURL)
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close(t.Context())
			var all string
			err = conn.QueryRow(t.Context(), `SELECT i::text || encode(i.sealed, 'escape') FROM sous.installations i`).Scan(&all)
			if err != nil {
				t.Fatal(err)
			}
			return all
		}}
	})
}
