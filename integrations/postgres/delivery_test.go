package postgres_test

import (
	"testing"

	"github.com/sous-hq/sous/agent/delivery"
	"github.com/sous-hq/sous/internal/testkit/storetest"
)

func TestDeliveries(t *testing.T) {
	t.Parallel()
	storetest.Deliveries(t, func(t *testing.T) (delivery.Store, *storetest.Clock) {
		db, clock, _ := openDB(t)
		return db, clock
	})
}
