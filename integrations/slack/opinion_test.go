package slack_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sous-hq/sous/agent/feedback"
	"github.com/sous-hq/sous/agent/model"
	"github.com/sous-hq/sous/internal/testkit/slackfake"
)

// labelled finds a button by its action and label.
func labelled(t testing.TB, m slackfake.Message, action, label string) slackfake.Button {
	t.Helper()
	for _, b := range m.Buttons() {
		if b.ActionID == action && b.Text == label {
			return b
		}
	}
	t.Fatalf("no %s “%s” on %s", action, label, m.Shown())
	return slackfake.Button{}
}

func TestAnAnswerIsRatedAndABadOneExplained(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w, p, _ := newPayer(t)
		root := w.slack.Post(ann, general, "<@"+w.slack.BotUser+"> hello")
		m := w.reply(t, general, root, "You said: hello")
		wait(t, "the feedback buttons", func() bool { m, _ = w.slack.Message(general, m.TS); return len(m.Buttons()) == 2 })
		w.slack.Press(bob, m, labelled(t, m, "sous_feedback", "Good answer"))
		w.slack.Press(ann, m, labelled(t, m, "sous_feedback", "Bad answer"))
		wait(t, "a word of thanks", func() bool { return len(w.slack.Ephemeral(general, bob)) == 1 })
		forms := w.slack.Modals()
		if len(forms) != 1 {
			t.Fatalf("%d forms", len(forms))
		}
		// The bad word is kept before any reason is given.
		all := must[[]feedback.Rating](t)(p.ratings.Ratings(t.Context(), "w", feedback.Filter{}))
		if len(all) != 2 || all[0].Good || len(all[0].Reasons) != 0 {
			t.Errorf("kept %+v", all)
		}
		w.slack.Submit(ann, forms[0], map[string]map[string]string{"reasons": {"value": "wrong,slow"}, "text": {"value": "I said good morning"}})
		all = must[[]feedback.Rating](t)(p.ratings.Ratings(t.Context(), "w", feedback.Filter{Bad: true}))
		if len(all) != 1 || fmt.Sprint(all[0].Reasons) != "[slow wrong]" || all[0].Text != "I said good morning" || all[0].Turn != "slack-"+w.slack.Team+"-"+general+"-"+root || all[0].Name != "Ann Archer" {
			t.Errorf("kept %+v", all)
		}
		// Whoever may not see the turn rates nothing, whatever the button says.
		secretly := w.slack.Post(bob, secret, "<@"+w.slack.BotUser+"> our secret")
		hidden := w.reply(t, secret, secretly, "You said: our secret")
		wait(t, "its buttons", func() bool { hidden, _ = w.slack.Message(secret, hidden.TS); return len(hidden.Buttons()) == 2 })
		w.slack.Press(cat, hidden, labelled(t, hidden, "sous_feedback", "Good answer"))
		time.Sleep(30 * time.Millisecond)
		if all := must[[]feedback.Rating](t)(p.ratings.Ratings(t.Context(), "w", feedback.Filter{})); len(all) != 2 {
			t.Errorf("%d ratings", len(all))
		}
	})
}

// looker looks for tickets and takes its time to say so.
func looker(_ context.Context, req model.Request, delta func(string)) (model.Response, error) {
	if req.Messages[len(req.Messages)-1].Role != model.RoleTool {
		return model.Response{Calls: []model.ToolCall{{ID: "1", Name: "ticket_search", Args: `{"query":"oven"}`}}, Finish: model.FinishCalls, Model: "script"}, nil
	}
	text := ""
	for i := range 40 {
		word := fmt.Sprintf("word%d ", i)
		text += word
		delta(word)
		time.Sleep(4 * time.Millisecond)
	}
	return model.Response{Text: text, Finish: model.FinishStop, Model: "script"}, nil
}

func TestThePlanIsShownWhileItIsCarriedOutAndStays(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.answer = looker
		w.start(t)
		root := w.slack.Post(ann, general, "<@"+w.slack.BotUser+"> is the oven mended?")
		var streamed slackfake.Message
		wait(t, "the step in the stream", func() bool {
			for _, m := range w.slack.Thread(general, root) {
				if m.Tasks["Ticket search"] == "complete" {
					streamed = m
					return true
				}
			}
			return false
		})
		m := w.reply(t, general, root, "word39")
		if m.TS != streamed.TS || !strings.Contains(string(m.Blocks), `"plan"`) || !strings.Contains(string(m.Blocks), `"title":"1 step"`) || len(m.Buttons()) != 2 {
			t.Errorf("at the end it is %s", m.Blocks)
		}
		if strings.Count(m.Shown(), "word7 ") != 1 {
			t.Errorf("the answer is %q", m.Shown())
		}
	})
}

func TestASlackThatKnowsNoPlansGetsTheAnswerAllTheSame(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.answer = looker
		refuse := slackfake.Failure{Error: "invalid_blocks"}
		w.start(t)
		w.slack.Fail("chat.startStream", slackfake.Failure{Error: "method_not_supported_for_channel_type"}, slackfake.Failure{Error: "method_not_supported_for_channel_type"})
		w.slack.Fail("chat.update", refuse)
		w.slack.Fail("chat.postMessage", refuse)
		root := w.slack.Post(ann, general, "<@"+w.slack.BotUser+"> is the oven mended?")
		m := w.reply(t, general, root, "word39")
		wait(t, "one answer", func() bool { return w.answers(general, root) == 1 })
		if m, _ = w.slack.Message(general, m.TS); !strings.Contains(m.Text, "word39") {
			t.Errorf("the answer is %q", m.Text)
		}
	})
}
