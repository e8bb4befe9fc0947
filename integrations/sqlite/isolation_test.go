package sqlite_test

import (
	"io"
	"path/filepath"
	"testing"

	"github.com/sous-hq/sous/integrations/sqlite"
	"github.com/sous-hq/sous/internal/testkit/storetest"
)

func TestNothingOfAnotherWorkspaceIsFound(t *testing.T) {
	t.Parallel()
	storetest.Isolation(t, func(t *testing.T) storetest.Whole {
		s := openStores(t)
		db := s.Store.(*sqlite.DB)
		return storetest.Whole{
			Stores: s, DB: db, Tracker: sqlite.NewTracker(db, nil), Memories: sqlite.NewMemories(db), Cases: sqlite.NewRoutingCases(db), Feedback: sqlite.NewFeedback(db),
			Record: func() io.Closer {
				r, err := sqlite.OpenRecord(t.Context(), filepath.Clean(db.Path()))
				if err != nil {
					t.Fatal(err)
				}
				return r
			},
		}
	})
}
