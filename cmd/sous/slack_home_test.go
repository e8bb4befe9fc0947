package main

import (
	"strings"
	"testing"

	"github.com/sous-hq/sous/internal/testkit/slackfake"
)

// pressHome opens the home tab and presses its button with the label.
func (o *office) pressHome(t *testing.T, label string) {
	t.Helper()
	home, _ := o.Home(ann)
	for _, b := range home.Buttons() {
		if b.Text == label {
			if d := o.PressView(ann, home, b); d.Status != 200 {
				t.Fatalf("pressed “%s”: %+v", label, d)
			}
			return
		}
	}
	t.Fatalf("no “%s” on %s", label, home.Blocks)
}

// homeSays opens the home tab until it says the words.
func (o *office) homeSays(t *testing.T, words string) {
	t.Helper()
	o.OpenHome(ann, "home")
	o.until(t, words+" on the home tab", func() bool {
		home, ok := o.Home(ann)
		return ok && strings.Contains(string(home.Blocks), words)
	})
}

func TestOnTheHomeTabPeopleSeeTakeAndEraseWhatIsHeldOfThem(t *testing.T) {
	t.Parallel()
	o := newOffice(t, false)
	o.serve(t, "")
	root := o.Post(ann, o.dm, "Remember that the oven is mended on Tuesdays")
	o.message(t, root, "emember")
	o.homeSays(t, "What I remember of you: 1 thing")
	o.homeSays(t, "the oven is mended on Tuesdays")
	o.homeSays(t, "the built-in tracker")
	o.pressHome(t, "Export all you hold on me")
	o.until(t, "the file", func() bool { return len(o.Files()) == 1 })
	if f := o.Files()[0]; f.Channel != o.dm || !strings.Contains(string(f.Content), "mended on Tuesdays") || !strings.HasSuffix(f.Name, ".json") {
		t.Errorf("the file %s in %s:\n%s", f.Name, f.Channel, f.Content)
	}
	o.pressHome(t, "Forget")
	o.homeSays(t, "What I remember of you: 0 things")
	o.pressHome(t, "Erase all about me…")
	var form slackfake.View
	o.until(t, "the form", func() bool {
		all := o.Modals()
		if len(all) == 1 {
			form = all[0]
		}
		return len(all) == 1
	})
	if !strings.Contains(string(form.Blocks), "messages") {
		t.Errorf("it does not say what would go: %s", form.Blocks)
	}
	word := func(w string) slackfake.Delivery {
		return o.Submit(ann, form, map[string]map[string]string{"text": {"value": w}})
	}
	if d := word("yes"); !strings.Contains(string(d.Answer), "Write the word erase") {
		t.Errorf("a yes is taken for it: %+v", d)
	}
	word("Erase")
	o.until(t, "word that it is done", func() bool {
		for _, m := range o.Channel(o.dm) {
			if strings.Contains(m.Text, "records about you are gone") {
				return true
			}
		}
		return false
	})
	out, err := sous(t, o.data, "", "privacy", "export", "--user", "slack:"+o.Team+":"+ann)
	if err != nil || strings.Contains(out, "Tuesdays") {
		t.Errorf("what is left, %v:\n%s", err, out)
	}
}

func TestAnAnswerFromMemoryLinksToTheMessageWhereItWasSaid(t *testing.T) {
	t.Parallel()
	o := newOffice(t, false)
	o.serve(t, "")
	said := o.Post(ann, team, "<@"+o.BotUser+"> remember that the oven is mended on Tuesdays")
	o.until(t, "that it is remembered", func() bool { return o.answer(team, said) != "" })
	root := o.Post("U0BOB", team, "<@"+o.BotUser+"> when is the oven mended?")
	link := "/archives/" + team + "/p" + strings.ReplaceAll(said, ".", "")
	o.until(t, "the answer", func() bool { return strings.Contains(o.answer(team, root), "Tuesdays") })
	if text := o.answer(team, root); !strings.Contains(text, "_From_ <") || !strings.Contains(text, link+"|") {
		t.Errorf("it does not lead to %s:\n%s", link, text)
	}
	// What has no message to lead to is no link.
	root = o.Post("U0BOB", team, "<@"+o.BotUser+"> what can you do?")
	o.until(t, "the answer", func() bool { return o.answer(team, root) != "" })
	if text := o.answer(team, root); strings.Contains(text, "_From_") {
		t.Errorf("it cites: %s", text)
	}
}

// answer is what Sous has answered in a thread, "" while it has not.
func (o *office) answer(channel, root string) string {
	for _, m := range o.Thread(channel, root) {
		if key, _ := m.Metadata.EventPayload["key"].(string); strings.HasSuffix(key, "/answer/0") && !m.Streaming {
			return m.Shown()
		}
	}
	return ""
}
