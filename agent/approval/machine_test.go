package approval_test

import (
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/agent/approval"
)

// machine drives an approval in every order and keeps its own account of what
// happened, written from the promises and not from the code.
type machine struct {
	a   approval.Approval
	now time.Time
	// yeses are the humans who said yes, the last of them at yesAt; said means
	// that they are enough, closed that a no or an expiry was acknowledged.
	yeses  []agent.ActorID
	yesAt  time.Time
	said   bool
	closed bool
	spent  int
}

func (m *machine) init(t *rapid.T) {
	m.a = asked()
	m.now = start()
	m.a.Kind = rapid.SampledFrom([]approval.Kind{approval.ByAnother, approval.ByRequester, ""}).Draw(t, "kind")
	m.a.Sole = rapid.Bool().Draw(t, "sole")
	m.a.Quorum = rapid.IntRange(0, 3).Draw(t, "quorum")
	m.a.Approvers = rapid.SampledFrom([][]string{nil, {"sre"}, {"sre", "leads"}}).Draw(t, "approvers")
	m.a.Expires = start().Add(rapid.SampledFrom([]time.Duration{0, time.Minute, 2 * time.Hour}).Draw(t, "ttl"))
}

func drawActor(t *rapid.T) agent.Actor {
	return agent.Actor{
		Workspace: rapid.SampledFrom([]agent.WorkspaceID{"acme", "acme", "acme", "globex"}).Draw(t, "workspace"),
		ID:        rapid.SampledFrom([]agent.ActorID{"ann", "bob", "cat", "dan", "eli"}).Draw(t, "actor"),
		Person:    rapid.SampledFrom([]agent.ActorID{"", "", "", "ann", "bob"}).Draw(t, "person"),
		Groups:    rapid.SampledFrom([][]string{{"sre"}, {"leads", "eng"}, {"eng"}, nil}).Draw(t, "groups"),
		Kind: rapid.SampledFrom([]agent.ActorKind{
			agent.Member, agent.Member, agent.Member, agent.Guest, agent.Program, agent.System, agent.Stranger,
		}).Draw(t, "actor kind"),
		Owner: rapid.Bool().Draw(t, "owner"),
	}
}

// allowed says who may decide, in the words of the design: a confirmation is
// the requester's, an approval another member's of the groups, a sole owner's own.
func (m *machine) allowed(by agent.Actor) bool {
	if by.Workspace != "acme" || by.Kind != agent.Member {
		return false
	}
	own := by.ID == "ann" || by.Person == "ann"
	if m.a.Kind == approval.ByRequester {
		return own
	}
	if own {
		return m.a.Sole && by.Owner
	}
	for _, g := range by.Groups {
		if slices.Contains(m.a.Approvers, g) {
			return true
		}
	}
	return len(m.a.Approvers) == 0
}

// needs is how many have to say yes.
func (m *machine) needs() int {
	if m.a.Sole || m.a.Kind == approval.ByRequester {
		return 1
	}
	return max(1, m.a.Quorum)
}

func human(by agent.Actor) agent.ActorID {
	if by.Person != "" {
		return by.Person
	}
	return by.ID
}

func (m *machine) Wait(t *rapid.T) {
	m.now = m.now.Add(rapid.SampledFrom([]time.Duration{time.Nanosecond, time.Minute, time.Hour}).Draw(t, "wait"))
}

func (m *machine) Approve(t *rapid.T) {
	by := drawActor(t)
	next, err := m.a.Approve(by, m.now)
	voted := slices.ContainsFunc(m.a.Votes, func(v approval.Vote) bool { return v.By == by.ID })
	may := m.allowed(by) && !m.said && !m.closed && m.now.Before(m.a.Expires) && !voted && !slices.Contains(m.yeses, human(by))
	if (err == nil) != may {
		t.Fatalf("%s (%s) says yes: %v; may they? %v", by.ID, by.Kind, err, may)
	}
	if err == nil {
		m.yeses, m.yesAt = append(m.yeses, human(by)), m.now
		m.said = len(m.yeses) >= m.needs()
	}
	m.a = next
}

func (m *machine) Deny(t *rapid.T) {
	by := drawActor(t)
	next, err := m.a.Deny(by, "no", m.now)
	may := m.allowed(by) && !m.said && !m.closed && m.now.Before(m.a.Expires)
	if (err == nil) != may {
		t.Fatalf("%s (%s) says no: %v; may they? %v", by.ID, by.Kind, err, may)
	}
	m.closed = m.closed || err == nil
	m.a = next
}

func (m *machine) Expire(t *rapid.T) {
	next, err := m.a.Expire(m.now)
	due := !m.closed && m.spent == 0
	if m.said {
		due = due && !m.now.Before(m.yesAt.Add(approval.RunWithin))
	} else {
		due = due && !m.now.Before(m.a.Expires)
	}
	if (err == nil) != due {
		t.Fatalf("expire: %v; due? %v", err, due)
	}
	m.closed = m.closed || err == nil
	m.a = next
}

func (m *machine) Spend(t *rapid.T) {
	digest := rapid.SampledFrom([]string{"d1", "d1", "d2", ""}).Draw(t, "digest")
	next, err := m.a.Spend(digest, m.now)
	may := m.said && !m.closed && m.spent == 0 && digest == "d1" && m.now.Before(m.yesAt.Add(approval.RunWithin))
	if (err == nil) != may {
		t.Fatalf("spend %q: %v; may it? %v", digest, err, may)
	}
	if err == nil {
		m.spent++
	}
	m.a = next
}

// Check holds after every step, whatever the order.
func (m *machine) Check(t *rapid.T) {
	switch {
	case m.spent > 1:
		t.Fatal("spent twice")
	case m.spent > 0 && !m.said:
		t.Fatal("spent without a yes")
	case m.said != (m.a.State == approval.Approved || m.a.State == approval.Spent) && !m.closed:
		t.Fatalf("%d yeses of %d leave it %s", len(m.yeses), m.needs(), m.a.State)
	case slices.Contains(m.yeses, "ann") && m.a.Kind != approval.ByRequester && !m.a.Sole:
		t.Fatal("approved by the requester")
	case m.a.State == approval.Spent && (m.a.DecidedBy == "" || m.a.SpentAt.IsZero()):
		t.Fatalf("spent, but it does not say by whose yes and when: %+v", m.a)
	}
	base := asked()
	if m.a.ID != base.ID || m.a.Digest != base.Digest || m.a.Call.ID != base.Call.ID || m.a.Call.Actor.ID != "ann" {
		t.Fatalf("what was asked has changed: %+v", m.a)
	}
}

func TestAnApprovalHoldsItsPromisesInAnyOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var m machine
		m.init(t)
		t.Repeat(map[string]func(*rapid.T){
			"wait": m.Wait, "approve": m.Approve, "deny": m.Deny, "expire": m.Expire, "spend": m.Spend, "": m.Check,
		})
	})
}
