package people_test

import (
	"fmt"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/agent/people"
)

func TestAnAccountElsewhereIsTheSameHumanWithTheSameSay(t *testing.T) {
	c := newClock()
	f, _ := open(t, c, `
people:
  - {id: ann, name: Ann, groups: [eng], owner: true, accounts: ["slack:T1:U1"]}
  - {id: bob, groups: [sre], away_until: 2026-03-09, accounts: ["slack:T1:U2", "mail:bob"]}
  - {id: old, active: false, groups: [sre], accounts: ["slack:T1:U3"]}
escalation:
  - {after: 4h, groups: [sre]}
  - {after: 24h, groups: [owners]}
`)
	for account, human := range map[agent.ActorID]agent.ActorID{"slack:T1:U1": "ann", "mail:bob": "bob", "slack:T1:U3": "old"} {
		p, err := f.Person(t.Context(), "acme", account)
		fatal(t, err)
		of, err := f.Person(t.Context(), "acme", human)
		fatal(t, err)
		if p.Human() != human || p.Active != of.Active || !p.AwayUntil.Equal(of.AwayUntil) || !slices.Equal(p.Groups, of.Groups) || p.Owner != of.Owner {
			t.Errorf("%s is %+v; %s is %+v", account, p, human, of)
		}
	}
	r := f.Roster()
	if r.Humans() != 2 {
		t.Errorf("%d people; want Ann and Bob", r.Humans())
	}
	if got := fmt.Sprint(r.Escalation()); got != "[{4h0m0s [sre]} {24h0m0s [owners]}]" {
		t.Errorf("escalation is %s", got)
	}
	if all := r.People(); len(all) != 7 || all[0].ID != "ann" || all[1].ID != "slack:T1:U1" || all[6].ID != "slack:T1:U3" {
		t.Errorf("people are %+v", all)
	}
}

func TestARefusedVersionIsToldOnceAndTheOneBeforeStays(t *testing.T) {
	c := newClock()
	f, path := open(t, c, team)
	var told []error
	f.Refused = func(err error) { told = append(told, err) }
	lookUp := func() {
		for range 5 {
			if _, err := f.Person(t.Context(), "acme", "ann"); err != nil {
				t.Fatal(err)
			}
		}
	}
	write(t, path, "people: [{id: ann, kind: king}]")
	lookUp()
	if len(told) != 1 || f.Broken() == nil {
		t.Errorf("told %v; broken: %v", told, f.Broken())
	}
	if f.Roster().Humans() != 2 {
		t.Errorf("%d people", f.Roster().Humans())
	}
	write(t, path, "people: [{id: ann, kind: queen}]")
	lookUp()
	fatal(t, os.Remove(path))
	lookUp()
	if len(told) != 3 {
		t.Errorf("told %v", told)
	}
	write(t, path, "people: [{id: ann}]")
	lookUp()
	if len(told) != 3 || f.Broken() != nil || f.Roster().Humans() != 1 {
		t.Errorf("told %v; broken: %v; %d people", told, f.Broken(), f.Roster().Humans())
	}
}

func TestOfAnAccountTwoDirectoriesKnowTheStricterWordCounts(t *testing.T) {
	c := newClock()
	first, _ := open(t, c, `people: [{id: ann, groups: [eng], owner: true, accounts: [u1]}, {id: bob, groups: [sre], accounts: [u2]}, {id: web}, {id: u4, active: false}]`)
	second, _ := open(t, c, `people: [{id: u1, name: Ann Keller, groups: [locked]}, {id: u2, active: false, groups: [sre]}, {id: u3, groups: [sre], away_until: 2026-03-09}, {id: u4}, {id: u5, kind: guest}]`)
	s := people.Over(first, second)
	known := func(id agent.ActorID) error {
		_, err := people.Known(t.Context(), s, agent.Actor{Workspace: "acme", ID: id}, c.now)
		return err
	}
	p, err := s.Person(t.Context(), "acme", "u1")
	if err != nil || p.Human() != "ann" || fmt.Sprint(p.Groups) != "[eng locked owners]" || !p.Owner || p.Name != "Ann Keller" {
		t.Errorf("u1 is %+v, %v", p, err)
	}
	for id, want := range map[agent.ActorID]bool{"u1": true, "web": true, "u3": true, "u2": false, "u4": false, "zed": false} {
		if err := known(id); (err == nil) != want {
			t.Errorf("%s: %v", id, err)
		}
	}
	in, err := s.Members(t.Context(), "acme", "sre")
	fatal(t, err)
	got := ""
	for _, p := range in {
		got += fmt.Sprintf("%s %t %t;", p.ID, p.Active, p.Away(c.now))
	}
	if got != "bob true false;u2 false false;u3 true true;" {
		t.Errorf("sre is %s", got)
	}
	// A guest there is no member here, whatever the file says.
	guest, _ := open(t, c, `people: [{id: u5, owner: true, groups: [sre]}]`)
	if p, err := people.Over(guest, second).Person(t.Context(), "acme", "u5"); err != nil || p.Kind != agent.Guest || p.Owner {
		t.Errorf("u5 is %+v, %v", p, err)
	}
	half := people.Over(first, failing{})
	if _, err := half.Person(t.Context(), "acme", "ann"); err == nil {
		t.Error("whether Ann may still use her account is not known")
	}
	if _, err := half.Members(t.Context(), "acme", "sre"); err == nil {
		t.Error("who is in the group is not known")
	}
	// What is stale in one is stale.
	stale := &clock{c.now.Add(-time.Hour)}
	old, _ := open(t, stale, `people: [{id: u1}]`)
	p, err = people.Over(first, old).Person(t.Context(), "acme", "u1")
	if err != nil || !p.AsOf.Equal(stale.now) {
		t.Errorf("as of %v, %v", p.AsOf, err)
	}
}
