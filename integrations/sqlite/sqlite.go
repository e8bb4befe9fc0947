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

	sqlite "modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/sous-hq/sous/agent"
)

//go:embed migrations/*.sql
var migrations embed.FS

// DB is an open store. It is safe for concurrent use.
type DB struct {
	sql  *sql.DB
	path string
}

// Open opens the store at path, making the file and its folder when they are
// missing, and brings the schema up to date. A file written by a newer version
// is refused.
func Open(ctx context.Context, path string) (*DB, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, agent.WrapError(agent.Unavailable, err, fmt.Sprintf("the data directory %s cannot be made", filepath.Dir(path)))
	}
	q := url.Values{}
	for _, p := range []string{
		"busy_timeout(10000)", "journal_mode(WAL)", "synchronous(FULL)",
		"foreign_keys(ON)", "temp_store(MEMORY)", "cache_size(-4000)",
	} {
		q.Add("_pragma", p)
	}
	// Immediate transactions take the write lock at once, so two writers queue
	// instead of failing when the second one upgrades.
	q.Set("_txlock", "immediate")
	db, err := sql.Open("sqlite", "file:"+(&url.URL{Path: path}).EscapedPath()+"?"+q.Encode())
	if err != nil {
		return nil, fmt.Errorf("open store: %w", err)
	}
	db.SetMaxOpenConns(8)
	db.SetMaxIdleConns(4)
	d := &DB{sql: db, path: path}
	if err := d.migrate(ctx); err != nil {
		return nil, errors.Join(d.publicError(err), db.Close())
	}
	return d, nil
}

// SQL returns the handle, for the durable engine that shares the file.
func (d *DB) SQL() *sql.DB { return d.sql }

// Path returns the file's path.
func (d *DB) Path() string { return d.path }

// Ping reports whether the store can be written; it makes and drops nothing.
func (d *DB) Ping(ctx context.Context) error {
	return d.tx(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `UPDATE schema_version SET version = version WHERE 0`)
		return err
	})
}

// Close closes the store.
func (d *DB) Close() error { return d.sql.Close() }

// tx runs f in one transaction; any error rolls all of it back.
func (d *DB) tx(ctx context.Context, f func(tx *sql.Tx) error) error {
	tx, err := d.sql.BeginTx(ctx, nil)
	if err != nil {
		return d.publicError(err)
	}
	if err := f(tx); err != nil {
		_ = tx.Rollback()
		return d.publicError(err)
	}
	if err := tx.Commit(); err != nil {
		return d.publicError(err)
	}
	return nil
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
		return agent.WrapError(agent.Unavailable, err, "the disk that holds the store is full; free some space and try again")
	case sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED:
		return agent.WrapError(agent.Unavailable, err, "another program holds the store locked")
	case sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM, sqlite3.SQLITE_CANTOPEN:
		return agent.WrapError(agent.Unavailable, err, "the store "+d.path+" cannot be opened for writing")
	case sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB:
		return agent.WrapError(agent.Unavailable, err, "the store "+d.path+" is damaged or not a SQLite file; restore it from a backup")
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
		return agent.Errorf(agent.Conflict, "the store %s was written by a newer version of Sous (schema %d, this one knows %d)", d.path, have, len(files))
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
