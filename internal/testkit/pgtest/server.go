// Package pgtest gives tests a real PostgreSQL with pgvector: a server per test
// process, a database per test. It is the server SOUS_TEST_DATABASE_URL names, or
// one that .ci/postgres provides and this package starts. When neither can be
// had the test fails and says why; it never passes without its database.
package pgtest

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
)

// URLVariable names the environment variable with the URL of a server to use
// instead: of an administrator who may create databases, roles and extensions.
const URLVariable = "SOUS_TEST_DATABASE_URL"

// Options say what server is needed.
type Options struct {
	// Durable commits to the disk, for benchmarks and tests of durability.
	// Otherwise nothing is synced: quick, and lost with the machine.
	Durable bool
	// Settings are of the server, by their names, over those the tests have.
	Settings map[string]string
}

// Server is a PostgreSQL that this process may fill.
type Server struct {
	admin *url.URL
	// owner is who the databases belong to: no superuser, as in production.
	owner *url.Userinfo
	// dir is the folder of a server of our own.
	dir      string
	watchdog *exec.Cmd
	leash    io.Closer
}

// Start returns the server SOUS_TEST_DATABASE_URL names, or starts one.
func Start(ctx context.Context, o Options) (*Server, error) {
	s := &Server{}
	if given := os.Getenv(URLVariable); given != "" {
		u, err := url.Parse(given)
		if err != nil {
			return nil, fmt.Errorf("%s is no URL", URLVariable)
		}
		s.admin = u
	} else if err := s.launch(ctx, o); err != nil {
		return nil, errors.Join(err, s.Stop())
	}
	if err := s.prepare(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("prepare the test server: %w", err), s.Stop())
	}
	return s, nil
}

// Stop ends a server of our own and removes all it held.
func (s *Server) Stop() error {
	if s.watchdog == nil {
		return nil
	}
	// The server's user may remove what is in its folder and not always the folder:
	// that is for who may write where temporary files are.
	err := errors.Join(s.leash.Close(), s.watchdog.Wait(), os.RemoveAll(s.dir))
	s.watchdog = nil
	return err
}

// binaries is the folder of initdb and postgres, provided when it has to be.
func binaries(ctx context.Context) (string, error) {
	folder, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		if _, err := os.Stat(filepath.Join(folder, ".ci", "postgres")); err == nil {
			break
		}
		up := filepath.Dir(folder)
		if up == folder {
			return "", errors.New("no .ci/postgres above the working directory")
		}
		folder = up
	}
	cmd := exec.CommandContext(ctx, filepath.Join(folder, ".ci", "postgres"))
	var said bytes.Buffer
	cmd.Stderr = &said
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("no PostgreSQL for the tests (%w); set %s to use one of your own:\n%s", err, URLVariable, said.String())
	}
	return strings.TrimSpace(string(out)), nil
}

// credential is who the server runs as: PostgreSQL refuses to be root.
func credential() (*syscall.Credential, error) {
	if os.Geteuid() != 0 {
		return nil, nil
	}
	nobody, err := user.Lookup("nobody")
	if err != nil {
		return nil, fmt.Errorf("a user for the test server: %w", err)
	}
	uid, err := strconv.ParseUint(nobody.Uid, 10, 32)
	if err != nil {
		return nil, err
	}
	gid, err := strconv.ParseUint(nobody.Gid, 10, 32)
	if err != nil {
		return nil, err
	}
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, nil
}

// watch starts the server and stays until its standard input ends, which it does
// with the process that holds the other end, however that one dies. Then the
// server is stopped and its folder removed.
const watch = `dir="$1"; shift
"$@" >"$dir/log" 2>&1 </dev/null &
pid=$!
read -r _
kill -QUIT "$pid" 2>/dev/null
wait "$pid"
rm -rf "$dir" 2>/dev/null || true`

func (s *Server) launch(ctx context.Context, o Options) (err error) {
	home, err := binaries(ctx)
	if err != nil {
		return err
	}
	who, err := credential()
	if err != nil {
		return err
	}
	// Short: the path of a socket has 107 bytes at most.
	if s.dir, err = os.MkdirTemp("", "sous-pg-"); err != nil {
		return err
	}
	if who != nil {
		if err := os.Chown(s.dir, int(who.Uid), int(who.Gid)); err != nil {
			return err
		}
	}
	env := []string{"LD_LIBRARY_PATH=" + filepath.Join(home, "deps"), "PATH=" + os.Getenv("PATH"), "TZ=UTC", "LC_ALL=C.UTF-8"}
	data := filepath.Join(s.dir, "data")
	initdb := exec.CommandContext(ctx, filepath.Join(home, "bin", "initdb"), "--pgdata="+data, "--username=postgres",
		"--auth=trust", "--encoding=UTF8", "--locale=C.UTF-8", "--no-sync")
	initdb.Env, initdb.Dir = env, s.dir
	initdb.SysProcAttr = &syscall.SysProcAttr{Credential: who}
	if out, err := initdb.CombinedOutput(); err != nil {
		return errors.Join(fmt.Errorf("initdb: %w: %s", err, out), os.RemoveAll(s.dir))
	}
	if err := passwords(filepath.Join(data, "pg_hba.conf")); err != nil {
		return errors.Join(err, os.RemoveAll(s.dir))
	}
	args := []string{
		"-c", watch, "watch", s.dir, filepath.Join(home, "bin", "postgres"), "-D", data, "-k", s.dir, "-c", "listen_addresses=",
		"-c", "max_connections=400", "-c", "shared_buffers=128MB", "-c", "unix_socket_permissions=0700",
	}
	if !o.Durable {
		args = append(args, "-c", "fsync=off", "-c", "synchronous_commit=off", "-c", "full_page_writes=off")
	}
	for name, value := range o.Settings {
		args = append(args, "-c", name+"="+value)
	}
	cmd := exec.Command("/bin/sh", args...)
	cmd.Env, cmd.Dir = env, s.dir
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: who, Setpgid: true}
	if s.leash, err = cmd.StdinPipe(); err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return errors.Join(err, os.RemoveAll(s.dir))
	}
	s.watchdog = cmd
	s.admin = &url.URL{Scheme: "postgres", User: url.User("postgres"), Path: "/postgres", RawQuery: "host=" + url.QueryEscape(s.dir)}
	return s.await(ctx)
}

// NeedsPassword names the role whose members sign in with a password, as they do
// everywhere in earnest.
const NeedsPassword = "sous_needs_password"

// passwords has the server ask the members of NeedsPassword for theirs.
func passwords(hba string) error {
	was, err := os.ReadFile(hba)
	if err != nil {
		return err
	}
	return os.WriteFile(hba, append([]byte("local all +"+NeedsPassword+" scram-sha-256\n"), was...), 0o600)
}

// await returns when the server answers.
func (s *Server) await(ctx context.Context) error {
	const patience = 30 * time.Second
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for {
		conn, err := pgx.Connect(ctx, s.admin.String())
		if err == nil {
			return conn.Close(ctx)
		}
		select {
		case <-ctx.Done():
			log, _ := os.ReadFile(filepath.Join(s.dir, "log"))
			return fmt.Errorf("the test server does not answer: %w\n%s", err, log)
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// prepare makes the role that owns the tests' databases.
func (s *Server) prepare(ctx context.Context) error {
	name, secret := "sous_test_"+strings.ToLower(rand.Text()[:12]), rand.Text()
	s.owner = url.UserPassword(name, secret)
	return s.as(ctx, s.admin, fmt.Sprintf(`CREATE ROLE %s LOGIN CREATEROLE CREATEDB PASSWORD '%s'`, name, secret),
		fmt.Sprintf(`DO $$ BEGIN CREATE ROLE %s; EXCEPTION WHEN duplicate_object THEN NULL; END $$`, NeedsPassword))
}

// ours reports whether the server ends with this process.
func (s *Server) ours() bool { return s.watchdog != nil }

// retire removes the role again, for the sake of a server that stays.
func (s *Server) retire(ctx context.Context) error {
	name := s.owner.Username()
	return s.as(ctx, s.admin, `DROP OWNED BY `+name, `DROP ROLE IF EXISTS `+name)
}

// as runs statements on a connection of its own.
func (s *Server) as(ctx context.Context, u *url.URL, statements ...string) error {
	conn, err := pgx.Connect(ctx, u.String())
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	for _, statement := range statements {
		if _, err := conn.Exec(ctx, statement); err != nil {
			return err
		}
	}
	return nil
}

// Database is an empty database with the extension vector.
type Database struct {
	// Name is its name.
	Name string
	// URL connects as its owner, who is no superuser but may make roles.
	URL string
	// AdminURL connects as the server's administrator.
	AdminURL string
}

// Create makes a database. template is another one to copy, to which nobody may
// be connected; "" is for an empty one.
func (s *Server) Create(ctx context.Context, template string) (Database, error) {
	name := "sous_test_" + strings.ToLower(rand.Text()[:16])
	statement := fmt.Sprintf(`CREATE DATABASE %s OWNER %s`, name, s.owner.Username())
	if template != "" {
		statement += ` TEMPLATE ` + template
	}
	admin, owner := *s.admin, *s.admin
	admin.Path, owner.Path = "/"+name, "/"+name
	owner.User = s.owner
	if err := s.as(ctx, s.admin, statement); err != nil {
		return Database{}, fmt.Errorf("create a test database: %w", err)
	}
	if template == "" {
		if err := s.as(ctx, &admin, `CREATE EXTENSION vector`); err != nil {
			return Database{}, errors.Join(fmt.Errorf("the test server has no pgvector: %w", err), s.Drop(ctx, name))
		}
	}
	return Database{Name: name, URL: owner.String(), AdminURL: admin.String()}, nil
}

// Drop removes a database and whoever is connected to it.
func (s *Server) Drop(ctx context.Context, name string) error {
	return s.as(ctx, s.admin, fmt.Sprintf(`DROP DATABASE IF EXISTS %s WITH (FORCE)`, name))
}

// PID is the process id of a server of our own, 0 of one that was given.
func (s *Server) PID() int {
	if s.dir == "" {
		return 0
	}
	raw, err := os.ReadFile(filepath.Join(s.dir, "data", "postmaster.pid"))
	if err != nil {
		return 0
	}
	first, _, _ := strings.Cut(string(raw), "\n")
	pid, _ := strconv.Atoi(strings.TrimSpace(first))
	return pid
}
