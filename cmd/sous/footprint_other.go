//go:build !linux

package main

import "runtime/debug"

// settle gives back the memory that starting needed and serving does not.
func settle() { debug.FreeOSMemory() }

// mapped is not known here.
func mapped() uint64 { return 0 }
