package main

import (
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/agent/approval"
	"github.com/sous-hq/sous/agent/people"
	"github.com/sous-hq/sous/integrations/api"
	"github.com/sous-hq/sous/integrations/web"
	"github.com/sous-hq/sous/internal/config"
	"github.com/sous-hq/sous/internal/redact"
)

// workspace is the one workspace of an installation.
const workspace agent.WorkspaceID = "local"

// owner is who an installation belongs to that names nobody else.
func owner(cfg config.Config) agent.Actor {
	return agent.Actor{
		Workspace: workspace, ID: "owner", Kind: agent.Member,
		Name: cfg.Owner, Groups: []string{people.Owners}, Owner: true,
	}
}

// peopleParts are who belongs to the workspace.
type peopleParts struct {
	// source knows everybody; file is nil when no people file is named.
	source people.Source
	file   *people.File
	names  nameList
	// taken are the versions of the file that have to be recorded.
	taken rosters
}

// openPeople reads the people file; nil when none is named. Without an owner, or
// somebody who works at this machine, it is refused.
func openPeople(cfg config.Config) (*people.File, error) {
	if cfg.PeopleFile == "" {
		return nil, nil //nolint:nilnil // there is none, which is no error
	}
	f, err := people.OpenFile(workspace, cfg.PeopleFile, now)
	if err != nil {
		return nil, err
	}
	r := f.Roster()
	var wrong []string
	if !slices.ContainsFunc(r.People(), func(p people.Person) bool { return p.Owner && p.Active }) {
		wrong = append(wrong, "nobody is an owner (`owner: true`)")
	}
	if p, ok := r.Account(agent.ActorID(cfg.Operator)); !ok || p.Kind != agent.Member {
		wrong = append(wrong, fmt.Sprintf("no member has the id %q, whom commands on this machine act for; add them, or name another operator (SOUS_OPERATOR)", cfg.Operator))
	}
	if len(wrong) > 0 {
		return nil, agent.Errorf(agent.Invalid, "%s: %s", cfg.PeopleFile, strings.Join(wrong, "; "))
	}
	return f, nil
}

// joinPeople makes the directory of all who belong to the workspace: those of the
// people file, or else the owner alone, and Slack's when Slack is set up.
func (a *app) joinPeople() error {
	f, err := openPeople(a.cfg)
	if err != nil {
		return err
	}
	a.people.file = f
	if f != nil {
		a.people.taken.some = make(chan struct{}, 1)
		f.Taken = a.people.taken.taken
	}
	if names := a.redacted(); names != nil {
		a.log = slog.New(redact.NewHandler(a.log.Handler(), names))
	}
	switch {
	case f == nil:
		sole := people.Sole{Owner: owner(a.cfg), Clock: now}
		if a.people.source = sole; a.slack.people != nil {
			a.people.source = people.Join(sole, a.slack.people)
		}
		return nil
	case a.slack.people != nil:
		a.people.source = people.Over(f, a.slack.people)
	default:
		a.people.source = f
	}
	f.Refused = func(err error) {
		a.log.Error("people file refused, who was known stays known for a while", slog.Duration("while", people.MaxAge), slog.Any("err", err))
	}
	return nil
}

// sole reports whether the workspace has one person, who then decides alone.
func (a *app) sole() bool { return soleOf(a.cfg, a.people.file) }

func soleOf(cfg config.Config, f *people.File) bool {
	return !cfg.Slack.IsSet() && (f == nil || f.Roster().Humans() <= 1)
}

// escalation is where approvals go that nobody has decided.
func (p *peopleParts) escalation() []approval.Stage {
	if p.file == nil {
		return nil
	}
	var chain []approval.Stage
	for _, s := range p.file.Roster().Escalation() {
		chain = append(chain, approval.Stage{After: s.After, Groups: s.Groups})
	}
	return chain
}

// operator is whom commands on this machine act for, as the directory knows them.
func (a *app) operator() (agent.Actor, error) { return a.known(agent.ActorID(a.cfg.Operator)) }

// known is somebody of the people file, or the owner where there is none.
func (a *app) known(id agent.ActorID) (agent.Actor, error) {
	if a.people.file == nil {
		return owner(a.cfg), nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	p, err := people.Known(ctx, a.people.source, agent.Actor{Workspace: workspace, ID: id}, now())
	return p.Actor, err
}

// operatorOf is the operator by the people file alone, for commands that run
// nothing.
func operatorOf(cfg config.Config) (agent.Actor, error) {
	f, err := openPeople(cfg)
	if err != nil || f == nil {
		return owner(cfg), err
	}
	p, err := people.Known(context.Background(), f, agent.Actor{Workspace: workspace, ID: agent.ActorID(cfg.Operator)}, now())
	return p.Actor, err
}

// signedIn is who a signed-in browser is.
func (a *app) signedIn(s web.Session) (agent.Actor, error) {
	if s.Person == "" {
		return a.operator()
	}
	if a.people.file == nil {
		return agent.Actor{}, agent.Errorf(agent.Forbidden, "this Sous belongs to its owner alone")
	}
	return a.known(s.Person)
}

// signIn lets people sign in with tokens of their own. The operator's token goes
// into what sessions are signed with: it lies outside the store.
func (a *app) signIn(secret string) people.SignIn {
	return people.SignIn{Tokens: a.db, Workspace: workspace, Secret: []byte(secret)}
}

// People implements api.Access.
func (s service) People(ctx context.Context, by agent.Actor) ([]api.Person, error) {
	if by.Kind != agent.Member {
		return nil, agent.Errorf(agent.Forbidden, "only members of the workspace may see who else is")
	}
	issued := map[agent.ActorID]time.Time{}
	all, err := s.app.db.AllTokens(ctx, by.Workspace)
	if err != nil {
		return nil, err
	}
	for _, t := range all {
		issued[t.Person] = t.Issued
	}
	var out []api.Person
	for _, p := range s.app.everybody() {
		if p.Workspace != by.Workspace {
			continue
		}
		out = append(out, api.Person{Actor: p.Actor, Active: p.Active, AwayUntil: p.AwayUntil, SignIn: issued[p.ID]})
	}
	return out, nil
}

// everybody are the accounts of the people file, or the owner.
func (a *app) everybody() []people.Person {
	if a.people.file == nil {
		return []people.Person{{Actor: owner(a.cfg), Active: true, AsOf: now()}}
	}
	return a.people.file.Roster().People()
}

// IssueToken implements api.Access.
func (s service) IssueToken(ctx context.Context, by agent.Actor, person agent.ActorID) (api.Issued, error) {
	a := s.app
	if by.Workspace != workspace {
		return api.Issued{}, agent.Errorf(agent.NotFound, "there is no %s", person)
	}
	if a.people.file == nil {
		return api.Issued{}, agent.Errorf(agent.Conflict, "this Sous belongs to its owner alone; name the others in a people file (SOUS_PEOPLE_FILE)")
	}
	p, ok := a.people.file.Roster().Account(person)
	switch {
	case !ok:
		return api.Issued{}, agent.Errorf(agent.NotFound, "there is no %s in %s", person, filepath.Base(a.cfg.PeopleFile))
	case !p.Active:
		return api.Issued{}, agent.Errorf(agent.Conflict, "the account of %s is deactivated", person)
	case p.Kind == agent.Program:
		return api.Issued{}, agent.Errorf(agent.Conflict, "%s is a program, and programs do not sign in", person)
	case p.Human() != p.ID:
		return api.Issued{}, agent.Errorf(agent.Conflict, "%s is an account of %s, who signs in as that", person, p.Human())
	}
	token, err := a.signIn("").Issue(ctx, by, person)
	return api.Issued{Person: person, Token: token, Address: a.address}, err
}

// RevokeToken implements api.Access.
func (s service) RevokeToken(ctx context.Context, by agent.Actor, person agent.ActorID) error {
	return s.app.signIn("").Revoke(ctx, by, person)
}

// nameList is the names of the people as redaction knows them, made again when
// the people file says something else.
type nameList struct {
	mu  sync.Mutex
	of  *people.Roster
	all *redact.Directory
}

// redacted are the names that are masked; nil when they are not.
func (a *app) redacted() *redact.Directory {
	if !a.cfg.RedactNames {
		return nil
	}
	var now *people.Roster
	if a.people.file != nil {
		now = a.people.file.Roster()
	}
	l := &a.people.names
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.all == nil || l.of != now {
		var names []string
		for _, p := range a.everybody() {
			names = append(names, p.Name)
		}
		l.of, l.all = now, redact.Names(names...)
	}
	return l.all
}
