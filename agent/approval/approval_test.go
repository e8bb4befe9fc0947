package approval_test

import (
	"encoding/json"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/agent/approval"
)

func start() time.Time { return time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC) }

func member(id string) agent.Actor {
	return agent.Actor{Workspace: "acme", ID: agent.ActorID(id), Kind: agent.Member, Name: strings.ToUpper(id)}
}

// asked is ann's request, open for a day.
func asked() approval.Approval {
	return approval.Approval{
		ID: "ABCDEFGH", Workspace: "acme", Kind: approval.ByAnother, State: approval.Asked, Digest: "d1",
		Call: agent.Call{ID: "e1/1", Turn: "e1", Actor: member("ann"), Tool: "mail_send"}, Created: start(), Expires: start().Add(24 * time.Hour),
	}
}

// step is one transition.
type step func(approval.Approval) (approval.Approval, error)

func yes(by agent.Actor, after time.Duration) step {
	return func(a approval.Approval) (approval.Approval, error) { return a.Approve(by, start().Add(after)) }
}

func no(by agent.Actor, after time.Duration) step {
	return func(a approval.Approval) (approval.Approval, error) { return a.Deny(by, "not now", start().Add(after)) }
}

func spend(digest string, after time.Duration) step {
	return func(a approval.Approval) (approval.Approval, error) { return a.Spend(digest, start().Add(after)) }
}

func expire(after time.Duration) step {
	return func(a approval.Approval) (approval.Approval, error) { return a.Expire(start().Add(after)) }
}

const day = 24 * time.Hour

func TestTransitions(t *testing.T) {
	bob, cat := member("bob"), member("cat")
	nameless := agent.Actor{Workspace: "acme", ID: "bob", Kind: agent.Member}
	for _, tt := range []struct {
		name  string
		steps []step
		// ends is the state after the last step; kind and says are its error.
		ends approval.State
		fail bool
		kind agent.Kind
		says string
	}{
		{"a yes approves", []step{yes(bob, 0)}, approval.Approved, false, 0, ""},
		{"a no denies", []step{no(bob, 0)}, approval.Denied, false, 0, ""},
		{"a yes just in time counts", []step{yes(bob, day-1)}, approval.Approved, false, 0, ""},
		{"a yes too late does not", []step{yes(bob, day)}, approval.Asked, true, agent.Expired, "expired at 2026-03-03T09:00:00Z"},
		{"a no too late does not", []step{no(bob, day)}, approval.Asked, true, agent.Expired, "expired at"},
		{"a second yes hears who was first", []step{yes(bob, 0), yes(cat, 1)}, approval.Approved, true, agent.Conflict, "BOB already approved"},
		{"a no after a yes hears who was first", []step{yes(bob, 0), no(cat, 1)}, approval.Approved, true, agent.Conflict, "BOB already approved"},
		{"a yes after a no hears who was first", []step{no(bob, 0), yes(cat, 1)}, approval.Denied, true, agent.Conflict, "BOB already denied"},
		{"somebody without a name is named by id", []step{no(nameless, 0), yes(cat, 1)}, approval.Denied, true, agent.Conflict, "bob already denied"},
		{"a yes is spent", []step{yes(bob, 0), spend("d1", 1)}, approval.Spent, false, 0, ""},
		{"a yes is spent just in time", []step{yes(bob, 0), spend("d1", approval.RunWithin-1)}, approval.Spent, false, 0, ""},
		{"a yes is not spent too late", []step{yes(bob, 0), spend("d1", approval.RunWithin)}, approval.Approved, true, agent.Expired, "not used in time"},
		{"a yes is not spent for another call", []step{yes(bob, 0), spend("d2", 1)}, approval.Approved, true, agent.Forbidden, "another call"},
		{"a yes is not spent twice", []step{yes(bob, 0), spend("d1", 1), spend("d1", 2)}, approval.Spent, true, agent.Conflict, "BOB already approved"},
		{"what was not decided is not spent", []step{spend("d1", 0)}, approval.Asked, true, agent.Conflict, "has not been decided"},
		{"a no is not spent", []step{no(bob, 0), spend("d1", 1)}, approval.Denied, true, agent.Conflict, "BOB already denied"},
		{"an open question expires", []step{expire(day)}, approval.Expired, false, 0, ""},
		{"an open question does not expire early", []step{expire(day - 1)}, approval.Asked, true, agent.Conflict, "not expired yet"},
		{"an unused yes expires", []step{yes(bob, 0), expire(approval.RunWithin)}, approval.Expired, false, 0, ""},
		{"an unused yes does not expire early", []step{yes(bob, 0), expire(approval.RunWithin - 1)}, approval.Approved, true, agent.Conflict, "not expired yet"},
		{"a late yes may run beyond the time to decide", []step{yes(bob, day-1), expire(day)}, approval.Approved, true, agent.Conflict, "not expired yet"},
		{"what expired stays so", []step{expire(day), expire(day)}, approval.Expired, true, agent.Expired, "has expired"},
		{"what expired is not decided", []step{expire(day), yes(bob, 0)}, approval.Expired, true, agent.Expired, "has expired"},
		{"what expired is not spent", []step{yes(bob, 0), expire(day), spend("d1", 1)}, approval.Expired, true, agent.Expired, "has expired"},
		{"what was denied does not expire", []step{no(bob, 0), expire(day)}, approval.Denied, true, agent.Conflict, "BOB already denied"},
		{"what was spent does not expire", []step{yes(bob, 0), spend("d1", 1), expire(day)}, approval.Spent, true, agent.Conflict, "BOB already approved"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a := asked()
			var err error
			for i, s := range tt.steps {
				before := a
				a, err = s(a)
				if err != nil && i < len(tt.steps)-1 {
					t.Fatalf("step %d: %v", i+1, err)
				}
				if err != nil && asJSON(t, a) != asJSON(t, before) {
					t.Errorf("a failed step changed the approval to %s", asJSON(t, a))
				}
			}
			wantError(t, err, tt.fail, tt.kind, tt.says)
			if a.State != tt.ends {
				t.Errorf("state %s; want %s", a.State, tt.ends)
			}
		})
	}
}

func TestAnUnknownStateIsClosed(t *testing.T) {
	a := asked()
	a.State = "perhaps"
	for name, s := range map[string]step{"approve": yes(member("bob"), 0), "spend": spend("d1", 0), "expire": expire(2 * day)} {
		_, err := s(a)
		if agent.KindOf(err) != agent.Conflict || !strings.Contains(err.Error(), "no known state") {
			t.Errorf("%s: %v; want a conflict", name, err)
		}
	}
}

func TestWhoMayDecide(t *testing.T) {
	as := func(id string, k agent.ActorKind, owner bool) agent.Actor {
		a := member(id)
		a.Kind, a.Owner = k, owner
		return a
	}
	elsewhere := member("bob")
	elsewhere.Workspace = "globex"
	for _, tt := range []struct {
		name string
		kind approval.Kind
		sole bool
		by   agent.Actor
		fail bool
		errs agent.Kind
		says string
	}{
		{"another member approves", approval.ByAnother, false, member("bob"), false, 0, ""},
		{"another owner approves", approval.ByAnother, false, as("bob", agent.Member, true), false, 0, ""},
		{"the requester does not approve", approval.ByAnother, false, member("ann"), true, agent.Forbidden, "your own request"},
		{"an owner does not approve their own among others", approval.ByAnother, false, as("ann", agent.Member, true), true, agent.Forbidden, "your own request"},
		{"the sole owner approves their own", approval.ByAnother, true, as("ann", agent.Member, true), false, 0, ""},
		{"sole but no owner does not", approval.ByAnother, true, member("ann"), true, agent.Forbidden, "your own request"},
		{"a forgotten kind is an approval", "", false, member("ann"), true, agent.Forbidden, "your own request"},
		{"the requester confirms", approval.ByRequester, false, member("ann"), false, 0, ""},
		{"another does not confirm", approval.ByRequester, false, member("bob"), true, agent.Forbidden, "only ANN can confirm"},
		{"a guest decides nothing", approval.ByAnother, false, as("gus", agent.Guest, false), true, agent.Forbidden, "only members"},
		{"a guest does not confirm", approval.ByRequester, false, as("ann", agent.Guest, false), true, agent.Forbidden, "only members"},
		{"a program decides nothing", approval.ByAnother, false, as("bot", agent.Program, false), true, agent.Forbidden, "only members"},
		{"the system decides nothing", approval.ByAnother, true, as("sous", agent.System, true), true, agent.Forbidden, "only members"},
		{"a stranger decides nothing", approval.ByAnother, false, as("x", agent.Stranger, false), true, agent.Forbidden, "only members"},
		{"another workspace knows of nothing", approval.ByAnother, false, elsewhere, true, agent.NotFound, "there is no approval ABCDEFGH"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a := asked()
			a.Kind, a.Sole = tt.kind, tt.sole
			wantError(t, a.MayDecide(tt.by), tt.fail, tt.errs, tt.says)
			// Whoever may not say yes may not say no either.
			_, err := a.Approve(tt.by, start())
			wantError(t, err, tt.fail, tt.errs, tt.says)
			_, err = a.Deny(tt.by, "", start())
			wantError(t, err, tt.fail, tt.errs, tt.says)
		})
	}
}

func TestADecisionSaysWhoWhenAndWhy(t *testing.T) {
	at := start().Add(time.Hour)
	a, err := asked().Deny(member("bob"), "wrong customer", at)
	if err != nil || a.DecidedBy != "bob" || a.DecidedName != "BOB" || !a.DecidedAt.Equal(at) || a.Comment != "wrong customer" {
		t.Errorf("denied: %+v, %v", a, err)
	}
	a, err = asked().Approve(member("bob"), at)
	if err != nil || a.DecidedBy != "bob" || !a.DecidedAt.Equal(at) || a.Comment != "" {
		t.Errorf("approved: %+v, %v", a, err)
	}
	if !a.RunBefore().Equal(at.Add(approval.RunWithin)) {
		t.Errorf("runs before %v", a.RunBefore())
	}
	if a, err = a.Spend("d1", at.Add(time.Minute)); err != nil || !a.SpentAt.Equal(at.Add(time.Minute)) {
		t.Errorf("spent: %+v, %v", a, err)
	}
}

func TestIDsAreShortAndBoundToCallAndDigest(t *testing.T) {
	id := approval.NewID("e1/1", "d1")
	if !regexp.MustCompile(`^[A-Z2-7]{8}$`).MatchString(id) {
		t.Errorf("id %q; want eight letters to type", id)
	}
	if approval.NewID("e1/1", "d1") != id {
		t.Error("the same call has two ids")
	}
	for _, other := range []string{approval.NewID("e1/2", "d1"), approval.NewID("e1/1", "d2"), approval.NewID("e1", "/1\nd1")} {
		if other == id {
			t.Error("two calls share an id")
		}
	}
}

func wantError(t *testing.T, err error, fail bool, k agent.Kind, says string) {
	t.Helper()
	switch {
	case !fail && err != nil:
		t.Errorf("error %v; want none", err)
	case fail && err == nil:
		t.Errorf("no error; want %v", k)
	case fail && (agent.KindOf(err) != k || !strings.Contains(agent.PublicText(err), says)):
		t.Errorf("error %q of kind %v; want %v with %q", agent.PublicText(err), agent.KindOf(err), k, says)
	}
}

func asJSON(t *testing.T, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
