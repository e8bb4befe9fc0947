package pgtest

import (
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

	mu    sync.Mutex
	cut   bool
	conns map[net.Conn]bool
}

// NewProxy returns a proxy before the database the URL names, until the test ends.
func NewProxy(t testing.TB, base string) *Proxy {
	t.Helper()
	u, err := url.Parse(base)
	if err != nil {
		t.Fatal(err)
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
	if p.l, err = lc.Listen(t.Context(), "tcp", "127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	u.Host = p.l.Addr().String()
	q.Set("sslmode", "disable")
	u.RawQuery = q.Encode()
	p.URL = u.String()
	var wg sync.WaitGroup
	wg.Go(func() { p.serve(&wg) })
	t.Cleanup(func() {
		_ = p.l.Close()
		p.Cut()
		wg.Wait()
	})
	return p
}

func (p *Proxy) serve(wg *sync.WaitGroup) {
	for {
		c, err := p.l.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err == nil {
			wg.Go(func() { p.pass(c) })
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
