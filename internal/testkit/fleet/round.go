package fleet

import (
	"context"
	"fmt"
	"time"
)

// Round has the processes fail in turn, each in another way: one is killed, one
// frozen until the others have taken it for gone, one stopped in order. Each is
// back, and some of the work done, before the next one fails. Silence is how long
// the fleet waits for a process that shows nothing.
func (f *Fleet) Round(ctx context.Context, n int, silence time.Duration) error {
	for k, fail := range []func(context.Context, int, time.Duration) error{f.killed, f.frozen, f.drained} {
		// Under way when it happens, too.
		rest(ctx, time.Second)
		if err := fail(ctx, (n+k)%f.N, silence); err != nil {
			return fmt.Errorf("round %d: %w", n, err)
		}
	}
	return ctx.Err()
}

func (f *Fleet) killed(ctx context.Context, i int, silence time.Duration) error {
	if err := f.Kill(i); err != nil {
		return err
	}
	// The others have to notice: it does not come back before.
	rest(ctx, silence+silence/2)
	return f.Begin(ctx, i)
}

func (f *Fleet) frozen(ctx context.Context, i int, silence time.Duration) error {
	if err := f.Freeze(i); err != nil {
		return err
	}
	rest(ctx, 2*silence)
	return f.Thaw(i)
}

func (f *Fleet) drained(ctx context.Context, i int, _ time.Duration) error {
	if err := f.Drain(i); err != nil {
		return err
	}
	return f.Begin(ctx, i)
}

func rest(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}
