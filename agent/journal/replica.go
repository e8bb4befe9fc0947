package journal

import (
	"context"
	"fmt"
	"log/slog"
	"time"
)

// letGo is how long the turns of a process that was taken for gone have to end
// before it goes on under another name.
const letGo = 5 * time.Second

// gone takes over what a process left that is gone: the turns it ran or waited
// with, and those it had accepted and not begun. The one that is gone may be this process
// under the name before: what is taken over is this term's, so that has to have begun.
func (e *Engine) gone(ctx context.Context, t *term, carrier string) error {
	for _, begun := range []chan struct{}{t.installed, e.launched} {
		select {
		case <-begun:
		case <-t.ctx.Done():
		case <-e.closed:
		case <-ctx.Done():
		}
	}
	if e.ended() || ctx.Err() != nil || t.ctx.Err() != nil {
		return fmt.Errorf("take turns over: %w", context.Canceled)
	}
	if err := e.adopt(ctx, carrier); err != nil || e.cfg.Recover == nil {
		return err
	}
	return e.cfg.Recover(ctx)
}

func (e *Engine) ended() bool {
	select {
	case <-e.closed:
		return true
	default:
		return false
	}
}

func (e *Engine) changed(turn string) {
	select {
	case <-e.launched:
		if e.cfg.Changed != nil {
			e.cfg.Changed(turn)
		}
	default:
	}
}

// lost goes on under another name after the others took this process for gone: it
// was stopped for a while, or cut off from the database. What still ran is theirs.
func (e *Engine) lost(was *term) {
	select {
	case <-was.installed:
	case <-was.ctx.Done():
	case <-e.closed:
	}
	e.mu.Lock()
	if e.ended() || e.term != was || was.over {
		e.mu.Unlock()
		return
	}
	was.over = true
	e.beside.Add(1)
	name := e.carrier
	e.mu.Unlock()
	defer e.beside.Done()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go func() {
		select {
		case <-e.closed:
			cancel()
		case <-ctx.Done():
		}
	}()
	_ = was.leave(ctx)
	ending, done := context.WithTimeout(ctx, letGo)
	if err := e.end(ending, was); err != nil {
		// What does not end is refused by whatever it writes to.
		e.cfg.Log.WarnContext(ctx, "turns of the time before have not let go yet", slog.Any("err", err))
	}
	done()
	e.mu.Lock()
	e.turns, e.wakes = map[string]*carried{}, nil
	e.mu.Unlock()
	e.insist(ctx, "this process is not back among the replicas yet", e.begin)
	e.cfg.Log.InfoContext(ctx, "this process is back among the replicas", slog.String("replica", e.Carrier()))
	// What it accepted under the old name after the others had looked.
	e.insist(ctx, "turns of the time before are not taken over yet", func(ctx context.Context) error { return e.cfg.Replicas.Abandon(ctx, name) })
}

// insist repeats f until it succeeds or ctx is done.
func (e *Engine) insist(ctx context.Context, trouble string, f func(context.Context) error) {
	for wait := time.Second; ctx.Err() == nil; wait = min(2*wait, 30*time.Second) {
		err := f(ctx)
		if err == nil {
			return
		}
		e.cfg.Log.WarnContext(ctx, trouble, slog.Any("err", err))
		select {
		case <-ctx.Done():
		case <-time.After(wait):
		}
	}
}
