package sqlite_test

import (
	"testing"

	"go.uber.org/goleak"
)

// A closed store leaves nothing running.
func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }
