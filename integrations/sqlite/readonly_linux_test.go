package sqlite_test

import (
	"os"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"

	"github.com/sous-hq/sous/agent"
)

// nobody is a user id without any right.
const nobody = 65534

// asNobody runs f without root's right to write anywhere, which the tests may
// have. The id is one thread's; the thread ends with its goroutine, unreturned.
func asNobody(t *testing.T, f func()) {
	t.Helper()
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread()
		if os.Geteuid() == 0 {
			if _, _, errno := syscall.RawSyscall(syscall.SYS_SETFSUID, nobody, 0, 0); errno != 0 {
				t.Errorf("setfsuid: %v", errno)
			}
		}
		f()
	}()
	<-done
}

func TestAFolderThatCannotBeWrittenSaysSo(t *testing.T) {
	folder := t.TempDir()
	// Reachable for all, writable for none.
	for _, f := range []struct {
		path string
		mode os.FileMode
	}{{filepath.Dir(folder), 0o755}, {folder, 0o555}} {
		if err := os.Chmod(f.path, f.mode); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() { _ = os.Chmod(folder, 0o700) })
	asNobody(t, func() {
		openFails(t, filepath.Join(folder, "sous.db"), agent.Unavailable, folder, "cannot be written")
		openFails(t, filepath.Join(folder, "deeper", "sous.db"), agent.Unavailable, "cannot be made")
	})
}

func TestAStoreThatCannotBeWrittenSaysSo(t *testing.T) {
	folder := t.TempDir()
	path := filepath.Join(folder, "sous.db")
	if err := open(t, path).Close(); err != nil {
		t.Fatal(err)
	}
	for _, f := range []struct {
		path string
		mode os.FileMode
	}{{filepath.Dir(folder), 0o755}, {folder, 0o555}, {path, 0o444}} {
		if err := os.Chmod(f.path, f.mode); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() { _ = os.Chmod(folder, 0o700) })
	asNobody(t, func() {
		openFails(t, path, agent.Unavailable, path, "cannot be opened for writing")
	})
}

func TestAFullDiskIsFoundThoughTheStoreHasRoomInItself(t *testing.T) {
	path := filepath.Join(t.TempDir(), "sous.db")
	db := open(t, path)
	if err := os.Symlink("/dev/full", path+".room"); err != nil {
		t.Fatal(err)
	}
	wantError(t, db.Ping(t.Context()), agent.Unavailable, "disk that holds the store is full")
	if err := db.Ping(t.Context()); err != nil {
		t.Errorf("once there is room: %v", err)
	}
	if left, err := filepath.Glob(path + ".room"); err != nil || len(left) > 0 {
		t.Errorf("left: %v, %v", left, err)
	}
}
