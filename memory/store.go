package memory

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/sous-hq/sous/agent"
)

// Store keeps items. Every method is one transaction or one consistent read.
// An id of another workspace is NotFound, just as one that never was.
//
// storetest.Memories states these promises as tests.
type Store interface {
	// SaveItem stores a new item with its chunks and returns it with fresh
	// true. When the workspace has an item of that id already, that one is
	// returned unchanged and fresh is false: the same save twice, or sixteen at
	// once, is one item. In the same transaction the item named by Supersedes,
	// and the live items that hold the same Slot, are marked superseded, or, when
	// the new item is of a Collection, those of the Slot are removed as Remove
	// does. Supersedes of an unknown item is NotFound, of one that is superseded
	// already a Conflict, and nothing is stored.
	SaveItem(ctx context.Context, i Item) (stored Item, fresh bool, err error)
	// Item returns an item with its chunks, live or not, whoever may read it.
	Item(ctx context.Context, ws agent.WorkspaceID, id string) (Item, error)
	// Items lists items without their chunks, newest At first.
	Items(ctx context.Context, f Filter) ([]Item, error)
	// SetForgotten marks the item, and all versions that it took the place of,
	// forgotten by the actor at a time, or, with a zero time, what was forgotten
	// with it remembered again. Doing it twice changes nothing.
	SetForgotten(ctx context.Context, by agent.Actor, id string, at time.Time) error
	// Revert makes a superseded item live again and marks the one that took its
	// place forgotten, as SetForgotten does. Conflict means that it is not
	// superseded, or that its successor has been superseded in turn.
	Revert(ctx context.Context, by agent.Actor, id string, at time.Time) error
	// Remove takes items out for good, with their passages, with what finds them
	// and with the versions they took the place of, and returns how many items
	// there were. Ids that name nothing are passed over.
	Remove(ctx context.Context, by agent.Actor, ids []string) (int, error)
	// Search returns the best hits, best first: live chunks that the reader may
	// read and the filters let pass. With terms a hit shares one with the query,
	// stands beside one that does, opens an item whose title does, or is of a
	// favoured kind in an item where another passage does; order and
	// scores are Rank's. Without terms it returns the newest, unscored: the
	// first chunk of each item, or, when s.Narrow, every chunk that passes.
	Search(ctx context.Context, s Search) ([]Hit, error)
}

// Narrow reports whether the search selects chunks by something else than terms
// and time.
func (s Search) Narrow() bool { return len(s.Kinds)+len(s.Favour)+len(s.Speaker) > 0 }

// Filter selects items of Items. Zero fields select all.
type Filter struct {
	// Reader is required: only what this actor may read is listed.
	Reader agent.Actor
	Kinds  []Kind
	Author agent.ActorID
	// Collection keeps what was imported with it.
	Collection string
	// Forgotten and Superseded list such items too.
	Forgotten, Superseded bool
	// Limit is at most this many; 0 means 100.
	Limit int
}

// Hit is one passage found.
type Hit struct {
	// Item is the item without its other chunks.
	Item  Item    `json:"item"`
	Chunk Chunk   `json:"chunk"`
	Score float64 `json:"score"`
	Parts Parts   `json:"parts"`
}

// Label returns where the passage came from and who may read it.
func (h Hit) Label() agent.Label { return h.Item.Label }

// At returns when it was said, as far as is known.
func (h Hit) At() time.Time {
	if !h.Chunk.At.IsZero() {
		return h.Chunk.At
	}
	return h.Item.At
}

// Kind returns what the passage is.
func (h Hit) Kind() Kind {
	if h.Chunk.Kind != "" {
		return h.Chunk.Kind
	}
	return h.Item.Kind
}

// Citation names the passage for people: "Weekly design, 0:12:03, Anna", "VPN
// (handbook/vpn.md), Linux, line 12", or who said a fact, where and when: "Ann, in
// a direct message, 2026-03-02".
func (h Hit) Citation() string {
	i := h.Item
	parts := []string{i.Title}
	switch {
	case i.Kind == Fact:
		where := ""
		if i.Where != "" {
			where = "in " + i.Where
		}
		parts = append(parts, i.AuthorName, where, i.At.Format(time.DateOnly))
	case i.Title == "":
		parts[0] = string(i.Kind) + " of " + i.At.Format(time.DateOnly)
	case i.Kind == Document && i.Source != "" && i.Source != i.Title:
		parts[0] = i.Title + " (" + i.Source + ")"
	}
	parts = slices.DeleteFunc(append(parts, h.Chunk.Position, h.Chunk.Speaker), func(p string) bool { return p == "" })
	return strings.Join(parts, ", ")
}
