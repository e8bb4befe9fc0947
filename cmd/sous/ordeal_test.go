package main

import (
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/sous-hq/sous/internal/testkit/ordeal"
)

// `make crash` is the same with five hundred kills on each store, and with other faults.
func TestKillsInTheMiddleOfReadsTicketsAndPaymentsCostNothing(t *testing.T) {
	t.Parallel()
	const kills = 3
	// The path of a socket has room for a short folder only.
	dir, err := os.MkdirTemp("", "ordeal-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	d, err := ordeal.New(ordeal.Options{
		Command: func(args ...string) *exec.Cmd {
			cmd := exec.Command(os.Args[0], args...)
			cmd.Env = append(os.Environ(), beSous+"=1", crashAt+"=", slackPace+"=1ms")
			return cmd
		},
		Dir: dir, N: 1, Seed: 7, Linger: 30 * time.Millisecond, Channels: 20,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.Close() })
	s := d.Ask(ordeal.Flow{Every: 60 * time.Millisecond, Most: 12, Kinds: []int{1, 1, 1, 1, 1}})
	for i := range kills {
		d.Transport(i%2 > 0)
		if err := d.Begin(t.Context(), 0); err != nil {
			t.Fatal(err)
		}
		time.Sleep(d.Between(50*time.Millisecond, 400*time.Millisecond))
		if err := d.Kill(0); err != nil {
			t.Fatal(err)
		}
	}
	if err := d.Begin(t.Context(), 0); err != nil {
		t.Fatal(err)
	}
	if err := s.Wait(time.Minute); err != nil {
		t.Errorf("%v; the process said:\n%s", err, d.Log(0))
	}
	if err := d.Replay(); err != nil {
		t.Error(err)
	}
	r, err := d.Settled(t.Context(), 20*time.Second)
	if err != nil || r.Violations > 0 || r.Accepted == 0 {
		t.Errorf("%+v, %v", r, err)
	}
	t.Logf("%d requests, %d payments left to people", r.Accepted, r.Parked)
}
