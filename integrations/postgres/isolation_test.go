package postgres_test

import (
	"io"
	"testing"

	"github.com/sous-hq/sous/integrations/postgres"
	"github.com/sous-hq/sous/internal/testkit/pgtest"
	"github.com/sous-hq/sous/internal/testkit/storetest"
)

// One connection serves all: whatever stayed on it of another workspace would show.
func TestNothingOfAnotherWorkspaceIsFound(t *testing.T) {
	t.Parallel()
	storetest.Isolation(t, func(t *testing.T) storetest.Whole {
		clock, base := storetest.NewClock(), pgtest.New(t)
		db, err := postgres.Open(t.Context(), postgres.Config{URL: base.URL + "&pool_max_conns=1", Keys: t.TempDir() + "/keys", Clock: clock.Now})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = db.Close() })
		ledger, err := postgres.NewLedger(db, postgres.LedgerConfig{ApprovalTTL: storetest.ApprovalTTL, UndoTTL: storetest.UndoTTL})
		if err != nil {
			t.Fatal(err)
		}
		control := struct {
			*postgres.DB
			*postgres.Ledger
		}{db, ledger}
		return storetest.Whole{
			Stores: storetest.Stores{Store: db, Ledger: ledger, Control: control, Clock: clock},
			DB:     db, Tracker: postgres.NewTracker(db, nil), Memories: postgres.NewMemories(db), Cases: postgres.NewRoutingCases(db), Feedback: postgres.NewFeedback(db),
			Record: func() io.Closer {
				r, err := postgres.OpenRecord(t.Context(), base.URL)
				if err != nil {
					t.Fatal(err)
				}
				return r
			},
		}
	})
}
