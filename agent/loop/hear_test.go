package loop

import (
	"testing"

	"pgregory.net/rapid"

	"github.com/sous-hq/sous/agent"
)

// TestNobodyInAPlaceHearsWhatTheyMayNotRead: whatever labels the context is
// joined from, what is told in a place may be read by everybody who is in it.
func TestNobodyInAPlaceHearsWhatTheyMayNotRead(t *testing.T) {
	t.Parallel()
	ids := []agent.ActorID{"ann", "bob", "cid", "dan"}
	some := rapid.SliceOfNDistinct(rapid.SampledFrom(ids), 0, 4, rapid.ID[agent.ActorID])
	readers := rapid.Custom(func(t *rapid.T) agent.Readers {
		scope := rapid.SampledFrom([]agent.ReaderScope{agent.OnlyNamed, agent.OnlyNamed, agent.WholeWorkspace, agent.Everybody}).Draw(t, "scope")
		if scope != agent.OnlyNamed {
			return agent.Readers{Scope: scope}
		}
		return agent.Only(some.Draw(t, "named")...)
	})
	told := 0
	rapid.Check(t, func(t *rapid.T) {
		parts := rapid.SliceOfN(readers, 1, 4).Draw(t, "parts")
		context := agent.Label{Readers: parts[0]}
		for _, p := range parts[1:] {
			context = context.Join(agent.Label{Readers: p})
		}
		place := agent.Place{Kind: rapid.SampledFrom([]agent.PlaceKind{agent.DM, agent.Private, agent.Public, agent.Shared, agent.UnknownPlace}).Draw(t, "kind")}
		if place.Kind == agent.DM || place.Kind == agent.Private {
			place.Members = append([]agent.ActorID{"ann"}, some.Draw(t, "members")...)
		}
		turn := agent.Turn{Actor: agent.Actor{ID: "ann", Kind: agent.Member}, Place: place}
		if !mayHear(context, turn) {
			return
		}
		told++
		present := map[agent.ActorID]agent.ActorKind{}
		switch place.Kind {
		case agent.DM, agent.Private:
			for _, id := range place.Members {
				present[id] = agent.Member
			}
		case agent.Public:
			for _, id := range ids {
				present[id] = agent.Member
			}
		case agent.Shared, agent.UnknownPlace:
			for _, id := range ids {
				present[id] = agent.Member
			}
			present["stranger"] = agent.Stranger
		}
		for _, p := range parts {
			for id, kind := range present {
				if !p.Includes(agent.Actor{ID: id, Kind: kind}) {
					t.Fatalf("%s hears in %s what only %+v may read", id, place.Kind, p)
				}
			}
		}
	})
	if told == 0 {
		t.Error("nothing was ever told, so this proves nothing")
	}
}
