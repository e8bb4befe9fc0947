package postgres

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/agent/loop"
)

var _ loop.Replicas = (*DB)(nil)

// How replicas know of each other. A turn whose replica died goes on elsewhere
// within the silence, one look and the engine's next poll: some eleven seconds.
const (
	beatEvery = 2 * time.Second
	silence   = 6 * time.Second
)

// replica is this process's part among those that share the database.
type replica struct {
	loop.Member
	db     *DB
	cancel context.CancelFunc
	done   chan struct{}
	// seen is when the others last saw this process.
	seen time.Time
	// taking is set while turns are taken over.
	taking atomic.Bool
	busy   sync.WaitGroup
	// told is when it was last said that the others cannot be heard; zero while they are.
	told time.Time
}

// Join implements loop.Replicas.
func (d *DB) Join(ctx context.Context, m loop.Member) (func(context.Context) error, error) {
	if m.ID == "" || m.Gone == nil || m.Lost == nil {
		return nil, errors.New("join: ID, Gone and Lost are required")
	}
	if m.Signal == nil {
		m.Signal = func(string) {}
	}
	if m.Changed == nil {
		m.Changed = func(string) {}
	}
	if err := d.succeed(ctx); err != nil {
		return nil, publicError(fmt.Errorf("join the replicas: %w", err))
	}
	host, _ := os.Hostname()
	began := time.Now() //nolint:forbidigo // see replica.beat
	// Not between two steps of release: what is taken from now on stays.
	_, err := d.pool.Exec(ctx, `WITH l AS MATERIALIZED (SELECT pg_advisory_xact_lock(`+processLock+`))
		INSERT INTO sous.replicas (id, process, host, pid, version) SELECT $2, $1, $3, $4, $5 FROM l`, d.process, m.ID, host, os.Getpid(), d.version)
	if err != nil {
		return nil, publicError(fmt.Errorf("join the replicas: %w", err))
	}
	run, cancel := context.WithCancel(context.WithoutCancel(ctx))
	r := &replica{Member: m, db: d, cancel: cancel, done: make(chan struct{}), seen: began}
	if d.beaten.Swap(&beat{m.ID, began}) != nil && d.left != nil {
		d.left() // it was gone itself
	}
	go r.run(run)
	return r.leave, nil
}

// succeed marks who was at home here before as gone, once in a process's life: were
// the home a copy after all, the two would else take each other for gone for ever.
func (d *DB) succeed(ctx context.Context) error {
	if d.home == "" || d.succeeded.Swap(true) {
		return nil
	}
	_, err := d.pool.Exec(ctx, `UPDATE sous.replicas SET gone = true WHERE split_part(process, '.', 1) = $1 AND process LIKE '%.%' AND process <> $2`, d.home, d.process)
	if err != nil {
		d.succeeded.Store(false)
	}
	return err
}

func (r *replica) leave(ctx context.Context) error {
	r.cancel()
	<-r.done
	r.busy.Wait()
	_, err := r.db.pool.Exec(ctx, `UPDATE sous.replicas SET gone = true WHERE id = $1`, r.ID)
	return publicError(err)
}

// Abandon implements loop.Replicas.
func (d *DB) Abandon(ctx context.Context, ids ...string) error {
	if len(ids) == 0 {
		return nil
	}
	_, err := d.pool.Exec(ctx, `INSERT INTO sous.replicas (id, gone) SELECT DISTINCT unnest($1::text[]), true ON CONFLICT DO NOTHING`, ids)
	return publicError(err)
}

// Replica is a process that shares the database.
type Replica struct {
	ID      string    `json:"id"`
	Host    string    `json:"host"`
	PID     int       `json:"pid"`
	Version string    `json:"version"`
	Started time.Time `json:"started"`
	// Beat is when it last showed that it lives.
	Beat time.Time `json:"seen"`
	// Settings are digests, by name, of what it works by; a version that tells nothing
	// of one has no digest of it.
	Settings map[string]string `json:"settings,omitempty"`
}

// Disagreed returns the names of settings of which replicas tell different digests,
// in order.
func Disagreed(all []Replica) []string {
	seen, differ := map[string]string{}, map[string]bool{}
	for _, r := range all {
		for name, digest := range r.Settings {
			if was, ok := seen[name]; ok && was != digest {
				differ[name] = true
			}
			seen[name] = digest
		}
	}
	return slices.Sorted(maps.Keys(differ))
}

// Replicas lists the processes that carry turns on this database, oldest first.
func (d *DB) Replicas(ctx context.Context) ([]Replica, error) {
	all, err := every(ctx, d.pool, func(row sqlRow) (r Replica, err error) {
		err = row.Scan(&r.ID, &r.Host, &r.PID, &r.Version, &r.Started, &r.Beat, &r.Settings)
		return r, err
	}, `SELECT id, host, pid, version, started, beat, settings FROM sous.replicas WHERE NOT gone ORDER BY started`)
	return all, publicError(err)
}

// run shows life and listens, on a connection of its own, until ctx is done.
func (r *replica) run(ctx context.Context) {
	defer close(r.done)
	for ctx.Err() == nil {
		err := r.live(ctx)
		switch {
		case ctx.Err() != nil:
			return
		case errors.Is(err, loop.ErrTakenOver):
			r.db.log.WarnContext(ctx, "others took this process for gone", slog.String("replica", r.ID))
			go r.Lost()
			return
		}
		if time.Since(r.told) > tellAgain {
			r.told = time.Now() //nolint:forbidigo // see replica.beat
			r.db.log.WarnContext(ctx, "the other replicas cannot be heard; trying again", slog.Any("err", publicError(err)))
		}
		rest(ctx, r.db.beatEvery/4)
	}
}

// tellAgain is how long the log is spared a trouble that it knows.
const tellAgain = time.Minute

func rest(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

func (r *replica) live(ctx context.Context) error {
	starting, cancel := context.WithTimeout(ctx, connectTime)
	defer cancel()
	conn, err := r.connect(starting)
	if err != nil {
		return err
	}
	defer func() {
		ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		_ = conn.Close(ending)
	}()
	if time.Since(r.seen) > r.db.silence {
		// Cut off for so long, it counts as gone even when nobody was there to say so:
		// the engine has put its next tries off for minutes.
		_, err := conn.Exec(starting, `UPDATE sous.replicas SET gone = true WHERE id = $1`, r.ID)
		return errors.Join(loop.ErrTakenOver, err)
	}
	if _, err := conn.Exec(starting, `LISTEN sous`); err != nil {
		return err
	}
	// What was said while nobody listened.
	r.heard(ctx, notice{What: "signal"})
	r.heard(ctx, notice{What: "turn"})
	r.heard(ctx, notice{What: "pause"})
	r.heard(ctx, notice{What: "news"})
	for {
		if err := r.beat(ctx, conn); err != nil {
			return err
		}
		if !r.told.IsZero() {
			r.told = time.Time{}
			r.db.log.InfoContext(ctx, "the other replicas are heard again")
		}
		if err := r.listen(ctx, conn); err != nil {
			return err
		}
	}
}

// listen hears what the others say until it is time for a beat.
func (r *replica) listen(ctx context.Context, conn *pgx.Conn) error {
	until, cancel := context.WithTimeout(ctx, r.db.beatEvery)
	defer cancel()
	for {
		n, err := conn.WaitForNotification(until)
		switch {
		case err != nil && until.Err() != nil && ctx.Err() == nil && !conn.IsClosed():
			return nil
		case err != nil:
			return err
		}
		var said notice
		if err := json.Unmarshal([]byte(n.Payload), &said); err != nil {
			continue // nobody of ours
		}
		if said.What == "replica" {
			return nil
		}
		r.heard(ctx, said)
	}
}

// notice is what tell() of 0010_replicas.sql says.
type notice struct{ What, From, Turn string }

func (r *replica) heard(_ context.Context, n notice) {
	switch n.What {
	case "signal":
		r.Signal(n.Turn)
	case "turn":
		if n.From == "" || n.From != r.db.process {
			r.Changed(n.Turn)
		}
	case "pause":
		r.db.pauses.Forget()
	case "news":
		if r.db.news != nil && (n.From == "" || n.From != r.db.process) {
			r.db.news(n.Turn)
		}
	}
}

// maxNews is how much a notice carries; more is told as something that was missed.
const maxNews = 4000

// Spread tells the other replicas something short that each may have to forget what
// it remembers for. Whoever cannot hear it now hears later that it missed some.
func (d *DB) Spread(ctx context.Context, what string) error {
	if len(what) > maxNews {
		what = ""
	}
	_, err := d.pool.Exec(ctx, `SELECT pg_notify('sous', json_build_object('what', 'news', 'from', $1::text, 'turn', $2::text)::text)`, d.process, what)
	return publicError(err)
}

// beat shows that this process lives, and looks for those that do not.
func (r *replica) beat(ctx context.Context, conn *pgx.Conn) error {
	ctx, cancel := context.WithTimeout(ctx, r.db.silence/2)
	defer cancel()
	began := time.Now() //nolint:forbidigo // how long this process was silent, by no store's clock
	settings := map[string]string{}
	if r.db.settings != nil {
		settings = r.db.settings()
	}
	done, err := conn.Exec(ctx, `UPDATE sous.replicas SET beat = clock_timestamp(), settings = $2 WHERE id = $1 AND NOT gone`, r.ID, settings)
	switch {
	case err != nil:
		return err
	case done.RowsAffected() == 0:
		return loop.ErrTakenOver
	}
	r.seen = began
	r.db.beaten.Store(&beat{r.ID, began})
	dead, err := every(ctx, conn, scanText, `SELECT id FROM sous.replicas WHERE id <> $1
		AND (gone OR beat < clock_timestamp() - $2::interval) AND (taker = '' OR taken < clock_timestamp() - $2::interval)`, r.ID, r.db.silence)
	if err != nil || len(dead) == 0 || !r.taking.CompareAndSwap(false, true) {
		return err
	}
	// The next beat does not wait for it.
	work := context.WithoutCancel(ctx)
	r.busy.Go(func() {
		defer r.taking.Store(false)
		for _, id := range dead {
			// Cancelled is who was to resume them: this process ends, and another goes on.
			if err := r.takeOver(work, id); err != nil && !errors.Is(err, context.Canceled) {
				r.db.log.WarnContext(work, "turns of a replica that is gone are not taken over yet", slog.String("replica", id), slog.Any("err", publicError(err)))
			}
		}
	})
	return nil
}

// takeOver ends a replica's right to write and has its turns resumed.
func (r *replica) takeOver(ctx context.Context, id string) error {
	ctx, cancel := context.WithTimeout(ctx, 2*r.db.silence)
	defer cancel()
	conn, err := r.connect(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	process, mine, err := first(conn.QueryRow(ctx, `UPDATE sous.replicas SET gone = true, taker = $2, taken = clock_timestamp()
		WHERE id = $1 AND (gone OR beat < clock_timestamp() - $3::interval) AND (taker = '' OR taken < clock_timestamp() - $3::interval)
		RETURNING process`, id, r.ID, r.db.silence), scanText)
	if err != nil || !mine {
		return err
	}
	if process != "" && process != r.db.process {
		// A process that stands still may hold locks that keep the others waiting. The
		// server ends what stands still by itself, but one connection after the other.
		_, err = conn.Exec(ctx, `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
			WHERE datname = current_database() AND usename = current_user AND application_name = $1`, connName(process))
		if err != nil {
			r.db.log.WarnContext(ctx, "the connections of a replica that is gone stay", slog.String("replica", id), slog.Any("err", publicError(err)))
		}
	}
	// Whatever it was writing is over before its turns go on.
	if _, err := conn.Exec(ctx, `SELECT pg_advisory_xact_lock(hashtextextended('sous replica ' || $1, 0))`, id); err != nil {
		return err
	}
	if err := r.Gone(ctx, id); err != nil {
		return err
	}
	if err := r.db.release(ctx, process); err != nil {
		return err
	}
	if _, err = conn.Exec(ctx, `DELETE FROM sous.replicas WHERE id = $1 AND taker = $2`, id, r.ID); err != nil {
		return err
	}
	if r.db.left != nil {
		r.db.left()
	}
	return nil
}

// processLock is the advisory lock on what a process, $1, is among the replicas.
const processLock = `hashtextextended('sous process ' || $1, 0)`

// release ends the leases of a process that is gone, in all workspaces. One that is back
// by now, in another term, keeps them: it shows what they are about.
func (d *DB) release(ctx context.Context, process string) error {
	if process == "" {
		return nil // of a version that did not say
	}
	var all []string
	err := d.watch(ctx, func(tx pgx.Tx) (err error) {
		all, err = every(ctx, tx, scanText, `SELECT workspace FROM audit_heads`)
		return err
	})
	for _, ws := range all {
		if err != nil {
			break
		}
		err = d.jot(ctx, agent.WorkspaceID(ws), func(tx pgx.Tx) error {
			later(tx, `SELECT pg_advisory_xact_lock(`+processLock+`)`, process)
			later(tx, `UPDATE shows SET until = $3 WHERE workspace = $1 AND holder = $2 AND over IS NULL AND until > $3
				AND NOT EXISTS (SELECT FROM sous.replicas WHERE process = $2 AND NOT gone)`, ws, process, d.now())
			return nil
		})
	}
	if err != nil {
		return fmt.Errorf("release the leases of a process that is gone: %w", err)
	}
	return nil
}

// Process names this process among those that share the database, for leases that end
// when the others take it for gone.
func (d *DB) Process() string { return d.process }

// Present names the term of this process among the replicas, and reports whether the
// others can have seen lately that it lives. After standing still for longer others may
// do what it was about to do, and when it is back it has another term. A process that
// has joined nobody has the term "".
func (d *DB) Present() (term string, ok bool) {
	b := d.beaten.Load()
	if b == nil {
		return "", true
	}
	return b.id, time.Since(b.at) < d.silence-d.silence/6
}

// beat says as whom the others saw this process last, and when.
type beat struct {
	id string
	at time.Time
}

// connect opens a connection of the replica's own: those of the pool may all be
// waiting for the very process that is gone.
func (r *replica) connect(ctx context.Context) (*pgx.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, connectTime)
	defer cancel()
	config := r.db.pool.Config().ConnConfig
	config.RuntimeParams["application_name"] = "sous replica"
	return pgx.ConnectConfig(ctx, config)
}

// Alone implements loop.Replicas.
func (d *DB) Alone(ctx context.Context, f func() error) error {
	conn, err := pgx.ConnectConfig(ctx, d.pool.Config().ConnConfig)
	if err != nil {
		return publicError(fmt.Errorf("take the lock: %w", err))
	}
	// The lock ends with the connection.
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	if _, err := conn.Exec(ctx, `SELECT pg_advisory_lock($1)`, migrationLock); err != nil {
		return publicError(fmt.Errorf("take the lock: %w", err))
	}
	return f()
}

// takenOver reports whether the database refused a write for a replica that is gone.
func takenOver(err error) bool {
	var pg *pgconn.PgError
	return errors.As(err, &pg) && pg.Code == "SOU01"
}
