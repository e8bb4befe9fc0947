package datadir_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sous-hq/sous/internal/datadir"
)

func TestADirectoryIsHeldByOneAtATime(t *testing.T) {
	path := filepath.Join(t.TempDir(), "data")
	d, err := datadir.Hold(path, datadir.Holder{What: "serve", URL: "http://127.0.0.1:1"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := datadir.Hold(path, datadir.Holder{What: "ask"}); !errors.Is(err, datadir.ErrHeld) {
		t.Errorf("a second holder got %v; want ErrHeld", err)
	}
	h, ok := datadir.Who(path)
	if !ok || h.PID != os.Getpid() || h.What != "serve" || h.URL == "" {
		t.Errorf("announced %+v, %v", h, ok)
	}
	if err := d.Release(); err != nil {
		t.Fatal(err)
	}
	if _, ok := datadir.Who(path); ok {
		t.Error("still announced after release")
	}
	again, err := datadir.Hold(path, datadir.Holder{What: "ask"})
	if err != nil {
		t.Fatalf("after release: %v", err)
	}
	t.Cleanup(func() { _ = again.Release() })
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("mode %v, %v; want 0700", info.Mode(), err)
	}
}

func TestAPathThatIsAFileIsRefused(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := datadir.Hold(file, datadir.Holder{}); err == nil {
		t.Error("held a file")
	}
}

func TestTheSocketIsForItsOwnerAlone(t *testing.T) {
	for _, deep := range []string{"", strings.Repeat("d", 90)} {
		path := filepath.Join(t.TempDir(), deep)
		d, err := datadir.Hold(path, datadir.Holder{})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = d.Release() })
		l, err := d.Listen()
		if err != nil {
			t.Fatal(err)
		}
		info, err := os.Stat(l.Addr().String())
		if err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("socket mode %v, %v; want 0600", info, err)
		}
		_ = l.Close()
		// A socket left by a process that died is in nobody's way.
		if l, err = d.Listen(); err != nil {
			t.Errorf("listening again: %v", err)
		} else {
			_ = l.Close()
		}
	}
}

func TestADirectorysNameStaysAndACopyHasAnother(t *testing.T) {
	path := filepath.Join(t.TempDir(), "data")
	name := func(path string) string {
		t.Helper()
		d, err := datadir.Hold(path, datadir.Holder{What: "serve"})
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = d.Release() }()
		n, err := d.Name()
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	first := name(path)
	if again := name(path); again != first || len(first) != 26 {
		t.Errorf("%q and then %q", first, again)
	}
	copied := filepath.Join(t.TempDir(), "data")
	if err := os.CopyFS(copied, os.DirFS(path)); err != nil {
		t.Fatal(err)
	}
	if name(copied) == first {
		t.Error("the copy has the same name")
	}
}
