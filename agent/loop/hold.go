package loop

import (
	"context"
	"errors"
	"time"

	"github.com/sous-hq/sous/agent"
)

// pausePoll is how often a turn that is held asks whether it may go on.
const pausePoll = 250 * time.Millisecond

// hold keeps a turn from going on while it, its workspace or everything is
// paused. It waits within the step: a process that ends meanwhile leaves the
// step to the next, which holds again. It returns at once when nothing is
// paused, and stopped when a person stops the turn; an error counts as paused.
func (e *Effects) hold(ctx context.Context, t agent.Turn, s Start) (stopped bool, err error) {
	why, err := e.Executor.Paused(ctx, agent.Call{Turn: t.ID, Actor: t.Actor})
	if err != nil || why == "" {
		return false, err
	}
	again := Idle(ctx)
	stopped, err = e.held(ctx, t, s, why)
	return stopped, errors.Join(err, again(ctx))
}

// held waits until nobody pauses the turn any more.
func (e *Effects) held(ctx context.Context, t agent.Turn, s Start, why string) (stopped bool, err error) {
	told := ""
	for why != "" {
		stopped, err := e.stopped(ctx, t.Workspace, thinkIn{Start: s})
		if err != nil || stopped {
			return stopped, err
		}
		if why != told {
			told = why
			e.Hub.Publish(Event{
				Turn: t.ID, Type: EventStep, At: e.Clock(),
				Step: &agent.Step{Turn: t.ID, Kind: "pause", Title: why, At: e.Clock()},
			})
		}
		select {
		case <-ctx.Done():
			return false, ctx.Err()
		case <-time.After(pausePoll):
		}
		if why, err = e.Executor.Paused(ctx, agent.Call{Turn: t.ID, Actor: t.Actor}); err != nil {
			return false, err
		}
	}
	return false, nil
}
