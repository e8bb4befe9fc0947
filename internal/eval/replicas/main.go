// Replicas runs three real Sous processes on one PostgreSQL database under load and
// has them fail in turn, killed, frozen and stopped in order, round after round. It
// counts the requests that got no answer and the tickets that are not there once.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"time"

	"github.com/sous-hq/sous/internal/testkit/fleet"
	"github.com/sous-hq/sous/internal/testkit/pgtest"
)

// silence is the product's own: how long a replica may show nothing.
const silence = 6 * time.Second

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	var o options
	flag.IntVar(&o.rounds, "rounds", 10, "how often each process fails")
	flag.IntVar(&o.askers, "askers", 8, "how many people ask at once")
	flag.StringVar(&o.binary, "sous", "", "the sous binary; built when not given")
	flag.Parse()
	err := run(ctx, o, os.Stdout)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "replicas:", err)
		os.Exit(1)
	}
}

type options struct {
	rounds, askers int
	binary         string
}

func run(ctx context.Context, o options, out io.Writer) (err error) {
	dir, err := os.MkdirTemp("", "sous-fleet-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if o.binary, err = fleet.Binary(ctx, o.binary, dir); err != nil {
		return err
	}
	server, err := pgtest.Start(ctx, pgtest.Options{Durable: true})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, server.Stop()) }()
	base, err := server.Create(ctx, "")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, server.Drop(context.WithoutCancel(ctx), base.Name)) }()
	f, err := fleet.Start(ctx, fleet.Options{
		Command: func(_ int, args ...string) *exec.Cmd { return exec.Command(o.binary, args...) },
		URL:     base.URL, Dir: dir, N: 3,
	})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	return measure(ctx, f, o, out)
}

func measure(ctx context.Context, f *fleet.Fleet, o options, out io.Writer) error {
	fmt.Fprintf(out, "%-6s %9s %8s %6s %9s %9s %12s\n", "round", "requests", "parked", "lost", "missing", "doubled", "longest")
	var all fleet.Result
	for n := range o.rounds {
		work := f.Work(o.askers)
		err := f.Round(ctx, n, silence)
		r, counted := work.Stop(context.WithoutCancel(ctx))
		if err := errors.Join(err, counted); err != nil {
			return err
		}
		fmt.Fprintf(out, "%-6d %9d %8d %6d %9d %9d %12s\n", n+1, r.Asked, r.Parked, r.Lost, r.Missing, r.Doubled, r.Worst.Round(10*time.Millisecond))
		for _, what := range r.What {
			fmt.Fprintln(out, "      ", what)
		}
		all.Asked += r.Asked
		all.Parked += r.Parked
		all.Lost += r.Lost
		all.Missing += r.Missing
		all.Doubled += r.Doubled
		all.Worst = max(all.Worst, r.Worst)
	}
	said, err := f.Run(0, "audit", "verify")
	fmt.Fprint(out, "\n", said)
	if err != nil {
		return fmt.Errorf("the record: %w", err)
	}
	line, err := json.Marshal(map[string]any{
		"rounds": o.rounds, "requests": all.Asked, "parked": all.Parked, "lost": all.Lost + all.Missing, "doubled": all.Doubled,
		"longest_s": all.Worst.Round(10 * time.Millisecond).Seconds(),
	})
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "\n%s\n", line)
	if all.Lost+all.Missing+all.Doubled > 0 {
		return errors.New("something was lost or done twice")
	}
	return nil
}
