// Package sqlite keeps everything Sous remembers in one SQLite file: the
// embedded default, with nothing to install. Commits are synchronous=FULL: what
// was acknowledged survives a power cut.
package sqlite

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	sqlite "modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/agent/loop"
	"github.com/sous-hq/sous/agent/pause"
	"github.com/sous-hq/sous/internal/groupcommit"
)

//go:embed migrations/*.sql
var migrations embed.FS

var _ loop.Store = (*DB)(nil)

// Config says where the store is.
type Config struct {
	// Path is the file; it and its folder are made when they are missing.
	Path string
	// Keys is the folder of the keys that seal and sign the audit record; ""
	// means keys beside the file. They are made for a new store. Without the keys
	// it was written with a store can be read, but nothing can be recorded.
	Keys string
	// Clock stamps what is recorded; nil is the system's clock.
	Clock func() time.Time
}

// DB is an open store. It is safe for concurrent use.
type DB struct {
	sql   *sql.DB
	path  string
	clock func() time.Time
	// writer holds one token. The writers of this process queue here, in order
	// and woken at once; SQLite's own waiting sleeps and serves at random, and
	// is left for other processes.
	writer chan struct{}
	// together is where those meet that come while another writes.
	together groupcommit.Group[*sql.Tx]
	keys     auditKeys
	audit    auditStatements
	// recorded counts the audit rows this process wrote.
	recorded atomic.Int64
	pauses   *pause.Watch
}

// Open opens the store and brings the schema up to date. A file written by a
// newer version is a Conflict; one that cannot be used is Unavailable.
func Open(ctx context.Context, c Config) (*DB, error) {
	if c.Path == "" {
		return nil, errors.New("open store: Path is required")
	}
	if c.Clock == nil {
		c.Clock = time.Now //nolint:forbidigo // the one place the store gets its clock
	}
	if err := makeFile(c.Path); err != nil {
		return nil, err
	}
	connect, err := newConnector(dsn(c.Path))
	if err != nil {
		return nil, fmt.Errorf("open store: %w", err)
	}
	db := sql.OpenDB(connect)
	db.SetMaxOpenConns(8)
	db.SetMaxIdleConns(4)
	d := &DB{sql: db, path: c.Path, clock: c.Clock, writer: make(chan struct{}, 1)}
	if err := d.migrate(ctx); err != nil {
		return nil, errors.Join(d.publicError(err), db.Close())
	}
	if err := d.openKeys(ctx, c.Keys); err != nil {
		return nil, errors.Join(d.publicError(err), db.Close())
	}
	if d.pauses, err = pause.NewWatch(d.Pauses, c.Clock); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return d, nil
}

// makeFile makes the file and its folder for the eyes of their owner alone.
func makeFile(path string) error {
	folder := filepath.Dir(path)
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return agent.WrapError(agent.Unavailable, err, fmt.Sprintf("the data directory %s cannot be made", folder))
	}
	// Only a file that is not there yet: closing one that this process has open
	// elsewhere would drop SQLite's locks on it.
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600)
	switch {
	case errors.Is(err, fs.ErrExist):
		return nil
	case full(err):
		return agent.WrapError(agent.Unavailable, err, textFull)
	case err != nil:
		return agent.WrapError(agent.Unavailable, err, fmt.Sprintf("the data directory %s cannot be written", folder))
	}
	return f.Close()
}

const textFull = "the disk that holds the store is full; free some space and try again"

func dsn(path string) string {
	q := url.Values{}
	for _, p := range []string{
		"busy_timeout(10000)", "journal_mode(WAL)", "synchronous(FULL)",
		"foreign_keys(ON)", "temp_store(MEMORY)", "cache_size(-1000)",
		// What a long reading made of the log (a check, a backup) is given back.
		"journal_size_limit(16777216)",
	} {
		q.Add("_pragma", p)
	}
	// Immediate transactions take the write lock at once, so two writers queue
	// instead of failing when the second one upgrades.
	q.Set("_txlock", "immediate")
	return "file:" + (&url.URL{Path: path}).EscapedPath() + "?" + q.Encode()
}

// SQL returns the handle, for the durable engine that shares the file.
func (d *DB) SQL() *sql.DB { return d.sql }

// Path returns the file's path.
func (d *DB) Path() string { return d.path }

// Ping reports whether the store can be written: by writing what is there already, and
// by a file beside it, since that takes no room and a request does.
func (d *DB) Ping(ctx context.Context) error {
	err := d.tx(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `UPDATE schema_version SET version = version`)
		return err
	})
	if err == nil && full(d.room()) {
		err = agent.Errorf(agent.Unavailable, textFull)
	}
	return err
}

// enough is the room some requests take.
const enough = 256 << 10

// room takes that much room for a moment.
func (d *DB) room() error {
	path := d.path + ".room"
	err := os.WriteFile(path, make([]byte, enough), 0o600)
	return errors.Join(err, os.Remove(path))
}

// full reports whether the disk had no room.
func full(err error) bool { return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) }

// Close closes the store.
func (d *DB) Close() error { return d.sql.Close() }

// now is the time as the store keeps it: UTC, whole microseconds.
func (d *DB) now() time.Time { return stored(d.clock()) }

func stored(t time.Time) time.Time {
	if t.IsZero() {
		return time.Time{}
	}
	return t.UTC().Truncate(time.Microsecond)
}

// publicError gives SQLite's own failures a kind and a text people can act on;
// other errors pass as they are.
func (d *DB) publicError(err error) error {
	var se *sqlite.Error
	if !errors.As(err, &se) {
		return err
	}
	switch se.Code() & 0xff {
	case sqlite3.SQLITE_FULL:
		return agent.WrapError(agent.Unavailable, err, textFull)
	case sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED:
		return agent.WrapError(agent.Unavailable, err, "another program holds the store "+d.path+" locked; close it or try again")
	case sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM, sqlite3.SQLITE_CANTOPEN:
		return agent.WrapError(agent.Unavailable, err, "the store "+d.path+" cannot be opened for writing; whoever Sous runs as needs the right to write the file and its folder")
	case sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB:
		return agent.WrapError(agent.Unavailable, err, "the store "+d.path+" is damaged or not a SQLite file; restore it from a backup")
	case sqlite3.SQLITE_TOOBIG:
		return agent.WrapError(agent.TooLarge, err, "this is more than the store can keep in one piece")
	case sqlite3.SQLITE_IOERR:
		return agent.WrapError(agent.Unavailable, err, "the disk that holds the store reports errors")
	}
	return err
}

// migrate applies the migrations the file has not seen, each in one transaction.
func (d *DB) migrate(ctx context.Context) error {
	files, err := fs.Glob(migrations, "migrations/*.sql")
	if err != nil {
		return err
	}
	var have int
	err = d.tx(ctx, func(tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, `CREATE TABLE IF NOT EXISTS schema_version (version INTEGER NOT NULL)`); err != nil {
			return err
		}
		return tx.QueryRowContext(ctx, `SELECT COALESCE(MAX(version), 0) FROM schema_version`).Scan(&have)
	})
	if err != nil {
		return err
	}
	if have > len(files) {
		return agent.Errorf(agent.Conflict, "the store %s was written by a newer version of Sous (schema %d, this one knows %d); start that version", d.path, have, len(files))
	}
	for n, name := range files[have:] {
		text, err := migrations.ReadFile(name)
		if err != nil {
			return err
		}
		version := have + n + 1
		err = d.tx(ctx, func(tx *sql.Tx) error {
			// Another process may have been faster.
			var now int
			if err := tx.QueryRowContext(ctx, `SELECT COALESCE(MAX(version), 0) FROM schema_version`).Scan(&now); err != nil || now >= version {
				return err
			}
			if _, err := tx.ExecContext(ctx, string(text)); err != nil {
				return err
			}
			_, err := tx.ExecContext(ctx, `INSERT INTO schema_version (version) VALUES (?)`, version)
			return err
		})
		if err != nil {
			return fmt.Errorf("migration %s: %w", strings.TrimPrefix(name, "migrations/"), err)
		}
	}
	return nil
}
