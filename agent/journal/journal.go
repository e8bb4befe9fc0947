// Package journal carries turns durably over the store they are in. A turn is a
// function over a journal of what its steps came to: it is run again from the
// journal after a crash, in another process, or when the decision it was parked
// on has come. Nothing of a parked turn is in memory but when to look at it.
//
// A step's result is written with the next write of the turn itself, in one
// transaction; where none comes soon, all that is pending of all turns is written
// together. So a turn that only reads and answers costs the commit that accepted
// it and the one that ends it.
package journal

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/agent/admission"
	"github.com/sous-hq/sous/agent/loop"
)

// Store is what the engine needs of the store the turns are in.
type Store interface {
	loop.Signals
	loop.Journal
}

const (
	// MaxTries is how often a step may fail, or a process end in the middle of it,
	// before the turn is set aside.
	MaxTries = 5
	// flushAfter is how long what a step came to may be in memory alone.
	flushAfter = 100 * time.Millisecond
)

// Config is what the engine needs; Store and Limits are required.
type Config struct {
	Store Store
	// Replicas are the processes that share the store; nil when this is the only one.
	Replicas loop.Replicas
	// Recover starts what a process that is gone accepted and did not start; Changed
	// hears of turns that others changed, "" standing for any. Both may be nil and
	// are not called before Launch has returned.
	Recover func(ctx context.Context) error
	Changed func(turn string)
	Limits  loop.Limits
	// Slots is how many turns are worked on at once, 0 for 256; those that wait for
	// somebody are not counted.
	Slots int
	Log   *slog.Logger
	Clock func() time.Time
}

// Engine runs turns durably. It implements loop.Engine.
type Engine struct {
	cfg   Config
	funcs loop.EffectFuncs
	slots *slots
	// launched is closed when Launch has returned; closed ends what runs beside.
	launched, closed chan struct{}
	beside           sync.WaitGroup
	// told is when keepSaving, to which it belongs, last said that steps could not be
	// recorded; zero while they can.
	told time.Time
	// solo is held by the one turn that is run alone.
	solo chan struct{}

	mu sync.Mutex
	// carrier is the name under which this process carries turns; term is its time
	// under that name.
	carrier string
	term    *term
	turns   map[string]*carried
	wakes   timers
	// rewake is told when the first of the wakes may have changed.
	rewake chan struct{}
}

// term is the time of this process under one name.
type term struct {
	ctx    context.Context //nolint:containedctx // it is what ends the runs of the term
	cancel context.CancelFunc
	runs   sync.WaitGroup
	// leave ends its part among the replicas; nil when there are none.
	leave func(ctx context.Context) error
	// installed is closed when the process carries turns under the name.
	installed chan struct{}
	// over says that another term follows, or will.
	over bool
}

// carried is a turn this process looks after: running, or parked.
type carried struct {
	start loop.Start
	// active says that it runs or is about to.
	active bool
	// woken says that something came for it while it ran, revived that it was set
	// aside and is to run again before its run has let go of it.
	woken, revived bool
	// until is when a parked turn has something to do, zero for not by itself.
	until time.Time
	place int // in wakes, from 1; 0 for not there
	// tries, fresh and ran are those of the next run.
	tries      int
	fresh, ran bool
	// pending is what the run came to that is not recorded yet, nil without one.
	pending *loop.Pending
}

// New checks the settings; nothing runs before Launch.
func New(cfg Config) (*Engine, error) {
	if cfg.Store == nil {
		return nil, errors.New("journal: Store is required")
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.Clock == nil {
		cfg.Clock = time.Now //nolint:forbidigo // the engine's one clock
	}
	if cfg.Slots <= 0 {
		cfg.Slots = 256
	}
	return &Engine{
		cfg: cfg, slots: newSlots(cfg.Slots, cfg.Clock), launched: make(chan struct{}), closed: make(chan struct{}),
		turns: map[string]*carried{}, rewake: make(chan struct{}, 1), solo: make(chan struct{}, 1),
	}, nil
}

// Backlog tells what waits to be begun, for whoever decides whether more is taken.
func (e *Engine) Backlog(ws agent.WorkspaceID) admission.Backlog {
	return e.slots.waiting(string(ws))
}

// Busy counts the turns that are worked on, and how many may be at once.
func (e *Engine) Busy() (now, most int) { return e.slots.busy() }

// Idle tells since when no turn has been worked on, and whether that is so now. The
// time is zero when none was since the process began.
func (e *Engine) Idle() (since time.Time, ok bool) { return e.slots.idle() }

// Launch starts the engine and takes over the turns that former processes left.
// In a store of one process the caller makes sure that it is the one.
func (e *Engine) Launch(ctx context.Context, funcs loop.EffectFuncs) error {
	e.funcs = funcs
	if err := e.begin(ctx); err != nil {
		return err
	}
	e.beside.Go(e.keepTime)
	e.beside.Go(e.keepSaving)
	e.beside.Go(e.keepLooking)
	close(e.launched)
	return ctx.Err()
}

// begin starts a term under a name of its own.
func (e *Engine) begin(ctx context.Context) error {
	t, name := &term{installed: make(chan struct{})}, "sous-"+rand.Text()[:12]
	t.ctx, t.cancel = context.WithCancel(context.WithoutCancel(ctx))
	if e.cfg.Replicas == nil {
		e.install(name, t)
		return e.adopt(ctx)
	}
	leave, err := e.cfg.Replicas.Join(ctx, loop.Member{
		ID: name, Signal: e.Wake, Changed: e.changed,
		Gone: func(ctx context.Context, carrier string) error { return e.gone(ctx, t, carrier) },
		Lost: func() { e.lost(t) },
	})
	if err != nil {
		t.cancel()
		return fmt.Errorf("durable turns: %w", err)
	}
	t.leave = leave
	// Those that live are left alone; what nobody carries is ours.
	others, err := e.cfg.Store.Carriers(ctx)
	if err == nil {
		err = e.cfg.Replicas.Abandon(ctx, others...)
	}
	if err == nil {
		e.install(name, t)
		err = e.adopt(ctx, "")
	}
	if err != nil {
		e.mu.Lock()
		t.over = true
		e.mu.Unlock()
		t.cancel()
		return errors.Join(fmt.Errorf("durable turns: %w", err), leave(ctx))
	}
	return nil
}

func (e *Engine) install(name string, t *term) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.carrier, e.term = name, t
	close(t.installed)
}

// Carrier implements loop.Engine.
func (e *Engine) Carrier() string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.carrier
}

// adopt takes over the turns of carriers that are gone; of all when none is named.
func (e *Engine) adopt(ctx context.Context, from ...string) error {
	all, err := e.cfg.Store.Adopt(ctx, e.Carrier(), from...)
	if err != nil {
		return fmt.Errorf("take over interrupted turns: %w", err)
	}
	running := 0
	for _, c := range all {
		if c.Status == agent.TurnRunning {
			running++
		}
	}
	if running > 0 {
		e.cfg.Log.InfoContext(ctx, "taking over interrupted turns", slog.Int("count", running))
	}
	for _, c := range all {
		switch {
		case c.Status == agent.TurnWaiting && !c.Ready:
			e.park(c.Start, c.Wake)
		case c.Tries >= MaxTries:
			e.setAside(c)
		default:
			e.schedule(c.Start, work{tries: c.Tries, ran: c.Status == agent.TurnRunning})
		}
	}
	return nil
}

// Start implements loop.Engine.
func (e *Engine) Start(_ context.Context, s loop.Start) error {
	e.schedule(s, work{fresh: s.Request != nil, begun: true, ran: s.Request == nil})
	return nil
}

// work says how a turn is to be run.
type work struct {
	// fresh says that nothing of it has been recorded, tries how many processes
	// ended while they ran it.
	fresh bool
	tries int
	// woken says that something came for it: then it does not wait behind new ones.
	woken bool
	// ran says that the store has it as running, begun that it was not the engine
	// that found it there.
	ran, begun bool
}

// schedule has a turn run, unless it does already.
func (e *Engine) schedule(s loop.Start, w work) {
	e.mu.Lock()
	defer e.mu.Unlock()
	select {
	case <-e.closed:
		return
	default:
	}
	c := e.turns[s.Turn]
	if c == nil {
		c = &carried{start: s}
		e.turns[s.Turn] = c
	}
	if c.active {
		c.woken, c.revived = c.woken || w.woken, c.revived || w.begun
		return
	}
	c.active, c.fresh, c.tries, c.ran = true, w.fresh, w.tries, w.ran
	e.wakes.remove(c)
	t := e.term
	t.runs.Add(1)
	e.slots.enter(t.ctx, s.Workspace, w.woken, func(err error) {
		defer t.runs.Done()
		if err != nil {
			e.forget(c)
			return
		}
		e.carry(t, c)
	})
}

// forget drops a turn this process has nothing more to do with, and reports whether
// somebody who looked at it has had it run again meanwhile.
func (e *Engine) forget(c *carried) (again bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.turns[c.start.Turn] == c {
		delete(e.turns, c.start.Turn)
	}
	return c.revived
}

// park notes that a turn waits, and until when.
func (e *Engine) park(s loop.Start, until time.Time) {
	e.mu.Lock()
	defer e.mu.Unlock()
	s.Request = nil
	c := e.turns[s.Turn]
	if c == nil {
		c = &carried{}
		e.turns[s.Turn] = c
	}
	c.start, c.active, c.until, c.pending = s, false, until, nil
	e.wakes.put(c)
	e.ring()
}

// Wake implements loop.Engine: a signal for the turn was stored; "" stands for
// every turn, since some of what was said may have been missed.
func (e *Engine) Wake(turn string) {
	if turn == "" {
		e.wakeReady()
		return
	}
	e.mu.Lock()
	c := e.turns[turn]
	if c == nil {
		e.mu.Unlock()
		return
	}
	if c.active {
		c.woken = true
		if c.start.Request != nil {
			c.start.Request.News.Store(true)
		}
		e.mu.Unlock()
		return
	}
	s := c.start
	e.mu.Unlock()
	e.schedule(s, work{woken: true})
}

// wakeReady looks for parked turns of which a signal was missed.
func (e *Engine) wakeReady() {
	e.mu.Lock()
	for _, c := range e.turns {
		if c.active && c.start.Request != nil {
			c.woken = true
			c.start.Request.News.Store(true)
		}
	}
	t, carrier := e.term, e.carrier
	e.mu.Unlock()
	if t == nil {
		return
	}
	ready, err := e.cfg.Store.Ready(t.ctx, carrier)
	switch {
	case err != nil && t.ctx.Err() != nil: // it ends, and so does this question
		return
	case err != nil:
		e.cfg.Log.WarnContext(t.ctx, "parked turns not looked at", slog.Any("err", err))
		return
	}
	for _, s := range ready {
		e.Wake(s.Turn)
	}
}

// ring has keepTime look at the first wake again; e.mu is held.
func (e *Engine) ring() {
	select {
	case e.rewake <- struct{}{}:
	default:
	}
}

// keepTime wakes parked turns whose time has come.
func (e *Engine) keepTime() {
	for {
		next := time.Hour
		e.mu.Lock()
		now := e.cfg.Clock()
		var due []loop.Start
		for c := e.wakes.first(); c != nil; c = e.wakes.first() {
			if wait := c.until.Sub(now); wait > 0 {
				// A clock that is moved is noticed within the hour.
				next = min(next, wait)
				break
			}
			e.wakes.remove(c)
			due = append(due, c.start)
		}
		e.mu.Unlock()
		for _, s := range due {
			e.schedule(s, work{woken: true})
		}
		timer := time.NewTimer(next)
		select {
		case <-e.closed:
			timer.Stop()
			return
		case <-e.rewake:
		case <-timer.C:
		}
		timer.Stop()
	}
}

// Drain waits until no turn is worked on, at most until ctx is done: those that
// have not begun stay for the next process, and those that are parked too.
func (e *Engine) Drain(ctx context.Context) {
	e.slots.close()
	e.mu.Lock()
	t := e.term
	e.mu.Unlock()
	if t == nil {
		return
	}
	done := make(chan struct{})
	go func() { t.runs.Wait(); close(done) }()
	select {
	case <-done:
	case <-ctx.Done():
	}
}

// Close stops the engine. Turns in flight stay as they are and go on in the next
// process; Close waits for their steps to return, at most the timeout.
func (e *Engine) Close(timeout time.Duration) error {
	e.mu.Lock()
	close(e.closed)
	t, carrier := e.term, e.carrier
	e.mu.Unlock()
	e.slots.close()
	e.beside.Wait()
	if t == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	err := e.end(ctx, t)
	if err == nil {
		err = e.cfg.Store.GiveBack(ctx, carrier)
	}
	if t.leave != nil {
		err = errors.Join(err, t.leave(ctx))
	}
	if err != nil {
		return fmt.Errorf("stop durable turns: %w", err)
	}
	return nil
}

// end stops the runs of a term.
func (e *Engine) end(ctx context.Context, t *term) error {
	t.cancel()
	done := make(chan struct{})
	go func() { t.runs.Wait(); close(done) }()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return errors.New("some turns did not let go in time")
	}
}
