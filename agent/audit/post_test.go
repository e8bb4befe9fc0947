package audit_test

import (
	"context"
	"errors"
	"path/filepath"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sous-hq/sous/agent/audit"
)

func TestASignedHeadIsPostedAtTheStartAndAsOftenAsIsSaid(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := &growingTrees{rows: 5}
		s, known := signer(t)
		var posted []int64
		var away error
		p, err := audit.NewCheckpointer(audit.CheckpointConfig{
			Trees: g, Signer: s, Verifiers: known, File: filepath.Join(t.TempDir(), "c"), Now: time.Now, PostEvery: time.Hour,
			Post: func(_ context.Context, c audit.Checkpoint, signed string) error {
				if away != nil {
					return away
				}
				if got, err := audit.OpenCheckpoint(signed, known); err != nil || got.Size != c.Size || got.Root != c.Root {
					t.Errorf("posted %q: %v", signed, err)
				}
				posted = append(posted, c.Size)
				return nil
			},
		})
		if err != nil {
			t.Fatal(err)
		}
		sign := func(rows int64, after time.Duration, want ...int64) {
			t.Helper()
			time.Sleep(after)
			g.set(rows, nil)
			if err := p.Sign(t.Context()); err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(posted, want) {
				t.Errorf("at %d rows: posted %v; want %v", rows, posted, want)
			}
		}
		sign(5, 0, 5)
		sign(7, time.Minute, 5)
		sign(9, 58*time.Minute, 5)
		sign(11, time.Minute, 5, 11)
		// What could not be posted is tried with the next head, and is signed all the same.
		away = errors.New("no route")
		sign(12, 2*time.Hour, 5, 11)
		away = nil
		sign(13, time.Minute, 5, 11, 13)
		if got := g.signed(); !slices.Equal(got, []int64{5, 7, 9, 11, 12, 13}) {
			t.Errorf("signed %v", got)
		}
	})
}
