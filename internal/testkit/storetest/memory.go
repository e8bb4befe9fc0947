package storetest

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/memory"
)

// Memories checks the promises of memory.Store, mostly as package memory makes
// them to its callers. open returns an empty store.
func Memories(t *testing.T, open func(t *testing.T) memory.Store) {
	t.Helper()
	for name, promise := range map[string]func(*testing.T, *recaller){
		"an item is returned as it was remembered":                         memoryRoundTrip,
		"the same item sixteen times at once is one item":                  memoryOnce,
		"the same key is the same item whatever it says":                   memoryKey,
		"another workspace recalls, lists and changes nothing":             memoryWorkspaces,
		"what was said to named people stays with them":                    memoryNamed,
		"guests recall only what is public":                                memoryGuests,
		"nobody without an id recalls anything":                            memoryNobody,
		"what is forgotten is not recalled until it is restored":           memoryForget,
		"forgetting twice changes nothing and unknown ids are not found":   memoryForgetAgain,
		"a correction takes the place of what it corrects":                 memorySupersede,
		"newer minutes of a source take the place of older ones":           memorySlot,
		"a newer item for other readers takes nobody's place":              memorySlotReaders,
		"query syntax is only words":                                       memorySyntax,
		"words are found in other forms, cases, accents and scripts":       memoryForms,
		"a rare word outweighs frequent ones":                              memoryRare,
		"a passage beside the one that matches is found too":               memoryNeighbours,
		"what the named speaker said comes first":                          memorySpeaker,
		"asking for decisions gives decisions":                             memoryDecisions,
		"kinds, times and speakers filter, with and without words":         memoryFilters,
		"an empty query gives the newest items, one passage each":          memoryNewest,
		"a query of 100,000 characters is answered":                        memoryLongQuery,
		"a passage comes back with its place in the item and its citation": memoryCitation,
		"what one may read is found behind thousands that one may not":     memoryCrowd,
		"one among thousands of passages is found":                         memoryMany,
		"a fact is forgotten with all it took the place of":                memoryForgetVersions,
		"a correction is taken back once and not behind a newer one":       memoryRevert,
		"nobody loses sight of a fact that is corrected elsewhere":         memoryCorrectElsewhere,
		"the history of a fact is there for those who may read it":         memoryHistory,
		"an imported item replaces the version before it":                  memoryReplace,
		"what is removed is gone and leaves what is beside it":             memoryRemove,
		"a collection lists what was imported with it":                     memoryCollection,
		"statements that contradict each other stand side by side":         memoryBeside,
		"what a fact took the place of is shown when it is asked for":      memoryFactsHistory,
	} {
		t.Run(name, func(t *testing.T) { promise(t, newRecaller(t, open(t))) })
	}
}

// recaller is a Memory over the store with short words for tests.
type recaller struct {
	*memory.Memory
	store memory.Store
	now   time.Time
}

func newRecaller(t *testing.T, s memory.Store) *recaller {
	t.Helper()
	r := &recaller{store: s, now: time.Date(2026, 3, 14, 9, 0, 0, 0, time.UTC)}
	m, err := memory.New(memory.Config{Store: s, Clock: func() time.Time { return r.now }})
	if err != nil {
		t.Fatal(err)
	}
	r.Memory = m
	return r
}

func reader(id agent.ActorID) agent.Actor {
	return agent.Actor{Workspace: "w", ID: id, Kind: agent.Member}
}

func everyMember() agent.Label {
	return agent.Label{Integrity: agent.Organisation, Readers: agent.Readers{Scope: agent.WholeWorkspace}, Sources: []string{"general"}}
}

func toldTo(ids ...agent.ActorID) agent.Label {
	return agent.Label{Integrity: agent.Requester, Readers: agent.Only(ids...)}
}

// fact is what ann had remembered for the whole workspace.
func fact(text string) memory.Item {
	return memory.Item{
		Workspace: "w", Kind: memory.Fact, Author: "ann", Label: everyMember(),
		At: time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC), Chunks: []memory.Chunk{{Text: text}},
	}
}

func (r *recaller) keep(t *testing.T, i memory.Item) memory.Item {
	t.Helper()
	stored, err := r.Remember(t.Context(), i)
	if err != nil {
		t.Fatal(err)
	}
	return stored
}

// texts recalls and returns the passages' texts.
func (r *recaller) texts(t *testing.T, q memory.Query) []string {
	t.Helper()
	if q.Reader.ID == "" {
		q.Reader = reader("bob")
	}
	hits, err := r.Recall(t.Context(), q)
	if err != nil {
		t.Fatal(err)
	}
	texts := make([]string, len(hits))
	for n, h := range hits {
		texts[n] = h.Chunk.Text
	}
	return texts
}

func (r *recaller) wantTexts(t *testing.T, q memory.Query, want ...string) {
	t.Helper()
	if got := r.texts(t, q); !slices.Equal(got, want) {
		t.Errorf("%q recalls %q; want %q", q.Text, got, want)
	}
}

// storeShowsNothing asks the store itself, without the second look that Memory
// takes: by words, for the newest, of any kind, and for the list.
func (r *recaller) storeShowsNothing(t *testing.T, a agent.Actor, text string) {
	t.Helper()
	for what, q := range map[string]memory.Query{
		"by words": {Text: text}, "for the newest": {}, "for any kind": {Kinds: memory.Kinds()},
	} {
		q.Reader = a
		hits, err := r.store.Search(t.Context(), memory.ParseQuery(q, r.now))
		if err != nil || len(hits) != 0 {
			t.Errorf("asked %s the store returns %d hits, %v; want none", what, len(hits), err)
		}
	}
	items, err := r.store.Items(t.Context(), memory.Filter{Reader: a})
	if err != nil || len(items) != 0 {
		t.Errorf("the store lists %d items, %v; want none", len(items), err)
	}
}

func memoryRoundTrip(t *testing.T, r *recaller) {
	in := memory.Item{
		Workspace: "w", Kind: memory.Minutes, Title: "Design weekly", Source: "file:f1", Author: "ann", AuthorName: "Ann",
		Place: "C1", Where: "the design channel", Collection: "minutes", Hash: "ab12", Label: everyMember(), At: time.Date(2026, 3, 2, 10, 0, 0, 0, time.UTC), Chunks: []memory.Chunk{
			{Kind: memory.Decision, Text: "Rubber buttons.", Quote: "let's go with rubber", Speaker: "Zoë", Position: "0:12:03", At: time.Date(2026, 3, 2, 10, 12, 3, 0, time.UTC)},
			{Text: "A second passage."},
		},
	}
	stored := r.keep(t, in)
	got, err := r.Get(t.Context(), reader("bob"), stored.ID)
	if err != nil {
		t.Fatal(err)
	}
	want := in
	want.ID, want.Remembered = stored.ID, r.now
	want.Chunks = slices.Clone(in.Chunks)
	want.Chunks[1].N = 1
	for what, pair := range map[string][2]any{
		"as stored": {fmt.Sprintf("%+v", stored), fmt.Sprintf("%+v", want)},
		"as read":   {fmt.Sprintf("%+v", got), fmt.Sprintf("%+v", want)},
	} {
		if pair[0] != pair[1] {
			t.Errorf("%s:\n%s\nwant\n%s", what, pair[0], pair[1])
		}
	}
}

func memoryOnce(t *testing.T, r *recaller) {
	var fresh [16]bool
	var wg sync.WaitGroup
	item := fact("The build server is called Hamlet.")
	item.ID, item.Remembered = "one", r.now
	for n := range fresh {
		wg.Go(func() {
			stored, f, err := r.store.SaveItem(t.Context(), item)
			if err != nil || stored.ID != "one" {
				t.Errorf("save: %q, %v", stored.ID, err)
			}
			fresh[n] = f
		})
	}
	wg.Wait()
	made := 0
	for _, f := range fresh {
		if f {
			made++
		}
	}
	if made != 1 {
		t.Errorf("%d of 16 saves made the item; want 1", made)
	}
	r.wantTexts(t, memory.Query{Text: "build server"}, "The build server is called Hamlet.")
}

func memoryKey(t *testing.T, r *recaller) {
	first := fact("Lunch is at noon.")
	first.Key = "turn/1"
	second := fact("Lunch is at one.")
	second.Key = "turn/1"
	a, b := r.keep(t, first), r.keep(t, second)
	if a.ID != b.ID || b.Text() != "Lunch is at noon." {
		t.Errorf("the second save returned %s %q; want %s as it was", b.ID, b.Text(), a.ID)
	}
	r.wantTexts(t, memory.Query{Text: "lunch"}, "Lunch is at noon.")
	second.Key = "turn/2"
	r.keep(t, second)
	if got := r.texts(t, memory.Query{Text: "lunch"}); len(got) != 2 {
		t.Errorf("with another key it is another item; recalled %q", got)
	}
}

func memoryWorkspaces(t *testing.T, r *recaller) {
	mine := r.keep(t, fact("The safe code is 4711."))
	stranger := reader("ann")
	stranger.Workspace = "other"
	stranger.Owner = true
	r.wantTexts(t, memory.Query{Text: "safe code", Reader: stranger})
	r.wantTexts(t, memory.Query{Text: "", Reader: stranger})
	r.storeShowsNothing(t, stranger, "safe code")
	_, err := r.Get(t.Context(), stranger, mine.ID)
	wantKind(t, "get", err, agent.NotFound)
	_, err = r.Forget(t.Context(), stranger, mine.ID)
	wantKind(t, "forget", err, agent.NotFound)
	wantKind(t, "set forgotten", r.store.SetForgotten(t.Context(), stranger, mine.ID, r.now), agent.NotFound)
	theirs := fact("The safe code is 0815.")
	theirs.Workspace = "other"
	if kept := r.keep(t, theirs); kept.ID == mine.ID {
		t.Error("items of two workspaces share an id")
	}
	theirs.Supersedes = mine.ID
	_, err = r.Remember(t.Context(), theirs)
	wantKind(t, "supersede", err, agent.NotFound)
	theirs.ID, theirs.Remembered = "raw", r.now
	_, _, err = r.store.SaveItem(t.Context(), theirs)
	wantKind(t, "supersede in the store", err, agent.NotFound)
	r.wantTexts(t, memory.Query{Text: "safe code"}, "The safe code is 4711.")
	r.wantTexts(t, memory.Query{Text: "safe code", Reader: stranger}, "The safe code is 0815.")
}

func memoryNamed(t *testing.T, r *recaller) {
	i := fact("Bob wants to leave in June.")
	i.Label = toldTo("ann", "bob")
	kept := r.keep(t, i)
	boss := reader("cid")
	boss.Owner = true
	for _, id := range []agent.ActorID{"ann", "bob"} {
		r.wantTexts(t, memory.Query{Text: "leave", Reader: reader(id)}, "Bob wants to leave in June.")
		r.wantTexts(t, memory.Query{Reader: reader(id)}, "Bob wants to leave in June.")
	}
	r.wantTexts(t, memory.Query{Text: "leave", Reader: boss})
	r.wantTexts(t, memory.Query{Reader: boss})
	r.storeShowsNothing(t, boss, "leave June")
	_, err := r.Get(t.Context(), boss, kept.ID)
	wantKind(t, "get", err, agent.NotFound)
	_, err = r.Forget(t.Context(), boss, kept.ID)
	wantKind(t, "forget", err, agent.NotFound)
}

func memoryGuests(t *testing.T, r *recaller) {
	guest := reader("gus")
	guest.Kind = agent.Guest
	r.keep(t, fact("Internal roadmap: drop the tablet."))
	r.storeShowsNothing(t, guest, "roadmap")
	open := fact("Public roadmap: a new tablet.")
	open.Label.Readers = agent.Readers{Scope: agent.Everybody}
	r.keep(t, open)
	named := fact("The guest roadmap meeting is on Friday.")
	named.Label = toldTo("ann", "gus")
	r.keep(t, named)
	got := r.texts(t, memory.Query{Text: "roadmap", Reader: guest})
	slices.Sort(got)
	if want := []string{"Public roadmap: a new tablet.", "The guest roadmap meeting is on Friday."}; !slices.Equal(got, want) {
		t.Errorf("a guest recalls %q; want %q", got, want)
	}
}

func memoryNobody(t *testing.T, r *recaller) {
	open := fact("Anybody may read this.")
	open.Label.Readers = agent.Readers{Scope: agent.Everybody}
	r.keep(t, open)
	_, err := r.Recall(t.Context(), memory.Query{Text: "anybody", Reader: agent.Actor{Workspace: "w", Kind: agent.Member}})
	wantKind(t, "recall", err, agent.Invalid)
	_, err = r.List(t.Context(), memory.Filter{Reader: agent.Actor{Workspace: "w"}})
	wantKind(t, "list", err, agent.Invalid)
	r.storeShowsNothing(t, agent.Actor{Workspace: "w", Kind: agent.Member}, "read")
}

func memoryForget(t *testing.T, r *recaller) {
	kept := r.keep(t, fact("The printer is on floor two."))
	_, err := r.Forget(t.Context(), reader("bob"), kept.ID)
	wantKind(t, "forgetting what is another's", err, agent.Forbidden)
	gone, err := r.Forget(t.Context(), reader("ann"), kept.ID)
	if err != nil || !gone.Forgotten.Equal(r.now) || gone.ForgottenBy != "ann" {
		t.Fatalf("forget: %+v, %v", gone, err)
	}
	r.storeShowsNothing(t, reader("ann"), "printer")
	if items, err := r.List(t.Context(), memory.Filter{Reader: reader("ann"), Forgotten: true}); err != nil || len(items) != 1 {
		t.Errorf("list with forgotten: %v, %v; want the item", items, err)
	}
	if again := r.keep(t, fact("The printer is on floor two.")); again.Live() {
		t.Error("remembering the same item brought back what was forgotten")
	}
	back, err := r.Restore(t.Context(), reader("ann"), kept.ID)
	if err != nil || !back.Live() || back.ForgottenBy != "" {
		t.Fatalf("restore: %+v, %v", back, err)
	}
	r.wantTexts(t, memory.Query{Text: "printer"}, "The printer is on floor two.")
	owner := reader("olga")
	owner.Owner = true
	if _, err := r.Forget(t.Context(), owner, kept.ID); err != nil {
		t.Errorf("the owner forgets anything: %v", err)
	}
}

func memoryForgetAgain(t *testing.T, r *recaller) {
	kept := r.keep(t, fact("Coffee is in the kitchen."))
	if _, err := r.Forget(t.Context(), reader("ann"), kept.ID); err != nil {
		t.Fatal(err)
	}
	if err := r.store.SetForgotten(t.Context(), reader("bob"), kept.ID, r.now.Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	got, err := r.store.Item(t.Context(), "w", kept.ID)
	if err != nil || !got.Forgotten.Equal(r.now) || got.ForgottenBy != "ann" {
		t.Errorf("after a second forget: %v by %q, %v; want the first to stand", got.Forgotten, got.ForgottenBy, err)
	}
	for _, at := range []time.Time{r.now, {}} {
		wantKind(t, "unknown id", r.store.SetForgotten(t.Context(), reader("ann"), "nothing", at), agent.NotFound)
	}
	_, err = r.store.Item(t.Context(), "w", "nothing")
	wantKind(t, "unknown item", err, agent.NotFound)
	_, err = r.Restore(t.Context(), reader("ann"), strings.Repeat("x", 1000))
	wantKind(t, "restore of an unknown item", err, agent.NotFound)
}

func memorySupersede(t *testing.T, r *recaller) {
	old := r.keep(t, fact("The launch is on 3 May."))
	i := fact("The launch is on 10 May.")
	i.Supersedes = old.ID
	i.Author = "bob"
	_, err := r.Remember(t.Context(), i)
	wantKind(t, "correcting what is another's", err, agent.Forbidden)
	r.wantTexts(t, memory.Query{Text: "launch"}, "The launch is on 3 May.")
	i.Author = "ann"
	fresh := r.keep(t, i)
	r.wantTexts(t, memory.Query{Text: "launch"}, "The launch is on 10 May.")
	hits, err := r.store.Search(t.Context(), memory.ParseQuery(memory.Query{Reader: reader("ann"), Text: "launch"}, r.now))
	if err != nil || len(hits) != 1 {
		t.Errorf("the store itself returns %d hits, %v; want the correction alone", len(hits), err)
	}
	got, err := r.Get(t.Context(), reader("ann"), old.ID)
	if err != nil || got.SupersededBy != fresh.ID {
		t.Errorf("the corrected item says superseded by %q, %v; want %q", got.SupersededBy, err, fresh.ID)
	}
	if again := r.keep(t, i); again.ID != fresh.ID {
		t.Errorf("the same correction again is %q; want %q", again.ID, fresh.ID)
	}
	i.Chunks = []memory.Chunk{{Text: "The launch is on 17 May."}}
	_, err = r.Remember(t.Context(), i)
	wantKind(t, "correcting what was corrected already", err, agent.Conflict)
	r.wantTexts(t, memory.Query{Text: "launch"}, "The launch is on 10 May.")
}

func minutesOf(summary string, readers agent.Readers) memory.Item {
	return memory.FromMinutes(agent.Minutes{Title: "Retro", Date: "2026-03-02", Summary: summary}, memory.Meeting{
		Workspace: "w", Author: "ann", Source: "file:f1", Label: agent.Label{Readers: readers},
	})
}

func memorySlot(t *testing.T, r *recaller) {
	all := agent.Readers{Scope: agent.WholeWorkspace}
	old := r.keep(t, minutesOf("The pipeline was slow.", all))
	fresh := r.keep(t, minutesOf("The pipeline was slow because of the cache.", all))
	r.wantTexts(t, memory.Query{Text: "pipeline"}, "The pipeline was slow because of the cache.")
	if again := r.keep(t, minutesOf("The pipeline was slow.", all)); again.ID != old.ID || again.SupersededBy != fresh.ID {
		t.Errorf("the older minutes again: %s superseded by %q; want %s by %s", again.ID, again.SupersededBy, old.ID, fresh.ID)
	}
	r.wantTexts(t, memory.Query{Text: "pipeline"}, "The pipeline was slow because of the cache.")
}

func memorySlotReaders(t *testing.T, r *recaller) {
	r.keep(t, minutesOf("The pipeline was slow.", agent.Readers{Scope: agent.WholeWorkspace}))
	r.keep(t, minutesOf("The pipeline was slow, between us.", agent.Only("ann")))
	r.wantTexts(t, memory.Query{Text: "pipeline"}, "The pipeline was slow.")
	if got := r.texts(t, memory.Query{Text: "pipeline", Reader: reader("ann")}); len(got) != 2 {
		t.Errorf("ann recalls %q; want both", got)
	}
}
