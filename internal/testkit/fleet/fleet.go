// Package fleet runs real Sous processes, several on one PostgreSQL database or one
// on a file, gives them work, and stops them in the ways in which processes stop: in
// order, with SIGKILL, or frozen for a while with SIGSTOP.
package fleet

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/sous-hq/sous/integrations/api"
	"github.com/sous-hq/sous/internal/datadir"
)

// Options say what the fleet is made of; all but Settings and Listen are required.
type Options struct {
	// Command returns the i-th sous process with these arguments, not started.
	Command func(i int, args ...string) *exec.Cmd
	// URL is the database; "" is for one process on its file.
	URL string
	// Dir is a folder for what the processes keep; short, since sockets are in it.
	Dir string
	// N is how many processes there are.
	N int
	// Settings are further variables of the processes and of the commands beside
	// them, over those of the fleet.
	Settings []string
	// Listen returns where the i-th process listens; nil is any port.
	Listen func(i int) string
}

// Fleet is a number of processes on one database.
type Fleet struct {
	Options
	all []*process
}

type process struct {
	data   string
	cmd    *exec.Cmd
	client *api.Client
	http   *http.Client
	// done is closed when the process has ended.
	done chan struct{}
	// until is when it is asked again after it did not answer, in ns since 1970.
	until atomic.Int64
}

// patience is how long a process may take to start or to stop.
const patience = time.Minute

// New returns a fleet whose processes are not started.
func New(o Options) *Fleet {
	f := &Fleet{Options: o}
	for i := range o.N {
		f.all = append(f.all, newProcess(filepath.Join(o.Dir, fmt.Sprint("r", i))))
	}
	return f
}

// Start starts the processes of a new fleet, one after the other.
func Start(ctx context.Context, o Options) (*Fleet, error) {
	f := New(o)
	for i := range o.N {
		if err := f.Begin(ctx, i); err != nil {
			return nil, errors.Join(err, f.Close())
		}
	}
	return f, nil
}

func newProcess(data string) *process {
	p := &process{data: data}
	p.http = &http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			path, err := datadir.SocketPath(data)
			if err != nil {
				return nil, err
			}
			var d net.Dialer
			return d.DialContext(ctx, "unix", path)
		},
	}}
	p.client = api.NewClient(p.http, "http://sous")
	return p
}

// Close kills what still runs.
func (f *Fleet) Close() error {
	for _, p := range f.all {
		if p.cmd != nil {
			_ = p.cmd.Process.Signal(syscall.SIGCONT)
			_ = p.cmd.Process.Kill()
			<-p.done
		}
		p.http.CloseIdleConnections()
	}
	return nil
}

// Client talks with a process over its socket.
func (f *Fleet) Client(i int) *api.Client { return f.all[i].client }

// command is a sous process over the i-th data directory.
func (f *Fleet) command(i int, args ...string) *exec.Cmd {
	cmd := f.Command(i, args...)
	cmd.Env = append(cmd.Environ(), "SOUS_DATABASE_URL="+f.URL, "SOUS_KEYS="+filepath.Join(f.Dir, "keys"), "SOUS_DATA="+f.all[i].data,
		"HOME="+f.Dir, "OPENAI_API_KEY=", "OPENAI_BASE_URL=", "SLACK_BOT_TOKEN=", "SLACK_APP_TOKEN=")
	cmd.Env = append(cmd.Env, f.Settings...)
	cmd.Dir = f.Dir
	return cmd
}

// Run runs a command beside the i-th process and returns what it printed.
func (f *Fleet) Run(i int, args ...string) (string, error) {
	cmd := f.command(i, args...)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// Begin starts the i-th process and returns when it serves.
func (f *Fleet) Begin(ctx context.Context, i int) error {
	if err := f.Launch(i); err != nil {
		return err
	}
	return f.Serves(ctx, i)
}

// Launch starts the i-th process, with these variables beside those of the fleet,
// and does not wait for it.
func (f *Fleet) Launch(i int, more ...string) error {
	p := f.all[i]
	log, err := os.OpenFile(p.data+".log", os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	listen := "127.0.0.1:0"
	if f.Listen != nil {
		listen = f.Listen(i)
	}
	cmd := f.command(i, "serve", "--listen", listen)
	cmd.Env = append(cmd.Env, more...)
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		return err
	}
	done := make(chan struct{})
	p.cmd, p.done = cmd, done
	go func() { _ = cmd.Wait(); close(done) }()
	return nil
}

// Serves returns when the i-th process serves.
func (f *Fleet) Serves(ctx context.Context, i int) error {
	p := f.all[i]
	for deadline := time.Now().Add(patience); ; {
		asking, cancel := context.WithTimeout(ctx, time.Second)
		_, err := p.client.Info(asking)
		cancel()
		if err == nil {
			return nil
		}
		select {
		case <-p.done:
			return fmt.Errorf("process %d ended at its start:\n%s", i, f.Log(i))
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(20 * time.Millisecond):
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("process %d does not serve: %w\n%s", i, err, f.Log(i))
		}
	}
}

// Done is closed when the i-th process, which was started, has ended.
func (f *Fleet) Done(i int) <-chan struct{} { return f.all[i].done }

// Data is the data directory of the i-th process.
func (f *Fleet) Data(i int) string { return f.all[i].data }

// PID is the id of the i-th process, 0 when it was not started.
func (f *Fleet) PID(i int) int {
	if c := f.all[i].cmd; c != nil {
		return c.Process.Pid
	}
	return 0
}

// Kill ends the i-th process with SIGKILL.
func (f *Fleet) Kill(i int) error { return f.end(i, syscall.SIGKILL) }

// Drain stops the i-th process in order.
func (f *Fleet) Drain(i int) error { return f.end(i, syscall.SIGTERM) }

func (f *Fleet) end(i int, s os.Signal) error {
	p := f.all[i]
	if err := p.cmd.Process.Signal(s); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	select {
	case <-p.done:
		p.cmd = nil
		return nil
	case <-time.After(patience):
		return fmt.Errorf("process %d does not end:\n%s", i, f.Log(i))
	}
}

// Freeze stops the i-th process where it stands; Thaw lets it go on.
func (f *Fleet) Freeze(i int) error { return f.all[i].cmd.Process.Signal(syscall.SIGSTOP) }

// Thaw lets a frozen process go on.
func (f *Fleet) Thaw(i int) error { return f.all[i].cmd.Process.Signal(syscall.SIGCONT) }

// Log is the end of what the i-th process said.
func (f *Fleet) Log(i int) string {
	raw, err := os.ReadFile(f.all[i].data + ".log")
	if err != nil {
		return err.Error()
	}
	lines := strings.Split(string(raw), "\n")
	return strings.Join(lines[max(0, len(lines)-40):], "\n")
}
