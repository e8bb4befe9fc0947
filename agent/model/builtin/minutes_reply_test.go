package builtin_test

import (
	"slices"
	"strings"
	"testing"
)

// owned writes an item with its owner and its day.
func owned(a item) string {
	s := a.Text
	if a.Owner != nil {
		s += " [" + *a.Owner + "]"
	}
	if a.Due != nil {
		s += " (" + *a.Due + ")"
	}
	return s
}

func TestWhatIsAskedOfSomebodyCountsByTheReply(t *testing.T) {
	for _, c := range []struct {
		name  string
		lines []string
		want  string
	}{
		{
			"asked by name and accepted",
			[]string{"Ann Lee: Bob, can you also tell the cooks about the new limit?", "Bob Ross: Sure, I can do that."},
			"Tell the cooks about the new limit [Bob Ross]",
		},
		{"the name last", []string{"Ann Lee: Would you paint the fence, Bob?", "Bob Ross: Yes."}, "Paint the fence [Bob Ross]"},
		{"please", []string{"Ann Lee: Bob, please warn the neighbours about the noise.", "Bob Ross: No problem."}, "Warn the neighbours about the noise [Bob Ross]"},
		{"the day is in the reply", []string{"Ann Lee: Bob, could you paint the fence?", "Bob Ross: Okay, I'll do it by Thursday."}, "Paint the fence [Bob Ross] (thursday)"},
		{"somebody else speaks first", []string{"Ann Lee: Bob, could you paint the fence?", "Cy Dunn: It looks awful.", "Bob Ross: Of course."}, "Paint the fence [Bob Ross]"},
		{"said of somebody who agrees", []string{"Ann Lee: Bob will train the new waiter.", "Bob Ross: Yes, fine."}, "Train the new waiter [Bob Ross]"},
		{"an order", []string{"Bob Ross: Next?", "Ann Lee: Bob, send the invoice to the landlord.", "Cy Dunn: Good."}, "Send the invoice to the landlord [Bob Ross]"},
		{"plain work needs no reply", []string{"Ann Lee: Bob will order the parts.", "Cy Dunn: Good.", "Bob Ross: Next topic."}, "Order the parts [Bob Ross]"},
		{"nobody says yes to work of any kind", []string{"Ann Lee: Bob, can you paint the fence?", "Cy Dunn: The fence is old.", "Bob Ross: Which colour?"}, ""},
		{"declined with no", []string{"Ann Lee: Bob, can you order the parts?", "Bob Ross: No, sorry."}, ""},
		{"declined with reasons", []string{"Ann Lee: Bob, can you order the parts?", "Bob Ross: Hm, I can't, I'm away then."}, ""},
		{"an assignment contradicted", []string{"Ann Lee: Bob will order the parts.", "Bob Ross: I won't have time."}, ""},
		{"done already", []string{"Ann Lee: Bob, can you order the parts?", "Bob Ross: Yes, I already did."}, ""},
		{"a reply in doubt", []string{"Ann Lee: Bob, can you paint the fence?", "Bob Ross: Yes, but not this year."}, ""},
		{"talk in the meeting", []string{"Ann Lee: Bob, can you tell us about the fence?", "Bob Ross: Sure."}, ""},
		{"an explanation", []string{"Ann Lee: Bob, could you explain the new limit?", "Bob Ross: Yes, of course."}, ""},
		{"a question about hearing", []string{"Ann Lee: Bob, can you hear the music?", "Bob Ross: Yes."}, ""},
		{"a name in passing", []string{"Ann Lee: It is what Bob and others hope, you can paint fences.", "Bob Ross: Yes."}, ""},
		{"another takes it", []string{"Ann Lee: Bob, can you train the new waiter?", "Bob Ross: No, I'm away.", "Cy Dunn: I can do that."}, "Train the new waiter [Cy Dunn]"},
	} {
		t.Run(c.name, func(t *testing.T) {
			lines := append(slices.Clone(c.lines), "Cy Dunn: Thanks.")
			if got := itemsOf(minutesOf(t, cues(lines...)).Actions); got != c.want {
				t.Errorf("actions %q; want %q", got, c.want)
			}
		})
	}
}

func itemsOf(list []item) string {
	var out []string
	for _, a := range list {
		out = append(out, owned(a))
	}
	return strings.Join(out, "; ")
}

func TestWhatSomebodyTakesOnIsWhatWasAskedBefore(t *testing.T) {
	for _, c := range []struct {
		name  string
		lines []string
		want  string
	}{
		{"a duty of the group", []string{"Ann Lee: Someone should clean the grill before the inspection.", "Bob Ross: Leave it to me."}, "Clean the grill before the inspection [Bob Ross]"},
		{"who will", []string{"Ann Lee: Who will train the evening shift?", "Bob Ross: I'll do that."}, "Train the evening shift [Bob Ross]"},
		{"a request to nobody", []string{"Ann Lee: Can you call the landlord about the roof?", "Bob Ross: Will do."}, "Call the landlord about the roof [Bob Ross]"},
		{"over a remark", []string{"Ann Lee: We need to warn the neighbours. It will be loud.", "Cy Dunn: True.", "Bob Ross: I'll take care of that."}, "Warn the neighbours [Bob Ross]"},
		{"one's own idea", []string{"Ann Lee: Somebody has to feed the cat. Somebody should feed the cat. I'll do it."}, "Feed the cat [Ann Lee]"},
		{"a plain yes to nobody", []string{"Ann Lee: Can you paint the fence?", "Bob Ross: Yes."}, ""},
		{"taken otherwise", []string{"Ann Lee: Someone should clean the grill.", "Bob Ross: I'll take that as a joke."}, ""},
		{"a promise in doubt", []string{"Ann Lee: Someone should clean the grill.", "Bob Ross: I can do that if nobody else comes."}, ""},
		{"nothing was asked", []string{"Ann Lee: The grill is clean.", "Bob Ross: I'll do that."}, ""},
		{"one does not ask oneself", []string{"Bob Ross: Can you paint the fence? I can do that."}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := itemsOf(minutesOf(t, cues(c.lines...)).Actions); got != c.want {
				t.Errorf("actions %q; want %q", got, c.want)
			}
		})
	}
}

func TestBothSidesOfAnExchangeAreQuoted(t *testing.T) {
	d := minutesOf(t, cues(
		"Ann Lee: Good. Bob, can you tell the cooks about the limit?", "Bob Ross: Sure, I can do that. What else?",
		"Cy Dunn: Bob, can you paint the fence?", "Bob Ross: Sure. It is time.",
		"Cy Dunn: Who will train the evening shift?", "Ann Lee: We do not know that yet."))
	for i, want := range []item{
		{Quote: "Bob, can you tell the cooks about the limit? … Sure, I can do that.", Cues: []int{1, 2}},
		{Quote: "Bob, can you paint the fence?", Cues: []int{3}}, // one word is no quote
	} {
		if len(d.Actions) != 2 || d.Actions[i].Quote != want.Quote || !slices.Equal(d.Actions[i].Cues, want.Cues) {
			t.Fatalf("actions %+v", d.Actions)
		}
	}
	if len(d.Questions) != 1 || d.Questions[0].Quote != "Who will train the evening shift? … We do not know that yet." || !slices.Equal(d.Questions[0].Cues, []int{5, 6}) {
		t.Errorf("questions %+v", d.Questions)
	}
}

func TestAQuestionStaysOpenWhenTheRepliesSaySo(t *testing.T) {
	shift := "Ann Lee: Who will train the evening shift on the new screens?"
	valid := "Ann Lee: Is the licence valid in the garden?"
	price := "Ann Lee: What does the new oven cost?"
	for _, c := range []struct {
		name  string
		lines []string
		open  bool
	}{
		{"not known yet", []string{shift, "Bob Ross: We do not know that yet. Let's leave it open."}, true},
		{"left open by the asker", []string{price, "Bob Ross: Hm.", "Ann Lee: Let's come back to that."}, true},
		{"to be decided", []string{shift, "Bob Ross: That is to be decided."}, true},
		{"no idea", []string{price, "Bob Ross: I have no idea."}, true},
		{"not sure", []string{valid, "Bob Ross: I'm not sure."}, true},
		{"a good question", []string{valid, "Bob Ross: Good question. We need to find out."}, true},
		{"after two remarks", []string{price, "Bob Ross: Hm.", "Cy Dunn: I don't know."}, true},
		{"nobody comes forward", []string{shift, "Bob Ross: The lunch numbers look great.", "Cy Dunn: Let's talk about lunch."}, true},
		{"answered", []string{price, "Bob Ross: It costs nine hundred euros, with the delivery.", "Cy Dunn: I don't know."}, false},
		{"answered with a yes", []string{valid, "Bob Ross: Yes.", "Cy Dunn: I don't know."}, false},
		{"a long reply that begins with doubt", []string{price, "Bob Ross: I don't know. The old one was nine hundred, the baker paid eight hundred for his, and they say that the prices have fallen since the spring, so eight hundred."}, false},
		{"not knowing another thing", []string{price, "Bob Ross: I don't know the baker, it is cheap."}, false},
		{"somebody comes forward", []string{shift, "Bob Ross: I'll do that."}, false},
		{"somebody is named", []string{shift, "Bob Ross: Cy, as always.", "Cy Dunn: Fine."}, false},
		{"the matter goes on", []string{shift, "Bob Ross: The evening is difficult."}, false},
		{"the asker goes on", []string{shift + " The lunch numbers look great.", "Bob Ross: The lunch is fine."}, false},
		{"the meeting ends on it", []string{shift}, true},
		{"another kind of question to nobody", []string{price, "Bob Ross: The lunch numbers look great."}, false},
		{"a question in return", []string{price, "Bob Ross: Not sure yet?"}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := minutesOf(t, cues(append(slices.Clone(c.lines), "Cy Dunn: Thanks, all.")...))
			_, asked, _ := strings.Cut(c.lines[0], ": ")
			switch {
			case c.open && (len(d.Questions) != 1 || d.Questions[0].Text != asked || !strings.HasPrefix(d.Questions[0].Quote, asked)):
				t.Errorf("questions %+v; want %q", d.Questions, asked)
			case !c.open && len(d.Questions) > 0:
				t.Errorf("questions %+v; want none", d.Questions)
			}
		})
	}
}

func TestTopicsKeepTheirArticleOverAnAdjective(t *testing.T) {
	d := minutesOf(t, cues(
		"Ann: Today we plan the new display for the kitchen.",
		"Bob: The old display froze twice, and a small display is no help.",
		"Ann: Then the new display comes on Monday."))
	if !strings.Contains(d.Summary, "about the display") {
		t.Errorf("summary %q", d.Summary)
	}
}
