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
	"errors"
	"fmt"
	"log/slog"
	"math"
	"sync"
	"sync/atomic"
	"time"

	"github.com/dbos-inc/dbos-transact-golang/dbos"
	_ "github.com/dbos-inc/dbos-transact-golang/dbos/driver/sqlite" // the SQLite dialect
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/sous-hq/sous/agent/loop"
)

// version names the shape of the turn's workflow. It changes only when stored
// turns can no longer be replayed; additions go through dbos.Patch.
const version = "turn-1"

// workflowName is what stored turns call their function.
const workflowName = "turn"

// schema is where the engine's tables are in PostgreSQL.
const schema = "sous_turns"

// startTime is how long the engine's tables may take to be there.
const startTime = 30 * time.Second

// Config is what the engine needs: Signals, Limits and SQLite, or else Postgres
// with Replicas.
type Config struct {
	// SQLite is the embedded store's handle; the engine keeps its tables beside ours.
	SQLite *sql.DB
	// Postgres opens connections for the engine alone, which closes them. The tables
	// are in a schema of their own, sous_turns, and several processes share them.
	Postgres func(ctx context.Context) (*pgxpool.Pool, error)
	// Replicas are those processes.
	Replicas loop.Replicas
	// Recover starts what a process that is gone accepted and did not start; Changed
	// hears of turns that others changed, "" standing for any. Both may be nil and
	// are not called before Launch has returned.
	Recover func(ctx context.Context) error
	Changed func(turn string)
	// Signals is where signals to parked turns are stored.
	Signals loop.Signals
	Limits  loop.Limits
	Log     *slog.Logger
	Clock   func() time.Time
}

// Engine runs turns durably. It implements loop.Engine.
type Engine struct {
	cfg   Config
	funcs loop.EffectFuncs

	// life is held for writing while the engine begins anew.
	life sync.RWMutex
	part *part
	// launched is closed when Launch has returned; closed, under mu, ends what runs
	// beside.
	launched, closed chan struct{}
	beside           sync.WaitGroup

	mu      sync.Mutex
	waiting map[string]chan struct{}
}

// part is the engine under one name. A process that others took for gone goes on
// under another.
type part struct {
	*Engine
	executor string
	dbos     dbos.Context
	// closing mutes DBOS: its pollers report the cancellation that Close is.
	closing *atomic.Bool
	// leave ends its part among the replicas; nil when there are none.
	leave func(ctx context.Context) error
	// replaced is closed when another part has taken its place.
	replaced chan struct{}
}

// New prepares an engine and its tables; nothing runs before Launch.
func New(ctx context.Context, cfg Config) (*Engine, error) {
	if (cfg.SQLite == nil) == (cfg.Postgres == nil) || (cfg.Postgres == nil) != (cfg.Replicas == nil) || cfg.Signals == nil {
		return nil, errors.New("dbos: Signals and either SQLite or Postgres with Replicas are required")
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.Clock == nil {
		cfg.Clock = time.Now //nolint:forbidigo // the engine's one clock
	}
	e := &Engine{cfg: cfg, waiting: map[string]chan struct{}{}, launched: make(chan struct{}), closed: make(chan struct{})}
	begin := func() (err error) {
		e.part, err = e.begin(ctx)
		return err
	}
	if cfg.Replicas == nil {
		return e, begin()
	}
	// DBOS brings its tables up to date without a lock of its own.
	return e, cfg.Replicas.Alone(ctx, begin)
}

// begin prepares the engine under a name of its own.
func (e *Engine) begin(ctx context.Context) (*part, error) {
	p := &part{Engine: e, executor: "sous-" + rand.Text()[:12], closing: &atomic.Bool{}, replaced: make(chan struct{})}
	c := dbos.Config{
		AppName: "sous", SQLiteSystemDB: e.cfg.SQLite, DatabaseSchema: schema, ExecutorID: p.executor,
		ApplicationVersion: version, Logger: slog.New(quiet{e.cfg.Log.Handler(), p.closing}),
		SystemDBStartupTimeout: startTime,
	}
	if e.cfg.Postgres != nil {
		var err error
		if c.SystemDBPool, err = e.cfg.Postgres(ctx); err != nil {
			return nil, fmt.Errorf("durable engine: %w", err)
		}
	}
	var err error
	if p.dbos, err = dbos.NewContext(context.WithoutCancel(ctx), c); err != nil {
		if c.SystemDBPool != nil {
			c.SystemDBPool.Close()
		}
		return nil, fmt.Errorf("durable engine: %w", err)
	}
	dbos.RegisterWorkflow(p.dbos, p.turn,
		dbos.WithWorkflowName(workflowName), dbos.WithMaxRecoveryAttempts(math.MaxInt32))
	return p, nil
}

// Launch starts the engine and takes over the turns that former processes left.
// On SQLite the caller holds the data directory, so no other process runs them.
func (e *Engine) Launch(ctx context.Context, funcs loop.EffectFuncs) error {
	e.funcs = funcs
	if err := e.part.launch(ctx); err != nil {
		return err
	}
	close(e.launched)
	return ctx.Err()
}

func (p *part) launch(ctx context.Context) error {
	left, err := p.others()
	if err != nil {
		return err
	}
	if p.cfg.Replicas == nil {
		err = p.adopt(left...)
	} else if err = p.join(ctx); err == nil {
		// Those that live are left alone.
		err = p.cfg.Replicas.Abandon(ctx, left...)
	}
	if err != nil {
		return err
	}
	if err := dbos.Launch(p.dbos); err != nil {
		return fmt.Errorf("launch durable engine: %w", err)
	}
	return nil
}

// Start begins a turn; an id that is known already starts nothing.
func (e *Engine) Start(ctx context.Context, s loop.Start) error {
	for {
		e.life.RLock()
		p := e.part
		_, err := dbos.RunWorkflow(p.dbos, p.turn, s, dbos.WithWorkflowID(s.Turn))
		e.life.RUnlock()
		switch {
		case err == nil:
			return nil
		case !p.closing.Load() || e.ended():
			return fmt.Errorf("start turn: %w", err)
		}
		// This process goes on under another name in a moment.
		select {
		case <-p.replaced:
		case <-e.closed:
			return fmt.Errorf("start turn: %w", err)
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// Wake makes a parked turn look at its inbox; "" makes all of them.
func (e *Engine) Wake(turn string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if turn != "" {
		e.wake(turn)
		return
	}
	for id := range e.waiting {
		e.wake(id)
	}
}

// wake is Wake for one turn; e.mu is held.
func (e *Engine) wake(turn string) {
	if ch := e.waiting[turn]; ch != nil {
		close(ch)
		delete(e.waiting, turn)
	}
}

// Close stops the engine. Turns in flight stay as they are and go on in the
// next process; Close waits for their steps to return, at most the timeout.
func (e *Engine) Close(timeout time.Duration) error {
	e.mu.Lock()
	close(e.closed)
	e.mu.Unlock()
	e.beside.Wait()
	// From here on nobody but Close changes the part. It is not held: taking over
	// from others goes on until this process leaves them.
	err := e.part.end(timeout)
	if e.part.leave != nil {
		ctx, cancel := context.WithTimeout(context.Background(), timeout)
		defer cancel()
		err = errors.Join(err, e.part.leave(ctx))
	}
	return err
}

func (p *part) end(timeout time.Duration) error {
	p.closing.Store(true)
	if err := dbos.Shutdown(p.dbos, timeout); err != nil {
		return fmt.Errorf("stop durable engine: %w", err)
	}
	return nil
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
