package main

import (
	"archive/tar"
	"compress/gzip"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/sous-hq/sous/agent/approval"
	"github.com/sous-hq/sous/internal/testkit/pgtest"
)

// unpack unpacks a store that an earlier build left; see testdata/upgrade.
func unpack(t *testing.T, name, into string) {
	t.Helper()
	f, err := os.Open(filepath.Join("testdata", "upgrade", name))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	for r := tar.NewReader(z); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(into, filepath.Clean("/"+h.Name))
		if h.Typeflag == tar.TypeDir {
			continue
		}
		content, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

const farAway = "2100-01-01T00:00:00Z"

func TestATurnParkedByAnEarlierBuildIsFinishedOnSQLite(t *testing.T) {
	t.Parallel()
	data := t.TempDir()
	unpack(t, "sqlite.tar.gz", data)
	db, err := sql.Open("sqlite", filepath.Join(data, "sous.db"))
	if err != nil {
		t.Fatal(err)
	}
	_, err = db.ExecContext(t.Context(), `UPDATE approvals SET body = json_set(body, '$.expires', ?)`, farAway)
	if err := errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
	finishParked(t, data, "")
}

func TestATurnParkedByAnEarlierBuildIsFinishedOnPostgreSQL(t *testing.T) {
	t.Parallel()
	data := t.TempDir()
	unpack(t, "postgres.tar.gz", data)
	dump, err := os.ReadFile(filepath.Join(data, "sous.sql"))
	if err != nil {
		t.Fatal(err)
	}
	base := pgtest.Empty(t)
	// As Sous's own user, who owns what is restored.
	runSQL(t, base.URL, restorable+string(dump))
	runSQL(t, base.AdminURL, `UPDATE sous.approvals SET body = jsonb_set(body::jsonb, '{expires}', '"`+farAway+`"')::text`)
	finishParked(t, data, base.URL)
}

// restorable makes the roles a dump grants rights to.
const restorable = `DO $$ DECLARE role text; BEGIN
	FOREACH role IN ARRAY ARRAY['sous_app', 'sous_watch', 'sous_auditor'] LOOP
		BEGIN EXECUTE format('CREATE ROLE %I NOLOGIN', role); EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL; END;
	END LOOP;
END $$;
`

func runSQL(t *testing.T, url, query string) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	if _, err := conn.Exec(t.Context(), query); err != nil {
		t.Fatal(err)
	}
}

// finishParked has this build approve what waits until nothing does.
func finishParked(t *testing.T, data, url string) {
	t.Helper()
	sous := func(args ...string) string {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		cmd := exec.CommandContext(ctx, os.Args[0], args...)
		cmd.Env = append(os.Environ(), beSous+"=1", crashAt+"=", "SOUS_DATA="+data, "HOME="+data, "SOUS_DATABASE_URL="+url, "OPENAI_API_KEY=", "OPENAI_BASE_URL=")
		cmd.Dir = t.TempDir()
		out, err := cmd.Output()
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			t.Fatalf("sous %v: %v\n%s%s", args, err, out, exit.Stderr)
		} else if err != nil {
			t.Fatal(err)
		}
		return string(out)
	}
	var open []approval.Approval
	if err := json.Unmarshal([]byte(sous("approvals", "--json")), &open); err != nil || len(open) != 2 {
		t.Fatalf("%d approvals wait, %v; want the two that the earlier build asked for", len(open), err)
	}
	turn := open[0].Call.Turn
	// A tool that has changed since is asked for anew, once.
	for range 2 {
		if len(open) == 0 {
			break
		}
		sous("approve", "--turn", turn)
		open = nil
		if err := json.Unmarshal([]byte(sous("approvals", "--json")), &open); err != nil {
			t.Fatal(err)
		}
	}
	if n := len(open); n > 0 {
		t.Errorf("%d approvals still wait", n)
	}
	var made []struct{ Title string }
	if err := json.Unmarshal([]byte(sous("tickets", "--json", "--all")), &made); err != nil || len(made) != 2 {
		t.Errorf("tickets %v, %v; want two", made, err)
	}
	var ended []struct{ Status string }
	for line := range strings.Lines(sous("audit", "--json", "--turn", turn, "--kind", "turn.ended")) {
		var e struct{ Status string }
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			t.Fatal(err)
		}
		ended = append(ended, e)
	}
	if len(ended) != 1 || ended[0].Status != "done" {
		t.Errorf("the turn ended %v; want once, done", ended)
	}
	sous("audit", "verify")
}
