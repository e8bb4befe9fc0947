package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"slices"
	"strings"

	sqlite "modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/internal/transfer"
)

// Copy writes a copy of the store as it is at one moment to a new file, while
// others work on. The keys are not in it.
func (d *DB) Copy(ctx context.Context, path string) error {
	if _, err := os.Stat(path); err == nil {
		return agent.Errorf(agent.Conflict, "%s is there already", path)
	}
	if _, err := d.sql.ExecContext(ctx, `VACUUM INTO ?`, path); err != nil {
		err = errors.Join(err, removed(path), removed(path+"-journal"))
		if se, ok := errors.AsType[*sqlite.Error](err); ok && se.Code()&0xff == sqlite3.SQLITE_FULL {
			return agent.WrapError(agent.Unavailable, err, "the disk that is to hold the copy is full; free some space on it and try again")
		}
		return d.publicError(fmt.Errorf("copy store: %w", err))
	}
	return os.Chmod(path, 0o600)
}

func removed(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}

// Recognise reports whether the file is a store of Sous, of whatever version, and
// changes nothing; one that is not is Invalid.
func Recognise(ctx context.Context, path string) error {
	q := url.Values{"mode": {"ro"}, "immutable": {"1"}}
	db, err := sql.Open("sqlite", "file:"+(&url.URL{Path: path}).EscapedPath()+"?"+q.Encode())
	if err != nil {
		return fmt.Errorf("open store: %w", err)
	}
	defer db.Close()
	d := DB{path: path}
	known, err := tableExists(ctx, db, "schema_version")
	if err != nil {
		return d.publicError(fmt.Errorf("recognise store: %w", err))
	}
	version := 0
	if known {
		if err := db.QueryRowContext(ctx, `SELECT COALESCE(MAX(version), 0) FROM schema_version`).Scan(&version); err != nil {
			return d.publicError(fmt.Errorf("recognise store: %w", err))
		}
	}
	if version == 0 {
		return agent.Errorf(agent.Invalid, "the store %s holds nothing of Sous", path)
	}
	return nil
}

// Sound reports whether the file is whole, by SQLite's own check.
func (d *DB) Sound(ctx context.Context) error {
	var said string
	if err := d.sql.QueryRowContext(ctx, `PRAGMA integrity_check(1)`).Scan(&said); err != nil {
		return d.publicError(fmt.Errorf("check store: %w", err))
	}
	if said != "ok" {
		return agent.Errorf(agent.Unavailable, "the store %s is damaged: %s", d.path, said)
	}
	return nil
}

// Dump calls f for every row of the store as it is at one moment, table by table.
func (d *DB) Dump(ctx context.Context, f func(transfer.Row) error) error {
	tx, err := d.sql.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	if err != nil {
		return d.publicError(err)
	}
	defer func() { _ = tx.Rollback() }()
	for _, t := range transfer.Tables() {
		known, err := tableExists(ctx, tx, t.Name)
		if err != nil {
			return d.publicError(err)
		}
		if !known {
			continue
		}
		if err := dumpTable(ctx, tx, t, f); err != nil {
			return d.publicError(fmt.Errorf("read %s: %w", t.Name, err))
		}
	}
	return nil
}

func dumpTable(ctx context.Context, tx *sql.Tx, t transfer.Table, f func(transfer.Row) error) error {
	found, err := tx.QueryContext(ctx, `SELECT * FROM `+t.Name+` ORDER BY `+t.Key)
	if err != nil {
		return err
	}
	defer found.Close()
	columns, err := found.Columns()
	if err != nil {
		return err
	}
	for found.Next() {
		values, into := make([]any, len(columns)), make([]any, len(columns))
		for i := range values {
			into[i] = &values[i]
		}
		if err := found.Scan(into...); err != nil {
			return err
		}
		for i, v := range values {
			if s, ok := v.(string); ok {
				values[i] = transfer.Text(s)
			}
		}
		if err := f(transfer.Row{Table: t.Name, Columns: columns, Values: values}); err != nil {
			return err
		}
	}
	return found.Err()
}

// Load fills a store in which nothing has been recorded yet, in one transaction,
// and compares what it holds then with what was given to it.
func (d *DB) Load(ctx context.Context, dump func(ctx context.Context, f func(transfer.Row) error) error) (transfer.Sums, error) {
	var sums transfer.Sums
	err := d.tx(ctx, func(tx *sql.Tx) error {
		var used int
		if err := tx.QueryRowContext(ctx, `SELECT (SELECT COUNT(*) FROM audit) + (SELECT COUNT(*) FROM turns)`).Scan(&used); err != nil {
			return err
		}
		if used > 0 {
			return agent.Errorf(agent.Conflict, "the store %s is in use already; only an empty one can be filled", d.path)
		}
		l := &loading{tx: tx, given: transfer.Sums{}, columns: map[string][]string{}, insert: map[string]*sql.Stmt{}}
		if err := dump(ctx, func(r transfer.Row) error { return l.row(ctx, r) }); err != nil {
			return err
		}
		if err := l.index(ctx); err != nil {
			return err
		}
		sums = transfer.Sums{}
		for _, t := range transfer.Tables() {
			if l.columns[t.Name] == nil {
				continue
			}
			if err := dumpTable(ctx, tx, t, func(r transfer.Row) error { return sums.Add(r, l.columns[t.Name]) }); err != nil {
				return err
			}
		}
		if diff := l.given.Difference(sums); diff != "" {
			return agent.Errorf(agent.Internal, "what was written is not what was read: %s; nothing was kept", diff)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("load store: %w", err)
	}
	d.keys.forget()
	return sums, nil
}

// loading is a Load under way.
type loading struct {
	tx    *sql.Tx
	given transfer.Sums
	// columns are the columns of each table that both sides have.
	columns map[string][]string
	insert  map[string]*sql.Stmt
}

func (l *loading) row(ctx context.Context, r transfer.Row) error {
	if l.insert[r.Table] == nil {
		if err := l.prepare(ctx, r); err != nil {
			return err
		}
	}
	if err := l.given.Add(r, l.columns[r.Table]); err != nil {
		return err
	}
	var args []any
	for _, c := range l.columns[r.Table] {
		args = append(args, r.Values[slices.Index(r.Columns, c)])
	}
	if _, err := l.insert[r.Table].ExecContext(ctx, args...); err != nil {
		return fmt.Errorf("write %s: %w", r.Table, err)
	}
	return nil
}

func (l *loading) prepare(ctx context.Context, r transfer.Row) error {
	i := slices.IndexFunc(transfer.Tables(), func(t transfer.Table) bool { return t.Name == r.Table })
	if i < 0 {
		return fmt.Errorf("the table %s is not one of those that are moved", r.Table)
	}
	mine, err := every(ctx, l.tx, scanText, `SELECT name FROM pragma_table_info(?)`, r.Table)
	if err != nil {
		return err
	}
	own := transfer.Tables()[i].Own
	var both []string
	for _, c := range mine {
		if slices.Contains(r.Columns, c) && !slices.Contains(own, c) {
			both = append(both, c)
		}
	}
	if len(both) == 0 {
		return fmt.Errorf("the table %s has no columns here", r.Table)
	}
	l.columns[r.Table] = both
	l.insert[r.Table], err = l.tx.PrepareContext(ctx, `INSERT INTO `+r.Table+` ("`+strings.Join(both, `", "`)+`") VALUES `+marks(len(both)))
	return err
}

// index makes what is found by words findable.
func (l *loading) index(ctx context.Context) error {
	_, err := l.tx.ExecContext(ctx, `INSERT INTO memory_index (rowid, terms)
		SELECT c.key, c.terms || CASE WHEN c.key & 65535 = 0 THEN ' ' || i.title_terms ELSE '' END
		FROM memory_chunks c JOIN memory_items i ON i.seq = c.key >> 16`)
	if err != nil {
		return fmt.Errorf("index memories: %w", err)
	}
	type ticket struct {
		seq         int64
		title, body string
	}
	all, err := every(ctx, l.tx, func(row sqlRow) (k ticket, err error) {
		err = row.Scan(&k.seq, &k.title, &k.body)
		return k, err
	}, `SELECT seq, title, body FROM tickets`)
	if err != nil {
		return err
	}
	for _, k := range all {
		_, err := l.tx.ExecContext(ctx, `INSERT INTO ticket_words (rowid, title, body) VALUES (?, ?, ?)`,
			k.seq, strings.Join(words(k.title), " "), strings.Join(words(k.body), " "))
		if err != nil {
			return fmt.Errorf("index tickets: %w", err)
		}
	}
	return nil
}
