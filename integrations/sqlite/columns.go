package sqlite

import (
	"bytes"
	"context"
	"database/sql"
	"database/sql/driver"
	"encoding"
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// sqlHandle is a database or a transaction on it.
type sqlHandle interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
}

// sqlRow is a row to read columns from.
type sqlRow interface{ Scan(into ...any) error }

// first returns the first row, if there is one.
func first[T any](row *sql.Row, scan func(sqlRow) (T, error)) (v T, ok bool, err error) {
	v, err = scan(row)
	if errors.Is(err, sql.ErrNoRows) {
		var none T
		return none, false, nil
	}
	return v, err == nil, err
}

// every returns all rows; it is never nil without an error.
func every[T any](ctx context.Context, q sqlHandle, scan func(sqlRow) (T, error), query string, args ...any) ([]T, error) {
	rows, err := q.QueryContext(ctx, query, args...)
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

// timeColumn keeps a time as microseconds; the zero time is NULL.
type timeColumn struct{ t *time.Time }

func timeOf(t *time.Time) timeColumn { return timeColumn{t} }

// Value implements driver.Valuer.
func (c timeColumn) Value() (driver.Value, error) {
	if c.t.IsZero() {
		return nil, nil
	}
	return c.t.UnixMicro(), nil
}

// Scan implements sql.Scanner.
func (c timeColumn) Scan(src any) error {
	*c.t = time.Time{}
	if n, ok := src.(int64); ok {
		*c.t = time.UnixMicro(n).UTC()
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

func scanBool(row sqlRow) (b bool, err error) {
	err = row.Scan(&b)
	return b, err
}
