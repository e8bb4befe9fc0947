// Command sous is the team assistant in one binary: it serves the web chat,
// answers in the terminal, and shows and decides what waits for a person.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"os/user"
	"runtime/debug"
	"syscall"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/internal/config"
	"github.com/sous-hq/sous/internal/redact"
)

// The exit codes of every command.
const (
	// exitFailed: the request could not be done.
	exitFailed = 1
	// exitUsage: the command line, a setting or the input is wrong.
	exitUsage = 2
	// exitStopped: it was interrupted.
	exitStopped = 130
)

// world is all a command may touch of the process it runs in.
type world struct {
	args           []string
	environ        []string
	stdin          io.Reader
	stdout, stderr io.Writer
	user           string
}

func main() {
	tuneCollector()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	w, h := withFaults(world{
		args: os.Args[1:], environ: os.Environ(), user: userName(),
		stdin: os.Stdin, stdout: os.Stdout, stderr: os.Stderr,
	})
	code := run(ctx, w, h)
	stop()
	os.Exit(code)
}

// run is main without the process: it returns the exit code.
func run(ctx context.Context, w world, h hooks) int {
	w.stderr = screen{w.stderr}
	c := &cli{world: w, hooks: h}
	root := c.root()
	root.SetArgs(w.args)
	root.SetIn(w.stdin)
	root.SetOut(w.stdout)
	root.SetErr(w.stderr)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return c.code
	}
	var invalid *config.InvalidError
	var usage *usageError
	switch {
	case ctx.Err() != nil || agent.KindOf(err) == agent.Cancelled:
		fmt.Fprintln(w.stderr, "Stopped.")
		return exitStopped
	case errors.As(err, &invalid), errors.As(err, &usage):
		fmt.Fprintln(w.stderr, "sous: "+err.Error())
		return exitUsage
	}
	kind := agent.KindOf(err)
	if kind == agent.Internal {
		// A command of one person on their own machine: the cause helps. It may repeat
		// what another system said, so what it must not show is hidden.
		fmt.Fprintln(w.stderr, "sous: "+redact.Hide(err.Error()))
		return exitFailed
	}
	fmt.Fprintln(w.stderr, "sous: "+agent.PublicText(err))
	if kind == agent.Invalid || kind == agent.TooLarge {
		return exitUsage
	}
	return exitFailed
}

// usageError is a mistake on the command line.
type usageError struct{ text string }

func (e *usageError) Error() string { return e.text }

func usagef(format string, args ...any) error {
	return &usageError{text: fmt.Sprintf(format, args...)}
}

func userName() string {
	u, err := user.Current()
	switch {
	case err != nil:
		return ""
	case u.Name != "" && u.Name != "root":
		return u.Name
	}
	return u.Username
}

// version returns the module's version, or the commit it was built from.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	v := info.Main.Version
	if v == "" || v == "(devel)" {
		v = "devel"
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" && len(s.Value) >= 12 {
				v += "-" + s.Value[:12]
			}
		}
	}
	return v
}
