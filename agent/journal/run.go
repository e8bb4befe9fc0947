package journal

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"time"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/agent/loop"
)

// carry runs a turn from its journal until it ends, parks, or cannot go on here.
func (e *Engine) carry(t *term, c *carried) {
	e.mu.Lock()
	carrier := e.carrier
	r := &run{engine: e, carried: c, start: c.start, ran: c.ran}
	if r.start.Request == nil {
		r.start.Request = &loop.Request{}
		r.start.Request.News.Store(true)
		c.start.Request = r.start.Request
	}
	r.pending = &loop.Pending{Workspace: agent.WorkspaceID(c.start.Workspace), Turn: c.start.Turn}
	c.pending = r.pending
	e.mu.Unlock()
	r.ctx = loop.WithIdle(loop.WithPending(loop.InReplica(t.ctx, carrier), r.pending), e.slots.pause)
	err := r.begin()
	if err == nil {
		_, err = loop.Turn(r, r.start, e.cfg.Limits)
	}
	if r.last != nil {
		defer r.last()
	}
	buried := false
	switch {
	case errors.Is(err, loop.ErrParked):
		e.parked(r)
		return
	case err == nil, t.ctx.Err() != nil, errors.Is(err, errClosed), errors.Is(err, loop.ErrTakenOver):
	default:
		e.mu.Lock()
		c.revived = false
		e.mu.Unlock()
		e.bury(r, err)
		buried = true
	}
	if e.forget(c) && buried {
		r.start.Request = nil
		e.schedule(r.start, work{ran: true})
	}
}

// parked lets go of a turn that waits, unless something has come for it meanwhile.
func (e *Engine) parked(r *run) {
	if r.ran {
		err := r.try(loop.EffectRest, func(ctx context.Context) error { return e.funcs[loop.EffectRest](ctx, r.start, nil) })
		if err != nil && r.ctx.Err() == nil {
			e.cfg.Log.WarnContext(r.ctx, "a turn waits and is not shown so", slog.String("turn", r.start.Turn), slog.Any("err", err))
		}
	}
	e.mu.Lock()
	woken := r.carried.woken
	r.carried.woken = false
	e.mu.Unlock()
	s := r.start
	s.Request = nil
	e.park(s, r.until)
	if woken {
		e.schedule(s, work{woken: true})
	}
}

// run is loop.Run over the journal of one turn.
type run struct {
	engine  *Engine
	carried *carried
	start   loop.Start
	ctx     context.Context //nolint:containedctx // loop.Run has no room for it, and a run is one call
	pending *loop.Pending
	// recorded are the checkpoints of earlier runs, n counts the steps of this one.
	recorded []loop.Checkpoint
	n        int
	// ran says that the store has the turn as running, though it may wait.
	ran bool
	// heard counts the signals received, until is when a parked turn wakes.
	heard int
	until time.Time
	// last is called when the run is over, nil for nothing.
	last func()
}

// begin reads what earlier runs came to.
func (r *run) begin() error {
	if r.carried.fresh {
		return nil
	}
	if r.carried.tries > 0 {
		r.pending.Blame()
	}
	if r.carried.tries >= loop.AloneFrom {
		if err := r.alone(); err != nil {
			return err
		}
	}
	return r.try("begin", func(ctx context.Context) error {
		all, err := r.engine.cfg.Store.Checkpoints(ctx, r.pending.Workspace, r.start.Turn)
		if err == nil && len(all) > 0 {
			r.recorded = all
			r.pending.Keep(len(all), signalsOf(all))
		}
		return err
	})
}

// alone waits until no other turn runs that processes have ended with, and counts
// this try before it: whatever happens now is this turn's doing.
func (r *run) alone() error {
	again := r.engine.slots.pause()
	select {
	case r.engine.solo <- struct{}{}:
		r.last = func() { <-r.engine.solo }
	case <-r.ctx.Done():
	}
	if err := again(r.ctx); err != nil {
		return err
	}
	return r.try("try", func(ctx context.Context) error {
		_, err := r.engine.cfg.Store.Try(ctx, r.start)
		return err
	})
}

// signalsOf counts the signals among checkpoints.
func signalsOf(all []loop.Checkpoint) int {
	n := 0
	for _, c := range all {
		if c.Effect == awaits+loop.InboxTopic && !isTimeout(c.Result) {
			n++
		}
	}
	return n
}

func isTimeout(raw json.RawMessage) bool {
	var s loop.Signal
	return json.Unmarshal(raw, &s) == nil && s.Type == loop.SignalTimeout
}

// ID implements loop.Run.
func (r *run) ID() string { return r.start.Turn }

// replayed returns what the next step came to in an earlier run. Another step than
// the one recorded means that the turn does not run as it did.
func (r *run) replayed(effect string, out any) (bool, error) {
	r.n++
	if r.n > len(r.recorded) {
		return false, nil
	}
	c := r.recorded[r.n-1]
	if c.N != r.n || c.Effect != effect {
		return false, fmt.Errorf("step %d was %q (%d) and now is %q", r.n, c.Effect, c.N, effect)
	}
	if out == nil {
		return true, nil
	}
	if err := json.Unmarshal(c.Result, out); err != nil {
		return false, fmt.Errorf("step %d, %s: %w", r.n, effect, err)
	}
	return true, nil
}

// add notes what the step came to.
func (r *run) add(effect string, out any) error {
	raw, err := json.Marshal(out)
	if err != nil {
		return fmt.Errorf("encode result of %s: %w", effect, err)
	}
	r.pending.Add(loop.Checkpoint{N: r.n, Effect: effect, Result: raw}, r.engine.cfg.Clock())
	return nil
}

// Do implements loop.Run.
func (r *run) Do(effect string, in, out any) error {
	if done, err := r.replayed(effect, out); done || err != nil {
		return err
	}
	f := r.engine.funcs[effect]
	if f == nil {
		return fmt.Errorf("there is no effect %q", effect)
	}
	err := r.try(effect, func(ctx context.Context) error {
		return f(loop.WithSeal(ctx, func(result any) error { return r.add(effect, result) }), in, out)
	})
	if err != nil {
		return err
	}
	if err := r.add(effect, out); err != nil || !r.pending.Tried() {
		return err
	}
	// A process ended with this turn before: that it came further counts from now on,
	// not from the next write.
	return r.record()
}

// record writes what is pending of the turn, if anything is.
func (r *run) record() error {
	if _, dirty := r.pending.Since(); !dirty {
		return nil
	}
	return r.try("record", func(ctx context.Context) error {
		return r.engine.cfg.Store.Record(ctx, []*loop.Pending{r.pending})
	})
}

// awaits begins the name of the steps that wait for a topic.
const awaits = "await "

// Await implements loop.Run. A turn that has nothing to do until later is let go
// of, once what it came to is recorded.
func (r *run) Await(topic string, until time.Time) (loop.Signal, error) {
	var s loop.Signal
	effect := awaits + topic
	if done, err := r.replayed(effect, &s); done || err != nil {
		if done && s.Type != loop.SignalTimeout {
			r.heard++
		}
		return s, err
	}
	come := false
	err := r.try("receive", func(ctx context.Context) (err error) {
		s, come, err = r.engine.cfg.Store.Received(ctx, r.pending.Workspace, r.start.Turn, topic, r.heard+1)
		return err
	})
	switch {
	case err != nil:
		return s, err
	case come:
		r.heard++
		r.pending.Hear(r.heard)
		return s, r.add(effect, s)
	case !r.engine.cfg.Clock().Before(until):
		s = loop.Signal{Type: loop.SignalTimeout}
		return s, r.add(effect, s)
	}
	if err := r.record(); err != nil {
		return s, err
	}
	r.until = until
	return s, loop.ErrParked
}

// poison is the error of a step that was tried often enough.
type poison struct {
	step  string
	tries int
	err   error
}

func (p *poison) Error() string { return fmt.Sprintf("%s failed %d times: %v", p.step, p.tries, p.err) }

func (p *poison) Unwrap() error { return p.err }

// longestWait is the longest time between two tries; of those that come after MaxTries
// only one of so many, in about a minute, is told the log.
const (
	longestWait = 5 * time.Second
	sparing     = 12
)

// try repeats f while its failure may pass: for ever when the store or something
// else is away (giving up would lose an accepted turn), MaxTries times when nobody
// knows better. Whoever waits between two tries takes no slot.
func (r *run) try(what string, f func(ctx context.Context) error) error {
	wait := 50 * time.Millisecond
	for attempt := 1; ; attempt++ {
		err := r.safely(what, f)
		switch {
		case err == nil:
			return nil
		case r.ctx.Err() != nil:
			return r.ctx.Err()
		case errors.Is(err, loop.ErrTakenOver):
			// The turn is another's; nothing this process says of it counts.
			return err
		case agent.KindOf(err) != agent.Unavailable && attempt >= MaxTries:
			return &poison{what, attempt, err}
		}
		if attempt <= MaxTries || attempt%sparing == 0 {
			r.engine.cfg.Log.WarnContext(r.ctx, "step failed; trying again", slog.String("turn", r.start.Turn),
				slog.String("step", what), slog.Int("attempt", attempt), slog.Any("err", err))
		}
		again := r.engine.slots.pause()
		select {
		case <-r.ctx.Done():
		case <-time.After(wait):
		}
		if err := again(r.ctx); err != nil {
			return err
		}
		wait = min(wait*2, longestWait)
	}
}

// safely calls f, and turns a panic into an error.
func (r *run) safely(what string, f func(ctx context.Context) error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			r.engine.cfg.Log.ErrorContext(r.ctx, "a step panicked", slog.String("turn", r.start.Turn), slog.String("step", what),
				slog.String("panic", fmt.Sprint(p)), slog.String("stack", string(debug.Stack())))
			err = errors.New("panic in " + what)
		}
	}()
	return f(r.ctx)
}

// bury sets a turn aside that cannot go on, until somebody has looked at it.
func (e *Engine) bury(r *run, why error) {
	b := loop.Burial{Start: r.start, Stuck: loop.Stuck{Step: "turn", Tries: 1, Reason: agent.PublicText(why), At: e.cfg.Clock()}}
	var p *poison
	if errors.As(why, &p) {
		b.Step, b.Tries = p.step, p.tries
	}
	e.cfg.Log.ErrorContext(r.ctx, "a turn is set aside", slog.String("turn", r.start.Turn), slog.String("step", b.Step), slog.Any("err", why))
	r.dig(b)
}

func (r *run) dig(b loop.Burial) {
	err := r.try(loop.EffectBury, func(ctx context.Context) error { return r.engine.funcs[loop.EffectBury](ctx, b, nil) })
	if err != nil && r.ctx.Err() == nil {
		r.engine.cfg.Log.ErrorContext(r.ctx, "a turn could not be set aside; it is tried again at the next start",
			slog.String("turn", r.start.Turn), slog.Any("err", err))
	}
}

// setAside buries a turn in the middle of which processes have ended too often.
func (e *Engine) setAside(c loop.Carried) {
	e.mu.Lock()
	t, carrier := e.term, e.carrier
	held := &carried{start: c.Start, active: true}
	e.turns[c.Turn] = held
	e.mu.Unlock()
	c.Start.Request = &loop.Request{}
	r := &run{engine: e, start: c.Start, pending: &loop.Pending{Workspace: agent.WorkspaceID(c.Workspace), Turn: c.Turn}}
	r.ctx = loop.InReplica(t.ctx, carrier)
	b := loop.Burial{Start: c.Start, Stuck: loop.Stuck{
		Step: "turn", Tries: c.Tries, At: e.cfg.Clock(),
		Reason: "The process that worked on it ended each time.",
	}}
	e.cfg.Log.ErrorContext(r.ctx, "a turn is set aside: its process ended each time", slog.String("turn", c.Turn), slog.Int("tries", c.Tries))
	t.runs.Add(1)
	e.slots.enter(t.ctx, c.Workspace, true, func(err error) {
		defer t.runs.Done()
		if err == nil {
			r.dig(b)
		}
		if e.forget(held) {
			e.schedule(held.start, work{ran: true})
		}
	})
}

// keepSaving records, every so often, what steps came to and no write has taken
// along: so little is done again after a crash, and no turn waits for it.
func (e *Engine) keepSaving() {
	tick := time.NewTicker(flushAfter)
	defer tick.Stop()
	for {
		select {
		case <-e.closed:
			e.save()
			return
		case <-tick.C:
			e.save()
		}
	}
}

// tellAgain is how long the log is spared a trouble that it knows.
const tellAgain = time.Minute

func (e *Engine) save() {
	e.mu.Lock()
	now := e.cfg.Clock()
	var due []*loop.Pending
	for _, c := range e.turns {
		if p := c.pending; p != nil {
			if since, dirty := p.Since(); dirty && now.Sub(since) >= flushAfter {
				due = append(due, p)
			}
		}
	}
	t, carrier := e.term, e.carrier
	e.mu.Unlock()
	if len(due) == 0 {
		return
	}
	err := e.cfg.Store.Record(loop.InReplica(t.ctx, carrier), due)
	switch {
	case err == nil && !e.told.IsZero():
		e.told = time.Time{}
		e.cfg.Log.InfoContext(t.ctx, "steps are recorded again")
	case err != nil && t.ctx.Err() == nil && now.Sub(e.told) >= tellAgain:
		// It is tried ten times a second.
		e.told = now
		e.cfg.Log.WarnContext(t.ctx, "steps not recorded yet", slog.Int("turns", len(due)), slog.Any("err", err))
	}
}
