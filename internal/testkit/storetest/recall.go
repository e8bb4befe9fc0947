package storetest

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/internal/testkit/embedtest"
	"github.com/sous-hq/sous/memory"
)

// Vectors is an empty store of memories with its vectors, on a clock that is moved
// by hand.
type Vectors struct {
	memory.Store
	memory.Index
	Clock *Clock
}

// Recall checks the promises of memory.Index and of recall by words and vectors
// together. open returns an empty store.
func Recall(t *testing.T, open func(t *testing.T) Vectors) {
	t.Helper()
	Nearest(t, open)
	search(t, open, map[string]func(*testing.T, *searcher){
		"a passage is found by words before its vector is made":                 recallMeanwhile,
		"a narrow reader finds what is theirs behind thousands that are nearer": recallNarrow,
		"vectors of another dimension are refused":                              recallDimension,
		"vectors of another model are not compared":                             recallOtherModel,
		"a query of 100,000 characters finds by meaning":                        recallLongQuery,
		"a model that does not answer costs no answer":                          recallNoModel,
		"work that was not finished comes back":                                 queueComesBack,
		"many workers embed each passage once":                                  queueShared,
		"a long item is embedded piece by piece":                                queueLong,
		"a passage that the model refuses holds up no other":                    queueRefused,
		"a new generation is built beside and used when it is whole":            generationsSwitch,
		"a model that is gone is replaced all the same":                         generationsGone,
		"a generation that finds less is not used":                              generationsHeld,
		"vectors of a third model wait for those that are being made":           generationsThird,
		"vectors of nothing but zeroes are no vectors":                          generationsMute,
		"a generation is built once however many begin it":                      generationsOnce,
		"what is dropped is gone and what is used cannot be":                    generationsDropped,
	})
}

// Nearest checks those of them that say what is found by meaning, and by whom: for
// each way that a store has to the nearest.
func Nearest(t *testing.T, open func(t *testing.T) Vectors) {
	t.Helper()
	search(t, open, map[string]func(*testing.T, *searcher){
		"a passage is found by its meaning when it shares no word with the query":  recallMeaning,
		"what is found by meaning has its label, its citation and its score parts": recallParts,
		"a passage beside the nearest is found too":                                recallBeside,
		"another workspace finds nothing by meaning":                               recallWorkspaces,
		"what was said to named people stays with them":                            recallNamed,
		"guests find only what is public":                                          recallGuests,
		"what is forgotten, corrected or removed is not found by meaning":          recallGone,
		"what is restored is embedded when it was not":                             recallRestored,
		"kinds, times and speakers filter what is near":                            recallFilters,
		"the nearest are those of an exact search":                                 recallExact,
	})
}

func search(t *testing.T, open func(t *testing.T) Vectors, promises map[string]func(*testing.T, *searcher)) {
	t.Helper()
	for name, promise := range promises {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			promise(t, newSearcher(t, open(t)))
		})
	}
}

// searcher is a Memory over store and vectors with a test embedder.
type searcher struct {
	*recaller
	Vectors
	embedder *embedtest.Embedder
	indexer  *memory.Indexer
	// fallbacks are why queries had to do without vectors.
	fallbacks []error
}

func newSearcher(t *testing.T, v Vectors) *searcher {
	t.Helper()
	s := &searcher{Vectors: v, embedder: &embedtest.Embedder{Dimension: 128, Same: map[string]string{
		"automobil": "car", "vehicl": "car", "mend": "repair", "fix": "repair", "physician": "doctor",
	}}}
	s.use(t, s.embedder)
	return s
}

// use makes another embedder the configured one, as a restart with other settings
// does.
func (s *searcher) use(t *testing.T, e *embedtest.Embedder) {
	t.Helper()
	s.embedder = e
	s.recaller = &recaller{store: s.Store, now: time.Date(2026, 3, 14, 9, 0, 0, 0, time.UTC)}
	var err error
	s.indexer, err = memory.NewIndexer(memory.IndexerConfig{
		Index: s.Index, Store: s.Store, Embedder: e, Clock: s.Clock.Now, Log: slog.New(slog.DiscardHandler), By: reader("olga"), Batch: 40,
	})
	if err != nil {
		t.Fatal(err)
	}
	s.Memory, err = memory.New(memory.Config{
		Store: s.Store, Index: s.Index, Embedder: e, Clock: func() time.Time { return s.now },
		OnFallback: func(_ context.Context, err error) { s.fallbacks = append(s.fallbacks, err) },
	})
	if err != nil {
		t.Fatal(err)
	}
}

// embed works until nothing is queued.
func (s *searcher) embed(t *testing.T) {
	t.Helper()
	for range 1000 {
		more, err := s.indexer.Step(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if !more {
			// Memory looks again at what the generations are.
			s.now = s.now.Add(time.Minute)
			return
		}
	}
	t.Fatal("the queue does not get empty")
}

func (s *searcher) find(t *testing.T, q memory.Query) []memory.Hit {
	t.Helper()
	if q.Reader.ID == "" {
		q.Reader = reader("bob")
	}
	hits, err := s.Recall(t.Context(), q)
	if err != nil {
		t.Fatal(err)
	}
	return hits
}

// near asks the store itself, without the second look Memory takes, for what is
// near a text; it returns the texts of hits that were found by their vectors.
func (s *searcher) near(t *testing.T, a agent.Actor, text string) []string {
	t.Helper()
	q := memory.ParseQuery(memory.Query{Reader: a, Text: text, Limit: memory.MaxLimit}, s.now)
	q.Vector, q.Model = memory.Unit(s.embedder.Vector(s.embedder.Model(), text)), s.embedder.Model()
	hits, err := s.Search(t.Context(), q)
	if err != nil {
		t.Fatal(err)
	}
	texts := []string{}
	for _, h := range hits {
		if h.Parts.Similarity > 0 {
			texts = append(texts, h.Chunk.Text)
		}
	}
	return texts
}

func (s *searcher) generation(t *testing.T, state memory.GenerationState) memory.Generation {
	t.Helper()
	all, err := s.Generations(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	g, _ := memory.InState(all, state)
	return g
}

func recallMeaning(t *testing.T, s *searcher) {
	s.keep(t, fact("The automobile was mended on Tuesday."))
	s.keep(t, fact("The osprey nests on the roof."))
	s.wantTexts(t, memory.Query{Text: "who will fix the vehicle?"})
	s.embed(t)
	s.wantTexts(t, memory.Query{Text: "who will fix the vehicle?", Limit: 1}, "The automobile was mended on Tuesday.")
	if len(s.fallbacks) != 0 {
		t.Errorf("queries fell back: %v", s.fallbacks)
	}
	if err := s.Able(t.Context()); err != nil {
		t.Errorf("vectors are kept, and yet: %v", err)
	}
}

func recallMeanwhile(t *testing.T, s *searcher) {
	s.keep(t, fact("The automobile was mended on Tuesday."))
	s.embed(t)
	s.keep(t, fact("The heron stands in the pond."))
	s.wantTexts(t, memory.Query{Text: "heron", Limit: 1}, "The heron stands in the pond.")
	if _, waiting, err := s.Progress(t.Context(), s.generation(t, memory.Current).ID); err != nil || waiting != 1 {
		t.Errorf("%d items wait for their vectors, %v; want 1", waiting, err)
	}
	s.embed(t)
	if vectors, waiting, err := s.Progress(t.Context(), s.generation(t, memory.Current).ID); err != nil || waiting != 0 || vectors != 2 {
		t.Errorf("%d vectors, %d wait, %v; want 2 and none", vectors, waiting, err)
	}
}

func recallParts(t *testing.T, s *searcher) {
	s.keep(t, remoteMinutes())
	i := fact("The physician comes on Monday.")
	i.Source = "turn:t7"
	s.keep(t, i)
	s.embed(t)
	hits := s.find(t, memory.Query{Text: "doctor", Limit: 1})
	if len(hits) != 1 {
		t.Fatal("nothing is found")
	}
	h := hits[0]
	if h.Item.Source != "turn:t7" || h.Label().Integrity != agent.Organisation || h.Label().Readers.Scope != agent.WholeWorkspace || h.Citation() != "2026-03-01" {
		t.Errorf("hit %+v", h)
	}
	if h.Parts.Meaning != 1 || h.Parts.Similarity <= 0.1 || h.Score <= 0 || h.Score != h.Parts.Score() {
		t.Errorf("score %v of %+v", h.Score, h.Parts)
	}
	both := s.find(t, memory.Query{Text: "rubber buttons", Limit: 1})
	if len(both) != 1 || both[0].Parts.Words != 1 || both[0].Parts.Meaning == 0 || both[0].Parts.BM25 <= 0 || both[0].Citation() != "Remote control, 0:12:03, Ann" {
		t.Errorf("by both: %+v", both)
	}
}

func recallBeside(t *testing.T, s *searcher) {
	s.keep(t, thread("Ann: Who mends our automobile?", "Bob: That would be Voltaic.", "Cid: Is anybody hungry?", "Ann: Always.", "Bob: Same here."))
	notes := fact("Note of the archive of notes.")
	for n := range 30 {
		notes.Chunks = append(notes.Chunks, memory.Chunk{Text: fmt.Sprintf("Note %d of the archive of notes.", n)})
	}
	s.keep(t, notes)
	s.embed(t)
	s.wantTexts(t, memory.Query{Text: "vehicle repair", Limit: 2}, "Who mends our automobile?", "That would be Voltaic.")
}

func recallWorkspaces(t *testing.T, s *searcher) {
	s.keep(t, fact("The automobile is in bay 4."))
	theirs := fact("The automobile is in bay 9.")
	theirs.Workspace = "other"
	s.embed(t)
	stranger := reader("ann")
	stranger.Workspace, stranger.Owner = "other", true
	if got := s.near(t, stranger, "vehicle"); len(got) != 0 {
		t.Errorf("another workspace is near %q", got)
	}
	s.keep(t, theirs)
	s.embed(t)
	if got := s.near(t, stranger, "vehicle"); !slices.Equal(got, []string{"The automobile is in bay 9."}) {
		t.Errorf("another workspace is near %q; want its own", got)
	}
	if got := s.near(t, reader("bob"), "vehicle"); !slices.Equal(got, []string{"The automobile is in bay 4."}) {
		t.Errorf("this workspace is near %q; want its own", got)
	}
}

func recallNamed(t *testing.T, s *searcher) {
	i := fact("The automobile is Bob's present.")
	i.Label = toldTo("ann", "bob")
	s.keep(t, i)
	other := fact("The automobile is Cid's present.")
	other.Label = toldTo("ann", "cid")
	s.keep(t, other)
	s.embed(t)
	boss := reader("dan")
	boss.Owner = true
	for _, c := range []struct {
		who  agent.Actor
		want []string
	}{
		{boss, []string{}},
		{agent.Actor{Workspace: "w", Kind: agent.Member}, []string{}},
		{reader("bob"), []string{"The automobile is Bob's present."}},
		{reader("cid"), []string{"The automobile is Cid's present."}},
		{reader("ann"), []string{"The automobile is Bob's present.", "The automobile is Cid's present."}},
	} {
		got := s.near(t, c.who, "vehicle")
		slices.Sort(got)
		if !slices.Equal(got, c.want) {
			t.Errorf("%q is near %q; want %q", c.who.ID, got, c.want)
		}
	}
}

func recallGuests(t *testing.T, s *searcher) {
	guest := reader("gus")
	guest.Kind = agent.Guest
	s.keep(t, fact("The automobile of the team."))
	open := fact("The automobile of the neighbours.")
	open.Label.Readers = agent.Readers{Scope: agent.Everybody}
	s.keep(t, open)
	named := fact("The automobile of the guests.")
	named.Label = toldTo("gus")
	s.keep(t, named)
	s.embed(t)
	got := s.near(t, guest, "vehicle")
	slices.Sort(got)
	if want := []string{"The automobile of the guests.", "The automobile of the neighbours."}; !slices.Equal(got, want) {
		t.Errorf("a guest is near %q; want %q", got, want)
	}
}

// crowd is how many nearer passages stand before a narrow reader's.
const crowd = 600

func recallNarrow(t *testing.T, s *searcher) {
	dm := thread("Bob: the vehicle and the pond", "Bob: the vehicle and the heron", "Bob: the vehicle and the garden")
	dm.Label = toldTo("bob", "eve")
	s.keep(t, dm)
	i := thread()
	for n := range crowd {
		i.Chunks = append(i.Chunks, memory.Chunk{Text: fmt.Sprintf("vehicle car automobile %d", n)})
	}
	i.Label = toldTo("ann", "cid")
	s.keep(t, i)
	s.embed(t)
	got := s.near(t, reader("bob"), "vehicle")
	slices.Sort(got)
	if want := []string{"the vehicle and the garden", "the vehicle and the heron", "the vehicle and the pond"}; !slices.Equal(got, want) {
		t.Errorf("bob is near %q; want %q", got, want)
	}
	if got := s.near(t, reader("ann"), "vehicle"); len(got) < 20 || slices.ContainsFunc(got, func(s string) bool { return strings.Contains(s, "pond") }) {
		t.Errorf("ann is near %d: %q", len(got), got)
	}
}

func recallGone(t *testing.T, s *searcher) {
	forgotten := s.keep(t, fact("The automobile is red."))
	corrected := s.keep(t, fact("The automobile is blue."))
	removed := s.keep(t, fact("The automobile is green."))
	s.embed(t)
	if got := s.near(t, reader("ann"), "vehicle"); len(got) != 3 {
		t.Fatalf("near is %q; want three", got)
	}
	if _, err := s.Forget(t.Context(), reader("ann"), forgotten.ID); err != nil {
		t.Fatal(err)
	}
	better := fact("The bicycle is blue.")
	better.Supersedes = corrected.ID
	s.keep(t, better)
	if _, err := s.Memory.Remove(t.Context(), reader("ann"), removed.ID); err != nil {
		t.Fatal(err)
	}
	if got := s.near(t, reader("ann"), "vehicle"); len(got) != 0 {
		t.Errorf("near is still %q", got)
	}
	s.embed(t)
	if vectors, waiting, err := s.Progress(t.Context(), s.generation(t, memory.Current).ID); err != nil || vectors != 1 || waiting != 0 {
		t.Errorf("%d vectors, %d wait, %v; want that of the new alone", vectors, waiting, err)
	}
	if _, err := s.Restore(t.Context(), reader("ann"), forgotten.ID); err != nil {
		t.Fatal(err)
	}
	s.wantTexts(t, memory.Query{Text: "automobile", Limit: 1}, "The automobile is red.")
	s.embed(t)
	if got := s.near(t, reader("ann"), "vehicle"); !slices.Contains(got, "The automobile is red.") {
		t.Errorf("restored, near is %q", got)
	}
}

func recallRestored(t *testing.T, s *searcher) {
	s.keep(t, fact("The pond is deep."))
	s.embed(t)
	kept := s.keep(t, fact("The automobile is red."))
	if _, err := s.Forget(t.Context(), reader("ann"), kept.ID); err != nil {
		t.Fatal(err)
	}
	before := s.embedder.Texts()
	s.embed(t)
	if n := s.embedder.Texts() - before; n != 0 {
		t.Errorf("%d texts were embedded that nobody remembers", n)
	}
	if _, err := s.Restore(t.Context(), reader("ann"), kept.ID); err != nil {
		t.Fatal(err)
	}
	s.embed(t)
	if got := s.near(t, reader("ann"), "vehicle"); !slices.Contains(got, "The automobile is red.") {
		t.Errorf("near is %q", got)
	}
}

func recallFilters(t *testing.T, s *searcher) {
	i := thread("Bob: the automobile and the pond", "Cid: the automobile and the garden")
	s.keep(t, i)
	crowd := fact("automobile")
	for n := range 300 {
		crowd.Chunks = append(crowd.Chunks, memory.Chunk{Text: fmt.Sprintf("automobile %d", n)})
	}
	s.keep(t, crowd)
	late := fact("the automobile in spring")
	late.At = late.At.AddDate(0, 1, 0)
	s.keep(t, late)
	s.embed(t)
	s.wantTexts(t, memory.Query{Text: "vehicle", Kinds: []memory.Kind{memory.Thread}, Speaker: "cid"}, "the automobile and the garden")
	s.wantTexts(t, memory.Query{Text: "vehicle", Since: late.At}, "the automobile in spring")
	if got := s.texts(t, memory.Query{Text: "vehicle", Kinds: []memory.Kind{memory.Thread}}); len(got) != 2 {
		t.Errorf("of threads it recalls %q", got)
	}
	for _, got := range s.texts(t, memory.Query{Text: "vehicle", Until: late.At, Limit: memory.MaxLimit}) {
		if got == "the automobile in spring" {
			t.Error("a passage from after the time is found")
		}
	}
}

func recallDimension(t *testing.T, s *searcher) {
	s.keep(t, fact("The automobile is red."))
	s.embed(t)
	g := s.generation(t, memory.Current)
	q := memory.ParseQuery(memory.Query{Reader: reader("ann"), Text: "vehicle"}, s.now)
	q.Vector, q.Model = memory.Unit([]float32{1, 2, 3}), g.Model
	_, err := s.Search(t.Context(), q)
	wantKind(t, "a query of three dimensions", err, agent.Conflict)
	s.keep(t, fact("The bicycle is green."))
	w, err := s.Work(t.Context(), g.ID, 10)
	if err != nil || len(w.Keys) != 1 {
		t.Fatalf("work %+v, %v", w, err)
	}
	err = s.SaveVectors(t.Context(), w, [][]float32{{1, 2, 3}})
	wantKind(t, "a vector of three dimensions", err, agent.Conflict)
	if !strings.Contains(agent.PublicText(err), "3 dimensions") || !strings.Contains(agent.PublicText(err), "128") {
		t.Errorf("the refusal says %q", agent.PublicText(err))
	}
	for _, d := range []int{0, -1, 1 << 20} {
		_, err := s.Begin(t.Context(), "huge", d)
		wantKind(t, fmt.Sprint("begin with dimension ", d), err, agent.Invalid)
	}
	// The same model that sends other vectors now: recall goes on by words.
	s.Clock.Advance(2 * memory.ClaimTime)
	s.use(t, &embedtest.Embedder{Dimension: 64})
	s.wantTexts(t, memory.Query{Text: "bicycle", Limit: 1}, "The bicycle is green.")
	if len(s.fallbacks) != 1 || agent.KindOf(s.fallbacks[0]) != agent.Conflict {
		t.Errorf("fallbacks %v; want one that says why", s.fallbacks)
	}
	_, err = s.indexer.Step(t.Context())
	wantKind(t, "embedding with it", err, agent.Conflict)
}

func recallOtherModel(t *testing.T, s *searcher) {
	s.keep(t, fact("The automobile is red."))
	s.embed(t)
	s.use(t, &embedtest.Embedder{Dimension: 128, Named: "another"})
	s.wantTexts(t, memory.Query{Text: "vehicle"})
	s.wantTexts(t, memory.Query{Text: "automobile"}, "The automobile is red.")
	q := memory.ParseQuery(memory.Query{Reader: reader("ann"), Text: "vehicle"}, s.now)
	q.Vector, q.Model = memory.Unit(s.embedder.Vector("another", "automobile")), "another"
	if hits, err := s.Search(t.Context(), q); err != nil || len(hits) != 0 {
		t.Errorf("a vector of another model finds %d, %v", len(hits), err)
	}
}

func recallLongQuery(t *testing.T, s *searcher) {
	s.keep(t, fact("The automobile is red."))
	s.embed(t)
	s.wantTexts(t, memory.Query{Text: "vehicle " + strings.Repeat("lorem ipsum \"dolor\" ", 5000), Limit: 1}, "The automobile is red.")
	for _, r := range []string{"x", "界", "\x00", "\xff", "'"} {
		s.find(t, memory.Query{Text: strings.Repeat(r, 100_000)})
	}
}

func recallNoModel(t *testing.T, s *searcher) {
	s.keep(t, fact("The automobile is red."))
	s.embed(t)
	s.embedder.Fail(agent.Errorf(agent.Unavailable, "away"))
	s.keep(t, fact("The bicycle is green."))
	s.wantTexts(t, memory.Query{Text: "automobile"}, "The automobile is red.")
	s.wantTexts(t, memory.Query{Text: "bicycle"}, "The bicycle is green.")
	if len(s.fallbacks) != 2 {
		t.Errorf("%d fallbacks; want one a query", len(s.fallbacks))
	}
	_, err := s.indexer.Step(t.Context())
	wantKind(t, "embedding", err, agent.Unavailable)
	s.embedder.Fail(nil)
	s.Clock.Advance(2 * memory.ClaimTime)
	s.embed(t)
	if got := s.near(t, reader("ann"), "bicycle"); !slices.Contains(got, "The bicycle is green.") {
		t.Errorf("when the model is back near is %q", got)
	}
}

// The nearest ten of 600, for readers of different width, are those that a plain
// comparison of all vectors gives.
func recallExact(t *testing.T, s *searcher) {
	words := strings.Fields("pond heron garden roof osprey lamp desk chair window door kettle spoon river hill stone cloud")
	var all []memory.Item
	for n := range 30 {
		i := thread()
		i.Kind, i.Title = memory.Document, ""
		for c := range 20 {
			i.Chunks = append(i.Chunks, memory.Chunk{Text: fmt.Sprintf("%s %s %s n%dc%d", words[(n*7+c)%16], words[(n+c*3)%16], words[(n*c)%16], n, c)})
		}
		if n%6 == 0 {
			i.Label = toldTo("bob", agent.ActorID(fmt.Sprint("p", n)))
		}
		all = append(all, s.keep(t, i))
	}
	s.embed(t)
	for _, who := range []agent.Actor{reader("bob"), reader("cid"), reader("p6")} {
		for _, text := range []string{"heron pond", "kettle spoon lamp", "stone"} {
			q := memory.Unit(s.embedder.Vector(s.embedder.Model(), text))
			best := map[string]float64{}
			for _, i := range all {
				for _, c := range i.Chunks {
					if i.Label.Readers.Includes(who) {
						v := memory.Unit(s.embedder.Vector(s.embedder.Model(), memory.EmbeddedText(i.Title, c)))
						for d := range v {
							best[c.Text] += float64(v[d]) * float64(q[d])
						}
					}
				}
			}
			near := s.near(t, who, text)
			slices.SortFunc(near, func(a, b string) int { return compare(best[b], best[a]) })
			texts := make([]string, 0, len(best))
			for text := range best {
				texts = append(texts, text)
			}
			slices.SortFunc(texts, func(a, b string) int { return compare(best[b], best[a]) })
			for n := range 10 {
				if best[near[n]] < best[texts[n]]-0.01 {
					t.Fatalf("%s, %q: place %d is %q (%.3f); exactly it is %q (%.3f)", who.ID, text, n, near[n], best[near[n]], texts[n], best[texts[n]])
				}
			}
		}
	}
}

func compare(a, b float64) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}
