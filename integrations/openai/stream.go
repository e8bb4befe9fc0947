package openai

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sync"

	openai "github.com/sashabaranov/go-openai"
)

// pieces reads a stream of server-sent events, of which servers send one for each word.
// The library's reader runs three regular expressions over each and copies it twice;
// what counts as an event and what as an error is the same.
type pieces struct {
	r *bufio.Reader
	// long holds a line that is longer than the reader's room.
	long []byte
	// failed is what may be the server's word on what went wrong.
	failed []byte
}

// readers are spare ones: a stream's is of no use after its end.
var readers = sync.Pool{New: func() any { return bufio.NewReaderSize(nil, 4<<10) }} //nolint:gochecknoglobals // spare memory, without a state

func newPieces(r io.Reader) *pieces {
	b, _ := readers.Get().(*bufio.Reader)
	b.Reset(r)
	return &pieces{r: b}
}

// close gives the reader back.
func (p *pieces) close() {
	p.r.Reset(nil)
	readers.Put(p.r)
	p.r = nil
}

// next returns the next event's data, which holds until the next call; io.EOF after
// the mark of the end, or where the stream ends without one.
func (p *pieces) next() ([]byte, error) {
	said := false
	for {
		line, err := p.line()
		if err != nil || said {
			return nil, p.wrong(err)
		}
		data, ok := bytes.CutPrefix(bytes.TrimSpace(line), []byte("data:"))
		data = bytes.TrimSpace(data)
		switch {
		case ok && string(data) == "[DONE]":
			return nil, io.EOF
		case ok && !bytes.HasPrefix(data, []byte(`{"error":`)):
			return data, nil
		}
		said = ok
		if len(p.failed)+len(data) <= maxError {
			p.failed = append(p.failed, data...)
		}
	}
}

// line returns a whole line.
func (p *pieces) line() ([]byte, error) {
	line, err := p.r.ReadSlice('\n')
	if !errors.Is(err, bufio.ErrBufferFull) {
		return line, err
	}
	p.long = append(p.long[:0], line...)
	for errors.Is(err, bufio.ErrBufferFull) {
		line, err = p.r.ReadSlice('\n')
		p.long = append(p.long, line...)
	}
	return p.long, err
}

// wrong is what the server said went wrong, or why nothing more can be read.
func (p *pieces) wrong(err error) error {
	var said openai.ErrorResponse
	if len(p.failed) > 0 && json.Unmarshal(p.failed, &said) == nil && said.Error != nil {
		return fmt.Errorf("error, %w", said.Error)
	}
	if err == nil {
		// An event that begins like an error and is none, as from nobody known.
		return io.ErrUnexpectedEOF
	}
	return err
}

// more reports whether another event has come already.
func (p *pieces) more() bool {
	rest, _ := p.r.Peek(p.r.Buffered())
	at := bytes.Index(rest, []byte("data:"))
	return at >= 0 && bytes.IndexByte(rest[at:], '\n') >= 0
}
