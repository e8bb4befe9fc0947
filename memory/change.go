package memory

import (
	"context"
	"fmt"
	"time"

	"github.com/sous-hq/sous/agent"
)

// Forget makes recall pass the item over; it can be restored. One forgets what
// one had remembered oneself; the owner of a single-person workspace anything.
// What the actor may not read is NotFound, what is another's Forbidden.
func (m *Memory) Forget(ctx context.Context, by agent.Actor, id string) (Item, error) {
	return m.change(ctx, by, id, m.clock())
}

// Restore takes Forget back, under the same conditions.
func (m *Memory) Restore(ctx context.Context, by agent.Actor, id string) (Item, error) {
	return m.change(ctx, by, id, time.Time{})
}

func (m *Memory) change(ctx context.Context, by agent.Actor, id string, at time.Time) (Item, error) {
	i, err := m.MayForget(ctx, by, id)
	if err != nil || i.Forgotten.IsZero() == at.IsZero() {
		return i, err
	}
	if err := m.store.SetForgotten(ctx, by, id, at); err != nil {
		return Item{}, fmt.Errorf("change item: %w", err)
	}
	m.onSaved() // what is restored has no vectors
	return m.Get(ctx, by, id)
}

// MayForget returns the item when the actor may forget or restore it, else the
// error that Forget would give. It changes nothing.
func (m *Memory) MayForget(ctx context.Context, by agent.Actor, id string) (Item, error) {
	i, err := m.Get(ctx, by, id)
	switch {
	case err != nil:
		return Item{}, err
	case i.Author != by.ID && !by.Owner:
		return Item{}, agent.Errorf(agent.Forbidden, "only the person who had it remembered can change this")
	}
	return i, nil
}

// MayCorrect returns the item when the actor may correct it with one that these
// readers can read, else the error that Remember would give.
func (m *Memory) MayCorrect(ctx context.Context, by agent.Actor, id string, readers agent.Readers) (Item, error) {
	old, err := m.Get(ctx, by, id)
	if err == nil {
		err = mayCorrect(old, Item{Author: by.ID, Label: agent.Label{Readers: readers}})
	}
	return old, err
}

// Revert takes a correction back: the item it took the place of holds again,
// and the correction is forgotten. The conditions are those of Forget; Conflict
// means that the item is not corrected, or that its correction was corrected
// since.
func (m *Memory) Revert(ctx context.Context, by agent.Actor, id string) (Item, error) {
	if _, err := m.MayForget(ctx, by, id); err != nil {
		return Item{}, err
	}
	if err := m.store.Revert(ctx, by, id, m.clock()); err != nil {
		return Item{}, fmt.Errorf("revert item: %w", err)
	}
	m.onSaved()
	return m.Get(ctx, by, id)
}

// Remove takes an item out for good, with the versions it took the place of.
// The conditions are those of Forget.
func (m *Memory) Remove(ctx context.Context, by agent.Actor, id string) (Item, error) {
	i, err := m.MayForget(ctx, by, id)
	if err != nil {
		return Item{}, err
	}
	if _, err := m.store.Remove(ctx, by, []string{id}); err != nil {
		return Item{}, fmt.Errorf("remove item: %w", err)
	}
	return i, nil
}

// maxVersions bounds how far back History goes.
const maxVersions = 100

// History returns the item and what it took the place of, version by version,
// newest first. What the reader may not read ends it.
func (m *Memory) History(ctx context.Context, reader agent.Actor, id string) ([]Item, error) {
	i, err := m.Get(ctx, reader, id)
	if err != nil {
		return nil, err
	}
	versions := []Item{i}
	for i.Supersedes != "" && len(versions) < maxVersions {
		if i, err = m.Get(ctx, reader, i.Supersedes); agent.KindOf(err) == agent.NotFound {
			break
		}
		if err != nil {
			return nil, err
		}
		versions = append(versions, i)
	}
	return versions, nil
}
