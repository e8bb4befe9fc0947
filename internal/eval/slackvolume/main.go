// Slackvolume runs the real Sous against the fake Slack at volume: the same events
// many times over both transports, many people who press at once, forged and damaged
// requests, and many mentions at once. It prints what came of each and, last, one
// line of JSON; what was lost, done twice or wrongly accepted is an error.
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
	events, deliveries, connections, pressers, bad int
	mentions                                       []int
	binary                                         string
}

// figures are the last line.
type figures struct {
	Deliveries int `json:"deliveries"`
	Events     int `json:"events"`
	Turns      int `json:"turns"`
	Answers    int `json:"answers"`
	Doubled    int `json:"answered_more_than_once"`

	Pressed    int `json:"pressed_at_once"`
	Executions int `json:"executions"`
	Told       int `json:"told_who_was_first"`

	Bad      int `json:"bad_requests"`
	Accepted int `json:"accepted"`
	Broken   int `json:"answered_with_a_fault"`
	Panics   int `json:"panics"`

	Acks []acks `json:"mentions_at_once"`
}

// acks are the times of one burst of mentions, in milliseconds.
type acks struct {
	N        int     `json:"n"`
	P50      float64 `json:"ack_p50_ms"`
	P99      float64 `json:"ack_p99_ms"`
	Max      float64 `json:"ack_max_ms"`
	Answered int     `json:"answered"`
	Doubled  int     `json:"answered_more_than_once"`
	Seconds  float64 `json:"all_answered_s"`
}

func run(ctx context.Context, argv []string, out io.Writer) (err error) {
	o := options{mentions: []int{500, 5000}}
	flags := flag.NewFlagSet("slackvolume", flag.ContinueOnError)
	flags.IntVar(&o.events, "events", 100, "how many different events")
	flags.IntVar(&o.deliveries, "deliveries", 10_000, "how often they are delivered in all")
	flags.IntVar(&o.connections, "connections", 16, "over how many connections at once")
	flags.IntVar(&o.pressers, "pressers", 16, "how many people press one button at once")
	flags.IntVar(&o.bad, "bad", 10_000, "how many forged, stale, replayed and damaged requests")
	flags.StringVar(&o.binary, "sous", "", "the sous binary; built when not given")
	most := flags.Int("mentions", 5000, "the larger of two bursts of mentions; the smaller is a tenth; 0 for none")
	if err := flags.Parse(argv); err != nil {
		return err
	}
	o.mentions = nil
	if *most > 0 {
		o.mentions = []int{*most / 10, *most}
	}
	dir, err := os.MkdirTemp("", "sous-slack-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if o.binary == "" {
		o.binary = filepath.Join(dir, "sous")
		build := exec.CommandContext(ctx, "go", "build", "-o", o.binary, "./cmd/sous")
		build.Stderr = os.Stderr
		if err := build.Run(); err != nil {
			return fmt.Errorf("build sous: %w", err)
		}
	}
	s, err := start(ctx, o.binary, dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.stop()) }()
	var f figures
	for _, part := range []func(context.Context, *site, options, io.Writer, *figures) error{redeliveries, presses, badRequests, bursts} {
		if err := part(ctx, s, o, out, &f); err != nil {
			return err
		}
	}
	f.Panics = s.panics()
	if err := json.NewEncoder(out).Encode(f); err != nil {
		return fmt.Errorf("print the figures: %w", err)
	}
	return f.wrong(o)
}

// wrong says what is not as promised.
func (f figures) wrong(o options) error {
	var errs []error
	check := func(what string, got, want int) {
		if got != want {
			errs = append(errs, fmt.Errorf("%s: %d; want %d", what, got, want))
		}
	}
	check("turns", f.Turns, o.events)
	check("answers", f.Answers, o.events)
	check("answered more than once", f.Doubled, 0)
	check("executions", f.Executions, 1)
	check("told who was first", f.Told, o.pressers-1)
	check("bad requests accepted", f.Accepted, 0)
	check("bad requests answered with a fault", f.Broken, 0)
	check("panics", f.Panics, 0)
	for _, a := range f.Acks {
		check(fmt.Sprintf("of %d mentions answered", a.N), a.Answered, a.N)
		check(fmt.Sprintf("of %d mentions answered more than once", a.N), a.Doubled, 0)
	}
	return errors.Join(errs...)
}
