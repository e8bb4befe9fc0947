package looptest

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/agent/approval"
	"github.com/sous-hq/sous/agent/loop"
	"github.com/sous-hq/sous/agent/model"
)

// Engines runs every promise a durable engine keeps for the loop.
func Engines(t *testing.T, on Bench) {
	for _, c := range []struct {
		name string
		test func(*testing.T, Bench)
	}{
		{"a request is answered once however often its event is delivered", answeredOnce},
		{"messages of one conversation are answered in order", inOrder},
		{"conversations run side by side", sideBySide},
		{"a call that asks runs only after a yes", runsAfterYes},
		{"a no runs nothing and its reason goes to the model", noRunsNothing},
		{"an approval nobody gives expires and runs nothing", expires},
		{"a parked turn lets the next message of its conversation be answered", parkedFreesLane},
		{"a parked turn goes on in another process", parkedSurvives},
		{"a decision made while no process runs is taken up by the next", decidedWhileDown},
		{"an effect cut off before its outcome is made once", cutOffOnce},
		{"a conversation of others is not there", conversationOfOthers},
		{"what not everybody in the place may read is not told there", notForThisPlace},
		{"a question waits for its answer", question},
		{"a stopped turn says what it did", stopped},
		{"bounds end a turn with an account", bounds},
		{"an end carries all there is of a turn that changed nothing, and of no other", endTellsAll},
		{"what the person ordered in words runs and can be undone", undo},
		{"an unknown tool and bad arguments go back to the model", badCalls},
		{"a turn that cannot go on is set aside, says so and frees its conversation", cannotGoOn},
		{"a turn that was set aside goes on where it stood once somebody has it run again", goesOnReplayed},
		{"a turn that was set aside and runs again parks like any other", parksReplayed},
		{"a turn that was set aside is ended by whoever looked, and says what it did", endedAside},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			c.test(t, on)
		})
	}
}

// scripted makes a thing nobody named, so that it asks, then reports.
func scripted(req model.Request) (model.Response, error) {
	asked, results := Asked(req), Results(req)
	switch {
	case strings.HasPrefix(asked, "make") && len(results) == 0:
		return Call(`thing_make {"name":"unsaid"}`)
	case strings.HasPrefix(asked, "two") && len(results) == 0:
		return Call(`thing_make {"name":"one"}`, `thing_make {"name":"another"}`)
	case len(results) > 0:
		return Say("results: " + strings.Join(results, " "))
	}
	return Say("echo " + asked)
}

func answeredOnce(t *testing.T, on Bench) {
	p := NewWorld(t, on, loop.Limits{}, scripted).Start()
	var wg sync.WaitGroup
	fresh := make(chan bool, 16)
	for range 16 {
		wg.Go(func() {
			acc, err := p.Accept(context.Background(), Ann(), loop.Incoming{Event: "e1", Conversation: "c", Place: Desk(), Text: "hello"})
			if err != nil {
				t.Error(err)
			}
			fresh <- !acc.Duplicate
		})
	}
	wg.Wait()
	close(fresh)
	n := 0
	for f := range fresh {
		if f {
			n++
		}
	}
	v := p.Until("e1", agent.TurnDone)
	if n != 1 || v.Answer != "echo hello" {
		t.Errorf("%d fresh acceptances, answer %q", n, v.Answer)
	}
	if got := len(p.Model.Requests()); got != 1 {
		t.Errorf("the model was asked %d times; want once", got)
	}
}

func inOrder(t *testing.T, on Bench) {
	p := NewWorld(t, on, loop.Limits{}, func(req model.Request) (model.Response, error) {
		if Asked(req) == "m0" {
			time.Sleep(100 * time.Millisecond)
		}
		return Say("echo " + Asked(req))
	}).Start()
	ids := []string{"m0", "m1", "m2", "m3", "m4"}
	for _, id := range ids {
		p.Ask(id, "c", id)
	}
	var last time.Time
	for _, id := range ids {
		v := p.Until(id, agent.TurnDone)
		if v.Ended.Before(last) {
			t.Errorf("%s ended before the message before it", id)
		}
		last = v.Ended
	}
	for i, req := range p.Model.Requests() {
		if got := Asked(req); got != ids[i] {
			t.Errorf("request %d was %q; want %q", i, got, ids[i])
		}
	}
}

func sideBySide(t *testing.T, on Bench) {
	meet := make(chan struct{})
	p := NewWorld(t, on, loop.Limits{}, func(req model.Request) (model.Response, error) {
		// Each side waits for the other: one after the other would never end.
		select {
		case meet <- struct{}{}:
		case <-meet:
		case <-time.After(15 * time.Second):
			return Say("alone")
		}
		return Say("together")
	}).Start()
	p.Ask("a", "c1", "x")
	p.Ask("b", "c2", "x")
	for _, id := range []string{"a", "b"} {
		if v := p.Until(id, agent.TurnDone); v.Answer != "together" {
			t.Errorf("%s was answered %q", id, v.Answer)
		}
	}
}

func runsAfterYes(t *testing.T, on Bench) {
	w := NewWorld(t, on, loop.Limits{}, scripted)
	p := w.Start()
	p.Ask("e", "c", "two things")
	v := p.Until("e", agent.TurnWaiting)
	if made, _ := w.Things(); made != 0 || len(v.Approvals) != 2 {
		t.Fatalf("%d things made before a decision, %d approvals", made, len(v.Approvals))
	}
	decide(t, p, v.Approvals[1].ID, true)
	// The first yes runs while the other call still waits.
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		if made, _ := w.Things(); made == 1 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("an approved call did not run beside one that waits")
		}
	}
	decide(t, p, v.Approvals[0].ID, true)
	v = p.Until("e", agent.TurnDone)
	if made, runs := w.Things(); made != 2 || runs != 2 {
		t.Errorf("made %d in %d runs; want 2 in 2", made, runs)
	}
	for _, a := range v.Approvals {
		if a.State != approval.Spent {
			t.Errorf("approval %s is %s; want spent", a.ID, a.State)
		}
	}
	if _, err := p.Decide(context.Background(), Ann(), v.Approvals[0].ID, true, ""); agent.KindOf(err) != agent.Conflict {
		t.Errorf("deciding again: %v; want Conflict", err)
	}
}

func noRunsNothing(t *testing.T, on Bench) {
	w := NewWorld(t, on, loop.Limits{}, scripted)
	p := w.Start()
	p.Ask("e", "c", "make it")
	v := p.Until("e", agent.TurnWaiting)
	if _, err := p.Decide(context.Background(), Ann(), v.Approvals[0].ID, false, "wrong team"); err != nil {
		t.Fatal(err)
	}
	v = p.Until("e", agent.TurnDone)
	if made, _ := w.Things(); made != 0 || !strings.Contains(v.Answer, "wrong team") {
		t.Errorf("made %d; answer %q", made, v.Answer)
	}
}

func expires(t *testing.T, on Bench) {
	w := NewWorld(t, on, loop.Limits{}, scripted)
	var mu sync.Mutex
	ahead := time.Duration(0)
	w.Clock = func() time.Time { mu.Lock(); defer mu.Unlock(); return time.Now().Add(ahead) }
	p := w.Start()
	p.Ask("e", "c", "make it")
	v := p.Until("e", agent.TurnWaiting)
	p.Stop()
	mu.Lock()
	ahead = 2 * time.Hour
	mu.Unlock()
	// The next process sees at once that the time has passed.
	p = w.Start()
	v = p.Until(v.ID, agent.TurnDone)
	if made, _ := w.Things(); made != 0 || v.Approvals[0].State != approval.Expired || !strings.Contains(v.Answer, "Nobody decided in time") {
		t.Errorf("made %d, approval %s, answer %q", made, v.Approvals[0].State, v.Answer)
	}
	if _, err := p.Decide(context.Background(), Ann(), v.Approvals[0].ID, true, ""); agent.KindOf(err) != agent.Expired {
		t.Errorf("a late yes: %v; want Expired", err)
	}
}

func parkedFreesLane(t *testing.T, on Bench) {
	p := NewWorld(t, on, loop.Limits{}, scripted).Start()
	p.Ask("a", "c", "make it")
	p.Ask("b", "c", "hello")
	if v := p.Until("b", agent.TurnDone); v.Answer != "echo hello" {
		t.Errorf("answer %q", v.Answer)
	}
	p.Until("a", agent.TurnWaiting)
}

func parkedSurvives(t *testing.T, on Bench) {
	w := NewWorld(t, on, loop.Limits{}, scripted)
	p := w.Start()
	p.Ask("e", "c", "make it")
	v := p.Until("e", agent.TurnWaiting)
	for range 3 {
		p.Stop()
		p = w.Start()
	}
	decide(t, p, v.Approvals[0].ID, true)
	p.Until("e", agent.TurnDone)
	if made, runs := w.Things(); made != 1 || runs != 1 {
		t.Errorf("made %d in %d runs; want one", made, runs)
	}
	if got := len(p.Model.Requests()); got != 1 {
		t.Errorf("the last process asked the model %d times; want only for the end", got)
	}
}

func decidedWhileDown(t *testing.T, on Bench) {
	w := NewWorld(t, on, loop.Limits{}, scripted)
	p := w.Start()
	p.Ask("e", "c", "make it")
	v := p.Until("e", agent.TurnWaiting)
	p.Stop()
	db, _ := w.stores(w.Clock)
	_, err := db.Change(t.Context(), Ann(), v.Approvals[0].ID, func(a approval.Approval) (approval.Approval, error) {
		return a.Approve(Ann(), w.Clock())
	})
	check(t, err)
	check(t, db.Close())
	p = w.Start()
	p.Until("e", agent.TurnDone)
	if made, _ := w.Things(); made != 1 {
		t.Errorf("made %d; want one", made)
	}
}

func cutOffOnce(t *testing.T, on Bench) {
	w := NewWorld(t, on, loop.Limits{}, scripted)
	inside, release := make(chan struct{}), make(chan struct{})
	var once sync.Once
	w.Hold = func(context.Context) { once.Do(func() { close(inside) }); <-release }
	p := w.Start()
	p.Ask("e", "c", "make it")
	v := p.Until("e", agent.TurnWaiting)
	decide(t, p, v.Approvals[0].ID, true)
	<-inside
	// The effect has happened outside; its outcome is lost with the process.
	p.Crash(func() { close(release) })
	p = w.Start()
	p.Until("e", agent.TurnDone)
	if made, runs := w.Things(); made != 1 || runs != 2 {
		t.Errorf("made %d in %d runs; want one thing, tried twice with one key", made, runs)
	}
}

func conversationOfOthers(t *testing.T, on Bench) {
	p := NewWorld(t, on, loop.Limits{}, scripted).Start()
	p.Ask("e", "c", "hello")
	p.Until("e", agent.TurnDone)
	eve := agent.Actor{Workspace: "w", ID: "eve", Kind: agent.Member}
	for _, conversation := range []string{"c", "no such"} {
		_, err := p.Accept(context.Background(), eve, loop.Incoming{Conversation: conversation, Text: "hi"})
		if agent.KindOf(err) != agent.NotFound || agent.PublicText(err) != "there is no conversation "+conversation {
			t.Errorf("%s: %v; want not found", conversation, err)
		}
	}
	if _, err := p.View(context.Background(), eve, "e"); agent.KindOf(err) != agent.NotFound {
		t.Errorf("eve sees ann's turn: %v", err)
	}
}

func notForThisPlace(t *testing.T, on Bench) {
	p := NewWorld(t, on, loop.Limits{}, func(req model.Request) (model.Response, error) {
		if len(Results(req)) > 0 {
			return Say("It is " + Results(req)[0])
		}
		return Call(`thing_look {"name":"secret"}`)
	}).Start()
	for id, place := range map[string]agent.Place{"desk": Desk(), "hall": {ID: "hall", Kind: agent.Public}} {
		_, err := p.Accept(context.Background(), Ann(), loop.Incoming{Event: id, Conversation: id, Place: place, Text: "look"})
		if err != nil {
			t.Fatal(err)
		}
		v := p.Until(id, agent.TurnDone)
		if told := strings.Contains(v.Answer, "saw secret"); told != (id == "desk") {
			t.Errorf("in the %s it said %q", id, v.Answer)
		}
	}
	for _, req := range p.Model.Requests() {
		if len(Results(req)) > 0 && len(p.Model.Requests()) != 3 {
			t.Errorf("the model was asked %d times; want once more at the desk only", len(p.Model.Requests()))
		}
	}
}

func question(t *testing.T, on Bench) {
	w := NewWorld(t, on, loop.Limits{}, func(req model.Request) (model.Response, error) {
		if r := Results(req); len(r) > 0 {
			return Say("you said " + r[0])
		}
		return Call(`ask_user {"question":"Which one?"}`)
	})
	p := w.Start()
	p.Ask("e", "c", "do it")
	if v := p.Until("e", agent.TurnWaiting); v.Question != "Which one?" {
		t.Fatalf("question %q", v.Question)
	}
	p.Stop()
	p = w.Start()
	acc, err := p.Accept(context.Background(), Ann(), loop.Incoming{Event: "r", Conversation: "c", Text: "the blue one"})
	if err != nil || acc.Answered != "e" {
		t.Fatalf("the reply answered %q, %v", acc.Answered, err)
	}
	if v := p.Until("e", agent.TurnDone); !strings.Contains(v.Answer, "the blue one") {
		t.Errorf("answer %q", v.Answer)
	}
}

func stopped(t *testing.T, on Bench) {
	w := NewWorld(t, on, loop.Limits{}, scripted)
	p := w.Start()
	p.Ask("e", "c", "two things")
	v := p.Until("e", agent.TurnWaiting)
	decide(t, p, v.Approvals[0].ID, true)
	check(t, p.StopTurn("e"))
	v = p.Until("e", agent.TurnStopped)
	if made, _ := w.Things(); made != 1 || !strings.Contains(v.Answer, "Done: thing make") || !strings.Contains(v.Answer, "Left undone") {
		t.Errorf("made %d, answer %q", made, v.Answer)
	}
}

// StopTurn stops a turn as Ann.
func (p *Process) StopTurn(turn string) error {
	return p.Assistant.Stop(context.Background(), Ann(), turn)
}

func bounds(t *testing.T, on Bench) {
	w := NewWorld(t, on, loop.Limits{Thinks: 3}, func(model.Request) (model.Response, error) {
		return Call(`thing_look {"name":"x"}`)
	})
	p := w.Start()
	p.Ask("e", "c", "look for ever")
	v := p.Until("e", agent.TurnDone)
	if !strings.Contains(v.Answer, "after 3 rounds") || !strings.Contains(v.Answer, "thing look (3×)") {
		t.Errorf("answer %q", v.Answer)
	}
	w = NewWorld(t, on, loop.Limits{}, func(model.Request) (model.Response, error) {
		return Call(`thing_look {"name":"missing"}`)
	})
	p = w.Start()
	p.Ask("f", "c", "look for what is not there")
	if v := p.Until("f", agent.TurnDone); !strings.Contains(v.Answer, "last 3 attempts all failed") {
		t.Errorf("answer %q", v.Answer)
	}
}

func undo(t *testing.T, on Bench) {
	w := NewWorld(t, on, loop.Limits{}, func(req model.Request) (model.Response, error) {
		if len(Results(req)) > 0 {
			return Say("made")
		}
		return Call(`thing_make {"name":"blue box"}`)
	})
	p := w.Start()
	p.Ask("e", "c", "make a Blue Box, please")
	v := p.Until("e", agent.TurnDone)
	if made, _ := w.Things(); made != 1 || len(v.Effects) != 1 || v.Effects[0].UndoTool == "" {
		t.Fatalf("made %d, effects %+v", made, v.Effects)
	}
	for range 2 {
		if _, err := p.Undo(context.Background(), Ann(), v.Effects[0].Key); err != nil {
			t.Fatal(err)
		}
	}
	p.Until("undo-"+v.Effects[0].Key, agent.TurnDone)
	if made, runs := w.Things(); made != 2 || runs != 2 {
		t.Errorf("%d effects in %d runs; want the thing and one undoing", made, runs)
	}
}

func badCalls(t *testing.T, on Bench) {
	w := NewWorld(t, on, loop.Limits{}, func(req model.Request) (model.Response, error) {
		if r := Results(req); len(r) > 0 {
			return Say(strings.Join(r, "\n"))
		}
		return Call(`no_such_tool {"x":1}`, `thing_make {"nme":"x"}`, `thing_make not json`, `thing_make {"name":5}`)
	})
	p := w.Start()
	p.Ask("e", "c", "do odd things")
	v := p.Until("e", agent.TurnDone)
	if made, _ := w.Things(); made != 0 {
		t.Errorf("made %d", made)
	}
	for _, want := range []string{"no tool named", "denied", "do not fit"} {
		if !strings.Contains(v.Answer, want) {
			t.Errorf("the model was not told %q: %s", want, v.Answer)
		}
	}
}

func decide(t *testing.T, p *Process, id string, yes bool) {
	t.Helper()
	if _, err := p.Decide(context.Background(), Ann(), id, yes, ""); err != nil {
		t.Fatal(err)
	}
}

// noPrompt cannot say what to tell the model about one person's request.
type noPrompt struct {
	plainPrompt
	// mended says that it can again, after that it could so many times before.
	mended *atomic.Bool
	first  *atomic.Int32
}

func (p noPrompt) TurnPrompt(t agent.Turn, now time.Time) (string, string, error) {
	able := p.mended != nil && p.mended.Load() || p.first != nil && p.first.Add(-1) >= 0
	if t.ID == "bad" && !able {
		return "", "", errors.New("the prompt is damaged")
	}
	return p.plainPrompt.TurnPrompt(t, now)
}

func cannotGoOn(t *testing.T, on Bench) {
	w := NewWorld(t, on, loop.Limits{}, scripted)
	w.Prompter = noPrompt{}
	p := w.Start()
	p.Ask("bad", "c", "hello")
	p.Ask("good", "c", "hello")
	p.Until("good", agent.TurnDone)
	if v := p.Until("bad", agent.TurnWaiting); !strings.Contains(v.Answer, "I tried 5 times") {
		t.Errorf("it says %q", v.Answer)
	}
	// Whoever comes next leaves it alone.
	p.Stop()
	p = w.Start()
	p.Ask("more", "c", "hello")
	p.Until("more", agent.TurnDone)
	if v := p.Until("bad", agent.TurnWaiting); !strings.Contains(v.Answer, "set aside") {
		t.Errorf("it says %q", v.Answer)
	}
}

// asideAfter has a turn set aside after it could think so many times, and returns
// what mends it.
func asideAfter(t *testing.T, on Bench, thinks int32, text string) (w *World, p *Process, mend func()) {
	w = NewWorld(t, on, loop.Limits{}, scripted)
	var mended atomic.Bool
	var first atomic.Int32
	first.Store(thinks)
	w.Prompter = noPrompt{mended: &mended, first: &first}
	p = w.Start()
	p.Ask("bad", "c", text)
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(5 * time.Millisecond) {
		v, err := p.View(context.Background(), Ann(), "bad")
		check(t, err)
		if v.Stuck != nil {
			return w, p, func() { mended.Store(true) }
		}
		for _, a := range v.Approvals {
			if a.State == approval.Asked {
				decide(t, p, a.ID, true)
			}
		}
		if time.Now().After(deadline) {
			t.Fatalf("it was never set aside: %+v", v)
		}
	}
}

func goesOnReplayed(t *testing.T, on Bench) {
	w, p, mend := asideAfter(t, on, 1, "make")
	all, err := p.ListTurns(context.Background(), Ann(), loop.TurnFilter{Stuck: true})
	check(t, err)
	if len(all) != 1 || all[0].ID != "bad" || all[0].Stuck.Step != "think" || all[0].Stuck.Tries != 5 {
		t.Errorf("listed %+v", all)
	}
	// It stays the same trouble: set aside once more, however often it is tried.
	check(t, p.Replay(context.Background(), Ann(), "bad"))
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(5 * time.Millisecond) {
		v, err := p.View(context.Background(), Ann(), "bad")
		check(t, err)
		if v.Stuck != nil {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("it was not set aside again")
		}
	}
	mend()
	check(t, p.Replay(context.Background(), Ann(), "bad"))
	if v := p.Until("bad", agent.TurnDone); v.Stuck != nil || !strings.Contains(v.Answer, "results") {
		t.Errorf("it says %q", v.Answer)
	}
	if made, runs := w.Things(); made != 1 || runs != 1 {
		t.Errorf("%d things by %d runs; want one by one", made, runs)
	}
	if err := p.Replay(context.Background(), Ann(), "bad"); agent.KindOf(err) != agent.Conflict {
		t.Errorf("a turn that ended is replayed: %v", err)
	}
}

func parksReplayed(t *testing.T, on Bench) {
	w, p, mend := asideAfter(t, on, 0, "two")
	mend()
	check(t, p.Replay(context.Background(), Ann(), "bad"))
	v := p.Until("bad", agent.TurnWaiting)
	for len(v.Approvals) < 2 || v.Stuck != nil {
		v = p.Until("bad", agent.TurnWaiting)
	}
	p.Ask("next", "c", "hello")
	p.Until("next", agent.TurnDone)
	for _, a := range v.Approvals {
		decide(t, p, a.ID, true)
	}
	p.Until("bad", agent.TurnDone)
	if made, runs := w.Things(); made != 2 || runs != 2 {
		t.Errorf("%d things by %d runs; want two by two", made, runs)
	}
}

func endedAside(t *testing.T, on Bench) {
	_, p, _ := asideAfter(t, on, 1, "make")
	bob := agent.Actor{Workspace: "w", ID: "bob", Kind: agent.Member, Name: "Bob"}
	for what, err := range map[string]error{
		"stopped": p.Assistant.Stop(context.Background(), bob, "bad"), "replayed": p.Replay(context.Background(), bob, "bad"),
	} {
		if agent.KindOf(err) != agent.NotFound {
			t.Errorf("%s by somebody who does not see it: %v", what, err)
		}
	}
	check(t, p.Assistant.Stop(context.Background(), Ann(), "bad"))
	v := p.Until("bad", agent.TurnStopped)
	if !strings.Contains(v.Answer, "Ann ended this") || !strings.Contains(v.Answer, "Done before: thing make.") || v.Stuck != nil {
		t.Errorf("it says %q", v.Answer)
	}
	if err := p.Assistant.Stop(context.Background(), Ann(), "bad"); agent.KindOf(err) != agent.Conflict {
		t.Errorf("ended twice: %v", err)
	}
	if err := p.Replay(context.Background(), Ann(), "bad"); agent.KindOf(err) != agent.Conflict {
		t.Errorf("replayed after its end: %v", err)
	}
}
