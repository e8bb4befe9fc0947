package builtin

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// keeping is the result of the tools that remember.
type keeping struct {
	Title    string   `json:"title"`
	Replaced string   `json:"replaced"`
	Against  []string `json:"disagrees_with"`
	Passages int      `json:"passages"`
	Warnings []string `json:"warnings"`
	Already  bool
}

// disagreeing tells what contradicts a fact that was just remembered.
func disagreeing(o outcome) string {
	var k keeping
	o.into(&k)
	if len(k.Against) == 0 {
		return ""
	}
	var b strings.Builder
	b.WriteString(" It does not agree with what else I remember; both are kept:\n")
	for _, other := range k.Against {
		b.WriteString("\n- " + inline(other))
	}
	b.WriteString("\n\nTo replace what you had me remember, say “correction: …”.")
	return b.String()
}

// planKeepFile remembers the files that came, or that came before.
func (p *planner) planKeepFile() step {
	files := p.files
	if len(files) == 0 {
		files = p.earlierFiles()
	}
	if len(files) == 0 {
		return say("There is no file here that I could remember. Attach it and say “remember this file”.")
	}
	if !p.tools[toolKeepFile] {
		return say("I cannot remember files here: the tool `" + toolKeepFile + "` is not available.")
	}
	var calls []call
	for _, id := range fileIDs(files) {
		calls = append(calls, call{toolKeepFile, args{"file": id}})
	}
	if s, wait := p.need(calls...); wait {
		return s
	}
	var lines []string
	for i, c := range calls {
		o, _ := p.outcomeOf(c)
		lines = append(lines, keptText("“"+inline(nameOf(files, i))+"”", o))
	}
	return say(strings.Join(lines, "\n"))
}

// planKeepThread remembers the conversation.
func (p *planner) planKeepThread() step {
	o, s, ready := p.do(call{toolKeepThread, args{}})
	if !ready {
		return s
	}
	return say(keptText("this conversation", o))
}

// keptText says what became of remembering a whole.
func keptText(what string, o outcome) string {
	if !o.done() {
		return notDone("I did not remember "+what, o)
	}
	var k keeping
	o.into(&k)
	text := fmt.Sprintf("I will remember %s: %d passages", what, k.Passages)
	if k.Passages == 1 {
		text = "I will remember " + what + ": one passage"
	}
	if k.Title != "" {
		text += " under the title “" + inline(k.Title) + "”"
	}
	text += "."
	for _, w := range k.Warnings {
		text += " But " + inline(w) + "."
	}
	return text
}

// planCorrect finds the person's own fact that is meant and has the new one take
// its place.
func (p *planner) planCorrect(c command) step {
	o, s, ready := p.do(call{toolRecall, args{"query": headed(squeezed(c.text), maxQuery), "kinds": []string{"fact"}, "limit": 10}})
	if !ready {
		return s
	}
	if !o.done() {
		return say("I could not look for what that corrects: " + o.why())
	}
	fit := correctable(c.text, passagesOf(o))
	a := args{"text": c.text}
	switch len(fit) {
	case 0:
	case 1:
		a["corrects"] = fit[0].ID
	default:
		h, s, ready := p.which("Which one does that correct", fit)
		if !ready {
			return s
		}
		a["corrects"] = h.ID
	}
	done, s, ready := p.do(call{toolRemember, a})
	switch {
	case !ready:
		return s
	case !done.done():
		return say(notDone("I did not correct that", done))
	case len(fit) == 0:
		return say("I will remember: “" + inline(c.text) + "”. I found nothing you had me remember that it corrects." + disagreeing(done))
	}
	var k keeping
	done.into(&k)
	text := "Corrected. I will remember: “" + inline(c.text) + "”."
	if k.Replaced != "" {
		text += " Before it was " + inline(k.Replaced) + "."
	}
	return say(text + disagreeing(done))
}

// correctable returns the person's own facts that speak of the same thing, each
// once: those that share most words with it, but for numbers and days.
func correctable(text string, hits []passage) []passage {
	want := undated(text)
	share := func(h passage) float64 {
		words := undated(h.Text)
		return (covered(want, words) + covered(words, want)) / 2
	}
	best := 0.0
	var fit []passage
	for _, h := range hits {
		known := slices.ContainsFunc(fit, func(o passage) bool { return o.ID == h.ID })
		if n := share(h); h.Mine && h.Kind == "fact" && !known && n >= enough {
			fit, best = append(fit, h), max(best, n)
		}
	}
	return slices.DeleteFunc(fit, func(h passage) bool { return share(h) < best-0.2 })
}

// undated returns the keywords of a text that neither count nor date: those are
// what a correction changes.
func undated(text string) []string {
	return slices.DeleteFunc(keywords(text), func(w string) bool {
		if w[0] >= '0' && w[0] <= '9' {
			return true
		}
		for m := time.January; m <= time.December; m++ {
			if len(w) >= 3 && strings.HasPrefix(strings.ToLower(m.String()), w) {
				return true
			}
		}
		for d := time.Sunday; d <= time.Saturday; d++ {
			if len(w) >= 3 && strings.HasPrefix(strings.ToLower(d.String()), w) {
				return true
			}
		}
		return false
	})
}
