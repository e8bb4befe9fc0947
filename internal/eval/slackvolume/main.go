// Slackvolume runs the real Sous against the fake Slack at volume: the same events
// many times over both transports, many people who press at once, forged and damaged
// requests, and many mentions at once; then, on PostgreSQL, two replicas behind the
// same Slack. It prints what came of each and, last, one line of JSON; what was lost,
// done twice or wrongly accepted is an error.
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
	"path/filepath"
	"text/tabwriter"
	"time"

	"github.com/sous-hq/sous/internal/testkit/fleet"
	"github.com/sous-hq/sous/internal/testkit/pgtest"
	"github.com/sous-hq/sous/internal/testkit/slackload"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, os.Args[1:], os.Stdout)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "slackvolume:", err)
		os.Exit(1)
	}
}

// options are how much of each.
type options struct {
	events, deliveries, connections, people, bad, mentions, parked int
	binary                                                         string
	replicas                                                       bool
	settings                                                       []string
}

// row is what came of one store.
type row struct {
	Store       string                 `json:"store"`
	Processes   int                    `json:"processes"`
	Redelivered *slackload.Redelivered `json:"redelivered,omitempty"`
	Pressed     *slackload.Pressed     `json:"pressed,omitempty"`
	Refused     *slackload.Refused     `json:"refused,omitempty"`
	Bursts      []slackload.Burst      `json:"mentions_at_once,omitempty"`
	Parked      *slackload.Parked      `json:"parked,omitempty"`
	Bereaved    *slackload.Bereaved    `json:"one_of_two_killed,omitempty"`
	Panics      int                    `json:"panics"`
}

func run(ctx context.Context, argv []string, out io.Writer) error {
	var o options
	flags := flag.NewFlagSet("slackvolume", flag.ContinueOnError)
	flags.IntVar(&o.events, "events", 100, "how many different events")
	flags.IntVar(&o.deliveries, "deliveries", 10_000, "how often they are delivered in all")
	flags.IntVar(&o.connections, "connections", 16, "over how many connections at once")
	flags.IntVar(&o.people, "people", 16, "how many people press one button at once")
	flags.IntVar(&o.bad, "bad", 10_000, "how many forged, stale, replayed and damaged requests")
	flags.IntVar(&o.mentions, "mentions", 5000, "the larger of two bursts of mentions; the smaller is a tenth; 0 for none")
	flags.IntVar(&o.parked, "parked", 2000, "how many approvals wait for people at once; 0 for none")
	flags.StringVar(&o.binary, "sous", "", "the sous binary; built when not given")
	flags.BoolVar(&o.replicas, "replicas", true, "measure two replicas on PostgreSQL too")
	flags.Func("set", "a further variable of the processes, such as SOUS_DEBUG_LISTEN=127.0.0.1:6060; may be repeated", func(kv string) error {
		o.settings = append(o.settings, kv)
		return nil
	})
	if err := flags.Parse(argv); err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "sous-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if o.binary, err = fleet.Binary(ctx, o.binary, dir); err != nil {
		return err
	}
	rows := []row{{Store: "sqlite", Processes: 1}}
	if o.replicas {
		rows = append(rows, row{Store: "postgres", Processes: 2})
	}
	for i := range rows {
		if err := measure(ctx, &rows[i], o, dir); err != nil {
			return fmt.Errorf("%s: %w", rows[i].Store, err)
		}
	}
	if err := table(out, rows); err != nil {
		return err
	}
	if err := json.NewEncoder(out).Encode(rows); err != nil {
		return fmt.Errorf("print the figures: %w", err)
	}
	var errs []error
	for _, r := range rows {
		errs = append(errs, r.wrong())
	}
	return errors.Join(errs...)
}

// measure fills a row.
func measure(ctx context.Context, r *row, o options, dir string) (err error) {
	so := slackload.Options{
		Command: func(args ...string) *exec.Cmd { return exec.Command(o.binary, args...) },
		Dir:     filepath.Join(dir, r.Store), N: r.Processes, Quiet: 3 * time.Second, Settings: o.settings,
	}
	if err := os.MkdirAll(so.Dir, 0o700); err != nil {
		return err
	}
	waiting := so
	if r.Store == "postgres" {
		pg, err := pgtest.Start(ctx, pgtest.Options{Durable: true})
		if err != nil {
			return err
		}
		defer func() { _ = pg.Stop() }()
		for _, o := range []*slackload.Options{&so, &waiting} {
			d, err := pg.Create(ctx, "")
			if err != nil {
				return err
			}
			o.Database = d.URL
		}
	}
	if o.parked > 0 {
		if r.Parked, err = park(ctx, waiting, o.parked); err != nil {
			return err
		}
	}
	s, err := slackload.Start(ctx, so)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	redelivered, err := s.Redeliver(ctx, o.events, o.deliveries, o.connections)
	if err != nil {
		return err
	}
	pressed, err := s.Press(ctx, o.people)
	if err != nil {
		return err
	}
	refused, err := s.Refuse(ctx, o.bad, o.connections)
	if err != nil {
		return err
	}
	r.Redelivered, r.Pressed, r.Refused = &redelivered, &pressed, &refused
	if o.mentions > 0 {
		for _, n := range []int{o.mentions / 10, o.mentions} {
			b, err := s.Burst(ctx, n)
			if err != nil {
				return err
			}
			r.Bursts = append(r.Bursts, b)
		}
	}
	r.Panics = s.Panics()
	if r.Processes == 2 {
		b, err := s.Bereave(ctx, 10)
		if err != nil {
			return err
		}
		r.Bereaved = &b
	}
	return nil
}

// park has requests wait in a place of their own, where each asker decides: what a
// process has done before shows in its memory, and one person takes a card a second.
func park(ctx context.Context, o slackload.Options, n int) (p *slackload.Parked, err error) {
	o.Dir += "-parked"
	o.Confirmed = true
	if err := os.MkdirAll(o.Dir, 0o700); err != nil {
		return nil, err
	}
	s, err := slackload.Start(ctx, o)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	got, err := s.Park(ctx, n, 75*time.Second, 30*time.Second)
	return &got, err
}

// table prints the rows side by side.
func table(out io.Writer, rows []row) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	line := func(name string, cell func(r row) string) {
		fmt.Fprint(w, name, "\t")
		for _, r := range rows {
			fmt.Fprint(w, cell(r), "\t")
		}
		fmt.Fprintln(w)
	}
	line("", func(r row) string { return fmt.Sprintf("%s, %d process(es)", r.Store, r.Processes) })
	line("deliveries of events", func(r row) string { return fmt.Sprintf("%d of %d", r.Redelivered.Deliveries, r.Redelivered.Events) })
	line("turns", func(r row) string { return fmt.Sprint(r.Redelivered.Turns) })
	line("answers", func(r row) string { return fmt.Sprint(r.Redelivered.Answers) })
	line("deliveries a second", func(r row) string {
		return fmt.Sprintf("%.0f", float64(r.Redelivered.Deliveries)/r.Redelivered.Seconds)
	})
	line("pressed at once", func(r row) string { return fmt.Sprint(r.Pressed.People) })
	line("executions", func(r row) string { return fmt.Sprint(r.Pressed.Executions) })
	line("told who was first", func(r row) string { return fmt.Sprint(r.Pressed.Told) })
	line("bad requests", func(r row) string { return fmt.Sprint(r.Refused.Bad) })
	line("accepted", func(r row) string { return fmt.Sprint(r.Refused.Accepted) })
	line("faults", func(r row) string { return fmt.Sprint(r.Refused.Faults) })
	line("panics", func(r row) string { return fmt.Sprint(r.Panics) })
	if p := rows[0].Parked; p != nil {
		line(fmt.Sprintf("%d approvals wait: memory of a process, MiB, and CPU of all, %%", p.N), func(r row) string {
			return fmt.Sprintf("%d, %.1f", r.Parked.Memory, r.Parked.CPU)
		})
		line("the same after a start", func(r row) string { return fmt.Sprintf("%d, %.1f", r.Parked.Again, r.Parked.CPUThen) })
	}
	if b := rows[len(rows)-1].Bereaved; b != nil {
		line(fmt.Sprintf("%d wait, one of two is killed: all answered after s, twice", b.N), func(r row) string {
			if r.Bereaved == nil {
				return ""
			}
			return fmt.Sprintf("%.1f, %d", r.Bereaved.Seconds, r.Bereaved.Doubled)
		})
	}
	for i := range rows[0].Bursts {
		line(fmt.Sprintf("%d mentions: ack p50, p99, max ms", rows[0].Bursts[i].N), func(r row) string {
			return fmt.Sprintf("%.0f %.0f %.0f", r.Bursts[i].P50, r.Bursts[i].P99, r.Bursts[i].Max)
		})
		line("delivered again, answered, twice", func(r row) string {
			return fmt.Sprintf("%d, %d, %d", r.Bursts[i].Retried, r.Bursts[i].Answered, r.Bursts[i].Doubled)
		})
		line("all answered after s", func(r row) string { return fmt.Sprint(r.Bursts[i].Seconds) })
		line("memory of a process at the most, MiB", func(r row) string { return fmt.Sprint(r.Bursts[i].Memory) })
	}
	return w.Flush()
}

// wrong says what is not as promised.
func (r row) wrong() error {
	var errs []error
	check := func(what string, got, want int) {
		if got != want {
			errs = append(errs, fmt.Errorf("%s: %s: %d; want %d", r.Store, what, got, want))
		}
	}
	check("turns", r.Redelivered.Turns, r.Redelivered.Events)
	check("answers", r.Redelivered.Answers, r.Redelivered.Events)
	check("answered more than once", r.Redelivered.Doubled, 0)
	check("executions", r.Pressed.Executions, 1)
	check("told who was first", r.Pressed.Told, r.Pressed.People-1)
	check("bad requests accepted", r.Refused.Accepted, 0)
	check("bad requests answered with a fault", r.Refused.Faults, 0)
	check("panics", r.Panics, 0)
	if r.Bereaved != nil {
		check("answered more than once after a kill", r.Bereaved.Doubled, 0)
	}
	for _, b := range r.Bursts {
		check(fmt.Sprintf("of %d mentions answered", b.N), b.Answered, b.N)
		check(fmt.Sprintf("of %d mentions answered more than once", b.N), b.Doubled, 0)
	}
	return errors.Join(errs...)
}
