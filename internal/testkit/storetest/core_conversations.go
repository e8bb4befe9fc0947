package storetest

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/sous-hq/sous/agent"
)

// Conversations checks loop.Conversations.
func Conversations(t *testing.T, open Opener) {
	open.keeps(t, []promise{
		{"the last messages come oldest first", lastMessages},
		{"another workspace reads no messages", messagesApart},
		{"a message keeps its label", messageLabel},
		{"people see the conversations of the places they are in", whoTakesPart},
		{"the conversation spoken in last comes first", latestFirst},
		{"a place that changes changes who sees the conversation", placeChanges},
		{"a conversation is called by the first line of its first message", titles},
	})
}

func messages(t *testing.T, s Stores, conversation string) []agent.Message {
	t.Helper()
	all, err := s.Messages(t.Context(), acme, conversation, 100)
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func lastMessages(t *testing.T, s Stores) {
	for i := range 5 {
		// The clock of a front end may go backwards; the order of arrival counts.
		turn, m := event(fmt.Sprintf("e%d", i), "c", ann())
		m.At = s.Clock.Now().Add(-time.Duration(i) * time.Hour)
		if _, err := s.Accept(t.Context(), turn, m, nil); err != nil {
			t.Fatal(err)
		}
	}
	accept(t, s, "x", "c2", ann())
	for limit, want := range map[int]string{0: "e0 e1 e2 e3 e4", 2: "e3 e4", 9: "e0 e1 e2 e3 e4"} {
		all, err := s.Messages(t.Context(), acme, "c", limit)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, m := range all {
			got = append(got, m.Turn)
		}
		if strings.Join(got, " ") != want {
			t.Errorf("last %d messages: %v; want %s", limit, got, want)
		}
	}
}

func messagesApart(t *testing.T, s Stores) {
	accept(t, s, "e1", "c", ann())
	if all, err := s.Messages(t.Context(), globex, "c", 10); err != nil || len(all) != 0 {
		t.Errorf("another workspace reads %v, %v", all, err)
	}
}

func messageLabel(t *testing.T, s Stores) {
	turn, m := event("e1", "c", ann())
	m.Label = agent.Label{
		Integrity: agent.Organisation, Readers: agent.Only("ann", "bob"), Scanned: true,
		Data: []string{"pii"}, Sources: []string{"a.vtt", "chat"},
	}
	if _, err := s.Accept(t.Context(), turn, m, nil); err != nil {
		t.Fatal(err)
	}
	wantJSON(t, "label", messages(t, s, "c")[0].Label, m.Label)
}

// say accepts an event in a place.
func say(t *testing.T, s Stores, id, conversation string, p agent.Place) {
	t.Helper()
	turn, m := event(id, conversation, ann())
	turn.Place = p
	if _, err := s.Accept(t.Context(), turn, m, nil); err != nil {
		t.Fatal(err)
	}
}

// listed names the conversations an actor sees.
func listed(t *testing.T, s Stores, by agent.Actor, limit int) []string {
	t.Helper()
	all, err := s.Conversations(t.Context(), by, limit)
	if err != nil {
		t.Fatal(err)
	}
	var ids []string
	for _, c := range all {
		ids = append(ids, c.ID)
	}
	return ids
}

func whoTakesPart(t *testing.T, s Stores) {
	guest := agent.Actor{Workspace: acme, ID: "gus", Kind: agent.Guest}
	for _, p := range []agent.Place{
		{ID: "public", Kind: agent.Public},
		{ID: "shared", Kind: agent.Shared},
		{ID: "private", Kind: agent.Private, Members: []agent.ActorID{"ann", "gus"}},
		{ID: "dm", Kind: agent.DM, Members: []agent.ActorID{"ann"}},
	} {
		s.Clock.Advance(time.Second)
		say(t, s, "e-"+p.ID, p.ID, p)
	}
	for _, tt := range []struct {
		by   agent.Actor
		want []string
	}{
		{ann(), []string{"dm", "private", "shared", "public"}},
		{bob(), []string{"shared", "public"}},
		{guest, []string{"private"}},
		{agent.Actor{Workspace: acme}, nil},
		{person(globex, "ann"), nil},
	} {
		if got := listed(t, s, tt.by, 10); !slices.Equal(got, tt.want) {
			t.Errorf("%s/%s sees %v; want %v", tt.by.Workspace, tt.by.ID, got, tt.want)
		}
	}
	if got := listed(t, s, ann(), 2); !slices.Equal(got, []string{"dm", "private"}) {
		t.Errorf("the newest two are %v", got)
	}
}

func latestFirst(t *testing.T, s Stores) {
	for _, e := range [][2]string{{"e1", "c1"}, {"e2", "c2"}, {"e3", "c1"}} {
		s.Clock.Advance(time.Second)
		accept(t, s, e[0], e[1], ann())
	}
	all, err := s.Conversations(t.Context(), ann(), 0)
	if err != nil || len(all) != 2 {
		t.Fatalf("conversations %v, %v; want two", all, err)
	}
	if all[0].ID != "c1" || !all[0].Last.Equal(s.Clock.Now()) || all[0].Place.ID != "general" {
		t.Errorf("first is %+v; want c1, now", all[0])
	}
}

func placeChanges(t *testing.T, s Stores) {
	say(t, s, "e1", "c", channel())
	say(t, s, "e2", "c", agent.Place{ID: "general", Kind: agent.Private, Members: []agent.ActorID{"ann", "bob"}})
	if got := listed(t, s, bob(), 0); !slices.Equal(got, []string{"c"}) {
		t.Errorf("bob, who is in it, sees %v", got)
	}
	if got := listed(t, s, person(acme, "cat"), 0); len(got) != 0 {
		t.Errorf("cat, who is not, sees %v", got)
	}
	say(t, s, "e3", "c", agent.Place{ID: "general", Kind: agent.Private, Members: []agent.ActorID{"ann"}})
	if got := listed(t, s, bob(), 0); len(got) != 0 {
		t.Errorf("bob, who left, sees %v", got)
	}
}

func titles(t *testing.T, s Stores) {
	turn, m := event("e1", "c", ann())
	m.Text = "\n  " + strings.Repeat("ö", 100) + "\nsecond line"
	if _, err := s.Accept(t.Context(), turn, m, nil); err != nil {
		t.Fatal(err)
	}
	accept(t, s, "e2", "c", ann())
	all, err := s.Conversations(t.Context(), ann(), 0)
	if err != nil || len(all) != 1 {
		t.Fatalf("conversations %v, %v", all, err)
	}
	title := all[0].Title
	if !strings.HasPrefix(title, "öööö") || !strings.HasSuffix(title, "ö…") || len(title) > 90 || !utf8.ValidString(title) {
		t.Errorf("title %q; want the first line, shortened between letters", title)
	}
}
