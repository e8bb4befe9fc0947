package slack_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/agent/model"
	"github.com/sous-hq/sous/internal/testkit/slackfake"
)

const theTeams = `
teams:
  - name: payments
    people: [{id: U-bob, name: Bob}]
    topics: [{name: refunds, keywords: [refund]}]
  - name: helpdesk
    people: [{id: U-dee, name: Dee}]
`

// asker asks where the words belong.
func asker(_ context.Context, req model.Request, _ func(string)) (model.Response, error) {
	last := req.Messages[len(req.Messages)-1]
	if last.Role == model.RoleTool {
		return model.Response{Text: "Ask the team below.", Finish: model.FinishStop, Model: "script"}, nil
	}
	args, err := json.Marshal(map[string]string{"text": last.Text})
	return model.Response{Calls: []model.ToolCall{{ID: "1", Name: "route_request", Args: string(args)}}, Finish: model.FinishCalls, Model: "script"}, err
}

func TestWhereARequestBelongsIsCorrectedOnceByAMemberAndLearned(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.teams, w.answer = theTeams, asker
		p := w.start(t)
		root := w.slack.Post(ann, shared, "<@"+w.slack.BotUser+"> refund for a broken screen")
		card := w.reply(t, shared, root, "> refund for a broken screen")
		if shown := card.Shown(); !strings.Contains(shown, "*payments*") || !strings.Contains(shown, "Bob is on duty") || !strings.Contains(shown, "% sure") {
			t.Errorf("the card says %q", shown)
		}
		other := labelled(t, card, "sous_route", "helpdesk")
		// A guest teaches nothing, and uses nobody's word up.
		w.slack.Press(gus, card, other)
		wait(t, "no to the guest", func() bool { return len(w.slack.Ephemeral(shared, gus)) == 1 })
		w.slack.Press(ann, card, other)
		w.reply(t, shared, root, "noted that this belongs to helpdesk")
		wait(t, "a card without buttons", func() bool { card, _ = w.slack.Message(shared, card.TS); return len(card.Buttons()) == 0 })
		if shown := card.Shown(); !strings.Contains(shown, "*helpdesk*") || !strings.Contains(shown, "<@"+ann+">") {
			t.Errorf("the card says %q", shown)
		}
		all := must[[]agent.RoutingCase](t)(p.cases.Cases(t.Context(), "w", 10))
		if len(all) != 1 || all[0].Text != "refund for a broken screen" || all[0].Team != "helpdesk" {
			t.Fatalf("learned %+v", all)
		}
		// A card somebody still has in front of them changes nothing more.
		w.slack.Press(ann, card, other)
		wait(t, "that it was said", func() bool {
			said := w.slack.Ephemeral(shared, ann)
			return len(said) == 1 && strings.Contains(said[0].Text, "said already")
		})
		if all := must[[]agent.RoutingCase](t)(p.cases.Cases(t.Context(), "w", 10)); len(all) != 1 {
			t.Errorf("learned %+v", all)
		}
		// It is taken back like anything else.
		var undo slackfake.Message
		wait(t, "a way back", func() bool {
			for _, m := range w.slack.Thread(shared, root) {
				for _, b := range m.Buttons() {
					if undo = m; b.ActionID == "sous_undo" {
						return true
					}
				}
			}
			return false
		})
		w.slack.Press(ann, undo, find(t, undo, "sous_undo"))
		wait(t, "nothing learned", func() bool {
			return len(must[[]agent.RoutingCase](t)(p.cases.Cases(t.Context(), "w", 10))) == 0
		})
	})
}

func TestWhoMayNotSeeARequestDoesNotSayWhereItBelongs(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.teams, w.answer = theTeams, asker
		p := w.start(t)
		root := w.slack.Post(ann, secret, "<@"+w.slack.BotUser+"> refund, secretly")
		card := w.reply(t, secret, root, "> refund, secretly")
		w.slack.Press(cat, card, find(t, card, "sous_route_right"))
		time.Sleep(time.Second)
		if all := must[[]agent.RoutingCase](t)(p.cases.Cases(t.Context(), "w", 10)); len(all) != 0 {
			t.Errorf("learned %s", fmt.Sprint(all))
		}
	})
}
