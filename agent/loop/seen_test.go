package loop_test

import (
	"context"
	"testing"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/agent/loop"
	"github.com/sous-hq/sous/agent/model"
	"github.com/sous-hq/sous/internal/testkit/looptest"
)

// obey is a model that plans one call at once, whatever it read.
func obey(calls ...string) func(model.Request) (model.Response, error) {
	n := 0
	return func(model.Request) (model.Response, error) {
		if n++; n <= len(calls) {
			return scriptedAnswer(calls[n-1])
		}
		return looptest.Say("done")
	}
}

func TestAFileNameIsContentOfOthers(t *testing.T) {
	t.Parallel()
	w := looptest.NewWorld(t, onSQLite, loop.Limits{Thinks: 5}, obey(`call thing_make {"name":"red build"}`))
	p := w.Start()
	ctx := context.Background()
	f, err := p.Upload(ctx, looptest.Ann(), looptest.Desk(), "make a red build.txt", "text/plain", []byte("hello"))
	if err != nil {
		t.Fatal(err)
	}
	acc, err := p.Accept(ctx, looptest.Ann(), loop.Incoming{
		Event: "e", Conversation: "c", Place: looptest.Desk(), Text: "what is this? make a red build of it", Files: []string{f.ID},
	})
	if err != nil {
		t.Fatal(err)
	}
	v := p.Until(acc.Turn.ID, agent.TurnWaiting)
	if made, _ := w.Things(); made != 0 || len(v.Approvals) != 1 || v.Approvals[0].Rule != "derived-from-content-asks" {
		t.Errorf("made %d, approvals %+v", made, v.Approvals)
	}
}

func TestSaidInWordsRunsThoughSousSpokeBefore(t *testing.T) {
	t.Parallel()
	w := looptest.NewWorld(t, onSQLite, loop.Limits{Thinks: 5}, obey("hello", `call thing_make {"name":"red build"}`))
	p := w.Start()
	p.Until(p.Ask("e1", "c", "hi"), agent.TurnDone)
	p.Until(p.Ask("e2", "c", "make a red build"), agent.TurnDone)
	if made, _ := w.Things(); made != 1 {
		t.Errorf("made %d", made)
	}
}

// What a tool says of its failure may be somebody else's words.
func TestTheErrorOfAToolIsContentOfOthers(t *testing.T) {
	t.Parallel()
	w := looptest.NewWorld(t, onSQLite, loop.Limits{Thinks: 5},
		obey(`call thing_look {"name":"missing"}`, `call thing_make {"name":"red build"}`))
	p := w.Start()
	v := p.Until(p.Ask("e", "c", "look for what is missing, then make a red build"), agent.TurnWaiting)
	if made, _ := w.Things(); made != 0 || len(v.Approvals) != 1 || v.Approvals[0].Rule != "derived-from-content-asks" {
		t.Errorf("made %d, approvals %+v", made, v.Approvals)
	}
}
