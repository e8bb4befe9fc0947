package pgtest

import (
	"context"
	"fmt"
	"os"
	"sync"
	"testing"
	"time"
)

// shared is the server of this process, started by the first test that needs it.
type shared struct {
	sync.Mutex
	server *Server
	err    error
	// template is the name of the prepared database; "" until one was made.
	template string
	prepare  func(ctx context.Context, url string) error
}

var process shared

// Main runs the tests of a package and stops the server after them. prepare, if
// given, fills the database every test's database is a copy of: with migrations,
// for instance. A package without a TestMain may use Open too: its server ends
// with the process.
func Main(m *testing.M, prepare ...func(ctx context.Context, url string) error) int {
	if len(prepare) > 0 {
		process.prepare = prepare[0]
	}
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
	server, template, err := p.get(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if !prepared {
		template = ""
	}
	d, err := server.Create(ctx, template)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Drop(context.Background(), d.Name); err != nil {
			t.Errorf("drop the test database: %v", err)
		}
	})
	return d
}

// get starts the server and makes the template, once.
func (p *shared) get(ctx context.Context) (*Server, string, error) {
	p.Lock()
	defer p.Unlock()
	if p.server != nil || p.err != nil {
		return p.server, p.template, p.err
	}
	server, err := Start(ctx, Options{})
	if err != nil {
		p.err = err
		return nil, "", err
	}
	p.server = server
	d, err := server.Create(ctx, "")
	if err == nil && p.prepare != nil {
		err = p.prepare(ctx, d.URL)
	}
	if err != nil {
		p.err = fmt.Errorf("prepare the test databases: %w", err)
		return nil, "", p.err
	}
	p.template = d.Name
	return server, d.Name, nil
}

func (p *shared) stop() error {
	p.Lock()
	defer p.Unlock()
	if p.server == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if p.template != "" {
		if err := p.server.Drop(ctx, p.template); err != nil {
			return err
		}
	}
	if err := p.server.retire(ctx); err != nil {
		return err
	}
	err := p.server.Stop()
	p.server = nil
	return err
}
