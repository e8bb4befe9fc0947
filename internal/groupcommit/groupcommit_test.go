package groupcommit_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sous-hq/sous/internal/groupcommit"
)

// log is a transaction of the tests: what was done in it.
type log struct{ done []string }

// disk commits in a second, and counts.
type disk struct {
	groupcommit.Group[*log]
	commits [][]string
}

func (d *disk) write(ctx context.Context, what string, f func(*log) error) error {
	return d.Do(ctx, func(l *log) error {
		l.done = append(l.done, what)
		return f(l)
	}, func(next func() *groupcommit.Job[*log]) {
		var l log
		for j := next(); j != nil; j = next() {
			before := len(l.done)
			if j.Err = j.Run(&l); j.Err != nil {
				l.done = l.done[:before]
			}
		}
		time.Sleep(time.Second)
		d.commits = append(d.commits, l.done)
	})
}

func fine(*log) error { return nil }

func TestWhoComesWhileAnotherWritesSharesTheNextCommit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var d disk
		for range 10 {
			go func() {
				if err := d.write(t.Context(), "x", fine); err != nil {
					t.Error(err)
				}
			}()
			synctest.Wait()
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		if len(d.commits) != 2 || len(d.commits[0]) != 1 || len(d.commits[1]) != 9 {
			t.Errorf("%v", d.commits)
		}
	})
}

func TestNobodyWaitsForACrowd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var d disk
		for range 100 {
			go func() { _ = d.write(t.Context(), "x", fine) }()
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		n := 0
		for _, c := range d.commits {
			if n += len(c); len(c) > 32 {
				t.Errorf("%d in one commit", len(c))
			}
		}
		if n != 100 {
			t.Errorf("%d of 100 written", n)
		}
	})
}

func TestAFailureAndAPanicAreTheWritersOwn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var d disk
		no := errors.New("no")
		go func() { _ = d.write(t.Context(), "first", fine) }()
		synctest.Wait()
		var failed, good error
		var panicked any
		go func() { failed = d.write(t.Context(), "bad", func(*log) error { return no }) }()
		go func() {
			defer func() { panicked = recover() }()
			_ = d.write(t.Context(), "worse", func(*log) error { panic("oh") })
		}()
		good = errors.New("not yet")
		go func() { good = d.write(t.Context(), "good", fine) }()
		time.Sleep(time.Minute)
		synctest.Wait()
		if !errors.Is(failed, no) || good != nil || panicked == nil || !strings.Contains(panicked.(string), "oh") {
			t.Errorf("%v, %v, %v", failed, good, panicked)
		}
		if len(d.commits) != 2 || strings.Join(d.commits[1], "") != "good" {
			t.Errorf("%v", d.commits)
		}
	})
}

func TestAWriterThatIsGoneBeforeItsTurnWritesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var d disk
		go func() { _ = d.write(t.Context(), "first", fine) }()
		synctest.Wait()
		ctx, cancel := context.WithCancel(t.Context())
		var err error
		go func() { err = d.write(ctx, "gone", fine) }()
		go func() { _ = d.write(t.Context(), "second", fine) }()
		synctest.Wait()
		cancel()
		synctest.Wait()
		if !errors.Is(err, context.Canceled) {
			t.Errorf("%v", err)
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		if len(d.commits) != 2 || strings.Join(d.commits[1], "") != "second" {
			t.Errorf("%v", d.commits)
		}
		if err := d.write(ctx, "late", fine); !errors.Is(err, context.Canceled) {
			t.Errorf("%v", err)
		}
	})
}
