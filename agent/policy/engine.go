package policy

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/tools"
)

// Config is what an Engine is made of; every field may be left out.
type Config struct {
	// Path is the administrator's policy file; "" means the default rules.
	Path string
	// Tools are the names rules may give to Tool::"…"; nil leaves them unchecked.
	Tools []string
	// Sole says whether the workspace has one person now, who then decides alone;
	// nil means that it has more.
	Sole func() bool
	// Taken, when set, is told of each set before it is in force, so that it can be
	// recorded; with an error the set before stays, and the file is read again.
	Taken func(*Set) error
	// Every is how often Watch looks at the file; 0 means 3 s.
	Every time.Duration
	Log   *slog.Logger
}

// Engine rules on calls with the policy set in force. It implements tools.Gate
// and is safe for concurrent use; a reload takes effect with the next ruling.
type Engine struct {
	Config
	set atomic.Pointer[Set]
	mu  sync.Mutex // held while loading
	was stamp      // of the file when it was last read
}

var _ tools.Gate = (*Engine)(nil)

// errNotTaken says that a set that is right could not be put in force yet.
var errNotTaken = errors.New("the policy set cannot be recorded")

// stamp tells one version of a file from another without reading it.
type stamp struct {
	at   time.Time
	size int64
}

// New loads the policy set. A file that cannot be read or is wrong is an error,
// so that Sous does not start under other rules than it was given.
func New(c Config) (*Engine, error) {
	if c.Every <= 0 {
		c.Every = 3 * time.Second
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	e := &Engine{Config: c}
	if c.Path == "" {
		return e, e.Load(DefaultName, defaultText)
	}
	return e, e.Reload()
}

// Set returns the policy set in force.
func (e *Engine) Set() *Set { return e.set.Load() }

// Rule implements tools.Gate. It never fails: what cannot be evaluated is denied.
func (e *Engine) Rule(_ context.Context, p tools.Proposal) (agent.Verdict, error) {
	return e.Explain(p).Verdict, nil
}

// Explain rules on a proposal and says why.
func (e *Engine) Explain(p tools.Proposal) Explanation {
	x := e.Set().Explain(p, e.Sole != nil && e.Sole())
	if x.Error != "" {
		e.Log.Error("policy could not be evaluated", "tool", p.Spec.Name, "call", p.Call.ID, "err", x.Error)
	}
	return x
}

// MayDecide asks the set in force whether a person may decide; see Set.MayDecide.
func (e *Engine) MayDecide(d Decision) error { return e.Set().MayDecide(d) }

// Load puts a set in force. One that is wrong is refused, with everything wrong
// in it, and the set before stays in force.
func (e *Engine) Load(name, text string) error {
	set, err := Parse(name, text, e.Tools)
	if err != nil {
		return err
	}
	if e.Taken != nil {
		if err := e.Taken(set); err != nil {
			return fmt.Errorf("%w: %w", errNotTaken, err)
		}
	}
	e.set.Store(set)
	return nil
}

// Reload reads the file again; see Load. Without a file it does nothing.
func (e *Engine) Reload() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.reload()
}

func (e *Engine) reload() error {
	if e.Path == "" {
		return nil
	}
	now, err := e.stamp()
	if err != nil {
		return err
	}
	e.was = now
	text, err := ReadFile(e.Path)
	if err != nil {
		return err
	}
	return e.Load(e.Path, text)
}

// ReadFile reads a policy file of bounded size.
func ReadFile(path string) (string, error) {
	info, err := os.Stat(path)
	if err == nil && info.Size() > maxText {
		return "", agent.Errorf(agent.TooLarge, "the policy file %s is larger than %d KiB", filepath.Base(path), maxText>>10)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return "", agent.WrapError(agent.Invalid, err, fmt.Sprintf("the policy file %s cannot be read: %v", path, err))
	}
	return string(text), nil
}

func (e *Engine) stamp() (stamp, error) {
	info, err := os.Stat(e.Path)
	if err != nil {
		return stamp{}, agent.WrapError(agent.Invalid, err, fmt.Sprintf("the policy file %s cannot be read: %v", e.Path, err))
	}
	return stamp{info.ModTime(), info.Size()}, nil
}

// Watch looks at the file until ctx ends and puts each changed version in force.
// A version that is wrong is logged once and the set before stays in force.
func (e *Engine) Watch(ctx context.Context) error {
	if e.Path == "" {
		<-ctx.Done()
		return nil
	}
	tick := time.NewTicker(e.Every)
	defer tick.Stop()
	gone := false
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			gone = e.look(ctx, gone)
		}
	}
}

// look reloads the file when it has changed. It returns whether the file is gone.
func (e *Engine) look(ctx context.Context, gone bool) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	now, err := e.stamp()
	switch {
	case err != nil && !gone:
		e.Log.ErrorContext(ctx, "policy file cannot be read, the rules in force stay", "file", e.Path, "err", err)
		return true
	case err != nil:
		return true
	case now == e.was:
		return false
	}
	before := e.Set().Hash
	if err := e.reload(); err != nil {
		if errors.Is(err, errNotTaken) {
			e.was = stamp{}
		}
		e.Log.ErrorContext(ctx, "policy file refused, the rules in force stay", "file", e.Path, "err", err)
		return false
	}
	e.Log.InfoContext(ctx, "policy file loaded", "file", e.Path, "set", e.Set().Hash, "before", before)
	return false
}
