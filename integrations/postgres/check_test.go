package postgres_test

import (
	"testing"

	"github.com/sous-hq/sous/integrations/postgres"
	"github.com/sous-hq/sous/internal/testkit/storetest"
)

func TestCheck(t *testing.T) {
	storetest.Check(t, openProvable)
}

func TestAStoreIsAtWorkWhileAReplicaShowsThatItLives(t *testing.T) {
	t.Parallel()
	_, _, base := openDB(t)
	run := administrator(t, base)
	for _, c := range []struct {
		what, query string
		want        bool
	}{
		{"nobody has come", `SELECT 1`, false},
		{"one lives", `INSERT INTO replicas (id, beat) VALUES ('a', clock_timestamp() + '1 hour')`, true},
		{"it has left", `UPDATE replicas SET gone = true`, false},
		{"it was killed", `UPDATE replicas SET gone = false, beat = clock_timestamp() - interval '1 hour'`, false},
	} {
		if err := run(c.query); err != nil {
			t.Fatal(err)
		}
		r, err := postgres.OpenRecord(t.Context(), base.URL)
		if err != nil {
			t.Fatal(err)
		}
		if live, err := r.AtWork(t.Context()); live != c.want || err != nil {
			t.Errorf("%s: %v, %v; want %v", c.what, live, err, c.want)
		}
		if err := r.Close(); err != nil {
			t.Fatal(err)
		}
	}
}
