package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
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
	f := newFleet(t, fleet.Options{
		Command: func(_ int, args ...string) *exec.Cmd { return testSous(silent, args...) },
		URL:     url, N: n,
	})
	for i := range n {
		if err := f.Begin(t.Context(), i); err != nil {
			t.Fatal(err)
		}
	}
	return f
}

// testSous is a sous process that misses a silent one after the given time.
func testSous(silent time.Duration, args ...string) *exec.Cmd {
	cmd := exec.Command(os.Args[0], args...)
	cmd.Env = append(os.Environ(), beSous+"=1", silence+"="+silent.String(), crashAt+"=")
	return cmd
}

// newFleet makes processes that are not started yet, in a folder of their own.
func newFleet(t *testing.T, o fleet.Options) *fleet.Fleet {
	t.Helper()
	// The path of a socket has room for a short folder only.
	var err error
	if o.Dir, err = os.MkdirTemp("", "fleet-"); err != nil {
		t.Fatal(err)
	}
	f := fleet.New(o)
	t.Cleanup(func() {
		if t.Failed() {
			for i := range o.N {
				t.Logf("process %d said:\n%s", i, f.Log(i))
			}
		}
		_ = f.Close()
		_ = os.RemoveAll(o.Dir)
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
		if away > silent {
			if said, err := f.Run(0, "doctor"); err == nil || !strings.Contains(said, "bad  store            the database cannot be reached") {
				t.Errorf("doctor, %v:\n%s", err, said)
			}
		}
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

// Each replica reads a copy of its own, as replicas on several machines do.
func TestChangedRulesReachAllReplicasAndWhoDiffersIsFound(t *testing.T) {
	t.Parallel()
	rules, staff := make([]string, 2), make([]string, 2)
	f := newFleet(t, fleet.Options{
		Command: func(i int, args ...string) *exec.Cmd {
			cmd := testSous(2*time.Second, args...)
			cmd.Env = append(cmd.Env, "SOUS_POLICY="+rules[i], "SOUS_PEOPLE_FILE="+staff[i])
			return cmd
		},
		URL: pgtest.Empty(t).URL, N: 2,
	})
	write := func(file, text string) {
		t.Helper()
		if err := os.WriteFile(file+".new", []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		// As a mounted file changes: at once.
		if err := os.Rename(file+".new", file); err != nil {
			t.Fatal(err)
		}
	}
	for i := range rules {
		rules[i], staff[i] = filepath.Join(f.Dir, fmt.Sprint(i, ".cedar")), filepath.Join(f.Dir, fmt.Sprint(i, ".yaml"))
		write(rules[i], askSRE)
		write(staff[i], "people:\n  - {id: owner, name: Olga, owner: true}\n")
	}
	for i := range rules {
		if err := f.Begin(t.Context(), i); err != nil {
			t.Fatal(err)
		}
	}
	told := func(want ...string) {
		t.Helper()
		var said string
		for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(200 * time.Millisecond) {
			said, _ = f.Run(0, "doctor")
			if !slices.ContainsFunc(want, func(w string) bool { return !strings.Contains(said, w) }) {
				return
			}
		}
		t.Fatalf("doctor says %s; want %q", said, want)
	}
	const agree = "2 on the database, all by the same rules"
	told(agree)
	if got := scraped(t, f, `sous_replicas_disagree{of="policy"}`); got != "0" {
		t.Errorf("%s replicas with other rules; want none", got)
	}
	// One of them is forgotten at first.
	forbid := askSRE + "\n" + `@id("none-today") @reason("There are none today.") forbid (principal, action, resource == Tool::"ticket_create");`
	write(rules[0], forbid)
	write(staff[1], "people:\n  - {id: owner, name: Olga, owner: true}\n  - {id: bob, name: Bob}\n")
	told("not all have the same policy", "not all have the same people")
	if got := scraped(t, f, `sous_replicas_disagree{of="policy"}`); got != "1" {
		t.Errorf("%s replicas with other rules; want 1", got)
	}
	write(rules[1], forbid)
	write(staff[0], "people:\n  - {id: owner, name: Olga, owner: true}\n  - {id: bob, name: Bob}\n")
	told(agree)
	for i := range rules {
		out, err := f.Run(i, "ask", "--json", "open a ticket to mend the door")
		if made, _ := f.Tickets(t.Context()); len(made) > 0 || !strings.Contains(out, "There are none today.") {
			t.Errorf("replica %d made %v by the rules before: %v %s", i, made, err, out)
		}
	}
}

// scraped is the value of a line of the first process's metrics.
func scraped(t *testing.T, f *fleet.Fleet, line string) string {
	t.Helper()
	info, err := f.Client(0).Info(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, info.Address+"metrics", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	_, after, _ := strings.Cut(string(body), "\n"+line+" ")
	value, _, _ := strings.Cut(after, "\n")
	return value
}
