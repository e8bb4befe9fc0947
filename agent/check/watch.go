package check

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"sync"
	"time"

	"github.com/sous-hq/sous/agent"
)

const (
	// Every is how often a Watch looks.
	Every = 5 * time.Minute
	// Moment is how long what may be so for a moment may last.
	Moment = 5 * time.Second
	// firstRows bounds how far back in the record the first look goes: a start
	// should not cost the more the longer the record is.
	firstRows = 50_000
)

// WatchConfig is what a Watch works with; all but Log are required.
type WatchConfig struct {
	// Open opens the facts as they are now; finish gives them up.
	Open func(ctx context.Context) (facts Facts, finish func() error, err error)
	Now  func() time.Time
	Log  *slog.Logger
}

// Watch looks again and again at a store at work, each time at what changed since
// and at what is not over. What it found stays found until the process ends.
type Watch struct {
	c WatchConfig

	mu     sync.Mutex
	broken map[Violation]bool
	since  map[agent.WorkspaceID]int64
	last   time.Time
}

// NewWatch checks the settings; it starts nothing.
func NewWatch(c WatchConfig) (*Watch, error) {
	if c.Open == nil || c.Now == nil {
		return nil, errors.New("watch: Open and Now are required")
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return &Watch{c: c, broken: map[Violation]bool{}}, nil
}

// Run looks every Every until ctx is done. A look that fails is logged, and its
// age shows; see Last.
func (w *Watch) Run(ctx context.Context) {
	tick := time.NewTicker(Every)
	defer tick.Stop()
	for {
		if err := w.Look(ctx); err != nil && ctx.Err() == nil {
			w.c.Log.ErrorContext(ctx, "promises not checked", slog.Any("err", err))
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// Look looks once, and again after a moment where that decides.
func (w *Watch) Look(ctx context.Context) error {
	w.mu.Lock()
	since := maps.Clone(w.since)
	w.mu.Unlock()
	r, err := Twice(ctx, Moment, func(ctx context.Context) (*Report, error) { return w.once(ctx, since) })
	if err != nil {
		return err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.since, w.last = r.Seen, w.c.Now()
	for _, v := range r.Violations {
		if !w.broken[v] && len(w.broken) < maxViolations {
			w.broken[v] = true
			w.c.Log.ErrorContext(ctx, "promise broken", slog.String("rule", string(v.Rule)),
				slog.String("turn", v.Turn), slog.String("about", v.About), slog.String("what", v.Text))
		}
	}
	return nil
}

func (w *Watch) once(ctx context.Context, since map[agent.WorkspaceID]int64) (r *Report, err error) {
	facts, finish, err := w.c.Open(ctx)
	if err != nil {
		return nil, fmt.Errorf("check: %w", err)
	}
	defer func() { err = errors.Join(err, finish()) }()
	if since == nil {
		if since, err = recent(ctx, facts); err != nil {
			return nil, err
		}
	}
	return Run(ctx, Config{Facts: facts, Live: true, Since: since, Now: w.c.Now()})
}

// recent is where a first look begins.
func recent(ctx context.Context, f Facts) (map[agent.WorkspaceID]int64, error) {
	all, err := f.TurnWorkspaces(ctx)
	if err != nil {
		return nil, fmt.Errorf("check: %w", err)
	}
	from := map[agent.WorkspaceID]int64{}
	for _, ws := range all {
		size, err := f.Size(ctx, ws)
		if err != nil {
			return nil, fmt.Errorf("check: %w", err)
		}
		if size > firstRows {
			from[ws] = size - firstRows
		}
	}
	return from, nil
}

// Twice looks once, and when something was found that may be so for a moment,
// again after that moment.
func Twice(ctx context.Context, moment time.Duration, look func(context.Context) (*Report, error)) (*Report, error) {
	first, err := look(ctx)
	if err != nil || !first.brief() {
		return first, err
	}
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-time.After(moment):
	}
	second, err := look(ctx)
	if err != nil {
		return nil, err
	}
	return Confirm(first, second), nil
}

func (r *Report) brief() bool {
	for _, v := range r.Violations {
		if v.Brief {
			return true
		}
	}
	return false
}

// Broken counts by rule what was found since the process began.
func (w *Watch) Broken() map[Rule]int {
	w.mu.Lock()
	defer w.mu.Unlock()
	n := map[Rule]int{}
	for v := range w.broken {
		n[v.Rule]++
	}
	return n
}

// Last is when it last looked at everything it had to, zero for not yet.
func (w *Watch) Last() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.last
}
