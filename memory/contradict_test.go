package memory_test

import (
	"testing"

	"github.com/sous-hq/sous/memory"
)

func TestContradictionsAreFoundByWords(t *testing.T) {
	t.Parallel()
	for _, p := range [][2]string{
		{"The launch is on 3 May.", "The launch is on 10 May."},
		{"The launch is on 3 May.", "Launch: June 3rd"},
		{"Lunch is at noon.", "Lunch is at one."},
		{"The door code is 12.", "The door code is 13."},
		{"We ship on Friday.", "We ship on Monday now."},
		{"Ship it on Friday.", "We ship it on Tuesday, not on Friday? No: ship it on Tuesday."},
		{"Bob owns billing.", "Carol owns billing."},
		{"Bob owns billing.", "The owner of billing is Carol."},
		{"Bob owns billing.", "Billing is owned by Carol."},
		{"Bob is responsible for billing.", "Carol is in charge of billing."},
		{"The staging password is kept by Olga.", "Pete keeps the staging password."},
		{"The build server is called Hamlet.", "The build server is named Ophelia."},
		{"The fridge is in the cellar.", "The fridge is in the attic."},
		{"The API is public.", "The API is not public."},
		{"The office is open on Sundays.", "The office isn't open on Sundays."},
		{"The budget is 5000 euros. Nobody knows.", "Hello to everybody in this room. The budget is 7000 euros."},
	} {
		if !memory.Contradicts(p[0], p[1]) || !memory.Contradicts(p[1], p[0]) {
			t.Errorf("%q and %q: want a contradiction, in both orders", p[0], p[1])
		}
	}
	for _, p := range [][2]string{
		{"The launch is on 3 May.", "The launch is on 3 May."},
		{"The launch is on 3 May.", "The launch is on 3 May 2026."},
		{"The launch is on 3 May.", "The launch party is on 20 May."},
		{"The launch is on May 3rd.", "Launch: 3 May"},
		{"The kettle is blue.", "The kettle is old."},
		{"Bob owns billing.", "Bob owns shipping."},
		{"Bob owns billing.", "Bob Ortiz owns billing."},
		{"Ann likes tea.", "Bob likes tea."},
		{"The standup takes five minutes.", "The retro takes an hour."},
		{"The API is not public.", "The API is not public on Sundays."},
		{"We may ship in the summer.", "We ship."},
		{"", "The launch is on 3 May."},
	} {
		if memory.Contradicts(p[0], p[1]) || memory.Contradicts(p[1], p[0]) {
			t.Errorf("%q and %q: want none", p[0], p[1])
		}
	}
}

func FuzzNothingContradictsItselfAndOrderDoesNotMatter(f *testing.F) {
	f.Add("The launch is on 3 May.", "The launch is on 10 May.")
	f.Add("Bob owns billing", "billing is owned by \xff")
	f.Add("is is is of", "0 1 2 3 no longer")
	f.Fuzz(func(t *testing.T, a, b string) {
		if memory.Contradicts(a, a) && !contradictory(a) {
			t.Errorf("%q contradicts itself", a)
		}
		if memory.Contradicts(a, b) != memory.Contradicts(b, a) {
			t.Errorf("%q and %q: the order matters", a, b)
		}
	})
}

// contradictory reports whether a text may hold several sentences: those may
// contradict each other.
func contradictory(text string) bool {
	for _, r := range text {
		if r == '.' || r == '?' || r == '!' || r == '\n' {
			return true
		}
	}
	return false
}
