package pgtest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// shared is the server of this process, started by the first test that needs it.
type shared struct {
	sync.Mutex
	server *Server
	err    error
	suite  Suite
	// template is the prepared database, shape what its schema looks like.
	template Database
	shape    string
	// used are prepared databases that a test has left behind in good order.
	used []Database
}

// Suite says what the tests of a package need.
type Suite struct {
	// Prepare fills the database every test's database is a copy of: with
	// migrations, for instance.
	Prepare func(ctx context.Context, url string) error
	// Keep names tables, with their schema, whose rows are part of what was
	// prepared. The rows of all others are removed after a test, and the database
	// serves another one when its schema is as it was.
	Keep []string
}

var process shared

// Main runs the tests of a package and stops the server after them. A package
// without a TestMain may use Open too: its server ends with the process.
func Main(m *testing.M, s Suite) int {
	process.suite = s
	code := m.Run()
	if err := process.stop(); err != nil {
		fmt.Fprintln(os.Stderr, "stop the test server:", err)
		code = max(code, 1)
	}
	return code
}

// Open gives the test a database of its own, dropped at its end, and returns the
// URL of its owner.
func Open(t testing.TB) string {
	t.Helper()
	return New(t).URL
}

// New gives the test a prepared database of its own, dropped at its end.
func New(t testing.TB) Database {
	t.Helper()
	return process.database(t, true)
}

// Empty gives the test a database in which nothing was prepared.
func Empty(t testing.TB) Database {
	t.Helper()
	return process.database(t, false)
}

func (p *shared) database(t testing.TB, prepared bool) Database {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	d, err := p.take(ctx, prepared)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.giveBack(context.Background(), d, prepared && !t.Failed()); err != nil {
			t.Errorf("put the test database away: %v", err)
		}
	})
	return d
}

func (p *shared) take(ctx context.Context, prepared bool) (Database, error) {
	if err := p.start(ctx); err != nil {
		return Database{}, err
	}
	if !prepared {
		return p.server.Create(ctx, "")
	}
	p.Lock()
	if n := len(p.used); n > 0 {
		d := p.used[n-1]
		p.used = p.used[:n-1]
		p.Unlock()
		return d, nil
	}
	p.Unlock()
	return p.server.Create(ctx, p.template.Name)
}

// giveBack empties the database for another test, or drops it.
func (p *shared) giveBack(ctx context.Context, d Database, again bool) error {
	if again && p.empty(ctx, d) == nil {
		p.Lock()
		defer p.Unlock()
		p.used = append(p.used, d)
		return nil
	}
	return p.server.Drop(ctx, d.Name)
}

// tables lists what tests may have filled.
const tables = `SELECT format('%I.%I', schemaname, tablename) FROM pg_tables
	WHERE schemaname NOT IN ('pg_catalog', 'information_schema') AND format('%I.%I', schemaname, tablename) <> ALL ($1) ORDER BY 1`

// shapeOf sums up everything in a database but the rows of its tables.
const shapeOf = `SELECT md5(string_agg(line, E'\n' ORDER BY line)) FROM (
	SELECT format('%s %s %s', c.oid::regclass, a.attname, format_type(a.atttypid, a.atttypmod)) FROM pg_class c
		JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 WHERE c.relnamespace NOT IN ('pg_catalog'::regnamespace, 'information_schema'::regnamespace, 'pg_toast'::regnamespace)
	UNION ALL SELECT format('%s %s %s %s %s', oid::regclass, relowner, relrowsecurity, relforcerowsecurity, relacl) FROM pg_class
		WHERE relkind IN ('r', 'v', 'S') AND relnamespace NOT IN ('pg_catalog'::regnamespace, 'information_schema'::regnamespace)
	UNION ALL SELECT format('%s %s %s', oid::regprocedure, proacl, md5(prosrc)) FROM pg_proc WHERE pronamespace NOT IN ('pg_catalog'::regnamespace, 'information_schema'::regnamespace)
	UNION ALL SELECT format('%s %s %s', tgrelid::regclass, pg_get_triggerdef(oid), tgenabled) FROM pg_trigger
	UNION ALL SELECT format('%s %s %s %s %s', polrelid::regclass, polname, polroles, pg_get_expr(polqual, polrelid), pg_get_expr(polwithcheck, polrelid)) FROM pg_policy
) x (line)`

// empty removes what a test has left; an error means that the database is no
// longer as it was prepared.
func (p *shared) empty(ctx context.Context, d Database) error {
	conn, err := pgx.Connect(ctx, d.AdminURL)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(ctx) }()
	var shape string
	if err := conn.QueryRow(ctx, shapeOf).Scan(&shape); err != nil || shape != p.shape {
		return errors.Join(err, errChanged)
	}
	rows, err := conn.Query(ctx, tables, p.suite.Keep)
	if err != nil {
		return err
	}
	names, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return err
	}
	// As a replica, no trigger keeps anything.
	all := `BEGIN; SET LOCAL lock_timeout = '2s'; SET LOCAL session_replication_role = replica; `
	for _, name := range names {
		all += `DELETE FROM ` + name + `; `
	}
	_, err = conn.Exec(ctx, all+`COMMIT`)
	return err
}

var errChanged = errors.New("a test has changed the schema")

// start starts the server and makes the template, once.
func (p *shared) start(ctx context.Context) error {
	p.Lock()
	defer p.Unlock()
	if p.server != nil || p.err != nil {
		return p.err
	}
	server, err := Start(ctx, Options{})
	if err != nil {
		p.err = err
		return err
	}
	p.server = server
	if p.err = p.prepare(ctx); p.err != nil {
		p.err = fmt.Errorf("prepare the test databases: %w", p.err)
	}
	return p.err
}

func (p *shared) prepare(ctx context.Context) (err error) {
	if p.suite.Keep == nil {
		p.suite.Keep = []string{}
	}
	if p.template, err = p.server.Create(ctx, ""); err != nil {
		return err
	}
	if p.suite.Prepare != nil {
		if err := p.suite.Prepare(ctx, p.template.URL); err != nil {
			return err
		}
	}
	conn, err := pgx.Connect(ctx, p.template.AdminURL)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(ctx) }()
	return conn.QueryRow(ctx, shapeOf).Scan(&p.shape)
}

func (p *shared) stop() error {
	p.Lock()
	defer p.Unlock()
	if p.server == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	var errs []error
	if !p.server.ours() {
		for _, d := range append(p.used, p.template) {
			errs = append(errs, p.server.Drop(ctx, d.Name))
		}
		errs = append(errs, p.server.retire(ctx))
	}
	errs = append(errs, p.server.Stop())
	p.server = nil
	return errors.Join(errs...)
}
