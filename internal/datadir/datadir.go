// Package datadir is the folder Sous keeps its things in: made with mode 0700,
// held by one process at a time, with a socket by which others reach that one.
package datadir

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
)

// Holder tells who holds a data directory.
type Holder struct {
	PID int `json:"pid"`
	// What is the command, e.g. "serve" or "ask".
	What string `json:"what"`
	// URL is the web chat's address, "" when it serves none.
	URL string `json:"url,omitempty"`
}

// ErrHeld says that another process holds the directory.
var ErrHeld = errors.New("another process holds the data directory")

// Dir is a data directory this process holds.
type Dir struct {
	path string
	lock *os.File
}

// Make creates the folder with mode 0700 when it is missing.
func Make(path string) error {
	if err := os.MkdirAll(path, 0o700); err != nil {
		return fmt.Errorf("make data directory: %w", err)
	}
	info, err := os.Stat(path)
	if err != nil {
		return fmt.Errorf("read data directory: %w", err)
	}
	if !info.IsDir() {
		return fmt.Errorf("%s is not a directory", path)
	}
	return nil
}

// Hold takes the directory for this process until Release or the process's
// end, however it ends. When another process has it the error is ErrHeld.
func Hold(path string, h Holder) (*Dir, error) {
	if err := Make(path); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(filepath.Join(path, "lock"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open lock: %w", err)
	}
	if err := lockFile(f); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	d := &Dir{path: path, lock: f}
	// Who holds it is news for others, not needed to work: a full disk must not
	// keep anybody from reading.
	_ = d.Announce(h)
	return d, nil
}

// Announce writes who holds the directory, for others to read.
func (d *Dir) Announce(h Holder) error {
	h.PID = os.Getpid()
	b, err := json.Marshal(h)
	if err != nil {
		return fmt.Errorf("announce: %w", err)
	}
	if err := d.lock.Truncate(0); err != nil {
		return fmt.Errorf("announce: %w", err)
	}
	if _, err := d.lock.WriteAt(b, 0); err != nil {
		return fmt.Errorf("announce: %w", err)
	}
	return nil
}

// Name is a name of this directory that stays the same while it is held by one
// process after the other: a random text kept in it, with the machine and the path, so
// that a copy elsewhere has another. It has 26 letters and digits.
func (d *Dir) Name() (string, error) {
	file := filepath.Join(d.path, "name")
	kept, err := os.ReadFile(file)
	if errors.Is(err, os.ErrNotExist) {
		kept = []byte(rand.Text())
		err = os.WriteFile(file, kept, 0o600)
	}
	if err != nil {
		return "", fmt.Errorf("name of the data directory: %w", err)
	}
	host, err := os.Hostname()
	if err != nil {
		return "", fmt.Errorf("name of the data directory: %w", err)
	}
	path, err := filepath.Abs(d.path)
	if err != nil {
		return "", fmt.Errorf("name of the data directory: %w", err)
	}
	sum := sha256.Sum256(fmt.Appendf(nil, "%s\n%s\n%s", kept, host, path))
	return base32.StdEncoding.EncodeToString(sum[:])[:26], nil
}

// Release gives the directory back.
func (d *Dir) Release() error {
	_ = d.lock.Truncate(0)
	return d.lock.Close()
}

// Who reads who holds the directory; ok is false when nothing is announced.
func Who(path string) (h Holder, ok bool) {
	b, err := os.ReadFile(filepath.Join(path, "lock"))
	if err != nil || json.Unmarshal(b, &h) != nil {
		return Holder{}, false
	}
	return h, h.PID > 0
}

// maxSocketPath is what fits into a socket address on every Unix.
const maxSocketPath = 100

// SocketPath is where the holder of the directory listens. A path too long for
// a socket address is replaced by one in a folder of this user's alone.
func SocketPath(path string) (string, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return "", fmt.Errorf("socket path: %w", err)
	}
	if p := filepath.Join(abs, "sous.sock"); len(p) <= maxSocketPath {
		return p, nil
	}
	sum := sha256.Sum256([]byte(abs))
	dir := filepath.Join(os.TempDir(), "sous-"+strconv.Itoa(os.Getuid()))
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, os.ErrExist) {
		return "", fmt.Errorf("socket path: %w", err)
	}
	// Somebody else may have made the folder first to listen in our place.
	if err := ownedByUs(dir); err != nil {
		return "", err
	}
	return filepath.Join(dir, hex.EncodeToString(sum[:8])+".sock"), nil
}

// Listen opens the socket. The caller holds the directory, so a socket that is
// there already belongs to a process that died.
func (d *Dir) Listen() (net.Listener, error) {
	p, err := SocketPath(d.path)
	if err != nil {
		return nil, err
	}
	if err := os.Remove(p); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("remove old socket: %w", err)
	}
	l, err := net.Listen("unix", p) //nolint:noctx // a socket in the file system is bound without waiting
	if err != nil {
		return nil, fmt.Errorf("listen on socket: %w", err)
	}
	if err := os.Chmod(p, 0o600); err != nil {
		return nil, errors.Join(fmt.Errorf("protect socket: %w", err), l.Close())
	}
	return l, nil
}
