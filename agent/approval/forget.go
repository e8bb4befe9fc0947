package approval

import (
	"encoding/json"
	"slices"

	"github.com/sous-hq/sous/agent"
)

// Forget returns the approval without what it holds of some people: their names
// and words and, when the request is theirs, what was asked. Ids and states stay.
// It reports whether anything was there. An approval that is open is not for it.
func (a Approval) Forget(people []agent.ActorID) (Approval, bool) {
	was, _ := json.Marshal(a)
	one := func(id agent.ActorID) bool { return slices.Contains(people, id) }
	if theirs := one(a.Call.Actor.ID); theirs {
		a = a.Blank()
	}
	if one(a.DecidedBy) {
		a.DecidedName, a.Comment = "", ""
	}
	a.Votes, a.Handed, a.Notes = slices.Clone(a.Votes), slices.Clone(a.Handed), slices.Clone(a.Notes)
	for i, v := range a.Votes {
		if one(v.By) || one(v.Person) {
			a.Votes[i].Name = ""
		}
	}
	for i, d := range a.Handed {
		if one(d.To) {
			a.Handed[i].Name = ""
		}
	}
	for i, n := range a.Notes {
		if one(n.By) {
			a.Notes[i].Name, a.Notes[i].Text = "", ""
		}
	}
	is, _ := json.Marshal(a)
	return a, !slices.Equal(was, is)
}

// Blank returns the approval without what was asked and said: who asked by id,
// who decided, when and how it ended stay.
func (a Approval) Blank() Approval {
	a.Call.Args, a.Digest = json.RawMessage(`{}`), ""
	a.Call.Actor.Name, a.Call.Actor.Groups = "", nil
	a.Reason, a.Undo, a.Comment = "", "", ""
	a.Marked, a.Sources, a.Origins, a.Notes, a.Edited = nil, nil, nil, nil, nil
	a.Version = ""
	return a
}
