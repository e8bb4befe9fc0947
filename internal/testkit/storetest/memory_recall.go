package storetest

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/memory"
)

func memorySyntax(t *testing.T, r *recaller) {
	r.keep(t, fact("Error NEAR the gateway: AND then OR else."))
	for _, q := range []string{
		`gateway"`, `"gateway`, `gateway*`, `gateway AND`, `NOT gateway`, `NEAR(gateway, 2)`, `terms:gateway`, `-gateway`,
		`^gateway`, `gateway) OR (1`, `'; DROP TABLE memory_items; --  gateway`, "gate\x00way gateway", `{gateway}`, `gateway + "`, "gateway\xff",
	} {
		if got := r.texts(t, memory.Query{Text: q}); len(got) != 1 {
			t.Errorf("%q recalls %q; want the one item", q, got)
		}
	}
	for _, q := range []string{`"`, `*`, `()`, `zebra" OR "gatewayx`, `%`, `_`} {
		if got := r.texts(t, memory.Query{Text: q}); len(got) != 0 && strings.Contains(q, "zebra") {
			t.Errorf("%q recalls %q; want nothing", q, got)
		}
	}
}

func memoryForms(t *testing.T, r *recaller) {
	for _, c := range [][2]string{
		{"We deployed the gateways.", "deploying gateway"},
		{"Le café fermé à Zürich.", "ZURICH CAFE"},
		{"Η ομάδα συμφώνησε για το χρώμα.", "χρωμα"},
		{"Команда решила сменить поставщика.", "ПОСТАВЩИКА"},
		{"会議で赤いボタンに決めました。", "赤いボタン"},
		{"It’s Anna’s turn to present.", "anna's presentation"},
		{"Ticket SOUS-1234 blocks the release.", "sous-1234"},
		{"Die Straße ist gesperrt.", "straße"},
	} {
		r.keep(t, fact(c[0]))
		if got := r.texts(t, memory.Query{Text: c[1], Limit: 1}); !slices.Equal(got, []string{c[0]}) {
			t.Errorf("%q recalls %q; want %q", c[1], got, c[0])
		}
	}
}

func memoryRare(t *testing.T, r *recaller) {
	for n := range 20 {
		r.keep(t, fact(fmt.Sprintf("The project meeting number %d was about the project.", n)))
	}
	r.keep(t, fact("The osprey project is on hold."))
	r.wantTexts(t, memory.Query{Text: "what about the project osprey meeting?", Limit: 1}, "The osprey project is on hold.")
}

// thread is a written conversation of one line a chunk, "Speaker: text".
func thread(lines ...string) memory.Item {
	i := fact("")
	i.Kind, i.Title, i.Chunks = memory.Thread, "#general", nil
	for n, l := range lines {
		speaker, text, _ := strings.Cut(l, ": ")
		i.Chunks = append(i.Chunks, memory.Chunk{Speaker: speaker, Text: text, At: i.At.Add(time.Duration(n) * time.Minute)})
	}
	return i
}

func memoryNeighbours(t *testing.T, r *recaller) {
	r.keep(t, thread(
		"Ann: Good morning everybody.", "Bob: Hello.", "Cid: Hi there.",
		"Ann: Which vendor supplies our batteries?", "Bob: That would be Voltaic.",
		"Cid: Is anybody hungry?", "Ann: Always.", "Bob: Same here.",
	))
	got := r.texts(t, memory.Query{Text: "vendor batteries", Limit: 2})
	if !slices.Equal(got, []string{"Which vendor supplies our batteries?", "That would be Voltaic."}) {
		t.Errorf("recalled %q; want the question and its answer", got)
	}
	r.keep(t, fact("Batteries are forbidden on flights."))
	for _, h := range r.texts(t, memory.Query{Text: "vendor batteries", Kinds: []memory.Kind{memory.Fact}}) {
		if h != "Batteries are forbidden on flights." {
			t.Errorf("a neighbour of another kind passed the filter: %q", h)
		}
	}
}

func memorySpeaker(t *testing.T, r *recaller) {
	r.keep(t, thread("Bob Stone: The budget worries me.", "Ann Field: The budget worries nobody."))
	r.wantTexts(t, memory.Query{Text: "What did Ann say about the budget?", Limit: 1}, "The budget worries nobody.")
	r.wantTexts(t, memory.Query{Text: "What did Bob say about the budget?", Limit: 1}, "The budget worries me.")
	r.wantTexts(t, memory.Query{Text: "budget", Speaker: "stone"}, "The budget worries me.")
	r.wantTexts(t, memory.Query{Text: "budget", Speaker: "Ann Stone"})
}

func remoteMinutes() memory.Item {
	owner, due := "Ann", "2026-03-09"
	return memory.FromMinutes(agent.Minutes{
		Title: "Remote control", Date: "2026-03-02", Summary: "The team discussed the case. They looked at the price of the remote.",
		Decisions: []agent.Item{{Text: "The remote gets rubber buttons.", Evidence: []agent.Evidence{{Cue: 7, Time: "0:12:03", Speaker: "Ann", Quote: "let's go with rubber"}}}},
		Actions:   []agent.Action{{Text: "Ask the supplier for prices", Owner: &owner, Due: &due, Evidence: []agent.Evidence{{Cue: 9, Speaker: "Ann", Quote: "I'll ask the supplier"}}}},
		Questions: []agent.Item{{Text: "Does the remote need a display?"}},
	}, memory.Meeting{
		Workspace: "w", Author: "ann", Source: "file:remote", Label: everyMember(),
		Cues: []agent.Cue{
			{ID: 6, Start: 720, Speaker: "Bob", Text: "Wood would be nicer for the remote."},
			{ID: 7, Start: 723, Speaker: "Ann", Text: "No, let's go with rubber."},
		},
	})
}

// talkative is a meeting of much talk and one decision.
func talkative() memory.Item {
	m := memory.Meeting{Workspace: "w", Author: "ann", Source: "file:talk", Label: everyMember()}
	for n := range 40 {
		m.Cues = append(m.Cues, agent.Cue{
			ID: n + 1, Start: float64(10 * n), Speaker: []string{"Ann", "Bob"}[n%2],
			Text: fmt.Sprintf("Could the tablet stand be like number %d, or what do you others say?", n),
		})
	}
	return memory.FromMinutes(agent.Minutes{
		Title: "Stand", Date: "2026-03-03",
		Decisions: []agent.Item{{Text: "The tablet stand is made of steel.", Evidence: []agent.Evidence{{Cue: 12, Speaker: "Bob", Quote: "steel then"}}}},
	}, m)
}

func memoryDecisions(t *testing.T, r *recaller) {
	r.keep(t, remoteMinutes())
	r.keep(t, fact("The remote was expensive."))
	r.wantTexts(t, memory.Query{Text: "What did we decide about the remote control?", Limit: 1}, "The remote gets rubber buttons.")
	r.wantTexts(t, memory.Query{Text: "What did we decide in the meeting where they looked at the price?", Limit: 1}, "The remote gets rubber buttons.")
	r.wantTexts(t, memory.Query{Text: "what did we decide?"}, "The remote gets rubber buttons.")
	r.wantTexts(t, memory.Query{Text: "which action items are there?", Limit: 1}, "Ann: Ask the supplier for prices (due 2026-03-09)")
	r.keep(t, talkative())
	r.wantTexts(t, memory.Query{Text: "What did we decide about the tablet stand?", Limit: 1}, "The tablet stand is made of steel.")
	if got := r.texts(t, memory.Query{Text: "tablet stand", Limit: 3}); !slices.Contains(got, "The tablet stand is made of steel.") {
		t.Errorf("talk hides the decision: %q", got)
	}
	r.keep(t, fact("We decided to move to Go."))
	r.wantTexts(t, memory.Query{Text: "what did we decide?", Limit: 3},
		"The tablet stand is made of steel.", "The remote gets rubber buttons.", "We decided to move to Go.")
}

func memoryFilters(t *testing.T, r *recaller) {
	r.keep(t, remoteMinutes())
	late := fact("The remote ships in autumn.")
	late.At = time.Date(2026, 3, 10, 12, 0, 0, 0, time.UTC)
	r.keep(t, late)
	for _, text := range []string{"remote buttons rubber ships", ""} {
		r.wantTexts(t, memory.Query{Text: text, Kinds: []memory.Kind{memory.Decision}}, "The remote gets rubber buttons.")
		r.wantTexts(t, memory.Query{Text: text, Kinds: []memory.Kind{memory.Fact}}, "The remote ships in autumn.")
		r.wantTexts(t, memory.Query{Text: text, Since: late.At}, "The remote ships in autumn.")
		r.wantTexts(t, memory.Query{Text: text, Kinds: []memory.Kind{memory.Minutes}, Speaker: "bob"}, "Wood would be nicer for the remote.")
		for _, got := range r.texts(t, memory.Query{Text: text, Until: late.At}) {
			if got == "The remote ships in autumn." {
				t.Errorf("%q until its time recalls what was said then", text)
			}
		}
	}
	_, err := r.Recall(t.Context(), memory.Query{Reader: reader("bob"), Kinds: []memory.Kind{"rumour"}})
	wantKind(t, "an unknown kind", err, agent.Invalid)
}

func memoryNewest(t *testing.T, r *recaller) {
	for n := range 5 {
		i := thread(fmt.Sprintf("Ann: First line of thread %d.", n), "Bob: Second line.")
		i.At = i.At.AddDate(0, 0, n)
		r.keep(t, i)
	}
	want := []string{"First line of thread 4.", "First line of thread 3.", "First line of thread 2."}
	r.wantTexts(t, memory.Query{Limit: 3}, want...)
	r.wantTexts(t, memory.Query{Text: " the of and ?! ", Limit: 3}, want...)
	items, err := r.List(t.Context(), memory.Filter{Reader: reader("bob"), Limit: 2, Kinds: []memory.Kind{memory.Thread}, Author: "ann"})
	if err != nil || len(items) != 2 || items[0].At.Day() != 5 || len(items[0].Chunks) != 0 {
		t.Errorf("list: %+v, %v; want the two newest without chunks", items, err)
	}
}

func memoryLongQuery(t *testing.T, r *recaller) {
	r.keep(t, fact("The osprey nests on the roof."))
	long := "osprey " + strings.Repeat("lorem ipsum \"dolor\" ", 5000)
	r.wantTexts(t, memory.Query{Text: long}, "The osprey nests on the roof.")
	r.wantTexts(t, memory.Query{Text: strings.Repeat("x", 100_000)})
	r.wantTexts(t, memory.Query{Text: strings.Repeat("界", 100_000)})
}

func memoryCitation(t *testing.T, r *recaller) {
	r.keep(t, remoteMinutes())
	hits, err := r.Recall(t.Context(), memory.Query{Reader: reader("bob"), Text: "rubber buttons", Limit: 1})
	if err != nil || len(hits) != 1 {
		t.Fatalf("recall: %v, %v", hits, err)
	}
	h := hits[0]
	if got, want := h.Citation(), "Remote control, 0:12:03, Ann"; got != want {
		t.Errorf("citation %q; want %q", got, want)
	}
	if h.Kind() != memory.Decision || h.Chunk.N != 2 || h.Chunk.Quote != "let's go with rubber" || h.Item.Source != "file:remote" {
		t.Errorf("hit %+v", h)
	}
	if want := time.Date(2026, 3, 2, 0, 12, 3, 0, time.UTC); !h.At().Equal(want) {
		t.Errorf("said at %v; want %v", h.At(), want)
	}
	if h.Score <= 0 || h.Score != h.Parts.Score() || h.Parts.BM25 <= 0 || h.Label().Integrity != agent.Organisation {
		t.Errorf("score %v of %+v, label %+v", h.Score, h.Parts, h.Label())
	}
}

func memoryCrowd(t *testing.T, r *recaller) {
	open := fact("The ledger entry of the picnic.")
	open.Label.Readers = agent.Readers{Scope: agent.Everybody}
	r.keep(t, open)
	i := thread()
	i.At = i.At.AddDate(0, 0, 1)
	for range 2000 {
		i.Chunks = append(i.Chunks, memory.Chunk{Text: "another ledger entry"})
	}
	r.keep(t, i)
	guest := reader("gus")
	guest.Kind = agent.Guest
	r.wantTexts(t, memory.Query{Text: "ledger entry", Reader: guest}, "The ledger entry of the picnic.")
	r.wantTexts(t, memory.Query{Text: "which ledger entry is of the picnic?", Limit: 1}, "The ledger entry of the picnic.")
}

func memoryMany(t *testing.T, r *recaller) {
	i := thread()
	for n := range 2500 {
		i.Chunks = append(i.Chunks, memory.Chunk{Text: fmt.Sprintf("entry e%d of the ledger", n)})
	}
	r.keep(t, i)
	for range 2 {
		r.wantTexts(t, memory.Query{Text: "ledger entry e1711", Limit: 1}, "entry e1711 of the ledger")
	}
	i.Chunks = make([]memory.Chunk, memory.MaxChunks+1)
	for n := range i.Chunks {
		i.Chunks[n].Text = "x"
	}
	_, err := r.Remember(t.Context(), i)
	wantKind(t, "too many passages", err, agent.TooLarge)
}
