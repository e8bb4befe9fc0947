package web

import (
	"context"
	"html"
	"html/template"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/agent/approval"
)

// nothing is where no call touches anything and nobody is a colleague.
type nothing struct{ Approvals }

func (nothing) About(context.Context, agent.Actor, string) ([]agent.Note, error) { return nil, nil }

func (nothing) Colleagues(context.Context, agent.Actor, string) ([]agent.Actor, error) {
	return nil, nil
}

func TestACardSaysWhereItsDecisionStands(t *testing.T) {
	now := time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)
	s := &Server{Config: Config{Now: func() time.Time { return now }, Zone: time.UTC, Approvals: nothing{}, Log: slog.New(slog.DiscardHandler)}}
	var err error
	if s.pages, err = template.New("").Funcs(s.funcs()).ParseFS(templateFiles, "templates/*.html"); err != nil {
		t.Fatal(err)
	}
	member := func(id string) agent.Actor {
		return agent.Actor{Workspace: "acme", ID: agent.ActorID(id), Kind: agent.Member, Name: strings.ToUpper(id[:1]) + id[1:], Groups: []string{"sre"}}
	}
	ann, bob, cat := member("ann"), member("bob"), member("cat")
	asked := approval.Approval{
		ID: "ABCDEFGH", Workspace: "acme", State: approval.Asked, Digest: "d", Quorum: 2, Approvers: []string{"sre"},
		Call: agent.Call{Actor: ann, Tool: "money_send", Args: []byte(`{"to":"x"}`)}, Marked: []string{"to"}, Sources: []string{"mail <1>"},
		Created: now, Expires: now.Add(time.Hour), Chain: []approval.Stage{{After: 30 * time.Minute, Groups: []string{"leads"}}},
	}
	must := func(a approval.Approval, err error) approval.Approval {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return a
	}
	one := must(must(asked.Approve(bob, now)).Say(approval.Change{By: cat, At: now}, "Why <now>?"))
	both := must(one.Approve(cat, now))
	edited := must(asked.Edit(approval.Change{By: bob, At: now}, []byte(`{"to":"y"}`)))
	for _, tt := range []struct {
		name  string
		a     approval.Approval
		by    agent.Actor
		has   []string
		lacks []string
	}{
		{"one of two has said yes", one, cat, []string{"Decided by members of sre.", "1 of 2 have approved: Bob, 2 March 09:00 UTC.", "1 of 2 approved</span>", "Goes to leads too at 2 March 09:30 UTC.", "Cat</b>", "Why <now>?", "put together from what was read</mark>", "Marked: from untrusted text", "mail <1>", `/approve"`, `/notes"`, `/edit?`}, nil},
		{"to whom said yes", one, bob, []string{"You approved this; other people have to as well."}, []string{`/approve"`}},
		{"to the requester", one, ann, []string{"You cannot approve your own request", `/notes"`, `/edit?`}, []string{`/approve"`, `/hand"`}},
		{"both have", both, ann, []string{"Approved by Bob, 2 March 09:00 UTC; Cat, 2 March 09:00 UTC; it can run until 2 March 10:00 UTC"}, []string{`/approve"`, "Goes to"}},
		{"edited", edited, cat, []string{"Changed by Bob, 2 March 09:00 UTC; it is asked anew."}, []string{`/approve"`, "Approved by"}},
		{"outdated", must(both.Outdate("the tool has changed")), cat, []string{"Asked anew: the tool has changed.", "Asked anew</span>"}, []string{`/approve"`, "Approved by"}},
		{"withdrawn", must(asked.Withdraw("The request is over.", now)), cat, []string{"Not asked any more, 2 March 09:00 UTC: The request is over.", "Withdrawn</span>"}, []string{`/approve"`, "Approved by"}},
		{"expired unused", must(both.Expire(now.Add(2 * time.Hour))), cat, []string{"Expired: Cat approved it, but it did not run in time."}, []string{`/approve"`, "nobody decided"}},
		{"expired undecided", must(asked.Expire(now.Add(2 * time.Hour))), cat, []string{"Expired, 2 March 10:00 UTC: nobody decided in time.", "Expired</span>"}, []string{`/approve"`}},
	} {
		var b strings.Builder
		if err := s.pages.ExecuteTemplate(&b, "card", s.card(t.Context(), tt.by, tt.a)); err != nil {
			t.Fatal(err)
		}
		if strings.Contains(b.String(), "<now>") || strings.Contains(b.String(), "<1>") {
			t.Errorf("%s: text was not escaped: %s", tt.name, b.String())
		}
		page := html.UnescapeString(b.String())
		for _, want := range tt.has {
			if !strings.Contains(page, want) {
				t.Errorf("%s: the card lacks %q: %s", tt.name, want, page)
			}
		}
		for _, not := range tt.lacks {
			if strings.Contains(page, not) {
				t.Errorf("%s: the card has %q", tt.name, not)
			}
		}
		if strings.Contains(strings.ToLower(page), "always") {
			t.Errorf("%s: the card offers more than one yes", tt.name)
		}
	}
}
