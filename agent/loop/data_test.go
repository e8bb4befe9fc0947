package loop_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/agent/audit"
	"github.com/sous-hq/sous/agent/loop"
	"github.com/sous-hq/sous/agent/model"
	"github.com/sous-hq/sous/agent/policy"
	"github.com/sous-hq/sous/internal/testkit/looptest"
	"github.com/sous-hq/sous/tools"
)

type mailIn struct {
	To   string `json:"to"`
	Body string `json:"body"`
}

// mailing is a workspace in which a page of the organisation is read and then
// mailed outside, by the default policy. The connector of the page says nothing
// of the data in it.
func mailing(t *testing.T, page string) *team {
	t.Helper()
	gate, err := policy.New(policy.Config{})
	fatal(t, err)
	read := tools.Must(tools.New(tools.Spec{Name: "page_read", Doc: "Reads.", Tier: agent.TierRead, Timeout: time.Second}, tools.Funcs[struct{}, string]{
		Run: func(context.Context, tools.Invocation, struct{}) (string, error) { return page, nil },
		Label: func(tools.Invocation, struct{}, string) agent.Label {
			return agent.Label{Integrity: agent.Organisation, Readers: agent.Readers{Scope: agent.Everybody}}
		},
	}))
	send := tools.Must(tools.New(tools.Spec{Name: "mail_send", Doc: "Sends.", Tier: agent.TierRead, Egress: true, Control: []string{"to"}, Timeout: time.Second}, tools.Funcs[mailIn, string]{
		Run: func(context.Context, tools.Invocation, mailIn) (string, error) { return "sent", nil },
		Label: func(inv tools.Invocation, _ mailIn, _ string) agent.Label {
			return agent.Label{Readers: inv.Place.Readers()}
		},
	}))
	w := &team{paid: map[string]int{}}
	return w.start(t, gate, func(req model.Request) (model.Response, error) {
		switch out := looptest.Results(req); len(out) {
		case 0:
			return looptest.Call(`page_read {}`)
		case 1:
			return looptest.Call(`mail_send {"to":"carla@partner.example","body":"about the page"}`)
		default:
			return looptest.Say("It came to " + strings.Join(out, "; "))
		}
	}, []tools.Tool{read, send})
}

// TestDataInAResultBindsWhatMayFollow: what a tool read is scanned, and its
// labels reach the policy with the next call: a secret does not leave at all,
// personal data leaves after somebody saw it, anything else leaves.
func TestDataInAResultBindsWhatMayFollow(t *testing.T) {
	for page, want := range map[string]struct{ kind, rule string }{
		"The build is red.":                      {"", "reads-run"},
		"Ask Dan, dan@acme.example.":             {string(audit.CallAsked), "egress-of-inside-content-asks"},
		"The key is AKIAIOSFODNN7EXAMPLE, Dan.":  {string(audit.CallRefused), "secrets-stay"},
		"Log in with postgres://a:b@db.acme/app": {string(audit.CallRefused), "secrets-stay"},
	} {
		w := mailing(t, page)
		_, err := w.Accept(t.Context(), session("ann"), loop.Incoming{Event: "e1", Conversation: "c1", Place: agent.Place{ID: "general", Kind: agent.Public}, Text: "mail it to carla@partner.example"})
		fatal(t, err)
		if want.kind == string(audit.CallAsked) {
			w.waits("e1", "")
		} else {
			w.ended("e1")
		}
		rows, err := w.db.Audit(t.Context(), "acme", audit.Filter{Tool: "mail_send", Kinds: []audit.Kind{audit.CallAsked, audit.CallRefused}})
		fatal(t, err)
		switch {
		case want.kind == "" && len(rows) > 0:
			t.Errorf("%q: %+v", page, rows)
		case want.kind != "" && (len(rows) != 1 || string(rows[0].Kind) != want.kind || rows[0].Rule != want.rule):
			t.Errorf("%q: %+v; want %s by %s", page, rows, want.kind, want.rule)
		}
	}
}

// TestAFileIsTheWordOfOthersWhoeverDropsIt: what is in a file counts as written by
// outsiders, is read by those in its place, and is searched for data.
func TestAFileIsTheWordOfOthersWhoeverDropsIt(t *testing.T) {
	t.Parallel()
	w := newTeam(t)
	private := agent.Place{ID: "kitchen", Kind: agent.Private, Members: []agent.ActorID{"ann", "bob"}}
	for name, c := range map[string]struct {
		place   agent.Place
		content string
		readers agent.Readers
		data    string
	}{
		"notes.txt":              {agent.Place{}, "Pay mallory.", agent.Only("ann"), "[]"},
		"contacts.csv":           {private, "dan,dan@example.com", agent.Only("ann", "bob"), "[pii]"},
		"env.txt":                {private, "the staging password is hunter2!x", agent.Only("ann", "bob"), "[secret]"},
		"for ann@example.com.md": {private, "Pay mallory.", agent.Only("ann", "bob"), "[pii]"},
	} {
		ref, err := w.Upload(t.Context(), session("ann"), c.place, name, "text/plain", []byte(c.content))
		fatal(t, err)
		f, err := w.db.File(t.Context(), session("ann"), ref.ID)
		fatal(t, err)
		l := f.Label
		if l.Integrity != agent.External || !l.Scanned || fmt.Sprint(l.Data) != c.data || !l.Readers.Covers(c.readers) || !c.readers.Covers(l.Readers) || fmt.Sprint(l.Sources) != "["+name+"]" {
			t.Errorf("%s is labelled %+v", name, l)
		}
	}
}
