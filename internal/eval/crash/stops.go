package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/sous-hq/sous/internal/testkit/ordeal"
	"github.com/sous-hq/sous/internal/testkit/pgtest"
)

// rest waits, and says when there is no time left.
func rest(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}

// silence is how long replicas wait here for one that shows nothing.
const silence = 3 * time.Second

// several makes the ordeal of one process on a file, or of two on a database.
func (t *trial) several(ctx context.Context, change func(*ordeal.Options)) error {
	err := t.scene(ctx, func(o *ordeal.Options) {
		if o.Database != "" {
			o.N = 2
			o.Settings = append(o.Settings, "SOUS_FAULT_SILENCE="+silence.String())
		}
		if change != nil {
			change(o)
		}
	})
	if err != nil {
		return err
	}
	for i := range t.d.N {
		if err := t.d.Begin(ctx, i); err != nil {
			return err
		}
	}
	return nil
}

// longestDrain is how long a process may take to stop in order: what starts others
// in its place gives it 30 s.
const longestDrain = 25 * time.Second

// drain stops a process in order while it works, and starts it again.
func drain(ctx context.Context, t *trial) error {
	if err := t.several(ctx, nil); err != nil {
		return err
	}
	s := t.d.Ask(steady())
	worst := time.Duration(0)
	for n := range 6 {
		t.d.Transport(n%2 > 0)
		if err := rest(ctx, 2*time.Second); err != nil {
			return err
		}
		began := time.Now()
		if err := t.d.Drain(n % t.d.N); err != nil {
			return err
		}
		took := time.Since(began)
		if worst = max(worst, took); took > longestDrain {
			t.broken("a process took %s to stop in order", took)
		}
		if err := t.d.Begin(ctx, n%t.d.N); err != nil {
			return err
		}
	}
	t.note = fmt.Sprintf("6 stops, the longest took %.1f s", worst.Seconds())
	return t.finish(ctx, s)
}

// freeze stops a process where it stands. On a database another takes over what it
// had, and what it writes when it wakes is refused; on a file it goes on.
func freeze(ctx context.Context, t *trial) error {
	if err := t.several(ctx, func(o *ordeal.Options) { o.Frozen = true }); err != nil {
		return err
	}
	s := t.d.Ask(steady())
	for n := range 4 {
		i := n % t.d.N
		t.d.Transport(n/2%2 > 0)
		if err := rest(ctx, 2*time.Second); err != nil {
			return err
		}
		if err := t.d.Freeze(i); err != nil {
			return err
		}
		err := rest(ctx, 3*silence)
		if err := errors.Join(err, t.d.Thaw(i)); err != nil {
			return err
		}
	}
	t.note = fmt.Sprintf("4 times for %s", 3*silence)
	return t.finish(ctx, s)
}

// diskFull fills the disk of the data directory, has the process start on it when it
// is full, and makes room again.
func diskFull(ctx context.Context, t *trial) (err error) {
	disk := filepath.Join(t.dir, "r0")
	if err := os.MkdirAll(disk, 0o700); err != nil {
		return err
	}
	if err := syscall.Mount("none", disk, "tmpfs", 0, "size=24m"); err != nil {
		return fmt.Errorf("mount a small disk (this takes root): %w", err)
	}
	defer func() {
		if t.d != nil {
			err = errors.Join(err, t.d.Close())
		}
		err = errors.Join(err, syscall.Unmount(disk, 0))
	}()
	if err := t.several(ctx, nil); err != nil {
		return err
	}
	s := t.d.Ask(steady())
	ballast := filepath.Join(disk, "ballast")
	for n := range 3 {
		t.d.Transport(n%2 > 0)
		if err := rest(ctx, 2*time.Second); err != nil {
			return err
		}
		if err := fill(ballast); err != nil {
			return err
		}
		if err := rest(ctx, 5*time.Second); err != nil {
			return err
		}
		if n == 2 {
			if err := t.startFull(ctx); err != nil {
				return err
			}
		}
		if err := os.Remove(ballast); err != nil {
			return err
		}
	}
	if !strings.Contains(t.d.Log(0), "full") {
		t.broken("the process never said that the disk is full:\n%s", t.d.Log(0))
	}
	if t.d.PID(0) == 0 {
		if err := t.d.Begin(ctx, 0); err != nil {
			return err
		}
	}
	return t.finish(ctx, s)
}

// startFull kills the process and starts it where there is no room: it serves, or
// says why it cannot.
func (t *trial) startFull(ctx context.Context) error {
	if err := t.d.Kill(0); err != nil {
		return err
	}
	t.Kills++
	err := t.d.Begin(ctx, 0)
	if err == nil {
		t.note = "it starts on a full disk"
		return nil
	}
	t.note = "it does not start on a full disk, and says so"
	if !strings.Contains(err.Error(), "full") && !strings.Contains(err.Error(), "no space") {
		t.broken("it does not start on a full disk, and does not say why: %v", err)
	}
	// It has ended by itself.
	return t.d.Kill(0)
}

// fill leaves no room on the disk of a file.
func fill(path string) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	for size := 1 << 20; size > 0; size /= 4 {
		block := make([]byte, size)
		for err == nil {
			_, err = f.Write(block)
		}
		if !errors.Is(err, syscall.ENOSPC) {
			return errors.Join(err, f.Close())
		}
		err = nil
	}
	return f.Close()
}

// databaseAway takes the database away for moments, and for a minute.
func databaseAway(ctx context.Context, t *trial) error {
	var proxy *pgtest.Proxy
	err := t.several(ctx, func(o *ordeal.Options) {
		p, err := pgtest.StartProxy(ctx, o.Database)
		if err == nil {
			proxy, o.Database = p, p.URL
		}
	})
	if proxy != nil {
		defer proxy.Close()
	}
	if err != nil {
		return err
	}
	s := t.d.Ask(steady())
	for n, away := range []time.Duration{time.Second, 2 * silence, time.Minute} {
		t.d.Transport(n%2 > 0)
		if err := rest(ctx, 2*time.Second); err != nil {
			return err
		}
		proxy.Cut()
		err := rest(ctx, away)
		proxy.Mend()
		if err != nil {
			return err
		}
	}
	t.note = "for 1 s, 6 s and 60 s"
	return t.finish(ctx, s)
}
