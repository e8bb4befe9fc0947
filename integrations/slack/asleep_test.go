package slack_test

import (
	"context"
	"errors"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/agent/approval"
	"github.com/sous-hq/sous/agent/delivery"
	"github.com/sous-hq/sous/agent/loop"
	"github.com/sous-hq/sous/agent/model"
	front "github.com/sous-hq/sous/integrations/slack"
	"github.com/sous-hq/sous/internal/testkit/slackfake"
)

// onDesk does something at what a desk is asked.
type onDesk struct {
	front.Desk
	view   func()
	await  func(attended context.Context, t agent.Turn)
	attend atomic.Pointer[context.Context]
}

func (d *onDesk) View(ctx context.Context, by agent.Actor, id string) (loop.View, error) {
	v, err := d.Desk.View(ctx, by, id)
	if d.view != nil {
		d.view()
	}
	return v, err
}

func (d *onDesk) Attend(ctx context.Context, t agent.Turn, after int) *loop.Watcher {
	d.attend.Store(&ctx)
	return d.Desk.Attend(ctx, t, after)
}

func (d *onDesk) Await(t agent.Turn, after int, f func()) func() {
	if d.await != nil {
		d.await(*d.attend.Load(), t)
	}
	return d.Desk.Await(t, after, f)
}

// onStore does something at what a store of deliveries is asked.
type onStore struct {
	delivery.Store
	take   func()
	post   func(delivery.Post) bool
	retain func(func() ([]string, error)) ([]string, error)
}

func (s *onStore) Take(ctx context.Context, f delivery.Front, l delivery.Lease) (delivery.Standing, error) {
	if s.take != nil {
		s.take()
	}
	return s.Store.Take(ctx, f, l)
}

// Settle forgets the posts that are not to be noted.
func (s *onStore) Settle(ctx context.Context, f delivery.Front, all delivery.Settled) error {
	if s.post != nil {
		all.Posts = slices.DeleteFunc(slices.Clone(all.Posts), func(p delivery.Post) bool { return !s.post(p) })
	}
	return s.Store.Settle(ctx, f, all)
}

func (s *onStore) Retain(ctx context.Context, f delivery.Front, holder string, more time.Duration) ([]string, error) {
	retain := func() ([]string, error) { return s.Store.Retain(ctx, f, holder, more) }
	if s.retain != nil {
		return s.retain(retain)
	}
	return retain()
}

// only is the one turn there is.
func (p *process) only(t testing.TB) agent.Turn {
	t.Helper()
	all := must[[]agent.Turn](t)(p.db.Recent(t.Context(), "w", "", 2))
	if len(all) != 1 {
		t.Fatalf("%d turns", len(all))
	}
	return all[0]
}

func (w *world) by(user string) agent.Actor {
	return agent.Actor{Workspace: "w", ID: w.actor(user), Kind: agent.Member}
}

// noted asks something about the only approval, as another process does of which this
// one has yet to hear.
func (p *process) noted(t testing.TB, by agent.Actor, text string) {
	t.Helper()
	all := must[[]approval.Approval](t)(p.db.Approvals(t.Context(), "w", loop.ApprovalFilter{}))
	_, err := p.db.Change(t.Context(), by, all[0].ID, func(a approval.Approval) (approval.Approval, error) {
		return a.Say(approval.Change{By: by, Event: "elsewhere/" + text, At: time.Now()}, text)
	})
	if err != nil {
		t.Error(err)
	}
}

func TestATurnThatRestsIsNotWokenByWhatWasBeforeItsShowBegan(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, asItIs)
		var away atomic.Bool
		var looks atomic.Int32
		w.answer, w.change = payer, func(c *front.Config) {
			inEarnest(c)
			c.Holder = "one"
			c.Desk = &onDesk{Desk: c.Desk, view: func() {
				if looks.Add(1) > 2000 {
					time.Sleep(time.Hour) // or time would stand still
				}
			}}
			c.Deliveries = &onStore{Store: c.Deliveries, retain: func(retain func() ([]string, error)) ([]string, error) {
				if away.Load() {
					return nil, errors.New("the store is away")
				}
				return retain()
			}}
		}
		p := w.start(t, new(counter))
		w.reply(t, general, w.slack.Post(ann, general, "<@"+w.slack.BotUser+"> pay Acme 100"), "Approval needed")
		time.Sleep(2 * time.Minute)
		// Somebody looks at the turn elsewhere, and the show begins anew.
		must[func() (loop.Event, bool)](t)(p.Watch(t.Context(), w.by(ann), p.only(t).ID, 0))
		before := looks.Load()
		away.Store(true)
		time.Sleep(time.Minute)
		away.Store(false)
		time.Sleep(time.Hour)
		if n := looks.Load() - before; n > 100 {
			t.Errorf("in an hour the turn was looked at %d times though nothing happened to it", n)
		}
	})
}

func TestWhatIsAskedNextIsShownAtOnceHoweverLongATurnRested(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, asItIs)
		w.change = inEarnest
		w.answer = func(_ context.Context, req model.Request, delta func(string)) (model.Response, error) {
			results := 0
			for _, m := range req.Messages {
				if m.Role == model.RoleTool {
					results++
				}
			}
			if results == 0 {
				for range 20 {
					delta("so ")
					time.Sleep(time.Second)
				}
			}
			if args := []string{`{"to":"Acme","amount":"100"}`, `{"to":"Beta","amount":"200"}`}; results < len(args) {
				return model.Response{Calls: []model.ToolCall{{ID: args[results], Name: "money_send", Args: args[results]}}, Finish: model.FinishCalls, Model: "script"}, nil
			}
			return model.Response{Text: "Both are paid.", Finish: model.FinishStop, Model: "script"}, nil
		}
		w.start(t, new(counter))
		root := w.slack.Post(ann, general, "<@"+w.slack.BotUser+"> pay both")
		card := w.reply(t, general, root, "Approval needed")
		time.Sleep(35 * time.Minute)
		pressed := time.Now()
		w.slack.Press(bob, card, find(t, card, "sous_approve"))
		w.reply(t, general, root, "Beta")
		if took := time.Since(pressed); took > 5*time.Second {
			t.Errorf("what is asked next was shown after %s", took)
		}
	})
}

func TestNothingIsMissedBetweenTheLastLookAndTheRest(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, asItIs)
		var p *process
		var once atomic.Bool
		w.answer, w.change = payer, func(c *front.Config) {
			inEarnest(c)
			c.Desk = &onDesk{Desk: c.Desk, await: func(attended context.Context, turn agent.Turn) {
				if once.Swap(true) {
					return
				}
				for i := 0; attended.Err() != nil && i < 1000; i++ {
					runtime.Gosched() // the watcher is counted out
				}
				p.noted(t, w.by(bob), "Why so much?")
				p.Heard(turn.ID)
			}}
		}
		p = w.start(t, new(counter))
		card := w.reply(t, general, w.slack.Post(ann, general, "<@"+w.slack.BotUser+"> pay Acme 100"), "Approval needed")
		wait(t, "the rest", once.Load)
		heard := time.Now()
		w.reply(t, general, card.ThreadTS, "Why so much?")
		if took := time.Since(heard); took > 10*time.Second {
			t.Errorf("what another process did was shown after %s", took)
		}
	})
}

func TestATurnThatEndsWhileItsCardCannotBeChangedIsAnsweredWhenItCan(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, asItIs)
		w.answer, w.change = payer, inEarnest
		var paid counter
		p := w.start(t, &paid)
		card := w.reply(t, general, w.slack.Post(ann, general, "<@"+w.slack.BotUser+"> pay Acme 100"), "Approval needed")
		time.Sleep(2 * time.Minute)
		p.noted(t, w.by(bob), "Why so much?")
		p.stop()
		w.slack.Fail("chat.update", slices.Repeat([]slackfake.Failure{{Status: 503}}, 8)...)
		p = w.start(t, &paid)
		time.Sleep(5 * time.Second)
		open := must[[]approval.Approval](t)(p.Pending(t.Context(), w.by(bob)))
		if _, err := p.Decide(t.Context(), w.by(bob), open[0].ID, true, ""); err != nil {
			t.Fatal(err)
		}
		decided := time.Now()
		w.reply(t, general, card.ThreadTS, "What I changed")
		if took := time.Since(decided); took > 4*time.Minute {
			t.Errorf("it was answered after %s; Slack was back after two minutes", took)
		}
		if !w.settled(card) || w.answers(general, card.ThreadTS) != 1 {
			t.Errorf("the card settled: %t, %d answers", w.settled(card), w.answers(general, card.ThreadTS))
		}
	})
}

func TestALeaseThatIsTakenWhileTheOthersAreRenewedIsKept(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, asItIs)
		w.answer = func(context.Context, model.Request, func(string)) (model.Response, error) {
			time.Sleep(2 * time.Second)
			return model.Response{Text: "Good morning.", Finish: model.FinishStop, Model: "script"}, nil
		}
		const slow = 100 * time.Millisecond
		renewed := make(chan struct{}, 1000)
		w.change = func(c *front.Config) {
			inEarnest(c)
			c.Holder = "one"
			c.Deliveries = &onStore{Store: c.Deliveries, take: func() { time.Sleep(slow) }, retain: func(retain func() ([]string, error)) ([]string, error) {
				renewed <- struct{}{}
				got, err := retain()
				time.Sleep(2 * slow)
				return got, err
			}}
		}
		w.start(t)
		<-renewed
		time.Sleep(15*time.Second + slow + slow/2) // the next is half of what a lease takes ahead
		asked := time.Now()
		w.reply(t, general, w.slack.Post(ann, general, "<@"+w.slack.BotUser+"> good morning"), "Good morning.")
		if took := time.Since(asked); took > 5*time.Second {
			t.Errorf("it was answered after %s", took)
		}
	})
}

// presence is how a process is seen by the others.
type presence struct{ term atomic.Value }

func newPresence() *presence {
	p := &presence{}
	p.term.Store("first")
	return p
}

// is says as whom they see it, "" when they do not.
func (p *presence) is(term string) { p.term.Store(term) }

func (p *presence) in(c *front.Config) {
	inEarnest(c)
	c.Holder, c.Present = "one", func() (string, bool) { s := p.term.Load().(string); return s, s != "" }
}

func TestAProcessThatIsTakenForGoneWhileItWaitsForSlackPostsNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, asItIs)
		others := newPresence()
		w.answer, w.change = payer, others.in
		w.start(t, new(counter))
		w.slack.Fail("chat.postMessage", slackfake.Failure{Status: 429, RetryAfter: 30})
		root := w.slack.Post(ann, general, "<@"+w.slack.BotUser+"> hello")
		time.Sleep(10 * time.Second)
		others.is("")
		time.Sleep(time.Minute)
		if n := w.answers(general, root); n != 0 {
			t.Errorf("it posted %d answers that others may have posted", n)
		}
		others.is("second")
		back := time.Now()
		w.reply(t, general, root, "You said: hello")
		if took := time.Since(back); took > 5*time.Second {
			t.Errorf("back among the others it answered after %s", took)
		}
		time.Sleep(time.Minute)
		if n := w.answers(general, root); n != 1 {
			t.Errorf("%d answers", n)
		}
	})
}

func TestAProcessThatIsTakenForGoneChangesNoCard(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, asItIs)
		others := newPresence()
		var asleep atomic.Bool
		w.answer, w.change = payer, func(c *front.Config) {
			others.in(c)
			c.Desk = &onDesk{Desk: c.Desk, view: func() {
				if asleep.Load() {
					others.is("")
				}
			}}
		}
		p := w.start(t, new(counter))
		card := w.reply(t, general, w.slack.Post(ann, general, "<@"+w.slack.BotUser+"> pay Acme 100"), "Approval needed")
		time.Sleep(2 * time.Minute)
		asleep.Store(true)
		before := len(w.slack.Calls("chat.update"))
		open := must[[]approval.Approval](t)(p.Pending(t.Context(), w.by(bob)))
		must[approval.Approval](t)(p.Note(t.Context(), w.by(bob), open[0].ID, "Why so much?", "e"))
		time.Sleep(time.Minute)
		if n := len(w.slack.Calls("chat.update")) - before; n != 0 {
			t.Errorf("it changed a card %d times by what it had read before it stood still", n)
		}
		asleep.Store(false)
		others.is("second")
		w.reply(t, general, card.ThreadTS, "Why so much?")
	})
}

func TestAProcessThatIsTakenForGoneStreamsNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, asItIs)
		others := newPresence()
		w.answer, w.change = payer, others.in
		w.start(t, new(counter))
		root := w.slack.Post(ann, general, "<@"+w.slack.BotUser+"> slowly")
		time.Sleep(20 * time.Second)
		streamed := func() (n int) {
			for _, m := range []string{"chat.startStream", "chat.appendStream", "chat.stopStream", "chat.postMessage", "chat.update", "chat.delete"} {
				n += len(w.slack.Calls(m))
			}
			return n
		}
		if streamed() == 0 {
			t.Fatal("nothing was streamed before")
		}
		others.is("")
		before := streamed()
		time.Sleep(time.Minute)
		if n := streamed() - before; n != 0 {
			t.Errorf("it went on with what others may have ended: %d calls", n)
		}
		others.is("second")
		w.reply(t, general, root, "and slowly to its end")
		time.Sleep(time.Minute)
		if got := w.slack.Thread(general, root); w.answers(general, root) != 1 || len(got) != 2 {
			t.Errorf("%d answers, %d messages", w.answers(general, root), len(got))
		}
	})
}

func TestAProcessThatIsTakenForGonePublishesNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, asItIs)
		others := newPresence()
		w.change = others.in
		w.start(t)
		_, _, card := w.drop(t)
		time.Sleep(time.Minute)
		w.slack.Fail("chat.postMessage", slackfake.Failure{Status: 429, RetryAfter: 30})
		if d := w.fill(t, ann, card, "sous_publish_more", map[string]string{"where": general, "forms": "message"}); d.Status != 200 {
			t.Fatalf("the form: %+v", d)
		}
		time.Sleep(10 * time.Second)
		others.is("")
		time.Sleep(time.Minute)
		if n := len(w.slack.Channel(general)); n != 0 {
			t.Errorf("it posted %d messages that others may have posted", n)
		}
		others.is("second")
		w.published(t, general)
		time.Sleep(time.Minute)
		if n := strings.Count(w.everything(general), "Minutes: "); n != 1 {
			t.Errorf("%d messages with the minutes", n)
		}
	})
}

func TestWhatAProcessThatIsGoneOwesForLongIsShownAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, asItIs)
		w.answer, w.change = payer, func(c *front.Config) { inEarnest(c); c.Holder = "two" }
		p := w.start(t)
		time.Sleep(time.Minute)
		// One has an answer to post and waits for Slack with it until it is killed.
		w.slack.Connect("")
		dm := w.slack.DM(ann)
		root := w.slack.Post(ann, dm, "hello")
		id := "slack-" + w.slack.Team + "-" + dm + "-" + root
		turn := agent.Turn{ID: id, Workspace: "w", Conversation: id, Actor: w.by(ann), Place: agent.Place{ID: dm, Kind: agent.DM, Members: []agent.ActorID{w.actor(ann)}}}
		must[loop.Acceptance](t)(p.db.Accept(t.Context(), turn, agent.Message{ID: "m", Author: turn.Actor, Text: "hello"}, nil))
		turn.Status, turn.Answer = agent.TurnDone, "It is done at last."
		_, err := p.db.Finish(t.Context(), loop.Finish{Turn: turn, Answer: agent.Message{
			ID: loop.AnswerID(id), Text: turn.Answer, Author: agent.Actor{Workspace: "w", ID: "sous", Kind: agent.System}, Label: agent.Label{Readers: agent.Only(w.actor(ann))},
		}})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := p.db.Take(t.Context(), delivery.Front{Workspace: "w", Source: "slack"}, delivery.Lease{About: id, Holder: "one", For: 5 * time.Minute}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(5*time.Minute + time.Second)
		left := time.Now()
		p.bot.Left()
		w.reply(t, dm, root, "It is done at last.")
		if took := time.Since(left); took > 5*time.Second {
			t.Errorf("it was shown after %s", took)
		}
	})
}

// payBoth is a model that pays two at once, and else is the payer.
func payBoth(ctx context.Context, req model.Request, delta func(string)) (model.Response, error) {
	last := req.Messages[len(req.Messages)-1]
	if last.Role != model.RoleUser || !strings.HasPrefix(last.Text, "pay both") {
		return payer(ctx, req, delta)
	}
	return model.Response{Calls: []model.ToolCall{
		{ID: "0", Name: "money_send", Args: `{"to":"Acme","amount":"100"}`}, {ID: "1", Name: "money_send", Args: `{"to":"Beta","amount":"200"}`},
	}, Finish: model.FinishCalls, Model: "script"}, nil
}

func TestTheCardForAllIsClosedOnceAndAlsoWhenNobodyNotedIt(t *testing.T) {
	t.Parallel()
	for name, noted := range map[string]bool{"noted": true, "killed before it was noted": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, asItIs)
				decide := false
				w.answer, w.change = payBoth, func(c *front.Config) {
					inEarnest(c)
					c.Deliveries = &onStore{Store: c.Deliveries, post: func(p delivery.Post) bool { return noted || !strings.Contains(p.Key, "/all/") }}
					if !decide {
						return
					}
					// One is decided while nobody shows it.
					open := must[[]approval.Approval](t)(c.Decisions.Pending(t.Context(), w.by(bob)))
					if _, err := c.Decisions.Answer(t.Context(), w.by(bob), loop.Answer{Approval: open[0].ID, Yes: true, Event: "e"}); err != nil || len(open) != 2 {
						t.Error(len(open), err)
					}
				}
				var paid counter
				p := w.start(t, &paid)
				all := w.reply(t, general, w.slack.Post(ann, general, "<@"+w.slack.BotUser+"> pay both"), "2 actions wait")
				time.Sleep(time.Minute)
				p.stop()
				decide = true
				p = w.start(t, &paid)
				time.Sleep(time.Minute)
				if !w.settled(all) {
					t.Error("the card for all still offers what has been decided")
				}
				p.stop()
				before := len(w.slack.Calls("chat.update"))
				decide = false
				w.start(t, &paid)
				time.Sleep(time.Minute)
				if n := len(w.slack.Calls("chat.update")) - before; n != 0 {
					t.Errorf("%d cards were changed by a start, though nothing had happened", n)
				}
			})
		})
	}
}

func TestWhatIsBeingWrittenInAThreadIsNotSweptByAnotherTurn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, asItIs)
		w.answer, w.change = payer, inEarnest
		var paid counter
		p := w.start(t, &paid)
		card := w.reply(t, general, w.slack.Post(ann, general, "<@"+w.slack.BotUser+"> pay Acme 100"), "Approval needed")
		p.stop()
		w.start(t, &paid)
		time.Sleep(time.Minute)
		w.slack.Post(ann, general, "<@"+w.slack.BotUser+"> slowly", slackfake.Said{Thread: card.ThreadTS})
		time.Sleep(20 * time.Second)
		writing := func() bool {
			return slices.ContainsFunc(w.slack.Thread(general, card.ThreadTS), func(m slackfake.Message) bool { return m.Streaming })
		}
		if !writing() {
			t.Fatal("nothing is being written")
		}
		w.slack.Press(bob, card, find(t, card, "sous_approve"))
		w.reply(t, general, card.ThreadTS, "What I changed")
		time.Sleep(10 * time.Second)
		if !writing() {
			t.Error("what was being written is gone")
		}
		w.reply(t, general, card.ThreadTS, "and slowly to its end")
		if n := w.answers(general, card.ThreadTS); n != 2 {
			t.Errorf("%d answers", n)
		}
	})
}

func TestACardSaysAtOnceThatSomebodyElseDecides(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, asItIs)
		w.answer, w.change = payer, inEarnest
		p := w.start(t, new(counter))
		card := w.reply(t, general, w.slack.Post(ann, general, "<@"+w.slack.BotUser+"> pay Acme 100"), "Approval needed")
		time.Sleep(2 * time.Minute)
		open := must[[]approval.Approval](t)(p.Pending(t.Context(), w.by(bob)))
		must[approval.Approval](t)(p.Delegate(t.Context(), w.by(bob), open[0].ID, w.actor(cat), "e"))
		time.Sleep(5 * time.Second)
		w.reply(t, general, card.ThreadTS, "handed their say to <@"+cat+">")
	})
}
