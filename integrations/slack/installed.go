package slack

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/agent/install"
	"github.com/sous-hq/sous/agent/people"
)

// system is what installations of the app are kept under.
const system = "slack"

// Installed is where the app was installed by its install page, as the store says,
// and who is who in each of these places. It is a people.Source for all of them.
type Installed struct {
	store install.Store
	base  DirectoryConfig

	mu  sync.Mutex
	all map[agent.WorkspaceID]*tenant
	// read is when the store was last asked.
	read time.Time
}

var _ people.Source = (*Installed)(nil)

// tenant is one installation, with its people and the token in force.
type tenant struct {
	install.Installation
	token *Token
	dir   *Directory
}

// NewInstalled returns a list that is empty until it is loaded. base says how the
// directories are made; its token, workspace and organisation are those of each
// installation.
func NewInstalled(store install.Store, base DirectoryConfig) *Installed {
	return &Installed{store: store, base: base, all: map[agent.WorkspaceID]*tenant{}}
}

// WorkspaceOf is whose turns come of an installation: each Slack workspace is one of
// its own, and so is an organisation that installed the app as a whole.
func WorkspaceOf(team string) agent.WorkspaceID { return agent.WorkspaceID(system + ":" + team) }

// Load reads the store: what came, what was renewed and what went, by whichever
// process.
func (i *Installed) Load(ctx context.Context) error {
	kept, err := i.store.Installations(ctx, system)
	if err != nil {
		return err
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	i.read = i.base.Clock()
	there := map[agent.WorkspaceID]bool{}
	for _, one := range kept {
		there[one.Workspace] = true
		i.put(one)
	}
	for ws := range i.all {
		if !there[ws] {
			delete(i.all, ws)
		}
	}
	return nil
}

// put takes in how an installation is now; the lock is held.
func (i *Installed) put(one install.Installation) {
	t := i.all[one.Workspace]
	if t == nil || t.Org != one.Org || t.Bot != one.Bot {
		t = &tenant{token: &Token{}}
		c := i.base
		c.Token, c.Workspace, c.Org = t.token, one.Workspace, ""
		if one.Org {
			c.Org = one.Team
		}
		t.dir = NewDirectory(c)
		i.all[one.Workspace] = t
	}
	t.Installation = one
	t.token.Set(one.Token.Reveal())
}

// Put takes in an installation that was just made or renewed.
func (i *Installed) Put(one install.Installation) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.put(one)
}

// List lists the installations, oldest first. Nothing that is done to them changes
// what is kept.
func (i *Installed) List() []install.Installation {
	var all []install.Installation
	for _, t := range i.tenants() {
		all = append(all, t.Installation)
	}
	return all
}

// tenants are copies, oldest first; token and directory are the ones in use.
func (i *Installed) tenants() []tenant {
	i.mu.Lock()
	defer i.mu.Unlock()
	var all []tenant
	for _, t := range i.all {
		all = append(all, *t)
	}
	slices.SortFunc(all, func(a, b tenant) int { return cmp.Or(a.At.Compare(b.At), strings.Compare(a.Team, b.Team)) })
	return all
}

func (i *Installed) tenant(ws agent.WorkspaceID) (tenant, bool) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if t := i.all[ws]; t != nil {
		return *t, true
	}
	return tenant{}, false
}

// again is how soon the store is asked once more for a workspace it did not know.
const again = 2 * time.Second

// directory is that of a workspace, which another process may have added just now;
// nil when nothing is installed there.
func (i *Installed) directory(ctx context.Context, ws agent.WorkspaceID) (*Directory, error) {
	if t, ok := i.tenant(ws); ok {
		return t.dir, nil
	}
	i.mu.Lock()
	due := strings.HasPrefix(string(ws), system+":") && i.base.Clock().Sub(i.read) > again
	i.mu.Unlock()
	if !due {
		return nil, nil //nolint:nilnil // there is none, which is no error
	}
	if err := i.Load(ctx); err != nil {
		return nil, agent.WrapError(agent.Unavailable, err, "where Sous is installed cannot be looked up")
	}
	t, _ := i.tenant(ws)
	return t.dir, nil
}

// Person implements people.Source.
func (i *Installed) Person(ctx context.Context, ws agent.WorkspaceID, id agent.ActorID) (people.Person, error) {
	d, err := i.directory(ctx, ws)
	switch {
	case err != nil:
		return people.Person{}, err
	case d == nil:
		return people.Person{}, agent.Errorf(agent.NotFound, "there is no person %s", id)
	}
	return d.Person(ctx, ws, id)
}

// Members implements people.Source.
func (i *Installed) Members(ctx context.Context, ws agent.WorkspaceID, group string) ([]people.Person, error) {
	d, err := i.directory(ctx, ws)
	if err != nil || d == nil {
		return nil, err
	}
	return d.Members(ctx, ws, group)
}
