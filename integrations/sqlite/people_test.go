package sqlite_test

import (
	"fmt"
	"testing"

	"github.com/sous-hq/sous/agent/feedback"
	"github.com/sous-hq/sous/agent/install"
	"github.com/sous-hq/sous/agent/review"
	"github.com/sous-hq/sous/integrations/sqlite"
	"github.com/sous-hq/sous/internal/testkit/storetest"
)

func openPeople(t *testing.T) *sqlite.DB {
	t.Helper()
	db, err := sqlite.Open(t.Context(), sqlite.Config{Path: t.TempDir() + "/sous.db", Clock: storetest.NewClock().Now})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db
}

func TestFeedback(t *testing.T) {
	t.Parallel()
	storetest.Feedback(t, func(t *testing.T) storetest.Recorded[feedback.Store] {
		db := openPeople(t)
		return storetest.Recorded[feedback.Store]{Store: sqlite.NewFeedback(db), Reader: db}
	})
}

func TestReviews(t *testing.T) {
	t.Parallel()
	storetest.Reviews(t, func(t *testing.T) storetest.Recorded[review.Store] {
		db := openPeople(t)
		return storetest.Recorded[review.Store]{Store: db, Reader: db}
	})
}

func TestInstallations(t *testing.T) {
	t.Parallel()
	storetest.Installations(t, func(t *testing.T) storetest.Installs {
		db := openPeople(t)
		return storetest.Installs{Recorded: storetest.Recorded[install.Store]{Store: db, Reader: db}, Raw: func(t *testing.T) string {
			t.Helper()
			var team, by, scopes string
			var sealed []byte
			if err := db.SQL().QueryRowContext(t.Context(), `SELECT team, by, scopes, sealed FROM installations`).Scan(&team, &by, &scopes, &sealed); err != nil {
				t.Fatal(err)
			}
			return fmt.Sprint(team, by, scopes, string(sealed))
		}}
	})
}
