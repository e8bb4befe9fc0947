package postgres

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	mathrand "math/rand/v2"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgerrcode"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/sous-hq/sous/agent"
)

//go:embed migrations/*.sql
var migrations embed.FS

//go:embed roles.sql
var roles string

// oldest is the oldest PostgreSQL Sous is tested with, as server_version_num.
const oldest = 150000

// migrationLock is the advisory lock under which schemas change.
const migrationLock = 0x736f7573

// migration is one step of the schema.
type migration struct {
	name, text string
	// beside is the oldest schema whose code works on with this one in place.
	beside int
}

// allMigrations reads the embedded steps, in order.
func allMigrations() ([]migration, error) {
	files, err := fs.Glob(migrations, "migrations/*.sql")
	if err != nil {
		return nil, err
	}
	all := make([]migration, len(files))
	for i, name := range files {
		raw, err := migrations.ReadFile(name)
		if err != nil {
			return nil, err
		}
		line, _, _ := strings.Cut(string(raw), "\n")
		beside, err := strconv.Atoi(strings.TrimPrefix(line, "-- works beside: "))
		if err != nil {
			return nil, fmt.Errorf("%s does not say what it works beside", name)
		}
		all[i] = migration{name: strings.TrimPrefix(name, "migrations/"), text: string(raw), beside: beside}
	}
	return all, nil
}

// Migrate brings the schema of the database up to date without opening a store;
// see Config.URL. Open does it too.
func Migrate(ctx context.Context, url string) error {
	pool, err := pgxpool.New(ctx, url)
	if err != nil {
		return publicError(fmt.Errorf("migrate: %w", err))
	}
	defer pool.Close()
	return publicError((&DB{pool: pool}).migrate(ctx))
}

// migrateTries is how often migrations are begun anew that the database gave up to
// let replicas through that are at work; finding that out takes it a second.
const migrateTries = 12

// migrate applies the migrations the database has not seen. Replicas of an earlier
// version work meanwhile and hold tables in another order than migrations take them.
func (d *DB) migrate(ctx context.Context) error {
	for try := 1; ; try++ {
		err := d.migrateOnce(ctx)
		if err == nil || try == migrateTries || !outOfOrder(err) {
			return err
		}
		rest(ctx, time.Duration(try)*10*time.Millisecond*time.Duration(1+mathrand.IntN(10)))
	}
}

// migrateOnce does so in one transaction under a lock: replicas that start together
// follow each other.
func (d *DB) migrateOnce(ctx context.Context) error {
	all, err := allMigrations()
	if err != nil {
		return err
	}
	conn, err := d.pool.Acquire(ctx)
	if err != nil {
		return err
	}
	defer conn.Release()
	if have, err := schemaVersion(ctx, conn); err != nil || have >= len(all) {
		return err
	}
	tx, err := conn.Begin(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback(context.WithoutCancel(ctx)) }()
	if err := prepare(ctx, tx); err != nil {
		return err
	}
	have, err := schemaVersion(ctx, tx)
	if err != nil {
		return err
	}
	if have == 0 {
		if err := checkEncoding(ctx, tx); err != nil {
			return err
		}
	}
	for n := have; n < len(all); n++ {
		if _, err := tx.Exec(ctx, all[n].text); err != nil {
			return unlike(fmt.Errorf("migration %s: %w", all[n].name, err))
		}
		if _, err := tx.Exec(ctx, `INSERT INTO sous.schema_version (version, beside) VALUES ($1, $2)`, n+1, all[n].beside); err != nil {
			return fmt.Errorf("migration %s: %w", all[n].name, err)
		}
	}
	return tx.Commit(ctx)
}

// prepare takes the lock and makes what every migration needs.
func prepare(ctx context.Context, tx pgx.Tx) error {
	if _, err := tx.Exec(ctx, `SELECT pg_advisory_xact_lock($1)`, migrationLock); err != nil {
		return err
	}
	for _, statement := range []string{
		roles,
		`CREATE SCHEMA IF NOT EXISTS sous`,
		`SET LOCAL search_path TO sous`,
		`CREATE TABLE IF NOT EXISTS schema_version (version int PRIMARY KEY, beside int NOT NULL)`,
	} {
		if _, err := tx.Exec(ctx, statement); err != nil {
			return fmt.Errorf("prepare the database: %w", err)
		}
	}
	return nil
}

// checkServer refuses a server that is older than oldest, a server_version_num.
func checkServer(ctx context.Context, q handle, oldest int) error {
	var server int
	if err := q.QueryRow(ctx, `SELECT current_setting('server_version_num')::int`).Scan(&server); err != nil {
		return err
	}
	if server < oldest {
		return agent.Errorf(agent.Unavailable, "the database is PostgreSQL %d; Sous needs %d or newer", server/10000, oldest/10000)
	}
	return nil
}

// checkEncoding refuses a new database that cannot keep all characters as they are.
func checkEncoding(ctx context.Context, q handle) error {
	var encoding string
	if err := q.QueryRow(ctx, `SELECT current_setting('server_encoding')`).Scan(&encoding); err != nil {
		return err
	}
	if encoding != "UTF8" {
		return agent.Errorf(agent.Unavailable, "the database is made for %s; Sous needs one made with createdb --encoding=UTF8 --template=template0", encoding)
	}
	return nil
}

// unlike says of a migration that failed because of what it found that somebody else
// made or changed it.
func unlike(err error) error {
	var pg *pgconn.PgError
	if !errors.As(err, &pg) || pg.Code == pgerrcode.InsufficientPrivilege || !pgerrcode.IsSyntaxErrororAccessRuleViolation(pg.Code) {
		return err
	}
	return agent.WrapError(agent.Conflict, err, fmt.Sprintf("the schema “sous” of the database is not as Sous left it (%s); name another database, or restore a backup into an empty one", pg.Message))
}

// schemaVersion returns the version of the schema, 0 for none. One that this
// code cannot work with is a Conflict, a server that is too old Unavailable.
func schemaVersion(ctx context.Context, q handle) (int, error) {
	if err := checkServer(ctx, q, oldest); err != nil {
		return 0, err
	}
	var known bool
	err := q.QueryRow(ctx, `SELECT to_regclass('sous.schema_version') IS NOT NULL`).Scan(&known)
	if err != nil || !known {
		return 0, err
	}
	var have, beside int
	err = q.QueryRow(ctx, `SELECT COALESCE(MAX(version), 0), COALESCE(MAX(beside), 0) FROM sous.schema_version`).Scan(&have, &beside)
	if err != nil {
		return 0, err
	}
	all, err := allMigrations()
	if err == nil && beside > len(all) {
		err = agent.Errorf(agent.Conflict, "the database was brought up to date by a newer version of Sous (schema %d, this one knows %d); start that version", have, len(all))
	}
	return have, err
}
