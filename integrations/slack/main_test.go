package slack_test

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
	"testing"
	"time"

	"github.com/sous-hq/sous/integrations/sqlite"
)

// fresh is a folder with an empty store, brought up to date once for all tests: that
// is most of what a test would cost.
var fresh string //nolint:gochecknoglobals // set before the first test

func TestMain(m *testing.M) {
	if info, ok := debug.ReadBuildInfo(); ok && slices.Contains(info.Settings, debug.BuildSetting{Key: "-race", Value: "true"}) {
		// Two timers of a synctest bubble that fire at once on two processors share what the
		// race detector knows of them, and it comes apart (golang.org/issue/78156).
		runtime.GOMAXPROCS(1)
	}
	var err error
	if fresh, err = os.MkdirTemp("", "slack-test-"); err == nil {
		err = migrate(filepath.Join(fresh, "sous.db"))
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "prepare a store:", err)
		os.Exit(1)
	}
	code := m.Run()
	_ = os.RemoveAll(fresh)
	os.Exit(code)
}

func migrate(path string) error {
	ctx := context.Background()
	db, err := sqlite.Open(ctx, sqlite.Config{Path: path, Clock: time.Now})
	if err != nil {
		return err
	}
	return db.Close()
}

// copyStore makes a copy of the empty store that its owner alone can read.
func copyStore(t testing.TB, to string) {
	t.Helper()
	err := filepath.WalkDir(fresh, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(fresh, path)
		if err != nil {
			return err
		}
		if d.IsDir() {
			return os.MkdirAll(filepath.Join(to, rel), 0o700)
		}
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(to, rel), b, 0o600)
	})
	if err != nil {
		t.Fatal(err)
	}
}
