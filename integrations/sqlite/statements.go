package sqlite

import (
	"context"
	"database/sql/driver"
	"errors"
	"io"
	"strings"

	sqlite "modernc.org/sqlite"
)

// maxStatements is how many compiled statements a connection keeps.
const maxStatements = 96

// connector opens connections that keep their compiled statements. The same few
// dozen statements run for every turn, the durable engine's included, and compiling
// them was a quarter of a turn's processor time.
type connector struct{ driver.Connector }

func newConnector(dsn string) (driver.Connector, error) {
	c, err := sqlite.NewConnector(dsn)
	if err != nil {
		return nil, err
	}
	return connector{c}, nil
}

// Connect implements driver.Connector.
func (c connector) Connect(ctx context.Context) (driver.Conn, error) {
	got, err := c.Connector.Connect(ctx)
	if err != nil {
		return nil, err
	}
	raw, ok := got.(rawConn)
	if !ok {
		return nil, errors.Join(errors.New("the driver's connection lacks what Sous needs"), got.Close())
	}
	return &conn{rawConn: raw, kept: map[string]*statement{}}, nil
}

// rawConn is what the driver's connections offer.
type rawConn interface {
	driver.Conn
	driver.ConnBeginTx
	driver.ConnPrepareContext
	driver.ExecerContext
	driver.QueryerContext
	driver.Pinger
	driver.SessionResetter
	driver.Validator
}

// conn is one connection; database/sql lets one goroutine use it at a time.
type conn struct {
	rawConn
	kept map[string]*statement
	// clock counts uses, so that the one used longest ago goes first.
	clock uint64
	// writing says that a transaction that writes is open.
	writing bool
}

// BeginTx implements driver.ConnBeginTx.
func (c *conn) BeginTx(ctx context.Context, opts driver.TxOptions) (driver.Tx, error) {
	tx, err := c.rawConn.BeginTx(lasting(ctx), opts)
	if err != nil {
		return nil, err
	}
	c.writing = !opts.ReadOnly
	return transaction{tx, c}, nil
}

// transaction tells its connection when it is over.
type transaction struct {
	driver.Tx
	conn *conn
}

// Commit implements driver.Tx.
func (t transaction) Commit() error {
	t.conn.writing = false
	return t.Tx.Commit()
}

// Rollback implements driver.Tx.
func (t transaction) Rollback() error {
	t.conn.writing = false
	return t.Tx.Rollback()
}

// lasting is ctx without its end. The driver starts a goroutine for each statement
// that may be cut off; what changes a few rows is over before there is any use in it.
func lasting(ctx context.Context) context.Context {
	if ctx.Err() != nil {
		return ctx
	}
	return context.WithoutCancel(ctx)
}

// statement is compiled; busy while rows are read from it.
type statement struct {
	driver.Stmt
	text string
	used uint64
	busy bool
}

// statement returns the compiled statement of a text, nil when it is better run as
// it is: a script, something that is no query, or one that is being read from.
func (c *conn) statement(ctx context.Context, text string) (*statement, error) {
	s := c.kept[text]
	switch {
	case s != nil && s.busy:
		return nil, nil
	case s == nil && !reusable(text):
		return nil, nil
	case s == nil:
		made, err := c.PrepareContext(ctx, text)
		if err != nil {
			return nil, err
		}
		if len(c.kept) >= maxStatements {
			c.evict()
		}
		s = &statement{Stmt: made, text: text}
		c.kept[text] = s
	}
	c.clock++
	s.used = c.clock
	return s, nil
}

// reusable reports whether a text is one statement about rows.
func reusable(text string) bool {
	first, _, _ := strings.Cut(strings.TrimSpace(text), " ")
	switch strings.ToUpper(first) {
	case "SELECT", "INSERT", "UPDATE", "DELETE", "WITH":
		return !strings.Contains(text, ";")
	}
	return false
}

func (c *conn) evict() {
	var oldest *statement
	for _, s := range c.kept {
		if !s.busy && (oldest == nil || s.used < oldest.used) {
			oldest = s
		}
	}
	if oldest != nil {
		c.drop(oldest)
	}
}

func (c *conn) drop(s *statement) {
	delete(c.kept, s.text)
	_ = s.Close() // it frees memory and has nothing to report
}

// ExecContext implements driver.ExecerContext.
func (c *conn) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	s, err := c.statement(ctx, query)
	if err != nil {
		return nil, err
	}
	run, ok := runnable(s)
	if !ok {
		return c.rawConn.ExecContext(ctx, query, args)
	}
	done, err := run.ExecContext(lasting(ctx), args)
	if err != nil {
		c.drop(s)
	}
	return done, err
}

// QueryContext implements driver.QueryerContext.
func (c *conn) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	s, err := c.statement(ctx, query)
	if err != nil {
		return nil, err
	}
	run, ok := runnable(s)
	if !ok {
		return c.rawConn.QueryContext(ctx, query, args)
	}
	if c.writing {
		ctx = lasting(ctx)
	}
	got, err := run.QueryContext(ctx, args)
	if err != nil {
		c.drop(s)
		return nil, err
	}
	s.busy = true
	return &rows{Rows: got, conn: c, of: s}, nil
}

// runner is a statement that takes a context.
type runner interface {
	driver.StmtExecContext
	driver.StmtQueryContext
}

func runnable(s *statement) (runner, bool) {
	if s == nil {
		return nil, false
	}
	run, ok := s.Stmt.(runner)
	return run, ok
}

// Close implements driver.Conn.
func (c *conn) Close() error {
	for _, s := range c.kept {
		_ = s.Close()
	}
	clear(c.kept)
	return c.rawConn.Close()
}

// rows give their statement back when they are closed. What could not be read to
// its end is not used again.
type rows struct {
	driver.Rows
	conn *conn
	of   *statement
	bad  bool
}

// Next implements driver.Rows.
func (r *rows) Next(into []driver.Value) error {
	err := r.Rows.Next(into)
	if err != nil && !errors.Is(err, io.EOF) {
		r.bad = true
	}
	return err
}

// Close implements driver.Rows.
func (r *rows) Close() error {
	err := r.Rows.Close()
	if r.of != nil {
		if r.of.busy = false; err != nil || r.bad {
			r.conn.drop(r.of)
		}
		r.of = nil
	}
	return err
}
