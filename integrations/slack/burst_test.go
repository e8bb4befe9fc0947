package slack_test

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sous-hq/sous/internal/testkit/slackfake"
)

func TestWhatComesOfAPressDoesNotWaitForTheCardsSecond(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, asItIs)
		w.answer, w.change = payer, inEarnest
		var paid counter
		w.start(t, &paid)
		card := w.reply(t, general, w.slack.Post(ann, general, "<@"+w.slack.BotUser+"> pay Acme 100"), "Approval needed")
		pressed := time.Now()
		if d := w.slack.Press(bob, card, find(t, card, "sous_approve")); d.Status != 200 {
			t.Errorf("pressed: %+v", d)
		}
		w.reply(t, general, card.ThreadTS, "What I changed")
		if took := time.Since(pressed); took > 500*time.Millisecond {
			t.Errorf("what came of it was told after %s; nothing had to be waited for", took)
		}
		w.noneRefused(t)
	})
}

func TestARushOfAnswersKeepsToSlacksPaceAndLosesNone(t *testing.T) {
	t.Parallel()
	for name, burst := range map[string]int{"three together": 3, "one at a time": 1} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, asItIs, func(c *slackfake.Config) { c.Burst = burst })
				w.answer, w.change = payer, inEarnest
				w.start(t, new(counter))
				const asked = 12
				var roots []string
				for i := range asked {
					roots = append(roots, w.slack.Post(ann, general, fmt.Sprintf("<@%s> hello %d", w.slack.BotUser, i)))
				}
				began := time.Now()
				for i, root := range roots {
					w.reply(t, general, root, fmt.Sprintf("hello %d", i))
				}
				// Twelve posts, three at once and one a 1.1 s after them.
				if took := time.Since(began); burst == 3 && took > 12*time.Second || took > 40*time.Second {
					t.Errorf("all were answered after %s", took)
				}
				for _, root := range roots {
					if n := w.answers(general, root); n != 1 {
						t.Errorf("%d answers", n)
					}
				}
				if burst == 3 {
					w.noneRefused(t)
				}
			})
		})
	}
}
