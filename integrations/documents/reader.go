package documents

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/memory"
)

// Config is what a Reader is made of. The zero value reads in this process,
// without limits on memory and time: for tests and for files one wrote oneself.
type Config struct {
	// Command starts a child that calls Serve: this program's path, and what tells
	// it to. The child gets no environment.
	Command []string
	// Timeout is how long one file may take; 0 means DefaultTimeout.
	Timeout time.Duration
	Log     *slog.Logger
}

// DefaultTimeout is how long the reading of one file may take.
const DefaultTimeout = time.Minute

const (
	// A child reads so many files before a new one takes its place, and waits so
	// long for the next before it is sent home.
	filesOfAChild = 100
	idleTime      = 20 * time.Second
)

// Reader reads documents in a child process. It is safe for concurrent use; one
// child is kept for the next file, others end when they are done.
type Reader struct {
	config Config

	mu     sync.Mutex
	idle   *child
	home   *time.Timer
	closed bool
}

// New returns a Reader; it starts nothing.
func New(c Config) *Reader {
	if c.Timeout <= 0 {
		c.Timeout = DefaultTimeout
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return &Reader{config: c}
}

// Read reads a document as Parse does, in a child. A file that makes the child
// exceed its memory or its time, or die, is Invalid or TooLarge like any other
// that cannot be read; Unavailable means that no child can be started.
func (r *Reader) Read(ctx context.Context, name string, content []byte) (memory.Parsed, error) {
	if len(r.config.Command) == 0 || len(content) > MaxBytes {
		return Parse(name, content)
	}
	ctx, cancel := context.WithTimeout(ctx, r.config.Timeout)
	defer cancel()
	c, err := r.take(ctx)
	if err != nil {
		return memory.Parsed{}, err
	}
	// Whoever waits for the child is let go when the time is up: its pipes close.
	stop := context.AfterFunc(ctx, c.kill)
	answer, err := c.ask(name, content)
	if !stop() {
		err = errors.Join(err, ctx.Err())
	}
	if err != nil {
		died := c.end()
		r.config.Log.WarnContext(ctx, "the reading of a document broke off", slog.String("how", died), slog.Any("err", err))
		return memory.Parsed{}, brokenOff(ctx, died, r.config.Timeout)
	}
	r.keep(c)
	return answer.Parsed, answer.err()
}

// brokenOff says for people why a child gave no answer.
func brokenOff(ctx context.Context, died string, limit time.Duration) error {
	switch {
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return agent.Errorf(agent.TooLarge, "reading it took longer than %s, so it was given up; it may be damaged, or made to keep readers busy", limit)
	case ctx.Err() != nil:
		return ctx.Err()
	case strings.Contains(died, "out of memory") || strings.Contains(died, "allocate"):
		return agent.Errorf(agent.TooLarge, "reading it takes more memory than %d MiB, so it was given up", childMemory>>20)
	}
	return agent.Errorf(agent.Invalid, "it is damaged so badly that its reader broke down")
}

// take returns the child that waits, or a new one.
func (r *Reader) take(ctx context.Context) (*child, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return nil, agent.Errorf(agent.Unavailable, "the reader of documents is closed")
	}
	if c := r.idle; c != nil {
		r.idle = nil
		r.home.Stop()
		return c, nil
	}
	c, err := startChild(r.config.Command)
	if err != nil {
		r.config.Log.ErrorContext(ctx, "the reader of documents cannot be started", slog.Any("err", err))
		return nil, agent.WrapError(agent.Unavailable, err, "the reader of documents cannot be started")
	}
	return c, nil
}

// keep lets a child wait for the next file, for a while.
func (r *Reader) keep(c *child) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if c.files++; r.closed || r.idle != nil || c.files >= filesOfAChild {
		go c.end()
		return
	}
	r.idle = c
	r.home = time.AfterFunc(idleTime, func() { r.send(c) })
}

// send ends the child if it still waits.
func (r *Reader) send(c *child) {
	r.mu.Lock()
	mine := r.idle == c
	if mine {
		r.idle = nil
	}
	r.mu.Unlock()
	if mine {
		c.end()
	}
}

// Close ends the child that waits.
func (r *Reader) Close() error {
	r.mu.Lock()
	c := r.idle
	r.idle, r.closed = nil, true
	if c != nil {
		r.home.Stop()
	}
	r.mu.Unlock()
	if c != nil {
		c.end()
	}
	return nil
}

// answer is what a child says of a file.
type answer struct {
	memory.Parsed

	Kind string `json:"kind,omitempty"`
	Text string `json:"text,omitempty"`
}

func answerOf(d memory.Parsed, err error) answer {
	if err == nil {
		return answer{Parsed: d}
	}
	return answer{Kind: agent.KindOf(err).String(), Text: agent.PublicText(err)}
}

func (a answer) err() error {
	switch a.Kind {
	case "":
		return nil
	case agent.TooLarge.String():
		return agent.Errorf(agent.TooLarge, "%s", a.Text)
	}
	return agent.Errorf(agent.Invalid, "%s", a.Text)
}

func decodeAnswer(raw []byte) (answer, error) {
	var a answer
	if err := json.Unmarshal(raw, &a); err != nil {
		return answer{}, fmt.Errorf("answer of the reader: %w", err)
	}
	return a, nil
}
