package people

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode"

	"go.yaml.in/yaml/v4"

	"github.com/sous-hq/sous/agent"
)

// Owners is the policy group every owner is in.
const Owners = "owners"

const (
	maxID    = 200 // bytes
	maxAfter = 30 * 24 * time.Hour
)

// Parse reads people from YAML that was found at name. The error is of kind
// Invalid and names every problem.
func Parse(ws agent.WorkspaceID, name string, data []byte) (*Roster, error) {
	var shape fileShape
	if err := decode(data, &shape); err != nil {
		return nil, agent.Errorf(agent.Invalid, "%s: %s", name, strings.Join(strings.Fields(err.Error()), " "))
	}
	c := &rosterChecker{ws: ws, Roster: Roster{byID: map[agent.ActorID]Person{}, groups: map[string][]agent.ActorID{}}}
	if shape.Workspace != "" && shape.Workspace != string(ws) {
		c.problem("workspace: these are the people of %s, not of %s", shape.Workspace, ws)
	}
	for i, e := range shape.People {
		c.person(fmt.Sprintf("person %d (%s)", i+1, e.ID), e)
	}
	c.join()
	for i, s := range shape.Escalation {
		c.stage(fmt.Sprintf("escalation %d", i+1), s)
	}
	if len(c.problems) > 0 {
		return nil, agent.Errorf(agent.Invalid, "%s: %s", name, strings.Join(c.problems, "; "))
	}
	for _, id := range slices.Sorted(maps.Keys(c.byID)) {
		for _, g := range c.byID[id].Groups {
			c.groups[g] = append(c.groups[g], id)
		}
	}
	return &c.Roster, nil
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

// rosterChecker gathers people and problems.
type rosterChecker struct {
	Roster
	ws       agent.WorkspaceID
	problems []string
}

func (c *rosterChecker) problem(format string, args ...any) {
	c.problems = append(c.problems, fmt.Sprintf(format, args...))
}

// person takes in one entry and its accounts.
func (c *rosterChecker) person(where string, e filePerson) {
	p := Person{Actor: agent.Actor{
		Workspace: c.ws, ID: agent.ActorID(e.ID), Kind: agent.Member, Name: strings.TrimSpace(e.Name), Groups: e.Groups,
		Owner: e.Owner, Person: agent.ActorID(e.SameAs),
	}}
	p.Active = e.Active == nil || *e.Active
	switch e.Kind {
	case "", agent.Member.String():
	case agent.Guest.String():
		p.Kind = agent.Guest
	case agent.Program.String():
		p.Kind = agent.Program
	default:
		c.problem("%s: kind %q is none of member, guest, program", where, e.Kind)
	}
	for _, g := range e.Groups {
		if strings.TrimSpace(g) == "" {
			c.problem("%s: a group has no name", where)
		}
	}
	switch {
	case e.Owner && p.Kind != agent.Member:
		c.problem("%s: only a member can be an owner", where)
	case e.Owner && !slices.Contains(p.Groups, Owners):
		p.Groups = append(slices.Clone(p.Groups), Owners)
	}
	if e.Away != "" {
		day, err := time.Parse(time.DateOnly, e.Away)
		if err != nil {
			c.problem("%s: away_until %q is no date like 2026-03-09", where, e.Away)
		}
		// The day itself is still away.
		p.AwayUntil = day.AddDate(0, 0, 1)
	}
	c.account(where, p)
	if p.Person == "" {
		p.Person = p.ID
	}
	for _, id := range e.Accounts {
		p.ID = agent.ActorID(id)
		c.account(where, p)
	}
}

// account takes in one id of a person.
func (c *rosterChecker) account(where string, p Person) {
	id := string(p.ID)
	switch _, twice := c.byID[p.ID]; {
	case strings.TrimSpace(id) == "":
		c.problem("%s: an id is required", where)
		return
	case len(id) > maxID || strings.ContainsFunc(id, func(r rune) bool { return unicode.IsSpace(r) || !unicode.IsPrint(r) }):
		c.problem("%s: an id is one word of at most %d characters", where, maxID)
		return
	case twice:
		c.problem("%s: the id %s stands twice", where, id)
		return
	}
	c.byID[p.ID] = p
	c.order = append(c.order, p.ID)
}

// join follows each account to the human behind it, so that accounts of
// accounts are one person too.
func (c *rosterChecker) join() {
	var wrong []string
	for id, p := range c.byID {
		seen := map[agent.ActorID]bool{id: true}
		human := p.Person
		for human != "" {
			next, ok := c.byID[human]
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
		c.byID[id] = p
	}
	slices.Sort(wrong)
	c.problems = append(c.problems, slices.Compact(wrong)...)
}

// stage takes in one step of the escalation; each comes after the one before.
func (c *rosterChecker) stage(where string, s fileStage) {
	after, err := time.ParseDuration(s.After)
	before := time.Duration(0)
	if n := len(c.escalation); n > 0 {
		before = c.escalation[n-1].After
	}
	switch {
	case err != nil || after <= 0 || after > maxAfter:
		c.problem("%s: after %q is no duration from 1ns to 720h, such as 4h", where, s.After)
	case after <= before:
		c.problem("%s: after %s does not come after %s", where, s.After, before)
	}
	if len(s.Groups) == 0 || slices.ContainsFunc(s.Groups, func(g string) bool { return strings.TrimSpace(g) == "" }) {
		c.problem("%s: it names no group", where)
	}
	c.escalation = append(c.escalation, Stage{After: after, Groups: slices.Clone(s.Groups)})
}
