package storetest

import (
	"fmt"
	"slices"
	"testing"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/tools/routing"
)

// RoutingCases checks the promises of routing.Cases. open returns an empty store.
func RoutingCases(t *testing.T, open func(t *testing.T) routing.Cases) {
	t.Helper()
	for name, promise := range map[string]func(*testing.T, routing.Cases){
		"cases are listed as they were recorded, the newest first":      casesList,
		"sixteen at once with one key record one case":                  casesOneKey,
		"a case is taken out once, and again under the same key":        casesUnrecord,
		"an id is not given again after its case was taken out":         casesFreshIDs,
		"another workspace sees and changes nothing":                    casesIsolation,
		"every write is counted once, and in its own workspace":         casesChanges,
		"an unknown case is not found and a used key is a conflict":     casesRefused,
		"sixteen at once with sixteen keys record sixteen kinds of ids": casesManyKeys,
	} {
		t.Run(name, func(t *testing.T) { promise(t, open(t)) })
	}
}

func mustRecord(t *testing.T, s routing.Cases, w agent.Write, text, team string) agent.RoutingCase {
	t.Helper()
	c, err := s.Record(t.Context(), w, text, team)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func casesOf(t *testing.T, s routing.Cases, ws agent.WorkspaceID, limit int) []agent.RoutingCase {
	t.Helper()
	all, err := s.Cases(t.Context(), ws, limit)
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func casesList(t *testing.T, s routing.Cases) {
	w := by("1")
	w.Label.Sources = []string{"message 7"}
	one := mustRecord(t, s, w, "my card was charged twice", "payments")
	two := mustRecord(t, s, by("2"), "the printer is on fire", "office")
	if one.Team != "payments" || one.By != "ann" || one.At.IsZero() || one.Label.Sources[0] != "message 7" {
		t.Errorf("recorded %+v", one)
	}
	got := casesOf(t, s, "w", 10)
	if fmt.Sprint(got) != fmt.Sprint([]agent.RoutingCase{two, one}) {
		t.Errorf("listed %+v", got)
	}
	if got := casesOf(t, s, "w", 1); len(got) != 1 || got[0].ID != two.ID {
		t.Errorf("the newest is %+v", got)
	}
}

func casesOneKey(t *testing.T, s routing.Cases) {
	err := atOnce(func(int) error {
		_, err := s.Record(t.Context(), by("same"), "text", "team")
		return err
	})
	if got := casesOf(t, s, "w", 20); err != nil || len(got) != 1 {
		t.Errorf("%d cases, %v", len(got), err)
	}
}

func casesManyKeys(t *testing.T, s routing.Cases) {
	err := atOnce(func(i int) error {
		_, err := s.Record(t.Context(), by(fmt.Sprint(i)), "text", "team")
		return err
	})
	var ids []string
	for _, c := range casesOf(t, s, "w", 20) {
		ids = append(ids, c.ID)
	}
	slices.Sort(ids)
	if ids = slices.Compact(ids); err != nil || len(ids) != 16 {
		t.Errorf("ids %q, %v", ids, err)
	}
}

func casesUnrecord(t *testing.T, s routing.Cases) {
	c := mustRecord(t, s, by("1"), "text", "team")
	for range 2 {
		got, err := s.Unrecord(t.Context(), by("out"), c.ID)
		if err != nil || fmt.Sprint(got) != fmt.Sprint(c) {
			t.Errorf("took out %+v, %v", got, err)
		}
	}
	if got := casesOf(t, s, "w", 10); len(got) != 0 {
		t.Errorf("still there: %+v", got)
	}
	_, err := s.Unrecord(t.Context(), by("out again"), c.ID)
	wantKind(t, "take out what is out", err, agent.NotFound)
}

func casesFreshIDs(t *testing.T, s routing.Cases) {
	c := mustRecord(t, s, by("1"), "text", "team")
	if _, err := s.Unrecord(t.Context(), by("2"), c.ID); err != nil {
		t.Fatal(err)
	}
	if next := mustRecord(t, s, by("3"), "text", "team"); next.ID == c.ID {
		t.Errorf("%s was given twice", c.ID)
	}
}

func casesIsolation(t *testing.T, s routing.Cases) {
	c := mustRecord(t, s, by("1"), "text", "team")
	if got := casesOf(t, s, "v", 10); len(got) != 0 {
		t.Errorf("seen elsewhere: %+v", got)
	}
	_, err := s.Unrecord(t.Context(), agent.Write{By: member("v", "eve"), Key: "2"}, c.ID)
	wantKind(t, "take out elsewhere", err, agent.NotFound)
	if got := casesOf(t, s, "w", 10); len(got) != 1 {
		t.Errorf("left %+v", got)
	}
}

func casesChanges(t *testing.T, s routing.Cases) {
	count := func(ws agent.WorkspaceID) int64 {
		n, err := s.Changes(t.Context(), ws)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	before := count("w")
	c := mustRecord(t, s, by("1"), "text", "team")
	mustRecord(t, s, by("1"), "text", "team")
	if got := count("w"); got != before+1 {
		t.Errorf("one write counts %d", got-before)
	}
	if _, err := s.Unrecord(t.Context(), by("2"), c.ID); err != nil || count("w") != before+2 {
		t.Errorf("two writes count %d, %v", count("w")-before, err)
	}
	if got := count("v"); got != before {
		t.Errorf("elsewhere counts %d", got)
	}
}

func casesRefused(t *testing.T, s routing.Cases) {
	for _, id := range []string{"R-9", "", "x", "R-0", "T-1"} {
		_, err := s.Unrecord(t.Context(), by("out "+id), id)
		wantKind(t, "take out "+id, err, agent.NotFound)
	}
	c := mustRecord(t, s, by("1"), "text", "team")
	_, err := s.Unrecord(t.Context(), by("1"), c.ID)
	wantKind(t, "the key of a record", err, agent.Conflict)
	if _, err := s.Record(t.Context(), by(""), "text", "team"); err == nil {
		t.Error("a write without a key was taken")
	}
}
