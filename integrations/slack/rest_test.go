package slack_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/agent/delivery"
	"github.com/sous-hq/sous/agent/model"
	front "github.com/sous-hq/sous/integrations/slack"
	"github.com/sous-hq/sous/internal/testkit/slackfake"
)

// said are the calls of Slack after the first n, without those that a start makes.
func (w *world) said(n int) (methods []string) {
	for _, c := range w.slack.Calls("")[n:] {
		if c.Method != "auth.test" && c.Method != "team.info" {
			methods = append(methods, c.Method)
		}
	}
	return methods
}

// settled reports whether no button is left on a card.
func (w *world) settled(card slackfake.Message) bool {
	for _, m := range w.slack.Thread(general, card.ThreadTS) {
		if m.TS == card.TS {
			return len(m.Buttons()) == 0
		}
	}
	return false
}

func TestATurnThatWaitsForHoursAsksSlackNothingAndGoesOnAtOnce(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*front.Config){"alone": inEarnest, "among others": func(c *front.Config) { inEarnest(c); c.Holder = "one" }} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, asItIs)
				w.answer, w.change = payer, change
				var paid counter
				w.start(t, &paid)
				card := w.reply(t, general, w.slack.Post(ann, general, "<@"+w.slack.BotUser+"> pay Acme 100"), "Approval needed")
				time.Sleep(2 * time.Minute)
				before := len(w.slack.Calls(""))
				time.Sleep(3 * time.Hour)
				if got := w.said(before); len(got) > 0 {
					t.Errorf("Slack was asked %v while nothing happened", got)
				}
				pressed := time.Now()
				if d := w.slack.Press(bob, card, find(t, card, "sous_approve")); d.Status != 200 {
					t.Errorf("pressed: %+v", d)
				}
				w.reply(t, general, card.ThreadTS, "What I changed")
				if took := time.Since(pressed); took > time.Second || paid.total() != 1 || !w.settled(card) {
					t.Errorf("after %s paid %d times, the card settled: %t", took, paid.total(), w.settled(card))
				}
				w.noneRefused(t)
			})
		})
	}
}

func TestWhatWaitsIsNotShownAgainAfterARestart(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, asItIs)
		w.answer, w.change = payer, inEarnest
		var paid counter
		p := w.start(t, &paid)
		var cards []slackfake.Message
		for range 3 {
			cards = append(cards, w.reply(t, general, w.slack.Post(ann, general, "<@"+w.slack.BotUser+"> pay Acme 100"), "Approval needed"))
			time.Sleep(time.Minute)
		}
		p.stop()
		before := len(w.slack.Calls(""))
		p = w.start(t, &paid)
		time.Sleep(time.Hour)
		for _, method := range w.said(before) {
			if strings.HasPrefix(method, "chat.") || strings.HasPrefix(method, "agents.") || strings.HasPrefix(method, "assistant.") || method == "conversations.replies" {
				t.Errorf("%s was called though nothing had happened", method)
			}
		}
		// What happens while nobody is there is shown at the next start.
		p.stop()
		p = w.start(t, &paid)
		time.Sleep(time.Minute)
		for i, card := range cards {
			if d := w.slack.Press(bob, card, find(t, card, "sous_approve")); d.Status != 200 {
				t.Errorf("pressed: %+v", d)
			}
			w.reply(t, general, card.ThreadTS, "What I changed")
			if n := w.answers(general, card.ThreadTS); paid.total() != i+1 || n != 1 || !w.settled(card) {
				t.Errorf("card %d: paid %d times, %d answers, settled: %t", i, paid.total(), n, w.settled(card))
			}
		}
		w.noneRefused(t)
	})
}

func TestACardThatNobodyCameToNoteIsClosedWhoeverComesToIt(t *testing.T) {
	t.Parallel()
	for name, lost := range map[string]struct{ keys, later []string }{
		"the first process ended before it noted anything":  {keys: []string{"/card/", "/look/"}},
		"nobody noted where the card stands, only its look": {keys: []string{"/card/", "/look/"}, later: []string{"/card/"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, asItIs)
				forget := lost.keys
				w.answer, w.change = payer, func(c *front.Config) {
					inEarnest(c)
					not := forget
					c.Deliveries = &onStore{Store: c.Deliveries, post: func(p delivery.Post) bool {
						return !slices.ContainsFunc(not, func(key string) bool { return strings.Contains(p.Key, key) })
					}}
				}
				var paid counter
				p := w.start(t, &paid)
				card := w.reply(t, general, w.slack.Post(ann, general, "<@"+w.slack.BotUser+"> pay Acme 100"), "Approval needed")
				time.Sleep(time.Minute)
				p.stop()
				forget = lost.later
				p = w.start(t, &paid)
				time.Sleep(time.Minute)
				p.stop()
				before := len(w.slack.Calls(""))
				w.start(t, &paid)
				time.Sleep(time.Minute)
				if said := w.said(before); forget == nil && slices.Contains(said, "conversations.replies") {
					t.Errorf("what the process before had found is looked for again: %v", said)
				}
				w.slack.Press(bob, card, find(t, card, "sous_approve"))
				w.reply(t, general, card.ThreadTS, "What I changed")
				if n := w.answers(general, card.ThreadTS); paid.total() != 1 || n != 1 || !w.settled(card) {
					t.Errorf("paid %d times, %d answers, settled: %t", paid.total(), n, w.settled(card))
				}
				w.noneRefused(t)
			})
		})
	}
}

func TestWhatIsDecidedElsewhereIsShownWhileATurnRests(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, asItIs)
		w.answer, w.change = payer, inEarnest
		var paid counter
		p := w.start(t, &paid)
		card := w.reply(t, general, w.slack.Post(ann, general, "<@"+w.slack.BotUser+"> pay Acme 100"), "Approval needed")
		time.Sleep(5 * time.Minute)
		by := agent.Actor{Workspace: "w", ID: agent.ActorID("slack:" + w.slack.Team + ":" + bob), Kind: agent.Member}
		open, err := p.Pending(t.Context(), by)
		if err != nil || len(open) != 1 {
			t.Fatalf("%d are open for bob: %v", len(open), err)
		}
		if _, err := p.Decide(t.Context(), by, open[0].ID, true, ""); err != nil {
			t.Fatal(err)
		}
		w.reply(t, general, card.ThreadTS, "What I changed")
		if paid.total() != 1 || !w.settled(card) {
			t.Errorf("paid %d times, the card settled: %t", paid.total(), w.settled(card))
		}
	})
}

// slowPayer tells what came of a payment word by word.
func slowPayer(ctx context.Context, req model.Request, delta func(string)) (model.Response, error) {
	r, err := payer(ctx, req, func(string) {})
	for _, word := range strings.SplitAfter(r.Text, " ") {
		delta(word)
		time.Sleep(time.Second)
	}
	return r, err
}

func TestAnAnswerThatIsWrittenAfterARestartStays(t *testing.T) {
	t.Parallel()
	for name, holder := range map[string]string{"alone": "", "among others": "one"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, asItIs)
				w.answer, w.change = slowPayer, func(c *front.Config) { inEarnest(c); c.Holder = holder }
				var paid counter
				p := w.start(t, &paid)
				card := w.reply(t, general, w.slack.Post(ann, general, "<@"+w.slack.BotUser+"> pay Acme 100"), "Approval needed")
				p.stop()
				w.start(t, &paid)
				time.Sleep(time.Minute)
				if d := w.slack.Press(bob, card, find(t, card, "sous_approve")); d.Status != 200 {
					t.Errorf("pressed: %+v", d)
				}
				w.reply(t, general, card.ThreadTS, "What I changed")
				time.Sleep(time.Minute)
				if n := w.answers(general, card.ThreadTS); n != 1 || len(w.slack.Calls("chat.startStream")) == 0 {
					t.Errorf("%d answers stand in the thread, %d streams were begun", n, len(w.slack.Calls("chat.startStream")))
				}
			})
		})
	}
}
