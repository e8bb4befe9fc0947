package slack_test

import (
	"strings"
	"testing"
	"testing/synctest"

	"github.com/sous-hq/sous/internal/testkit/slackfake"
)

// lastOf is the newest message of Sous in a channel.
func (w *world) lastOf(channel string) string {
	all := w.slack.Channel(channel)
	for i := len(all) - 1; i >= 0; i-- {
		if all[i].User == w.slack.BotUser {
			return all[i].Shown()
		}
	}
	return ""
}

func TestAQuestionFromAnywhereIsAnsweredInPrivateOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w, p, _ := newPayer(t)
		if d := w.slack.GlobalShortcut(ann, "sous_ask_anywhere"); d.Status != 200 {
			t.Fatalf("the shortcut: %+v", d)
		}
		forms := w.slack.Modals()
		if len(forms) != 1 {
			t.Fatalf("%d forms", len(forms))
		}
		for range 2 {
			w.slack.Submit(ann, forms[0], map[string]map[string]string{"text": {"value": "where is the flour?"}})
		}
		wait(t, "the answer", func() bool { return strings.Contains(w.lastOf(w.slack.DM(ann)), "You said: where is the flour?") })
		if n := p.turns(t); n != 1 {
			t.Errorf("%d turns; want 1", n)
		}
	})
}

func TestThisChannelIsTheOneThePersonHasOpen(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.start(t)
		for _, line := range []string{"We decided to buy the new oven.", "I will order the oven by Friday."} {
			w.slack.Post(bob, general, line)
		}
		w.slack.Post(bob, secret, "We decided to sell the kitchen.")
		dm := w.slack.DM(ann)
		root := w.slack.Post(ann, dm, "Summarise this channel")
		w.reply(t, dm, root, "Which channel?")
		w.slack.Look(ann, general)
		w.slack.Look(cat, secret)
		wait(t, "both looks", func() bool {
			n := 0
			for _, d := range w.slack.Deliveries() {
				if d.Status == 200 {
					n++
				}
			}
			return n >= 6
		})
		root = w.slack.Post(ann, dm, "Summarise this channel since yesterday")
		w.reply(t, dm, root, "new oven")
		// Cat looks at a channel she is not in.
		root = w.slack.Post(cat, w.slack.DM(cat), "Summarise this channel")
		w.reply(t, w.slack.DM(cat), root, "You are not in that channel")
	})
}

func TestAChannelIsReadPageByPageAtSlacksPace(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.start(t)
		for range 450 {
			w.slack.Post(bob, general, "Nothing of note.")
		}
		w.slack.Post(bob, general, "We decided to buy the new oven.")
		w.slack.Fail("conversations.history", slackfake.Failure{Status: 429, RetryAfter: 1})
		d := w.slack.Command(ann, secret, "/sous", "summarize <#"+general+"|general> since yesterday")
		if !strings.Contains(string(d.Answer), "I am reading") {
			t.Errorf("answered %s", d.Answer)
		}
		wait(t, "the minutes", func() bool {
			for _, m := range w.slack.Channel(w.slack.DM(ann)) {
				if strings.Contains(m.Shown(), "buy the new oven") {
					return true
				}
			}
			return false
		})
		if n := len(w.slack.Calls("conversations.history")); n < 4 {
			t.Errorf("%d pages", n)
		}
	})
}
