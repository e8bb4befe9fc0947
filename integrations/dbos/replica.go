package dbos

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/dbos-inc/dbos-transact-golang/dbos"

	"github.com/sous-hq/sous/agent/loop"
)

// letGo is how long the turns of a process that was taken for gone have to end
// before it goes on under another name.
const letGo = 5 * time.Second

// pending lists turns that some process runs or waits with.
func (p *part) pending(more ...dbos.ListWorkflowsOption) ([]dbos.WorkflowStatus, error) {
	left, err := dbos.ListWorkflows(p.dbos, append([]dbos.ListWorkflowsOption{
		dbos.WithFilterStatus(dbos.WorkflowStatusPending), dbos.WithFilterName(workflowName),
		dbos.WithFilterLoadInput(false), dbos.WithFilterLoadOutput(false),
	}, more...)...)
	if err != nil {
		return nil, fmt.Errorf("list unfinished turns: %w", err)
	}
	return left, nil
}

// others lists the other processes that have unfinished turns.
func (p *part) others() ([]string, error) {
	left, err := p.pending()
	if err != nil {
		return nil, err
	}
	var all []string
	for _, w := range left {
		if w.ExecutorID != p.executor {
			all = append(all, w.ExecutorID)
		}
	}
	slices.Sort(all)
	return slices.Compact(all), nil
}

// adopt has the turns of processes that are gone go on, here or in another.
func (p *part) adopt(executors ...string) error {
	if len(executors) == 0 {
		return nil
	}
	left, err := p.pending(dbos.WithFilterExecutorIDs(executors...))
	if err != nil || len(left) == 0 {
		return err
	}
	ids := make([]string, len(left))
	for i, w := range left {
		ids[i] = w.ID
	}
	p.cfg.Log.Info("taking over interrupted turns", slog.Int("count", len(ids)))
	if _, err := dbos.ResumeWorkflows[loop.Result](p.dbos, ids); err != nil {
		return fmt.Errorf("resume interrupted turns: %w", err)
	}
	return nil
}

// join makes this process one of the replicas, under the part's name.
func (p *part) join(ctx context.Context) error {
	var err error
	p.leave, err = p.cfg.Replicas.Join(ctx, loop.Member{
		ID: p.executor, Gone: p.Engine.gone, Signal: p.Engine.Wake, Changed: p.Engine.changed,
		Lost: func() { p.Engine.lost(p) },
	})
	return err
}

// gone takes over what a process left that is gone: the turns it ran or waited
// with, and those it had accepted and not begun.
func (e *Engine) gone(ctx context.Context, executor string) error {
	select {
	case <-e.launched:
	case <-e.closed:
	case <-ctx.Done():
	}
	if e.ended() || ctx.Err() != nil {
		return fmt.Errorf("take turns over: %w", context.Canceled)
	}
	e.life.RLock()
	err := e.part.adopt(executor)
	e.life.RUnlock()
	if err != nil || e.cfg.Recover == nil {
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

// lost goes on under another name after the others took this process for gone:
// it was stopped for a while, or cut off from the database. What still ran is
// theirs; Start waits meanwhile.
func (e *Engine) lost(was *part) {
	e.mu.Lock()
	if e.ended() {
		e.mu.Unlock()
		return
	}
	e.beside.Add(1)
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
	// First of all: what waits for the database in Start holds the lock.
	if err := was.end(letGo); err != nil {
		// What does not end is refused by whatever it writes to.
		e.cfg.Log.WarnContext(ctx, "turns of the time before have not let go yet", slog.Any("err", err))
	}
	e.life.Lock()
	defer e.life.Unlock()
	for wait := time.Second; ctx.Err() == nil; wait = min(2*wait, 30*time.Second) {
		err := e.renew(ctx, was)
		if err == nil {
			e.cfg.Log.InfoContext(ctx, "this process is back among the replicas", slog.String("replica", e.part.executor))
			return
		}
		e.cfg.Log.WarnContext(ctx, "this process is not back among the replicas yet", slog.Any("err", err))
		select {
		case <-ctx.Done():
		case <-time.After(wait):
		}
	}
}

// renew begins another part in place of the one that was lost.
func (e *Engine) renew(ctx context.Context, was *part) error {
	p, err := e.begin(ctx)
	if err != nil {
		return err
	}
	if err := p.launch(ctx); err != nil {
		_ = p.end(letGo)
		if p.leave != nil {
			_ = p.leave(ctx)
		}
		return err
	}
	e.part = p
	close(was.replaced)
	// What it began under the old name after the others had looked.
	return e.cfg.Replicas.Abandon(ctx, was.executor)
}
