//go:build unix

package signin

import (
	"os"
	"syscall"
)

// lockFile waits for an advisory lock that the kernel drops with the file.
func lockFile(f *os.File) error { return syscall.Flock(int(f.Fd()), syscall.LOCK_EX) }
