package builtin

import (
	"strings"
	"testing"
)

func TestWhatWasSaidIsNotTakenForADecision(t *testing.T) {
	said := passage{Kind: "transcript", Text: "The firmware is late", Citation: "planning, 0:00:20, Ann"}
	settled := passage{Kind: "decision", Text: "The firmware ships on Monday", Citation: "planning, 0:00:21, Ann"}
	for _, c := range []struct {
		question string
		hits     []passage
		admits   bool
	}{
		{"what did we decide about the firmware?", []passage{said}, true},
		{"what did we decide about the firmware?", []passage{said, settled}, false},
		{"did we agree on a date for the firmware?", []passage{said}, true},
		{"what was said about the firmware?", []passage{said}, false},
	} {
		got := recallFrom(command{text: c.question}, outcome{status: "done"}, c.hits)
		if strings.Contains(got, "no decision") != c.admits || !strings.Contains(got, c.hits[0].Citation) {
			t.Errorf("%s with %d passages: %q", c.question, len(c.hits), got)
		}
	}
}
