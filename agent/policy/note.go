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

// fields are the words of a note, in the order they are written.
func (f *Facts) fields() []noteField {
	return []noteField{
		number("tier", &f.Tier), flag("egress", &f.Egress), flag("undoable", &f.Undoable), flag("private", &f.Private),
		number("integrity", &f.Integrity), number("confidentiality", &f.Confidentiality), number("clearance", &f.SinkClearance),
		flag("own", &f.OwnToGive), names("data", &f.Data), flag("said", &f.InWords), names("unsaid", &f.Unsaid),
		flag("planned", &f.InPlan), flag("unattended", &f.Unattended), number("target", &f.Target),
		origin(&f.Origins), flag("links", &f.ForeignLinks),
		word("kind", f.By.Kind.String(), func(s string) error { return f.By.Kind.UnmarshalText([]byte(s)) }),
		names("groups", &f.By.Groups), flag("owner", &f.By.Owner),
		word("place", f.Place.Kind.String(), func(s string) error { return f.Place.Kind.UnmarshalText([]byte(s)) }),
	}
}

// noteField is one word of a note.
type noteField struct {
	name  string
	value string
	read  func(string) error
}

func number(name string, p *int) noteField {
	return noteField{name, strconv.Itoa(*p), func(s string) (err error) {
		if *p, err = strconv.Atoi(s); err == nil && (*p < 0 || *p > 3) {
			err = fmt.Errorf("%s is out of range", name)
		}
		return err
	}}
}

func flag(name string, p *bool) noteField {
	return noteField{name, strconv.FormatBool(*p), func(s string) (err error) {
		*p, err = strconv.ParseBool(s)
		return err
	}}
}

func word(name, value string, read func(string) error) noteField {
	return noteField{name, value, read}
}

func names(name string, p *[]string) noteField {
	return noteField{name, escaped(*p), func(s string) (err error) {
		*p, err = unescaped(s)
		return err
	}}
}

// origin writes the control arguments as name:origin.
func origin(p *map[string]int) noteField {
	var all []string
	for name, n := range *p {
		all = append(all, name+":"+strconv.Itoa(n))
	}
	slices.Sort(all)
	return noteField{"origins", escaped(all), func(s string) error {
		list, err := unescaped(s)
		if err != nil || len(list) == 0 {
			return err
		}
		*p = map[string]int{}
		for _, x := range list {
			i := strings.LastIndexByte(x, ':')
			if i < 0 {
				return fmt.Errorf("%q is no origin", x)
			}
			if (*p)[x[:i]], err = strconv.Atoi(x[i+1:]); err != nil {
				return err
			}
		}
		return nil
	}}
}

func escaped(all []string) string {
	out := make([]string, len(all))
	for i, s := range all {
		out[i] = url.QueryEscape(s)
	}
	return strings.Join(out, ",")
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

// Note writes the facts in one short line for the record: names and numbers, no
// content. What is no, 0 or empty is left out.
func (f Facts) Note() string {
	var b strings.Builder
	b.WriteString(noteVersion)
	for _, x := range f.fields() {
		if x.value != "" && x.value != "0" && x.value != "false" {
			b.WriteString(" " + x.name + "=" + x.value)
		}
	}
	return b.String()
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
	fields := f.fields()
	for _, w := range words[1:] {
		name, value, _ := strings.Cut(w, "=")
		if name == "set" {
			continue // which policy set ruled, for people
		}
		i := slices.IndexFunc(fields, func(x noteField) bool { return x.name == name })
		if i < 0 || fields[i].read(value) != nil {
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
