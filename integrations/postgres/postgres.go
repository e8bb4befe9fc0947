// Package postgres keeps everything Sous remembers in PostgreSQL: the store of
// teams and of several replicas. It keeps the promises the embedded store keeps,
// checked by the same suites.
//
// A workspace's rows are guarded twice: by the condition in every query and by
// row-level security. Role, schema and workspace are set for one transaction at
// a time, so nothing of them stays on a connection that goes back to the pool
// or to a pooler in between.
package postgres

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	mathrand "math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/agent/loop"
	"github.com/sous-hq/sous/agent/pause"
	"github.com/sous-hq/sous/tools"
)

var _ loop.Store = (*DB)(nil)

// Config says where the store is.
type Config struct {
	// URL names the database and the user that owns Sous's tables in it, as
	// libpq takes it; pool_max_conns and the like are pgxpool's. The user must
	// own the database or may create schemas in it; see roles.sql.
	URL string
	// Keys is the folder of the keys that seal and sign the audit record. Every
	// replica needs the same. They are made for a new store. Without the keys it
	// was written with a store can be read, but nothing can be recorded.
	Keys string
	// Clock stamps what is recorded; nil is the system's clock.
	Clock func() time.Time
	// Log hears of what the store does by itself; nil for nobody.
	Log *slog.Logger
	// Home names, in capital letters and digits, a place that one process at a time can
	// hold and that this one holds: whoever was there before is gone for sure, and its
	// turns are taken over at once; "" when nothing is known of that.
	Home string
	// Version is what runs here, as the other replicas are told it.
	Version string
	// Patience is how long a transaction waits for a connection when all are busy; 0
	// for 10 s.
	Patience time.Duration
	// Beat is how often a replica shows that it lives, Silence how long it may show
	// nothing before others take its turns over; 0 for 2 s and 6 s. All replicas need
	// the same.
	Beat, Silence time.Duration
	// News hears what another replica spread; "" means that some may have been missed.
	// It returns at once; nil for nobody.
	News func(what string)
	// Left is called when this process has taken over from one that is gone, whose leases
	// are free then, or is back after it was gone itself. It returns at once; nil for
	// nobody.
	Left func()
	// Settings are digests, by name, of what this process works by, told to the others
	// with each beat; nil for none.
	Settings func() map[string]string
}

// DB is an open store. It is safe for concurrent use.
type DB struct {
	pool  *pgxpool.Pool
	clock func() time.Time
	log   *slog.Logger
	keys  auditKeys
	// process names this one in what it tells others, version what it runs.
	process, version, home       string
	patience, beatEvery, silence time.Duration
	news                         func(what string)
	left                         func()
	// beaten is when the others last saw this process; nil while it has joined nobody.
	beaten    atomic.Pointer[beat]
	settings  func() map[string]string
	succeeded atomic.Bool
	// fullAt is when a write last found no room, in nanoseconds; 0 for never.
	fullAt atomic.Int64
	// recorded counts the audit rows this process wrote.
	recorded atomic.Int64
	heads    heads
	writers  writers
	// gathered counts how often statistics were gathered; beside is what runs beside
	// the work, until life ends.
	gathered atomic.Int32
	beside   sync.WaitGroup
	life     context.Context //nolint:containedctx // it ends with the store
	die      context.CancelFunc
	pauses   *pause.Watch
}

// Open connects and brings the schema up to date. A schema newer than this
// version can work with is a Conflict; a database that cannot be used is
// Unavailable.
func Open(ctx context.Context, c Config) (*DB, error) {
	if c.URL == "" || c.Keys == "" {
		return nil, errors.New("open store: URL and Keys are required")
	}
	if c.Clock == nil {
		c.Clock = time.Now //nolint:forbidigo // the one place the store gets its clock
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	pc, err := poolConfig(c.URL)
	if err != nil {
		return nil, err
	}
	process := rand.Text()
	if c.Home != "" {
		process = c.Home + "." + process
	}
	pc.ConnConfig.RuntimeParams["application_name"] = connName(process)
	pool, err := pgxpool.NewWithConfig(ctx, pc)
	if err != nil {
		return nil, atStart(pc.ConnConfig, fmt.Errorf("open store: %w", err))
	}
	d := &DB{
		pool: pool, clock: c.Clock, log: c.Log, process: process, version: c.Version, home: c.Home,
		patience: cmp.Or(c.Patience, acquireTime), beatEvery: cmp.Or(c.Beat, beatEvery), silence: cmp.Or(c.Silence, silence), news: c.News, left: c.Left, settings: c.Settings,
	}
	d.life, d.die = context.WithCancel(context.WithoutCancel(ctx))
	if err := d.start(ctx, c.Keys); err != nil {
		pool.Close()
		return nil, atStart(pc.ConnConfig, err)
	}
	return d, nil
}

func (d *DB) start(ctx context.Context, keys string) error {
	if err := d.migrate(ctx); err != nil {
		return err
	}
	if err := d.openKeys(ctx, keys); err != nil {
		return err
	}
	var err error
	d.pauses, err = pause.NewWatch(d.Pauses, d.clock)
	return err
}

// pingTime is how long Ping waits for an answer.
const pingTime = 5 * time.Second

// fullFor is how long the disk counts as full after a write found no room there.
const fullFor = 15 * time.Second

// Ping reports whether the store can be written, by writing what is there already. That
// takes no room, so a write that lately found none counts as well.
func (d *DB) Ping(ctx context.Context) error {
	// A clock that was set back must not make it full for hours.
	if gone := d.clock().Sub(time.Unix(0, d.fullAt.Load())); gone >= 0 && gone < fullFor {
		return agent.Errorf(agent.Unavailable, textFull)
	}
	ctx, cancel := context.WithTimeout(ctx, pingTime)
	defer cancel()
	return d.transact(ctx, begin("begin", roleApp, ""), func(tx pgx.Tx) error {
		_, err := tx.Exec(ctx, `UPDATE keyring_check SET id = id`)
		return err
	})
}

// connName is how the connections of a process show in pg_stat_activity.
func connName(process string) string { return "sous " + process }

// Close closes the store.
func (d *DB) Close() error {
	d.die()
	d.beside.Wait()
	d.pool.Close()
	return nil
}

// now is the time as the store keeps it: UTC, whole microseconds.
func (d *DB) now() time.Time { return stored(d.clock()) }

func stored(t time.Time) time.Time {
	if t.IsZero() {
		return time.Time{}
	}
	return t.UTC().Truncate(time.Microsecond)
}

// The roles a transaction runs under, see migrations/0001_core.sql.
const (
	roleApp     = "sous_app"
	roleWatch   = "sous_watch"
	roleAuditor = "sous_auditor"
)

// read runs f in one read-only transaction in the workspace.
func (d *DB) read(ctx context.Context, ws agent.WorkspaceID, f func(tx pgx.Tx) error) error {
	return d.transact(ctx, begin(beginRead, roleApp, ws), f)
}

// reads reads with all the queries in one transaction in the workspace, in one round
// trip.
func (d *DB) reads(ctx context.Context, ws agent.WorkspaceID, queries ...func(b *pgx.Batch)) error {
	return d.read(ctx, ws, func(tx pgx.Tx) error {
		for _, q := range queries {
			q(tx.(*txn).batch)
		}
		return nil
	})
}

// watch runs f in one read-only transaction that sees, in every workspace, what
// a process has to look after.
func (d *DB) watch(ctx context.Context, f func(tx pgx.Tx) error) error {
	return d.transact(ctx, begin(beginRead, roleWatch, ""), f)
}

// transactTries is how often a transaction is begun anew that the database gave
// up to let another one through.
const transactTries = 6

// transact runs f in a transaction, again when the database could not order it
// among others; f must not mind.
func (d *DB) transact(ctx context.Context, o opening, f func(tx pgx.Tx) error) error {
	for try := 1; ; try++ {
		err := d.transactOnce(ctx, o, f)
		if err == nil || try == transactTries || !outOfOrder(err) {
			return tools.Again(publicError(err))
		}
		// Apart from each other, or the same happens again.
		rest(ctx, time.Duration(try)*time.Millisecond*time.Duration(1+mathrand.IntN(10)))
	}
}

// transactOnce runs f in a transaction, on another connection when the one at hand
// turned out to be dead before anything was done on it.
func (d *DB) transactOnce(ctx context.Context, o opening, f func(tx pgx.Tx) error) error {
	o.late = o.raw == "" && (!o.lock || d.heads.has(o.ws))
	for dead := int32(0); ; dead++ {
		tx, release, err := d.begin(ctx, o)
		if err != nil {
			return err
		}
		err = d.conclude(ctx, tx, f)
		release()
		if diskFull(err) {
			d.fullAt.Store(d.clock().UnixNano())
		}
		if !tx.lost || ctx.Err() != nil || dead > d.pool.Config().MaxConns {
			return err
		}
		o.late = false
	}
}

// conclude does the work of a transaction and ends it.
func (d *DB) conclude(ctx context.Context, tx *txn, f func(tx pgx.Tx) error) error {
	if err := f(tx); err != nil {
		// The caller may be gone; the connection is to come back clean all the same.
		end, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		_ = tx.Rollback(end)
		return err
	}
	if err := tx.Commit(ctx); err != nil {
		if tx.ws != "" && !tx.lost {
			return unsure(err)
		}
		return err
	}
	d.heads.keep(tx)
	d.grown()
	return nil
}

// storable returns text as the database can keep it: it takes neither NUL nor
// what is no UTF-8.
func storable(s string) string {
	return strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "\x00", "\uFFFD")
}
