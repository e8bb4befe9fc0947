package loop_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/agent/loop"
)

// TestWhoAsksIsAsTheDirectoryKnowsThemNow: what a session claims of somebody's
// groups does not reach the policy, and what has changed since they asked does.
func TestWhoAsksIsAsTheDirectoryKnowsThemNow(t *testing.T) {
	w := newTeam(t)
	a := w.asked("e1")
	if by := w.gate.asker(); by.Owner || !slices.Equal(by.Groups, []string{"sre"}) || by.Kind != agent.Member {
		t.Errorf("the policy saw %+v", by)
	}
	// Ann changes teams while her request waits.
	w.people(strings.Replace(staff, "{id: ann, name: Ann, groups: [sre]}", "{id: ann, name: Ann, groups: [kitchen]}", 1))
	_, err := w.Decide(t.Context(), session("bob"), a.ID, true, "")
	fatal(t, err)
	w.ended("e1")
	if by := w.gate.asker(); !slices.Equal(by.Groups, []string{"kitchen"}) {
		t.Errorf("the policy saw %+v when the call ran", by)
	}
	w.wantPaid("10 to supplier")
}

func TestWhoIsGoneAsksForNothing(t *testing.T) {
	w := newTeam(t)
	for who, says := range map[string]string{"old": "deactivated", "zed": "not known"} {
		_, err := w.Accept(t.Context(), session(who), loop.Incoming{Event: "e-" + who, Conversation: "c-" + who, Place: agent.Place{ID: "general", Kind: agent.Public}, Text: "pay the supplier"})
		wantKind(t, err, agent.Forbidden, says)
	}
	// Ann asks, and her account is closed before the yes comes.
	a := w.asked("e1")
	w.people(strings.Replace(staff, "{id: ann, name: Ann, groups: [sre]}", "{id: ann, name: Ann, groups: [sre], active: false}", 1))
	_, err := w.Decide(t.Context(), session("bob"), a.ID, true, "")
	wantKind(t, err, agent.Forbidden, "deactivated")
	w.people(staff)
	_, err = w.Decide(t.Context(), session("bob"), a.ID, true, "")
	fatal(t, err)
	w.ended("e1")
	w.wantPaid("10 to supplier")
}

func TestAGuestTheDirectoryDoesNotKnowIsAsTheFrontEndSays(t *testing.T) {
	w := newTeam(t)
	guest := agent.Actor{Workspace: "acme", ID: "visitor", Kind: agent.Guest}
	_, err := w.Accept(t.Context(), guest, loop.Incoming{Event: "e1", Conversation: "c1", Place: agent.Place{ID: "fair", Kind: agent.Shared}, Text: "pay the supplier"})
	fatal(t, err)
	w.waits("e1", "")
	if by := w.gate.asker(); by.Kind != agent.Guest {
		t.Errorf("the policy saw %+v", by)
	}
	w.wantPaid()
}
