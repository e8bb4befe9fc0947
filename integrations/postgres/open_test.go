package postgres_test

import (
	"context"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/integrations/postgres"
	"github.com/sous-hq/sous/internal/testkit/pgtest"
)

func TestReplicasThatStartTogetherMigrateOnce(t *testing.T) {
	t.Parallel()
	base, keys := pgtest.Empty(t), t.TempDir()+"/keys"
	var wg sync.WaitGroup
	for range 6 {
		wg.Go(func() {
			db, err := postgres.Open(context.Background(), postgres.Config{URL: base.URL, Keys: keys})
			if err != nil {
				t.Error(err)
				return
			}
			if err := db.Ping(context.Background()); err != nil {
				t.Error(err)
			}
			_ = db.Close()
		})
	}
	wg.Wait()
}

// A replica of an earlier version works while the schema changes, and the server may
// give the change up to let it through.
func TestAMigrationTheServerCannotOrderIsTriedAgain(t *testing.T) {
	t.Parallel()
	base := pgtest.Empty(t)
	conn, err := pgx.Connect(t.Context(), base.AdminURL)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	// A sequence counts on when all else is rolled back.
	_, err = conn.Exec(t.Context(), `CREATE SEQUENCE public.tried;
		CREATE FUNCTION public.unlucky() RETURNS event_trigger LANGUAGE plpgsql SECURITY DEFINER AS $$ BEGIN
			IF nextval('public.tried') <= 2 THEN RAISE EXCEPTION 'deadlock detected' USING ERRCODE = '40P01'; END IF; END $$;
		CREATE EVENT TRIGGER unlucky_at_first ON ddl_command_start WHEN TAG IN ('CREATE TABLE') EXECUTE FUNCTION public.unlucky()`)
	if err != nil {
		t.Fatal(err)
	}
	db, err := postgres.Open(t.Context(), postgres.Config{URL: base.URL, Keys: t.TempDir() + "/keys"})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	accept(t, db, "e1")
}

func TestANewerSchemaIsUsedAsLongAsItAllowsThat(t *testing.T) {
	t.Parallel()
	_, _, base := openDB(t)
	run := administrator(t, base)
	open := func() error {
		db, err := postgres.Open(t.Context(), postgres.Config{URL: base.URL, Keys: t.TempDir() + "/keys"})
		if err == nil {
			_ = db.Close()
		}
		return err
	}
	if err := run(`INSERT INTO schema_version SELECT max(version) + 1, max(version) FROM schema_version`); err != nil {
		t.Fatal(err)
	}
	if err := open(); err != nil {
		t.Errorf("beside one newer version: %v", err)
	}
	if err := run(`INSERT INTO schema_version SELECT max(version) + 1, max(version) FROM schema_version`); err != nil {
		t.Fatal(err)
	}
	if err := open(); agent.KindOf(err) != agent.Conflict || !strings.Contains(agent.PublicText(err), "newer version") {
		t.Errorf("with a schema two versions newer: %v", err)
	}
	// What this test wrote is part of what was prepared: another test must not get it.
	if err := run(`CREATE TABLE changed ()`); err != nil {
		t.Fatal(err)
	}
}

func TestADatabaseThatCannotBeUsedSaysWhy(t *testing.T) {
	t.Parallel()
	base := pgtest.New(t)
	u, err := url.Parse(base.URL)
	if err != nil {
		t.Fatal(err)
	}
	secret, _ := u.User.Password()
	change := func(f func(u *url.URL)) string {
		v := *u
		f(&v)
		return v.String()
	}
	query := func(key, value string) string {
		return change(func(u *url.URL) {
			q := u.Query()
			q.Set(key, value)
			u.RawQuery = q.Encode()
		})
	}
	for _, tt := range []struct {
		name, url string
		kind      agent.Kind
		says      string
	}{
		{"away", "postgres://ann:" + secret + "@127.0.0.1:1/sous", agent.Unavailable, "cannot be reached"},
		{"away, and where", "postgres://ann:" + secret + "@127.0.0.1:1/sous", agent.Unavailable, "(sous at 127.0.0.1:1: connection refused)"},
		{"no such host", "postgres://ann:" + secret + "@nowhere.invalid/sous", agent.Unavailable, "(sous at nowhere.invalid:5432: "},
		{"no such database", change(func(u *url.URL) { u.Path = "/nowhere" }), agent.Unavailable, "no such database"},
		{"no such database, as the server says", change(func(u *url.URL) { u.Path = "/nowhere" }), agent.Unavailable, `: database "nowhere" does not exist)`},
		{"no such user", change(func(u *url.URL) { u.User = url.UserPassword("nobody", secret) }), agent.Unavailable, "does not accept the user"},
		{"no address", "postgres://%zz:" + secret + "@x", agent.Invalid, "postgres://user@host/name"},
		{"read-only", query("default_transaction_read_only", "on"), agent.Unavailable, "takes no writes"},
	} {
		db, err := postgres.Open(t.Context(), postgres.Config{URL: tt.url, Keys: t.TempDir() + "/keys"})
		if err == nil {
			_ = db.Close()
		}
		if agent.KindOf(err) != tt.kind || !strings.Contains(agent.PublicText(err), tt.says) {
			t.Errorf("%s: %v (%s); want it to say %q", tt.name, err, agent.PublicText(err), tt.says)
		}
		if err != nil && strings.Contains(err.Error(), secret) {
			t.Errorf("%s: the error holds the password: %v", tt.name, err)
		}
	}
}

func TestKeysOfAnotherStoreRecordNothing(t *testing.T) {
	t.Parallel()
	db, _, base := openDB(t)
	if _, err := db.Keys(); err != nil {
		t.Fatal(err)
	}
	other, _, _ := openDB(t)
	ring, err := other.Keys()
	if err != nil || ring == nil {
		t.Fatal(err)
	}
	stranger, err := postgres.Open(t.Context(), postgres.Config{URL: base.URL, Keys: t.TempDir() + "/keys"})
	if err != nil {
		t.Fatal(err)
	}
	defer stranger.Close()
	if _, err := stranger.Keys(); agent.KindOf(err) != agent.Unavailable {
		t.Errorf("keys: %v; want none", err)
	}
	ann := agent.Actor{Workspace: "acme", ID: "ann", Kind: agent.Member}
	_, err = stranger.Accept(t.Context(), agent.Turn{ID: "e", Workspace: "acme", Conversation: "c", Actor: ann}, agent.Message{ID: "m", Author: ann}, nil)
	if agent.KindOf(err) != agent.Unavailable || !strings.Contains(agent.PublicText(err), "nothing can be recorded") {
		t.Errorf("accepted: %v", err)
	}
	if all, err := db.Recent(t.Context(), "acme", "", 1); err != nil || len(all) != 0 {
		t.Errorf("turns %v, %v", all, err)
	}
}

func TestTextTheDatabaseCannotHoldIsKeptReadable(t *testing.T) {
	t.Parallel()
	db, _, _ := openDB(t)
	ann := agent.Actor{Workspace: "acme", ID: "ann", Kind: agent.Member}
	turn := agent.Turn{ID: "e", Workspace: "acme", Conversation: "c", Actor: ann}
	if _, err := db.Accept(t.Context(), turn, agent.Message{ID: "m", Author: ann, Text: "a\x00b\xffc"}, nil); err != nil {
		t.Fatal(err)
	}
	said, err := db.Messages(t.Context(), "acme", "c", 1)
	if err != nil || len(said) != 1 || said[0].Text != "a\uFFFDb\uFFFDc" {
		t.Errorf("said %+v, %v", said, err)
	}
	turn.ID = "e\x00"
	if _, err := db.Accept(t.Context(), turn, agent.Message{ID: "m2", Author: ann}, nil); agent.KindOf(err) != agent.Invalid {
		t.Errorf("an id with NUL: %v; want invalid", err)
	}
}
