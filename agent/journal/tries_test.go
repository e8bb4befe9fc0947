package journal_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/agent/journal"
	"github.com/sous-hq/sous/agent/loop"
	"github.com/sous-hq/sous/agent/model"
	"github.com/sous-hq/sous/internal/testkit/looptest"
)

// cutting is a model that looks at a thing again and again, and at one of its
// questions has the process end.
type cutting struct {
	mu sync.Mutex
	// at is after how many looks the process ends, looks how many it wants.
	at, looks int
	inside    chan struct{}
	release   chan struct{}
}

// aim has the next process end after so many looks; -1 is never.
func (c *cutting) aim(at int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at, c.inside, c.release = at, make(chan struct{}), make(chan struct{})
}

func (c *cutting) answer(req model.Request) (model.Response, error) {
	n := len(looptest.Results(req))
	c.mu.Lock()
	at, inside, release := c.at, c.inside, c.release
	c.mu.Unlock()
	switch {
	case n == at:
		close(inside)
		<-release
	case n < c.looks:
		return looptest.Call(fmt.Sprintf(`thing_look {"name":"thing %d"}`, n))
	}
	return looptest.Say("looked " + strings.Repeat("again ", n))
}

// cut ends a process where it stands, once it has come to where it was aimed.
func (c *cutting) cut(t *testing.T, p *looptest.Process, run func(string)) {
	t.Helper()
	select {
	case <-c.inside:
	case <-time.After(30 * time.Second):
		v, err := p.View(t.Context(), looptest.Ann(), "e")
		t.Fatalf("it never came to look %d: it is %s, set aside %+v, %v", c.at, v.Status, v.Stuck, err)
	}
	p.Crash(func() { close(c.release) })
	run(`UPDATE sous.replicas SET gone = true`)
}

// stores are the benches, with a way to change the database past Sous.
func stores(t *testing.T) map[string]func(*testing.T) (looptest.Bench, func(string)) {
	t.Helper()
	return map[string]func(*testing.T) (looptest.Bench, func(string)){
		"sqlite":   func(*testing.T) (looptest.Bench, func(string)) { return onSQLite, func(string) {} },
		"postgres": onBase,
	}
}

func TestATurnThatComesFurtherEachTimeItsProcessEndsIsNotSetAside(t *testing.T) {
	t.Parallel()
	const looks = journal.MaxTries + 2
	for name, bench := range stores(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			on, run := bench(t)
			c := &cutting{looks: looks}
			w := looptest.NewWorld(t, on, loop.Limits{}, c.answer)
			for at := range looks {
				c.aim(at)
				p := w.Start()
				if at == 0 {
					p.Ask("e", "c", "look")
				}
				c.cut(t, p, run)
			}
			c.aim(-1)
			v := w.Start().Until("e", agent.TurnDone)
			if strings.Count(v.Answer, "again") != looks {
				t.Errorf("it says %q", v.Answer)
			}
		})
	}
}

func TestATurnInOneStepOfWhichEveryProcessEndsIsSetAside(t *testing.T) {
	t.Parallel()
	for name, bench := range stores(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			on, run := bench(t)
			c := &cutting{looks: 2}
			w := looptest.NewWorld(t, on, loop.Limits{}, c.answer)
			for n := range journal.MaxTries {
				c.aim(0)
				p := w.Start()
				if n == 0 {
					p.Ask("e", "c", "look")
				}
				c.cut(t, p, run)
			}
			if v := w.Start().Until("e", agent.TurnWaiting); v.Stuck == nil || v.Stuck.Tries != journal.MaxTries {
				t.Errorf("it is %s, set aside %+v", v.Status, v.Stuck)
			}
		})
	}
}
