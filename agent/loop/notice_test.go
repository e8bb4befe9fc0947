package loop_test

import (
	"strings"
	"testing"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/agent/audit"
	"github.com/sous-hq/sous/agent/loop"
)

func TestANoticeIsToldOnceToThoseItIsFor(t *testing.T) {
	w := newTeam(t)
	n := loop.Notice{Workspace: "acme", Key: "k1", Conversation: "record", To: []agent.ActorID{"ann", "lee"}, Title: "Signed head", Text: "size 7"}
	for range 3 {
		fatal(t, w.Tell(t.Context(), n))
	}
	n.Key, n.Text = "k2", "size 9"
	fatal(t, w.Tell(t.Context(), n))
	for who, want := range map[string]int{"ann": 1, "lee": 1, "bob": 0} {
		if all, err := w.db.Conversations(t.Context(), session(who), 10); err != nil || len(all) != want {
			t.Errorf("%s has %d conversations, %v; want %d", who, len(all), err, want)
		}
	}
	said, err := w.db.Messages(t.Context(), "acme", "record", 10)
	fatal(t, err)
	var texts []string
	for _, m := range said {
		texts = append(texts, m.Text)
		if m.Author.Kind != agent.System || m.Label.Readers.Includes(session("bob")) || !m.Label.Readers.Includes(session("lee")) {
			t.Errorf("%q is by %s for %+v", m.Text, m.Author.ID, m.Label.Readers)
		}
	}
	if got := strings.Join(texts, "|"); got != "Signed head|size 7|Signed head|size 9" {
		t.Errorf("said %s", got)
	}
	rows, err := w.db.Audit(t.Context(), "acme", audit.Filter{Kinds: []audit.Kind{audit.TurnAccepted, audit.TurnEnded}})
	if err != nil || len(rows) != 4 || rows[0].Actor != "sous" {
		t.Errorf("recorded %+v, %v", rows, err)
	}
	// Whom it is for may go on in it.
	_, err = w.Accept(t.Context(), session("lee"), loop.Incoming{Event: "e1", Conversation: "record", Text: "what is this?"})
	fatal(t, err)
	w.waits("e1", "")
	_, err = w.Accept(t.Context(), session("bob"), loop.Incoming{Event: "e2", Conversation: "record", Text: "what is this?"})
	wantKind(t, err, agent.NotFound, "")
	for _, bad := range []loop.Notice{{}, {Workspace: "acme", Key: "k", Conversation: "c"}, {Workspace: "acme", Key: "k", To: n.To}} {
		if err := w.Tell(t.Context(), bad); err == nil {
			t.Errorf("told %+v", bad)
		}
	}
}

func TestANoticeThatWasCutOffIsEndedAndAsksNoModel(t *testing.T) {
	w := newTeam(t)
	sous := agent.Actor{Workspace: "acme", ID: "sous", Kind: agent.System}
	place := agent.Place{ID: "record", Kind: agent.DM, Members: []agent.ActorID{"ann"}}
	_, err := w.db.Accept(t.Context(),
		agent.Turn{ID: "notice-k1", Workspace: "acme", Conversation: "record", Place: place, Actor: sous, Request: "notice-k1/request"},
		agent.Message{ID: "notice-k1/request", Turn: "notice-k1", Conversation: "record", Author: sous, Text: "Signed head", Label: agent.Label{Readers: place.Readers()}}, nil)
	fatal(t, err)
	fatal(t, w.Recover(t.Context()))
	v := w.ended("notice-k1")
	if v.Status != agent.TurnDone || !strings.Contains(v.Answer, "cut off") || v.Model != "" {
		t.Errorf("%+v", v.Turn)
	}
	w.wantPaid()
	// Told again it changes nothing.
	fatal(t, w.Tell(t.Context(), loop.Notice{Workspace: "acme", Key: "k1", Conversation: "record", To: place.Members, Title: "Signed head", Text: "size 7"}))
	if again := w.ended("notice-k1"); again.Answer != v.Answer {
		t.Errorf("%q", again.Answer)
	}
}
