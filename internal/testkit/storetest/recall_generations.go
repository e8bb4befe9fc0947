package storetest

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/internal/testkit/embedtest"
	"github.com/sous-hq/sous/memory"
)

// fill remembers so many passages that can be found again, and one more.
func (s *searcher) fill(t *testing.T, n int) {
	t.Helper()
	i := thread()
	for c := range n {
		i.Chunks = append(i.Chunks, memory.Chunk{Text: fmt.Sprintf("note%d of the archive about subject%d and matter%d in the year %d", c, c*7, c*13, 1900+c)})
	}
	s.keep(t, i)
	s.keep(t, fact("The automobile is red."))
}

func generationsSwitch(t *testing.T, s *searcher) {
	s.fill(t, 60)
	s.embed(t)
	old := s.generation(t, memory.Current)
	if old.Model != embedtest.Name || old.Dimension != 128 {
		t.Fatalf("the current generation is %+v", old)
	}
	better := &embedtest.Embedder{Dimension: 96, Named: "better", Same: s.embedder.Same, Others: map[string]*embedtest.Embedder{embedtest.Name: s.embedder}}
	s.use(t, better)
	if _, err := s.indexer.Reembed(t.Context(), false); err != nil {
		t.Fatal(err)
	}
	s.keep(t, fact("The lorry is a vehicle."))
	for range 2 {
		if _, err := s.indexer.Step(t.Context()); err != nil {
			t.Fatal(err)
		}
		if g := s.generation(t, memory.Current); g.ID != old.ID {
			t.Fatalf("generation %+v is used before it is whole", g)
		}
	}
	// A restart in between loses nothing.
	s.use(t, better)
	s.embed(t)
	g := s.generation(t, memory.Current)
	if g.Model != "better" || g.Dimension != 96 {
		t.Fatalf("the current generation is %+v", g)
	}
	if vectors, waiting, err := s.Progress(t.Context(), g.ID); err != nil || vectors != 62 || waiting != 0 {
		t.Errorf("%d vectors, %d wait, %v; want 62", vectors, waiting, err)
	}
	all, err := s.Generations(t.Context())
	if err != nil || len(all) != 1 {
		t.Errorf("generations %+v, %v; want the former one dropped", all, err)
	}
	got := s.near(t, reader("bob"), "car")
	if !slices.Contains(got[:2], "The automobile is red.") || !slices.Contains(got[:2], "The lorry is a vehicle.") {
		t.Errorf("near is %q", got)
	}
	_, err = s.indexer.Reembed(t.Context(), false)
	wantKind(t, "embedding anew with the same model", err, agent.Conflict)
}

// The former model is not to be had any more: its vectors serve nobody, and words
// are what the new ones are compared with.
func generationsGone(t *testing.T, s *searcher) {
	s.fill(t, 20)
	s.embed(t)
	s.use(t, &embedtest.Embedder{Dimension: 64, Named: "new", Same: s.embedder.Same})
	s.keep(t, fact("The lorry is a vehicle."))
	if more, err := s.indexer.Step(t.Context()); more || agent.KindOf(err) != agent.NotFound {
		t.Errorf("more %v, %v; want that there is no such model", more, err)
	}
	s.Clock.Advance(2 * memory.ClaimTime)
	if _, err := s.indexer.Reembed(t.Context(), false); err != nil {
		t.Fatal(err)
	}
	s.embed(t)
	if g := s.generation(t, memory.Current); g.Model != "new" {
		t.Fatalf("the current generation is %+v", g)
	}
	if got := s.near(t, reader("bob"), "car"); !slices.Contains(got[:2], "The lorry is a vehicle.") {
		t.Errorf("near is %q", got)
	}
}

func generationsHeld(t *testing.T, s *searcher) {
	s.fill(t, 60)
	s.embed(t)
	// A model of two dimensions tells hardly anything apart.
	s.use(t, &embedtest.Embedder{Dimension: 2, Named: "poor", Others: map[string]*embedtest.Embedder{embedtest.Name: s.embedder}})
	if _, err := s.indexer.Reembed(t.Context(), false); err != nil {
		t.Fatal(err)
	}
	s.embed(t)
	status, err := s.indexer.Status(t.Context())
	if err != nil || status.Held == nil || !status.Held.Worse() || status.Held.Passages < 50 {
		t.Fatalf("status %+v, %v; want the comparison that holds it", status, err)
	}
	if g := s.generation(t, memory.Current); g.Model != embedtest.Name {
		t.Errorf("generation %+v is used although %s", g, status.Held)
	}
	if _, err := s.indexer.Reembed(t.Context(), true); err != nil {
		t.Fatal(err)
	}
	s.embed(t)
	if g := s.generation(t, memory.Current); g.Model != "poor" {
		t.Errorf("generation %+v is used although it was asked for anyway", g)
	}
}

// Whoever asks for vectors of one model is not given those of another that somebody
// began to make before.
func generationsThird(t *testing.T, s *searcher) {
	s.fill(t, 3)
	s.embed(t)
	others := map[string]*embedtest.Embedder{embedtest.Name: s.embedder}
	s.use(t, &embedtest.Embedder{Dimension: 64, Named: "second", Others: others})
	if _, err := s.indexer.Reembed(t.Context(), false); err != nil {
		t.Fatal(err)
	}
	for _, model := range []string{"third", embedtest.Name} {
		s.use(t, &embedtest.Embedder{Dimension: 64, Named: model, Others: others})
		for _, anyway := range []bool{false, true} {
			g, err := s.indexer.Reembed(t.Context(), anyway)
			if agent.KindOf(err) != agent.Conflict || g.ID != 0 || !strings.Contains(agent.PublicText(err), "--cancel") {
				t.Errorf("%s, anyway %v: %+v, %v; want a conflict that says what to do", model, anyway, g, err)
			}
		}
	}
	if err := s.indexer.Cancel(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.use(t, &embedtest.Embedder{Dimension: 64, Named: "third", Others: others})
	if g, err := s.indexer.Reembed(t.Context(), false); err != nil || g.Model != "third" {
		t.Errorf("after the others were dropped: %+v, %v", g, err)
	}
}

// A model that fails so does not have the queue emptied without a vector made.
func generationsMute(t *testing.T, s *searcher) {
	s.fill(t, 3)
	s.embedder.Mute(true)
	if _, err := s.indexer.Step(t.Context()); agent.KindOf(err) != agent.Unavailable {
		t.Fatalf("a generation of vectors without a direction begins with %v", err)
	}
	s.embedder.Mute(false)
	s.embed(t)
	s.keep(t, fact("The lorry is a vehicle."))
	s.keep(t, fact("The bicycle is a vehicle."))
	s.embedder.Mute(true)
	if _, err := s.indexer.Step(t.Context()); agent.KindOf(err) != agent.Unavailable {
		t.Fatalf("vectors without a direction are taken with %v", err)
	}
	s.embedder.Mute(false)
	s.Clock.Advance(2 * memory.ClaimTime)
	s.embed(t)
	g := s.generation(t, memory.Current)
	if vectors, waiting, err := s.Progress(t.Context(), g.ID); err != nil || vectors != 6 || waiting != 0 {
		t.Errorf("%d vectors, %d wait, %v; want 6", vectors, waiting, err)
	}
}

func generationsOnce(t *testing.T, s *searcher) {
	s.fill(t, 3)
	var wg sync.WaitGroup
	ids := make([]int64, 8)
	for n := range ids {
		wg.Go(func() {
			g, err := s.Begin(t.Context(), "m", 16)
			if err != nil {
				t.Error(err)
			}
			ids[n] = g.ID
		})
	}
	wg.Wait()
	slices.Sort(ids)
	if len(slices.Compact(ids)) != 1 {
		t.Errorf("eight beginnings made generations %v", ids)
	}
	_, err := s.Begin(t.Context(), "m", 17)
	wantKind(t, "beginning another meanwhile", err, agent.Conflict)
	if _, waiting, err := s.Progress(t.Context(), ids[0]); err != nil || waiting != 2 {
		t.Errorf("%d items wait, %v; want 2", waiting, err)
	}
}

func generationsDropped(t *testing.T, s *searcher) {
	s.fill(t, 3)
	s.embed(t)
	current := s.generation(t, memory.Current)
	wantKind(t, "dropping what is used", s.Drop(t.Context(), current.ID), agent.Conflict)
	wantKind(t, "switching to what is used", s.Switch(t.Context(), reader("olga"), current.ID, "x"), agent.Conflict)
	g, err := s.Begin(t.Context(), "m", 16)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.indexer.Cancel(t.Context()); err != nil {
		t.Fatal(err)
	}
	wantKind(t, "cancelling again", s.indexer.Cancel(t.Context()), agent.NotFound)
	wantKind(t, "dropping again", s.Drop(t.Context(), g.ID), agent.NotFound)
	wantKind(t, "switching to what is gone", s.Switch(t.Context(), reader("olga"), g.ID, "x"), agent.NotFound)
	if got := s.near(t, reader("bob"), "vehicle"); len(got) == 0 {
		t.Error("dropping the other generation took the vectors in use")
	}
}
