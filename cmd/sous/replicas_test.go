package main

import (
	"os"
	"os/exec"
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
		Command: func(args ...string) *exec.Cmd {
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
