package meetings_test

import (
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/tools/meetings"
)

func val(s *string) string {
	if s == nil {
		return "nil"
	}
	return *s
}

// talk makes a transcript of "Name: text" lines dated Wednesday 2024-05-08.
func talk(t testing.TB, lines ...string) meetings.Transcript {
	t.Helper()
	tr, err := meetings.Parse("x.txt", []byte(strings.Join(lines, "\n")))
	if err != nil {
		t.Fatal(err)
	}
	tr.Date = "2024-05-08"
	return tr
}

func TestTheQuoteKeptIsTheCuesOwnText(t *testing.T) {
	tr := talk(t,
		"Ann: We  agreed – finally – to use the BLUE logo.",
		"Bob: Fine.",
		"Ann: I’ll send the file",
		"Ann: to the printer.",
		"Bob: Yes.",
		"Bob: Seven.", "Bob: Eight.", "Bob: Nine.",
		"Bob: It is far away from here.",
	)
	for _, c := range []struct {
		name, quote string
		cues        []int
		want        string // "cue:quote" joined by "|"; "" when the item is dropped
	}{
		{"exact", "to use the BLUE logo", []int{1}, "1:to use the BLUE logo"},
		{"other case, spaces and marks", "we agreed finally to use the blue logo", []int{1}, "1:We  agreed – finally – to use the BLUE logo."},
		{"a neighbouring cue", "use the blue logo", []int{4}, "1:use the BLUE logo."},
		{"too far away", "it is far away", []int{1}, ""},
		{"not said", "to use the red logo", []int{1}, ""},
		{"part of a word", "o use the BLUE log", []int{1}, ""},
		{"over two cues of one speaker", "I'll send the file to the printer.", []int{3}, "3:I’ll send the file|4:to the printer."},
		{"over two speakers", "BLUE logo. Fine.", []int{1}, ""},
		{"with an ellipsis", "We agreed ... the blue logo", []int{1}, "1:We  agreed|1:the BLUE logo."},
		{"an ellipsis with a lie", "We agreed … the red logo", []int{1}, ""},
		{"a whole cue of one word", "fine", []int{2}, "2:Fine."},
		{"one word of many", "logo", []int{1}, ""},
		{"no such cue", "to use the BLUE logo", []int{99, -1}, ""},
		{"no cue named", "to use the BLUE logo", nil, ""},
		{"no words", " … ", []int{1}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := meetings.Verify(meetings.Draft{Decisions: []meetings.DraftItem{{Text: "x", Cues: c.cues, Quote: c.quote}}}, tr)
			var got []string
			for _, d := range m.Decisions {
				for _, e := range d.Evidence {
					got = append(got, fmt.Sprintf("%d:%s", e.Cue, e.Quote))
				}
			}
			if s := strings.Join(got, "|"); s != c.want {
				t.Errorf("evidence = %q; want %q", s, c.want)
			}
			if wantDropped := map[bool]int{true: 1, false: 0}[c.want == ""]; m.Dropped != wantDropped {
				t.Errorf("dropped = %d; want %d", m.Dropped, wantDropped)
			}
		})
	}
}

func TestAnOwnerCommittedOrWasAskedByName(t *testing.T) {
	for _, c := range []struct{ line, claim, want string }{
		{"Ann Lee: I'll send the report.", "Ann Lee", "Ann Lee"},
		{"Ann Lee: I'll send the report.", "ann", "Ann Lee"},
		{"Ann Lee: I'll send the report.", "me", "Ann Lee"},
		{"Ann Lee: I 'll send the report .", "I", "Ann Lee"},
		{"Ann Lee: Let me send the report.", "Ann", "Ann Lee"},
		{"Ann Lee: I'm going to send the report.", "Ann", "Ann Lee"},
		{"Ann Lee: I should send the report.", "Ann", "Ann Lee"},
		{"Ann Lee: I can do the report.", "Ann", "Ann Lee"},
		{"Ann Lee: Sure, will do.", "Ann", "Ann Lee"},
		{"Ann Lee: I'm on it.", "Ann", "Ann Lee"},
		{"Ann Lee: Leave that with me.", "Ann", "Ann Lee"},
		{"Ann Lee: That will do.", "Ann", "nil"},
		{"Ann Lee: The paint, that will do, I think.", "Ann", "nil"},
		{"Ann Lee: I'll send the report.", "Bob Ross", "nil"},
		{"Ann Lee: I'll send the report.", "Zed", "nil"},
		{"Ann Lee: I won't send the report.", "Ann", "nil"},
		{"Ann Lee: I'll never send the report.", "Ann", "nil"},
		{"Ann Lee: I should have sent the report.", "Ann", "nil"},
		{"Ann Lee: Should I send the report?", "Ann", "nil"},
		{"Ann Lee: If I can send the report, fine.", "Ann", "nil"},
		{"Ann Lee: The report will be sent.", "Ann", "nil"},
		{"Ann Lee: We will send the report.", "Ann", "nil"},
		{"Ann Lee: Bob, can you send the report?", "Bob", "Bob Ross"},
		{"Ann Lee: Can you send the report, Bob?", "Bob Ross", "Bob Ross"},
		{"Ann Lee: Bob, please send the report.", "Bob", "Bob Ross"},
		{"Ann Lee: Bob will send the report.", "Bob", "Bob Ross"},
		{"Ann Lee: Action on Bob to send the report.", "Bob", "Bob Ross"},
		{"Ann Lee: I'd like Bob to send the report.", "Bob", "Bob Ross"},
		{"Ann Lee: I'll ask Bob to send the report.", "Bob", "nil"},
		{"Ann Lee: I'll ask Bob to send the report.", "Ann", "Ann Lee"},
		{"Ann Lee: Bob told me the report is sent.", "Bob", "nil"},
		{"Ann Lee: Thanks Bob for the report.", "Bob", "nil"},
		{"Ann Lee: Can you send the report?", "Bob", "nil"},
		{"Ann Lee: Sam, can you send the report?", "Sam", "nil"},
		{"Ann Lee: Sam Poe, can you send the report?", "Sam Poe", "Sam Poe"},
		{"Ann Lee: I'll be away. Somebody must send the report.", "Ann", "nil"},
	} {
		tr := talk(t, c.line, "Bob Ross: Fine by me, whatever you say.", "Sam Poe: Right.", "Sam Fox: Right.")
		quote := c.line[strings.Index(c.line, ": ")+2:]
		if i := strings.Index(quote, "Somebody"); i > 0 {
			quote = quote[i:]
		}
		m := meetings.Verify(meetings.Draft{Actions: []meetings.DraftAction{
			{Text: "Send the report", Owner: &c.claim, Cues: []int{1}, Quote: quote},
		}}, tr)
		if len(m.Actions) != 1 || val(m.Actions[0].Owner) != c.want {
			t.Errorf("%q claimed for %q: %+v; want %s", c.line, c.claim, m.Actions, c.want)
		}
	}
}

func TestACollapsedSpeakerOwnsNothingByTheFirstPerson(t *testing.T) {
	action := meetings.Draft{Actions: []meetings.DraftAction{
		{Text: "Send it", Owner: new("me"), Cues: []int{1}, Quote: "I'll send the report"},
	}}
	one := talk(t,
		"Ann Lee: I'll send the report. Thanks, Bob. And Carla, what do you say? Yes, I'll send the report.",
		"Ann Lee: Carla, can you call the bank? Of course I can. Hello Bob, you are late, and so am I today.",
	)
	if m := meetings.Verify(action, one); m.Actions[0].Owner != nil {
		t.Errorf("one voice for everybody: owner %s", *m.Actions[0].Owner)
	}
	for _, name := range []string{"Speaker 1", "Unknown", "SPEAKER_00"} {
		tr := talk(t, name+": I'll send the report.", "Speaker 2: Good.")
		if m := meetings.Verify(action, tr); m.Actions[0].Owner != nil {
			t.Errorf("%s: owner %s", name, *m.Actions[0].Owner)
		}
	}
	alone := talk(t, "Ann Lee: I'll send the report and that is all I have to note today.")
	if m := meetings.Verify(action, alone); val(m.Actions[0].Owner) != "Ann Lee" {
		t.Errorf("somebody alone owns what they promise: %s", val(m.Actions[0].Owner))
	}
}

func TestADueDateFollowsFromTheWordsAndTheMeetingsDate(t *testing.T) {
	for _, c := range []struct{ said, claim, want string }{ // the meeting is on Wednesday 2024-05-08
		{"by Friday", "by Friday", "2024-05-10"},
		{"by Friday", "2024-05-10", "2024-05-10"},
		{"by Friday", "2024-05-17", "nil"},
		{"by Friday", "by Monday", "nil"},
		{"by Friday", "", "nil"},
		{"soon", "by Friday", "nil"},
		{"soon", "2024-05-10", "nil"},
		{"on Wednesday", "Wednesday", "2024-05-15"},
		{"this Friday", "this Friday", "2024-05-10"},
		{"this Monday", "this Monday", "nil"},
		{"next Tuesday", "next Tuesday", "2024-05-14"},
		{"next Friday", "next Friday", "2024-05-17"},
		{"last Friday", "last Friday", "nil"},
		{"today", "today", "2024-05-08"},
		{"tomorrow", "tomorrow", "2024-05-09"},
		{"the day after tomorrow", "day after tomorrow", "2024-05-10"},
		{"by the end of the week", "end of the week", "2024-05-10"},
		{"by the end of next week", "end of next week", "2024-05-17"},
		{"by the end of the month", "end of the month", "2024-05-31"},
		{"by the end of the quarter", "end of the quarter", "2024-06-30"},
		{"by the end of the year", "end of the year", "2024-12-31"},
		{"by EOD", "EOD", "2024-05-08"},
		{"on May 13th", "May 13th", "2024-05-13"},
		{"on the 13th of May", "13th of May", "2024-05-13"},
		{"on May 3rd", "May 3rd", "nil"},
		{"on January 7", "January 7", "nil"},
		{"on 31 June", "31 June", "nil"},
		{"on June 3, 2025", "June 3, 2025", "2025-06-03"},
		{"in two weeks", "in two weeks", "2024-05-22"},
		{"within 3 days", "within 3 days", "2024-05-11"},
		{"a week from today", "a week from today", "2024-05-15"},
		{"by 2024-05-20", "2024-05-20", "2024-05-20"},
		{"by 2024-05-20", "20 May", "2024-05-20"},
		{"by 2024-05-99", "2024-05-99", "nil"},
		{"I may 3 times", "in May", "nil"},
	} {
		tr := talk(t, "Ann: I'll send it "+c.said+".", "Bob: Good.")
		m := meetings.Verify(meetings.Draft{Actions: []meetings.DraftAction{
			{Text: "Send it", Due: &c.claim, Cues: []int{1}, Quote: "I'll send it " + c.said},
		}}, tr)
		if got := val(m.Actions[0].Due); got != c.want {
			t.Errorf("%q claimed as %q: %s; want %s", c.said, c.claim, got, c.want)
		}
	}
	tr := talk(t, "Ann: I'll send it by Friday, not on June 3, 2025.", "Bob: Good.")
	tr.Date = ""
	for claim, want := range map[string]string{"by Friday": "nil", "2025-06-03": "2025-06-03", "June 3": "nil"} {
		m := meetings.Verify(meetings.Draft{Actions: []meetings.DraftAction{
			{Text: "Send it", Due: &claim, Cues: []int{1}, Quote: "I'll send it by Friday, not on June 3, 2025"},
		}}, tr)
		if got := val(m.Actions[0].Due); got != want {
			t.Errorf("without a meeting date, %q: %s; want %s", claim, got, want)
		}
	}
}

func TestWhateverTheDraftSaysOnlyWhatWasSaidComesThrough(t *testing.T) {
	texts := []string{
		"I'll send the report by Friday.", "Bob, can you call the bank tomorrow?", "We agreed to paint it blue", "Fine.",
		"and then we go…", "naïve — I’ll do it", "三人行，必有我师", "", "what about Carla?",
	}
	speakers := []string{"Ann Lee", "Bob Ross", "Bob Fox", "Carla", "Speaker 1", ""}
	rapid.Check(t, func(t *rapid.T) {
		tr := meetings.Transcript{Date: rapid.SampledFrom([]string{"", "2024-05-08", "nonsense"}).Draw(t, "date")}
		seen := map[string]bool{}
		for i := range rapid.IntRange(1, 8).Draw(t, "cues") {
			c := agent.Cue{
				ID: i + 1, Start: rapid.SampledFrom([]float64{-1, 0, 61.5}).Draw(t, "start"),
				Speaker: rapid.SampledFrom(speakers).Draw(t, "speaker"),
				Text:    rapid.OneOf(rapid.SampledFrom(texts), rapid.String()).Draw(t, "text"),
			}
			tr.Cues = append(tr.Cues, c)
			if c.Speaker != "" && !seen[c.Speaker] {
				seen[c.Speaker] = true
				tr.Participants = append(tr.Participants, c.Speaker)
			}
		}
		quote := rapid.Custom(func(t *rapid.T) string {
			s := tr.Cues[rapid.IntRange(0, len(tr.Cues)-1).Draw(t, "of")].Text
			from := rapid.IntRange(0, len(s)).Draw(t, "from")
			to := rapid.IntRange(from, len(s)).Draw(t, "to")
			return rapid.SampledFrom([]string{s, s[from:to], strings.ToUpper(s), s + " " + s, "made up words"}).Draw(t, "quote")
		})
		ids := rapid.SliceOfN(rapid.IntRange(-2, 12), 0, 4)
		claim := rapid.SampledFrom([]string{"Ann Lee", "bob", "me", "Zed", "", "Carla", "by Friday", "2024-05-10", "tomorrow"})
		var d meetings.Draft
		for range rapid.IntRange(0, 4).Draw(t, "items") {
			d.Decisions = append(d.Decisions, meetings.DraftItem{Text: "t", Cues: ids.Draw(t, "ids"), Quote: quote.Draw(t, "quote")})
			d.Actions = append(d.Actions, meetings.DraftAction{
				Text: "t", Cues: ids.Draw(t, "ids"), Quote: quote.Draw(t, "quote"),
				Owner: new(claim.Draw(t, "owner")), Due: new(claim.Draw(t, "due")),
			})
		}
		m := meetings.Verify(d, tr)
		if bad := meetings.Unverified(m, tr); len(bad) > 0 {
			t.Fatalf("%q", bad)
		}
		if n := len(m.Decisions) + len(m.Actions) + m.Dropped; n != len(d.Decisions)+len(d.Actions) {
			t.Fatalf("%d items came of %d", n, len(d.Decisions)+len(d.Actions))
		}
	})
}

func TestUnverifiedSeesWhatDoesNotHold(t *testing.T) {
	tr := talk(t, "Ann: We paint it blue.", "Bob: Good.")
	ok := agent.Evidence{Cue: 1, Speaker: "Ann", Quote: "paint it blue"}
	for name, m := range map[string]agent.Minutes{
		"no evidence":      {Decisions: []agent.Item{{Text: "x"}}},
		"another quote":    {Decisions: []agent.Item{{Text: "x", Evidence: []agent.Evidence{{Cue: 1, Speaker: "Ann", Quote: "paint it red"}}}}},
		"an empty quote":   {Questions: []agent.Item{{Text: "x", Evidence: []agent.Evidence{{Cue: 1, Speaker: "Ann"}}}}},
		"another cue":      {Questions: []agent.Item{{Text: "x", Evidence: []agent.Evidence{{Cue: 7, Speaker: "Ann", Quote: "paint it blue"}}}}},
		"another speaker":  {Decisions: []agent.Item{{Text: "x", Evidence: []agent.Evidence{{Cue: 1, Speaker: "Bob", Quote: "paint it blue"}}}}},
		"a strange owner":  {Actions: []agent.Action{{Text: "x", Owner: new("Zed"), Evidence: []agent.Evidence{ok}}}},
		"a due of nothing": {Actions: []agent.Action{{Text: "x", Due: new("soon"), Evidence: []agent.Evidence{ok}}}},
	} {
		if len(meetings.Unverified(m, tr)) != 1 {
			t.Errorf("%s: %q", name, meetings.Unverified(m, tr))
		}
	}
	if bad := meetings.Unverified(agent.Minutes{Decisions: []agent.Item{{Text: "x", Evidence: []agent.Evidence{ok}}}}, tr); bad != nil {
		t.Errorf("sound minutes: %q", bad)
	}
}
