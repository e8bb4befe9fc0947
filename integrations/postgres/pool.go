package postgres

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/sous-hq/sous/agent"
)

// How long things may take before the database counts as away. A transaction
// that stands still, because its process does, is ended by the server: the locks
// it holds must not keep the other replicas waiting.
const (
	connectTime = 5 * time.Second
	acquireTime = 10 * time.Second
	idleInTx    = "5000" // ms
	crowdedWait = 20 * time.Millisecond
)

// poolConfig reads the address and fills in what it leaves open.
func poolConfig(address string) (*pgxpool.Config, error) {
	c, err := pgxpool.ParseConfig(address)
	if err != nil {
		// The error quotes the URL with its password left out.
		return nil, agent.WrapError(agent.Invalid, err, "the address of the database cannot be read; it looks like postgres://user@host/name")
	}
	if u, err := url.Parse(address); err == nil && !u.Query().Has("pool_max_conns") {
		c.MaxConns = max(c.MaxConns, defaultConns)
	}
	prepareConn(c.ConnConfig)
	return c, nil
}

// defaultConns is how many connections the store opens at most where the address
// does not say.
const defaultConns = 10

// prepareConn sets what every connection of ours has, unless the address says
// otherwise.
func prepareConn(c *pgx.ConnConfig) {
	if c.ConnectTimeout == 0 {
		c.ConnectTimeout = connectTime
	}
	if _, set := c.RuntimeParams["idle_in_transaction_session_timeout"]; !set {
		c.RuntimeParams["idle_in_transaction_session_timeout"] = idleInTx
	}
	// A server that vanished without a word is noticed within half a minute.
	dialer := &net.Dialer{KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: 10 * time.Second, Interval: 5 * time.Second, Count: 3}}
	c.DialFunc = dialer.DialContext
}

// begin takes a connection and opens a transaction on it. A connection that turns
// out to be dead by then, as all are after the server was started again, is not the
// caller's trouble: nothing was done on it, so another is taken.
func (d *DB) begin(ctx context.Context, o opening) (*txn, func(), error) {
	for dead := int32(0); ; dead++ {
		conn, err := d.acquire(ctx)
		if err != nil {
			return nil, nil, err
		}
		tx, err := open(ctx, conn.Conn(), o)
		if err == nil {
			return tx, conn.Release, nil
		}
		closed := conn.Conn().IsClosed()
		if !closed {
			_ = tx.Rollback(context.WithoutCancel(ctx))
		}
		conn.Release()
		if !closed || ctx.Err() != nil || dead > d.pool.Config().MaxConns {
			return nil, nil, err
		}
	}
}

func (d *DB) acquire(ctx context.Context) (*pgxpool.Conn, error) {
	waiting, cancel := context.WithTimeout(ctx, d.patience)
	defer cancel()
	conn, err := d.pool.Acquire(waiting)
	for err != nil && crowded(err) && d.pool.Stat().TotalConns() > 0 && waiting.Err() == nil {
		// The server lets us have fewer than the pool may hold: what we have does for all.
		rest(waiting, crowdedWait)
		conn, err = d.pool.Acquire(waiting)
	}
	if err != nil && errors.Is(err, context.DeadlineExceeded) && !isConnectError(err) && (ctx.Err() == nil || d.pool.Stat().AcquiredConns() == d.pool.Config().MaxConns) {
		return nil, agent.WrapError(agent.Unavailable, err, fmt.Sprintf("all %d connections to the database are busy; try again in a moment, or raise pool_max_conns in SOUS_DATABASE_URL", d.pool.Config().MaxConns))
	}
	return conn, err
}

func isConnectError(err error) bool {
	var connect *pgconn.ConnectError
	return errors.As(err, &connect)
}
