package main

import (
	"context"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/sous-hq/sous/internal/testkit/pgtest"
	"github.com/sous-hq/sous/internal/testkit/slackload"
)

// One process on its file and two on one database, by both transports; `make
// eval-slack` is the same with a hundred times as much.
func TestInSlackEachEventAndEachClickCountsOnceAndNothingForgedCounts(t *testing.T) {
	t.Parallel()
	const events, deliveries, connections, people, bad, waiting = 8, 160, 8, 6, 270, 4
	for name, replicas := range map[string]int{"one process": 1, "two replicas": 2} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			// The path of a socket has room for a short folder only.
			dir, err := os.MkdirTemp("", "slack-")
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = os.RemoveAll(dir) })
			ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
			defer cancel()
			o := slackload.Options{Dir: dir, N: replicas, Quiet: 300 * time.Millisecond, Command: func(args ...string) *exec.Cmd {
				cmd := exec.Command(os.Args[0], args...)
				cmd.Env = append(os.Environ(), beSous+"=1", crashAt+"=", slackPace+"=1ms")
				return cmd
			}}
			if replicas > 1 {
				o.Database = pgtest.Empty(t).URL
			}
			s, err := slackload.Start(ctx, o)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() {
				if err := s.Close(); err != nil || t.Failed() {
					t.Errorf("it ended with %v and said:\n%s", err, s.Log())
				}
			})
			if r, err := s.Redeliver(ctx, events, deliveries, connections); err != nil || r.Turns != events || r.Answers != events || r.Doubled > 0 {
				t.Errorf("%+v, %v", r, err)
			}
			if p, err := s.Press(ctx, people); err != nil || p.Executions != 1 || p.Told != people-1 {
				t.Errorf("%+v, %v", p, err)
			}
			if r, err := s.Refuse(ctx, bad, connections); err != nil || r.Accepted > 0 || r.Faults > 0 {
				t.Errorf("%+v, %v", r, err)
			}
			if replicas > 1 {
				// Nobody starts the one anew that is killed.
				if b, err := s.Bereave(ctx, waiting); err != nil || b.Doubled > 0 {
					t.Errorf("%+v, %v", b, err)
				}
			}
			if n := s.Panics(); n > 0 {
				t.Errorf("%d panics", n)
			}
		})
	}
}
