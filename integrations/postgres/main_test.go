package postgres_test

import (
	"os"
	"testing"

	"go.uber.org/goleak"

	"github.com/sous-hq/sous/integrations/postgres"
	"github.com/sous-hq/sous/internal/testkit/pgtest"
)

// Every test has a database of its own, brought up to date once for all. A
// closed store leaves nothing running.
func TestMain(m *testing.M) {
	code := pgtest.Main(m, pgtest.Suite{Prepare: postgres.Migrate, Keep: []string{"sous.schema_version"}})
	if err := goleak.Find(); code == 0 && err != nil {
		os.Stderr.WriteString(err.Error())
		code = 1
	}
	os.Exit(code)
}
