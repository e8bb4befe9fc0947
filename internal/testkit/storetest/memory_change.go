package storetest

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/memory"
)

// corrected keeps three versions of a fact and returns them, oldest first.
func corrected(t *testing.T, r *recaller) [3]memory.Item {
	t.Helper()
	var v [3]memory.Item
	for n, day := range []string{"3 May", "10 May", "17 May"} {
		i := fact("The launch is on " + day + ".")
		if n > 0 {
			i.Supersedes = v[n-1].ID
		}
		v[n] = r.keep(t, i)
	}
	return v
}

// live says of each id whether recall may return the item.
func live(t *testing.T, r *recaller, items ...memory.Item) []bool {
	t.Helper()
	var out []bool
	for _, i := range items {
		got, err := r.store.Item(t.Context(), "w", i.ID)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, got.Live())
	}
	return out
}

func memoryForgetVersions(t *testing.T, r *recaller) {
	v := corrected(t, r)
	other := r.keep(t, fact("The launch party is on 20 May."))
	if _, err := r.Forget(t.Context(), reader("ann"), v[2].ID); err != nil {
		t.Fatal(err)
	}
	for n, i := range v {
		got, err := r.store.Item(t.Context(), "w", i.ID)
		if err != nil || got.Forgotten.IsZero() || got.ForgottenBy != "ann" {
			t.Errorf("version %d: forgotten %v by %q, %v; want it forgotten with the last", n, got.Forgotten, got.ForgottenBy, err)
		}
	}
	if got := live(t, r, other); !got[0] {
		t.Error("another fact was forgotten with it")
	}
	r.now = r.now.Add(time.Hour)
	if _, err := r.Restore(t.Context(), reader("ann"), v[2].ID); err != nil {
		t.Fatal(err)
	}
	for n, i := range v {
		if got, err := r.store.Item(t.Context(), "w", i.ID); err != nil || !got.Forgotten.IsZero() {
			t.Errorf("version %d stayed forgotten (%v)", n, err)
		}
	}
	r.wantTexts(t, memory.Query{Text: "launch", Kinds: []memory.Kind{memory.Fact}, Limit: 1}, "The launch is on 17 May.")
}

func memoryRevert(t *testing.T, r *recaller) {
	v := corrected(t, r)
	_, err := r.Revert(t.Context(), reader("ann"), v[0].ID)
	wantKind(t, "taking back the correction before the last", err, agent.Conflict)
	_, err = r.Revert(t.Context(), reader("ann"), v[2].ID)
	wantKind(t, "taking back what is not corrected", err, agent.Conflict)
	_, err = r.Revert(t.Context(), reader("bob"), v[1].ID)
	wantKind(t, "taking back another's", err, agent.Forbidden)
	_, err = r.Revert(t.Context(), reader("ann"), "nothing")
	wantKind(t, "taking back what is not there", err, agent.NotFound)
	stranger := reader("ann")
	stranger.Workspace = "other"
	wantKind(t, "taking back another workspace's", r.store.Revert(t.Context(), stranger, v[1].ID, r.now), agent.NotFound)
	r.wantTexts(t, memory.Query{Text: "launch"}, "The launch is on 17 May.")
	var wg sync.WaitGroup
	kinds := make([]error, 8)
	for n := range kinds {
		wg.Go(func() { kinds[n] = r.store.Revert(t.Context(), reader("ann"), v[1].ID, r.now) })
	}
	wg.Wait()
	won := 0
	for _, err := range kinds {
		if err == nil {
			won++
			continue
		}
		wantKind(t, "the loser of the race", err, agent.Conflict)
	}
	if won != 1 {
		t.Errorf("%d of 8 took the correction back; want 1", won)
	}
	r.wantTexts(t, memory.Query{Text: "launch"}, "The launch is on 10 May.")
	if got := live(t, r, v[:]...); !slices.Equal(got, []bool{false, true, false}) {
		t.Errorf("live are %v; want the middle one alone", got)
	}
}

func memoryCorrectElsewhere(t *testing.T, r *recaller) {
	old := r.keep(t, fact("The launch is on 3 May."))
	i := fact("The launch is on 10 May.")
	i.Label, i.Supersedes = toldTo("ann", "bob"), old.ID
	_, err := r.Remember(t.Context(), i)
	wantKind(t, "correcting for fewer people", err, agent.Forbidden)
	r.wantTexts(t, memory.Query{Text: "launch", Reader: reader("cid")}, "The launch is on 3 May.")
	i.Supersedes = ""
	r.keep(t, i)
	if got := r.texts(t, memory.Query{Text: "launch"}); len(got) != 2 {
		t.Errorf("bob recalls %q; want both, beside each other", got)
	}
}

func memoryHistory(t *testing.T, r *recaller) {
	v := corrected(t, r)
	got, err := r.History(t.Context(), reader("bob"), v[2].ID)
	if err != nil || len(got) != 3 || got[0].ID != v[2].ID || got[2].ID != v[0].ID || got[2].Text() != "The launch is on 3 May." {
		t.Errorf("history %v, %v; want three versions, newest first", got, err)
	}
	secret := fact("The launch is on 1 May, but tell nobody.")
	secret.Label = toldTo("ann")
	first := r.keep(t, secret)
	open := fact("The launch is on 2 May.")
	open.Supersedes = first.ID
	second := r.keep(t, open)
	if got, err := r.History(t.Context(), reader("bob"), second.ID); err != nil || len(got) != 1 {
		t.Errorf("bob is shown %d versions, %v; want only what he may read", len(got), err)
	}
	_, err = r.History(t.Context(), reader("bob"), first.ID)
	wantKind(t, "the history of what one may not read", err, agent.NotFound)
}

// page is a version of an imported document.
func page(hash string, texts ...string) memory.Item {
	i := memory.Item{
		Workspace: "w", Kind: memory.Document, Title: "Handbook", Source: "handbook.md", Author: "ann", Label: everyMember(),
		At: time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC), Collection: "docs", Hash: hash, Key: "docs/handbook.md/" + hash, Slot: "docs/handbook.md",
	}
	for n, text := range texts {
		i.Chunks = append(i.Chunks, memory.Chunk{Text: text, Position: fmt.Sprintf("line %d", n+1)})
	}
	return i
}

func memoryReplace(t *testing.T, r *recaller) {
	old := r.keep(t, page("h1", "The kettle is blue.", "The kettle is old."))
	if again := r.keep(t, page("h1", "The kettle is blue.", "The kettle is old.")); again.ID != old.ID {
		t.Errorf("the same version again is %s; want %s", again.ID, old.ID)
	}
	fresh := r.keep(t, page("h2", "The kettle is green."))
	r.wantTexts(t, memory.Query{Text: "kettle"}, "The kettle is green.")
	_, err := r.store.Item(t.Context(), "w", old.ID)
	wantKind(t, "the version before", err, agent.NotFound)
	back := r.keep(t, page("h1", "The kettle is blue.", "The kettle is old."))
	if !back.Live() || len(back.Chunks) != 2 {
		t.Errorf("the first version again: %+v; want it live with its passages", back)
	}
	_, err = r.store.Item(t.Context(), "w", fresh.ID)
	wantKind(t, "the version between", err, agent.NotFound)
	if got := r.texts(t, memory.Query{Text: "kettle"}); len(got) != 2 {
		t.Errorf("recalled %q; want the two passages of the first version", got)
	}
	if _, err := r.Forget(t.Context(), reader("ann"), back.ID); err != nil {
		t.Fatal(err)
	}
	r.keep(t, page("h3", "The kettle is red."))
	if got, err := r.store.Item(t.Context(), "w", back.ID); err != nil || got.Forgotten.IsZero() {
		t.Errorf("what was forgotten was replaced: %+v, %v", got, err)
	}
}

func memoryRemove(t *testing.T, r *recaller) {
	v := corrected(t, r)
	keep := r.keep(t, page("h1", "The launch pad is on the roof.", "Bring a launch code."))
	named := fact("The launch is a secret.")
	named.Label = toldTo("ann", "bob")
	gone := r.keep(t, named)
	stranger := reader("ann")
	stranger.Workspace = "other"
	if n, err := r.store.Remove(t.Context(), stranger, []string{v[2].ID, gone.ID}); n != 0 || err != nil {
		t.Errorf("another workspace removed %d items, %v", n, err)
	}
	_, err := r.Remove(t.Context(), reader("bob"), gone.ID)
	wantKind(t, "removing another's", err, agent.Forbidden)
	if n, err := r.store.Remove(t.Context(), reader("ann"), []string{v[2].ID, gone.ID, "nothing"}); n != 4 || err != nil {
		t.Errorf("removed %d items, %v; want 4", n, err)
	}
	for _, i := range []memory.Item{v[0], v[1], v[2], gone} {
		_, err := r.store.Item(t.Context(), "w", i.ID)
		wantKind(t, "what was removed", err, agent.NotFound)
	}
	got := r.texts(t, memory.Query{Text: "launch"})
	slices.Sort(got)
	if want := []string{"Bring a launch code.", "The launch pad is on the roof."}; !slices.Equal(got, want) {
		t.Errorf("recalled %q; want %q", got, want)
	}
	if n, err := r.store.Remove(t.Context(), reader("ann"), []string{v[2].ID, gone.ID}); n != 0 || err != nil {
		t.Errorf("a second time %d items, %v", n, err)
	}
	again := r.keep(t, named)
	if !again.Live() {
		t.Error("what was removed cannot be remembered anew")
	}
	if _, err := r.Remove(t.Context(), reader("ann"), keep.ID); err != nil {
		t.Error(err)
	}
	r.wantTexts(t, memory.Query{Text: "launch"}, "The launch is a secret.")
}

func memoryCollection(t *testing.T, r *recaller) {
	first := r.keep(t, page("h1", "The kettle is blue."))
	r.keep(t, fact("The kettle is not mine."))
	other := page("h1", "A kettle of fish.")
	other.Collection, other.Key, other.Slot = "fish", "fish", "fish"
	r.keep(t, other)
	items, err := r.List(t.Context(), memory.Filter{Reader: reader("ann"), Author: "ann", Collection: "docs"})
	if err != nil || len(items) != 1 || items[0].ID != first.ID || items[0].Hash != "h1" || items[0].Source != "handbook.md" {
		t.Errorf("the collection lists %+v, %v; want the one item with hash and source", items, err)
	}
	if items, err := r.List(t.Context(), memory.Filter{Reader: reader("ann"), Author: "bob", Collection: "docs"}); err != nil || len(items) != 0 {
		t.Errorf("bob imported %d items, %v; want none", len(items), err)
	}
}

func memoryBeside(t *testing.T, r *recaller) {
	r.keep(t, fact("The launch is on 3 May."))
	r.keep(t, fact("The launch needs two displays."))
	secret := fact("The launch is on 24 May.")
	secret.Label = toldTo("ann")
	r.keep(t, secret)
	other := fact("The launch is on 10 May.")
	other.Author, other.AuthorName, other.Where = "bob", "Bob", "a direct message"
	r.keep(t, other)
	r.keep(t, memory.FromMinutes(agent.Minutes{Title: "Weekly", Date: "2026-03-02", Decisions: []agent.Item{{Text: "The launch is on 17 May."}}},
		memory.Meeting{Workspace: "w", Author: "ann", Source: "file:1", Label: everyMember()}))
	all, err := r.Facts(t.Context(), memory.FactsQuery{Reader: reader("bob"), Text: "launch 3 May", Limit: 1})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, s := range all {
		got = append(got, fmt.Sprintf("%s %v", s.Chunk.Text, len(s.Against)))
	}
	slices.Sort(got)
	if want := []string{"The launch is on 10 May. 2", "The launch is on 17 May. 2", "The launch is on 3 May. 2"}; !slices.Equal(got, want) {
		t.Errorf("beside the one asked for: %q; want %q", got, want)
	}
	for _, s := range all {
		if s.Item.Author == "bob" && s.Citation() != "Bob, in a direct message, 2026-03-01" {
			t.Errorf("it cites %q", s.Citation())
		}
	}
	all, err = r.Facts(t.Context(), memory.FactsQuery{Reader: reader("bob")})
	if err != nil || len(all) != 4 {
		t.Errorf("the newest are %d, %v; want 4 of facts and decisions", len(all), err)
	}
}

func memoryFactsHistory(t *testing.T, r *recaller) {
	v := corrected(t, r)
	all, err := r.Facts(t.Context(), memory.FactsQuery{Reader: reader("bob"), Text: "launch", History: true})
	if err != nil || len(all) != 1 || all[0].Item.ID != v[2].ID || len(all[0].Before) != 2 || all[0].Before[0].ID != v[1].ID || len(all[0].Against) != 0 {
		t.Errorf("%+v, %v; want the fact that holds with the two before it", all, err)
	}
	all, err = r.Facts(t.Context(), memory.FactsQuery{Reader: reader("bob"), Text: "launch"})
	if err != nil || len(all) != 1 || all[0].Before != nil {
		t.Errorf("%+v, %v; want no history unasked", all, err)
	}
}
