package memory_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/memory"
)

func origin() memory.Origin {
	return memory.Origin{
		Workspace: "w", Author: "ann", AuthorName: "Ann", Source: "handbook/vpn.md", Collection: "dir:/handbook", Hash: "h1",
		Label: agent.Label{Readers: agent.Only("ann")}, At: time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC),
	}
}

func TestADocumentBecomesPassagesThatSayWhereTheyStand(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("Some words of it. ", 60)
	i := memory.FromDocument(memory.Parsed{Title: "VPN", Author: "Olga", Blocks: []memory.Block{
		{Level: 1, Text: "VPN", Line: 1}, {Text: "It is slow.", Line: 3}, {Level: 2, Text: "Linux", Line: 5}, {Level: 3, Text: "Install", Line: 7},
		{Text: "apt install it\nand wait", Line: 9}, {Level: 2, Text: "macOS", Line: 12}, {Text: "first line\n" + long, Line: 14}, {Text: " \n", Line: 20},
		{Text: "On the next page.", Page: 2},
	}}, origin())
	want := []string{
		"line 3: VPN It is slow.",
		"Linux › Install, line 9: Linux Install apt install it and wait",
		"macOS, line 14: macOS first line Some words",
		"macOS, line 15: Some words of it.",
		"macOS, page 2: On the next page.",
	}
	var got []string
	for _, c := range i.Chunks {
		got = append(got, c.Position+": "+strings.Join(strings.Fields(c.Text), " "))
	}
	if len(got) != len(want) {
		t.Fatalf("passages %q; want %q", got, want)
	}
	for n := range want {
		if !strings.HasPrefix(got[n], want[n]) {
			t.Errorf("passage %d is %q; want %q", n, got[n], want[n])
		}
	}
	if i.Kind != memory.Document || i.Title != "VPN" || i.AuthorName != "Olga" || i.Author != "ann" || i.Slot == "" || !slices.Equal(i.Label.Sources, []string{"VPN"}) {
		t.Errorf("the item is %+v", i)
	}
}

func TestAnImportIsTheSameAsLongAsNothingOfItChanges(t *testing.T) {
	t.Parallel()
	id := func(change func(*memory.Origin)) string {
		o := origin()
		change(&o)
		id, err := memory.ImportID(o)
		if err != nil || id == "" {
			t.Fatal(err)
		}
		return id
	}
	same := id(func(*memory.Origin) {})
	for what, change := range map[string]func(*memory.Origin){
		"time": func(o *memory.Origin) { o.At = o.At.Add(time.Hour) }, "name": func(o *memory.Origin) { o.AuthorName = "A." },
		"sources": func(o *memory.Origin) { o.Label.Sources = []string{"x"} },
	} {
		if got := id(change); got != same {
			t.Errorf("with another %s it is another item", what)
		}
	}
	seen := map[string]string{same: "nothing"}
	for what, change := range map[string]func(*memory.Origin){
		"content": func(o *memory.Origin) { o.Hash = "h2" }, "readers": func(o *memory.Origin) { o.Label.Readers.Scope = agent.WholeWorkspace },
		"trust": func(o *memory.Origin) { o.Label.Integrity = agent.Organisation }, "source": func(o *memory.Origin) { o.Source = "b.md" },
		"collection": func(o *memory.Origin) { o.Collection = "" }, "person": func(o *memory.Origin) { o.Author = "bob" },
		"workspace": func(o *memory.Origin) { o.Workspace = "v" },
	} {
		got := id(change)
		if seen[got] != "" {
			t.Errorf("another %s and another %s are the same item", what, seen[got])
		}
		seen[got] = what
	}
}

func TestPassagesOfADocumentKeepAllItsWordsInBoundedPieces(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var d memory.Parsed
		var words []string
		for n := range rapid.IntRange(1, 12).Draw(t, "blocks") {
			b := memory.Block{Line: n + 1, Level: max(0, rapid.IntRange(-4, 7).Draw(t, "level"))}
			for i := range rapid.IntRange(0, 300).Draw(t, "words") {
				word := fmt.Sprintf("w%d-%d", n, i)
				sep := rapid.SampledFrom([]string{" ", "\n", ". ", "  "}).Draw(t, "between")
				if b.Level > 0 && i > 40 {
					break // a heading longer than a passage is cut
				}
				b.Text += word + sep
				words = append(words, word)
			}
			d.Blocks = append(d.Blocks, b)
		}
		var got []string
		for n, c := range memory.FromDocument(d, origin()).Chunks {
			if c.N != n || c.Text == "" || len(c.Text) > 1500 {
				t.Fatalf("passage %d has %d bytes: %q", n, len(c.Text), c.Text)
			}
			for _, w := range strings.Fields(c.Text) {
				got = append(got, strings.Trim(w, "."))
			}
		}
		if !slices.Equal(got, words) {
			t.Fatalf("%d words became %d", len(words), len(got))
		}
	})
}
