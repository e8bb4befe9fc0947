package builtin

import "strings"

// reported turns a spoken sentence into a report of it: "Ann said that they
// will go with rubber." Words are only exchanged person for person; what was
// said as an opinion stays one.
func (t *recording) reported(s sentence) string {
	if t.foreign {
		return t.quoted(s)
	}
	toks, opinion := opinionOf(trimMarks(s.toks))
	if len(toks) == 0 {
		return ""
	}
	body := write(thirdPerson(toks))
	name := t.speakers[s.speaker]
	switch {
	case name == "" && s.question:
		return "It was asked: " + body + "?"
	case name == "" && opinion:
		return "Somebody thought that " + lowerFirst(body, toks[0]) + "."
	case name == "":
		return "It was said that " + lowerFirst(body, toks[0]) + "."
	case s.question:
		return name + " asked: " + capital(body) + "?"
	case opinion:
		return name + " thought that " + lowerFirst(body, toks[0]) + "."
	}
	return name + reporting(toks) + lowerFirst(body, toks[0]) + "."
}

// quoted gives the sentence as it was said.
func (t *recording) quoted(s sentence) string {
	name := t.speakers[s.speaker]
	if name == "" {
		name = "Somebody"
	}
	return name + " said: “" + strings.TrimSpace(t.text(s)) + "”"
}

// opinionOf takes "I think" and its like off the beginning.
func opinionOf(toks []tok) ([]tok, bool) {
	if len(toks) < 4 || toks[0].low != "i" {
		return toks, false
	}
	switch toks[1].low {
	case "think", "guess", "suppose", "believe":
	default:
		return toks, false
	}
	toks = trimMarks(toks[2:])
	if len(toks) > 1 && toks[0].low == "that" && toks[1].class&isFunction != 0 {
		toks = toks[1:]
	}
	return toks, true
}

// reporting chooses the verb: what should or could be is suggested, all else said.
func reporting(toks []tok) string {
	for _, k := range toks[:min(6, len(toks))] {
		switch k.low {
		case "should", "could":
			return " suggested that "
		}
	}
	return " said that "
}

// lowerFirst undoes the capital of a sentence's beginning, not of a name.
func lowerFirst(s string, first tok) string {
	if first.class == 0 {
		return s
	}
	if s == "" || strings.HasPrefix(s, "I ") || strings.HasPrefix(s, "I'") {
		return s
	}
	return strings.ToLower(s[:1]) + s[1:]
}

// thirdPerson exchanges the first person for the third.
func thirdPerson(in []tok) []tok {
	out := make([]tok, 0, len(in)+4)
	for _, k := range in {
		for i, w := range strings.Fields(thirdOf(k)) {
			n := k
			n.text = w
			if i == 0 && len(out) == 0 {
				n.text = capital(w)
			}
			out = append(out, n)
		}
	}
	return out
}

func thirdOf(k tok) string {
	switch k.low {
	case "i", "we":
		return "they"
	case "i'm", "we're":
		return "they are"
	case "i've", "we've":
		return "they have"
	case "i'll", "we'll":
		return "they will"
	case "i'd", "we'd":
		return "they would"
	case "am":
		return "are"
	case "my", "our":
		return "their"
	case "me", "us":
		return "them"
	case "mine", "ours":
		return "theirs"
	case "myself", "ourselves":
		return "themselves"
	}
	return written(k)
}

// written spells out what is only spoken.
func written(k tok) string {
	switch k.low {
	case "gonna":
		return "going to"
	case "wanna":
		return "want to"
	case "gotta":
		return "have to"
	case "kinda":
		return "kind of"
	case "'cause":
		return "because"
	}
	return k.text
}
