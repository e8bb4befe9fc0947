package main

import (
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"
)

// killWhen kills the process when Slack has done what a call asked for and before it
// can answer.
func (o *office) killWhen(method, words string) {
	var once sync.Once
	o.mu.Lock()
	defer o.mu.Unlock()
	o.onCall = func(called string, answer []byte) {
		if called == method && strings.Contains(string(answer), words) {
			once.Do(o.kill)
		}
	}
}

// another starts a process when the one that works has ended, and says so.
func (o *office) another(t *testing.T) (began chan struct{}) {
	o.mu.Lock()
	gone := o.gone
	o.mu.Unlock()
	began = make(chan struct{})
	go func() {
		defer close(began)
		<-gone
		o.serve(t, "")
	}()
	return began
}

// job does the whole job once: what was killed in between is gone on with.
func (o *office) job(t *testing.T) {
	t.Helper()
	root := o.drop()
	o.message(t, root, "actions wait for a decision")
	o.publish(t, root)
	o.approve(t, root)
	o.settled(t, root)
}

func TestInSlackAKillAtAnyPointCostsNothingAndMakesNothingTwice(t *testing.T) {
	for name, at := range map[string]struct {
		crash, method, words string
		both                 bool
	}{
		"before the request is kept":      {crash: "before keep"},
		"before it is acknowledged":       {crash: "after keep", both: true},
		"when it is a turn":               {crash: "before settle delivery"},
		"when it is known who asks":       {method: "users.info", words: ann},
		"when the minutes are posted":     {method: "chat.postMessage", words: "Minutes"},
		"when the minutes are published":  {method: "chat.postMessage", words: "sous_mine", both: true},
		"when a card is posted":           {method: "chat.postMessage", words: "sous_reject"},
		"when the card for all is posted": {method: "chat.postMessage", words: "sous_approve_all"},
		"when an effect is made":          {crash: "after run"},
		"when a card is locked":           {method: "chat.update", words: "Approved by"},
		"when the answer is posted":       {method: "chat.postMessage", words: "/answer/0", both: true},
		"when what was changed is posted": {method: "chat.postMessage", words: "/changes/0"},
	} {
		for transport, socket := range transports() {
			if socket && !at.both {
				continue
			}
			t.Run(name+" over "+transport, func(t *testing.T) {
				t.Parallel()
				o := newOffice(t, socket)
				if at.method != "" {
					o.killWhen(at.method, at.words)
				}
				o.serve(t, at.crash)
				began := o.another(t)
				o.job(t)
				select {
				case <-began:
				case <-time.After(20 * time.Second):
					t.Error("the process was never killed")
				}
			})
		}
	}
}

// Kills at random, from the first moment to past the end, and with each the same
// work taken up by another process.
func TestInSlackKillsAtRandomCostNothing(t *testing.T) {
	const kills = 6
	t.Parallel()
	o := newOffice(t, true)
	o.serve(t, "")
	root := o.drop()
	// The same kills every time, though not at the same work.
	random := rand.New(rand.NewPCG(7, 7))
	for range kills {
		time.Sleep(time.Duration(10+random.IntN(240)) * time.Millisecond)
		o.kill()
		o.serve(t, "")
		for _, m := range o.Thread(o.dm, root) {
			for _, b := range m.Buttons() {
				if b.ActionID == "sous_approve_all" {
					o.Press(ann, m, b)
				}
			}
		}
	}
	o.publish(t, root)
	o.until(t, "the end", func() bool {
		for _, m := range o.Thread(o.dm, root) {
			for _, b := range m.Buttons() {
				if b.ActionID == "sous_approve_all" {
					o.Press(ann, m, b)
				}
			}
			if strings.Contains(m.Shown(), "What I changed") {
				return true
			}
		}
		return false
	})
	o.settled(t, root)
}
