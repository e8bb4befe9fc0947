package slack_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/agent/model"
	"github.com/sous-hq/sous/internal/testkit/slackfake"
)

// payer is a model that pays when it is told to, and else repeats what was said.
func payer(ctx context.Context, req model.Request, delta func(string)) (model.Response, error) {
	asked, results := "", 0
	for _, m := range req.Messages {
		switch m.Role {
		case model.RoleUser:
			asked, results = m.Text, 0
		case model.RoleTool:
			results++
		case model.RoleSystem, model.RoleAssistant:
		}
	}
	switch {
	case strings.HasPrefix(asked, "pay") && results == 0:
		return model.Response{Calls: []model.ToolCall{{ID: "0", Name: "money_send", Args: `{"to":"Acme","amount":"100"}`}}, Finish: model.FinishCalls, Model: "script"}, nil
	case strings.HasPrefix(asked, "wait"):
		delta("Thinking about it ")
		<-ctx.Done()
		return model.Response{}, ctx.Err()
	case strings.HasPrefix(asked, "slowly"):
		for range 60 {
			delta("and on ")
			time.Sleep(5 * time.Second)
		}
		return model.Response{Text: strings.Repeat("and on ", 60) + "and slowly to its end", Finish: model.FinishStop, Model: "script"}, nil
	case strings.HasPrefix(asked, "long"):
		text := ""
		for i := range 120 {
			word := fmt.Sprintf("word%d ", i)
			text += word
			delta(word)
			time.Sleep(2 * time.Millisecond)
		}
		return model.Response{Text: text, Finish: model.FinishStop, Model: "script"}, nil
	}
	text := "You said: " + asked
	delta(text)
	return model.Response{Text: text, Finish: model.FinishStop, Model: "script"}, nil
}

func newPayer(t testing.TB, change ...func(*slackfake.Config)) (*world, *process, *counter) {
	t.Helper()
	w := newWorld(t, change...)
	w.answer = payer
	var paid counter
	return w, w.start(t, &paid), &paid
}

func TestOfManyWhoPressOneIsFirstAndTheOthersHearWho(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w, _, paid := newPayer(t)
		members := []string{ann, w.slack.BotUser}
		for i := range 16 {
			id := fmt.Sprintf("U1M%02d", i)
			w.slack.AddUser(slackfake.User{ID: id, RealName: fmt.Sprintf("Member %d", i)})
			members = append(members, id)
		}
		w.slack.AddChannel(slackfake.Channel{ID: "C1BIG", Name: "big", Members: members})
		root := w.slack.Post(ann, "C1BIG", "<@"+w.slack.BotUser+"> pay Acme 100")
		card := w.reply(t, "C1BIG", root, "Approval needed")
		approve := find(t, card, "sous_approve")
		var all sync.WaitGroup
		for _, m := range members[2:] {
			all.Go(func() {
				if d := w.slack.Press(m, card, approve); d.Status != 200 {
					t.Errorf("pressed: %+v", d)
				}
			})
		}
		all.Wait()
		w.reply(t, "C1BIG", root, "What I changed")
		told := func() (n int) {
			for _, m := range members[2:] {
				for _, e := range w.slack.Ephemeral("C1BIG", m) {
					if strings.Contains(e.Text, "already approved this") {
						n++
					}
				}
			}
			return n
		}
		defer func() {
			for _, m := range members[2:] {
				if t.Failed() {
					t.Log(m, "heard", w.slack.Ephemeral("C1BIG", m))
				}
			}
		}()
		wait(t, "fifteen who were told", func() bool { return told() >= 15 })
		if told() != 15 || paid.total() != 1 {
			t.Errorf("%d told, %d payments", told(), paid.total())
		}
		locked := w.reply(t, "C1BIG", root, "Approved by <@U1M")
		if len(locked.Buttons()) != 0 || locked.TS != card.TS {
			t.Errorf("the card is not locked: %s", locked.Shown())
		}
	})
}

func TestOnlyWhoMayDecideDecides(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w, p, paid := newPayer(t)
		w.slack.AddChannel(slackfake.Channel{ID: general, Name: "general", Members: []string{ann, bob, gus, w.slack.BotUser}})
		root := w.slack.Post(ann, general, "<@"+w.slack.BotUser+"> pay Acme 100")
		card := w.reply(t, general, root, "Approval needed")
		approve := find(t, card, "sous_approve")
		for user, words := range map[string]string{ann: "your own request", gus: "nly members of the workspace", eve: "nly members of the workspace"} {
			w.slack.Press(user, card, approve)
			wait(t, "the refusal of "+user, func() bool {
				said := ""
				for _, m := range append(w.slack.Ephemeral(general, user), w.slack.Channel(w.slack.DM(user))...) {
					said += m.Text
				}
				return strings.Contains(said, words)
			})
		}
		w.slack.AddUser(slackfake.User{ID: bob, RealName: "Bob Brown", Gone: true})
		w.slack.Emit(map[string]any{"type": "user_change", "user": map[string]any{"id": bob}})
		time.Sleep(50 * time.Millisecond)
		w.slack.Press(bob, card, approve)
		time.Sleep(50 * time.Millisecond)
		if paid.total() != 0 {
			t.Fatal("it was paid without a yes that counts")
		}
		for _, a := range must[[]agent.Turn](t)(p.db.Recent(t.Context(), "w", "", 10)) {
			if a.Status != agent.TurnWaiting {
				t.Errorf("the turn is %s", a.Status)
			}
		}
	})
}

func TestANoCarriesItsReasonBack(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w, p, paid := newPayer(t)
		root := w.slack.Post(ann, general, "<@"+w.slack.BotUser+"> pay Acme 100")
		card := w.reply(t, general, root, "Approval needed")
		w.slack.Press(bob, card, find(t, card, "sous_reject"))
		modals := w.slack.Modals()
		if len(modals) != 1 || modals[0].CallbackID != "sous_reject_modal" {
			t.Fatalf("modals %+v", modals)
		}
		d := w.slack.Submit(bob, modals[0], map[string]map[string]string{"text": {"value": "wrong customer"}})
		if d.Status != 200 || len(w.slack.Modals()) != 0 {
			t.Errorf("submitted: %+v", d)
		}
		locked := w.reply(t, general, root, "wrong customer")
		if !strings.Contains(locked.Shown(), "Rejected by <@"+bob+">") || paid.total() != 0 {
			t.Errorf("paid %d times; the card says %s", paid.total(), locked.Shown())
		}
		w.reply(t, general, root, "You said")
		// Whoever comes late hears in the form that it is over.
		d = w.slack.Submit(cat, modals[0], map[string]map[string]string{"text": {"value": "no"}})
		if !strings.Contains(string(d.Answer), "already denied") {
			t.Errorf("the second no: %s", d.Answer)
		}
		if a := must[[]agent.Turn](t)(p.db.Recent(t.Context(), "w", "", 10)); a[0].Status != agent.TurnDone {
			t.Errorf("the turn is %s", a[0].Status)
		}
	})
}

func TestAnEditIsARequestOfItsOwn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w, _, paid := newPayer(t)
		root := w.slack.Post(ann, general, "<@"+w.slack.BotUser+"> pay Acme 100")
		card := w.reply(t, general, root, "Approval needed")
		w.slack.Press(bob, card, find(t, card, "sous_edit"))
		modals := w.slack.Modals()
		if len(modals) != 1 {
			t.Fatalf("modals %+v", modals)
		}
		if d := w.slack.Submit(bob, modals[0], map[string]map[string]string{"to": {"value": "Acme"}, "amount": {"value": "90"}}); d.Status != 200 || len(d.Answer) > 0 && string(d.Answer) != "null" {
			t.Errorf("submitted: %d %s", d.Status, d.Answer)
		}
		w.reply(t, general, root, "Changed by <@"+bob+">")
		var again slackfake.Message
		wait(t, "a new card", func() bool {
			for _, m := range w.slack.Thread(general, root) {
				if strings.Contains(m.Shown(), "90") && len(m.Buttons()) > 0 {
					again = m
					return true
				}
			}
			return false
		})
		w.slack.Press(bob, again, find(t, again, "sous_approve"))
		wait(t, "word that Bob wrote it", func() bool {
			all := w.slack.Ephemeral(general, bob)
			return len(all) > 0 && strings.Contains(all[len(all)-1].Text, "you wrote these arguments") || len(all) > 0 && strings.Contains(all[len(all)-1].Text, "You wrote these arguments")
		})
		w.slack.Press(cat, again, find(t, again, "sous_approve"))
		w.reply(t, general, root, "What I changed")
		if paid.total() != 1 {
			t.Errorf("paid %d times", paid.total())
		}
	})
}

func TestAClickOnACardOfAnEndedTurnIsToldSo(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w, p, paid := newPayer(t)
		root := w.slack.Post(ann, general, "<@"+w.slack.BotUser+"> pay Acme 100")
		card := w.reply(t, general, root, "Approval needed")
		w.slack.PressStop(ann, general, root)
		w.reply(t, general, root, "Stopped")
		wait(t, "the end", func() bool {
			return must[[]agent.Turn](t)(p.db.Recent(t.Context(), "w", "", 10))[0].Status == agent.TurnStopped
		})
		if d := w.slack.Press(bob, card, find(t, card, "sous_approve")); d.Status != 200 {
			t.Errorf("pressed: %+v", d)
		}
		wait(t, "a word to Bob", func() bool { return len(w.slack.Ephemeral(general, bob)) == 1 })
		if said := w.slack.Ephemeral(general, bob)[0].Text; !strings.Contains(said, "nothing waits") && !strings.Contains(said, "over") && !strings.Contains(said, "Nothing waits") {
			t.Errorf("Bob was told %q", said)
		}
		if paid.total() != 0 {
			t.Error("it was paid")
		}
	})
}
