//go:build !linux

package main

import "runtime/debug"

// settle gives back the memory that starting needed and serving does not.
func settle() { debug.FreeOSMemory() }
