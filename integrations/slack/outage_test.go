package slack_test

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/agent/admission"
	"github.com/sous-hq/sous/agent/model"
	front "github.com/sous-hq/sous/integrations/slack"
	"github.com/sous-hq/sous/internal/testkit/slackfake"
)

// asItIs makes the world keep Slack's own times, and Sous its own.
func asItIs(c *slackfake.Config) {
	c.Retries = []time.Duration{0, time.Minute, 5 * time.Minute}
	c.Pace, c.Burst = time.Second, 3
}

func inEarnest(c *front.Config) { c.Timing = front.Timing{} }

// noneLimited fails when Slack had to say that there was too much, or refused anything.
func (w *world) noneRefused(t testing.TB) {
	t.Helper()
	for _, c := range w.slack.Calls("") {
		if c.Result != "ok" && c.Result != "Service Unavailable" && c.Result != "message_not_in_streaming_state" {
			t.Errorf("Slack answered %s with %s", c.Method, c.Result)
		}
	}
}

func TestSlackMayBeAwayForTenMinutes(t *testing.T) {
	t.Parallel()
	for name, socket := range map[string]bool{"over HTTP": false, "over Socket Mode": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, asItIs)
				w.answer, w.change, w.socket = payer, inEarnest, socket
				var paid counter
				p := w.start(t, &paid)
				card := w.reply(t, general, w.slack.Post(ann, general, "<@"+w.slack.BotUser+"> pay Acme 100"), "Approval needed")
				slow := w.slack.Post(ann, general, "<@"+w.slack.BotUser+"> slowly")
				time.Sleep(10 * time.Second)
				w.slack.Down(true)
				// A decision, requests of somebody known and of somebody unknown, and an
				// answer that ends meanwhile: Slack delivers, and hears nothing of us.
				if d := w.slack.Press(bob, card, find(t, card, "sous_approve")); d.Status != 200 {
					t.Errorf("pressed: %+v", d)
				}
				w.slack.AddUser(slackfake.User{ID: "U0NEW", RealName: "Nell New"})
				roots := map[string]string{}
				for _, user := range []string{ann, bob, "U0NEW"} {
					dm := w.slack.DM(user)
					roots[dm] = w.slack.Post(user, dm, "hello from "+user)
				}
				time.Sleep(10 * time.Minute)
				if paid.total() != 1 {
					t.Errorf("paid %d times while Slack was away; want the yes to count at once", paid.total())
				}
				w.slack.Down(false)
				back := time.Now()
				for dm, root := range roots {
					w.reply(t, dm, root, "You said: hello from")
				}
				w.reply(t, general, slow, "and slowly to its end")
				w.reply(t, general, card.ThreadTS, "What I changed")
				if took := time.Since(back); took > 2*time.Minute {
					t.Errorf("it took %s to catch up", took)
				}
				time.Sleep(2 * time.Minute)
				for dm, root := range roots {
					if n := w.answers(dm, root); n != 1 {
						t.Errorf("%d answers in %s", n, dm)
					}
				}
				if w.answers(general, slow) != 1 || paid.total() != 1 || p.turns(t) != 5 {
					t.Errorf("%d slow answers, %d payments, %d turns", w.answers(general, slow), paid.total(), p.turns(t))
				}
				w.noneRefused(t)
			})
		})
	}
}

// What a method has too much of it is not asked for again before Slack wants, by
// nobody, and each post arrives once.
func TestNobodyCallsAMethodBeforeSlackWants(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, asItIs)
		// A model that takes a moment, or there is no status to show.
		w.answer = func(ctx context.Context, req model.Request, delta func(string)) (model.Response, error) {
			time.Sleep(time.Second)
			return payer(ctx, req, delta)
		}
		w.change = inEarnest
		w.start(t)
		time.Sleep(time.Second)
		rests := map[string]time.Duration{"chat.postMessage": 40 * time.Second, "users.info": 25 * time.Second, "assistant.threads.setStatus": 30 * time.Second}
		for method, rest := range rests {
			w.slack.Fail(method, slackfake.Failure{Status: 429, RetryAfter: int(rest.Seconds())})
		}
		dm := w.slack.DM(ann)
		var roots []string
		for i := range 6 {
			roots = append(roots, w.slack.Post(ann, dm, fmt.Sprintf("hello %d", i)))
		}
		for _, root := range roots {
			w.reply(t, dm, root, "You said: hello")
		}
		for method, rest := range rests {
			var limited time.Time
			for _, c := range w.slack.Calls(method) {
				// What was on its way when Slack said so cannot be held back.
				if !limited.IsZero() && c.At.After(limited) && c.At.Before(limited.Add(rest)) {
					t.Errorf("%s was called %s after it was to rest for %s", method, c.At.Sub(limited), rest)
				}
				if c.Result == "Too Many Requests" {
					limited = c.At
				}
			}
			if limited.IsZero() {
				t.Errorf("%s was never limited", method)
			}
		}
		posts := 0
		for _, c := range w.slack.Calls("chat.postMessage") {
			if c.Result == "ok" {
				posts++
			}
		}
		if posts != len(roots) {
			t.Errorf("%d posts; want %d", posts, len(roots))
		}
	})
}

func TestASocketThatClosesWhileATurnRunsCostsNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, asItIs)
		w.answer, w.change, w.socket = payer, inEarnest, true
		p := w.start(t)
		root := w.slack.Post(ann, general, "<@"+w.slack.BotUser+"> slowly")
		time.Sleep(10 * time.Second)
		w.slack.CutSockets(false)
		w.reply(t, general, root, "and slowly to its end")
		wait(t, "two sockets again", func() bool { return w.slack.Sockets() == 2 })
		if n := w.answers(general, root); n != 1 || p.turns(t) != 1 {
			t.Errorf("%d answers, %d turns", n, p.turns(t))
		}
	})
}

func TestAnAppThatIsTurnedOutEndsAndGoesOnWhenItIsLetInAgain(t *testing.T) {
	t.Parallel()
	for name, out := range map[string]struct {
		event map[string]any
		code  string
		ends  bool
	}{
		"the app was uninstalled":        {map[string]any{"type": "app_uninstalled"}, "account_inactive", true},
		"its token was revoked":          {map[string]any{"type": "tokens_revoked", "tokens": map[string]any{"oauth": []string{}, "bot": []string{"U0000BOT1"}}}, "token_revoked", true},
		"nobody said so, and it is so":   {nil, "invalid_auth", true},
		"somebody else's was taken back": {map[string]any{"type": "tokens_revoked", "tokens": map[string]any{"oauth": []string{ann}, "bot": []string{}}}, "", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, asItIs)
				w.answer, w.change = payer, inEarnest
				p := w.start(t)
				p.expelled = out.ends
				dm := w.slack.DM(ann)
				w.reply(t, dm, w.slack.Post(ann, dm, "before"), "You said: before")
				w.slack.TurnOut(out.code)
				if out.event != nil {
					w.slack.Emit(out.event)
				}
				root := w.slack.Post(ann, dm, "during")
				time.Sleep(2 * time.Minute)
				select {
				case <-p.ended:
					if !out.ends || agent.KindOf(p.err) != agent.Forbidden {
						t.Errorf("it ended with %v", p.err)
					}
				default:
					if out.ends {
						t.Fatal("it goes on")
					}
					w.reply(t, dm, root, "You said: during")
					return
				}
				if got := p.bot.People().Actor(t.Context(), "", ann); got.Kind != agent.Stranger {
					t.Errorf("Ann is still known: %+v", got)
				}
				calls := len(w.slack.Calls(""))
				time.Sleep(2 * time.Minute)
				for _, c := range w.slack.Calls("")[calls:] {
					t.Errorf("after its end it called %s", c.Method)
				}
				p.stop()
				w.slack.TurnOut("")
				w.start(t)
				w.reply(t, dm, root, "You said: during")
				if n := w.answers(dm, root); n != 1 {
					t.Errorf("%d answers", n)
				}
			})
		})
	}
}

// A bot that is removed from a channel cannot answer there; it says so once in its
// log and lets it be.
func TestWhereTheBotIsNoLongerInNothingIsTriedAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, asItIs)
		w.answer, w.change = payer, inEarnest
		p := w.start(t)
		w.slack.Post(ann, secret, "<@"+w.slack.BotUser+"> slowly")
		time.Sleep(10 * time.Second)
		w.slack.AddChannel(slackfake.Channel{ID: secret, Name: "secret", Private: true, Members: []string{ann, bob}})
		wait(t, "the end of the turn", func() bool {
			return must[[]agent.Turn](t)(p.db.Recent(t.Context(), "w", "", 1))[0].Status.Ended()
		})
		time.Sleep(time.Minute)
		calls := len(w.slack.Calls(""))
		time.Sleep(5 * time.Minute)
		for _, c := range w.slack.Calls("")[calls:] {
			t.Errorf("minutes later it still calls %s", c.Method)
		}
		// Of a shortcut where the bot never was, the person hears why.
		w.slack.AddChannel(slackfake.Channel{ID: "C0ELSE", Name: "elsewhere", Members: []string{ann}})
		w.slack.Post(ann, "C0ELSE", "We ship on Friday.")
		m := w.slack.Channel("C0ELSE")[0]
		if d := w.slack.Shortcut(ann, "sous_minutes", m); d.Status != 200 {
			t.Errorf("shortcut: %+v", d)
		}
		dm := w.slack.DM(ann)
		wait(t, "word to Ann", func() bool {
			all := w.slack.Channel(dm)
			return len(all) > 0 && strings.Contains(all[len(all)-1].Text, "may not read this thread")
		})
	})
}

// While there is more to do than can be begun, whoever asks is told so where they
// asked, once, and is answered when there is room.
func TestWhoAsksWhileThereIsNoRoomIsToldAndAnsweredLater(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, asItIs)
		w.answer, w.change = payer, inEarnest
		var full atomic.Bool
		full.Store(true)
		w.gate = admission.New(admission.Config{Backlog: func(agent.WorkspaceID) admission.Backlog {
			if full.Load() {
				return admission.Backlog{Own: 30_000, Wait: time.Hour}
			}
			return admission.Backlog{}
		}})
		p := w.start(t)
		dm := w.slack.DM(ann)
		roots := map[string]string{
			w.slack.Post(ann, general, "<@"+w.slack.BotUser+"> good morning"): general, w.slack.Post(ann, dm, "good morning"): dm,
		}
		for root, channel := range roots {
			w.reply(t, channel, root, "there is no need to send it again")
		}
		time.Sleep(5 * time.Minute)
		for root, channel := range roots {
			if n := len(w.slack.Thread(channel, root)); n != 2 {
				t.Errorf("%d messages in the thread; want the request and one word about it", n)
			}
		}
		if p.turns(t) != 0 {
			t.Errorf("%d turns while there was no room", p.turns(t))
		}
		full.Store(false)
		for root, channel := range roots {
			w.reply(t, channel, root, "You said: good morning")
		}
		time.Sleep(5 * time.Minute)
		for root, channel := range roots {
			if w.answers(channel, root) != 1 || len(w.slack.Thread(channel, root)) != 3 {
				t.Errorf("%d answers, %d messages", w.answers(channel, root), len(w.slack.Thread(channel, root)))
			}
		}
	})
}

func TestAThreadOfFiveThousandMessagesIsReadAtSlacksPace(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, asItIs)
		w.change = inEarnest
		w.start(t)
		w.slack.Connect("") // nothing of this is for Sous
		root := w.slack.Post(ann, general, "How do we ship the importer?")
		for i := range 4998 {
			w.slack.Post([]string{ann, bob, cat}[i%3], general, fmt.Sprintf("Point %d of the long discussion about the importer.", i), slackfake.Said{Thread: root})
		}
		last := w.slack.Post(bob, general, "We decided to ship the importer on Friday behind a flag. I will write the release notes by Thursday.", slackfake.Said{Thread: root})
		w.slack.Connect("http://sous.fake:80")
		w.slack.Fail("conversations.replies", slackfake.Failure{Status: 429, RetryAfter: 30}, slackfake.Failure{Status: 429, RetryAfter: 20})
		m, _ := w.slack.Message(general, last)
		begin := time.Now()
		if d := w.slack.Shortcut(ann, "sous_minutes", m); d.Status != 200 || d.Took > time.Second {
			t.Fatalf("shortcut: %+v", d)
		}
		dm := w.slack.DM(ann)
		wait(t, "the draft of the minutes", func() bool {
			for _, m := range w.slack.Channel(dm) {
				if strings.Contains(m.Shown(), "release notes") {
					return true
				}
			}
			return false
		})
		if took := time.Since(begin); took < 50*time.Second {
			t.Errorf("it took %s; Slack wanted it to rest for 50 s", took)
		}
		if n := len(w.slack.Calls("conversations.replies")); n < 27 || n > 60 {
			t.Errorf("%d pages were asked for; want 25 and two that were refused", n)
		}
	})
}
