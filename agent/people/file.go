package people

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"go.yaml.in/yaml/v4"

	"github.com/sous-hq/sous/agent"
)

// maxFile bounds a people file, in bytes.
const maxFile = 4 << 20

// The shape of a people file.
type (
	fileShape struct {
		People []filePerson `yaml:"people"`
	}
	filePerson struct {
		ID     string   `yaml:"id"`
		Name   string   `yaml:"name"`
		Kind   string   `yaml:"kind"`
		Groups []string `yaml:"groups"`
		Owner  bool     `yaml:"owner"`
		// Active is true when it is not said.
		Active *bool `yaml:"active"`
		// Away is the last day of an absence, YYYY-MM-DD, in UTC.
		Away string `yaml:"away_until"`
		// SameAs is the id of another account of the same human.
		SameAs string `yaml:"same_as"`
	}
)

// File is a directory in a YAML file, read again whenever it changes. When it can
// no longer be read, or no longer understood, what it said last grows old and
// after MaxAge counts as not known. It is safe for concurrent use.
type File struct {
	ws    agent.WorkspaceID
	path  string
	clock func() time.Time

	mu   sync.Mutex
	byID map[agent.ActorID]Person
	seen os.FileInfo
	asOf time.Time
}

var _ Source = (*File)(nil)

// OpenFile reads the people of a workspace. The error is of kind Invalid and
// names every problem of the file.
func OpenFile(ws agent.WorkspaceID, path string, clock func() time.Time) (*File, error) {
	if clock == nil {
		return nil, errors.New("people: a clock is required")
	}
	f := &File{ws: ws, path: path, clock: clock}
	f.mu.Lock()
	defer f.mu.Unlock()
	return f, f.refresh()
}

// Person implements Source.
func (f *File) Person(_ context.Context, ws agent.WorkspaceID, id agent.ActorID) (Person, error) {
	all := f.now()
	p, ok := all[id]
	if !ok || ws != f.ws {
		return Person{}, agent.Errorf(agent.NotFound, "there is no person %s", id)
	}
	return p, nil
}

// Members implements Source.
func (f *File) Members(_ context.Context, ws agent.WorkspaceID, group string) ([]Person, error) {
	var in []Person
	for _, p := range f.now() {
		if ws == f.ws && slices.Contains(p.Groups, group) {
			in = append(in, p)
		}
	}
	slices.SortFunc(in, func(a, b Person) int { return strings.Compare(string(a.ID), string(b.ID)) })
	return in, nil
}

// now returns the people, each with the time at which the file said so.
func (f *File) now() map[agent.ActorID]Person {
	f.mu.Lock()
	defer f.mu.Unlock()
	// A file that is broken now leaves what was known as old as it is.
	_ = f.refresh()
	all := make(map[agent.ActorID]Person, len(f.byID))
	for id, p := range f.byID {
		p.AsOf = f.asOf
		all[id] = p
	}
	return all
}

// refresh reads the file if it is another than the last one. The lock is held.
func (f *File) refresh() error {
	info, err := os.Stat(f.path)
	if err != nil {
		return agent.Errorf(agent.Invalid, "the people cannot be read: %w", err)
	}
	now := f.clock()
	if f.seen != nil && os.SameFile(f.seen, info) && f.seen.ModTime().Equal(info.ModTime()) && f.seen.Size() == info.Size() {
		f.asOf = now
		return nil
	}
	if info.Size() > maxFile {
		return agent.Errorf(agent.TooLarge, "%s is larger than %d MiB", f.path, maxFile>>20)
	}
	data, err := os.ReadFile(f.path)
	if err != nil {
		return agent.Errorf(agent.Invalid, "the people cannot be read: %w", err)
	}
	all, err := Parse(f.ws, f.path, data)
	if err != nil {
		return err
	}
	f.byID, f.seen, f.asOf = all, info, now
	return nil
}

// Parse reads people from YAML that was found at name. The error is of kind
// Invalid and names every problem.
func Parse(ws agent.WorkspaceID, name string, data []byte) (map[agent.ActorID]Person, error) {
	var shape fileShape
	if err := decode(data, &shape); err != nil {
		return nil, agent.Errorf(agent.Invalid, "%s: %s", name, strings.Join(strings.Fields(err.Error()), " "))
	}
	all := make(map[agent.ActorID]Person, len(shape.People))
	var wrong []string
	for i, e := range shape.People {
		p, problems := e.person(ws)
		if _, twice := all[p.ID]; twice && p.ID != "" {
			problems = append(problems, "this id stands twice")
		}
		for _, s := range problems {
			wrong = append(wrong, fmt.Sprintf("person %d (%s): %s", i+1, e.ID, s))
		}
		all[p.ID] = p
	}
	wrong = append(wrong, join(all)...)
	if len(wrong) > 0 {
		return nil, agent.Errorf(agent.Invalid, "%s: %s", name, strings.Join(wrong, "; "))
	}
	return all, nil
}

// decode reads one YAML document into the shape; none leaves it empty.
func decode(data []byte, shape *fileShape) error {
	if strings.TrimSpace(string(data)) == "" {
		return nil
	}
	var docs []yaml.Node
	if err := yaml.Load(data, &docs, yaml.WithAllDocuments()); err != nil {
		return err
	}
	if len(docs) > 1 {
		return errors.New("it holds more than one YAML document")
	}
	return yaml.Load(data, shape, yaml.WithKnownFields())
}

// person checks one entry.
func (e filePerson) person(ws agent.WorkspaceID) (p Person, wrong []string) {
	p.Actor = agent.Actor{
		Workspace: ws, ID: agent.ActorID(e.ID), Kind: agent.Member, Name: e.Name, Groups: e.Groups,
		Owner: e.Owner, Person: agent.ActorID(e.SameAs),
	}
	p.Active = e.Active == nil || *e.Active
	if strings.TrimSpace(e.ID) == "" {
		wrong = append(wrong, "an id is required")
	}
	switch e.Kind {
	case "", agent.Member.String():
	case agent.Guest.String():
		p.Kind = agent.Guest
	case agent.Program.String():
		p.Kind = agent.Program
	default:
		wrong = append(wrong, fmt.Sprintf("kind %q is none of member, guest, program", e.Kind))
	}
	for _, g := range e.Groups {
		if strings.TrimSpace(g) == "" {
			wrong = append(wrong, "a group has no name")
		}
	}
	if e.Away != "" {
		day, err := time.Parse(time.DateOnly, e.Away)
		if err != nil {
			wrong = append(wrong, fmt.Sprintf("away_until %q is no date like 2026-03-09", e.Away))
		}
		// The day itself is still away.
		p.AwayUntil = day.AddDate(0, 0, 1)
	}
	return p, wrong
}

// join follows each account to the human behind it, so that accounts of
// accounts are one person too.
func join(all map[agent.ActorID]Person) (wrong []string) {
	for id, p := range all {
		seen := map[agent.ActorID]bool{id: true}
		human := p.Person
		for human != "" {
			next, ok := all[human]
			switch {
			case !ok:
				wrong = append(wrong, fmt.Sprintf("%s: same_as names %s, who is not in the file", id, human))
			case seen[human]:
				wrong = append(wrong, fmt.Sprintf("%s: same_as goes round in a circle", id))
			case next.Person != "":
				seen[human] = true
				human = next.Person
				continue
			}
			break
		}
		p.Person = human
		all[id] = p
	}
	slices.Sort(wrong)
	return slices.Compact(wrong)
}
