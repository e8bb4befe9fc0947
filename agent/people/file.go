package people

import (
	"context"
	"errors"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/sous-hq/sous/agent"
)

// maxFile bounds a people file, in bytes.
const maxFile = 4 << 20

// The shape of a people file.
type (
	fileShape struct {
		// Workspace is whose people these are; "" leaves that to who reads the file.
		Workspace  string       `yaml:"workspace"`
		People     []filePerson `yaml:"people"`
		Escalation []fileStage  `yaml:"escalation"`
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
		// Accounts are ids the same human has elsewhere, with all that is said here.
		Accounts []string `yaml:"accounts"`
		// SameAs is the id of another entry for the same human.
		SameAs string `yaml:"same_as"`
	}
	fileStage struct {
		After  string   `yaml:"after"`
		Groups []string `yaml:"groups"`
	}
)

// Stage is where a decision goes that nobody has made.
type Stage struct {
	// After is how long after it was asked for.
	After time.Duration
	// Groups are those whose members may make it from then on.
	Groups []string
}

// Roster is what a people file says. It does not change.
type Roster struct {
	byID map[agent.ActorID]Person
	// order are the ids as they stand in the file, by the accounts of each.
	order      []agent.ActorID
	groups     map[string][]agent.ActorID // sorted
	escalation []Stage
}

// People returns all accounts, in the order of the file.
func (r *Roster) People() []Person {
	all := make([]Person, 0, len(r.order))
	for _, id := range r.order {
		all = append(all, r.byID[id])
	}
	return all
}

// Account returns what the file says of one account; ok is false when it does not
// name it.
func (r *Roster) Account(id agent.ActorID) (p Person, ok bool) {
	p, ok = r.byID[id]
	return p, ok
}

// Escalation returns where decisions go that nobody has made, soonest first.
func (r *Roster) Escalation() []Stage { return slices.Clone(r.escalation) }

// Humans counts the different people who are members and may use their accounts.
func (r *Roster) Humans() int {
	all := map[agent.ActorID]bool{}
	for _, p := range r.byID {
		if p.Kind == agent.Member && p.Active {
			all[p.Human()] = true
		}
	}
	return len(all)
}

// File is a directory in a YAML file, read again whenever it changes. When it can
// no longer be read, or no longer understood, what it said last grows old and
// after MaxAge counts as not known. It is safe for concurrent use.
type File struct {
	ws    agent.WorkspaceID
	path  string
	clock func() time.Time
	// Refused, when set, is told of each version that was not taken over. It is
	// set before the file is used and returns at once.
	Refused func(error)
	// Taken, when set, is told of each version that was taken over since the file was
	// opened. It is set before the file is used and returns at once.
	Taken func(*Roster)

	mu     sync.Mutex
	roster *Roster
	seen   os.FileInfo // of the version that was read last, or refused
	asOf   time.Time
	broken error // why the version that is there was refused
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
	r, asOf := f.now()
	p, ok := r.byID[id]
	if !ok || ws != f.ws {
		return Person{}, agent.Errorf(agent.NotFound, "there is no person %s", id)
	}
	p.AsOf = asOf
	return p, nil
}

// Members implements Source.
func (f *File) Members(_ context.Context, ws agent.WorkspaceID, group string) ([]Person, error) {
	r, asOf := f.now()
	if ws != f.ws {
		return nil, nil
	}
	var in []Person
	for _, id := range r.groups[group] {
		p := r.byID[id]
		p.AsOf = asOf
		in = append(in, p)
	}
	return in, nil
}

// List implements Lister.
func (f *File) List(_ context.Context, ws agent.WorkspaceID) ([]Person, error) {
	r, asOf := f.now()
	if ws != f.ws {
		return nil, nil
	}
	all := r.People()
	for i := range all {
		all[i].AsOf = asOf
	}
	return all, nil
}

// Roster returns what the file says now, or what it said when it could last be
// read.
func (f *File) Roster() *Roster {
	r, _ := f.now()
	return r
}

// Broken returns why the version of the file that is there now is not in force,
// nil when it is.
func (f *File) Broken() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.look()
}

// now returns what the file says, and when it was last known to say so.
func (f *File) now() (*Roster, time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	// A file that is broken now leaves what was known as old as it is.
	_ = f.look()
	return f.roster, f.asOf
}

// look refreshes and tells of a version that is refused, once. The lock is held.
func (f *File) look() error {
	err := f.refresh()
	if err != nil && (f.broken == nil || f.broken.Error() != err.Error()) && f.Refused != nil {
		f.Refused(err)
	}
	f.broken = err
	return err
}

// refresh reads the file if it is another than the last one. The lock is held.
func (f *File) refresh() error {
	info, err := os.Stat(f.path)
	if err != nil {
		f.seen = nil
		return agent.Errorf(agent.Invalid, "the people cannot be read: %w", err)
	}
	now := f.clock()
	if f.seen != nil && os.SameFile(f.seen, info) && f.seen.ModTime().Equal(info.ModTime()) && f.seen.Size() == info.Size() {
		if f.broken == nil {
			f.asOf = now
		}
		return f.broken
	}
	if info.Size() > maxFile {
		return agent.Errorf(agent.TooLarge, "%s is larger than %d MiB", f.path, maxFile>>20)
	}
	data, err := os.ReadFile(f.path)
	if err != nil {
		return agent.Errorf(agent.Invalid, "the people cannot be read: %w", err)
	}
	// A version that is refused is not read again until it changes.
	f.seen = info
	r, err := Parse(f.ws, f.path, data)
	if err != nil {
		return err
	}
	f.roster, f.asOf = r, now
	if f.Taken != nil {
		f.Taken(r)
	}
	return nil
}
