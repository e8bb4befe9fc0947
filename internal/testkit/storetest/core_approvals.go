package storetest

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/agent/approval"
	"github.com/sous-hq/sous/agent/audit"
	"github.com/sous-hq/sous/agent/loop"
)

// Approvals checks loop.Approvals and tools.Ledger's Ask.
func Approvals(t *testing.T, open Opener) {
	open.keeps(t, []promise{
		{"a question reads back with all that people need to decide", askedWhole},
		{"asking writes one row with the exact arguments", askRecords},
		{"the same call asked twice is one approval", askTwice},
		{"of many askers of one call all get the same approval", askRace},
		{"another call or other arguments are another approval", askOther},
		{"two calls whose ids would be the same have two approvals", askCollision},
		{"a call whose digest is not its own is not asked", askForged},
		{"without an audit nothing is asked", askNeedsAudit},
		{"approvals are listed by turn and state, oldest first", listApprovals},
		{"another workspace sees no approval", approvalsApart},
	})
	open.keeps(t, decisionPromises())
	open.keeps(t, crowdPromises())
}

func decisionPromises() []promise {
	return []promise{
		{"a decision is recorded, and its turn told", decisionTold},
		{"the requester's own yes is marked as one", confirmationNoted},
		{"the sole owner's yes is marked as one", soleNoted},
		{"of many deciders one wins and the others learn who", decidersRace},
		{"a yes and a no at once: one counts", yesAndNoRace},
		{"an error of the transition changes nothing", transitionFails},
		{"a transition that changes nothing says nothing", transitionIdle},
		{"only the decision can be changed", transitionForges},
		{"nobody spends by changing", spendByChange},
		{"an undecided approval expires once, and its turn is told", expiryTold},
		{"an approval that was not run in time expires", unusedExpires},
		{"without an audit nothing is decided", decisionNeedsAudit},
	}
}

func read(t *testing.T, s Stores, id string) approval.Approval {
	t.Helper()
	a, err := s.Approval(t.Context(), acme, id)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func askedWhole(t *testing.T, s Stores) {
	p := proposal(t, ann(), "e1", 1)
	p.Spec.Tier = agent.TierOutward
	v := asks()
	v.Sole = true
	id := ask(t, s, p, v)
	want := approval.Approval{
		ID: approval.NewID(p.Call.ID, p.Digest), Workspace: acme, Kind: approval.ByAnother, State: approval.Asked,
		Call: p.Call, Digest: p.Digest, Tier: agent.TierOutward, Place: p.Place, Reason: v.Reason, Rule: v.Rule, Undo: p.Spec.Undo,
		Marked: []string{"title"}, Sources: []string{"standup.vtt"}, Sole: true,
		Created: s.Clock.Now(), Expires: s.Clock.Now().Add(ApprovalTTL),
	}
	got := read(t, s, id)
	wantJSON(t, "approval", got, want)
	if string(got.Call.Args) != string(p.Call.Args) {
		t.Errorf("arguments %s; want them byte for byte %s", got.Call.Args, p.Call.Args)
	}
	v.ByRequester = true
	id = ask(t, s, proposal(t, ann(), "e1", 2), v)
	if k := read(t, s, id).Kind; k != approval.ByRequester {
		t.Errorf("kind %q; want a confirmation", k)
	}
}

func askRecords(t *testing.T, s Stores) {
	p := proposal(t, ann(), "e1", 1)
	id := ask(t, s, p, asks())
	tier := agent.TierWrite
	rows := record(t, s, acme)
	wantJSON(t, "audit", rows, []audit.Entry{{
		Seq: 1, At: s.Clock.Now(), Workspace: acme, Kind: audit.CallAsked, Actor: "ann", Turn: "e1", Call: "e1/1",
		Tool: "ticket_create", Tier: &tier, Digest: p.Digest, Ruling: "ask", Rule: "untrusted-context", Approval: id, Args: p.Call.Args,
	}})
	if string(rows[0].Args) != string(p.Call.Args) {
		t.Errorf("arguments %s; want them byte for byte %s", rows[0].Args, p.Call.Args)
	}
}

func askTwice(t *testing.T, s Stores) {
	p := proposal(t, ann(), "e1", 1)
	first := ask(t, s, p, asks())
	if err := approve(t.Context(), s, bob(), first); err != nil {
		t.Fatal(err)
	}
	s.Clock.Advance(time.Minute)
	if again := ask(t, s, p, asks()); again != first {
		t.Errorf("asked again as %s; want %s", again, first)
	}
	if a := read(t, s, first); a.State != approval.Approved || a.Created.Equal(s.Clock.Now()) {
		t.Errorf("asking again changed the approval to %+v", a)
	}
	wantKinds(t, s, audit.CallAsked, audit.ApprovalDecided)
}

func askRace(t *testing.T, s Stores) {
	p := proposal(t, ann(), "e1", 1)
	ids := make([]string, racers)
	errs := race(racers, func(i int) (err error) {
		ids[i], err = s.Ledger.Ask(t.Context(), p, asks())
		return err
	})
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	if got := slices.Compact(ids); len(got) != 1 {
		t.Errorf("ids %v; want one", got)
	}
	wantKinds(t, s, audit.CallAsked)
}

func askOther(t *testing.T, s Stores) {
	ids := []string{
		ask(t, s, proposalFor(t, ann(), "e1", 1, `{"a":1}`), asks()),
		ask(t, s, proposalFor(t, ann(), "e1", 1, `{"a":2}`), asks()),
		ask(t, s, proposalFor(t, ann(), "e1", 2, `{"a":1}`), asks()),
		ask(t, s, proposalFor(t, bob(), "e1", 1, `{"a":1}`), asks()),
	}
	slices.Sort(ids)
	if len(slices.Compact(ids)) != 4 {
		t.Errorf("ids %v; want four", ids)
	}
}

// Ids are eight letters, so among a million calls two do meet. These are two.
func askCollision(t *testing.T, s Stores) {
	p, q := proposal(t, ann(), "e1", 290581), proposal(t, ann(), "e1", 583932)
	if approval.NewID(p.Call.ID, p.Digest) != approval.NewID(q.Call.ID, q.Digest) {
		t.Fatal("these calls do not meet any more: find two that do")
	}
	first := approved(t, s, p)
	for range 2 {
		second := ask(t, s, q, asks())
		if a := read(t, s, second); second == first || a.State != approval.Asked || a.Call.ID != q.Call.ID {
			t.Errorf("the second call has approval %+v; want one of its own", a)
		}
		if again := ask(t, s, p, asks()); again != first {
			t.Errorf("the first call has approval %s now; want %s", again, first)
		}
	}
	wantKinds(t, s, audit.CallAsked, audit.ApprovalDecided, audit.CallAsked)
}

func askForged(t *testing.T, s Stores) {
	p := proposal(t, ann(), "e1", 1)
	p.Call.Args = []byte(`{"title":"something else"}`)
	_, err := s.Ledger.Ask(t.Context(), p, asks())
	wantError(t, err, agent.Conflict)
	p.Call.Args = []byte(`{"title":`)
	_, err = s.Ledger.Ask(t.Context(), p, asks())
	wantError(t, err, agent.Invalid)
	wantKinds(t, s)
}

func askNeedsAudit(t *testing.T, s Stores) {
	p := proposal(t, ann(), "e1", 1)
	withoutAudit(t, s, func() {
		if id, err := s.Ledger.Ask(t.Context(), p, asks()); err == nil || id != "" {
			t.Errorf("asked as %q, %v without an audit", id, err)
		}
	})
	if all, err := s.Approvals(t.Context(), acme, loop.ApprovalFilter{}); err != nil || len(all) != 0 {
		t.Errorf("approvals %v, %v; want none", all, err)
	}
}

func listApprovals(t *testing.T, s Stores) {
	first := ask(t, s, proposal(t, ann(), "e1", 1), asks())
	s.Clock.Advance(time.Second)
	second := approved(t, s, proposal(t, ann(), "e2", 1))
	s.Clock.Advance(time.Second)
	phone := person(acme, "bob-phone")
	phone.Person = "bob"
	other := proposal(t, phone, "e1", 2)
	other.Call.Tool = "ticket_close"
	digest, err := other.Call.Digest()
	if err != nil {
		t.Fatal(err)
	}
	other.Digest = digest
	third := ask(t, s, other, asks())
	for _, tt := range []struct {
		f    loop.ApprovalFilter
		want []string
	}{
		{loop.ApprovalFilter{}, []string{first, second, third}},
		{loop.ApprovalFilter{Limit: 2}, []string{first, second}},
		{loop.ApprovalFilter{Turn: "e1"}, []string{first, third}},
		{loop.ApprovalFilter{States: []approval.State{approval.Asked}}, []string{first, third}},
		{loop.ApprovalFilter{States: []approval.State{approval.Approved, approval.Denied}}, []string{second}},
		{loop.ApprovalFilter{Turn: "e1", States: []approval.State{approval.Approved}}, nil},
		{loop.ApprovalFilter{Limit: 2, Newest: true}, []string{second, third}},
		{loop.ApprovalFilter{Newest: true}, []string{first, second, third}},
		{loop.ApprovalFilter{Tool: "ticket_close"}, []string{third}},
		{loop.ApprovalFilter{Tool: "ticket_delete"}, nil},
		{loop.ApprovalFilter{Requester: "ann"}, []string{first, second}},
		{loop.ApprovalFilter{Requester: "bob"}, []string{third}},
		{loop.ApprovalFilter{Requester: "bob-phone"}, nil},
		{loop.ApprovalFilter{Requester: "ann", States: []approval.State{approval.Asked}, Limit: 1, Newest: true}, []string{first}},
	} {
		all, err := s.Approvals(t.Context(), acme, tt.f)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, a := range all {
			got = append(got, a.ID)
		}
		if !slices.Equal(got, tt.want) {
			t.Errorf("%+v lists %v; want %v", tt.f, got, tt.want)
		}
	}
}

func approvalsApart(t *testing.T, s Stores) {
	id := ask(t, s, proposal(t, ann(), "e1", 1), asks())
	eve := person(globex, "bob")
	_, err := s.Approval(t.Context(), globex, id)
	wantError(t, err, agent.NotFound, "there is no approval "+id)
	wantError(t, approve(t.Context(), s, eve, id), agent.NotFound, "there is no approval "+id)
	wantError(t, approve(t.Context(), s, bob(), "AAAAAAAA"), agent.NotFound, "there is no approval AAAAAAAA")
	if all, err := s.Approvals(t.Context(), globex, loop.ApprovalFilter{Turn: "e1"}); err != nil || len(all) != 0 {
		t.Errorf("another workspace lists %v, %v", all, err)
	}
	if a := read(t, s, id); a.State != approval.Asked {
		t.Errorf("another workspace decided: %+v", a)
	}
}

func deny(ctx context.Context, s Stores, by agent.Actor, id, comment string) error {
	_, err := s.Change(ctx, by, id, func(a approval.Approval) (approval.Approval, error) { return a.Deny(by, comment, s.Clock.Now()) })
	return err
}

func expire(ctx context.Context, s Stores, id string) error {
	system := agent.Actor{Workspace: acme, ID: "sous", Kind: agent.System}
	_, err := s.Change(ctx, system, id, func(a approval.Approval) (approval.Approval, error) { return a.Expire(s.Clock.Now()) })
	return err
}

func decisionTold(t *testing.T, s Stores) {
	p := proposal(t, ann(), "e1", 1)
	id := ask(t, s, p, asks())
	s.Clock.Advance(time.Minute)
	if err := deny(t.Context(), s, bob(), id, "not <now>"); err != nil {
		t.Fatal(err)
	}
	a := read(t, s, id)
	if a.State != approval.Denied || a.DecidedBy != "bob" || a.DecidedName != "Bob" || a.Comment != "not <now>" || !a.DecidedAt.Equal(s.Clock.Now()) {
		t.Errorf("approval %+v; want bob's no, now", a)
	}
	want := []loop.Signal{{Type: loop.SignalDecided, Approval: id, State: approval.Denied, By: "bob", Text: "not <now>"}}
	if got := heard(t, s, "e1"); !slices.Equal(got, want) {
		t.Errorf("turn heard %+v; want %+v", got, want)
	}
	tier := agent.TierWrite
	wantJSON(t, "audit", record(t, s, acme)[1], audit.Entry{
		Seq: 2, At: s.Clock.Now(), Workspace: acme, Kind: audit.ApprovalDecided, Actor: "bob", Turn: "e1", Call: "e1/1",
		Tool: "ticket_create", Tier: &tier, Digest: p.Digest, Rule: "untrusted-context", Approval: id, Status: "denied",
	})
}

// note is what the audit remarks of the last thing that happened.
func note(t *testing.T, s Stores) string {
	t.Helper()
	rows := record(t, s, acme)
	return rows[len(rows)-1].Note
}

func confirmationNoted(t *testing.T, s Stores) {
	v := asks()
	v.ByRequester = true
	id := ask(t, s, proposal(t, ann(), "e1", 1), v)
	wantError(t, approve(t.Context(), s, bob(), id), agent.Forbidden, "only Ann")
	if err := approve(t.Context(), s, ann(), id); err != nil {
		t.Fatal(err)
	}
	if got := note(t, s); got != "confirmed by requester" {
		t.Errorf("note %q", got)
	}
}

func soleNoted(t *testing.T, s Stores) {
	v := asks()
	id := ask(t, s, proposal(t, ann(), "e1", 1), v)
	owner := ann()
	owner.Owner = true
	wantError(t, approve(t.Context(), s, owner, id), agent.Forbidden, "your own request")
	v.Sole = true
	id = ask(t, s, proposal(t, ann(), "e1", 2), v)
	if err := approve(t.Context(), s, owner, id); err != nil {
		t.Fatal(err)
	}
	if got := note(t, s); got != "sole owner decided" {
		t.Errorf("note %q", got)
	}
	id = ask(t, s, proposal(t, ann(), "e1", 3), v)
	if err := approve(t.Context(), s, bob(), id); err != nil {
		t.Fatal(err)
	}
	if got := note(t, s); got != "" {
		t.Errorf("note %q on another person's yes", got)
	}
}

func decidersRace(t *testing.T, s Stores) {
	id := ask(t, s, proposal(t, ann(), "e1", 1), asks())
	errs := race(racers, func(int) error { return approve(t.Context(), s, bob(), id) })
	oneWinner(t, errs, agent.Conflict, "Bob already approved this")
	wantKinds(t, s, audit.CallAsked, audit.ApprovalDecided)
	if n := len(heard(t, s, "e1")); n != 1 {
		t.Errorf("turn heard %d decisions; want 1", n)
	}
}

func yesAndNoRace(t *testing.T, s Stores) {
	id := ask(t, s, proposal(t, ann(), "e1", 1), asks())
	cat := person(acme, "cat")
	errs := race(2, func(i int) error {
		if i == 0 {
			return approve(t.Context(), s, bob(), id)
		}
		return deny(t.Context(), s, cat, id, "no")
	})
	says := "Bob already approved this"
	if read(t, s, id).State == approval.Denied {
		says = "Cat already denied this"
	}
	oneWinner(t, errs, agent.Conflict, says)
}

func transitionFails(t *testing.T, s Stores) {
	id := ask(t, s, proposal(t, ann(), "e1", 1), asks())
	sentinel := errors.New("no")
	_, err := s.Change(t.Context(), bob(), id, func(a approval.Approval) (approval.Approval, error) {
		a.State = approval.Approved
		return a, sentinel
	})
	if !errors.Is(err, sentinel) {
		t.Errorf("error %v; want the transition's own", err)
	}
	if a := read(t, s, id); a.State != approval.Asked {
		t.Errorf("approval is %s", a.State)
	}
	wantKinds(t, s, audit.CallAsked)
}

func transitionIdle(t *testing.T, s Stores) {
	id := ask(t, s, proposal(t, ann(), "e1", 1), asks())
	got, err := s.Change(t.Context(), bob(), id, func(a approval.Approval) (approval.Approval, error) { return a, nil })
	if err != nil || got.ID != id {
		t.Errorf("changed to %+v, %v", got, err)
	}
	wantKinds(t, s, audit.CallAsked)
	if n := len(heard(t, s, "e1")); n != 0 {
		t.Errorf("turn heard %d signals", n)
	}
}

func transitionForges(t *testing.T, s Stores) {
	p := proposal(t, ann(), "e1", 1)
	id := ask(t, s, p, asks())
	_, err := s.Change(t.Context(), bob(), id, func(a approval.Approval) (approval.Approval, error) {
		a, err := a.Approve(bob(), s.Clock.Now())
		a.ID, a.Workspace, a.Digest, a.Call.Args, a.Call.Turn = "X", globex, "other", []byte(`{}`), "e9"
		a.Kind, a.Sole, a.Expires = approval.ByRequester, true, a.Expires.Add(time.Hour)
		return a, err
	})
	if err != nil {
		t.Fatal(err)
	}
	a := read(t, s, id)
	if a.State != approval.Approved || a.Digest != p.Digest || string(a.Call.Args) != string(p.Call.Args) || a.Kind != approval.ByAnother || a.Sole || a.Call.Turn != "e1" {
		t.Errorf("approval became %+v", a)
	}
}

func spendByChange(t *testing.T, s Stores) {
	p := proposal(t, ann(), "e1", 1)
	id := approved(t, s, p)
	_, err := s.Change(t.Context(), bob(), id, func(a approval.Approval) (approval.Approval, error) {
		return a.Spend(p.Digest, s.Clock.Now())
	})
	wantError(t, err, agent.Internal)
	if a := read(t, s, id); a.State != approval.Approved {
		t.Errorf("approval is %s", a.State)
	}
}

func expiryTold(t *testing.T, s Stores) {
	id := ask(t, s, proposal(t, ann(), "e1", 1), asks())
	wantError(t, expire(t.Context(), s, id), agent.Conflict, "not expired yet")
	s.Clock.Advance(ApprovalTTL)
	wantError(t, approve(t.Context(), s, bob(), id), agent.Expired)
	errs := race(racers, func(int) error { return expire(t.Context(), s, id) })
	oneWinner(t, errs, agent.Expired, "has expired")
	wantKinds(t, s, audit.CallAsked, audit.ApprovalExpired)
	want := []loop.Signal{{Type: loop.SignalDecided, Approval: id, State: approval.Expired, By: "sous"}}
	if got := heard(t, s, "e1"); !slices.Equal(got, want) {
		t.Errorf("turn heard %+v; want %+v", got, want)
	}
}

func unusedExpires(t *testing.T, s Stores) {
	id := approved(t, s, proposal(t, ann(), "e1", 1))
	s.Clock.Advance(approval.RunWithin)
	if err := expire(t.Context(), s, id); err != nil {
		t.Fatal(err)
	}
	if a := read(t, s, id); a.State != approval.Expired || a.DecidedBy != "bob" {
		t.Errorf("approval %+v; want it expired, bob's yes kept", a)
	}
}

func decisionNeedsAudit(t *testing.T, s Stores) {
	id := ask(t, s, proposal(t, ann(), "e1", 1), asks())
	withoutAudit(t, s, func() {
		if err := approve(t.Context(), s, bob(), id); err == nil {
			t.Error("decided without an audit")
		}
	})
	if a := read(t, s, id); a.State != approval.Asked {
		t.Errorf("approval is %s", a.State)
	}
	if n := len(heard(t, s, "e1")); n != 0 {
		t.Errorf("turn heard %d signals", n)
	}
}
