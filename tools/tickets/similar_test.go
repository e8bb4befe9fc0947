package tickets

import (
	"math"
	"testing"
)

func TestTitlesOfTheSameWorkAreAlike(t *testing.T) {
	for _, pair := range [][2]string{
		{"Checkout page crashes on Safari", "Safari: checkout page crash"},
		{"Checkout page crashes on Safari", "Chekout page crashing in Safari"},
		{"Update the budget spreadsheet", "please update budget spreadsheets"},
		{"Prepare the remote control prototype", "Prepare remote control prototype for next meeting"},
		{"The build is red", "Build is RED again"},
		{"Drucker kaputt", "Der Drucker ist kaputt"},
		{"Réserver la salle", "reserver salle"},
		{"Upgrade server 12", "upgrade server 12!"},
	} {
		if s := Similarity(pair[0], pair[1]); s < duplicateAt || s > 1 || s != Similarity(pair[1], pair[0]) {
			t.Errorf("%.2f %q", s, pair)
		}
		if !covers(pair[0], pair[1]) {
			t.Errorf("a search for %q is none for %q", pair[0], pair[1])
		}
	}
}

func TestTitlesOfOtherWorkAreNot(t *testing.T) {
	for _, pair := range [][2]string{
		{"Checkout page crashes on Safari", "Checkout page slow on Firefox"},
		{"Upgrade server 12", "Upgrade server 13"},
		{"Release 2.4.0", "Release 2.5.0"},
		{"Write the design document", "Write the test plan"},
		{"Prepare the remote control prototype", "Research remote control market"},
		{"Login fails", "Add dark mode"},
		{"", ""},
		{"!!!", "???"},
		{"the", "the"},
	} {
		if s := Similarity(pair[0], pair[1]); s >= duplicateAt || s < 0 {
			t.Errorf("%.2f %q", s, pair)
		}
	}
}

func TestASearchForAnythingIsNoSearchForThis(t *testing.T) {
	for _, pair := range [][2]string{{"", "Mend the door"}, {"the", "Mend the door"}, {"wall", "Mend the door"}, {"paint the hall wall", "paint stain on door frame"}} {
		if covers(pair[0], pair[1]) {
			t.Errorf("%q counts as a search for %q", pair[0], pair[1])
		}
	}
	if !covers("???", "???") {
		t.Error("a title without words can never be searched for")
	}
}

func FuzzSimilarity(f *testing.F) {
	f.Add("Mend the door", "mend doors")
	f.Add("\xff", "会議室")
	f.Fuzz(func(t *testing.T, a, b string) {
		s := Similarity(a, b)
		if math.IsNaN(s) || s < 0 || s > 1 || s != Similarity(b, a) {
			t.Fatalf("%v", s)
		}
	})
}
