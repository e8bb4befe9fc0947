package slack_test

import (
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sous-hq/sous/agent/review"
	"github.com/sous-hq/sous/internal/testkit/slackfake"
)

// drop hands a transcript over in a direct message and returns the thread and the
// card that decides about the draft.
func (w *world) drop(t testing.TB) (dm, root string, card slackfake.Message) {
	t.Helper()
	dm = w.slack.DM(ann)
	root = w.slack.Post(ann, dm, "Minutes please", slackfake.Said{Files: []slackfake.Drop{{Name: "importer.vtt", Media: "text/vtt", Content: transcript}}})
	w.reply(t, dm, root, "(draft)")
	return dm, root, w.reply(t, dm, root, "This is a draft of the minutes")
}

// fill fills the form that a press of a button opens, and sends it.
func (w *world) fill(t testing.TB, user string, m slackfake.Message, action string, values map[string]string) slackfake.Delivery {
	t.Helper()
	before := len(w.slack.Modals())
	if d := w.slack.Press(user, m, find(t, m, action)); d.Status != 200 {
		t.Fatalf("pressed: %+v", d)
	}
	forms := w.slack.Modals()
	if len(forms) != before+1 {
		t.Fatalf("no form: %+v", w.slack.Ephemeral(m.Channel, user))
	}
	newest := forms[0]
	for _, v := range forms {
		if v.ID > newest.ID {
			newest = v
		}
	}
	in := map[string]map[string]string{}
	for field, value := range values {
		in[field] = map[string]string{"value": value}
	}
	return w.slack.Submit(user, newest, in)
}

// published waits for the minutes in a channel, with buttons on each action item.
func (w *world) published(t testing.TB, channel string) (found slackfake.Message) {
	t.Helper()
	wait(t, "the minutes in "+channel, func() bool {
		for _, m := range w.slack.Channel(channel) {
			if strings.Contains(m.Shown(), "Minutes: ") && strings.Contains(string(m.Blocks), `"sous_mine"`) {
				found = m
				return true
			}
		}
		return false
	})
	return found
}

// action finds the button of an action item by the item's words.
func action(t testing.TB, m slackfake.Message, words, label string) slackfake.Button {
	t.Helper()
	shown := m.Shown()
	_, shown, _ = strings.Cut(shown, "*Action items*")
	at := strings.Index(shown, words)
	if at < 0 {
		t.Fatalf("no item %q in:\n%s", words, shown)
	}
	n := strings.Count(shown[:at], "• ")
	for _, b := range m.Buttons() {
		if b.Text == label && strings.HasSuffix(b.Value, " "+string(rune('0'+n-1))) {
			return b
		}
	}
	t.Fatalf("no “%s” at %q of:\n%s", label, words, shown)
	return slackfake.Button{}
}

func TestMinutesAreReadBeforeOthersSeeThemAndThenTakenOnByTheirOwners(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		p := w.start(t)
		dm, root, card := w.drop(t)
		d := w.fill(t, ann, card, "sous_publish_more", map[string]string{"where": general, "forms": "message,canvas,list"})
		if d.Status != 200 || strings.Contains(string(d.Answer), "errors") {
			t.Fatalf("the form: %+v", d)
		}
		m := w.published(t, general)
		for _, want := range []string{"release notes", "behind a flag"} {
			if !strings.Contains(m.Shown(), want) {
				t.Errorf("the minutes lack %q:\n%s", want, m.Shown())
			}
		}
		wait(t, "canvas and list", func() bool { return len(w.slack.Documents()) == 2 && len(w.slack.Documents()[1].Shared) == 1 })
		canvas, list := w.slack.Documents()[0], w.slack.Documents()[1]
		if canvas.Channel != general || !strings.Contains(canvas.Markdown, "- [ ] Write the release notes by Thursday — Bob Brown") || !strings.Contains(canvas.Markdown, "## Decisions") {
			t.Errorf("the canvas:\n%s", canvas.Markdown)
		}
		if len(list.Rows) < 2 || !strings.Contains(list.Rows[0]["Name"], "release notes") || list.Shared[0] != general {
			t.Errorf("the list: %+v", list)
		}
		wait(t, "the card that says so", func() bool {
			card, _ = w.slack.Message(dm, card.TS)
			return strings.Contains(card.Shown(), "Published") && strings.Count(card.Shown(), "in <#"+general+">, <!date") == 3
		})
		// Cat takes what Bob was named for; Bob, who was named, says first that it is not his.
		notes := action(t, m, "release notes", "That's mine")
		w.slack.Press(cat, m, action(t, m, "release notes", "Not me"))
		wait(t, "word that it is not hers", func() bool {
			e := w.slack.Ephemeral(general, cat)
			return len(e) == 1 && strings.Contains(e[0].Text, "Bob Brown's, not yours")
		})
		w.slack.Press(bob, m, action(t, m, "release notes", "Not me"))
		wait(t, "no owner", func() bool { m, _ = w.slack.Message(general, m.TS); return strings.Contains(m.Shown(), "no owner") })
		w.slack.Press(cat, m, notes)
		wait(t, "Cat", func() bool {
			m, _ = w.slack.Message(general, m.TS)
			return strings.Contains(m.Shown(), "<@"+cat+"> took this")
		})
		w.slack.Press(bob, m, notes)
		wait(t, "word that Cat was first", func() bool {
			e := w.slack.Ephemeral(general, bob)
			return len(e) == 1 && strings.Contains(e[0].Text, "Cat Cole took this already")
		})
		turn := "slack-" + w.slack.Team + "-" + dm + "-" + root
		all := must[[]review.Review](t)(p.db.Reviews(t.Context(), "w", turn))
		if len(all) != 1 || len(all[0].Claims) != 2 || len(all[0].Outlets) != 3 {
			t.Errorf("kept %+v", all)
		}
		if n := w.answers(dm, root); n != 1 {
			t.Errorf("%d answers", n)
		}
	})
}

func TestInAChannelTheDraftIsForWhoAskedAlone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.start(t)
		root := w.slack.Post(ann, general, "How do we ship the importer?")
		w.slack.Post(bob, general, "We decided to ship the importer on Friday behind a flag.", slackfake.Said{Thread: root})
		said := w.slack.Post(bob, general, "I will write the release notes by Thursday.", slackfake.Said{Thread: root})
		m, _ := w.slack.Message(general, said)
		w.slack.Shortcut(ann, "sous_minutes", m)
		w.reply(t, general, root, "are a draft; <@"+ann+"> reads them")
		dm := w.slack.DM(ann)
		var card slackfake.Message
		wait(t, "the draft", func() bool {
			for _, m := range w.slack.Channel(dm) {
				if strings.Contains(m.Shown(), "This is a draft") {
					card = m
					return true
				}
			}
			return false
		})
		time.Sleep(50 * time.Millisecond)
		for _, m := range w.slack.Thread(general, root) {
			if m.User == w.slack.BotUser && strings.Contains(m.Shown(), "release notes") {
				t.Errorf("the thread shows the minutes: %s", m.Shown())
			}
		}
		// The button in other hands does nothing.
		w.slack.Press(bob, card, find(t, card, "sous_publish"))
		wait(t, "a refusal", func() bool {
			for _, m := range append(w.slack.Ephemeral(dm, bob), w.slack.Channel(w.slack.DM(bob))...) {
				if strings.Contains(m.Text, "Ann Archer asked for these minutes") {
					return true
				}
			}
			return false
		})
		w.slack.Press(ann, card, find(t, card, "sous_publish"))
		got := w.reply(t, general, root, "*Action items*")
		link := "/archives/" + general + "/p" + strings.ReplaceAll(said, ".", "") + "?thread_ts=" + root
		if !strings.Contains(string(got.Blocks), strings.ReplaceAll(link, "&", `\u0026`)) {
			t.Errorf("no link to the message:\n%s", got.Blocks)
		}
	})
}

func TestTheReviewersWordsReplaceTheDraft(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		p := w.start(t)
		dm, root, card := w.drop(t)
		d := w.fill(t, ann, card, "sous_review_edit", map[string]string{"title": "The importer", "actions": "Write the release notes | Bob Brown | Thursday"})
		if !strings.Contains(string(d.Answer), "is no date") {
			t.Errorf("a date in words: %s", d.Answer)
		}
		d = w.fill(t, ann, card, "sous_review_edit", map[string]string{"title": "The importer", "actions": "Write the release notes by Thursday | Bob Brown | 2026-03-12\n- Tell the customers", "questions": ""})
		if d.Status != 200 || strings.Contains(string(d.Answer), "errors") {
			t.Fatalf("the form: %+v", d)
		}
		m := w.reply(t, dm, root, "Minutes: The importer (draft)")
		wait(t, "the new draft", func() bool {
			m, _ = w.slack.Message(dm, m.TS)
			return strings.Contains(m.Shown(), "Tell the customers") && !strings.Contains(m.Shown(), "Open questions")
		})
		if !strings.Contains(m.Shown(), "I will write the release notes by Thursday.") {
			t.Errorf("a point that stayed lost what supports it:\n%s", m.Shown())
		}
		if n := strings.Count(w.everything(dm), "(draft)"); n != 1 {
			t.Errorf("%d drafts", n)
		}
		w.slack.Press(ann, card, find(t, card, "sous_discard"))
		wait(t, "the end of it", func() bool {
			card, _ = w.slack.Message(dm, card.TS)
			return strings.Contains(card.Shown(), "Discarded") && len(card.Buttons()) == 0
		})
		// A press on a card of before comes too late.
		d = w.slack.Press(ann, card, slackfake.Button{Type: "button", ActionID: "sous_review_edit", Value: p.reviewOf(t, dm, root)})
		wait(t, "word of it", func() bool {
			e := w.slack.Ephemeral(dm, ann)
			return d.Status == 200 && len(e) == 1 && strings.Contains(e[0].Text, "discarded already")
		})
	})
}

// reviewOf is the id of the review of a turn's minutes.
func (p *process) reviewOf(t testing.TB, channel, ts string) string {
	t.Helper()
	all := must[[]review.Review](t)(p.db.Reviews(t.Context(), "w", ""))
	for _, r := range all {
		if strings.HasSuffix(r.Turn, channel+"-"+ts) {
			return r.ID
		}
	}
	t.Fatal("no review")
	return ""
}

// everything is what stands in a channel.
func (w *world) everything(channel string) string {
	var all []string
	for _, m := range w.slack.Channel(channel) {
		all = append(all, m.Shown())
	}
	return strings.Join(all, "\n----\n")
}

func TestMinutesGoOnlyWhereTheyMay(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.start(t)
		w.slack.AddChannel(slackfake.Channel{ID: "C0OTHERS", Name: "others", Members: []string{bob, w.slack.BotUser}})
		w.slack.AddChannel(slackfake.Channel{ID: "C0ALONE", Name: "alone", Members: []string{ann}})
		_, _, card := w.drop(t)
		for channel, want := range map[string]string{"C0OTHERS": "You are not in that channel", "C0ALONE": "invite me first", shared: "outside your workspace", "": "hoose a channel"} {
			if d := w.fill(t, ann, card, "sous_publish_more", map[string]string{"where": channel, "forms": "message"}); !strings.Contains(string(d.Answer), want) {
				t.Errorf("%q: %s", channel, d.Answer)
			}
		}
		if d := w.fill(t, ann, card, "sous_publish_more", map[string]string{"where": general}); !strings.Contains(string(d.Answer), "at least one") {
			t.Errorf("in no form: %s", d.Answer)
		}
	})
}

func TestWhereThereAreNoListsTheMinutesAreAMessage(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, func(c *slackfake.Config) {
			c.Free = true
			c.Scopes = slices.DeleteFunc(c.Scopes, func(s string) bool { return s == "canvases:write" })
		})
		w.start(t)
		dm, _, card := w.drop(t)
		w.fill(t, ann, card, "sous_publish_more", map[string]string{"where": general, "forms": "canvas,list"})
		w.published(t, general)
		wait(t, "why", func() bool {
			card, _ = w.slack.Message(dm, card.TS)
			return strings.Contains(card.Shown(), "lacks the scope") && strings.Contains(card.Shown(), "Slack lists are not available here (feature_not_enabled)")
		})
		if n := strings.Count(w.everything(general), "Minutes: "); n != 1 {
			t.Errorf("%d messages with the minutes", n)
		}
	})
}

func TestWhatAProcessLeftUnpublishedTheNextPublishesOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		p := w.start(t)
		_, _, card := w.drop(t)
		w.slack.Fail("conversations.history", slackfake.Failure{Status: 503}, slackfake.Failure{Status: 503})
		d := w.fill(t, ann, card, "sous_publish_more", map[string]string{"where": general, "forms": "message"})
		w.slack.Down(true)
		p.stop()
		if d.Status != 200 || strings.Contains(w.everything(general), "Minutes: ") {
			t.Skip("the process was faster than its end")
		}
		w.slack.Down(false)
		w.start(t)
		w.published(t, general)
		time.Sleep(50 * time.Millisecond)
		if n := strings.Count(w.everything(general), "Minutes: "); n != 1 {
			t.Errorf("%d messages with the minutes", n)
		}
	})
}
