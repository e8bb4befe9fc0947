package main

import (
	"context"
	"net"
	"net/http"
	"sync"
)

// keptConnections is how many connections are kept open for what may come next on
// them. Slack opens one for each of many deliveries at once and then leaves them: each
// holds some 20 kB until it is given up.
const keptConnections = 128

// connections are those of a server, and whether they are closed after their answer.
// The zero value is ready to use; it is safe for concurrent use.
type connections struct {
	mu      sync.Mutex
	leaving map[net.Conn]bool
	leave   int
}

// limit has the server of h keep no more than keptConnections.
func (c *connections) limit(s *http.Server, h http.Handler) {
	type key struct{}
	s.ConnState = c.state
	s.ConnContext = func(ctx context.Context, conn net.Conn) context.Context { return context.WithValue(ctx, key{}, conn) }
	s.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if conn, ok := r.Context().Value(key{}).(net.Conn); ok && c.over(conn) {
			w.Header().Set("Connection", "close")
		}
		h.ServeHTTP(w, r)
	})
}

func (c *connections) state(conn net.Conn, now http.ConnState) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch now {
	case http.StateNew:
		if c.leaving == nil {
			c.leaving = map[net.Conn]bool{}
		}
		c.leaving[conn] = false
	case http.StateClosed, http.StateHijacked:
		if c.leaving[conn] {
			c.leave--
		}
		delete(c.leaving, conn)
	case http.StateActive, http.StateIdle:
	}
}

// over reports whether a connection is one too many, and counts it as closed then.
func (c *connections) over(conn net.Conn) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	leaving, open := c.leaving[conn]
	if open && !leaving && len(c.leaving)-c.leave > keptConnections {
		c.leaving[conn] = true
		c.leave++
	}
	return c.leaving[conn]
}
