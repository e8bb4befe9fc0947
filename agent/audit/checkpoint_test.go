package audit_test

import (
	"context"
	"crypto/rand"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/sous-hq/sous/agent/audit"
)

func signer(t testing.TB) (note.Signer, note.Verifiers) {
	t.Helper()
	private, public, err := note.GenerateKey(rand.Reader, "test")
	if err != nil {
		t.Fatal(err)
	}
	s, err := note.NewSigner(private)
	if err != nil {
		t.Fatal(err)
	}
	v, err := note.NewVerifier(public)
	if err != nil {
		t.Fatal(err)
	}
	return s, note.VerifierList(v)
}

func head(size int64) audit.Checkpoint {
	return audit.Checkpoint{Workspace: "ac me/ü\n", Size: size, Root: tlog.RecordHash([]byte{byte(size)}), At: time.Date(2026, 3, 2, 9, 0, 0, 5000, time.UTC)}
}

func TestASignedCheckpointSaysWhatWasSigned(t *testing.T) {
	s, known := signer(t)
	msg, err := head(7).Sign(s)
	if err != nil {
		t.Fatal(err)
	}
	got, err := audit.OpenCheckpoint(msg, known)
	if err != nil || got != head(7) {
		t.Errorf("%+v, %v; want %+v", got, err, head(7))
	}
	if _, other := signer(t); true {
		if _, err := audit.OpenCheckpoint(msg, other); err == nil || !strings.Contains(err.Error(), "none of the known keys") {
			t.Errorf("signed by a stranger: %v", err)
		}
	}
	for i := range msg {
		b := []byte(msg)
		b[i] ^= 1
		if got, err := audit.OpenCheckpoint(string(b), known); err == nil && got != head(7) {
			t.Fatalf("byte %d changed: %+v is taken for signed", i, got)
		}
	}
}

func FuzzParseCheckpoint(f *testing.F) {
	f.Add(head(3).Text())
	f.Add("sous/audit/x\n-1\n\ntime \n")
	f.Fuzz(func(t *testing.T, text string) {
		c, err := audit.ParseCheckpoint(text)
		if err == nil && c.Text() != text {
			t.Errorf("%q reads as %q", text, c.Text())
		}
	})
}

func FuzzSplitNotes(f *testing.F) {
	f.Add("a\nb\n\n— x y\n\nc\n\n— x z\n\nd")
	f.Add("\n\n\n")
	f.Fuzz(func(t *testing.T, text string) {
		notes, rest := audit.SplitNotes(text)
		n := len(rest)
		for _, note := range notes {
			n += len(note)
			if note == "" {
				t.Error("an empty note")
			}
		}
		if missing := len(text) - n; missing != strings.Count(text, "\n")-strings.Count(strings.Join(notes, "")+rest, "\n") {
			t.Errorf("%q loses more than empty lines: %q and %q", text, notes, rest)
		}
	})
}

func TestTheCheckpointFileSurvivesATornWrite(t *testing.T) {
	s, known := signer(t)
	path := filepath.Join(t.TempDir(), "checkpoints")
	var whole string
	for n := int64(1); n <= 3; n++ {
		msg, err := head(n).Sign(s)
		if err != nil {
			t.Fatal(err)
		}
		if err := audit.AppendCheckpoint(path, msg); err != nil {
			t.Fatal(err)
		}
		whole += msg + "\n"
	}
	if got, err := os.ReadFile(path); err != nil || string(got) != whole {
		t.Fatalf("%q, %v", got, err)
	}
	next, err := head(4).Sign(s)
	if err != nil {
		t.Fatal(err)
	}
	for cut := range len(next) + 1 {
		if err := os.WriteFile(path, []byte(whole+next[:cut]), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := audit.AppendCheckpoint(path, next); err != nil {
			t.Fatal(err)
		}
		raw, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		notes, rest := audit.SplitNotes(string(raw))
		if rest != "" || len(notes) < 4 || len(notes) > 5 {
			t.Fatalf("cut at %d: %d notes and %q", cut, len(notes), rest)
		}
		for _, n := range notes {
			if _, err := audit.OpenCheckpoint(n, known); err != nil {
				t.Fatalf("cut at %d: %q: %v", cut, n, err)
			}
		}
	}
}

// growingTrees is a tree that grows as told.
type growingTrees struct {
	mu    sync.Mutex
	rows  int64
	saved []int64
	fail  error
}

func (g *growingTrees) set(rows int64, fail error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.rows, g.fail = rows, fail
}

func (g *growingTrees) signed() []int64 {
	g.mu.Lock()
	defer g.mu.Unlock()
	return slices.Clone(g.saved)
}

func (g *growingTrees) Recorded() int64 {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.rows
}

func (g *growingTrees) Heads(context.Context) ([]audit.Head, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if n := len(g.saved); g.fail != nil || n > 0 && g.saved[n-1] == g.rows {
		return nil, g.fail
	}
	return []audit.Head{{Workspace: "acme", Size: g.rows}}, nil
}

func (g *growingTrees) SaveCheckpoint(_ context.Context, c audit.Checkpoint, _ string) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.saved = append(g.saved, c.Size)
	return nil
}

func runCheckpointer(t *testing.T, g *growingTrees) (stop func() error) {
	t.Helper()
	s, known := signer(t)
	p, err := audit.NewCheckpointer(audit.CheckpointConfig{Trees: g, Signer: s, Verifiers: known, File: filepath.Join(t.TempDir(), "c"), Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- p.Run(ctx) }()
	return func() error { cancel(); return <-done }
}

func TestACheckpointComesEveryMinuteOrThousandRowsAndAtTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := &growingTrees{rows: 5}
		stop := runCheckpointer(t, g)
		at := func(d time.Duration, what string, want ...int64) {
			t.Helper()
			time.Sleep(d)
			synctest.Wait()
			if got := g.signed(); !slices.Equal(got, want) {
				t.Errorf("%s: signed %v; want %v", what, got, want)
			}
		}
		at(0, "what was there before", 5)
		g.set(7, nil)
		at(58*time.Second, "before the minute is over", 5)
		at(3*time.Second, "after a minute", 5, 7)
		at(10*time.Minute, "when nothing is added", 5, 7)
		g.set(1006, nil)
		at(2*time.Second, "the minute was over", 5, 7, 1006)
		g.set(2006, nil)
		at(2*time.Second, "a thousand rows", 5, 7, 1006, 2006)
		g.set(2007, nil)
		if err := stop(); err != nil || !slices.Equal(g.signed(), []int64{5, 7, 1006, 2006, 2007}) {
			t.Errorf("at the end: %v, signed %v", err, g.signed())
		}
	})
}

func TestACheckpointThatFailedIsTriedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := &growingTrees{rows: 5, fail: errors.New("away")}
		stop := runCheckpointer(t, g)
		time.Sleep(10 * time.Second)
		synctest.Wait()
		g.set(5, nil)
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		if got := g.signed(); !slices.Equal(got, []int64{5}) {
			t.Errorf("signed %v; want 5", got)
		}
		if err := stop(); err != nil {
			t.Error(err)
		}
	})
}

func TestACheckpointerNeedsItsParts(t *testing.T) {
	if _, err := audit.NewCheckpointer(audit.CheckpointConfig{}); err == nil {
		t.Error("made of nothing")
	}
}
