// Package dbos carries turns on DBOS Transact: a library that checkpoints each
// step of a function in the database the rest of Sous uses, so a turn survives
// a crash and goes on where it was.
//
// Only DBOS's public MIT-licensed API is used. Three of its defaults are unsafe
// here and are overridden: the executor id (the same in every process), the
// application version (a hash of the binary, so a new build would orphan every
// parked turn) and the recovery limit (a turn parked for weeks may well see a
// hundred restarts).
package dbos

import (
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"sync"
	"sync/atomic"
	"time"

	"github.com/dbos-inc/dbos-transact-golang/dbos"
	_ "github.com/dbos-inc/dbos-transact-golang/dbos/driver/sqlite" // the SQLite dialect

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/agent/loop"
)

// version names the shape of the turn's workflow. It changes only when stored
// turns can no longer be replayed; additions go through dbos.Patch.
const version = "turn-1"

// workflowName is what stored turns call their function.
const workflowName = "turn"

// Config is what the engine needs; all fields but Log and Clock are required.
type Config struct {
	// SQLite is the store's handle; the engine keeps its tables beside ours.
	SQLite *sql.DB
	// Signals is where signals to parked turns are stored.
	Signals loop.Signals
	Limits  loop.Limits
	Log     *slog.Logger
	Clock   func() time.Time
}

// Engine runs turns durably. It implements loop.Engine.
type Engine struct {
	cfg      Config
	dbos     dbos.Context
	executor string
	funcs    loop.EffectFuncs
	// closing mutes DBOS: its pollers report the cancellation that Close is.
	closing *atomic.Bool

	mu      sync.Mutex
	waiting map[string]chan struct{}
}

// New prepares an engine and its tables; nothing runs before Launch.
func New(ctx context.Context, cfg Config) (*Engine, error) {
	if cfg.SQLite == nil || cfg.Signals == nil {
		return nil, errors.New("dbos: SQLite and Signals are required")
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.Clock == nil {
		cfg.Clock = time.Now //nolint:forbidigo // the engine's one clock
	}
	e := &Engine{
		cfg: cfg, executor: "sous-" + rand.Text()[:12],
		waiting: map[string]chan struct{}{}, closing: &atomic.Bool{},
	}
	c, err := dbos.NewContext(context.WithoutCancel(ctx), dbos.Config{
		AppName: "sous", SQLiteSystemDB: cfg.SQLite, ExecutorID: e.executor,
		ApplicationVersion: version, Logger: slog.New(quiet{cfg.Log.Handler(), e.closing}),
	})
	if err != nil {
		return nil, fmt.Errorf("durable engine: %w", err)
	}
	e.dbos = c
	dbos.RegisterWorkflow(c, e.turn,
		dbos.WithWorkflowName(workflowName), dbos.WithMaxRecoveryAttempts(math.MaxInt32))
	return e, nil
}

// Launch starts the engine and takes over the turns that former processes left.
// The caller holds the data directory's lock, so no other process runs them.
func (e *Engine) Launch(ctx context.Context, funcs loop.EffectFuncs) error {
	e.funcs = funcs
	if err := e.adopt(); err != nil {
		return err
	}
	if err := dbos.Launch(e.dbos); err != nil {
		return fmt.Errorf("launch durable engine: %w", err)
	}
	return ctx.Err()
}

// adopt resumes the turns of executors that are gone.
func (e *Engine) adopt() error {
	left, err := dbos.ListWorkflows(e.dbos,
		dbos.WithFilterStatus(dbos.WorkflowStatusPending), dbos.WithFilterName(workflowName),
		dbos.WithFilterLoadInput(false), dbos.WithFilterLoadOutput(false))
	if err != nil {
		return fmt.Errorf("list interrupted turns: %w", err)
	}
	ids := make([]string, 0, len(left))
	for _, w := range left {
		if w.ExecutorID != e.executor {
			ids = append(ids, w.ID)
		}
	}
	if len(ids) == 0 {
		return nil
	}
	e.cfg.Log.Info("taking over interrupted turns", slog.Int("count", len(ids)))
	if _, err := dbos.ResumeWorkflows[loop.Result](e.dbos, ids); err != nil {
		return fmt.Errorf("resume interrupted turns: %w", err)
	}
	return nil
}

// Start begins a turn; an id that is known already starts nothing.
func (e *Engine) Start(_ context.Context, s loop.Start) error {
	_, err := dbos.RunWorkflow(e.dbos, e.turn, s, dbos.WithWorkflowID(s.Turn))
	if err != nil {
		return fmt.Errorf("start turn: %w", err)
	}
	return nil
}

// Wake makes a parked turn look at its inbox.
func (e *Engine) Wake(turn string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if ch := e.waiting[turn]; ch != nil {
		close(ch)
		delete(e.waiting, turn)
	}
}

// Close stops the engine. Turns in flight stay as they are and go on in the
// next process; Close waits for their steps to return, at most the timeout.
func (e *Engine) Close(timeout time.Duration) error {
	e.closing.Store(true)
	if err := dbos.Shutdown(e.dbos, timeout); err != nil {
		return fmt.Errorf("stop durable engine: %w", err)
	}
	return nil
}

func (e *Engine) turn(ctx dbos.Context, in loop.Start) (loop.Result, error) {
	r := &run{engine: e, ctx: ctx, id: in.Turn, ws: agent.WorkspaceID(in.Workspace), seen: map[string]int{}}
	return loop.Turn(r, in, e.cfg.Limits)
}

// run is loop.Run over one DBOS workflow.
type run struct {
	engine *Engine
	ctx    dbos.Context
	id     string
	ws     agent.WorkspaceID
	// seen counts the signals received, by topic.
	seen map[string]int
}

// ID implements loop.Run.
func (r *run) ID() string { return r.id }

// Do implements loop.Run: one checkpointed step.
func (r *run) Do(effect string, in, out any) error {
	f := r.engine.funcs[effect]
	if f == nil {
		return fmt.Errorf("there is no effect %q", effect)
	}
	raw, err := json.Marshal(in)
	if err != nil {
		return fmt.Errorf("encode input of %s: %w", effect, err)
	}
	got, err := dbos.RunAsStep(r.ctx, func(ctx context.Context) (string, error) {
		b, err := r.engine.persist(ctx, effect, func(ctx context.Context) (json.RawMessage, error) { return f(ctx, raw) })
		return string(b), err
	}, dbos.WithStepName(effect))
	if err != nil || out == nil {
		return err
	}
	return json.Unmarshal([]byte(got), out)
}

// Await implements loop.Run. The step returns when the signal is in the store;
// which one it is follows from how many came before, so a replay sees the same.
func (r *run) Await(topic string, until time.Time) (loop.Signal, error) {
	n := r.seen[topic] + 1
	got, err := dbos.RunAsStep(r.ctx, func(ctx context.Context) (loop.Signal, error) {
		return r.receive(ctx, topic, n, until)
	}, dbos.WithStepName("await "+topic))
	if err == nil && got.Type != loop.SignalTimeout {
		r.seen[topic] = n
	}
	return got, err
}

// receive waits for the n-th signal of the turn.
func (r *run) receive(ctx context.Context, topic string, n int, until time.Time) (loop.Signal, error) {
	e := r.engine
	timer := time.NewTimer(until.Sub(e.cfg.Clock()))
	defer timer.Stop()
	for {
		woken := e.await(r.id)
		raw, err := e.persist(ctx, "receive", func(ctx context.Context) (json.RawMessage, error) {
			s, ok, err := e.cfg.Signals.Received(ctx, r.ws, r.id, topic, n)
			if err != nil || !ok {
				return nil, err
			}
			return json.Marshal(s)
		})
		if err != nil {
			return loop.Signal{}, err
		}
		if raw != nil {
			var s loop.Signal
			return s, json.Unmarshal(raw, &s)
		}
		select {
		case <-woken:
		case <-timer.C:
			return loop.Signal{Type: loop.SignalTimeout}, nil
		case <-ctx.Done():
			return loop.Signal{}, ctx.Err()
		}
	}
}

// await returns the channel that the next Wake of the turn closes.
func (e *Engine) await(turn string) <-chan struct{} {
	e.mu.Lock()
	defer e.mu.Unlock()
	ch := e.waiting[turn]
	if ch == nil {
		ch = make(chan struct{})
		e.waiting[turn] = ch
	}
	return ch
}

// persist retries f while its failure may pass: for ever when the store or a
// dependency is away (giving up would lose an accepted turn), a few times when
// nobody knows what the error means.
func (e *Engine) persist(ctx context.Context, what string, f func(context.Context) (json.RawMessage, error)) (json.RawMessage, error) {
	wait := 50 * time.Millisecond
	for attempt := 1; ; attempt++ {
		out, err := f(ctx)
		if err == nil || ctx.Err() != nil {
			return out, err
		}
		kind := agent.KindOf(err)
		if kind != agent.Unavailable && (kind != agent.Internal || attempt >= 4) {
			return nil, err
		}
		e.cfg.Log.WarnContext(ctx, "step failed; trying again",
			slog.String("step", what), slog.Int("attempt", attempt), slog.Any("err", err))
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(wait):
		}
		wait = min(wait*2, 5*time.Second)
	}
}

// quiet lets only DBOS's warnings and errors through: its start-up notes would
// drown a terminal.
type quiet struct {
	slog.Handler
	closing *atomic.Bool
}

// Enabled implements slog.Handler.
func (q quiet) Enabled(ctx context.Context, l slog.Level) bool {
	return l >= slog.LevelWarn && !q.closing.Load() && q.Handler.Enabled(ctx, l)
}

// WithAttrs implements slog.Handler.
func (q quiet) WithAttrs(a []slog.Attr) slog.Handler {
	return quiet{q.Handler.WithAttrs(a), q.closing}
}

// WithGroup implements slog.Handler.
func (q quiet) WithGroup(name string) slog.Handler {
	return quiet{q.Handler.WithGroup(name), q.closing}
}
