package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/sous-hq/sous/internal/testkit/faults"
	"github.com/sous-hq/sous/internal/testkit/ordeal"
)

// steady is the stream beside kills: about twenty requests a second, at most 60 of
// them open.
func steady() ordeal.Flow { return ordeal.Flow{Every: 50 * time.Millisecond, Most: 60} }

// calm is the stream alone.
func calm(ctx context.Context, t *trial) error {
	if err := t.scene(ctx, nil); err != nil {
		return err
	}
	if err := t.d.Begin(ctx, 0); err != nil {
		return err
	}
	s := t.d.Ask(steady())
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(10 * time.Second):
	}
	return t.finish(ctx, s)
}

// killAtRandom kills the process from its first milliseconds to past a second of
// work, and starts it at once on the same data.
func killAtRandom(ctx context.Context, t *trial) error {
	if err := t.scene(ctx, nil); err != nil {
		return err
	}
	s := t.d.Ask(steady())
	for t.Kills < t.o.kills && ctx.Err() == nil {
		if err := t.d.Launch(0); err != nil {
			return err
		}
		from, to := 300*time.Millisecond, 2000*time.Millisecond
		if t.Kills%4 == 3 {
			from, to = 0, 500*time.Millisecond // while it starts and recovers
		}
		t.d.Transport(t.Kills/5%2 > 0)
		select {
		case <-t.d.Done(0):
			return fmt.Errorf("the process ended by itself:\n%s", t.d.Log(0))
		case <-time.After(t.d.Between(from, to)):
		}
		if err := t.d.Kill(0); err != nil {
			return err
		}
		t.Kills++
		if t.Kills%100 == 0 {
			if t.Store == "postgres" {
				// Until it is seen that nobody works on it, what waits for the next start counts.
				if err := rest(ctx, 8*time.Second); err != nil {
					return err
				}
			}
			for _, what := range t.d.Check() {
				t.broken("after %d kills: %s", t.Kills, what)
			}
		}
	}
	if err := t.d.Begin(ctx, 0); err != nil {
		return err
	}
	return t.finish(ctx, s)
}

// killAtPoints kills the process at each named point, at its first, third and ninth
// pass, and so shortly after it that what follows has begun.
func killAtPoints(ctx context.Context, t *trial) error {
	if err := t.scene(ctx, nil); err != nil {
		return err
	}
	s := t.d.Ask(steady())
	if err := t.d.Begin(ctx, 0); err != nil {
		return err
	}
	missed := 0
	for round := range t.o.rounds {
		for _, name := range faults.Names() {
			spec := name
			if !strings.Contains(name, "recover") && !strings.Contains(name, "sign") && !strings.Contains(name, "save") {
				spec += []string{"", "#3", "+1ms", "#9", "+3ms"}[(round+len(name))%5]
			}
			passed, err := t.killAt(spec)
			if err != nil {
				return err
			}
			if !passed {
				missed++
				t.broken("the point %q was never passed", spec)
			}
			// So that what was interrupted goes on before the next one.
			if err := t.d.Launch(0); err != nil {
				return err
			}
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-time.After(t.d.Between(500*time.Millisecond, 1500*time.Millisecond)):
			}
		}
	}
	t.note = fmt.Sprintf("%d points, %d never passed", len(faults.Names()), missed)
	return t.finish(ctx, s)
}

// killAt has the process kill itself at a point, and reports whether it came by. Some
// points are on the way of what an end has cut short alone, so there are a few.
func (t *trial) killAt(spec string) (passed bool, err error) {
	for range 5 {
		if err := t.d.Kill(0); err != nil {
			return false, err
		}
		if err := t.d.Launch(0, "SOUS_FAULT_POINT="+spec); err != nil {
			return false, err
		}
		t.d.Transport(t.Kills%2 > 0)
		select {
		case <-t.d.Done(0):
			t.Kills++
			return true, t.d.Kill(0)
		case <-time.After(6 * time.Second):
		}
	}
	return false, t.d.Kill(0)
}

// end kills the process, if there is one.
func (t *trial) end() error {
	if t.d.PID(0) == 0 {
		return nil
	}
	return t.d.Kill(0)
}

// killInSlack kills the process when Slack has done what a call asked for and before
// it can answer: nobody knows whether the post stands.
func killInSlack(ctx context.Context, t *trial) error {
	if err := t.scene(ctx, nil); err != nil {
		return err
	}
	var mu sync.Mutex
	var method, words string
	var hit chan struct{}
	t.d.Slack.Observe = func(called string, answer []byte) {
		mu.Lock()
		mine := hit != nil && called == method && strings.Contains(string(answer), words)
		var told chan struct{}
		if mine {
			told, hit = hit, nil
		}
		mu.Unlock()
		if mine {
			_ = t.d.Kill(0)
			close(told)
		}
	}
	s := t.d.Ask(steady())
	for round := range 3 * t.o.rounds {
		for _, at := range [][2]string{
			{"chat.postMessage", "/answer/0"}, {"chat.postMessage", "sous_approve"}, {"chat.update", "Approved"},
			{"users.info", "Person"}, {"assistant.threads.setStatus", ""},
		} {
			done := make(chan struct{})
			mu.Lock()
			method, words, hit = at[0], at[1], done
			mu.Unlock()
			// Some calls are made when it starts and knows nobody, and not again.
			if err := errors.Join(t.end(), t.d.Launch(0)); err != nil {
				return err
			}
			select {
			case <-done:
				t.Kills++
			case <-time.After(20 * time.Second):
				t.broken("round %d: %s with %q was never called", round, at[0], at[1])
			}
		}
	}
	if err := errors.Join(t.end(), t.d.Begin(ctx, 0)); err != nil {
		return err
	}
	return t.finish(ctx, s)
}
