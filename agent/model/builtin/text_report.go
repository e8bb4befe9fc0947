package builtin

import "strings"

// reported turns a spoken sentence into a report of it: "Ann said that they
// will go with rubber." Words are only exchanged person for person.
func (t *talk) reported(s sentence) string {
	toks := s.toks
	for len(toks) > 0 && toks[len(toks)-1].mark() {
		toks = toks[:len(toks)-1]
	}
	if len(toks) == 0 {
		return ""
	}
	body := write(thirdPerson(toks))
	name := t.speakers[s.speaker]
	switch {
	case name == "" && s.question:
		return "It was asked: " + body + "?"
	case name == "":
		return "It was said that " + lowerFirst(body, toks[0]) + "."
	case s.question:
		return name + " asked: " + capital(body) + "?"
	}
	return name + " said that " + lowerFirst(body, toks[0]) + "."
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
