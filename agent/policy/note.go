package policy

import (
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/sous-hq/sous/agent"
)

// noteVersion opens every note, so that another form can be told apart.
const noteVersion = "facts/1"

// Note writes the facts in one short line for the record: names and numbers, no
// content. What is no, 0 or empty is left out.
func (f Facts) Note() string {
	n := note(append(make([]byte, 0, 256), noteVersion...))
	n.number("tier", f.Tier)
	n.flag("egress", f.Egress)
	n.flag("undoable", f.Undoable)
	n.flag("private", f.Private)
	n.number("integrity", f.Integrity)
	n.number("confidentiality", f.Confidentiality)
	n.number("clearance", f.SinkClearance)
	n.flag("own", f.OwnToGive)
	n.names("data", f.Data)
	n.flag("said", f.InWords)
	n.names("unsaid", f.Unsaid)
	n.flag("planned", f.InPlan)
	n.flag("unattended", f.Unattended)
	n.number("target", f.Target)
	origins := make([]string, 0, len(f.Origins))
	for name, from := range f.Origins {
		origins = append(origins, name+":"+strconv.Itoa(from))
	}
	slices.Sort(origins)
	n.names("origins", origins)
	n.flag("links", f.ForeignLinks)
	n.word("kind", f.By.Kind.String())
	n.names("groups", f.By.Groups)
	n.flag("owner", f.By.Owner)
	n.word("place", f.Place.Kind.String())
	return string(n)
}

// note is a note that is being written.
type note []byte

func (n *note) word(name, value string) {
	*n = append(append(append(append(*n, ' '), name...), '='), value...)
}

func (n *note) number(name string, v int) {
	if v != 0 {
		n.word(name, strconv.Itoa(v))
	}
}

func (n *note) flag(name string, v bool) {
	if v {
		n.word(name, "true")
	}
}

func (n *note) names(name string, all []string) {
	for i, s := range all {
		if i == 0 {
			n.word(name, url.QueryEscape(s))
			continue
		}
		*n = append(append(*n, ','), url.QueryEscape(s)...)
	}
}

// readers are how the words of a note are read back, by name.
func (f *Facts) readers() map[string]func(string) error {
	number := func(p *int) func(string) error {
		return func(s string) (err error) {
			if *p, err = strconv.Atoi(s); err == nil && (*p < 0 || *p > 3) {
				err = fmt.Errorf("%d is out of range", *p)
			}
			return err
		}
	}
	flag := func(p *bool) func(string) error {
		return func(s string) (err error) { *p, err = strconv.ParseBool(s); return err }
	}
	names := func(p *[]string) func(string) error {
		return func(s string) (err error) { *p, err = unescaped(s); return err }
	}
	return map[string]func(string) error{
		"tier": number(&f.Tier), "egress": flag(&f.Egress), "undoable": flag(&f.Undoable), "private": flag(&f.Private),
		"integrity": number(&f.Integrity), "confidentiality": number(&f.Confidentiality), "clearance": number(&f.SinkClearance),
		"own": flag(&f.OwnToGive), "data": names(&f.Data), "said": flag(&f.InWords), "unsaid": names(&f.Unsaid),
		"planned": flag(&f.InPlan), "unattended": flag(&f.Unattended), "target": number(&f.Target),
		"origins": f.readOrigins, "links": flag(&f.ForeignLinks),
		"kind":   func(s string) error { return f.By.Kind.UnmarshalText([]byte(s)) },
		"groups": names(&f.By.Groups), "owner": flag(&f.By.Owner),
		"place": func(s string) error { return f.Place.Kind.UnmarshalText([]byte(s)) },
		"set":   func(string) error { return nil }, // which policy set ruled, for people
	}
}

// readOrigins reads the control arguments, each as name:origin.
func (f *Facts) readOrigins(s string) error {
	list, err := unescaped(s)
	if err != nil {
		return err
	}
	f.Origins = map[string]int{}
	for _, x := range list {
		i := strings.LastIndexByte(x, ':')
		if i < 0 {
			return fmt.Errorf("%q is no origin", x)
		}
		if f.Origins[x[:i]], err = strconv.Atoi(x[i+1:]); err != nil {
			return err
		}
	}
	return nil
}

func unescaped(s string) ([]string, error) {
	if s == "" {
		return nil, nil
	}
	var out []string
	for part := range strings.SplitSeq(s, ",") {
		v, err := url.QueryUnescape(part)
		if err != nil {
			return nil, err
		}
		out = append(out, v)
	}
	return out, nil
}

// ParseNote reads the facts of a recorded call back from its note. The person,
// the tool and the digest are not in it; they are in the record beside it. ok is
// false when it is no note of facts.
func ParseNote(note string) (f Facts, ok bool) {
	words := strings.Fields(note)
	if len(words) == 0 || words[0] != noteVersion {
		return Facts{}, false
	}
	f.Mode = "strict"
	readers := f.readers()
	for _, w := range words[1:] {
		name, value, _ := strings.Cut(w, "=")
		read, known := readers[name]
		if !known || read(value) != nil {
			return Facts{}, false
		}
	}
	return f, true
}

// Recorded completes facts read from a note with what the record holds beside it.
func (f Facts) Recorded(by agent.Actor, tool, digest string) Facts {
	by.Kind, by.Groups, by.Owner = f.By.Kind, f.By.Groups, f.By.Owner
	f.By, f.Tool, f.Family, f.Digest = by, tool, family(tool), digest
	return f
}
