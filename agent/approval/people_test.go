package approval_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/agent/approval"
)

// does is what somebody does at a time.
func does(by agent.Actor, when time.Time) approval.Change { return approval.Change{By: by, At: when} }

func in(id string, groups ...string) agent.Actor {
	a := member(id)
	a.Groups = groups
	return a
}

// account is another account of a human.
func account(id, human string, groups ...string) agent.Actor {
	a := in(id, groups...)
	a.Person = agent.ActorID(human)
	return a
}

// askedOf is ann's request to the groups, as many of whom have to say yes.
func askedOf(quorum int, groups ...string) approval.Approval {
	a := asked()
	a.Quorum, a.Approvers = quorum, groups
	return a
}

func must(t *testing.T) func(approval.Approval, error) approval.Approval {
	return func(a approval.Approval, err error) approval.Approval {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return a
	}
}

func TestOnlyTheNamedGroupsDecide(t *testing.T) {
	a := askedOf(1, "sre", "leads")
	for _, tt := range []struct {
		by   agent.Actor
		fail bool
		says string
	}{
		{in("bob", "sre"), false, ""},
		{in("bob", "eng", "leads"), false, ""},
		{in("bob"), true, "only members of leads, sre can decide this"},
		{in("bob", "eng"), true, "only members of leads, sre"},
		{in("ann", "sre"), true, "your own request"},
		{account("ann-phone", "ann", "sre"), true, "your own request"},
	} {
		wantError(t, a.MayDecide(tt.by), tt.fail, agent.Forbidden, tt.says)
		_, err := a.Approve(tt.by, start())
		wantError(t, err, tt.fail, agent.Forbidden, tt.says)
	}
	// The link may be known on the requester's side only.
	linked := a.WithRequester(account("ann", "human-7"))
	wantError(t, linked.MayDecide(account("ann2", "human-7", "sre")), true, agent.Forbidden, "your own request")
	wantError(t, a.WithRequester(account("eve", "bob")).MayDecide(in("bob", "sre")), false, 0, "")
}

func TestAQuorumIsDifferentPeople(t *testing.T) {
	bob, cat := in("bob", "sre"), in("cat", "sre")
	a := must(t)(askedOf(2, "sre").Approve(bob, start()))
	if a.State != approval.Asked || len(a.Votes) != 1 || a.DecidedBy != "" || a.Waits(bob, start()) || !a.Waits(cat, start()) {
		t.Fatalf("after one of two: %+v", a)
	}
	for _, again := range []agent.Actor{bob, account("bob-phone", "bob", "sre")} {
		_, err := a.Approve(again, start())
		wantError(t, err, true, agent.Conflict, "1 of 2")
	}
	_, err := a.Spend("d1", start())
	wantError(t, err, true, agent.Conflict, "has not been decided")
	a = must(t)(a.Approve(cat, start().Add(time.Minute)))
	if a.State != approval.Approved || a.DecidedBy != "cat" || !a.DecidedAt.Equal(start().Add(time.Minute)) {
		t.Fatalf("after two of two: %+v", a)
	}
	_, err = a.Approve(in("dan", "sre"), start())
	wantError(t, err, true, agent.Conflict, "CAT already approved this, at 2026-03-02T09:01:00Z")

	a = must(t)(askedOf(3, "sre").Approve(bob, start()))
	if a = must(t)(a.Deny(cat, "no", start())); a.State != approval.Denied {
		t.Errorf("one no leaves it %s", a.State)
	}
	a = must(t)(askedOf(2, "sre").Approve(bob, start()))
	if a = must(t)(a.Deny(bob, "I was wrong", start())); a.State != approval.Denied {
		t.Errorf("a yes taken back leaves it %s", a.State)
	}
	sole := askedOf(2)
	sole.Sole = true
	owner := in("ann")
	owner.Owner = true
	if a = must(t)(sole.Approve(owner, start())); a.State != approval.Approved {
		t.Errorf("the sole owner's yes leaves it %s", a.State)
	}
}

func TestTheSameDeliveryAgainChangesNothing(t *testing.T) {
	bob := member("bob")
	yes := approval.Decision{By: bob, Yes: true, Event: "click-1", At: start()}
	a := must(t)(asked().Decide(yes))
	again := must(t)(a.Decide(yes))
	if asJSON(t, a) != asJSON(t, again) {
		t.Errorf("changed to %s", asJSON(t, again))
	}
	for _, other := range []approval.Decision{
		{By: bob, Yes: true, Event: "click-2", At: start()},
		{By: bob, Yes: true, At: start()},
		{By: bob, Event: "click-1", At: start()},
		{By: member("cat"), Yes: true, Event: "click-1", At: start()},
	} {
		_, err := a.Decide(other)
		wantError(t, err, true, agent.Conflict, "BOB already approved")
	}
	no := approval.Decision{By: bob, Event: "click-3", Comment: "no", At: start()}
	a = must(t)(asked().Decide(no))
	must(t)(a.Decide(no))
	_, err := a.Decide(approval.Decision{By: bob, Event: "click-4", At: start()})
	wantError(t, err, true, agent.Conflict, "BOB already denied")
}

func TestASayIsHandedOnOnce(t *testing.T) {
	bob, cat, dan := in("bob", "sre"), in("cat"), in("dan")
	a := must(t)(askedOf(1, "sre").Delegate(does(bob, start()), cat))
	wantError(t, a.MayDecide(cat), false, 0, "")
	wantError(t, a.MayDecide(bob), true, agent.Forbidden, "you handed this to CAT")
	wantError(t, a.MayDecide(dan), true, agent.Forbidden, "only members of sre")
	a = must(t)(a.Delegate(does(cat, start()), dan))
	wantError(t, a.MayDecide(cat), true, agent.Forbidden, "handed")
	wantError(t, a.MayDecide(dan), false, 0, "")
	// It is the human who gives and gets it, whatever account they use.
	phone := account("bob-phone", "bob")
	phone.Groups = []string{"sre"}
	wantError(t, a.MayDecide(phone), true, agent.Forbidden, "you handed this to CAT")
	wantError(t, a.MayDecide(account("dan-phone", "dan")), false, 0, "")
	b := must(t)(askedOf(1, "sre").Delegate(does(phone, start()), account("cat-phone", "cat")))
	wantError(t, b.MayDecide(bob), true, agent.Forbidden, "you handed this")
	wantError(t, b.MayDecide(cat), false, 0, "")

	guest := in("gus")
	guest.Kind = agent.Guest
	elsewhere := in("eve")
	elsewhere.Workspace = "globex"
	voted := must(t)(askedOf(2, "sre").Approve(in("eli", "sre"), start()))
	confirmation := asked()
	confirmation.Kind = approval.ByRequester
	sole := asked()
	sole.Sole = true
	owner := in("ann")
	owner.Owner = true
	for _, tt := range []struct {
		name     string
		a        approval.Approval
		from, to agent.Actor
		kind     agent.Kind
	}{
		{"to the requester", askedOf(1, "sre"), bob, in("ann"), agent.Forbidden},
		{"to the requester's other account", askedOf(1, "sre"), bob, account("x", "ann"), agent.Forbidden},
		{"to a guest", askedOf(1, "sre"), bob, guest, agent.Forbidden},
		{"to another workspace", askedOf(1, "sre"), bob, elsewhere, agent.Forbidden},
		{"to oneself", askedOf(1, "sre"), bob, bob, agent.Invalid},
		{"by somebody without a say", askedOf(1, "sre"), cat, dan, agent.Forbidden},
		{"by the requester", askedOf(1), in("ann"), dan, agent.Forbidden},
		{"to somebody who has voted", voted, bob, in("eli", "sre"), agent.Conflict},
		{"by somebody who has voted", voted, in("eli", "sre"), dan, agent.Conflict},
		{"back round", a, dan, bob, agent.Conflict},
		{"of a confirmation", confirmation, in("ann"), bob, agent.Forbidden},
		{"of one's own request, alone", sole, owner, bob, agent.Forbidden},
		{"of what is decided", must(t)(askedOf(1, "sre").Approve(bob, start())), bob, dan, agent.Conflict},
	} {
		_, err := tt.a.Delegate(does(tt.from, start()), tt.to)
		if err == nil || agent.KindOf(err) != tt.kind {
			t.Errorf("%s: %v; want %v", tt.name, err, tt.kind)
		}
	}
}

func TestAnEditClosesWhatWasAsked(t *testing.T) {
	a := asked()
	a.Call.Args = []byte(`{"amount":10}`)
	digest, err := a.Call.Digest()
	if err != nil {
		t.Fatal(err)
	}
	a.Digest = digest
	args := []byte(`{"amount":20}`)
	for _, by := range []agent.Actor{member("ann"), member("bob")} {
		e := must(t)(a.Edit(does(by, start()), args))
		if e.State != approval.Superseded || string(e.Edited) != string(args) || e.DecidedBy != by.ID || e.Outdated() {
			t.Errorf("edited by %s: %+v", by.ID, e)
		}
		_, err := e.Spend(digest, start())
		wantError(t, err, true, agent.Conflict, "already changed this")
		_, err = e.Approve(member("cat"), start())
		wantError(t, err, true, agent.Conflict, strings.ToUpper(string(by.ID))+" already changed this")
	}
	_, err = a.Edit(does(member("bob"), start()), []byte(`{ "amount": 10 }`))
	wantError(t, err, true, agent.Invalid, "already")
	_, err = a.Edit(does(member("bob"), start()), []byte(`{`))
	wantError(t, err, true, agent.Invalid, "not JSON")
	_, err = askedOf(1, "sre").Edit(does(member("bob"), start()), args)
	wantError(t, err, true, agent.Forbidden, "only members of sre")
	_, err = a.Edit(does(member("bob"), a.Expires), args)
	wantError(t, err, true, agent.Expired, "expired")

	// Whoever wrote the arguments does not approve them.
	a.Editor = "bob"
	wantError(t, a.MayDecide(member("bob")), true, agent.Forbidden, "you wrote these arguments")
	wantError(t, a.MayDecide(account("bob2", "bob")), true, agent.Forbidden, "you wrote these arguments")
	// An account linked since then is theirs too.
	phone := a
	phone.Editor = "bob-phone"
	wantError(t, phone.WithEditor(account("bob-phone", "bob")).MayDecide(member("bob")), true, agent.Forbidden, "you wrote these arguments")
	wantError(t, a.MayDecide(member("cat")), false, 0, "")
}

func TestQuestionsAreForThoseConcerned(t *testing.T) {
	a := must(t)(askedOf(1, "sre").Say(does(in("bob", "sre"), start()), " Why now? "))
	a = must(t)(a.Say(does(member("ann"), start()), "The build is red."))
	if len(a.Notes) != 2 || a.Notes[0].Text != "Why now?" || a.Notes[1].By != "ann" || a.State != approval.Asked {
		t.Errorf("notes %+v", a.Notes)
	}
	_, err := a.Say(does(member("cat"), start()), "me too")
	wantError(t, err, true, agent.Forbidden, "only members of sre")
	_, err = a.Say(does(member("ann"), start()), " ")
	wantError(t, err, true, agent.Invalid, "nothing")
	_, err = a.Say(does(member("ann"), start()), strings.Repeat("x", 4001))
	wantError(t, err, true, agent.TooLarge, "at most")
}

func TestWhatIsWithdrawnRunsNothing(t *testing.T) {
	for _, a := range []approval.Approval{asked(), must(t)(asked().Approve(member("bob"), start()))} {
		w := must(t)(a.Withdraw("The request is over.", start()))
		_, err := w.Approve(member("cat"), start())
		wantError(t, err, true, agent.Conflict, "nothing waits")
		_, err = w.Spend("d1", start())
		wantError(t, err, true, agent.Conflict, "nothing waits")
		_, err = w.Withdraw("", start())
		wantError(t, err, true, agent.Conflict, "nothing waits")
	}
}

// people knows these actors.
func people(all ...agent.Actor) map[agent.ActorID]agent.Actor {
	known := map[agent.ActorID]agent.Actor{}
	for _, a := range all {
		known[a.ID] = a
	}
	return known
}

func TestAYesIsCheckedAgainBeforeItRuns(t *testing.T) {
	ann, bob, cat := member("ann"), in("bob", "sre"), in("cat", "sre")
	base := askedOf(2, "sre")
	base.Definition, base.Version = "t1", "v1"
	base = must(t)(must(t)(base.Approve(bob, start())).Approve(cat, start()))
	asks := agent.Verdict{Ruling: agent.Ask, Approvers: []string{"sre"}, Quorum: 2}
	good := approval.Check{Definition: "t1", Version: "v1", Verdict: asks, People: people(ann, bob, cat)}
	guest := cat
	guest.Kind = agent.Guest
	for _, tt := range []struct {
		name string
		with func(a *approval.Approval, c *approval.Check)
		kind agent.Kind
		says string
	}{
		{"another definition", func(_ *approval.Approval, c *approval.Check) { c.Definition = "t2" }, agent.Conflict, "definition has changed"},
		{"another version", func(_ *approval.Approval, c *approval.Check) { c.Version = "v2" }, agent.Conflict, "touches has changed"},
		{"more approvals asked", func(_ *approval.Approval, c *approval.Check) { c.Verdict.Quorum = 3 }, agent.Conflict, "more approvals"},
		{"other groups asked", func(_ *approval.Approval, c *approval.Check) { c.Verdict.Approvers = []string{"leads"} }, agent.Conflict, "other people"},
		{"another person asked", func(a *approval.Approval, _ *approval.Check) { a.Kind = approval.ByRequester }, agent.Conflict, "another person's"},
		{"no longer alone", func(a *approval.Approval, _ *approval.Check) { a.Sole = true }, agent.Conflict, "more people"},
		{"an approver left the group", func(_ *approval.Approval, c *approval.Check) { c.People = people(ann, bob, in("cat")) }, agent.Conflict, "CAT, who approved it"},
		{"an approver is deactivated", func(_ *approval.Approval, c *approval.Check) { c.People = people(ann, bob) }, agent.Conflict, "CAT, who approved it"},
		{"an approver is a guest now", func(_ *approval.Approval, c *approval.Check) { c.People = people(ann, bob, guest) }, agent.Conflict, "CAT, who approved it"},
		{"two approvers are one person", func(_ *approval.Approval, c *approval.Check) {
			c.People = people(ann, bob, account("cat", "bob", "sre"))
		}, agent.Conflict, "too few different people"},
		{"an approver is the requester", func(_ *approval.Approval, c *approval.Check) {
			c.People = people(ann, bob, account("cat", "ann", "sre"))
		}, agent.Conflict, "CAT, who approved it"},
		{"policy no longer lets an approver", func(_ *approval.Approval, c *approval.Check) {
			c.May = func(by agent.Actor, _ approval.Approval) error {
				if by.ID == "cat" {
					return agent.Errorf(agent.Forbidden, "no")
				}
				return nil
			}
		}, agent.Conflict, "CAT, who approved it"},
		{"the requester is gone", func(_ *approval.Approval, c *approval.Check) { c.People = people(bob, cat) }, agent.Forbidden, "ANN, who asked for this"},
	} {
		a, c := base, good
		if err := a.Stands(c); err != nil {
			t.Fatalf("unchanged: %v", err)
		}
		tt.with(&a, &c)
		err := a.Stands(c)
		if agent.KindOf(err) != tt.kind || !strings.Contains(agent.PublicText(err), tt.says) || errors.Is(err, approval.ErrOutdated) != (tt.kind == agent.Conflict) {
			t.Errorf("%s: %v; want %v with %q", tt.name, err, tt.kind, tt.says)
		}
	}
	if err := base.Stands(approval.Check{Definition: "t1", Version: "v1", Verdict: agent.Verdict{Ruling: agent.Allow}, People: good.People}); err != nil {
		t.Errorf("a policy that asks less: %v", err)
	}
	if err := base.Stands(approval.Check{Definition: "t1", Version: "v1", Verdict: asks}); err != nil {
		t.Errorf("without a directory: %v", err)
	}
}

func TestAHandedSayEndsWithTheOneWhoGaveIt(t *testing.T) {
	ann, bob, cat := member("ann"), in("bob", "sre"), in("cat")
	a := must(t)(must(t)(askedOf(1, "sre").Delegate(does(bob, start()), cat)).Approve(cat, start()))
	check := approval.Check{Verdict: agent.Verdict{Ruling: agent.Ask, Approvers: []string{"sre"}}}
	check.People = people(ann, bob, cat)
	if err := a.Stands(check); err != nil {
		t.Errorf("handed by a member of the group: %v", err)
	}
	for name, known := range map[string][]agent.Actor{"left the group": {ann, in("bob"), cat}, "is deactivated": {ann, cat}} {
		check.People = people(known...)
		if err := a.Stands(check); !errors.Is(err, approval.ErrOutdated) {
			t.Errorf("the one who handed it %s: %v", name, err)
		}
	}
}

func TestOutdatedIsFinal(t *testing.T) {
	a := must(t)(must(t)(asked().Approve(member("bob"), start())).Outdate("the tool has changed"))
	if !a.Outdated() {
		t.Errorf("outdated: %+v", a)
	}
	_, err := a.Spend("d1", start())
	wantError(t, err, true, agent.Conflict, "no longer holds: the tool has changed")
	_, err = asked().Outdate("x")
	wantError(t, err, true, agent.Conflict, "has not been decided")
}

func TestTheSameDeliveryChangesNothingTwice(t *testing.T) {
	bob, cat := in("bob", "sre"), in("cat")
	click := func(by agent.Actor) approval.Change {
		return approval.Change{By: by, Event: "click-1", At: start()}
	}
	for _, tt := range []struct {
		name  string
		f     func(a approval.Approval, c approval.Change) (approval.Approval, error)
		other string
	}{
		{"a note", func(a approval.Approval, c approval.Change) (approval.Approval, error) { return a.Say(c, "Why?") }, ""},
		{"a hand-over", func(a approval.Approval, c approval.Change) (approval.Approval, error) { return a.Delegate(c, cat) }, "you handed this to CAT"},
		{"an edit", func(a approval.Approval, c approval.Change) (approval.Approval, error) {
			return a.Edit(c, []byte(`{"amount":5}`))
		}, "BOB already changed this"},
	} {
		once := must(t)(tt.f(askedOf(1, "sre"), click(bob)))
		again, err := tt.f(once, click(bob))
		if err != nil || len(again.Notes) != len(once.Notes) || len(again.Handed) != len(once.Handed) || again.State != once.State {
			t.Errorf("%s: the same delivery again: %+v, %v", tt.name, again, err)
		}
		second := click(bob)
		second.Event = "click-2"
		switch _, err := tt.f(once, second); {
		case tt.other == "" && err != nil:
			t.Errorf("%s: another delivery: %v", tt.name, err)
		case tt.other != "" && (err == nil || !strings.Contains(err.Error(), tt.other)):
			t.Errorf("%s: another delivery: %v; want %q", tt.name, err, tt.other)
		}
		// Somebody else's delivery of that name is not the same.
		if got, err := tt.f(once, click(in("dan", "sre"))); err == nil && len(got.Notes) == len(once.Notes) && len(got.Handed) == len(once.Handed) {
			t.Errorf("%s: another person's delivery was taken for it", tt.name)
		}
	}
}
