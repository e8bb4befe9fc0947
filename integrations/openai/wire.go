package openai

import (
	"context"
	"io"
	"net"
	"net/http"
	"sync"
	"time"
)

// transport keeps the connections it has made: net/http keeps two for a server, and of
// as many turns as run at once nearly all would dial anew for each question.
func transport() http.RoundTripper {
	t, ok := http.DefaultTransport.(*http.Transport)
	if !ok {
		return http.DefaultTransport
	}
	t = t.Clone()
	t.MaxIdleConnsPerHost, t.MaxIdleConns = idleConns, idleConns
	// The header fits; what is left of a body goes around the buffer.
	t.WriteBufferSize = 1 << 10
	dialer := &net.Dialer{Timeout: 30 * time.Second, KeepAlive: 30 * time.Second}
	t.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
		c, err := dialer.DialContext(ctx, network, address)
		if err != nil {
			return nil, err
		}
		return wire{c}, nil
	}
	return t
}

const idleConns = 128

// wire is a connection that needs no new memory for each request: net/http hands the
// body over for copying, and net makes a buffer of up to 32 kB for that.
type wire struct{ net.Conn }

// room is for copying a request; a body with its tools fits.
var room = sync.Pool{New: func() any { return new([32 << 10]byte) }} //nolint:gochecknoglobals // spare memory, without a state

// ReadFrom implements io.ReaderFrom.
func (w wire) ReadFrom(r io.Reader) (sent int64, err error) {
	buf, _ := room.Get().(*[32 << 10]byte)
	defer room.Put(buf)
	for {
		n, readErr := r.Read(buf[:])
		if n > 0 {
			m, err := w.Write(buf[:n])
			sent += int64(m)
			if err != nil {
				return sent, err
			}
		}
		switch readErr {
		case nil:
		case io.EOF: //nolint:errorlint // readers return it as it is
			return sent, nil
		default:
			return sent, readErr
		}
	}
}
