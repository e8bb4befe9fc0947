package slack_test

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sous-hq/sous/internal/testkit/slackfake"
)

// changes is the card of what was changed of a thread, once it stands there.
func (w *world) changes(t *testing.T, channel, root string) (card slackfake.Message) {
	t.Helper()
	wait(t, "what was changed", func() bool {
		for _, m := range w.slack.Thread(channel, root) {
			if strings.Contains(m.Shown(), "What I changed") {
				card = m
				return true
			}
		}
		return false
	})
	return card
}

// noteTeam lets Ann teach the router where a request belongs, which can be undone
// for a quarter of an hour.
func noteTeam(t *testing.T, w *world) (root string, card slackfake.Message) {
	t.Helper()
	w.teams, w.answer = theTeams, asker
	root = w.slack.Post(ann, general, "<@"+w.slack.BotUser+"> refund for a broken screen")
	said := w.reply(t, general, root, "> refund for a broken screen")
	w.slack.Press(ann, said, labelled(t, said, "sous_route", "helpdesk"))
	return root, w.changes(t, general, root)
}

func TestTheOfferToUndoGoesWhenItsTimeIsOver(t *testing.T) {
	t.Parallel()
	for name, restart := range map[string]bool{"in one process": false, "after a restart": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				w.teams, w.answer = theTeams, asker
				p := w.start(t)
				_, card := noteTeam(t, w)
				find(t, card, "sous_undo")
				time.Sleep(14 * time.Minute)
				if card, _ = w.slack.Message(general, card.TS); len(card.Buttons()) != 1 {
					t.Fatalf("after 14 minutes: %s", card.Shown())
				}
				if restart {
					p.stop()
					time.Sleep(10 * time.Minute)
					w.start(t)
				}
				time.Sleep(2 * time.Minute)
				card, _ = w.slack.Message(general, card.TS)
				if len(card.Buttons()) != 0 || strings.Contains(card.Shown(), "Can be undone") || !strings.Contains(card.Shown(), "What I changed") {
					t.Errorf("when it is over: %s", card.Shown())
				}
				edits := card.Updates
				time.Sleep(10 * time.Minute)
				if card, _ = w.slack.Message(general, card.TS); card.Updates != edits {
					t.Errorf("it was edited %d more times", card.Updates-edits)
				}
			})
		})
	}
}

func TestTheOfferToUndoGoesWhenItIsTaken(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.teams, w.answer = theTeams, asker
		w.start(t)
		_, card := noteTeam(t, w)
		w.slack.Press(ann, card, find(t, card, "sous_undo"))
		wait(t, "a card without the offer", func() bool { card, _ = w.slack.Message(general, card.TS); return len(card.Buttons()) == 0 })
		if !strings.Contains(card.Shown(), "<@"+ann+"> asked to undo this") {
			t.Errorf("it says %s", card.Shown())
		}
	})
}

func TestTheAgentSessionSaysWhatSousDoes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w, paid := finance(t)
		w.start(t, paid)
		root := w.slack.Post(ann, general, "<@"+w.slack.BotUser+"> pay Acme 100")
		card := w.reply(t, general, root, "Approval needed")
		wait(t, "a session that waits", func() bool { return w.slack.Session(general, root) == "suspended" })
		if got := w.slack.SessionTitle(general, root); got != "pay Acme 100" {
			t.Errorf("it is called %q", got)
		}
		for _, b := range card.Buttons() {
			want := map[string]string{"sous_approve": bob + " " + cat, "sous_reject": bob + " " + cat, "sous_edit": bob + " " + cat + " " + ann, "sous_ask": ""}[b.ActionID]
			if got := strings.Join(b.Visible, " "); got != want {
				t.Errorf("%s is for the eyes of %q; want %q", b.ActionID, got, want)
			}
		}
		w.slack.Press(bob, card, find(t, card, "sous_approve"))
		wait(t, "a session that is ready", func() bool { return w.slack.Session(general, root) == "active" })
	})
}

// An app that is an assistant of the older kind has no agent sessions; its threads are
// called what they were asked first all the same.
func TestAThreadOfAnOlderAssistantIsCalledWhatItWasAskedFirst(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w, _, _ := newPayer(t)
		w.slack.Fail("agents.sessions.setStatus", slackfake.Failure{Error: "not_an_agent"})
		dm := w.slack.DM(ann)
		for _, words := range []string{"good morning", "good night"} {
			root := w.slack.Post(ann, dm, words)
			w.reply(t, dm, root, "You said: "+words)
			wait(t, "a title", func() bool { return w.slack.Title(dm, root) == words })
			again := w.slack.Post(ann, dm, "and another thing", slackfake.Said{Thread: root})
			w.reply(t, dm, root, "You said: and another thing")
			time.Sleep(time.Second)
			if got := w.slack.Title(dm, root); got != words {
				t.Errorf("after %s it is called %q", again, got)
			}
		}
		if n := len(w.slack.Calls("agents.sessions.setStatus")); n != 1 {
			t.Errorf("Slack was asked for a session %d times", n)
		}
	})
}

// An older Slack refuses the field; everybody sees the buttons then.
func TestACardComesWithoutWhatSlackDoesNotTake(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w, paid := finance(t)
		w.slack.Fail("chat.postMessage", slackfake.Failure{Error: "invalid_blocks"})
		w.start(t, paid)
		root := w.slack.Post(ann, general, "<@"+w.slack.BotUser+"> pay Acme 100")
		card := w.reply(t, general, root, "Approval needed")
		if b := find(t, card, "sous_approve"); len(b.Visible) != 0 {
			t.Errorf("it is for the eyes of %v", b.Visible)
		}
	})
}
