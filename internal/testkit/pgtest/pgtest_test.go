package pgtest_test

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/sous-hq/sous/internal/testkit/pgtest"
)

// holdVariable makes this test binary a process that starts a server, says where
// and waits to be killed.
const holdVariable = "PGTEST_HOLD"

func TestMain(m *testing.M) {
	if os.Getenv(holdVariable) != "" {
		hold()
	}
	os.Exit(pgtest.Main(m, pgtest.Suite{Keep: []string{"public.kept"}, Prepare: func(ctx context.Context, url string) error {
		conn, err := pgx.Connect(ctx, url)
		if err != nil {
			return err
		}
		defer conn.Close(ctx)
		_, err = conn.Exec(ctx, `CREATE TABLE prepared (n int); CREATE TABLE kept (n int); INSERT INTO kept VALUES (7)`)
		return err
	}}))
}

func hold() {
	s, err := pgtest.Start(context.Background(), pgtest.Options{})
	if err != nil {
		panic(err)
	}
	d, err := s.Create(context.Background(), "")
	if err != nil {
		panic(err)
	}
	_, _ = os.Stdout.WriteString(d.URL + "\n")
	time.Sleep(time.Minute)
}

func query[T any](t *testing.T, url, text string) T {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	var v T
	if err := conn.QueryRow(t.Context(), text).Scan(&v); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return v
}

func TestADatabaseIsPreparedAndHasVectors(t *testing.T) {
	t.Parallel()
	url := pgtest.Open(t)
	if d := query[float64](t, url, `SELECT '[1,2]'::halfvec(2) <-> '[1,0]'::halfvec(2)`); d != 2 {
		t.Errorf("distance %v; want 2", d)
	}
	if n := query[int](t, url, `SELECT count(*) FROM prepared`); n != 0 {
		t.Errorf("%d rows; want none", n)
	}
	if n := query[int](t, pgtest.Empty(t).URL, `SELECT count(*) FROM pg_tables WHERE tablename = 'prepared'`); n != 0 {
		t.Error("an empty database is prepared")
	}
}

func TestTheOwnerIsNoSuperuserAndTheAdministratorIs(t *testing.T) {
	t.Parallel()
	d := pgtest.New(t)
	const super = `SELECT rolsuper FROM pg_roles WHERE rolname = current_user`
	if query[bool](t, d.URL, super) {
		t.Error("the owner is a superuser")
	}
	if !query[bool](t, d.AdminURL, super) {
		t.Error("the administrator is none")
	}
	if owner := query[string](t, d.AdminURL, `SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = current_database()`); !strings.Contains(d.URL, owner) {
		t.Errorf("the database belongs to %s", owner)
	}
}

func TestTestsDoNotSeeEachOther(t *testing.T) {
	t.Parallel()
	one, two := pgtest.Open(t), pgtest.Open(t)
	query[int](t, one, `WITH x AS (INSERT INTO prepared VALUES (1) RETURNING n) SELECT n FROM x`)
	if n := query[int](t, two, `SELECT count(*) FROM prepared`); n != 0 {
		t.Errorf("another database has %d rows of this one", n)
	}
}

func TestWhatATestLeavesIsGoneForTheNext(t *testing.T) {
	for round := range 3 {
		t.Run("round", func(t *testing.T) {
			url := pgtest.Open(t)
			if n := query[int](t, url, `SELECT 100 * (SELECT count(*) FROM prepared) + (SELECT sum(n) FROM kept)`); n != 7 {
				t.Errorf("round %d finds %d; want what was prepared", round, n)
			}
			if n := query[int](t, url, `SELECT count(*) FROM pg_tables WHERE tablename = 'mine'`); n != 0 {
				t.Errorf("round %d finds another test's table", round)
			}
			query[int](t, url, `WITH x AS (INSERT INTO prepared VALUES (1) RETURNING n) SELECT n FROM x`)
			if round == 1 {
				run(t, url, `CREATE TABLE mine (n int)`)
			}
		})
	}
}

func run(t *testing.T, url, text string) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	if _, err := conn.Exec(t.Context(), text); err != nil {
		t.Fatal(err)
	}
}

// A server of ours ends, and leaves nothing, when the process it serves is killed.
func TestAKilledTestTakesItsServerAlong(t *testing.T) {
	t.Parallel()
	if os.Getenv(pgtest.URLVariable) != "" {
		t.Log("the server is somebody else's: it stays")
		return
	}
	temp := t.TempDir()
	if err := os.Chmod(temp, 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(filepath.Dir(temp), 0o755); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), holdVariable+"=1", "TMPDIR="+temp)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	var complaint bytes.Buffer
	cmd.Stderr = &complaint
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line := make([]byte, 4096)
	n, err := out.Read(line)
	if err != nil {
		t.Fatalf("the process said nothing: %v %s", err, complaint.String())
	}
	url := strings.TrimSpace(string(line[:n]))
	pid := query[int](t, url, `SELECT pg_backend_pid()`)
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	for range 500 {
		left, err := os.ReadDir(temp)
		if err != nil {
			t.Fatal(err)
		}
		if len(left) == 0 && syscall.Kill(pid, 0) == syscall.ESRCH {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	t.Error("the server outlives its process")
}
