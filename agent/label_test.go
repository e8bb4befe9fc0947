package agent_test

import (
	"encoding/json"
	"reflect"
	"testing"

	"pgregory.net/rapid"

	"github.com/sous-hq/sous/agent"
)

func readers(t *rapid.T, name string) agent.Readers {
	switch rapid.IntRange(0, 3).Draw(t, name+" scope") {
	case 0:
		return agent.Readers{Scope: agent.Everybody}
	case 1:
		return agent.Readers{Scope: agent.WholeWorkspace}
	}
	ids := rapid.SliceOfN(rapid.SampledFrom([]agent.ActorID{"ann", "bob", "carol"}), 0, 3).Draw(t, name)
	return agent.Only(ids...)
}

func label(t *rapid.T, name string) agent.Label {
	return agent.Label{
		Integrity: agent.Integrity(rapid.IntRange(0, 2).Draw(t, name+" integrity")),
		Readers:   readers(t, name+" readers"),
		Scanned:   rapid.Bool().Draw(t, name+" scanned"),
		Data:      rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"pii", "secret", "hr"}), 0, 3, rapid.ID).Draw(t, name+" data"),
	}
}

func TestJoiningLabelsNeverRaisesTrustOrReaders(t *testing.T) {
	people := []agent.Actor{
		{ID: "ann", Kind: agent.Member}, {ID: "bob", Kind: agent.Member}, {ID: "eve", Kind: agent.Guest}, {ID: "dan", Kind: agent.Member}, {},
	}
	rapid.Check(t, func(t *rapid.T) {
		a, b := label(t, "a"), label(t, "b")
		j := a.Join(b)
		if j.Integrity > a.Integrity || j.Integrity > b.Integrity || j.Scanned && (!a.Scanned || !b.Scanned) {
			t.Fatalf("%+v joined with %+v is %+v", a, b, j)
		}
		for _, p := range people {
			if j.Readers.Includes(p) && (!a.Readers.Includes(p) || !b.Readers.Includes(p)) {
				t.Fatalf("%s reads %+v but not both of %+v and %+v", p.ID, j.Readers, a.Readers, b.Readers)
			}
		}
		back := b.Join(a)
		if !reflect.DeepEqual(j, back) {
			t.Fatalf("joining depends on order: %+v and %+v", j, back)
		}
		if !a.Readers.Covers(j.Readers) && j.Readers.Scope != agent.OnlyNamed {
			t.Fatalf("%+v does not cover its join %+v", a.Readers, j.Readers)
		}
	})
}

func TestCoversMeansThatNobodyElseHears(t *testing.T) {
	for _, c := range []struct {
		r, o agent.Readers
		want bool
	}{
		{agent.Readers{Scope: agent.Everybody}, agent.Readers{Scope: agent.Everybody}, true},
		{agent.Readers{Scope: agent.WholeWorkspace}, agent.Readers{Scope: agent.Everybody}, false},
		{agent.Readers{Scope: agent.WholeWorkspace}, agent.Only("ann"), true},
		{agent.Only("ann", "bob"), agent.Only("ann"), true},
		{agent.Only("ann"), agent.Only("ann", "bob"), false},
		{agent.Only("ann"), agent.Readers{Scope: agent.WholeWorkspace}, false},
		{agent.Readers{}, agent.Only("ann"), false},
		{agent.Readers{}, agent.Readers{}, true},
	} {
		if got := c.r.Covers(c.o); got != c.want {
			t.Errorf("%+v covers %+v: %v; want %v", c.r, c.o, got, c.want)
		}
	}
}

func TestTheZeroLabelIsTheWorst(t *testing.T) {
	var zero agent.Label
	ann := agent.Actor{ID: "ann", Kind: agent.Member, Owner: true}
	if zero.Integrity != agent.External || zero.Readers.Includes(ann) || zero.Scanned {
		t.Errorf("zero label %+v", zero)
	}
	if agent.Only("").Includes(agent.Actor{}) {
		t.Error("nobody is somebody")
	}
}

func TestLabelsSurviveJSON(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := label(t, "label")
		b, err := json.Marshal(want)
		if err != nil {
			t.Fatal(err)
		}
		var got agent.Label
		if err := json.Unmarshal(b, &got); err != nil {
			t.Fatalf("%s: %v", b, err)
		}
		if again, _ := json.Marshal(got); string(again) != string(b) || got.Readers.Scope != want.Readers.Scope {
			t.Fatalf("%s became %s", b, again)
		}
	})
	var l agent.Label
	for _, bad := range []string{`{"integrity":"trusted"}`, `{"readers":"all"}`, `{"readers":7}`} {
		if json.Unmarshal([]byte(bad), &l) == nil {
			t.Errorf("%s was read", bad)
		}
	}
}
