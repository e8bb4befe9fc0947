package people_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/agent/people"
)

const team = `
people:
  - id: ann
    name: Ann
    groups: [eng, sre]
    owner: true
  - id: ann-phone
    same_as: ann
  - id: bob
    groups: [sre]
    away_until: 2026-03-09
  - id: gus
    kind: guest
  - id: bot
    kind: program
    groups: [sre]
  - id: eve
    groups: [leads]
    active: false
`

// clock is set by hand.
type clock struct{ now time.Time }

func (c *clock) Now() time.Time { return c.now }

func newClock() *clock { return &clock{time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)} }

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func fatal(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func open(t *testing.T, c *clock, text string) (*people.File, string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "people.yaml")
	write(t, path, text)
	f, err := people.OpenFile("acme", path, c.Now)
	if err != nil {
		t.Fatal(err)
	}
	return f, path
}

func TestAFileSaysWhoIsWho(t *testing.T) {
	c := newClock()
	f, _ := open(t, c, team)
	ask := func(id string) people.Person {
		p, err := f.Person(t.Context(), "acme", agent.ActorID(id))
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	if p := ask("ann"); p.Kind != agent.Member || !p.Owner || !p.Active || p.Name != "Ann" || fmt.Sprint(p.Groups) != "[eng sre owners]" || p.Workspace != "acme" || !p.AsOf.Equal(c.now) {
		t.Errorf("ann is %+v", p)
	}
	if p := ask("ann-phone"); p.Human() != "ann" {
		t.Errorf("the phone's human is %s", p.Human())
	}
	bob := ask("bob")
	if !bob.Away(c.now) || !bob.Away(time.Date(2026, 3, 9, 23, 59, 0, 0, time.UTC)) || bob.Away(time.Date(2026, 3, 10, 0, 0, 0, 0, time.UTC)) {
		t.Errorf("bob is away until %v", bob.AwayUntil)
	}
	if ask("gus").Kind != agent.Guest || ask("bot").Kind != agent.Program || ask("eve").Active {
		t.Error("kinds or activity are wrong")
	}
	if _, err := f.Person(t.Context(), "globex", "ann"); agent.KindOf(err) != agent.NotFound {
		t.Errorf("another workspace: %v", err)
	}
	all, err := f.Members(t.Context(), "acme", "sre")
	if err != nil || len(all) != 3 || all[0].ID != "ann" || all[1].ID != "bob" || all[2].ID != "bot" {
		t.Errorf("sre is %+v, %v", all, err)
	}
	if all, err := f.Members(t.Context(), "globex", "sre"); err != nil || len(all) != 0 {
		t.Errorf("another workspace's sre: %v, %v", all, err)
	}
}

func TestAFileNamesItsProblems(t *testing.T) {
	for _, tt := range []struct{ text, says string }{
		{"people: [{id: ann}, {id: ann}]", "twice"},
		{"people: [{name: Ann}]", "an id is required"},
		{"people: [{id: ann, kind: king}]", `kind "king"`},
		{"people: [{id: ann, kind: system}]", `kind "system"`},
		{"people: [{id: ann, grops: [x]}]", "grops"},
		{"people: [{id: ann, groups: [\" \"]}]", "no name"},
		{"people: [{id: ann, away_until: tomorrow}]", "no date"},
		{"people: [{id: ann, same_as: bob}]", "bob, who is not in the file"},
		{"people: [{id: a, same_as: b}, {id: b, same_as: a}]", "circle"},
		{"people: [{id: ann, accounts: [bob]}, {id: bob}]", "bob stands twice"},
		{"people: [{id: ann, accounts: [ann]}]", "ann stands twice"},
		{"people: [{id: ann, accounts: [\"\"]}]", "an id is required"},
		{"people: [{id: ann keller}]", "one word"},
		{"people: [{id: gus, kind: guest, owner: true}]", "only a member can be an owner"},
		{"workspace: globex\npeople: [{id: ann}]", "the people of globex, not of acme"},
		{"escalation: [{after: soon, groups: [a]}]", `"soon" is no duration`},
		{"escalation: [{after: -4h, groups: [a]}]", "no duration"},
		{"escalation: [{after: 721h, groups: [a]}]", "no duration"},
		{"escalation: [{after: 4h}]", "names no group"},
		{"escalation: [{after: 4h, groups: [a]}, {after: 4h, groups: [b]}]", "does not come after"},
		{"people: {", "people.yaml"},
		{"people: []\n---\npeople: []", "people.yaml"},
	} {
		_, err := people.Parse("acme", "people.yaml", []byte(tt.text))
		if agent.KindOf(err) != agent.Invalid || !strings.Contains(agent.PublicText(err), tt.says) {
			t.Errorf("%s: %v; want Invalid with %q", tt.text, err, tt.says)
		}
	}
	for _, text := range []string{
		"people: [{id: a, same_as: b}, {id: b, same_as: c}, {id: c}]",
		"people: [{id: a, accounts: [b], same_as: c}, {id: c}]",
		"people: [{id: c, accounts: [a, b]}]",
	} {
		chain, err := people.Parse("acme", "x", []byte(text))
		fatal(t, err)
		for _, id := range []agent.ActorID{"a", "b", "c"} {
			if p, ok := chain.Account(id); !ok || p.Human() != "c" {
				t.Errorf("%s: %s is %+v", text, id, p)
			}
		}
		if chain.Humans() != 1 {
			t.Errorf("%s: %d people", text, chain.Humans())
		}
	}
	if none, err := people.Parse("acme", "x", nil); err != nil || len(none.People()) != 0 {
		t.Errorf("an empty file: %v, %v", none, err)
	}
}

func TestAFileIsReadAgainAndGrowsOld(t *testing.T) {
	c := newClock()
	f, path := open(t, c, team)
	who := agent.Actor{Workspace: "acme", ID: "bob"}
	known := func() (people.Person, error) { return people.Known(t.Context(), f, who, c.now) }
	if p, err := known(); err != nil || len(p.Groups) != 1 {
		t.Fatalf("bob is %+v, %v", p, err)
	}
	write(t, path, "people: [{id: bob, groups: []}]")
	if p, err := known(); err != nil || len(p.Groups) != 0 {
		t.Errorf("after he left the group: %+v, %v", p, err)
	}
	for _, trouble := range []func(){
		func() { write(t, path, "people: {") },
		func() {
			if err := os.Remove(path); err != nil {
				t.Fatal(err)
			}
		},
	} {
		write(t, path, "people: [{id: bob, groups: [sre, x]}]")
		if _, err := known(); err != nil {
			t.Fatal(err)
		}
		trouble()
		c.now = c.now.Add(people.MaxAge)
		if _, err := known(); err != nil {
			t.Errorf("after %v: %v", people.MaxAge, err)
		}
		c.now = c.now.Add(time.Millisecond)
		if _, err := known(); agent.KindOf(err) != agent.Unavailable {
			t.Errorf("after more than %v: %v; want Unavailable", people.MaxAge, err)
		}
	}
}

// failing is a directory that cannot be reached.
type failing struct{ people.Sole }

func (failing) Person(context.Context, agent.WorkspaceID, agent.ActorID) (people.Person, error) {
	return people.Person{}, errors.New("dial tcp 10.0.0.7: refused")
}

func (failing) Members(context.Context, agent.WorkspaceID, string) ([]people.Person, error) {
	return nil, errors.New("dial tcp 10.0.0.7: refused")
}

func TestOnlyThoseInGoodStandingAreKnown(t *testing.T) {
	c := newClock()
	f, _ := open(t, c, team)
	sole := people.Sole{Owner: agent.Actor{Workspace: "local", ID: "owner", Kind: agent.Member, Owner: true, Groups: []string{"owners"}}, Clock: c.Now}
	for _, tt := range []struct {
		name   string
		source people.Source
		who    agent.Actor
		kind   agent.Kind
	}{
		{"a stranger", f, agent.Actor{Workspace: "acme", ID: "zed", Kind: agent.Member}, agent.Forbidden},
		{"a deactivated account", f, agent.Actor{Workspace: "acme", ID: "eve"}, agent.Forbidden},
		{"another workspace", f, agent.Actor{Workspace: "globex", ID: "ann"}, agent.Forbidden},
		{"somebody else in a workspace of one", sole, agent.Actor{Workspace: "local", ID: "bob", Kind: agent.Member, Owner: true}, agent.Forbidden},
		{"a directory that is away", failing{}, agent.Actor{Workspace: "acme", ID: "ann"}, agent.Unavailable},
	} {
		_, err := people.Known(t.Context(), tt.source, tt.who, c.now)
		if err == nil || agent.KindOf(err) != tt.kind || strings.Contains(agent.PublicText(err), "10.0.0.7") {
			t.Errorf("%s: %v; want %v", tt.name, err, tt.kind)
		}
	}
	// What a session claims is not what counts.
	p, err := people.Known(t.Context(), f, agent.Actor{Workspace: "acme", ID: "gus", Kind: agent.Member, Groups: []string{"sre"}, Owner: true}, c.now)
	if err != nil || p.Kind != agent.Guest || len(p.Groups) != 0 || p.Owner {
		t.Errorf("gus is %+v, %v", p, err)
	}
	if p, err := people.Known(t.Context(), sole, sole.Owner, c.now); err != nil || !p.Owner {
		t.Errorf("the owner is %+v, %v", p, err)
	}
	for group, want := range map[string]bool{"sre": false, "leads": true, "nobody": true} {
		if got := people.AllAway(t.Context(), f, "acme", group, c.now); got != want {
			t.Errorf("all of %s away: %v", group, got)
		}
	}
	if people.AllAway(t.Context(), failing{}, "acme", "sre", c.now) {
		t.Error("a directory that cannot say is no reason to go past a group")
	}
	if all, err := sole.Members(t.Context(), "local", "owners"); err != nil || len(all) != 1 {
		t.Errorf("owners are %v, %v", all, err)
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(team))
	f.Add([]byte("people: [{id: a, same_as: a}]"))
	f.Fuzz(func(t *testing.T, data []byte) {
		all, err := people.Parse("acme", "x", data)
		if err != nil {
			return
		}
		for _, p := range all.People() {
			if p.ID == "" || p.Workspace != "acme" || p.Kind == agent.System || p.Owner && p.Kind != agent.Member {
				t.Errorf("%+v", p)
			}
			if human, ok := all.Account(p.Human()); !ok || human.Person != "" {
				t.Errorf("%s is %s, who is no human of the file", p.ID, p.Human())
			}
		}
	})
}

func TestTheRecordTellsWhoIsAnotherAndInWhatAndNothingOfIt(t *testing.T) {
	c := newClock()
	f, path := open(t, c, team)
	var taken []*people.Roster
	f.Taken = func(r *people.Roster) { taken = append(taken, r) }
	was := people.Settings(f.Roster().People(), f.Roster().Escalation())
	for _, text := range []string{"people: [{id: ann, kind: king}]", "people: [{id: ann, name: Ann Keller, groups: [sre, law]}]\nescalation: [{after: 4h, groups: [law]}]"} {
		write(t, path, text)
		f.Roster()
		f.Roster()
	}
	if len(taken) != 1 {
		t.Fatalf("%d versions were taken over; want the right one, once", len(taken))
	}
	now := people.Settings(taken[0].People(), taken[0].Escalation())
	if now.Digest == was.Digest || now.Items["ann"] == "" || now.Items["ann"] == was.Items["ann"] || len(now.Items) != 2 {
		t.Errorf("Ann was %q and is %q of %v", was.Items["ann"], now.Items["ann"], now.Items)
	}
	if all := fmt.Sprint(now); strings.Contains(all, "law") || strings.Contains(all, "Keller") {
		t.Errorf("the record would hold %s", all)
	}
}
