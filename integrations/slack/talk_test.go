package slack_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/agent/loop"
	front "github.com/sous-hq/sous/integrations/slack"
	"github.com/sous-hq/sous/internal/testkit/slackfake"
)

func TestItAnswersWhenItIsMeantAndElseIsQuiet(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w, p, _ := newPayer(t)
		me := "<@" + w.slack.BotUser + ">"
		w.slack.Post(ann, general, "good morning all")
		root := w.slack.Post(ann, general, me+" hello")
		w.reply(t, general, root, "You said: hello")
		w.slack.Post(bob, general, "and who are you?", slackfake.Said{Thread: root})
		w.reply(t, general, root, "You said: and who are you?")
		w.slack.Post(bob, general, "<@"+cat+"> look at this", slackfake.Said{Thread: root})
		other := w.slack.Post(ann, general, "a thread of our own")
		w.slack.Post(bob, general, "without it", slackfake.Said{Thread: other})
		w.slack.Emit(map[string]any{"type": "message", "channel": general, "channel_type": "channel", "bot_id": "B9", "user": "U9", "ts": "1.5", "text": me + " loop"})
		w.slack.Emit(map[string]any{"type": "message", "subtype": "channel_topic", "channel": general, "channel_type": "channel", "user": bob, "ts": "1.6", "text": me + " topic"})
		time.Sleep(100 * time.Millisecond)
		if n := p.turns(t); n != 2 {
			t.Errorf("%d turns; want 2", n)
		}
	})
}

func TestPlacesAndPeopleAreWhatSlackSays(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w, p, _ := newPayer(t)
		me := "<@" + w.slack.BotUser + ">"
		w.slack.AddChannel(slackfake.Channel{ID: "G1GUEST", Name: "withguest", Private: true, Members: []string{ann, gus, w.slack.BotUser}})
		for channel, want := range map[string]agent.PlaceKind{general: agent.Public, secret: agent.Private, shared: agent.Shared, "G1GUEST": agent.Shared, w.slack.DM(ann): agent.DM} {
			root := w.slack.Post(ann, channel, me+" hello")
			w.reply(t, channel, root, "You said")
			v := must[loop.View](t)(p.View(t.Context(), agent.Actor{Workspace: "w", ID: agent.ActorID("slack:" + w.slack.Team + ":" + ann), Kind: agent.Member}, "slack-"+w.slack.Team+"-"+channel+"-"+root))
			if v.Place.Kind != want || v.Actor.Kind != agent.Member {
				t.Errorf("%s is %s with %s; want %s", channel, v.Place.Kind, v.Actor.Kind, want)
			}
		}
		for user, want := range map[string]agent.ActorKind{ann: agent.Member, gus: agent.Guest, eve: agent.Guest, "U0NOBODY": agent.Stranger, w.slack.BotUser: agent.Program} {
			if got := p.bot.People().Actor(t.Context(), "", user); got.Kind != want {
				t.Errorf("%s is a %s; want %s", user, got.Kind, want)
			}
		}
	})
}

func TestALongAnswerIsStreamedAndThenReplaced(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w, _, _ := newPayer(t)
		root := w.slack.Post(ann, general, "<@"+w.slack.BotUser+"> long story")
		m := w.reply(t, general, root, "word119")
		if len(w.slack.Calls("chat.startStream")) == 0 || len(w.slack.Calls("chat.appendStream")) == 0 {
			t.Error("nothing was streamed")
		}
		wait(t, "one message", func() bool { return len(w.slack.Thread(general, root)) == 2 && w.answers(general, root) == 1 })
		m, _ = w.slack.Message(general, m.TS)
		if strings.Count(m.Shown(), "word7 ") != 1 {
			t.Errorf("the answer is %q", m.Shown())
		}
	})
}

func TestAStreamIsClosedBeforeSlackDoes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, func(c *slackfake.Config) { c.StreamFor = time.Second })
		w.answer = payer
		w.change = func(c *front.Config) { c.StreamFor = 60 * time.Millisecond }
		w.start(t)
		root := w.slack.Post(ann, general, "<@"+w.slack.BotUser+"> long story")
		w.reply(t, general, root, "word119")
		wait(t, "one message", func() bool { return len(w.slack.Thread(general, root)) == 2 && w.answers(general, root) == 1 })
		if n := len(w.slack.Calls("chat.startStream")); n < 2 {
			t.Errorf("%d streams; want several", n)
		}
		for _, c := range w.slack.Calls("") {
			if c.Result == "message_not_in_streaming_state" {
				t.Error("Slack had closed a stream")
			}
		}
	})
}

func TestWithoutStreamsTheMessageIsEdited(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w, _, _ := newPayer(t)
		var no []slackfake.Failure
		for range 50 {
			no = append(no, slackfake.Failure{Error: "feature_not_enabled"})
		}
		w.slack.Fail("chat.startStream", no...)
		root := w.slack.Post(ann, general, "<@"+w.slack.BotUser+"> long story")
		w.reply(t, general, root, "word119")
		wait(t, "one message", func() bool { return len(w.slack.Thread(general, root)) == 2 && w.answers(general, root) == 1 })
		// The last replaces the draft by the answer; those before show it growing.
		if n := len(w.slack.Calls("chat.update")); n < 3 {
			t.Errorf("edited %d times; want it to grow before it is replaced", n)
		}
	})
}

func TestAPostGoesOutOnceWhateverSlackAnswers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w, _, _ := newPayer(t)
		w.slack.Fail("chat.postMessage", slackfake.Failure{Lost: true}, slackfake.Failure{Status: 429, RetryAfter: 0}, slackfake.Failure{Status: 502}, slackfake.Failure{Error: "internal_error"}, slackfake.Failure{Lost: true})
		dm := w.slack.DM(ann)
		var roots []string
		for i := range 3 {
			roots = append(roots, w.slack.Post(ann, dm, fmt.Sprintf("hello %d", i)))
		}
		for _, root := range roots {
			w.reply(t, dm, root, "You said")
		}
		time.Sleep(100 * time.Millisecond)
		for _, root := range roots {
			if n := len(w.slack.Thread(dm, root)); n != 2 {
				t.Errorf("%d messages in a thread; want the request and one answer", n)
			}
		}
	})
}

func TestWhileSlackIsAwayNothingIsLost(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w, _, _ := newPayer(t)
		dm := w.slack.DM(ann)
		first := w.slack.Post(ann, dm, "before")
		w.reply(t, dm, first, "You said")
		w.slack.Down(true)
		root := w.slack.Post(ann, dm, "during")
		time.Sleep(150 * time.Millisecond)
		w.slack.Down(false)
		w.reply(t, dm, root, "You said: during")
		time.Sleep(50 * time.Millisecond)
		if n := w.answers(dm, root); n != 1 {
			t.Errorf("%d answers", n)
		}
	})
}

func TestASocketThatIsCutComesBack(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.answer, w.socket = payer, true
		w.start(t)
		dm := w.slack.DM(ann)
		for _, politely := range []bool{true, false} {
			w.slack.CutSockets(politely)
			wait(t, "two sockets again", func() bool { return w.slack.Sockets() >= 2 })
			root := w.slack.Post(ann, dm, "still there?")
			w.reply(t, dm, root, "You said")
		}
	})
}

func TestAnEditAsksAnewAndADeletionStops(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w, p, _ := newPayer(t)
		me := "<@" + w.slack.BotUser + ">"
		statuses := func() map[agent.TurnStatus]int {
			all := map[agent.TurnStatus]int{}
			for _, turn := range must[[]agent.Turn](t)(p.db.Recent(context.Background(), "w", "", 50)) {
				all[turn.Status]++
			}
			return all
		}
		root := w.slack.Post(ann, general, me+" wait for me")
		wait(t, "a running turn", func() bool { return statuses()[agent.TurnRunning] == 1 })
		w.slack.Edit(general, root, me+" say this instead")
		w.reply(t, general, root, "You said: say this instead")
		wait(t, "the first to stop", func() bool { return statuses()[agent.TurnStopped] == 1 && statuses()[agent.TurnDone] == 1 })
		gone := w.slack.Post(ann, general, me+" wait for me")
		wait(t, "a running turn", func() bool { return statuses()[agent.TurnRunning] == 1 })
		w.slack.Delete(general, gone)
		wait(t, "it to stop", func() bool { return statuses()[agent.TurnStopped] == 2 })
	})
}

func TestFilesThatCannotBeReadAreNamed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w, p, _ := newPayer(t)
		w.change = nil
		dm := w.slack.DM(ann)
		for name, d := range map[string]struct {
			slackfake.Drop
			says string
		}{
			"external": {slackfake.Drop{Name: "doc.txt", External: true, Content: "x"}, "outside Slack"},
			"hidden":   {slackfake.Drop{Name: "doc.txt", Hidden: true, Content: "x"}, "may not read"},
		} {
			root := w.slack.Post(ann, dm, "", slackfake.Said{Files: []slackfake.Drop{d.Drop}})
			if m := w.reply(t, dm, root, d.says); !strings.Contains(m.Text, "doc.txt") {
				t.Errorf("%s: %s", name, m.Text)
			}
		}
		if p.turns(t) != 0 {
			t.Error("a file nobody could read made a turn")
		}
		root := w.slack.Post(ann, dm, "read it", slackfake.Said{Files: []slackfake.Drop{{Name: "shared.txt", Only: true, Content: "Ann: hello"}}})
		w.reply(t, dm, root, "You said: read it")
	})
}

func TestAMillionCharactersAreRefusedWithAWord(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w, p, _ := newPayer(t)
		dm := w.slack.DM(ann)
		root := w.slack.Post(ann, dm, strings.Repeat("a", 1_000_000))
		w.reply(t, dm, root, "send it as a file")
		if p.turns(t) != 0 {
			t.Error("it made a turn")
		}
	})
}

func TestCommands(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w, _, _ := newPayer(t)
		for text, want := range map[string]string{"": "What I understand", "help": "What I understand", "approvals": "Nothing waits", "status": "I am well", "ask hello": "direct messages"} {
			if d := w.slack.Command(ann, general, "/sous", text); d.Status != 200 || !strings.Contains(string(d.Answer), want) {
				t.Errorf("%q: %d %s", text, d.Status, d.Answer)
			}
		}
		dm := w.slack.DM(ann)
		wait(t, "the answer", func() bool {
			for _, m := range w.slack.Channel(dm) {
				if strings.Contains(m.Text, "You said: hello") {
					return true
				}
			}
			return false
		})
		w.slack.AddChannel(slackfake.Channel{ID: "C0ALONE", Name: "alone", Members: []string{ann}})
		if d := w.slack.Command(ann, general, "/sous", "summarize <#C0ALONE|alone> since Monday"); !strings.Contains(string(d.Answer), "I am not in that channel: invite me first") {
			t.Errorf("a channel Sous is not in: %s", d.Answer)
		}
		if d := w.slack.Command(gus, secret, "/sous", "summarize"); !strings.Contains(string(d.Answer), "You are not in that channel") {
			t.Errorf("a stranger to the channel: %s", d.Answer)
		}
	})
}

func TestTheMinutesOfAThread(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.start(t)
		root := w.slack.Post(ann, general, "How do we ship the importer?")
		w.slack.Post(bob, general, "We decided to ship the importer on Friday behind a flag.", slackfake.Said{Thread: root})
		w.slack.Post(cat, general, "I'll update the dashboard by Thursday.", slackfake.Said{Thread: root})
		last := w.slack.Post(bob, general, "I will write the release notes by Thursday.", slackfake.Said{Thread: root})
		m, _ := w.slack.Message(general, last)
		if d := w.slack.Shortcut(ann, "sous_minutes", m); d.Status != 200 {
			t.Fatalf("shortcut: %+v", d)
		}
		wait(t, "the draft", func() bool {
			got := w.everything(w.slack.DM(ann))
			return strings.Contains(got, "release notes") && strings.Contains(got, "Cat Cole")
		})
	})
}

func TestTheHomeTab(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w, _, _ := newPayer(t)
		root := w.slack.Post(ann, general, "<@"+w.slack.BotUser+"> pay Acme 100")
		w.reply(t, general, root, "Approval needed")
		w.slack.OpenHome(bob, "home")
		wait(t, "the home tab", func() bool { _, ok := w.slack.Home(bob); return ok })
		home, _ := w.slack.Home(bob)
		if !strings.Contains(string(home.Blocks), "Waiting for you: 1") {
			t.Errorf("home: %s", home.Blocks)
		}
		for _, b := range home.Buttons() {
			if b.Text == "Show the card" {
				w.slack.PressView(bob, home, b)
			}
		}
		wait(t, "the card in Bob's messages", func() bool { return len(w.slack.Channel(w.slack.DM(bob))) == 1 })
		w.slack.OpenHome(ann, "messages")
		wait(t, "prompts", func() bool { return len(w.slack.Prompts(w.slack.DM(ann), "")) == 4 })
	})
}

func TestTheManifestAsksForNoEventThatNobodyHandles(t *testing.T) {
	events := manifest(t).Settings.Events.Bot
	if len(events) == 0 {
		t.Fatal("the manifest asks for no event")
	}
	for _, name := range events {
		kind, _, _ := strings.Cut(name, ".")
		body := fmt.Sprintf(`{"type":"event_callback","event":{"type":%q}}`, kind)
		if got, err := front.ParseEvent([]byte(body)); err != nil || got != kind {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestSinceWhen(t *testing.T) {
	now := time.Date(2026, 3, 11, 15, 0, 0, 0, time.UTC) // a Wednesday
	for in, want := range map[string]string{
		"since Monday": "2026-03-09T00:00:00Z", "since Wednesday": "2026-03-11T00:00:00Z", "since yesterday": "2026-03-10T00:00:00Z", "today": "2026-03-11T00:00:00Z",
		"since 2026-01-02": "2026-01-02T00:00:00Z", "last 3 days": "2026-03-08T00:00:00Z", "last 2 hours": "2026-03-11T13:00:00Z", "": "2026-03-10T15:00:00Z",
	} {
		if got := front.Since(in, now).Format(time.RFC3339); got != want {
			t.Errorf("%q: %s; want %s", in, got, want)
		}
	}
}

// Days pass while nobody decides; nothing may move in Slack meanwhile.
func TestATurnThatWaitsIsQuiet(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w, _, paid := newPayer(t)
		root := w.slack.Post(ann, general, "<@"+w.slack.BotUser+"> pay Acme 100")
		card := w.reply(t, general, root, "Approval needed")
		time.Sleep(time.Minute)
		before := len(w.slack.Calls(""))
		time.Sleep(6 * time.Minute)
		for _, c := range w.slack.Calls("")[before:] {
			t.Errorf("%s: %v", c.Method, c.Args)
		}
		w.slack.Press(bob, card, find(t, card, "sous_approve"))
		w.reply(t, general, root, "What I changed")
		if paid.total() != 1 {
			t.Errorf("paid %d times", paid.total())
		}
	})
}
