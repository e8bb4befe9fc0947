package postgres_test

import (
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"net"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/integrations/postgres"
	"github.com/sous-hq/sous/internal/testkit/pgtest"
)

func wantTrouble(t *testing.T, what string, err error, k agent.Kind, says string) {
	t.Helper()
	if agent.KindOf(err) != k || !strings.Contains(agent.PublicText(err), says) {
		t.Errorf("%s: %v (%s); want %s that says %q", what, err, agent.PublicText(err), k, says)
	}
}

// asUser returns the URL with another user.
func asUser(t *testing.T, base, name, password string) string {
	t.Helper()
	u, err := url.Parse(base)
	if err != nil {
		t.Fatal(err)
	}
	u.User = url.UserPassword(name, password)
	return u.String()
}

// newRole makes a role for the test alone.
func newRole(t *testing.T, run func(string) error, more string) string {
	t.Helper()
	name := "sous_test_role_" + strings.ToLower(rand.Text()[:10])
	if err := run(`CREATE ROLE ` + name + ` LOGIN ` + more); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := run(`DROP OWNED BY ` + name + `; DROP ROLE ` + name); err != nil {
			t.Error(err)
		}
	})
	return name
}

func TestTheWrongPasswordIsToldAndNotRepeated(t *testing.T) {
	t.Parallel()
	_, _, base := openDB(t)
	name := newRole(t, administrator(t, base), `PASSWORD 'right' IN ROLE `+pgtest.NeedsPassword)
	_, err := postgres.Open(t.Context(), postgres.Config{URL: asUser(t, base.URL, name, "wr0ng-secret"), Keys: t.TempDir() + "/keys"})
	wantTrouble(t, "the wrong password", err, agent.Unavailable, "does not accept the user or the password")
	if err != nil && strings.Contains(err.Error(), "wr0ng-secret") {
		t.Errorf("the password is repeated: %v", err)
	}
}

func TestAUserWithoutRightsIsToldWhatIsMissing(t *testing.T) {
	t.Parallel()
	base := pgtest.Empty(t)
	name := newRole(t, administrator(t, base), `PASSWORD 'x'`)
	_, err := postgres.Open(t.Context(), postgres.Config{URL: asUser(t, base.URL, name, "x"), Keys: t.TempDir() + "/keys"})
	wantTrouble(t, "a user without rights", err, agent.Unavailable, "lacks a right")
	wantTrouble(t, "a user without rights", err, agent.Unavailable, `: must have admin option on role "sous_server")`)
}

func TestAServerThatIsTooOldIsRefused(t *testing.T) {
	t.Parallel()
	base := pgtest.Empty(t)
	wantTrouble(t, "a server of the year after next", postgres.CheckServer(t.Context(), base.URL, 990000), agent.Unavailable, "Sous needs 99 or newer")
	if err := postgres.CheckServer(t.Context(), base.URL, 150000); err != nil {
		t.Error(err)
	}
}

func TestAnExhaustedPoolIsToldAndPasses(t *testing.T) {
	t.Parallel()
	base := pgtest.New(t)
	db, err := postgres.Open(t.Context(), postgres.Config{URL: base.URL + "&pool_max_conns=2", Keys: t.TempDir() + "/keys", Patience: 100 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	accept(t, db, "e1")
	for range 2 {
		conn, err := db.Pool().Acquire(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Release()
	}
	turn, m := request("e2")
	_, err = db.Accept(t.Context(), turn, m, nil)
	wantTrouble(t, "a write", err, agent.Unavailable, "all 2 connections to the database are busy")
	wantTrouble(t, "ping", db.Ping(t.Context()), agent.Unavailable, "all 2 connections")
	soon, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	wantTrouble(t, "somebody who waits no longer", db.Ping(soon), agent.Unavailable, "all 2 connections")
}

func TestALockThatSomebodyHoldsIsNotToldAsADatabaseThatIsAway(t *testing.T) {
	t.Parallel()
	db, _, _ := openDB(t)
	tx, err := db.Pool().Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = tx.Rollback(t.Context()) }()
	if _, err := tx.Exec(t.Context(), `LOCK TABLE sous.keyring_check IN ACCESS EXCLUSIVE MODE`); err != nil {
		t.Fatal(err)
	}
	soon, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	wantTrouble(t, "ping", db.Ping(soon), agent.Unavailable, "did not answer in time")
}

func TestAServerWithoutConnectionsLeftIsTold(t *testing.T) {
	t.Parallel()
	_, _, base := openDB(t)
	name := newRole(t, administrator(t, base), `PASSWORD 'x' CONNECTION LIMIT 0`)
	_, err := postgres.Open(t.Context(), postgres.Config{URL: asUser(t, base.URL, name, "x"), Keys: t.TempDir() + "/keys"})
	wantTrouble(t, "no connection left", err, agent.Unavailable, "no connection left")
}

// The database takes no writes for a while: a standby, or an administrator at work.
func TestADatabaseThatTurnsReadOnlyIsToldAndLosesNothing(t *testing.T) {
	t.Parallel()
	db, _, base := openDB(t)
	accept(t, db, "e1")
	must := func(query string) {
		t.Helper()
		if err := administrator(t, base)(query); err != nil {
			t.Fatal(err)
		}
	}
	turnOver := func(state string) {
		must(fmt.Sprintf(`SET TRANSACTION READ WRITE; ALTER DATABASE %s %s`, base.Name, state))
		must(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()`)
	}
	turnOver("SET default_transaction_read_only = on")
	t.Cleanup(func() { turnOver("RESET default_transaction_read_only") })
	turn, m := request("e2")
	var err error
	for range 10 { // the connections of before break first
		if _, err = db.Accept(t.Context(), turn, m, nil); strings.Contains(agent.PublicText(err), "no writes") {
			break
		}
	}
	wantTrouble(t, "a write", err, agent.Unavailable, "takes no writes")
	wantTrouble(t, "ping", db.Ping(t.Context()), agent.Unavailable, "takes no writes")
	if _, _, _, err := db.Turn(t.Context(), "acme", "e1"); err != nil {
		t.Errorf("a read: %v", err)
	}
	turnOver("RESET default_transaction_read_only")
	for range 10 {
		if _, err = db.Accept(t.Context(), turn, m, nil); err == nil {
			break
		}
	}
	if err != nil {
		t.Errorf("afterwards: %v", err)
	}
}

// A disk cannot be filled here without filling the machine's; what the server says
// then, with its code, is raised by a trigger.
func TestADatabaseWhoseDiskIsFullIsToldAndLosesNothing(t *testing.T) {
	t.Parallel()
	db, clock, base := openDB(t)
	run := administrator(t, base)
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(run(`CREATE FUNCTION full() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
			RAISE EXCEPTION 'could not extend file' USING ERRCODE = '53100'; END $$;
		CREATE TRIGGER full_up BEFORE INSERT ON audit FOR EACH ROW EXECUTE FUNCTION full()`))
	turn, m := request("e1")
	_, err := db.Accept(t.Context(), turn, m, nil)
	wantTrouble(t, "a write", err, agent.Unavailable, "disk that holds the database is full")
	wantTrouble(t, "ping, which takes no room", db.Ping(t.Context()), agent.Unavailable, "disk that holds the database is full")
	if _, _, _, err := db.Turn(t.Context(), "acme", "e1"); agent.KindOf(err) != agent.NotFound {
		t.Errorf("half of it is there: %v", err)
	}
	clock.Advance(-time.Hour)
	must(db.Ping(t.Context()))
	clock.Advance(time.Hour + time.Minute)
	must(db.Ping(t.Context()))
	must(run(`DROP TRIGGER full_up ON audit; DROP FUNCTION full`))
	accept(t, db, "e1")
}

// The server gives a transaction up to let another one through; it is begun anew.
func TestTransactionsTheServerCannotOrderAreTriedAgain(t *testing.T) {
	t.Parallel()
	for code, times := range map[string]int{"40001": 5, "40P01": 1} {
		db, _, base := openDB(t)
		run := administrator(t, base)
		// A sequence counts on when all else is rolled back.
		err := run(fmt.Sprintf(`CREATE SEQUENCE tried; GRANT USAGE ON SEQUENCE tried TO sous_app;
			CREATE FUNCTION unlucky() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
				IF nextval('tried') <= %d THEN RAISE EXCEPTION 'could not serialize access' USING ERRCODE = '%s'; END IF;
				RETURN NEW; END $$;
			CREATE TRIGGER unlucky_at_first BEFORE INSERT ON turns FOR EACH ROW EXECUTE FUNCTION unlucky()`, times, code))
		if err != nil {
			t.Fatal(err)
		}
		accept(t, db, "e1")
		if said, err := db.Messages(t.Context(), "acme", "c-e1", 5); err != nil || len(said) != 1 {
			t.Errorf("%s: %d messages, %v; want one", code, len(said), err)
		}
		if err := run(`ALTER SEQUENCE tried MINVALUE -1000 RESTART WITH -1000`); err != nil {
			t.Fatal(err)
		}
		turn, m := request("e2")
		_, err = db.Accept(t.Context(), turn, m, nil)
		wantTrouble(t, code+" for ever", err, agent.Unavailable, "at once")
	}
}

// The server lets us have fewer connections than the pool may hold: those there are do
// for all, one after the other.
func TestFewerConnectionsThanThePoolMayHoldDoForAll(t *testing.T) {
	t.Parallel()
	base := pgtest.New(t)
	run := administrator(t, base)
	name := newRole(t, run, `PASSWORD 'x' CONNECTION LIMIT 2 IN ROLE sous_server`)
	db, err := postgres.Open(t.Context(), postgres.Config{URL: asUser(t, base.URL, name, "x") + "&pool_max_conns=8", Keys: t.TempDir() + "/keys", Patience: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	var all sync.WaitGroup
	for n := range 16 {
		all.Go(func() {
			turn, m := request(fmt.Sprintf("e%d", n))
			if _, err := db.Accept(t.Context(), turn, m, nil); err != nil {
				t.Errorf("request %d: %v", n, err)
			}
		})
	}
	all.Wait()
}

func TestADatabaseThatTakesNoConnectionsIsTold(t *testing.T) {
	t.Parallel()
	base := pgtest.New(t)
	run := administrator(t, pgtest.Empty(t))
	if err := run(`ALTER DATABASE ` + base.Name + ` ALLOW_CONNECTIONS false`); err != nil {
		t.Fatal(err)
	}
	_, err := postgres.Open(t.Context(), postgres.Config{URL: base.URL, Keys: t.TempDir() + "/keys"})
	wantTrouble(t, "a database that is closed", err, agent.Unavailable, "not currently accepting connections")
	if err := run(`ALTER DATABASE ` + base.Name + ` ALLOW_CONNECTIONS true`); err != nil {
		t.Fatal(err)
	}
}

func TestADatabaseThatIsNotAsSafeAsItsAddressAsksIsTold(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // on this machine
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			// What PostgreSQL answers whom it asks for TLS when it has none.
			_, _ = io.ReadFull(c, make([]byte, 8))
			_, _ = c.Write([]byte("N"))
			_ = c.Close()
		}
	}()
	_, err = postgres.Open(t.Context(), postgres.Config{URL: "postgres://ann@" + l.Addr().String() + "/sous?sslmode=require", Keys: t.TempDir() + "/keys"})
	wantTrouble(t, "no TLS", err, agent.Unavailable, "takes no encrypted connections")
}

func TestASchemaSomebodyElseMadeIsTold(t *testing.T) {
	t.Parallel()
	base := pgtest.Empty(t)
	if err := administrator(t, base)(`CREATE SCHEMA sous; CREATE TABLE sous.turns (id int); GRANT ALL ON SCHEMA sous TO PUBLIC`); err != nil {
		t.Fatal(err)
	}
	_, err := postgres.Open(t.Context(), postgres.Config{URL: base.URL, Keys: t.TempDir() + "/keys"})
	wantTrouble(t, "a schema of another", err, agent.Conflict, "is not as Sous left it")
}
