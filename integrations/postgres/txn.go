package postgres

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/sous-hq/sous/agent"
)

// opening says how a transaction begins. Role, schema and workspace go with it when
// it ends.
type opening struct {
	// mode is the statement that begins it.
	mode string
	role string
	ws   agent.WorkspaceID
	// process is who writes, replica the name it carries turns under; one that others
	// took for gone is refused.
	process, replica string
	// lock holds the workspace: writers follow each other, in every process, and what
	// one of them has read stays true until its transaction ends.
	lock bool
	// more are statements without a result, with all their names qualified.
	more []string
	// raw stands for all of it: statements without arguments.
	raw string
	// late says that it may go with the first read: what it takes is known to be there.
	late bool
}

// begin opens a transaction under the role in the workspace.
func begin(mode, role string, ws agent.WorkspaceID) opening {
	return opening{mode: mode, role: role, ws: ws}
}

func (o opening) and(statement string) opening {
	o.more = append(o.more[:len(o.more):len(o.more)], statement)
	return o
}

// A plan is kept as long as its connection, and one that was made while a table was
// nearly empty would read it whole when it is not. All that is asked by key has an
// index, so plans that read tables whole are not offered where another will do. Where none
// will, such a plan counts as so dear that the server would compile it, for a second.
const (
	setPlace = `SELECT set_config('search_path', 'sous', true), set_config('role', $1, true), ` +
		`set_config('sous.workspace', $2, true), set_config('sous.process', $3, true), ` +
		`set_config('enable_seqscan', 'off', true), set_config('jit', 'off', true)`
	holdHead = `SELECT seq FROM sous.audit_heads WHERE workspace = $1 FOR UPDATE`
)

// txn is a transaction that sends what it writes together: what is queued goes with
// the next read, or with the commit. It implements pgx.Tx.
type txn struct {
	conn *pgx.Conn
	ws   agent.WorkspaceID
	// batch is what is queued.
	batch *pgx.Batch
	// head is where the record of the workspace stands, nil when it is not held.
	head  *head
	ended bool
	// opening is how it begins while that has not been sent, locks that the workspace is
	// to be held then, reads that nothing is written.
	opening      *pgx.Batch
	locks, reads bool
	// lost says that nothing of it was done, for no fault of who asked for it: it can
	// begin again on another connection.
	lost bool
}

// open begins the transaction, in one round trip unless the workspace is new, or with
// the first read.
func open(ctx context.Context, conn *pgx.Conn, o opening) (*txn, error) {
	t := &txn{conn: conn, batch: &pgx.Batch{}}
	if o.raw != "" {
		_, err := conn.Exec(ctx, o.raw)
		return t, err
	}
	t.batch.Queue(o.mode)
	t.batch.Queue(setPlace, o.role, string(o.ws), o.process)
	if o.replica != "" {
		t.batch.Queue(`SELECT sous.still($1)`, o.replica)
	}
	if o.lock {
		t.queueHold(o.ws)
	}
	for _, s := range o.more {
		t.batch.Queue(s)
	}
	if o.late {
		t.opening, t.batch = t.batch, &pgx.Batch{}
		t.locks, t.reads = o.lock, o.mode == beginRead
		return t, nil
	}
	err := t.send(ctx)
	if err == nil && o.lock && t.head == nil {
		err = t.hold(ctx, o.ws)
	}
	return t, err
}

// beginRead begins what only reads.
const beginRead = "begin read only"

// queueHold takes the workspace, if it has a head.
func (t *txn) queueHold(ws agent.WorkspaceID) {
	t.ws = ws
	t.batch.Queue(holdHead, string(ws)).QueryRow(func(row pgx.Row) error {
		var h head
		err := row.Scan(&h.size)
		switch {
		case errors.Is(err, pgx.ErrNoRows):
			return nil
		case err == nil:
			t.head = &h
		}
		return err
	})
}

// hold takes the workspace, which may be new.
func (t *txn) hold(ctx context.Context, ws agent.WorkspaceID) error {
	t.Later(`INSERT INTO sous.audit_heads (workspace, seq) VALUES ($1, 0) ON CONFLICT DO NOTHING`, string(ws))
	t.queueHold(ws)
	if err := t.send(ctx); err != nil {
		return err
	}
	if t.head == nil {
		return fmt.Errorf("the record of %s has no head", ws)
	}
	return nil
}

// Later queues a statement of which nobody needs the result before the end.
func (t *txn) Later(query string, args ...any) { t.batch.Queue(query, args...) }

// later queues a statement of which nobody needs the result: it goes with what is
// read next, or with the end.
func later(tx pgx.Tx, query string, args ...any) { tx.(*txn).Later(query, args...) }

// together reads with all the queries at once, none of them the record; each hands
// its rows over itself.
func together(ctx context.Context, tx pgx.Tx, queries ...func(b *pgx.Batch)) error {
	t := tx.(*txn)
	for _, q := range queries {
		q(t.batch)
	}
	return t.send(ctx)
}

// want reads the first row, if there is one, into where it goes.
func want[T any](into *T, found *bool, scan func(sqlRow) (T, error), query string, args ...any) func(b *pgx.Batch) {
	return func(b *pgx.Batch) {
		b.Queue(query, args...).QueryRow(func(row pgx.Row) (err error) {
			*into, *found, err = first(row, scan)
			return err
		})
	}
}

// wantAll reads all rows.
func wantAll[T any](into *[]T, scan func(sqlRow) (T, error), query string, args ...any) func(b *pgx.Batch) {
	return func(b *pgx.Batch) {
		b.Queue(query, args...).Query(func(rows pgx.Rows) error {
			all := []T{}
			for rows.Next() {
				v, err := scan(rows)
				if err != nil {
					return err
				}
				all = append(all, v)
			}
			*into = all
			return rows.Err()
		})
	}
}

// flush sends what is queued, before a statement that sees it. Rows of the record wait
// for the end, where they are written in one go, unless the statement names it.
func (t *txn) flush(ctx context.Context, query string) error {
	t.before(query)
	return t.send(ctx)
}

// before queues the rows of the record when the statement has to see them.
func (t *txn) before(query string) {
	if strings.Contains(query, "audit") || t.head != nil && len(t.head.rows) >= recordRows {
		t.settle()
	}
}

// recordRows bounds how many rows of the record wait.
const recordRows = 500

// settle queues the rows of the record.
func (t *txn) settle() {
	if t.head != nil {
		t.head.write(t)
	}
}

// send sends what is queued, and before it how the transaction begins.
func (t *txn) send(ctx context.Context) error {
	b := t.batch
	if t.opening != nil {
		if b = t.opening; met(t.conn, t.batch) {
			b.QueuedQueries = append(b.QueuedQueries, t.batch.QueuedQueries...)
			t.batch = &pgx.Batch{}
		}
		if err := t.open(ctx, b); err != nil {
			return err
		}
		b = t.batch
	}
	if b.Len() == 0 {
		return nil
	}
	t.batch = &pgx.Batch{}
	err := t.conn.SendBatch(ctx, b).Close()
	if err == nil {
		meet(t.conn, b)
	}
	return err
}

// open sends how it begins, and what goes with that.
func (t *txn) open(ctx context.Context, b *pgx.Batch) error {
	t.opening = nil
	err := t.conn.SendBatch(ctx, b).Close()
	switch {
	case err != nil:
		// pgx may have dropped a statement that it had prepared.
		delete(t.conn.PgConn().CustomData(), metKey)
		t.lost = t.conn.IsClosed() || unknownTable(err)
	case t.locks && t.head == nil:
		t.lost = true
		return fmt.Errorf("the record of %s has no head any more", t.ws)
	}
	return err
}

// A statement is prepared on a connection before anything of the batch is executed that
// it comes in, so one that the connection has not met cannot go with what says where its
// tables are.
const metKey = "sous statements"

func met(conn *pgx.Conn, b *pgx.Batch) bool {
	known, _ := conn.PgConn().CustomData()[metKey].(map[string]bool)
	for _, q := range b.QueuedQueries {
		if !known[q.SQL] {
			return false
		}
	}
	return true
}

func meet(conn *pgx.Conn, b *pgx.Batch) {
	known, _ := conn.PgConn().CustomData()[metKey].(map[string]bool)
	if known == nil {
		known = map[string]bool{}
		conn.PgConn().CustomData()[metKey] = known
	}
	for _, q := range b.QueuedQueries {
		if len(known) < maxMet {
			known[q.SQL] = true
		}
	}
}

// maxMet is less than how many prepared statements pgx keeps of a connection.
const maxMet = 400

// Commit implements pgx.Tx.
func (t *txn) Commit(ctx context.Context) error {
	if t.ended {
		return pgx.ErrTxClosed
	}
	if t.opening != nil && !t.reads {
		// Were it to go with the end, and the connection be dead, nobody would know
		// whether it has been written.
		if err := t.send(ctx); err != nil {
			return errors.Join(err, t.Rollback(context.WithoutCancel(ctx)))
		}
	}
	t.settle()
	t.batch.Queue("commit").Exec(func(tag pgconn.CommandTag) error {
		if tag.String() == "ROLLBACK" {
			return pgx.ErrTxCommitRollback
		}
		return nil
	})
	err := t.send(ctx)
	if err != nil && !t.conn.IsClosed() && t.conn.PgConn().TxStatus() != 'I' {
		return errors.Join(err, t.Rollback(context.WithoutCancel(ctx)))
	}
	t.ended = true
	return err
}

// Rollback implements pgx.Tx.
func (t *txn) Rollback(ctx context.Context) error {
	if t.ended {
		return pgx.ErrTxClosed
	}
	t.ended = true
	t.batch = &pgx.Batch{}
	if t.opening != nil {
		return nil
	}
	_, err := t.conn.Exec(ctx, "rollback")
	if err != nil {
		// The connection must not come back with a transaction open.
		_ = t.conn.Close(ctx)
	}
	return err
}

// Exec implements pgx.Tx. The statement goes together with what is queued before it.
func (t *txn) Exec(ctx context.Context, query string, args ...any) (pgconn.CommandTag, error) {
	t.before(query)
	var tag pgconn.CommandTag
	t.batch.Queue(query, args...).Exec(func(did pgconn.CommandTag) error {
		tag = did
		return nil
	})
	err := t.send(ctx)
	return tag, err
}

// Query implements pgx.Tx.
func (t *txn) Query(ctx context.Context, query string, args ...any) (pgx.Rows, error) {
	if err := t.flush(ctx, query); err != nil {
		return nil, err
	}
	return t.conn.Query(ctx, query, args...)
}

// QueryRow implements pgx.Tx. The query goes when the row is scanned, together with
// what is queued before it.
func (t *txn) QueryRow(ctx context.Context, query string, args ...any) pgx.Row {
	return queuedRow{func(dest []any) error {
		t.before(query)
		var none error
		t.batch.Queue(query, args...).QueryRow(func(row pgx.Row) error {
			err := row.Scan(dest...)
			if errors.Is(err, pgx.ErrNoRows) {
				none, err = err, nil
			}
			return err
		})
		return cmp.Or(t.send(ctx), none)
	}}
}

type queuedRow struct{ scan func(dest []any) error }

// Scan implements pgx.Row.
func (r queuedRow) Scan(dest ...any) error { return r.scan(dest) }

// SendBatch implements pgx.Tx.
func (t *txn) SendBatch(ctx context.Context, b *pgx.Batch) pgx.BatchResults {
	t.settle()
	if err := t.send(ctx); err != nil {
		return pgx.FailedBatchResults(b, err)
	}
	return t.conn.SendBatch(ctx, b)
}

// CopyFrom implements pgx.Tx.
func (t *txn) CopyFrom(ctx context.Context, table pgx.Identifier, columns []string, rows pgx.CopyFromSource) (int64, error) {
	t.settle()
	if err := t.send(ctx); err != nil {
		return 0, err
	}
	return t.conn.CopyFrom(ctx, table, columns, rows)
}

// Conn implements pgx.Tx.
func (t *txn) Conn() *pgx.Conn { return t.conn }

// Begin implements pgx.Tx; nothing here nests.
func (t *txn) Begin(context.Context) (pgx.Tx, error) {
	return nil, errors.New("transactions are not nested")
}

// LargeObjects implements pgx.Tx; there are none.
func (t *txn) LargeObjects() pgx.LargeObjects { return pgx.LargeObjects{} }

// Prepare implements pgx.Tx.
func (t *txn) Prepare(ctx context.Context, name, query string) (*pgconn.StatementDescription, error) {
	return t.conn.Prepare(ctx, name, query)
}
