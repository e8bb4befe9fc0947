package storetest

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/internal/testkit/embedtest"
	"github.com/sous-hq/sous/memory"
)

func queueComesBack(t *testing.T, s *searcher) {
	s.keep(t, fact("The pond is deep."))
	s.embed(t)
	s.keep(t, fact("The automobile is red."))
	g := s.generation(t, memory.Current)
	taken, err := s.Work(t.Context(), g.ID, 10)
	if err != nil || len(taken.Texts) != 1 || taken.Texts[0] != "The automobile is red." {
		t.Fatalf("work %+v, %v", taken, err)
	}
	// The process that took it is gone.
	s.Clock.Advance(memory.ClaimTime + time.Second)
	s.embed(t)
	if got := s.near(t, reader("ann"), "vehicle"); !slices.Contains(got, "The automobile is red.") {
		t.Errorf("near is %q", got)
	}
	// It was not gone and comes late.
	if err := s.SaveVectors(t.Context(), taken, [][]float32{s.embedder.Vector("other", "something else")}); err != nil {
		t.Fatal(err)
	}
	if vectors, waiting, err := s.Progress(t.Context(), g.ID); err != nil || vectors != 2 || waiting != 0 {
		t.Errorf("%d vectors, %d wait, %v", vectors, waiting, err)
	}
	if got := s.near(t, reader("ann"), "vehicle"); len(got) == 0 || got[0] != "The automobile is red." {
		t.Errorf("a late vector counts: near is %q", got)
	}
}

func queueShared(t *testing.T, s *searcher) {
	s.keep(t, fact("The pond is deep."))
	s.embed(t)
	for n := range 20 {
		i := thread("Ann: one", "Bob: two", "Cid: three", "Ann: four", "Bob: five", "Cid: six", "Ann: seven", "Bob: eight", "Cid: nine")
		i.Title = fmt.Sprint("thread ", n)
		s.keep(t, i)
	}
	before := s.embedder.Texts()
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 200 {
				more, err := s.indexer.Step(context.Background())
				if err != nil {
					t.Error(err)
				}
				if !more {
					return
				}
			}
		})
	}
	wg.Wait()
	s.embed(t)
	vectors, waiting, err := s.Progress(t.Context(), s.generation(t, memory.Current).ID)
	if err != nil || vectors != 181 || waiting != 0 {
		t.Errorf("%d vectors, %d wait, %v; want 181 and none", vectors, waiting, err)
	}
	t.Logf("%d texts were embedded for 180 passages", s.embedder.Texts()-before)
}

func queueLong(t *testing.T, s *searcher) {
	i := thread()
	for n := range 95 {
		i.Chunks = append(i.Chunks, memory.Chunk{Text: fmt.Sprintf("line %d", n)})
	}
	s.keep(t, i)
	s.keep(t, fact("The automobile is red."))
	before := s.embedder.Texts()
	s.embed(t)
	vectors, waiting, err := s.Progress(t.Context(), s.generation(t, memory.Current).ID)
	if err != nil || vectors != 96 || waiting != 0 {
		t.Errorf("%d vectors, %d wait, %v; want 96 and none", vectors, waiting, err)
	}
	if n := s.embedder.Texts() - before; n != 97 { // one to learn the dimension
		t.Errorf("%d texts were embedded; want each once", n)
	}
}

// picky refuses one text, whole and in parts.
type picky struct {
	*embedtest.Embedder
	refuse string
}

func (p picky) Embed(ctx context.Context, model string, texts []string) ([][]float32, error) {
	for _, t := range texts {
		if strings.Contains(t, p.refuse) {
			return nil, agent.Errorf(agent.TooLarge, "too long")
		}
	}
	return p.Embedder.Embed(ctx, model, texts)
}

func queueRefused(t *testing.T, s *searcher) {
	var err error
	s.indexer, err = memory.NewIndexer(memory.IndexerConfig{
		Index: s.Index, Store: s.Store, Embedder: picky{s.embedder, "poison"}, Clock: s.Clock.Now, Log: slog.New(slog.DiscardHandler), By: reader("olga"),
	})
	if err != nil {
		t.Fatal(err)
	}
	for n := range 9 {
		s.keep(t, fact(fmt.Sprintf("The automobile number %d.", n)))
	}
	s.keep(t, fact("poison"))
	s.keep(t, fact("The end is cut off: "+strings.Repeat("automobile ", 60)+"poison"))
	s.embed(t)
	vectors, waiting, err := s.Progress(t.Context(), s.generation(t, memory.Current).ID)
	if err != nil || vectors != 10 || waiting != 0 {
		t.Errorf("%d vectors, %d wait, %v; want all but the refused one", vectors, waiting, err)
	}
	if got := s.texts(t, memory.Query{Text: "poison"}); !slices.Contains(got, "poison") {
		t.Errorf("recalled %q; want what is refused found by words", got)
	}
}
