package slack_test

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/internal/testkit/slackfake"
)

const transcript = `WEBVTT

00:00:01.000 --> 00:00:05.000
<v Ann Archer>Good morning. We have to decide how we ship the importer.

00:00:06.000 --> 00:00:12.000
<v Bob Brown>We decided to ship the importer on Friday the 13th of March behind a flag.

00:00:13.000 --> 00:00:18.000
<v Ann Archer>Agreed, we ship it behind a flag.

00:00:19.000 --> 00:00:25.000
<v Bob Brown>I will write the release notes by Thursday.

00:00:26.000 --> 00:00:32.000
<v Cat Cole>I'll update the dashboard for the importer tomorrow.

00:00:33.000 --> 00:00:37.000
<v Ann Archer>Who tells the customers about the flag?
`

func TestATranscriptBecomesMinutesAndTicketsByButtons(t *testing.T) {
	for name, socket := range map[string]bool{"over HTTP": false, "over Socket Mode": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				w.socket = socket
				p := w.start(t)
				dm := w.slack.DM(ann)
				root := w.slack.Post(ann, dm, "Minutes please, and make tickets of the action items", slackfake.Said{Files: []slackfake.Drop{{Name: "importer.vtt", Media: "text/vtt", Content: transcript}}})
				minutes := w.reply(t, dm, root, "Minutes:")
				for _, words := range []string{"release notes", "Bob Brown", "behind a flag"} {
					if !strings.Contains(minutes.Shown(), words) {
						t.Errorf("the minutes lack %q:\n%s", words, minutes.Shown())
					}
				}
				all := w.reply(t, dm, root, "actions wait for a decision")
				if d := w.slack.Press(ann, all, find(t, all, "sous_approve_all")); d.Status != 200 {
					t.Fatalf("pressed: %+v", d)
				}
				changes := w.reply(t, dm, root, "What I changed")
				if !strings.Contains(changes.Shown(), "https://sous.example/tickets/T-1|") {
					t.Errorf("no link to the ticket:\n%s", changes.Shown())
				}
				made := must[[]agent.Ticket](t)(p.tracker.Search(t.Context(), "w", agent.TicketQuery{}))
				if len(made) < 2 {
					t.Errorf("%d tickets; want two at least", len(made))
				}
				wait(t, "cards without buttons", func() bool {
					for _, m := range w.slack.Thread(dm, root) {
						for _, b := range m.Buttons() {
							if b.ActionID == "sous_approve" || b.ActionID == "sous_approve_all" {
								return false
							}
						}
					}
					return true
				})
				if n := w.answers(dm, root); n != 1 {
					t.Errorf("%d answers; want 1", n)
				}
				undo := w.slack.Press(ann, changes, find(t, changes, "sous_undo"))
				if undo.Status != 200 {
					t.Errorf("undo: %+v", undo)
				}
				wait(t, "the answer to the undo", func() bool { return w.answers(dm, root) == 2 })
				for _, c := range w.slack.Calls("") {
					if c.Result != "ok" && c.Result != "user_not_in_channel" {
						t.Errorf("Slack answered %s with %s: %v", c.Method, c.Result, c.Args)
					}
				}
				if w.slack.Status(dm, root) != "" {
					t.Errorf("the status line still says %q", w.slack.Status(dm, root))
				}
			})
		})
	}
}

func TestAProcessThatEndsInTheMiddleGoesOn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		p := w.start(t)
		dm := w.slack.DM(ann)
		root := w.slack.Post(ann, dm, "Minutes please, and make tickets of the action items", slackfake.Said{Files: []slackfake.Drop{{Name: "importer.vtt", Media: "text/vtt", Content: transcript}}})
		w.reply(t, dm, root, "actions wait for a decision")
		before := len(w.slack.Thread(dm, root))
		p.stop()
		w.start(t)
		time.Sleep(50 * time.Millisecond)
		all := w.reply(t, dm, root, "actions wait for a decision")
		if n := len(w.slack.Thread(dm, root)); n != before {
			t.Errorf("%d messages after the restart; %d before", n, before)
		}
		w.slack.Press(ann, all, find(t, all, "sous_approve_all"))
		w.reply(t, dm, root, "What I changed")
		wait(t, "the answer", func() bool { return w.answers(dm, root) == 1 })
	})
}
