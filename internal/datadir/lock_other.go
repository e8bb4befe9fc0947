//go:build !unix

package datadir

import "os"

// lockFile relies on SQLite's own locking where flock does not exist: two
// processes then share the directory instead of one being refused.
func lockFile(*os.File) error { return nil }

func ownedByUs(string) error { return nil }
