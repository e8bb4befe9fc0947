package postgres

import (
	"bytes"
	"context"
	"database/sql/driver"
	"encoding"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/sous-hq/sous/agent"
)

// handle is a connection or a transaction on one.
type handle interface {
	Query(ctx context.Context, query string, args ...any) (pgx.Rows, error)
	QueryRow(ctx context.Context, query string, args ...any) pgx.Row
	Exec(ctx context.Context, query string, args ...any) (pgconn.CommandTag, error)
}

// sqlRow is a row to read columns from.
type sqlRow interface{ Scan(into ...any) error }

// first returns the first row, if there is one.
func first[T any](row pgx.Row, scan func(sqlRow) (T, error)) (v T, ok bool, err error) {
	v, err = scan(row)
	if errors.Is(err, pgx.ErrNoRows) {
		var none T
		return none, false, nil
	}
	return v, err == nil, err
}

// every returns all rows; it is never nil without an error.
func every[T any](ctx context.Context, q handle, scan func(sqlRow) (T, error), query string, args ...any) ([]T, error) {
	rows, err := q.Query(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	all := []T{}
	for rows.Next() {
		v, err := scan(rows)
		if err != nil {
			return nil, err
		}
		all = append(all, v)
	}
	return all, rows.Err()
}

// list is every in a transaction of its own, in the workspace.
func list[T any](ctx context.Context, d *DB, ws agent.WorkspaceID, scan func(sqlRow) (T, error), query string, args ...any) (all []T, err error) {
	err = d.reads(ctx, ws, wantAll(&all, scan, query, args...))
	return all, err
}

// one is first in a transaction of its own, in the workspace.
func one[T any](ctx context.Context, d *DB, ws agent.WorkspaceID, scan func(sqlRow) (T, error), query string, args ...any) (v T, ok bool, err error) {
	err = d.reads(ctx, ws, want(&v, &ok, scan, query, args...))
	return v, ok, err
}

// jsonColumn keeps a value as JSON text. NULL leaves the value as it is.
type jsonColumn struct{ v any }

func jsonOf(v any) jsonColumn { return jsonColumn{v} }

// Value implements driver.Valuer. Nothing is escaped for HTML, so that raw
// arguments stay as they were given.
func (c jsonColumn) Value() (driver.Value, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(c.v); err != nil {
		return nil, fmt.Errorf("encode %T: %w", c.v, err)
	}
	return string(bytes.TrimRight(b.Bytes(), "\n")), nil
}

// Scan implements sql.Scanner.
func (c jsonColumn) Scan(src any) error {
	if src == nil {
		return nil
	}
	text, ok := src.(string)
	if !ok {
		return fmt.Errorf("decode %T: column is %T, not text", c.v, src)
	}
	if err := json.Unmarshal([]byte(text), c.v); err != nil {
		return fmt.Errorf("decode %T: %w", c.v, err)
	}
	return nil
}

// rawColumn keeps JSON byte for byte; nil is NULL.
type rawColumn struct{ v *json.RawMessage }

// Value implements driver.Valuer.
func (c rawColumn) Value() (driver.Value, error) {
	if len(*c.v) == 0 {
		return nil, nil
	}
	return string(*c.v), nil
}

// Scan implements sql.Scanner.
func (c rawColumn) Scan(src any) error {
	*c.v = nil
	if text, ok := src.(string); ok {
		*c.v = json.RawMessage(text)
	}
	return nil
}

// timeColumn keeps a time; the zero time is NULL.
type timeColumn struct{ t *time.Time }

func timeOf(t *time.Time) timeColumn { return timeColumn{t} }

// Value implements driver.Valuer.
func (c timeColumn) Value() (driver.Value, error) {
	if c.t.IsZero() {
		return nil, nil
	}
	return stored(*c.t), nil
}

// Scan implements sql.Scanner.
func (c timeColumn) Scan(src any) error {
	*c.t = time.Time{}
	if t, ok := src.(time.Time); ok {
		*c.t = t.UTC()
	}
	return nil
}

// nameColumn reads an enumeration by its name.
type nameColumn struct{ v encoding.TextUnmarshaler }

func nameOf(v encoding.TextUnmarshaler) nameColumn { return nameColumn{v} }

// Scan implements sql.Scanner.
func (c nameColumn) Scan(src any) error {
	text, ok := src.(string)
	if !ok {
		return fmt.Errorf("decode %T: column is %T, not text", c.v, src)
	}
	return c.v.UnmarshalText([]byte(text))
}

// bounded returns a limit between 1 and most; unset is most.
func bounded(limit, most int) int {
	if limit <= 0 || limit > most {
		return most
	}
	return limit
}

// where collects conditions and their arguments.
type where struct {
	text string
	args []any
}

// and adds a condition; each ? of it is the next argument.
func (w *where) and(condition string, args ...any) {
	if w.text != "" {
		w.text += " AND "
	}
	w.text += w.bind(condition, args...)
}

// bind numbers the ? of a text and takes their arguments.
func (w *where) bind(text string, args ...any) string {
	var b bytes.Buffer
	for _, r := range text {
		if r != '?' {
			b.WriteRune(r)
			continue
		}
		w.args, args = append(w.args, args[0]), args[1:]
		fmt.Fprintf(&b, "$%d", len(w.args))
	}
	return b.String()
}
