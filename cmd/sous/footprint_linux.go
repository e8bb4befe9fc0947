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
