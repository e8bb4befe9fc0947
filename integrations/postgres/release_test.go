package postgres_test

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/sous-hq/sous/agent/delivery"
	"github.com/sous-hq/sous/integrations/postgres"
	"github.com/sous-hq/sous/internal/testkit/pgtest"
)

func TestTheLeasesOfAProcessThatIsGoneAreFree(t *testing.T) {
	t.Parallel()
	left := make(chan string, 16)
	c := postgres.Config{URL: pgtest.New(t).URL, Keys: t.TempDir() + "/keys", Beat: 50 * time.Millisecond, Left: func() { left <- "left" }}
	open := func() *postgres.DB {
		t.Helper()
		db, err := postgres.Open(t.Context(), c)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = db.Close() })
		return db
	}
	a, b := open(), open()
	goes := join(t, a, "a")
	join(t, b, "b")
	accept(t, a, "e1")
	front := delivery.Front{Workspace: "acme", Source: "slack"}
	for about, holder := range map[string]string{"e1": a.Process(), "e2": "somebody", "e3": b.Process(), "e4": a.Process()} {
		if got, err := a.Take(t.Context(), front, delivery.Lease{About: about, Holder: holder, For: time.Hour}); got != delivery.Mine || err != nil {
			t.Fatal(about, got, err)
		}
	}
	if err := a.Settle(t.Context(), front, delivery.Settled{Over: []string{"e4"}}); err != nil {
		t.Fatal(err)
	}
	free := func() []string {
		t.Helper()
		all, err := b.Untaken(t.Context(), front, b.Process(), []string{"e1", "e2", "e3", "e4"})
		if err != nil {
			t.Fatal(err)
		}
		return all
	}
	if got := free(); !slices.Equal(got, []string{"e3"}) {
		t.Errorf("b may take %v; want its own", got)
	}
	if err := goes.leave(t.Context()); err != nil {
		t.Fatal(err)
	}
	wait(t, left, "left")
	if got := free(); !slices.Equal(got, []string{"e1", "e3"}) {
		t.Errorf("b may take %v when a is gone; want e1, too", got)
	}
}

func TestAProcessThatCannotBeSeenKnowsIt(t *testing.T) {
	t.Parallel()
	db, _, base := openDB(t)
	if term, ok := db.Present(); !ok || term != "" {
		t.Error("who has joined nobody is taken for absent")
	}
	join(t, db, "a")
	if term, ok := db.Present(); !ok || term != "a" {
		t.Error("who has just joined is taken for absent")
	}
	conn, err := pgx.Connect(t.Context(), base.AdminURL)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	tx, err := conn.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	// Its beats wait for this.
	if _, err := tx.Exec(t.Context(), `SELECT FROM sous.replicas FOR UPDATE`); err != nil {
		t.Fatal(err)
	}
	for limit := time.Now().Add(20 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		if _, ok := db.Present(); !ok {
			break
		}
		if time.Now().After(limit) {
			t.Fatal("who could not show for long that it lives takes itself for present")
		}
	}
}

// Others may still be busy with what a process was before, when it is back already.
func TestTheLeasesOfAProcessThatIsBackStayItsOwn(t *testing.T) {
	t.Parallel()
	left := make(chan string, 16)
	base := pgtest.New(t)
	c := postgres.Config{URL: base.URL, Keys: t.TempDir() + "/keys", Beat: 50 * time.Millisecond, Left: func() { left <- "left" }}
	open := func() *postgres.DB {
		t.Helper()
		db, err := postgres.Open(t.Context(), c)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = db.Close() })
		return db
	}
	a, b := open(), open()
	join(t, a, "a")
	join(t, b, "b")
	accept(t, a, "e1")
	front := delivery.Front{Workspace: "acme", Source: "slack"}
	join(t, a, "a again")
	if got, err := a.Take(t.Context(), front, delivery.Lease{About: "e1", Holder: a.Process(), For: time.Hour}); got != delivery.Mine || err != nil {
		t.Fatal(got, err)
	}
	if err := administrator(t, base)(`UPDATE replicas SET gone = true WHERE id = 'a'`); err != nil {
		t.Fatal(err)
	}
	for limit := time.Now().Add(20 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		all, err := b.Replicas(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if !slices.ContainsFunc(all, func(r postgres.Replica) bool { return r.ID == "a" }) {
			break
		}
		if time.Now().After(limit) {
			t.Fatal("what the process was before is not taken over")
		}
	}
	wait(t, left, "left")
	if free, err := b.Untaken(t.Context(), front, b.Process(), []string{"e1"}); err != nil || len(free) > 0 {
		t.Errorf("b may take %v of a, which is there: %v", free, err)
	}
}
