package privacy

import (
	"fmt"
	"strings"
	"time"

	"github.com/sous-hq/sous/agent"
)

// What a rule is about.
const (
	// Conversations are requests that are over, with all that was said, read,
	// asked and done in them; the audit record and the tickets stay.
	Conversations = "conversations"
	// Files are the files people handed in.
	Files = "files"
	// Memories are what is remembered, of whatever kind; Rule.Kind narrows it.
	Memories = "memories"
)

// Rule says how long something is kept. The empty fields of a rule select all.
type Rule struct {
	// What is Conversations, Files or Memories.
	What string
	// Kind is a kind of memory; which there are is for who remembers to say.
	Kind string
	// Place is the id of a place or, of conversations, a kind of places: dm, private,
	// public, shared.
	Place string
	// Label is a data label, such as pii or secret.
	Label string
	// Keep is how long.
	Keep time.Duration
}

// MinKeep is the shortest time a rule may keep things: what people still work
// with is not taken away under their hands.
const MinKeep = 24 * time.Hour

// Validate returns an error of kind Invalid that says what is wrong with a rule.
func (r Rule) Validate() error {
	switch {
	case r.What != Conversations && r.What != Files && r.What != Memories:
		return agent.Errorf(agent.Invalid, "retention: there is nothing called %q to keep; known are %s, %s and %s", r.What, Conversations, Files, Memories)
	case r.Kind != "" && r.What != Memories:
		return agent.Errorf(agent.Invalid, "retention: only %s have a kind", Memories)
	case r.Place != "" && r.What == Files:
		return agent.Errorf(agent.Invalid, "retention: a file has no place of its own; it goes with its conversation")
	case r.What == Memories && kindOfPlace(r.Place):
		return agent.Errorf(agent.Invalid, "retention: a memory knows the id of its place, such as dm/ann or C42, and not that it is %s", r.Place)
	case r.Keep < MinKeep:
		return agent.Errorf(agent.Invalid, "retention: %s of %s is too short; a day is the least", r.Keep, r.What)
	}
	return nil
}

// kindOfPlace reports whether the name is a kind of places rather than one.
func kindOfPlace(name string) bool {
	var k agent.PlaceKind
	return k.UnmarshalText([]byte(name)) == nil
}

// String says the rule in words.
func (r Rule) String() string {
	var b strings.Builder
	b.WriteString(r.What)
	for _, part := range [][2]string{{" of kind ", r.Kind}, {" in ", r.Place}, {" with ", r.Label}} {
		if part[1] != "" {
			b.WriteString(part[0] + part[1])
		}
	}
	fmt.Fprintf(&b, " kept for %s", days(r.Keep))
	return b.String()
}

func days(d time.Duration) string {
	if d == 24*time.Hour {
		return "1 day"
	}
	if d%(24*time.Hour) == 0 {
		return fmt.Sprintf("%d days", d/(24*time.Hour))
	}
	return d.String()
}
