package documents

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime/debug"
	"strings"
	"time"

	"github.com/sous-hq/sous/memory"
)

// childMemory is how much memory a child may take for reading.
const childMemory = 768 << 20

// A frame is its length in four bytes, big end first, and so many bytes. A
// request is two frames, the name and the content; an answer is one of JSON.

func writeFrame(w io.Writer, b []byte) error {
	if err := binary.Write(w, binary.BigEndian, uint32(len(b))); err != nil {
		return err
	}
	_, err := w.Write(b)
	return err
}

func readFrame(r io.Reader, limit uint32) ([]byte, error) {
	var n uint32
	if err := binary.Read(r, binary.BigEndian, &n); err != nil {
		return nil, err
	}
	if n > limit {
		return nil, errors.New("a frame is too long")
	}
	b := make([]byte, n)
	_, err := io.ReadFull(r, b)
	return b, err
}

// maxAnswer is the longest answer: all text, each byte escaped, and its places.
const maxAnswer = 8*maxText + maxBlocks*80

// Serve is the child's side: it answers requests from in on out until in ends.
// It first takes from this process what reading does not need: it can write no
// file any more, and have no more than a certain memory.
func Serve(in io.Reader, out io.Writer, timeout time.Duration) error {
	if err := confine(childMemory); err != nil {
		return err
	}
	debug.SetMemoryLimit(childMemory / 2)
	if timeout <= 0 {
		timeout = DefaultTimeout
	}
	requests := bufio.NewReaderSize(in, 1<<16)
	for {
		name, err := readFrame(requests, 1<<16)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read request: %w", err)
		}
		content, err := readFrame(requests, MaxBytes)
		if err != nil {
			return fmt.Errorf("read request: %w", err)
		}
		// Whoever asked may be gone; nobody would stop it then.
		alarm := time.AfterFunc(timeout+5*time.Second, func() { os.Exit(3) })
		raw, err := json.Marshal(answerOf(parseSafely(string(name), content)))
		if err == nil {
			err = writeFrame(out, raw)
		}
		alarm.Stop()
		if err != nil {
			return fmt.Errorf("write answer: %w", err)
		}
		if len(content) > 4<<20 || len(raw) > 4<<20 {
			debug.FreeOSMemory()
		}
	}
}

// parseSafely is Parse for which a reader that breaks down is a damaged file.
func parseSafely(name string, content []byte) (d memory.Parsed, err error) {
	defer func() {
		if x := recover(); x != nil {
			err = errDamaged(fmt.Errorf("%v", x))
		}
	}()
	return Parse(name, content)
}

// child is a process that reads.
type child struct {
	cmd   *exec.Cmd
	in    io.WriteCloser
	out   io.Reader
	said  bytes.Buffer
	files int
}

func startChild(command []string) (*child, error) {
	c := &child{cmd: exec.Command(command[0], command[1:]...)} //nolint:gosec,noctx // this program again; Read ends it
	c.cmd.Env = []string{"GOTRACEBACK=none"}
	c.cmd.Stderr = &limitedBuffer{to: &c.said, left: 4 << 10}
	var err error
	if c.in, err = c.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := c.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	c.out = bufio.NewReaderSize(out, 1<<16)
	return c, c.cmd.Start()
}

// ask hands the child a file and waits for its answer.
func (c *child) ask(name string, content []byte) (answer, error) {
	w := bufio.NewWriterSize(c.in, 1<<16)
	if err := errors.Join(writeFrame(w, []byte(oneLine(name, 1000))), writeFrame(w, content), w.Flush()); err != nil {
		return answer{}, err
	}
	raw, err := readFrame(c.out, maxAnswer)
	if err != nil {
		return answer{}, err
	}
	return decodeAnswer(raw)
}

// kill ends the child at once; end still has to be called.
func (c *child) kill() { _ = c.cmd.Process.Kill() }

// end lets the child go and returns what is known of its end.
func (c *child) end() string {
	_ = c.in.Close()
	gone := time.AfterFunc(2*time.Second, c.kill)
	err := c.cmd.Wait()
	gone.Stop()
	first, _, _ := strings.Cut(c.said.String(), "\n")
	if err != nil {
		first += " (" + err.Error() + ")"
	}
	return first
}

// limitedBuffer keeps the beginning of what is written.
type limitedBuffer struct {
	to   *bytes.Buffer
	left int
}

// Write implements io.Writer.
func (l *limitedBuffer) Write(b []byte) (int, error) {
	keep := b[:min(len(b), l.left)]
	l.left -= len(keep)
	l.to.Write(keep)
	return len(b), nil
}
