// Crash kills the real Sous, again and again, while it works in the fake Slack, and
// counts from outside what became of each request; then it makes it fail in other
// ways. It prints a table and, last, one line of JSON for each store; what was lost,
// done twice or left in disorder is an error.
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
	"slices"
	"strings"
	"time"

	"github.com/sous-hq/sous/internal/testkit/fleet"
	"github.com/sous-hq/sous/internal/testkit/ordeal"
	"github.com/sous-hq/sous/internal/testkit/pgtest"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, os.Args[1:], os.Stdout)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "crash:", err)
		os.Exit(1)
	}
}

// options are those of the command line.
type options struct {
	kills, rounds int
	seed          uint64
	store, only   string
	binary        string
	keep          string
}

// fault is one way to fail, on the stores for which it makes sense.
type fault struct {
	name, what string
	stores     []string
	run        func(ctx context.Context, t *trial) error
}

// allFaults lists all ways, in the order in which they are tried.
func allFaults() []fault {
	both, pg, lite := []string{"sqlite", "postgres"}, []string{"postgres"}, []string{"sqlite"}
	return []fault{
		{"calm", "nothing fails, for the sake of comparison", both, calm},
		{"random", "SIGKILL at random moments, start-up and recovery too", both, killAtRandom},
		{"points", "SIGKILL at each named point", both, killAtPoints},
		{"slack", "SIGKILL when Slack has done what a call asked for", both, killInSlack},
		{"drain", "SIGTERM under load", both, drain},
		{"freeze", "SIGSTOP, and wake", both, freeze},
		{"disk", "no room on the disk", lite, diskFull},
		{"database", "the database is away for a minute", pg, databaseAway},
		{"answers", "the bank's answers are lost after it has paid", both, answersLost},
		{"slack-errors", "502, 503 and resets on posts", both, slackErrors},
		{"clock", "the wall clock a day ahead, and an hour behind", both, clockMoved},
	}
}

// row is one line of the table, and of the JSON for a whole store.
type row struct {
	Store      string `json:"store"`
	Fault      string `json:"fault,omitempty"`
	Kills      int    `json:"kills"`
	Accepted   int    `json:"accepted"`
	Lost       int    `json:"lost"`
	Doubled    int    `json:"doubled"`
	Parked     int    `json:"parked"`
	Replayed   int    `json:"set_going_again"`
	Violations int    `json:"violations"`

	Worst   time.Duration `json:"-"`
	Seconds float64       `json:"seconds"`
	note    string
}

func run(ctx context.Context, argv []string, out io.Writer) (err error) {
	var o options
	flags := flag.NewFlagSet("crash", flag.ContinueOnError)
	flags.IntVar(&o.kills, "kills", 500, "how many kills at random, on each store")
	flags.IntVar(&o.rounds, "rounds", 2, "how often each named point is killed at, on each store")
	flags.Uint64Var(&o.seed, "seed", uint64(time.Now().UnixNano()), "of all that is left to chance")
	flags.StringVar(&o.store, "store", "both", "sqlite, postgres or both")
	flags.StringVar(&o.only, "only", "", "names of faults, with commas between; all when not given")
	flags.StringVar(&o.binary, "sous", "", "the sous binary, built with the tag faults; built when not given")
	flags.StringVar(&o.keep, "keep", "", "a folder in which the data of each fault is left")
	flags.Usage = func() { usage(flags) }
	if err := flags.Parse(argv); err != nil {
		return err
	}
	chosen, stores, err := o.choose()
	if err != nil {
		return err
	}
	if o.keep != "" {
		if err := os.MkdirAll(o.keep, 0o700); err != nil {
			return err
		}
	}
	// The path of a socket has room for a short folder only.
	dir, err := os.MkdirTemp("", "crash-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	if o.binary, err = fleet.Binary(ctx, o.binary, dir, "faults"); err != nil {
		return err
	}
	fmt.Fprintf(out, "seed %d\n\n%-9s %-13s %6s %9s %6s %8s %7s %9s %11s %9s %8s\n", o.seed,
		"store", "fault", "kills", "accepted", "lost", "doubled", "parked", "set going", "violations", "longest", "seconds")
	var lines [][]byte
	broken := 0
	for _, store := range stores {
		sum, err := tryAll(ctx, store, chosen, o, dir, out)
		if err != nil {
			return fmt.Errorf("%s: %w", store, err)
		}
		broken += sum.Violations
		line, err := json.Marshal(sum)
		if err != nil {
			return err
		}
		lines = append(lines, line)
	}
	fmt.Fprintln(out)
	for _, line := range lines {
		fmt.Fprintf(out, "%s\n", line)
	}
	if broken > 0 {
		return fmt.Errorf("%d promises were broken", broken)
	}
	return nil
}

func usage(flags *flag.FlagSet) {
	w := flags.Output()
	fmt.Fprintln(w, "usage: crash [flags]")
	flags.PrintDefaults()
	fmt.Fprintln(w, "\nfaults:")
	for _, f := range allFaults() {
		fmt.Fprintf(w, "  %-13s %s (%s)\n", f.name, f.what, strings.Join(f.stores, ", "))
	}
}

// choose says which faults are tried on which stores.
func (o options) choose() ([]fault, []string, error) {
	stores := []string{"sqlite", "postgres"}
	if o.store != "both" {
		if !slices.Contains(stores, o.store) {
			return nil, nil, fmt.Errorf("-store %s: want sqlite, postgres or both", o.store)
		}
		stores = []string{o.store}
	}
	if o.only == "" {
		return allFaults(), stores, nil
	}
	var chosen []fault
	for name := range strings.SplitSeq(o.only, ",") {
		i := slices.IndexFunc(allFaults(), func(f fault) bool { return f.name == name })
		if i < 0 {
			return nil, nil, fmt.Errorf("-only %s: there is no such fault; -h lists them", name)
		}
		chosen = append(chosen, allFaults()[i])
	}
	return chosen, stores, nil
}

func tryAll(ctx context.Context, store string, chosen []fault, o options, dir string, out io.Writer) (sum row, err error) {
	sum.Store = store
	var server *pgtest.Server
	if store == "postgres" {
		if server, err = pgtest.Start(ctx, pgtest.Options{Durable: true}); err != nil {
			return sum, err
		}
		defer func() { err = errors.Join(err, server.Stop()) }()
	}
	for i, f := range chosen {
		if !slices.Contains(f.stores, store) {
			continue
		}
		t := &trial{row: row{Store: store, Fault: f.name}, o: o, out: out, server: server, dir: filepath.Join(dir, fmt.Sprintf("%s%d", store[:1], i))}
		if err := t.try(ctx, f); err != nil {
			return sum, fmt.Errorf("%s: %w", f.name, err)
		}
		fmt.Fprintf(out, "%-9s %-13s %6d %9d %6d %8d %7d %9d %11d %8.1fs %8.0f  %s\n", t.Store, t.Fault, t.Kills, t.Accepted, t.Lost, t.Doubled,
			t.Parked, t.Replayed, t.Violations, t.Worst.Seconds(), t.Seconds, t.note)
		sum.Kills += t.Kills
		sum.Accepted += t.Accepted
		sum.Lost += t.Lost
		sum.Doubled += t.Doubled
		sum.Parked += t.Parked
		sum.Replayed += t.Replayed
		sum.Violations += t.Violations
		sum.Seconds += t.Seconds
	}
	return sum, nil
}

// trial is one fault tried on one store.
type trial struct {
	row

	o      options
	out    io.Writer
	dir    string
	server *pgtest.Server
	d      *ordeal.Ordeal
}

func (t *trial) try(ctx context.Context, f fault) (err error) {
	began := time.Now()
	if err := os.MkdirAll(t.dir, 0o700); err != nil {
		return err
	}
	defer func() {
		if t.d != nil {
			if err != nil {
				err = fmt.Errorf("%w\nthe first process said:\n%s", err, t.d.Log(0))
			}
			err = errors.Join(err, t.d.Close())
		}
		if t.o.keep != "" {
			err = errors.Join(err, os.Rename(t.dir, filepath.Join(t.o.keep, t.Store+"-"+t.Fault)))
		}
	}()
	err = f.run(ctx, t)
	t.Seconds = time.Since(began).Round(time.Second).Seconds()
	return err
}

// scene makes the ordeal of a trial; change adjusts it.
func (t *trial) scene(ctx context.Context, change func(*ordeal.Options)) error {
	o := ordeal.Options{
		Command: func(args ...string) *exec.Cmd { return exec.Command(t.o.binary, args...) },
		Dir:     t.dir, N: 1, Seed: t.o.seed, Think: 120 * time.Millisecond, Linger: 60 * time.Millisecond,
	}
	if t.Store == "postgres" {
		d, err := t.server.Create(ctx, "")
		if err != nil {
			return err
		}
		o.Database = d.URL
	}
	if change != nil {
		change(&o)
	}
	var err error
	t.d, err = ordeal.New(o)
	return err
}

// finish waits until all is answered, with processes that are left alone, and counts.
func (t *trial) finish(ctx context.Context, s *ordeal.Stream) error {
	r, err := t.d.End(ctx, s)
	if err != nil {
		return err
	}
	t.add(r)
	// Once more with nobody at work.
	for i := range t.d.N {
		if err := t.d.Drain(i); err != nil {
			return err
		}
	}
	for _, what := range t.d.Check() {
		t.broken("after the end: %s", what)
	}
	return nil
}

func (t *trial) add(r ordeal.Result) {
	t.Accepted += r.Accepted
	t.Lost += r.Lost
	t.Doubled += r.Doubled
	t.Parked += r.Parked
	t.Replayed += r.Replayed
	t.Violations += r.Violations
	t.Worst = max(t.Worst, r.Worst)
	for _, what := range r.What {
		fmt.Fprintln(t.out, "      ", what)
	}
}

// broken notes a promise that was not kept.
func (t *trial) broken(format string, args ...any) {
	t.Violations++
	fmt.Fprintln(t.out, "      ", fmt.Sprintf(format, args...))
}
