package documents

import (
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// confine bounds what this process may take from here on: so much more memory
// than it has, no file written, no core left behind.
func confine(memory uint64) error {
	// /proc/self/statm begins with the size of the address space, in pages.
	raw, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return fmt.Errorf("confine the reader: %w", err)
	}
	first, _, _ := strings.Cut(string(raw), " ")
	pages, err := strconv.ParseUint(first, 10, 64)
	if err != nil {
		return fmt.Errorf("confine the reader: %w", err)
	}
	for resource, limit := range map[int]uint64{
		unix.RLIMIT_AS: pages*uint64(os.Getpagesize()) + memory, unix.RLIMIT_FSIZE: 0, unix.RLIMIT_CORE: 0,
	} {
		var now unix.Rlimit
		if err := unix.Getrlimit(resource, &now); err != nil {
			return fmt.Errorf("confine the reader: %w", err)
		}
		limit = min(limit, now.Max)
		if err := unix.Setrlimit(resource, &unix.Rlimit{Cur: limit, Max: limit}); err != nil {
			return fmt.Errorf("confine the reader: %w", err)
		}
	}
	return nil
}
