package policy

import (
	"sync"

	"github.com/cedar-policy/cedar-go"

	"github.com/sous-hq/sous/agent"
)

// parts keeps what rules see of calls, as Cedar's values: there are few tools,
// few kinds of people and places and few kinds of calls, and making their
// records costs more than evaluating rules. What is kept never changes and is
// found by all that it was made from. The zero parts is ready.
type parts struct {
	people   kept[personKey, cedar.Record]
	places   kept[agent.PlaceKind, cedar.Record]
	tools    kept[toolKey, cedar.Entity]
	contexts kept[contextKey, callContext]
}

// maxKept bounds each kind of parts; more are made each time.
const maxKept = 4096

// kept holds values by what they were made from. It is safe for concurrent use;
// a nil one keeps nothing.
type kept[K comparable, V any] struct {
	mu  sync.RWMutex
	all map[K]V
}

// get returns the value of a key, making it the first time.
func (k *kept[K, V]) get(key K, create func() V) V {
	if k == nil {
		return create()
	}
	k.mu.RLock()
	v, ok := k.all[key]
	k.mu.RUnlock()
	if ok {
		return v
	}
	v = create()
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.all == nil {
		k.all = map[K]V{}
	}
	if len(k.all) < maxKept {
		k.all[key] = v
	}
	return v
}

// personKey is all that a person's attributes are made from.
type personKey struct {
	named, owner bool
	kind         agent.ActorKind
	workspace    agent.WorkspaceID
}

// toolKey is all that a tool's entity is made from.
type toolKey struct {
	name, family              string
	tier                      int
	egress, undoable, private bool
}

// person is the entity of an actor.
func (p *parts) person(a agent.Actor) cedar.Entity {
	groups := make([]cedar.EntityUID, 0, len(a.Groups))
	for _, g := range a.Groups {
		groups = append(groups, uid("Group", g))
	}
	key := personKey{named: a.ID != "" && a.Workspace != "", owner: a.Owner, kind: a.Kind, workspace: a.Workspace}
	return cedar.Entity{
		UID: uid("Person", string(a.ID)), Parents: cedar.NewEntityUIDSet(groups...),
		Attributes: p.people.get(key, func() cedar.Record {
			return cedar.NewRecord(cedar.RecordMap{
				"named": cedar.Boolean(key.named), "workspace": cedar.String(key.workspace),
				"kind": uid("Kind", key.kind.String()), "owner": cedar.Boolean(key.owner),
			})
		}),
	}
}

// place is the entity of a place.
func (p *parts) place(at agent.Place) cedar.Entity {
	return cedar.Entity{UID: uid("Place", at.ID), Attributes: p.places.get(at.Kind, func() cedar.Record {
		return cedar.NewRecord(cedar.RecordMap{"kind": uid("PlaceKind", at.Kind.String())})
	})}
}

// tool is the entity of the tool the facts are about.
func (p *parts) tool(f *Facts) cedar.Entity {
	key := toolKey{f.Tool, f.Family, f.Tier, f.Egress, f.Undoable, f.Private}
	return p.tools.get(key, func() cedar.Entity {
		return cedar.Entity{
			UID: uid("Tool", key.name), Parents: cedar.NewEntityUIDSet(uid("Family", key.family)),
			Attributes: cedar.NewRecord(cedar.RecordMap{
				"tier": cedar.Long(key.tier), "egress": cedar.Boolean(key.egress),
				"undoable": cedar.Boolean(key.undoable), "private": cedar.Boolean(key.private),
			}),
		}
	})
}
