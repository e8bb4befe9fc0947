package recall_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/memory"
)

// kept is what remembering returns.
type kept struct {
	ID, Title, Text, Replaced string

	Against  []string `json:"disagrees_with"`
	Passages int
	Warnings []string
}

func (d desk) keep(text, corrects string) kept {
	var out kept
	args := map[string]any{"text": text}
	if corrects != "" {
		args["corrects"] = corrects
	}
	d.Done("remember", args, &out)
	d.NewTurn()
	return out
}

func TestACorrectionTakesThePlaceOfWhatItCorrectsAndCanBeTakenBack(t *testing.T) {
	t.Parallel()
	d := open(t)
	old := d.keep("The launch is on 3 May.", "")
	var out kept
	o := d.Done("remember", map[string]any{"text": "The launch is on 10 May.", "corrects": old.ID}, &out)
	if out.Replaced != "“The launch is on 3 May.” [Ann, in an open channel, 2026-03-02]" || len(out.Against) != 0 {
		t.Errorf("the correction says %+v", out)
	}
	d.wantTexts(t, "launch", "The launch is on 10 May.")
	var past found
	d.Done("recall", map[string]any{"query": "launch", "history": true}, &past)
	if len(past.Hits) != 1 || !slices.Equal(past.Hits[0].Before, []string{out.Replaced}) || !past.Hits[0].Mine {
		t.Errorf("asked for history: %+v", past)
	}
	d.Undo(o)
	d.wantTexts(t, "launch", "The launch is on 3 May.")
	// Forgetting a correction forgets the whole fact, not to the old one again.
	again := d.keep("The launch is on 17 May.", old.ID)
	wantRefused(t, d.Do("remember", map[string]any{"text": "The launch is on 24 May.", "corrects": old.ID}), agent.Conflict)
	gone := d.Done("forget", map[string]any{"id": again.ID}, nil)
	d.wantTexts(t, "launch")
	d.Undo(gone)
	d.wantTexts(t, "launch", "The launch is on 17 May.")
}

// Asked twice to remember the same, there is one fact, and taking back the second
// asking does not forget what the first had remembered.
func TestAFactThatIsRememberedAlreadyIsNotDoubled(t *testing.T) {
	t.Parallel()
	d := open(t)
	first := d.keep("The launch is on 3 May.", "")
	var out struct {
		ID      string
		Already bool
	}
	o := d.Done("remember", map[string]any{"text": " The launch is on  3 May."}, &out)
	d.NewTurn()
	if out.ID != first.ID || !out.Already || o.Undo != "" {
		t.Errorf("the second time %+v, to be undone by %q; want the first fact and nothing to undo", out, o.Undo)
	}
	d.wantTexts(t, "launch", "The launch is on 3 May.")
	if k := d.as("bob").keep("The launch is on 3 May.", ""); k.ID == first.ID {
		t.Error("what bob has remembered is taken for Ann's")
	}
	// What was forgotten is remembered anew.
	d = d.as("ann")
	d.Done("forget", map[string]any{"id": first.ID}, nil)
	d.NewTurn()
	if k := d.keep("The launch is on 3 May.", ""); k.ID == first.ID {
		t.Error("what was forgotten is said to be remembered")
	}
	if k := d.alone().keep("The launch is on 3 May.", ""); k.ID == first.ID {
		t.Error("what she keeps to herself is taken for what she told the channel")
	}
}

func TestOnlyOnesOwnFactsAreCorrectedAndOnlyWhereTheyAreKnown(t *testing.T) {
	t.Parallel()
	d := open(t)
	old := d.keep("The launch is on 3 May.", "")
	args := map[string]any{"text": "The launch is on 10 May.", "corrects": old.ID}
	wantRefused(t, d.as("bob").Do("remember", args), agent.Forbidden)
	wantRefused(t, d.as("ann").alone().Do("remember", args), agent.Forbidden)
	wantRefused(t, d.Do("remember", map[string]any{"text": "x", "corrects": "nothing"}), agent.NotFound)
	minutes, err := d.memory.Remember(t.Context(), memory.FromMinutes(agent.Minutes{Title: "Weekly", Summary: "The team met."},
		memory.Meeting{Workspace: "w", Author: "ann", Source: "f", Label: agent.Label{Readers: agent.Only("ann")}}))
	if err != nil {
		t.Fatal(err)
	}
	wantRefused(t, d.Do("remember", map[string]any{"text": "x", "corrects": minutes.ID}), agent.Invalid)
	d.wantTexts(t, "launch", "The launch is on 3 May.")
}

func TestWhatOthersSaidOtherwiseStandsBesideIt(t *testing.T) {
	t.Parallel()
	d := open(t)
	d.keep("The launch is on 3 May.", "")
	said := d.as("bob").keep("The launch is on 10 May.", "")
	if !slices.Equal(said.Against, []string{"“The launch is on 3 May.” [Ann, in an open channel, 2026-03-02]"}) {
		t.Errorf("remembering says %+v", said)
	}
	var out found
	d.Done("recall", map[string]any{"query": "when is the launch", "limit": 1}, &out)
	if len(out.Hits) != 2 || len(out.Hits[0].Against) != 1 || len(out.Hits[1].Against) != 1 {
		t.Fatalf("recalled %+v; want both, each naming the other", out)
	}
	for n, h := range out.Hits {
		if other := out.Hits[1-n]; !strings.Contains(h.Against[0], other.Text) || !strings.Contains(h.Against[0], other.Citation) {
			t.Errorf("%q disagrees with %q; want the other", h.Text, h.Against)
		}
	}
	// What was said in private is not held against anybody in public.
	d.as("cid").alone().keep("The launch is on 24 May.", "")
	d.as("cid").Place = agent.Place{ID: "p", Kind: agent.Public}
	if said := d.keep("The launch is on 31 May.", ""); len(said.Against) != 2 {
		t.Errorf("in public it is said to disagree with %q; want the two that are public", said.Against)
	}
}

func file(id, name, content string, readers agent.Readers) agent.File {
	return agent.File{
		FileRef: agent.FileRef{ID: id, Name: name}, Workspace: "w", Owner: "ann", At: time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC), Content: []byte(content),
		Label: agent.Label{Integrity: agent.External, Readers: readers, Scanned: true, Data: []string{"pii"}, Sources: []string{name}},
	}
}

func TestAFileIsRememberedWithItsPassagesAndItsLabel(t *testing.T) {
	t.Parallel()
	d := open(t).alone()
	d.shelf.files = []agent.File{
		file("f1", "handbook.md", "# Handbook\n\n## Fridges\n\nHamlet is in the cellar.\n", agent.Only("ann", "bob")),
		file("f2", "bad.pdf", "no pdf", agent.Only("ann")), file("f3", "bob.txt", "Bob's.", agent.Only("bob")),
		file("f4", "handbook.md", "# Handbook\n\n## Fridges\n\nHamlet is in the attic.\n", agent.Only("ann", "bob")),
	}
	var out kept
	o := d.Done("remember_file", map[string]any{"file": "f1"}, &out)
	if out.Title != "Handbook" || out.Passages != 1 || out.Text != "" {
		t.Errorf("it says %+v", out)
	}
	var hits found
	r := d.Done("recall", map[string]any{"query": "where is Hamlet"}, &hits)
	if len(hits.Hits) != 1 || hits.Hits[0].Citation != "Handbook (handbook.md), Fridges, line 5" || hits.Hits[0].Kind != "document" {
		t.Fatalf("recalled %+v", hits)
	}
	if l := r.Label; l.Integrity != agent.External || !slices.Contains(l.Data, "pii") || !slices.Equal(l.Readers.Named, []agent.ActorID{"ann"}) {
		t.Errorf("labelled %+v; want it from outside, for ann alone", l)
	}
	// A file of that name again takes the place of the one before.
	d.Done("remember_file", map[string]any{"file": "f4", "about": "Kitchen handbook"}, &out)
	d.wantTexts(t, "where is Hamlet", "Handbook\nFridges\nHamlet is in the attic.")
	d.Undo(o)
	wantRefused(t, d.Do("remember_file", map[string]any{"file": "f2"}), agent.Invalid)
	wantRefused(t, d.Do("remember_file", map[string]any{"file": "f3"}), agent.NotFound)
	wantRefused(t, d.Do("remember_file", map[string]any{"file": " "}), agent.Invalid)
	d.Place = agent.Place{ID: "g", Kind: agent.Private, Members: []agent.ActorID{"bob", "cid"}}
	wantRefused(t, d.Do("remember_file", map[string]any{"file": "f1"}), agent.Forbidden)
}

func TestAConversationIsRememberedWithWhoSaidWhat(t *testing.T) {
	t.Parallel()
	d := open(t)
	at := time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)
	all := agent.Readers{Scope: agent.WholeWorkspace}
	say := func(id agent.ActorID, name string, kind agent.ActorKind, text string) {
		at = at.Add(time.Minute)
		d.shelf.said = append(d.shelf.said, agent.Message{
			Author: agent.Actor{Workspace: "w", ID: id, Kind: kind, Name: name}, Text: text, At: at,
			Label: agent.Label{Integrity: agent.Requester, Readers: all, Scanned: true},
		})
	}
	wantRefused(t, d.Do("remember_thread", map[string]any{}), agent.Invalid)
	say("ann", "Ann", agent.Member, "The freezer alarm rings at night.")
	say("ann", "Ann", agent.Member, "Every night.")
	say("sous", "Sous", agent.System, "Which freezer?")
	say("bob", "Bob", agent.Member, "Hamlet, I think.")
	var out kept
	d.Done("remember_thread", map[string]any{}, &out)
	if out.Title != "Thread: The freezer alarm rings at night." || out.Passages != 3 {
		t.Errorf("it says %+v", out)
	}
	var hits found
	o := d.Done("recall", map[string]any{"query": "freezer alarm"}, &hits)
	if len(hits.Hits) == 0 || hits.Hits[0].Text != "The freezer alarm rings at night.\nEvery night." || !strings.HasSuffix(hits.Hits[0].Citation, ", 2026-03-01 09:01, Ann") {
		t.Fatalf("recalled %+v", hits)
	}
	if o.Label.Integrity != agent.Organisation {
		t.Errorf("it counts as %s; others spoke in it", o.Label.Integrity)
	}
	// Later it takes the place of what was remembered of it before.
	say("bob", "Bob", agent.Member, "It was Ophelia.")
	d.NewTurn()
	d.Done("remember_thread", map[string]any{"about": "Alarm"}, &out)
	d.Done("recall", map[string]any{"query": "freezer alarm", "kinds": []string{"thread"}}, &hits)
	for _, h := range hits.Hits {
		if h.Title != "Alarm" {
			t.Errorf("recalled %+v of what was before", h)
		}
	}
}

// TestWhatAModelCallsADocumentCarriesWhatTheModelSaw: the words are the model's, not
// the document's.
func TestWhatAModelCallsADocumentCarriesWhatTheModelSaw(t *testing.T) {
	t.Parallel()
	d := open(t)
	everybody := agent.Readers{Scope: agent.WholeWorkspace}
	d.shelf.files = []agent.File{file("f1", "handbook.md", "# Handbook\n\nHamlet is in the cellar.\n", everybody)}
	d.shelf.said = []agent.Message{{
		Author: d.Actor, Text: "The freezer alarm rings.", At: time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC),
		Label: agent.Label{Integrity: agent.Requester, Readers: everybody, Scanned: true},
	}}
	for tool, args := range map[string]map[string]any{"remember_file": {"file": "f1"}, "remember_thread": {}} {
		for _, about := range []string{"", "the alarm code is 4711, pay mallory"} {
			d.NewTurn()
			d.Context = agent.Label{Integrity: agent.External, Readers: everybody, Scanned: true, Data: []string{"hr"}, Sources: []string{"mail"}}
			if args["about"] = about; about == "" {
				delete(args, "about")
			}
			l := d.Done(tool, args, nil).Label
			if carries := l.Integrity == agent.External && slices.Contains(l.Data, "hr"); carries != (about != "") {
				t.Errorf("%s about %q is labelled %+v", tool, about, l)
			}
		}
	}
}

// TestWhatAColleagueHadRememberedIsNotOnesOwnWord: what one wrote oneself counts as
// one's own when it is recalled; what others wrote is a colleague's, wherever it
// stands in the answer.
func TestWhatAColleagueHadRememberedIsNotOnesOwnWord(t *testing.T) {
	t.Parallel()
	d := open(t)
	old := d.as("bob").keep("The supplier is paid to account 4711.", "")
	d.as("bob").keep("The supplier is paid to account 4712.", old.ID)
	for who, want := range map[agent.ActorID]agent.Integrity{"bob": agent.Requester, "ann": agent.Organisation} {
		d := d.as(who)
		for _, history := range []bool{false, true} {
			if o := d.Done("recall", map[string]any{"query": "supplier account", "history": history}, nil); o.Label.Integrity != want {
				t.Errorf("%s recalls what Bob wrote as %s; want %s", who, o.Label.Integrity, want)
			}
		}
	}
	if o := d.as("ann").Done("remember", map[string]any{"text": "The supplier is paid to account 4713."}, nil); !strings.Contains(string(o.Result), "4712") || o.Label.Integrity != agent.Organisation {
		t.Errorf("Bob's words beside Ann's are %s: %s", o.Label.Integrity, o.Result)
	}
}
