// Upgrade replaces a running Sous by another build on one PostgreSQL database, as a
// team does: the build of an earlier commit parks turns, this one starts beside it,
// both work, the earlier one is stopped in order, and this one finishes what waits.
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

	"github.com/sous-hq/sous/internal/testkit/fleet"
	"github.com/sous-hq/sous/internal/testkit/pgtest"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	from := flag.String("from", "HEAD~1", "the commit whose build runs first")
	turns := flag.Int("turns", 10, "how many turns it parks")
	flag.Parse()
	err := run(ctx, *from, *turns, os.Stdout)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "upgrade:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, from string, turns int, out io.Writer) (err error) {
	dir, err := os.MkdirTemp("", "sous-up-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	before, now := filepath.Join(dir, "before"), filepath.Join(dir, "now")
	if err := errors.Join(buildCommit(ctx, from, before), build(ctx, ".", now)); err != nil {
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
	f := fleet.New(fleet.Options{
		Command: func(i int, args ...string) *exec.Cmd { return exec.Command([]string{before, now}[i], args...) },
		URL:     base.URL, Dir: dir, N: 2,
	})
	defer func() { err = errors.Join(err, f.Close()) }()
	return replace(ctx, f, turns, out)
}

func build(ctx context.Context, source, binary string) error {
	cmd := exec.CommandContext(ctx, "go", "build", "-o", binary, "./cmd/sous")
	cmd.Dir, cmd.Stderr = source, os.Stderr
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("build %s: %w", source, err)
	}
	return nil
}

// buildCommit builds what the commit holds, beside the tree.
func buildCommit(ctx context.Context, commit, binary string) error {
	tree := binary + "-tree"
	if err := os.Mkdir(tree, 0o700); err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, "/bin/sh", "-c", `git archive "$1" | tar x -C "$2"`, "sh", commit, tree)
	cmd.Stderr = os.Stderr
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("read commit %s: %w", commit, err)
	}
	return build(ctx, tree, binary)
}

func replace(ctx context.Context, f *fleet.Fleet, n int, out io.Writer) error {
	var turns []string
	var tickets []fleet.Ticket
	ask := func(from int, meeting bool) error {
		turn, more, err := f.Ask(from, meeting)
		turns, tickets = append(turns, turn), append(tickets, more...)
		return err
	}
	if err := f.Begin(ctx, 0); err != nil {
		return err
	}
	for range n {
		if err := ask(0, true); err != nil {
			return err
		}
	}
	parked := len(turns)
	// Side by side: both take requests and finish them.
	if err := f.Begin(ctx, 1); err != nil {
		return err
	}
	for i := range 2 * n {
		if err := ask(i%2, i%4 > 1); err != nil {
			return err
		}
		if err := f.See(i%2, turns[len(turns)-1]); err != nil {
			return err
		}
	}
	if err := f.Drain(0); err != nil {
		return err
	}
	var r fleet.Result
	for _, turn := range turns[:parked] {
		if err := f.See(1, turn); err != nil {
			r.Lost++
			r.What = append(r.What, err.Error())
		}
	}
	if err := f.Count(ctx, tickets, &r); err != nil {
		return err
	}
	for _, what := range r.What {
		fmt.Fprintln(out, what)
	}
	said, err := f.Run(1, "audit", "verify")
	fmt.Fprint(out, said)
	if err != nil {
		return fmt.Errorf("the record: %w", err)
	}
	line, err := json.Marshal(map[string]int{"parked_before": parked, "side_by_side": len(turns) - parked, "lost": r.Lost + r.Missing, "doubled": r.Doubled})
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "\n%s\n", line)
	if r.Lost+r.Missing+r.Doubled > 0 {
		return errors.New("something was lost or done twice")
	}
	return nil
}
