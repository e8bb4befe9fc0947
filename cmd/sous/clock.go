//go:build !faults

package main

import "time"

// now is the clock of everything that stamps or compares times; a build with the
// tag "faults" has one that can be moved.
func now() time.Time { return time.Now() }

// withFaults are the hooks of this build: none. See faults.go.
func withFaults(w world) (world, hooks) { return w, hooks{} }
