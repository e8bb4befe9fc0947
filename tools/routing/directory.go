package routing

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v4"

	"github.com/sous-hq/sous/agent"
)

// Directory is who works on what and when, as read from a file. The zero
// Directory has no teams.
type Directory struct {
	teams    []team
	fallback string
	// do and suggest are the confidences from which an answer is acted on or
	// offered.
	do, suggest float64
	// Digest is the SHA-256 of the file, in hex; "" for no file.
	Digest string
}

// Teams lists the names of the teams in the order of the file.
func (d *Directory) Teams() []string {
	names := make([]string, 0, len(d.teams))
	for _, t := range d.teams {
		names = append(names, t.name)
	}
	return names
}

func (d *Directory) team(name string) (team, bool) {
	i := slices.IndexFunc(d.teams, func(t team) bool { return strings.EqualFold(t.name, strings.TrimSpace(name)) })
	if i < 0 {
		return team{}, false
	}
	return d.teams[i], true
}

type team struct {
	name   string
	places []string
	topics []topic
	// people are in on-call order.
	people []person
}

type topic struct {
	name     string
	keywords []keyword
	patterns []*regexp.Regexp
}

// keyword is a word or phrase with what finds it.
type keyword struct {
	text string
	find *regexp.Regexp
}

type person struct {
	id, name string
	hours    hours
}

// The thresholds of a file that sets none.
const (
	defaultDo      = 0.85
	defaultSuggest = 0.5
)

// maxFile bounds the file, in bytes.
const maxFile = 1 << 20

// The shape of the file.
type (
	file struct {
		Timezone   string      `yaml:"timezone"`
		Thresholds *thresholds `yaml:"thresholds"`
		Fallback   string      `yaml:"fallback"`
		Teams      []fileTeam  `yaml:"teams"`
	}
	thresholds struct {
		Do      float64 `yaml:"do"`
		Suggest float64 `yaml:"suggest"`
	}
	fileTeam struct {
		Name   string       `yaml:"name"`
		People []filePerson `yaml:"people"`
		OnCall []string     `yaml:"on_call"`
		Hours  *fileHours   `yaml:"hours"`
		Places []string     `yaml:"places"`
		Topics []fileTopic  `yaml:"topics"`
	}
	filePerson struct {
		ID    string     `yaml:"id"`
		Name  string     `yaml:"name"`
		Hours *fileHours `yaml:"hours"`
	}
	fileHours struct {
		Timezone string   `yaml:"timezone"`
		Days     []string `yaml:"days"`
		From     string   `yaml:"from"`
		To       string   `yaml:"to"`
	}
	fileTopic struct {
		Name     string   `yaml:"name"`
		Keywords []string `yaml:"keywords"`
		Patterns []string `yaml:"patterns"`
	}
)

// Load reads the teams of a file; path "" is no teams. The error is of kind
// Invalid and names every problem of the file.
func Load(path string) (*Directory, error) {
	if path == "" {
		return Parse("", nil)
	}
	info, err := os.Stat(path)
	if err == nil && info.Size() > maxFile {
		return nil, agent.Errorf(agent.TooLarge, "%s is larger than %d KiB", path, maxFile>>10)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, agent.Errorf(agent.Invalid, "the teams cannot be read: %w", err)
	}
	d, err := Parse(path, data)
	if err == nil {
		sum := sha256.Sum256(data)
		d.Digest = hex.EncodeToString(sum[:])
	}
	return d, err
}

// Parse reads the teams of a file that was read from name; see Load.
func Parse(name string, data []byte) (*Directory, error) {
	p := parser{problems: syntax(data)}
	if p.problems == nil {
		p.problems = loadProblems(yaml.Load(data, &p.file, yaml.WithKnownFields()))
	}
	d := p.directory()
	if len(p.problems) > 0 {
		return nil, agent.Errorf(agent.Invalid, "%s:\n  %s", name, strings.Join(p.problems, "\n  "))
	}
	return d, nil
}

// syntax reports more documents than one, which the loader passes over.
func syntax(data []byte) []string {
	if strings.TrimSpace(string(data)) == "" {
		return nil
	}
	var docs []yaml.Node
	if err := yaml.Load(data, &docs, yaml.WithAllDocuments()); err == nil && len(docs) > 1 {
		return []string{"holds more than one YAML document; one is wanted"}
	}
	return nil
}

var unknownField = regexp.MustCompile(`^field (\S+) not found in type .*$`)

// loadProblems turns the library's errors into one sentence each.
func loadProblems(err error) []string {
	var many *yaml.LoadErrors
	var one *yaml.LoadError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &many):
		var all []string
		for _, e := range many.Errors {
			if strings.Contains(e.Message, "no documents") {
				continue
			}
			all = append(all, fmt.Sprintf("line %d: %s", e.Mark.Line, unknownField.ReplaceAllString(e.Message, "unknown key $1")))
		}
		return all
	case errors.As(err, &one):
		return []string{fmt.Sprintf("line %d: not YAML: %s", one.Mark.Line, one.Message)}
	}
	return []string{"not YAML: " + err.Error()}
}

// parser checks a file and gathers its problems.
type parser struct {
	file     file
	problems []string
}

func (p *parser) complain(format string, args ...any) {
	p.problems = append(p.problems, fmt.Sprintf(format, args...))
}

func (p *parser) directory() *Directory {
	d := &Directory{fallback: p.file.Fallback, do: defaultDo, suggest: defaultSuggest}
	if t := p.file.Thresholds; t != nil {
		d.do, d.suggest = t.Do, t.Suggest
		if !(0 < t.Suggest && t.Suggest <= t.Do && t.Do <= 1) {
			p.complain("thresholds: want 0 < suggest <= do <= 1, got suggest %v and do %v", t.Suggest, t.Do)
		}
	}
	if _, err := time.LoadLocation(p.file.Timezone); err != nil {
		p.complain("timezone: there is no %q; write one like Europe/Berlin", p.file.Timezone)
		p.file.Timezone = ""
	}
	seen := map[string]bool{}
	placed := map[string]string{}
	for i, ft := range p.file.Teams {
		where := fmt.Sprintf("team %q", ft.Name)
		key := strings.ToLower(strings.TrimSpace(ft.Name))
		switch {
		case key == "":
			where = fmt.Sprintf("team %d", i+1)
			p.complain("%s has no name", where)
		case seen[key]:
			p.complain("%s is named twice", where)
		}
		seen[key] = true
		d.teams = append(d.teams, p.team(where, ft))
		for _, place := range ft.Places {
			if other, taken := placed[place]; taken {
				p.complain("%s: the place %q belongs to %s already", where, place, other)
			}
			placed[place] = where
		}
	}
	if _, ok := d.team(d.fallback); d.fallback != "" && !ok {
		p.complain("fallback: there is no team %q", d.fallback)
	}
	return d
}

func (p *parser) team(where string, ft fileTeam) team {
	t := team{name: strings.TrimSpace(ft.Name), places: ft.Places}
	own := p.hours(where, ft.Hours, hours{})
	for i, fp := range ft.People {
		who := fmt.Sprintf("%s: person %q", where, fp.ID)
		if strings.TrimSpace(fp.ID) == "" {
			p.complain("%s: person %d has no id", where, i+1)
			continue
		}
		if slices.ContainsFunc(t.people, func(o person) bool { return o.id == fp.ID }) {
			p.complain("%s is listed twice", who)
			continue
		}
		t.people = append(t.people, person{fp.ID, fp.Name, p.hours(who, fp.Hours, own)})
	}
	t.people = p.onCall(where, ft.OnCall, t.people)
	for i, ftopic := range ft.Topics {
		t.topics = append(t.topics, p.topic(fmt.Sprintf("%s: topic %d", where, i+1), ftopic))
	}
	return t
}

// onCall puts the people of the on-call list first, in its order.
func (p *parser) onCall(where string, order []string, people []person) []person {
	var first []person
	for _, id := range order {
		i := slices.IndexFunc(people, func(o person) bool { return o.id == id })
		if i < 0 {
			p.complain("%s: on_call names %q, who is not one of its people or is named twice", where, id)
			continue
		}
		first = append(first, people[i])
		people = slices.Delete(people, i, i+1)
	}
	return append(first, people...)
}

func (p *parser) topic(where string, ft fileTopic) topic {
	t := topic{name: strings.TrimSpace(ft.Name)}
	if t.name == "" {
		p.complain("%s has no name", where)
	}
	for _, k := range ft.Keywords {
		words := strings.Fields(k)
		if len(words) == 0 {
			p.complain("%s has an empty keyword", where)
			continue
		}
		for i := range words {
			words[i] = regexp.QuoteMeta(words[i])
		}
		// A keyword stands between letters that are none, in any case.
		find, err := regexp.Compile(`(?i)(^|[^\pL\pN])` + strings.Join(words, `\s+`) + `($|[^\pL\pN])`)
		if err != nil {
			p.complain("%s: the keyword %q cannot be searched for", where, k)
			continue
		}
		t.keywords = append(t.keywords, keyword{strings.Join(strings.Fields(k), " "), find})
	}
	for _, text := range ft.Patterns {
		find, err := regexp.Compile(text)
		switch {
		case err != nil:
			p.complain("%s: the pattern %q is wrong: %v", where, text, err)
		case find.MatchString(""):
			p.complain("%s: the pattern %q fits every text", where, text)
		default:
			t.patterns = append(t.patterns, find)
		}
	}
	return t
}

// hours reads working hours; nil inherits those of the team.
func (p *parser) hours(where string, fh *fileHours, inherited hours) hours {
	if fh == nil {
		return inherited
	}
	zone := fh.Timezone
	if zone == "" {
		zone = p.file.Timezone
	}
	h := hours{set: true}
	var err error
	if h.zone, err = time.LoadLocation(zone); err != nil || zone == "Local" {
		p.complain("%s: there is no timezone %q; write one like Europe/Berlin", where, zone)
		h.zone = time.UTC
	}
	for _, name := range fh.Days {
		day, ok := weekday(name)
		if !ok {
			p.complain("%s: %q is no day; write mon, tue, wed, thu, fri, sat or sun", where, name)
			continue
		}
		h.days[day] = true
	}
	if len(fh.Days) == 0 {
		p.complain("%s: hours without days", where)
	}
	from, errFrom := clockMinutes(fh.From)
	to, errTo := clockMinutes(fh.To)
	if errFrom != nil || errTo != nil || from == to {
		p.complain("%s: hours want from and to like \"09:00\" and \"17:30\", got %q and %q", where, fh.From, fh.To)
	}
	h.from, h.to = from, to
	return h
}
