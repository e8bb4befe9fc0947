package pgtest

import (
	"context"
	"errors"
	"io"
	"net"
	"net/url"
	"sync"
	"testing"
)

// Proxy stands between a program and the server, so that a test can take the
// server away and bring it back.
type Proxy struct {
	// URL is the database's, by way of the proxy.
	URL     string
	network string
	address string
	l       net.Listener
	wg      sync.WaitGroup

	mu    sync.Mutex
	cut   bool
	conns map[net.Conn]bool
}

// NewProxy returns a proxy before the database the URL names, until the test ends.
func NewProxy(t testing.TB, base string) *Proxy {
	t.Helper()
	p, err := StartProxy(t.Context(), base)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	return p
}

// StartProxy returns a proxy before the database the URL names, until it is closed.
func StartProxy(ctx context.Context, base string) (*Proxy, error) {
	u, err := url.Parse(base)
	if err != nil {
		return nil, err
	}
	p := &Proxy{network: "tcp", address: u.Host, conns: map[net.Conn]bool{}}
	q := u.Query()
	if dir := q.Get("host"); dir != "" {
		p.network, p.address = "unix", dir+"/.s.PGSQL.5432"
		q.Del("host")
	} else if u.Port() == "" {
		p.address = net.JoinHostPort(u.Hostname(), "5432")
	}
	var lc net.ListenConfig
	if p.l, err = lc.Listen(ctx, "tcp", "127.0.0.1:0"); err != nil {
		return nil, err
	}
	u.Host = p.l.Addr().String()
	q.Set("sslmode", "disable")
	u.RawQuery = q.Encode()
	p.URL = u.String()
	p.wg.Go(p.serve)
	return p, nil
}

// Close ends the proxy and every connection by way of it.
func (p *Proxy) Close() {
	_ = p.l.Close()
	p.Cut()
	p.wg.Wait()
}

func (p *Proxy) serve() {
	for {
		c, err := p.l.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err == nil {
			p.wg.Go(func() { p.pass(c) })
		}
	}
}

func (p *Proxy) pass(c net.Conn) {
	defer c.Close()
	s, err := net.Dial(p.network, p.address) //nolint:noctx // a server on this machine
	if err != nil {
		return
	}
	defer s.Close()
	if !p.keep(c, s) {
		return
	}
	defer p.drop(c, s)
	done := make(chan struct{}, 2)
	for _, way := range [][2]net.Conn{{c, s}, {s, c}} {
		go func() {
			_, _ = io.Copy(way[0], way[1])
			_ = way[0].Close()
			_ = way[1].Close()
			done <- struct{}{}
		}()
	}
	<-done
	<-done
}

// keep notes the two ends; false means that the server is away.
func (p *Proxy) keep(ends ...net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.cut {
		return false
	}
	for _, c := range ends {
		p.conns[c] = true
	}
	return true
}

func (p *Proxy) drop(ends ...net.Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range ends {
		delete(p.conns, c)
	}
}

// Cut takes the server away: connections break and none is made.
func (p *Proxy) Cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cut = true
	for c := range p.conns {
		_ = c.Close()
	}
}

// Mend brings the server back.
func (p *Proxy) Mend() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cut = false
}
