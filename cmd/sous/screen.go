package main

import (
	"fmt"
	"io"
	"os"

	"github.com/sous-hq/sous/internal/plaintext"
)

// screen shows people what a command says. Much of it is what others wrote, in
// documents, file names and arguments of calls: none of that is obeyed by the
// terminal. What is for programs (JSON, exports) is written past it.
type screen struct{ to io.Writer }

// Write implements io.Writer; a character is never parted between two writes.
func (s screen) Write(b []byte) (int, error) {
	if _, err := io.WriteString(s.to, plaintext.Shown(string(b))); err != nil {
		return 0, err
	}
	return len(b), nil
}

// terminal returns the file behind a writer, when it is one.
func terminal(w io.Writer) (*os.File, bool) {
	if s, ok := w.(screen); ok {
		w = s.to
	}
	f, ok := w.(*os.File)
	return f, ok
}

// printf shows people a result.
func (c *cli) printf(format string, args ...any) { fmt.Fprintf(screen{c.stdout}, format, args...) }
