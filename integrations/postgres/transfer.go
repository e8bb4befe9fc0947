package postgres

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/internal/transfer"
	"github.com/sous-hq/sous/memory"
)

// Dump calls f for every row of the store as it is at one moment, workspace by
// workspace and table by table, while others work on.
func (d *DB) Dump(ctx context.Context, f func(transfer.Row) error) error {
	return d.transact(ctx, begin("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY", roleWatch, ""), func(tx pgx.Tx) error {
		workspaces, err := every(ctx, tx, scanText, `SELECT workspace FROM audit_heads ORDER BY workspace`)
		if err != nil {
			return err
		}
		for _, t := range transfer.Tables() {
			for _, ws := range workspaces {
				if _, err := tx.Exec(ctx, `SELECT set_config('role', $1, true), set_config('sous.workspace', $2, true)`, roleApp, ws); err != nil {
					return err
				}
				if err := dumpTable(ctx, tx, t, f); err != nil {
					return fmt.Errorf("read %s: %w", t.Name, err)
				}
			}
		}
		return nil
	})
}

func dumpTable(ctx context.Context, tx pgx.Tx, t transfer.Table, f func(transfer.Row) error) error {
	found, err := tx.Query(ctx, `SELECT * FROM sous.`+t.Name+` ORDER BY `+t.Key)
	if err != nil {
		return err
	}
	defer found.Close()
	var columns []string
	for _, c := range found.FieldDescriptions() {
		columns = append(columns, c.Name)
	}
	for found.Next() {
		values, err := found.Values()
		if err != nil {
			return err
		}
		for i := range values {
			values[i] = plain(values[i])
		}
		if err := f(transfer.Row{Table: t.Name, Columns: columns, Values: values}); err != nil {
			return err
		}
	}
	return found.Err()
}

// plain is a value as package transfer has it.
func plain(v any) any {
	switch v := v.(type) {
	case time.Time:
		return v.UnixMicro()
	case bool:
		if v {
			return int64(1)
		}
		return int64(0)
	case int32:
		return int64(v)
	case int16:
		return int64(v)
	case float32:
		return float64(v)
	}
	return v
}

// loadAtOnce is how many rows go in one COPY.
const loadAtOnce = 1000

// Load fills a store in which nothing has been recorded yet, in one transaction,
// and compares what it holds then with what was given to it.
func (d *DB) Load(ctx context.Context, dump func(ctx context.Context, f func(transfer.Row) error) error) (transfer.Sums, error) {
	var sums transfer.Sums
	err := d.transact(ctx, opening{raw: "BEGIN; SET LOCAL search_path TO sous; SET LOCAL idle_in_transaction_session_timeout = 0"}, func(tx pgx.Tx) error {
		l := &loading{tx: tx, given: transfer.Sums{}, columns: map[string][]string{}, types: map[string]map[string]string{}, place: map[int64]string{}}
		// The owner fills the tables past their policies, which come back with the
		// end of the transaction.
		if err := l.force(ctx, false); err != nil {
			return err
		}
		used, _, err := first(tx.QueryRow(ctx, `SELECT (SELECT COUNT(*) FROM audit) + (SELECT COUNT(*) FROM turns)`), scanInt)
		if err != nil {
			return err
		}
		if used > 0 {
			return agent.Errorf(agent.Conflict, "the database is in use already; only an empty one can be filled")
		}
		err = dump(ctx, func(r transfer.Row) error { return l.row(ctx, r) })
		if err = errors.Join(err, l.flush(ctx)); err != nil {
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
		return l.force(ctx, true)
	})
	if err != nil {
		return nil, fmt.Errorf("load store: %w", err)
	}
	d.keys.forget()
	return sums, nil
}

// loading is a Load under way.
type loading struct {
	tx    pgx.Tx
	given transfer.Sums
	// columns are the columns of each table that both sides have, types those here.
	columns map[string][]string
	types   map[string]map[string]string
	// place is the workspace of each item of memory.
	place map[int64]string

	table transfer.Table
	batch [][]any
}

// guarded are the tables whose policies hold for the owner too.
const guarded = `SELECT c.oid::regclass::text FROM pg_class c WHERE c.relnamespace = 'sous'::regnamespace AND c.relkind = 'r' AND c.relrowsecurity`

// force puts the owner under the policies, or lets the owner past them.
func (l *loading) force(ctx context.Context, on bool) error {
	how := " NO FORCE ROW LEVEL SECURITY"
	if on {
		how = " FORCE ROW LEVEL SECURITY"
	}
	all, err := every(ctx, l.tx, scanText, guarded)
	if err != nil {
		return err
	}
	for _, t := range all {
		// The indexes of words are read by a function in the owner's name.
		if strings.HasSuffix(t, "_words") || strings.HasSuffix(t, "memory_index") {
			continue
		}
		if _, err := l.tx.Exec(ctx, `ALTER TABLE `+t+how); err != nil {
			return err
		}
	}
	return nil
}

func (l *loading) row(ctx context.Context, r transfer.Row) error {
	if l.table.Name != r.Table || len(l.batch) >= loadAtOnce {
		if err := l.flush(ctx); err != nil {
			return err
		}
	}
	if l.table.Name != r.Table {
		if err := l.next(ctx, r); err != nil {
			return err
		}
	}
	both := l.columns[r.Table]
	if err := l.given.Add(r, both); err != nil {
		return err
	}
	var args []any
	for _, c := range both {
		v, err := l.value(r, c)
		if err != nil {
			return err
		}
		args = append(args, v)
	}
	l.batch = append(l.batch, append(args, l.extra(r)...))
	return nil
}

// next begins a table.
func (l *loading) next(ctx context.Context, r transfer.Row) error {
	i := slices.IndexFunc(transfer.Tables(), func(t transfer.Table) bool { return t.Name == r.Table })
	if i < 0 {
		return fmt.Errorf("the table %s is not one of those that are moved", r.Table)
	}
	l.table = transfer.Tables()[i]
	type column struct{ name, kind string }
	mine, err := every(ctx, l.tx, func(row sqlRow) (c column, err error) {
		err = row.Scan(&c.name, &c.kind)
		return c, err
	}, `SELECT column_name::text, data_type::text FROM information_schema.columns WHERE table_schema = 'sous' AND table_name = $1 ORDER BY ordinal_position`, r.Table)
	if err != nil {
		return err
	}
	types := map[string]string{}
	var both []string
	for _, c := range mine {
		if slices.Contains(r.Columns, c.name) && !slices.Contains(l.table.Own, c.name) {
			both, types[c.name] = append(both, c.name), c.kind
		}
	}
	if len(both) == 0 {
		return fmt.Errorf("the table %s is not there", r.Table)
	}
	l.columns[r.Table], l.types[r.Table] = both, types
	return nil
}

// value is a value as the column here takes it.
func (l *loading) value(r transfer.Row, column string) (any, error) {
	v := r.Values[slices.Index(r.Columns, column)]
	n, whole := v.(int64)
	switch l.types[r.Table][column] {
	case "timestamp with time zone":
		if whole {
			return time.UnixMicro(n).UTC(), nil
		}
	case "boolean":
		if whole {
			return n != 0, nil
		}
	case "bytea":
		if s, ok := v.(string); ok {
			return []byte(s), nil
		}
	default:
		return v, nil
	}
	if v == nil {
		return nil, nil
	}
	if _, ok := v.([]byte); ok && l.types[r.Table][column] == "bytea" {
		return v, nil
	}
	return nil, fmt.Errorf("%s.%s holds %T, which does not fit", r.Table, column, v)
}

// more are the columns that only this store has and cannot be left out.
func (l *loading) more() []string {
	switch l.table.Name {
	case "memory_chunks":
		return []string{"workspace"}
	case "deliveries":
		return []string{"n"}
	}
	return nil
}

// extra are the values of more.
func (l *loading) extra(r transfer.Row) []any {
	get := func(column string) int64 {
		n, _ := r.Values[slices.Index(r.Columns, column)].(int64)
		return n
	}
	switch r.Table {
	case "memory_items":
		l.place[get("seq")], _ = r.Values[slices.Index(r.Columns, "workspace")].(string)
	case "memory_chunks":
		return []any{l.place[get("key")>>memory.KeyShift]}
	case "deliveries":
		return []any{int32(len(l.batch))}
	}
	return nil
}

func (l *loading) flush(ctx context.Context) error {
	if len(l.batch) == 0 {
		return nil
	}
	columns := append(slices.Clone(l.columns[l.table.Name]), l.more()...)
	_, err := l.tx.CopyFrom(ctx, pgx.Identifier{"sous", l.table.Name}, columns, pgx.CopyFromRows(l.batch))
	l.batch = l.batch[:0]
	if err != nil {
		return fmt.Errorf("write %s: %w", l.table.Name, err)
	}
	return nil
}

// index makes what is found by words findable, and the next numbers new.
func (l *loading) index(ctx context.Context) error {
	for _, q := range []string{
		`INSERT INTO audit_heads (workspace, seq) SELECT workspace, MAX(seq) FROM audit GROUP BY workspace`,
		`SELECT setval(pg_get_serial_sequence('memory_items', 'seq'), (SELECT COALESCE(MAX(seq), 0) + 1 FROM memory_items), false)`,
		`SELECT setval(pg_get_serial_sequence('ticket_changes', 'seq'), (SELECT COALESCE(MAX(seq), 0) + 1 FROM ticket_changes), false)`,
	} {
		if _, err := l.tx.Exec(ctx, q); err != nil {
			return err
		}
	}
	type text struct {
		ws    agent.WorkspaceID
		n     int64
		words string
	}
	tickets, err := every(ctx, l.tx, func(row sqlRow) (t text, err error) {
		var title, body string
		err = row.Scan(&t.ws, &t.n, &title, &body)
		t.words = ticketWords(t.ws, title, body)
		return t, err
	}, `SELECT workspace, n, title, body FROM tickets`)
	if err != nil {
		return err
	}
	chunks, err := every(ctx, l.tx, func(row sqlRow) (t text, err error) {
		err = row.Scan(&t.ws, &t.n, &t.words)
		t.words = storable(chunkWords(tag(t.ws), t.words))
		return t, err
	}, `SELECT c.workspace, c.key, c.terms || CASE WHEN c.key & 65535 = 0 THEN ' ' || i.title_terms ELSE '' END
		FROM memory_chunks c JOIN memory_items i ON i.seq = c.key >> 16`)
	if err != nil {
		return err
	}
	for table, all := range map[string][]text{"ticket_words (workspace, n, words)": tickets, "memory_index (workspace, key, words)": chunks} {
		for some := range slices.Chunk(all, loadAtOnce) {
			var ws, words []string
			var keys []int64
			for _, t := range some {
				ws, keys, words = append(ws, string(t.ws)), append(keys, t.n), append(words, t.words)
			}
			_, err := l.tx.Exec(ctx, `INSERT INTO `+table+` SELECT ws, k, w::tsvector FROM unnest($1::text[], $2::bigint[], $3::text[]) AS x (ws, k, w)`, ws, keys, words)
			if err != nil {
				return fmt.Errorf("index: %w", err)
			}
		}
	}
	return nil
}
