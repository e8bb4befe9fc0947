// Package memnet is a network within one process: connections are pipes, so that
// servers and clients run where time is the test's (testing/synctest), and no port
// is used. Names and ports are any words.
package memnet

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
)

// Net is one network. The zero value is ready.
type Net struct {
	mu    sync.Mutex
	names map[string]*listener
}

// Listen takes connections to an address. An address in use is an error.
func (n *Net) Listen(addr string) (net.Listener, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.names == nil {
		n.names = map[string]*listener{}
	}
	if n.names[addr] != nil {
		return nil, fmt.Errorf("listen %s: the address is in use", addr)
	}
	l := &listener{net: n, addr: address(addr), calls: make(chan net.Conn), closed: make(chan struct{})}
	n.names[addr] = l
	return l, nil
}

// DialContext connects to whoever listens on an address; nobody is an error at once,
// as a closed port is.
func (n *Net) DialContext(ctx context.Context, _, addr string) (net.Conn, error) {
	n.mu.Lock()
	l := n.names[addr]
	n.mu.Unlock()
	if l == nil {
		return nil, fmt.Errorf("dial %s: connection refused", addr)
	}
	ours, theirs := net.Pipe()
	select {
	case l.calls <- theirs:
		return ours, nil
	case <-l.closed:
		return nil, fmt.Errorf("dial %s: connection refused", addr)
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// Serve answers at an address until the server is closed. It panics when the address
// is in use, as httptest does.
func (n *Net) Serve(addr string, h http.Handler) *httptest.Server {
	l, err := n.Listen(addr)
	if err != nil {
		panic("memnet: " + err.Error())
	}
	s := httptest.NewUnstartedServer(h)
	_ = s.Listener.Close() // the one httptest makes for itself
	s.Listener = l
	s.Start()
	return s
}

// Client returns a client on the network. Close its idle connections at the end.
func (n *Net) Client() *http.Client {
	return &http.Client{Transport: &http.Transport{DialContext: n.DialContext, MaxIdleConnsPerHost: 64}}
}

type address string

func (a address) Network() string { return "mem" }
func (a address) String() string  { return string(a) }

type listener struct {
	net    *Net
	addr   address
	calls  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

// Accept implements net.Listener.
func (l *listener) Accept() (net.Conn, error) {
	select {
	case c := <-l.calls:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

// Close implements net.Listener.
func (l *listener) Close() error {
	l.once.Do(func() {
		close(l.closed)
		l.net.mu.Lock()
		defer l.net.mu.Unlock()
		delete(l.net.names, string(l.addr))
	})
	return nil
}

// Addr implements net.Listener.
func (l *listener) Addr() net.Addr { return l.addr }
