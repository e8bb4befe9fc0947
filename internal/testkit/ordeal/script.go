package ordeal

import (
	"fmt"
	"regexp"
	"time"

	"github.com/sous-hq/sous/internal/testkit/openaifake"
)

// kind is what a request wants.
type kind int

// The kinds: something to read, a ticket, and payments of each class.
const (
	read kind = iota
	ticket
	keyed
	lookup
	neither
)

// wants are the words of each kind; the subject follows.
func (k kind) wants() string {
	return [...]string{"look for tickets about", "open a ticket: mend", "pay by its key the invoice", "pay by a search the invoice", "pay by hand the invoice"}[k]
}

// calls are what a request of the kind takes, one after the other: nobody files a
// ticket who has not looked for it.
func (k kind) calls(subject string) []openaifake.Call {
	call := func(n int, tool, field, value string) openaifake.Call {
		return openaifake.Call{ID: fmt.Sprint("call_", n), Name: tool, Args: fmt.Sprintf(`{%q:%q}`, field, value)}
	}
	switch k {
	case ticket:
		title := "mend " + subject
		return []openaifake.Call{call(1, "ticket_search", "query", title), call(2, "ticket_create", "title", title)}
	case keyed:
		return []openaifake.Call{call(1, "pay_keyed", "invoice", subject)}
	case lookup:
		return []openaifake.Call{call(1, "pay_lookup", "invoice", subject)}
	case neither:
		return []openaifake.Call{call(1, "pay_neither", "invoice", subject)}
	case read:
	}
	return []openaifake.Call{call(1, "ticket_search", "query", subject)}
}

// think is the model: it makes the calls a request wants and says that it did.
func (d *Ordeal) think(r openaifake.Request) openaifake.Step {
	if d.o.Faulty != nil {
		if step, yes := d.o.Faulty(); yes {
			return step
		}
	}
	step, made := openaifake.Answer("I do not know what to do."), 0
	for i := len(r.Chat.Messages) - 1; i >= 0; i-- {
		m := r.Chat.Messages[i]
		if m.Role == "tool" {
			made++
		}
		if m.Role != "user" || m.Content == nil {
			continue
		}
		k, subject, ok := wanted(*m.Content)
		if !ok {
			continue
		}
		step = openaifake.Answer("It is as the tool says.")
		if calls := k.calls(subject); made < len(calls) {
			step = openaifake.Calls(calls[made])
		}
		break
	}
	if d.o.Think > 0 {
		step.Drip = time.Duration(d.below(int(d.o.Think))) / 8
	}
	return step
}

// wanted reads a request.
func wanted(text string) (kind, string, bool) {
	for k := read; k <= neither; k++ {
		if m := regexp.MustCompile(k.wants() + " ([a-z]{12})").FindStringSubmatch(text); m != nil {
			return k, m[1], true
		}
	}
	return 0, "", false
}
