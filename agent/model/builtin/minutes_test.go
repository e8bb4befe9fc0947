package builtin_test

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"unicode"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/agent/model"
	"github.com/sous-hq/sous/agent/model/builtin"
)

type draft struct {
	Summary   string
	Decisions []item
	Actions   []item
	Questions []item
}

type item struct {
	Text  string
	Owner *string
	Due   *string
	Cues  []int
	Quote string
}

// cues renders "Name: text" lines as numbered cues.
func cues(lines ...string) string {
	var b strings.Builder
	b.WriteString("Title: x\nPart 1 of 1.\n\nTranscript:\n")
	for i, l := range lines {
		fmt.Fprintf(&b, "[%d] %s\n", i+1, l)
	}
	return b.String()
}

func minutesOf(t testing.TB, user string) draft {
	t.Helper()
	req := model.Request{Prompt: "minutes/v1@0123456789ab", Messages: []model.Message{
		{Role: model.RoleSystem, Text: "Write minutes."}, {Role: model.RoleUser, Text: user},
	}}
	var streamed strings.Builder
	resp, err := builtin.New().Complete(context.Background(), req, func(s string) { streamed.WriteString(s) })
	if err != nil {
		t.Fatal(err)
	}
	if resp.Text != streamed.String() || resp.Finish != model.FinishStop || resp.Model != "built-in" || resp.Usage.OutputTokens == 0 {
		t.Fatalf("response %+v", resp)
	}
	var d draft
	if err := json.Unmarshal([]byte(resp.Text), &d); err != nil {
		t.Fatal(err)
	}
	return d
}

func TestDecisionsAreFoundWhereTheGroupSettles(t *testing.T) {
	for _, c := range []struct{ line, after, want string }{
		{"Um we'll go with the, the rubber case.", "", "Go with the rubber case"},
		{"So we agreed to move the launch to June.", "", "Move the launch to June"},
		{"We decided that the logo is blue.", "", "The logo is blue"},
		{"Let's use the smaller battery.", "Bob: Yeah, good.", "Use the smaller battery"},
		{"Let's use the smaller battery.", "Bob: That costs more, and it is late.", ""},
		{"Have we decided on the battery?", "", ""},
		{"We haven't decided on the battery.", "", ""},
		{"If we decided on the battery we could start.", "", ""},
		{"Maybe we'll go with the rubber case.", "", ""},
		{"We decided.", "", ""},
	} {
		lines := []string{"Ann: " + c.line}
		if c.after != "" {
			lines = append(lines, c.after)
		}
		got := ""
		d := minutesOf(t, cues(lines...))
		if len(d.Decisions) > 0 {
			got = d.Decisions[0].Text
			if !strings.Contains(c.line, d.Decisions[0].Quote) {
				t.Errorf("%q is quoted as %q", c.line, d.Decisions[0].Quote)
			}
		}
		if got != c.want {
			t.Errorf("%q: decision %q; want %q", c.line, got, c.want)
		}
	}
}

func TestActionsAreCommitmentsAndRequestsByName(t *testing.T) {
	for _, c := range []struct{ line, text, owner, due string }{
		{"I'll send the report to the client by Friday.", "Send the report to the client by Friday", "Ann Lee", "friday"},
		{"I 'm gonna uh write the the press release .", "Write the press release", "Ann Lee", ""},
		{"Bob, can you book the room for next Tuesday?", "Book the room for next Tuesday", "Bob Ross", "next tuesday"},
		{"Could you please check the invoices, Bob?", "Check the invoices", "Bob Ross", ""},
		{"Bob will draft the contract by the end of the week.", "Draft the contract by the end of the week", "Bob Ross", "end of the week"},
		{"We need to file the papers by May 12.", "File the papers by May 12", "nil", "may 12"},
		{"I'll get a I'll order the parts.", "Order the parts", "Ann Lee", ""},
		{"I'll talk about the budget.", "", "", ""},
		{"Let me show you the slides.", "", "", ""},
		{"I won't send the report.", "", "", ""},
		{"If I can send the report, we are done.", "", "", ""},
		{"I'll ask you a question about the report.", "", "", ""},
		{"You should see the report.", "", "", ""},
		{"I'll send it.", "", "", ""},
	} {
		d := minutesOf(t, cues("Ann Lee: "+c.line, "Bob Ross: Fine."))
		if c.text == "" {
			if len(d.Actions) > 0 {
				t.Errorf("%q: action %q", c.line, d.Actions[0].Text)
			}
			continue
		}
		if len(d.Actions) != 1 {
			t.Errorf("%q: %d actions", c.line, len(d.Actions))
			continue
		}
		a := d.Actions[0]
		owner, due := "nil", ""
		if a.Owner != nil {
			owner = *a.Owner
		}
		if a.Due != nil {
			due = *a.Due
		}
		if a.Text != c.text || owner != c.owner || due != c.due || !slices.Equal(a.Cues, []int{1}) || a.Quote != c.line {
			t.Errorf("%q: %q of %s, due %q, cues %v, quote %q", c.line, a.Text, owner, due, a.Cues, a.Quote)
		}
	}
}

func TestQuestionsAreThoseNobodyAnswered(t *testing.T) {
	for _, c := range []struct{ question, answer, want string }{
		{"What is the budget for the printer?", "Bob: I don't know yet.", "What is the budget for the printer?"},
		{"What is the budget for the printer?", "Bob: It is nine hundred euros for the whole of next year.", ""},
		{"Do you want a coffee from the machine?", "Bob: I don't know.", ""},
		{"We still need to decide who prints the flyers.", "Bob: Yes.", "We still need to decide who prints the flyers"},
	} {
		d := minutesOf(t, cues("Ann: "+c.question, c.answer))
		got := ""
		if len(d.Questions) > 0 {
			got = d.Questions[0].Text
		}
		if got != c.want {
			t.Errorf("%q, %q: question %q", c.question, c.answer, got)
		}
	}
}

// garden is a meeting of some length about two things.
func garden() []string {
	var lines []string
	for i := range 12 {
		lines = append(lines,
			fmt.Sprintf("Ann: The garden fence needs new paint and the fence posts are %d years old.", i+2),
			"Bob: Yeah, um, the paint for the garden fence is expensive.",
			"Ann: I think we should buy the green paint for the fence.")
	}
	for range 12 {
		lines = append(lines,
			"Carla: The summer concert needs a bigger stage, you know.",
			"Carla: We have to rent the stage and the lights for the summer concert.",
			"Bob: Right, the concert tickets sell well.")
	}
	return lines
}

func TestTheSummaryTellsTheTopicsInWordsThatWereSaid(t *testing.T) {
	lines := garden()
	d := minutesOf(t, cues(lines...))
	for _, want := range []string{"The meeting was about", "fence", "summer concert", "Ann", "Carla"} {
		if !strings.Contains(d.Summary, want) {
			t.Errorf("the summary lacks %q: %s", want, d.Summary)
		}
	}
	if n := len(strings.Fields(d.Summary)); n < 30 || n > 130 {
		t.Errorf("%d words: %s", n, d.Summary)
	}
	said := map[string]bool{}
	own := "the meeting was about first then after that lastly group discussed talked said suggested thought they their them are have will and decided to"
	for _, w := range wordsIn(own + " " + strings.Join(lines, " ")) {
		said[w] = true
	}
	for _, w := range wordsIn(d.Summary) {
		if !said[w] {
			t.Errorf("nobody said %q: %s", w, d.Summary)
		}
	}
	if again := minutesOf(t, cues(lines...)); again.Summary != d.Summary {
		t.Error("the same meeting was told in two ways")
	}
}

func wordsIn(s string) []string {
	return strings.FieldsFunc(strings.ToLower(s), func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) && r != '\'' })
}

func TestSmallAndOddMeetingsHaveASummary(t *testing.T) {
	for _, lines := range [][]string{
		{"Ann: Hello."},
		{"(unknown): We met."},
		{"Ann: um uh"},
		{"Ann: ???"},
		{"Анна: Мы думаем, что это хороший план."},
		{"Ann: " + strings.Repeat("word ", 5000)},
		{"Ann: I'll"},
		{"Ann: we decided to"},
		{"Ann: can you, Ann?"},
	} {
		if d := minutesOf(t, cues(lines...)); d.Summary == "" || d.Decisions == nil || d.Actions == nil || d.Questions == nil {
			t.Errorf("%.40q: %+v", lines[0], d)
		}
	}
}

func TestSummariesOfPartsAreJoinedToOne(t *testing.T) {
	part := strings.Repeat("The group discussed the fence and the garden. ", 20)
	d := minutesOf(t, "Title: x\n\nPart summaries:\n[part 1 of 2] First came the roof. "+part+"\n[part 2 of 2] Then came the stage. "+part+"\n")
	if !strings.HasPrefix(d.Summary, "First came the roof.") || !strings.Contains(d.Summary, "Then came the stage.") {
		t.Errorf("summary %q", d.Summary)
	}
	if n := len(strings.Fields(d.Summary)); n > 140 {
		t.Errorf("%d words", n)
	}
}

func TestWhatTheBuiltInModelCannotDoIsRefused(t *testing.T) {
	for _, req := range []model.Request{
		{Prompt: "poem/v1@0", Messages: []model.Message{{Role: model.RoleUser, Text: "x"}}},
		{Prompt: "minutes/v1@0", Messages: []model.Message{{Role: model.RoleUser, Text: "no cues"}}},
		{Prompt: "minutes/v1@0"},
	} {
		if _, err := builtin.New().Complete(t.Context(), req, nil); agent.KindOf(err) != agent.Invalid {
			t.Errorf("%s: %v", req.Prompt, err)
		}
	}
}

func FuzzMinutes(f *testing.F) {
	f.Add(cues("Ann: I'll send the report by Friday.", "Bob: um, we, we decided to go."))
	f.Add(cues(garden()...))
	f.Add("Part summaries:\n[part 1 of 1] x")
	f.Add("Transcript:\n[1 00:00:01] : \n[2] Ann: ,\n[3] B: can you, B")
	m := builtin.New()
	f.Fuzz(func(t *testing.T, text string) {
		req := model.Request{Prompt: "minutes/v1@0", Messages: []model.Message{{Role: model.RoleUser, Text: text}}}
		resp, err := m.Complete(t.Context(), req, nil)
		if err != nil && agent.KindOf(err) != agent.Invalid {
			t.Fatal(err)
		}
		var d draft
		if err == nil && json.Unmarshal([]byte(resp.Text), &d) != nil {
			t.Fatalf("no draft: %s", resp.Text)
		}
	})
}

func BenchmarkMinutes(b *testing.B) {
	text := cues(slices.Repeat(garden(), 30)...)
	words := len(strings.Fields(text))
	m := builtin.New()
	req := model.Request{Prompt: "minutes/v1@0", Messages: []model.Message{{Role: model.RoleUser, Text: text}}}
	for b.Loop() {
		if _, err := m.Complete(b.Context(), req, nil); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(words)*float64(b.N)/b.Elapsed().Seconds(), "words/s")
}

func TestWordsOfAnotherLanguageAreQuotedAndNotRewritten(t *testing.T) {
	lines := []string{
		"Ann: Wir haben entschieden, am Montag zu liefern.",
		"Bob: Ich schreibe die Dokumentation bis Freitag.",
		"Ann: Gut, und wer bestellt die Geräte?",
	}
	got := minutesOf(t, cues(lines...)).Summary
	if !strings.Contains(got, "“Wir haben entschieden, am Montag zu liefern.”") {
		t.Errorf("summary %q does not quote", got)
	}
	for _, rewritten := range []string{" are Montag", "said that"} {
		if strings.Contains(got, rewritten) {
			t.Errorf("summary %q rewrites what it cannot read", got)
		}
	}
}
