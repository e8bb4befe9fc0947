package postgres

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgerrcode"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/internal/traces"
)

// Sweep implements privacy.Store: it takes the dead rows out of the tables, or
// writes the tables anew so that their free space holds nothing either. A row is
// dead only when nobody sees it any more: transactions that began before are waited
// for, and one that does not end is Unavailable. Only the owner of the tables can
// have them written anew. What the server has in its write-ahead log, its replicas
// and its backups goes when they do.
func (d *DB) Sweep(ctx context.Context, scrub bool) error {
	tables := []string{"audit_payload", "subject_keys", "memory_chunks", "memory_index", "memory_readers", "memory_people", "ticket_words", "deliveries"}
	for _, t := range traces.Tables() {
		if t.Where != "" {
			tables = append(tables, t.Name)
		}
	}
	rows, err := d.pool.Query(ctx, `SELECT quote_ident(schemaname) || '.' || quote_ident(tablename), pg_has_role(tableowner, 'USAGE') FROM pg_tables
		WHERE schemaname = 'sous' AND (tablename ~ '^memory_(vectors_|queue|audience)' OR tablename = ANY ($1)) ORDER BY 1`, tables)
	if err != nil {
		return publicError(err)
	}
	type table struct {
		Name string
		Ours bool
	}
	all, err := pgx.CollectRows(rows, pgx.RowToStructByPos[table])
	if err != nil {
		return publicError(err)
	}
	if others := slices.ContainsFunc(all, func(t table) bool { return !t.Ours }); scrub {
		if err := d.mayScrub(ctx, !others); err != nil {
			return err
		}
	}
	if err := d.settled(ctx); err != nil {
		return err
	}
	how := "VACUUM "
	if scrub {
		// What the planner knows of the columns are values, too.
		how = "VACUUM (FULL, ANALYZE) "
	}
	for _, t := range all {
		if _, err := d.pool.Exec(ctx, how+t.Name); err != nil {
			return publicError(fmt.Errorf("it is erased, but the dead rows of %s could not be swept: %w", t.Name, err))
		}
		if scrub {
			if err := d.unlearn(ctx, t.Name); err != nil {
				return publicError(fmt.Errorf("it is erased, but what the server has learned of %s could not be: %w", t.Name, err))
			}
		}
	}
	if !scrub {
		return nil
	}
	// What was learned before is dead since just now.
	if err := d.settled(ctx); err != nil {
		return err
	}
	if _, err := d.pool.Exec(ctx, how+"pg_catalog.pg_statistic"); err != nil {
		return publicError(fmt.Errorf("it is erased, but what the server has learned of it could not be swept: %w", err))
	}
	return nil
}

// mayScrub is Forbidden unless the login owns the tables, which the caller has looked
// up, and the database: what another cannot have written anew, the statistics among
// it, the server would pass over with a warning.
func (d *DB) mayScrub(ctx context.Context, tables bool) error {
	var database bool
	err := d.pool.QueryRow(ctx, `SELECT pg_has_role(datdba, 'USAGE') FROM pg_database WHERE datname = current_database()`).Scan(&database)
	switch {
	case err != nil:
		return publicError(err)
	case !tables:
		return agent.Errorf(agent.Forbidden, "it is erased, but only the owner of the tables can have their files written anew: do it again with the owner's SOUS_DATABASE_URL")
	case !database:
		return agent.Errorf(agent.Forbidden, "it is erased, but only the owner of the database can have its statistics written anew: do it again with the owner's SOUS_DATABASE_URL")
	}
	return nil
}

// unlearn drops what the planner knows of a table in which nothing is left: it is
// not made anew from no rows, and giving a column the type it has drops it. Columns
// that a policy names cannot be given one, and hold no more than a workspace.
func (d *DB) unlearn(ctx context.Context, table string) error {
	rows, err := d.pool.Query(ctx, `SELECT format('ALTER TABLE %s ALTER COLUMN %I TYPE %s', a.attrelid::regclass, a.attname, format_type(a.atttypid, a.atttypmod))
		FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
		WHERE c.oid = $1::regclass AND c.relnamespace = 'sous'::regnamespace AND pg_relation_size(c.oid) = 0 AND a.attnum > 0
			AND NOT a.attisdropped AND a.attgenerated = '' AND a.attname <> 'workspace'`, table)
	if err != nil {
		return err
	}
	all, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return err
	}
	for _, alter := range all {
		_, err := d.pool.Exec(ctx, alter)
		var pg *pgconn.PgError
		if err != nil && (!errors.As(err, &pg) || pg.Code != pgerrcode.FeatureNotSupported) {
			return err
		}
	}
	return nil
}

// Who may still see what was erased. A snapshot reaches as far back as the oldest
// transaction that was writing when it was taken, whatever database of the server
// that one was in: writers everywhere are waited for first, then who took a snapshot
// on this database before they ended. That each transaction holds a lock on its own
// number can be read by anybody.
const (
	whoWrites = `SELECT transactionid::text FROM pg_locks WHERE locktype = 'transactionid' AND mode = 'ExclusiveLock' AND granted AND pid IS DISTINCT FROM pg_backend_pid()`
	whoReads  = `SELECT l.virtualtransaction FROM pg_locks l JOIN pg_stat_activity a USING (pid)
		WHERE l.locktype = 'virtualxid' AND l.mode = 'ExclusiveLock' AND l.granted AND l.virtualtransaction = l.virtualxid
			AND a.datname = current_database() AND a.pid <> pg_backend_pid()`
)

// settled waits until no transaction of the server is open that may see what was
// erased before.
func (d *DB) settled(ctx context.Context) error {
	ending := time.NewTimer(d.patience)
	defer ending.Stop()
	for _, query := range []string{whoWrites, whoReads} {
		if err := d.ended(ctx, query, ending.C); err != nil {
			return err
		}
	}
	return nil
}

// ended waits until none of the transactions that a query names at first is named.
func (d *DB) ended(ctx context.Context, query string, late <-chan time.Time) error {
	var before []string
	for first := true; ; first = false {
		rows, err := d.pool.Query(ctx, query)
		if err != nil {
			return publicError(err)
		}
		open, err := pgx.CollectRows(rows, pgx.RowTo[string])
		if err != nil {
			return publicError(err)
		}
		if first {
			before = open
		}
		before = slices.DeleteFunc(before, func(v string) bool { return !slices.Contains(open, v) })
		if len(before) == 0 {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-late:
			return agent.Errorf(agent.Unavailable,
				"it is erased, but %d transactions on the server that began before still see it, a backup perhaps, so it stays in the files: do it again when they have ended", len(before))
		case <-time.After(50 * time.Millisecond):
		}
	}
}
