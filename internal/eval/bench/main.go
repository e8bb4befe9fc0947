// Command bench measures Sous from outside beside the floor, the least program
// that could do the same: both under one load generator, in one run, with a fake
// Slack and a scripted model. It starts what it needs, PostgreSQL included, and
// ends with one line of JSON. Absolute figures drift with the machine; the ratios
// are what counts.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/sous-hq/sous/internal/testkit/pgtest"
)

func main() {
	var b bench
	flag.StringVar(&b.data, "data", "../shared/bench", "folder that holds rig and peers")
	rows := flag.String("rows", "floor,sous-sqlite,floor-pg,sous-pg", "what to measure, in this order; every other round in reverse")
	flag.StringVar(&b.scenarios, "scenarios", "start,idle,low,approve,sat,conc,dup,crash", "the rig's scenarios")
	rounds := flag.Int("rounds", 2, "how often to measure each")
	flag.StringVar(&b.out, "out", "", "keep the rig's results as JSON lines in this file")
	flag.StringVar(&b.sous, "sous", "", "the binary to measure; built when it is not given")
	flag.StringVar(&b.profile, "profile", "", "keep CPU profiles of Sous under load in this folder")
	flag.IntVar(&b.many, "conc", 500, "mentions at once")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := b.run(ctx, strings.Split(*rows, ","), *rounds); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		stop()
		os.Exit(1)
	}
}

// bench is one run.
type bench struct {
	data, scenarios, out, sous, profile string
	many                                int

	dir string
	pg  *pgtest.Server
	// results are the rig's, by row.
	results map[string][]result
}

func (b *bench) run(ctx context.Context, rows []string, rounds int) (err error) {
	if b.dir, err = os.MkdirTemp("", "sous-bench-"); err != nil {
		return err
	}
	defer os.RemoveAll(b.dir)
	if err := b.build(ctx); err != nil {
		return err
	}
	if slices.ContainsFunc(rows, func(r string) bool { return strings.HasSuffix(r, "-pg") }) {
		if b.pg, err = pgtest.Start(ctx, pgtest.Options{Durable: true}); err != nil {
			return err
		}
		defer func() { _ = b.pg.Stop() }()
	}
	b.results = map[string][]result{}
	for n := range rounds {
		order := slices.Clone(rows)
		if n%2 == 1 {
			slices.Reverse(order)
		}
		for _, row := range order {
			if err := b.measure(ctx, row, n); err != nil {
				return fmt.Errorf("%s: %w", row, err)
			}
		}
	}
	return b.report(os.Stdout, rows)
}

// build makes the load generator, the floor and Sous.
func (b *bench) build(ctx context.Context) error {
	data, err := filepath.Abs(b.data)
	if err != nil {
		return err
	}
	here, err := os.Getwd()
	if err != nil {
		return err
	}
	for _, p := range []struct{ name, folder, what string }{
		{"rig", filepath.Join(data, "rig"), "."}, {"floor", filepath.Join(data, "peers", "floor"), "."}, {"sous", here, "./cmd/sous"},
	} {
		if p.name == "sous" && b.sous != "" {
			if b.sous, err = filepath.Abs(b.sous); err != nil {
				return err
			}
			continue
		}
		cmd := exec.CommandContext(ctx, "go", "build", "-o", filepath.Join(b.dir, p.name), p.what)
		cmd.Dir, cmd.Stderr = p.folder, os.Stderr
		if err := cmd.Run(); err != nil {
			return fmt.Errorf("build %s: %w", p.name, err)
		}
	}
	if b.sous == "" {
		b.sous = filepath.Join(b.dir, "sous")
	}
	return nil
}

// free returns an address that nobody listens on.
func free(ctx context.Context) (string, error) {
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}

// measure runs the scenarios over one row.
func (b *bench) measure(ctx context.Context, row string, round int) error {
	work := filepath.Join(b.dir, fmt.Sprintf("%s-%d", row, round))
	if err := os.MkdirAll(work, 0o700); err != nil {
		return err
	}
	var at [4]string
	for i := range at {
		var err error
		if at[i], err = free(ctx); err != nil {
			return err
		}
	}
	listen, modelAt, slackAt, debugAt := at[0], at[1], at[2], at[3]
	results := filepath.Join(work, "results.jsonl")
	args := []string{
		"-name", row, "-dir", work, "-events", "http://" + listen + "/slack/events", "-model-addr", modelAt, "-slack-addr", slackAt,
		"-out", results, "-log", filepath.Join(work, "log"), "-scenarios", b.scenarios, "-conc-n", strconv.Itoa(b.many),
	}
	env := os.Environ()
	if strings.HasSuffix(row, "-pg") {
		d, err := b.pg.Create(ctx, "")
		if err != nil {
			return err
		}
		defer func() { _ = b.pg.Drop(context.WithoutCancel(ctx), d.Name) }()
		args = append(args, "-db-pid", strconv.Itoa(b.pg.PID()))
		env = append(env, "SOUS_DATABASE_URL="+d.URL, "DATABASE_URL="+d.URL, "STORE=pg")
	} else {
		env = append(env, "STORE=none", "SOUS_DATABASE_URL=")
	}
	_, port, _ := net.SplitHostPort(listen)
	env = append(env, "PORT="+port, "HOME="+work, "SOUS_DATA="+filepath.Join(work, "data"), "SOUS_LISTEN="+listen, "SOUS_LOG_LEVEL=warn")
	if strings.HasPrefix(row, "sous") {
		args = append(args, "-interactions", "http://"+listen+"/slack/interactions")
		// A new ticket takes two calls, the search for duplicates first; the rig's model
		// makes one a turn. Of a comment the requester did not say the words, so a
		// card asks for a yes before it is written.
		env = append(env, "RIG_READ_TOOL=ticket_search", `RIG_READ_ARGS={"text":"login outage"}`,
			"RIG_WRITE_TOOL=ticket_comment", `RIG_WRITE_ARGS={"id":"T-1","body":"{{marker}}: users cannot log in since 09:00."}`)
		if err := b.seed(ctx, env); err != nil {
			return err
		}
		args = append(args, "--", b.sous, "serve")
	} else {
		args = append(args, "--", filepath.Join(b.dir, "floor"))
	}
	if b.profile != "" && strings.HasPrefix(row, "sous") {
		env = append(env, "SOUS_DEBUG_LISTEN="+debugAt)
		watching, done := context.WithCancel(ctx)
		defer done()
		go b.profiles(watching, debugAt, fmt.Sprintf("%s-%d", row, round))
	}
	cmd := exec.CommandContext(ctx, filepath.Join(b.dir, "rig"), args...)
	cmd.Env, cmd.Dir, cmd.Stdout, cmd.Stderr = env, work, io.Discard, os.Stderr
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	fmt.Fprintf(os.Stderr, "round %d: %s\n", round+1, row)
	if err := cmd.Run(); err != nil {
		log, _ := os.ReadFile(filepath.Join(work, "log"))
		return fmt.Errorf("the rig: %w\n%s", err, log[max(0, len(log)-4000):])
	}
	return b.keep(row, results)
}

// seed opens the ticket that the turns are about.
func (b *bench) seed(ctx context.Context, env []string) error {
	cmd := exec.CommandContext(ctx, b.sous, "ask", "open a ticket: Login outage")
	cmd.Env = env
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("open a ticket: %w\n%s", err, out)
	}
	return nil
}

// keep reads what the rig measured.
func (b *bench) keep(row, path string) error {
	raw, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if b.out != "" {
		f, err := os.OpenFile(b.out, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
		if err != nil {
			return err
		}
		defer f.Close()
		if _, err := f.Write(raw); err != nil {
			return err
		}
	}
	for line := range strings.Lines(string(raw)) {
		var r result
		if err := json.Unmarshal([]byte(line), &r); err != nil {
			return fmt.Errorf("read results: %w", err)
		}
		b.results[row] = append(b.results[row], r)
	}
	return nil
}
