package audit

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/sous-hq/sous/agent"
)

// Checkpoint is the head of a workspace's tree at a time. Signed, it vouches for
// every row up to Size: the form is that of c2sp.org/tlog-checkpoint, with the
// time as an extension line.
type Checkpoint struct {
	Workspace agent.WorkspaceID
	Size      int64
	Root      tlog.Hash
	At        time.Time
}

// originPrefix begins the first line of a checkpoint; the workspace follows.
const originPrefix = "sous/audit/"

// Text is what is signed.
func (c Checkpoint) Text() string {
	return fmt.Sprintf("%s%s\n%d\n%s\ntime %s\n", originPrefix, url.PathEscape(string(c.Workspace)), c.Size,
		c.Root, c.At.UTC().Format(time.RFC3339Nano))
}

// Sign returns the signed note.
func (c Checkpoint) Sign(s note.Signer) (string, error) {
	b, err := note.Sign(&note.Note{Text: c.Text()}, s)
	if err != nil {
		return "", fmt.Errorf("sign checkpoint: %w", err)
	}
	return string(b), nil
}

var errCheckpoint = errors.New("this is no checkpoint of an audit record")

// ParseCheckpoint reads what Text writes, and nothing else.
func ParseCheckpoint(text string) (Checkpoint, error) {
	lines := strings.Split(text, "\n")
	if len(lines) != 5 || lines[4] != "" {
		return Checkpoint{}, errCheckpoint
	}
	origin, ok1 := strings.CutPrefix(lines[0], originPrefix)
	ws, err1 := url.PathUnescape(origin)
	size, err2 := strconv.ParseInt(lines[1], 10, 64)
	root, err3 := base64.StdEncoding.DecodeString(lines[2])
	at, ok2 := strings.CutPrefix(lines[3], "time ")
	when, err4 := time.Parse(time.RFC3339Nano, at)
	if !ok1 || !ok2 || errors.Join(err1, err2, err3, err4) != nil || size < 0 || len(root) != tlog.HashSize {
		return Checkpoint{}, errCheckpoint
	}
	c := Checkpoint{Workspace: agent.WorkspaceID(ws), Size: size, Root: tlog.Hash(root), At: when}
	if c.Text() != text {
		return Checkpoint{}, errCheckpoint
	}
	return c, nil
}

// OpenCheckpoint reads a signed checkpoint. It has to be signed by a known key.
func OpenCheckpoint(msg string, known note.Verifiers) (Checkpoint, error) {
	n, err := note.Open([]byte(msg), known)
	var unknown *note.UnverifiedNoteError
	switch {
	case errors.As(err, &unknown):
		return Checkpoint{}, errors.New("it is signed by none of the known keys")
	case err != nil:
		return Checkpoint{}, fmt.Errorf("its signature is wrong or damaged: %w", err)
	}
	return ParseCheckpoint(n.Text)
}

// SplitNotes divides the text of a checkpoint file into its signed notes. Rest
// is what follows the last whole one: a note that was being written when the
// machine stopped.
func SplitNotes(text string) (notes []string, rest string) {
	for {
		text = strings.TrimLeft(text, "\n")
		end := noteEnd(text)
		if end < 0 {
			return notes, text
		}
		notes, text = append(notes, text[:end]), text[end:]
	}
}

// noteEnd is where the first note ends: after its text, an empty line and its
// signature lines. It is -1 when there is no whole note.
func noteEnd(text string) int {
	i := strings.Index(text, "\n\n")
	if i < 0 {
		return -1
	}
	end := i + 2
	for strings.HasPrefix(text[end:], "— ") {
		n := strings.IndexByte(text[end:], '\n')
		if n < 0 {
			return -1
		}
		end += n + 1
	}
	if end == i+2 && strings.HasPrefix("— ", text[end:]) {
		return -1 // its signature is still to come
	}
	return end
}
