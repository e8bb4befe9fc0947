package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/sous-hq/sous/internal/testkit/fleet"
	"github.com/sous-hq/sous/internal/testkit/pgtest"
)

// startFleet starts real processes on one database, which miss a silent one after
// the given time.
func startFleet(t *testing.T, url string, n int, silent time.Duration) *fleet.Fleet {
	t.Helper()
	// The path of a socket has room for a short folder only.
	dir, err := os.MkdirTemp("", "fleet-")
	if err != nil {
		t.Fatal(err)
	}
	f, err := fleet.Start(t.Context(), fleet.Options{
		Command: func(_ int, args ...string) *exec.Cmd {
			cmd := exec.Command(os.Args[0], args...)
			cmd.Env = append(os.Environ(), beSous+"=1", silence+"="+silent.String(), crashAt+"=")
			return cmd
		},
		URL: url, Dir: dir, N: n,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			for i := range n {
				t.Logf("process %d said:\n%s", i, f.Log(i))
			}
		}
		_ = f.Close()
		_ = os.RemoveAll(dir)
	})
	return f
}

// `make eval-replicas` is the same for ten rounds, with the times of the product.
func TestReplicasThatDieFreezeAndLeaveLoseNothingAndDoNothingTwice(t *testing.T) {
	t.Parallel()
	const silent = 2 * time.Second
	f := startFleet(t, pgtest.Empty(t).URL, 3, silent)
	work := f.Work(3)
	if err := f.Round(t.Context(), 0, silent); err != nil {
		t.Error(err)
	}
	r, err := work.Stop(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if r.Lost+r.Missing+r.Doubled > 0 || r.Asked < 10 || r.Parked == 0 {
		t.Errorf("%+v", r)
	}
	if said, err := f.Run(0, "audit", "verify"); err != nil {
		t.Errorf("the record: %v\n%s", err, said)
	}
	t.Logf("%d requests, %d of them waited for a yes; the longest took %s", r.Asked, r.Parked, r.Worst)
}

// The database goes away for a moment, and then for longer than replicas wait for
// each other.
func TestADatabaseThatGoesAwayForAWhileCostsNothing(t *testing.T) {
	t.Parallel()
	const silent = 2 * time.Second
	proxy := pgtest.NewProxy(t, pgtest.Empty(t).URL)
	f := startFleet(t, proxy.URL, 2, silent)
	work := f.Work(3)
	for _, away := range []time.Duration{silent / 4, 2 * silent} {
		time.Sleep(time.Second)
		proxy.Cut()
		ready(t, f, http.StatusServiceUnavailable, "the database cannot be reached")
		time.Sleep(away)
		proxy.Mend()
		ready(t, f, http.StatusOK, "ready")
	}
	if err := work.Wait(t.Context(), 10, 1); err != nil {
		t.Fatal(err)
	}
	r, err := work.Stop(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if r.Lost+r.Missing+r.Doubled > 0 {
		t.Errorf("%+v", r)
	}
	t.Logf("%d requests, %d of them waited for a yes; the longest took %s", r.Asked, r.Parked, r.Worst)
}

// ready waits until /readyz of the first process answers so.
func ready(t *testing.T, f *fleet.Fleet, code int, says string) {
	t.Helper()
	var got string
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		info, err := f.Client(0).Info(ctx)
		if err != nil {
			cancel()
			got = err.Error()
			continue
		}
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, info.Address+"readyz", nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		cancel()
		if got = fmt.Sprint(resp.StatusCode, " ", string(body)); resp.StatusCode == code && strings.Contains(got, says) {
			return
		}
	}
	t.Errorf("/readyz says %q; want %d, %q", got, code, says)
}
