package postgres_test

import (
	"testing"

	"github.com/sous-hq/sous/internal/testkit/storetest"
)

func TestCheck(t *testing.T) {
	storetest.Check(t, openProvable, `CREATE SCHEMA IF NOT EXISTS sous_turns; CREATE TABLE sous_turns.workflow_status (workflow_uuid text, status text)`)
}
