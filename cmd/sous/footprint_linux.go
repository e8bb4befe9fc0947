package main

import (
	"bufio"
	"fmt"
	"os"
	"runtime/debug"
	"strings"
	"syscall"
)

// settle gives back what starting needed and serving does not: heap that is
// free, and pages of the program itself that only the start has used. These are
// clean pages of a file: one that is needed after all is mapped again from the
// page cache.
func settle() {
	debug.FreeOSMemory()
	self, err := os.Executable()
	if err != nil {
		return
	}
	maps, err := os.Open("/proc/self/maps")
	if err != nil {
		return
	}
	defer func() { _ = maps.Close() }()
	for sc := bufio.NewScanner(maps); sc.Scan(); {
		var from, to uintptr
		var perms string
		if n, _ := fmt.Sscanf(sc.Text(), "%x-%x %s", &from, &to, &perms); n != 3 {
			continue
		}
		if strings.HasSuffix(sc.Text(), self) && !strings.Contains(perms, "w") {
			// A refusal changes nothing but the saving.
			_, _, _ = syscall.Syscall(syscall.SYS_MADVISE, from, to-from, syscall.MADV_DONTNEED)
		}
	}
}

// mapped is how much of the files that are mapped into the process is in memory, in
// bytes: for the most part the program itself.
func mapped() uint64 {
	statm, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return 0
	}
	var size, resident, shared uint64
	if n, _ := fmt.Sscan(string(statm), &size, &resident, &shared); n != 3 {
		return 0
	}
	return shared * uint64(os.Getpagesize()) //nolint:gosec // a page's size is positive
}
