package postgres_test

import (
	"testing"

	"github.com/sous-hq/sous/integrations/postgres"
	"github.com/sous-hq/sous/internal/testkit/storetest"
	"github.com/sous-hq/sous/tools/routing"
	"github.com/sous-hq/sous/tools/tickets"
)

func TestTracker(t *testing.T) {
	t.Parallel()
	storetest.Tracker(t, func(t *testing.T) tickets.Tracker {
		db, _, _ := openDB(t)
		return postgres.NewTracker(db, func(id string) string { return "/tickets/" + id })
	})
}

func TestRoutingCases(t *testing.T) {
	t.Parallel()
	storetest.RoutingCases(t, func(t *testing.T) routing.Cases {
		db, _, _ := openDB(t)
		return postgres.NewRoutingCases(db)
	})
}
