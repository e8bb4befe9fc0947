// Package sse writes and reads server-sent events, as the HTML Living Standard
// defines them (section 9.2, text/event-stream).
package sse

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Message is one event of a stream.
type Message struct {
	// ID is what a reader sends as Last-Event-ID when it comes back.
	ID string
	// Event is the type; empty means "message".
	Event string
	Data  []byte
}

// Writing to one reader may take this long before it is given up.
const writeWithin = 30 * time.Second

// Serve answers with the messages that next yields until its ok is false or ctx
// is done. Between messages that are further apart than beat it writes a
// comment, so that neither proxies nor readers take the stream for dead. next
// is called by one goroutine and may still be waiting when Serve returns: it has
// to end with the request.
func Serve(ctx context.Context, w http.ResponseWriter, beat time.Duration, next func() (Message, bool)) error {
	ctx, cancel := context.WithCancel(ctx)
	messages := make(chan Message)
	go func() {
		defer close(messages)
		for {
			m, ok := next()
			if !ok {
				return
			}
			select {
			case messages <- m:
			case <-ctx.Done():
				return
			}
		}
	}()
	defer cancel()
	h := w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Accel-Buffering", "no")
	w.WriteHeader(http.StatusOK)
	out := writer{w: w, control: http.NewResponseController(w)}
	if err := out.write([]byte(": open\n\n")); err != nil {
		return err
	}
	ticker := time.NewTicker(beat)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case m, ok := <-messages:
			if !ok {
				return nil
			}
			if err := out.write(encode(m)); err != nil {
				return err
			}
			ticker.Reset(beat)
		case <-ticker.C:
			if err := out.write([]byte(": beat\n\n")); err != nil {
				return err
			}
		}
	}
}

// writer writes whole blocks, each with a deadline of its own.
type writer struct {
	w       io.Writer
	control *http.ResponseController
}

func (o writer) write(block []byte) error {
	//nolint:forbidigo // a deadline of the network is of the machine's clock
	if err := o.control.SetWriteDeadline(time.Now().Add(writeWithin)); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return fmt.Errorf("event stream: %w", err)
	}
	if _, err := o.w.Write(block); err != nil {
		return fmt.Errorf("event stream: %w", err)
	}
	if err := o.control.Flush(); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return fmt.Errorf("event stream: %w", err)
	}
	return nil
}

// encode writes a message in the stream's form. Line ends within an id or type
// would end the field, so they are dropped; in data each line is a field.
func encode(m Message) []byte {
	var b bytes.Buffer
	field := func(name, value string) {
		fmt.Fprintf(&b, "%s: %s\n", name, strings.NewReplacer("\r", "", "\n", "", "\x00", "").Replace(value))
	}
	if m.ID != "" {
		field("id", m.ID)
	}
	if m.Event != "" {
		field("event", m.Event)
	}
	data := strings.ReplaceAll(strings.ReplaceAll(string(m.Data), "\r\n", "\n"), "\r", "\n")
	for line := range strings.SplitSeq(data, "\n") {
		field("data", line)
	}
	b.WriteByte('\n')
	return b.Bytes()
}

// Reader reads a stream.
type Reader struct {
	lines *bufio.Scanner
	id    string
}

// maxLine is the longest line a Reader takes, in bytes.
const maxLine = 8 << 20

// NewReader returns a reader of the stream.
func NewReader(r io.Reader) *Reader {
	lines := bufio.NewScanner(r)
	lines.Buffer(make([]byte, 0, 4096), maxLine)
	return &Reader{lines: lines}
}

// Next returns the next message that carries data, or io.EOF at the end. A
// message that the end cuts off is not returned.
func (r *Reader) Next() (Message, error) {
	m := Message{}
	var data []string
	for r.lines.Scan() {
		line := r.lines.Text()
		if line == "" {
			if data == nil {
				m = Message{}
				continue
			}
			m.ID, m.Data = r.id, []byte(strings.Join(data, "\n"))
			return m, nil
		}
		name, value, _ := strings.Cut(line, ":")
		value = strings.TrimPrefix(value, " ")
		switch name {
		case "id":
			r.id = value
		case "event":
			m.Event = value
		case "data":
			data = append(data, value)
		}
	}
	if err := r.lines.Err(); err != nil {
		return Message{}, fmt.Errorf("event stream: %w", err)
	}
	return Message{}, io.EOF
}

// Cursor numbers the messages of one process. Numbers start again when the
// process does, so an id names both, and one of a former process means "from
// the beginning".
type Cursor struct {
	// Boot is different in each process.
	Boot string
}

// ID returns the id of the n-th message.
func (c Cursor) ID(n int) string { return c.Boot + "." + strconv.Itoa(n) }

// After returns the number within an id, 0 when it is not one of this process.
func (c Cursor) After(id string) int {
	boot, number, ok := strings.Cut(id, ".")
	n, err := strconv.Atoi(number)
	if !ok || err != nil || boot != c.Boot || n < 0 {
		return 0
	}
	return n
}
