package builtin

import (
	"strings"
	"testing"
)

const launchFacts = `{"hits":[
	{"id":"k1","kind":"fact","text":"The launch is on 3 May.","citation":"Ann Lee, in a direct message, 2026-03-01","mine":true},
	{"id":"k2","kind":"fact","text":"The launch party is in the cellar.","citation":"Ann Lee, 2026-03-01","mine":true},
	{"id":"k3","kind":"fact","text":"The launch is on 24 May.","citation":"Bob, 2026-03-01"}]}`

func wantAnswer(t *testing.T, got string, parts ...string) {
	t.Helper()
	for _, p := range parts {
		if !strings.Contains(got, p) {
			t.Errorf("the answer is\n%s\nwant it to hold %q", got, p)
		}
	}
}

func TestACorrectionNamesTheFactItCorrects(t *testing.T) {
	t.Parallel()
	k := newChat(t, rule{"recall", done(launchFacts)}, rule{"remember", done(`{"id":"k4","text":"the launch is on 10 May","replaced":"“The launch is on 3 May.” [Ann Lee, 2026-03-01]","disagrees_with":["“The launch is on 24 May.” [Bob, 2026-03-01]"]}`)})
	got := k.asks("Correction: the launch is on 10 May").answer()
	wantCalls(t, k.made, `recall {"kinds":["fact"],"limit":10,"query":"the launch is on 10 May"}`, `remember {"corrects":"k1","text":"the launch is on 10 May"}`)
	wantAnswer(t, got, "Corrected.", "“the launch is on 10 May”", "Before it was “The launch is on 3 May.”", "does not agree", "“The launch is on 24 May.” [Bob, 2026-03-01]")
}

func TestACorrectionOfNothingStandsByItself(t *testing.T) {
	t.Parallel()
	k := newChat(t, rule{"recall", done(`{"hits":[{"id":"k3","kind":"fact","text":"The launch is on 24 May.","citation":"Bob"}]}`)})
	got := k.asks("correction: the launch is on 10 May").answer()
	wantCalls(t, k.made, `recall {"kinds":["fact"],"limit":10,"query":"the launch is on 10 May"}`, `remember {"text":"the launch is on 10 May"}`)
	wantAnswer(t, got, "I found nothing you had me remember that it corrects")
}

func TestWhichFactIsCorrectedIsAskedWhenSeveralCouldBeMeant(t *testing.T) {
	t.Parallel()
	two := `{"hits":[{"id":"k1","kind":"fact","text":"The launch is on 3 May.","mine":true},{"id":"k2","kind":"fact","text":"The launch is on 24 May.","mine":true}]}`
	k := newChat(t, rule{"recall", done(two)}, rule{"ask_user", done(`{"answer":"the second"}`)})
	k.asks("correction: the launch is on 10 May").answer()
	wantCalls(t, k.made, `recall {"kinds":["fact"],"limit":10,"query":"the launch is on 10 May"}`,
		`ask_user {"question":"Which one does that correct: (1) The launch is on 3 May.; (2) The launch is on 24 May.?"}`, `remember {"corrects":"k2","text":"the launch is on 10 May"}`)
}

func TestContradictionsAreShownSideBySide(t *testing.T) {
	t.Parallel()
	hits := `{"hits":[
		{"id":"k1","kind":"fact","text":"The launch is on 3 May.","citation":"Ann, 2026-03-01","disagrees_with":["“The launch is on 24 May.” [Bob, 2026-03-02]"],"before":["“The launch is in April.” [Ann, 2026-02-01]"]},
		{"id":"k3","kind":"fact","text":"The launch is on 24 May.","citation":"Bob, 2026-03-02","disagrees_with":["“The launch is on 3 May.” [Ann, 2026-03-01]"]}]}`
	got := newChat(t, rule{"recall", done(hits)}).asks("when is the launch?").answer()
	wantAnswer(t, got, "“The launch is on 3 May.” [Ann, 2026-03-01]", "before that: “The launch is in April.”", "“The launch is on 24 May.” [Bob, 2026-03-02]", "These do not agree")
	one := `{"hits":[{"id":"k1","kind":"fact","text":"The launch is on 3 May.","citation":"Ann, 2026-03-01","disagrees_with":["“Launch: 24 May.” [Weekly, 0:00:12, Bob]"]}],"withheld":2}`
	got = newChat(t, rule{"recall", done(one)}).asks("when is the launch?").answer()
	wantAnswer(t, got, "does not agree with what else I remember", "“Launch: 24 May.” [Weekly, 0:00:12, Bob]", "ask me in a direct message")
	got = newChat(t, rule{"remember", done(`{"id":"k1","disagrees_with":["“The launch is on 24 May.” [Bob]"]}`)}).asks("remember that the launch is on 3 May").answer()
	wantAnswer(t, got, "I will remember", "both are kept", "“The launch is on 24 May.” [Bob]", "correction:")
}

func TestFilesAndConversationsAreRememberedWhole(t *testing.T) {
	t.Parallel()
	k := newChat(t, rule{`"f1"`, done(`{"id":"k1","title":"Handbook","passages":12,"warnings":["some letters may be wrong"]}`)}, rule{`"f2"`, `{"status":"failed","error":"it is encrypted with a password; save a copy without one"}`})
	got := k.asks("remember these files", "f1", "f2").answer()
	wantCalls(t, k.made, `remember_file {"file":"f1"}`, `remember_file {"file":"f2"}`)
	wantAnswer(t, got, "I will remember “f1.vtt”: 12 passages under the title “Handbook”. But some letters may be wrong.", "I did not remember “f2.vtt”", "encrypted")
	k = newChat(t, rule{"remember_thread", done(`{"id":"k1","title":"Alarm","passages":1}`)})
	wantAnswer(t, k.asks("remember this thread").answer(), "I will remember this conversation: one passage under the title “Alarm”.")
	wantAnswer(t, newChat(t).asks("remember this document").answer(), "There is no file here")
}
