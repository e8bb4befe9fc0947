package loop_test

import (
	"context"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/agent/approval"
	"github.com/sous-hq/sous/agent/audit"
	"github.com/sous-hq/sous/agent/loop"
)

// forward puts the team's clock ahead.
func (w *team) forward(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.ahead += d
}

func TestEverybodyHasAQueueOfTheirOwn(t *testing.T) {
	t.Parallel()
	w := newTeam(t)
	a := w.asked("e1")
	list := func(who string, q loop.ApprovalQuery) []string {
		t.Helper()
		all, err := w.ListApprovals(t.Context(), session(who), q)
		fatal(t, err)
		var ids []string
		for _, p := range all {
			ids = append(ids, p.ID)
		}
		return ids
	}
	waiting, mine := loop.ApprovalQuery{Waiting: true}, loop.ApprovalQuery{Mine: true}
	for _, tt := range []struct {
		who  string
		q    loop.ApprovalQuery
		want []string
	}{
		{"bob", waiting, []string{a.ID}},
		{"ann", waiting, nil},
		{"dan", waiting, nil},
		{"ann", mine, []string{a.ID}},
		{"ann-phone", mine, []string{a.ID}},
		{"bob", mine, nil},
		{"zed", loop.ApprovalQuery{}, nil},
		{"old", loop.ApprovalQuery{}, nil},
		{"bob", loop.ApprovalQuery{Tool: "pay", Tier: agent.TierCritical}, []string{a.ID}},
		{"bob", loop.ApprovalQuery{Tool: "mail_send"}, nil},
		{"bob", loop.ApprovalQuery{States: []approval.State{approval.Denied}}, nil},
	} {
		if got := list(tt.who, tt.q); !slices.Equal(got, tt.want) {
			t.Errorf("%s %+v: %v; want %v", tt.who, tt.q, got, tt.want)
		}
	}
	_, err := w.Decide(t.Context(), session("bob"), a.ID, false, "not now")
	fatal(t, err)
	w.ended("e1")
	b := w.asked("e2")
	for _, tt := range []struct {
		q    loop.ApprovalQuery
		want []string
	}{
		{loop.ApprovalQuery{Mine: true, States: []approval.State{approval.Denied}}, []string{a.ID}},
		{loop.ApprovalQuery{Mine: true}, []string{a.ID, b.ID}},
		{loop.ApprovalQuery{Mine: true, Limit: 1}, []string{b.ID}},
	} {
		if got := list("ann", tt.q); !slices.Equal(got, tt.want) {
			t.Errorf("%+v: %v; want %v", tt.q, got, tt.want)
		}
	}
	if _, err := w.ShowApproval(t.Context(), session("bob"), strings.ToLower(a.ID)); err != nil {
		t.Errorf("a decided approval is not shown: %v", err)
	}
	elsewhere := session("bob")
	elsewhere.Workspace = "globex"
	if _, err := w.ShowApproval(t.Context(), elsewhere, a.ID); agent.KindOf(err) != agent.NotFound {
		t.Errorf("another workspace sees it: %v", err)
	}
}

func TestThoseToWhomAnApprovalCanBeHanded(t *testing.T) {
	t.Parallel()
	w := newTeam(t)
	w.people(strings.Replace(staff, "{id: lee, name: Lee", "{id: lee, away_until: 2100-01-01, name: Lee", 1))
	a := w.asked("e1")
	for who, want := range map[string][]agent.ActorID{"bob": {"cat", "dan"}, "ann": nil, "dan": nil, "zed": nil} {
		all, err := w.Colleagues(t.Context(), session(who), a.ID)
		fatal(t, err)
		var got []agent.ActorID
		for _, p := range all {
			got = append(got, p.ID)
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s could hand it to %v; want %v", who, got, want)
		}
	}
}

// told is a notifier that remembers what it was told.
type toldOf struct {
	mu  sync.Mutex
	all []loop.Reminder
	err error
}

func (n *toldOf) Remind(_ context.Context, r loop.Reminder) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.all = append(n.all, r)
	return n.err
}

func TestAReminderIsSentOnceWhateverHappens(t *testing.T) {
	t.Parallel()
	w := newTeam(t)
	a := w.asked("e1")
	// The second cannot deliver: it is told all the same, and not again.
	one, two := &toldOf{}, &toldOf{err: agent.Errorf(agent.Unavailable, "no route")}
	send := func() (sent int) {
		t.Helper()
		var wg sync.WaitGroup
		var mu sync.Mutex
		for range 4 { // as many processes at once
			wg.Go(func() {
				n, err := w.RemindDue(t.Context(), "acme", one, two)
				if err != nil {
					t.Error(err)
				}
				mu.Lock()
				defer mu.Unlock()
				sent += n
			})
		}
		wg.Wait()
		return sent
	}
	if n := send(); n != 0 {
		t.Errorf("%d reminders at once", n)
	}
	w.forward(2*time.Hour + time.Minute)
	for round, want := range []int{1, 0} {
		if n := send(); n != want {
			t.Errorf("round %d: %d reminders; want %d", round, n, want)
		}
	}
	w.forward(90*time.Minute + time.Minute)
	if n := send(); n != 1 {
		t.Errorf("%d second reminders", n)
	}
	if len(one.all) != 2 || len(two.all) != 2 || one.all[0].N != 1 || one.all[1].N != 2 || one.all[1].Approval.Reminded != 2 {
		t.Errorf("told of %+v and %+v", one.all, two.all)
	}
	if got, err := w.ShowApproval(t.Context(), session("bob"), a.ID); err != nil || got.Reminded != 2 || got.RemindedAt.IsZero() {
		t.Errorf("the approval says %+v, %v", got, err)
	}
	rows, err := w.db.Audit(t.Context(), "acme", audit.Filter{Kinds: []audit.Kind{audit.ApprovalReminded}})
	fatal(t, err)
	if len(rows) != 2 || rows[0].Approval != a.ID || rows[0].Actor != "sous" {
		t.Errorf("the record has %+v", rows)
	}
	_, err = w.Decide(t.Context(), session("bob"), a.ID, false, "")
	fatal(t, err)
	w.ended("e1")
	if n := send(); n != 0 {
		t.Error("reminded of what is decided")
	}
}

func TestWhoFollowsAConversationSeesItsTurnsAndThatApprovalsChange(t *testing.T) {
	t.Parallel()
	w := newTeam(t)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	here, elsewhere := w.Follow(ctx, session("bob"), "e1"), w.Follow(ctx, session("bob"), "")
	a := w.asked("e1")
	w.asked("e2")
	_, err := w.Decide(t.Context(), session("bob"), a.ID, true, "")
	fatal(t, err)
	w.ended("e1")
	var seen []loop.EventType
	for {
		ev, ok := here()
		if !ok {
			t.Fatalf("the stream ended after %v", seen)
		}
		if ev.Turn == "e2" {
			t.Errorf("an event of another conversation: %+v", ev)
		}
		if seen = append(seen, ev.Type); ev.Type == loop.EventEnd {
			break
		}
	}
	for _, want := range []loop.EventType{loop.EventApproval, loop.EventDecided, loop.EventQueue} {
		if !slices.Contains(seen, want) {
			t.Errorf("saw %v; want %s among them", seen, want)
		}
	}
	// Who is in no conversation hears of approvals, and nothing of what is said.
	queue := func() {
		t.Helper()
		if ev, ok := elsewhere(); !ok || ev.Type != loop.EventQueue || ev.Turn != "" || ev.Approval != "" || ev.Text != "" {
			t.Fatalf("heard %+v", ev)
		}
	}
	queue()
	w.asked("e3")
	queue()
	// A turn whose events are not kept by this process, as another runs it.
	w.Hub.Publish(loop.Event{Turn: "another's", Type: loop.EventReminder})
	queue()
	cancel()
	for {
		if _, ok := elsewhere(); !ok {
			break
		}
	}
}
