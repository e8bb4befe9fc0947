package postgres_test

import (
	"testing"

	"github.com/sous-hq/sous/internal/testkit/storetest"
)

func TestCheck(t *testing.T) {
	storetest.Check(t, openProvable)
}
