package tools

import (
	"encoding/json"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/sous-hq/sous/agent"
)

// tellingValue is the length, in characters, from which a value that stands in a
// text is worth saying so: shorter ones stand nearly everywhere.
const tellingValue = 4

// Origins says, for people, in which of the texts that were read each of these
// arguments stands word for word: the sources of those texts, by argument. An
// argument that is missing was put together by the model. What a call may do
// never depends on this; that is for the gate.
func (p Proposal) Origins(names []string) map[string][]string {
	var fields map[string]json.RawMessage
	if len(names) == 0 || json.Unmarshal(p.Call.Args, &fields) != nil {
		return nil
	}
	var read []Labelled
	for _, t := range p.Texts {
		if t.Label.Integrity < agent.Requester && len(t.Label.Sources) > 0 {
			read = append(read, Labelled{Text: squeezed(t.Text), Label: t.Label})
		}
	}
	all := map[string][]string{}
	for _, name := range names {
		var sources []string
		for _, value := range strings.Split(text(fields[name]), "\n") {
			value = squeezed(value)
			if utf8.RuneCountInString(value) < tellingValue {
				continue
			}
			for _, t := range read {
				if strings.Contains(t.Text, value) {
					sources = append(sources, t.Label.Sources...)
				}
			}
		}
		if len(sources) > 0 {
			slices.Sort(sources)
			all[name] = slices.Compact(sources)
		}
	}
	if len(all) == 0 {
		return nil
	}
	return all
}

// text is a value as it would stand in a text: of a list, one entry a line.
func text(value json.RawMessage) string {
	var one string
	if json.Unmarshal(value, &one) == nil {
		return one
	}
	var list []string
	if json.Unmarshal(value, &list) == nil {
		return strings.Join(list, "\n")
	}
	return string(value)
}

var unescaper = strings.NewReplacer(`\n`, " ", `\"`, `"`, `\t`, " ")

// squeezed is text in lower case with single spaces. Results of tools are JSON,
// so what JSON escapes is undone.
func squeezed(s string) string {
	s = unescaper.Replace(s)
	return strings.Join(strings.Fields(strings.ToLower(s)), " ")
}
