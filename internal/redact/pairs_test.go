package redact

import (
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// What is not looked for is not there.
func TestABeginningThatIsThereIsLookedFor(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.String().Draw(t, "text") + rapid.SampledFrom([]string{"", "xoxb-1", "Bearer ", "é", "\xff\x00"}).Draw(t, "end")
		from := rapid.IntRange(0, len(text)).Draw(t, "from")
		sub := text[from:rapid.IntRange(from, len(text)).Draw(t, "to")]
		var p pairs
		p.add(text)
		if !p.may(sub) {
			t.Fatalf("%q is not looked for in %q", sub, text)
		}
	})
	// And it saves looking for nearly all else.
	var p pairs
	p.add("Is there a ticket about the login outage since nine o'clock, and who looks after it? " + strings.Repeat("all is well ", 9))
	n := 0
	for _, f := range forms() {
		if p.may(f.prefix) {
			n++
		}
	}
	if n > 2 {
		t.Errorf("%d beginnings of tokens are looked for in plain words", n)
	}
}
