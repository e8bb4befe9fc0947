package storetest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/agent/approval"
	"github.com/sous-hq/sous/agent/audit"
	"github.com/sous-hq/sous/agent/loop"
	"github.com/sous-hq/sous/agent/pause"
	"github.com/sous-hq/sous/agent/privacy"
	"github.com/sous-hq/sous/internal/traces"
	"github.com/sous-hq/sous/memory"
	"github.com/sous-hq/sous/tools"
	"github.com/sous-hq/sous/tools/routing"
	"github.com/sous-hq/sous/tools/tickets"
)

// PrivacyStores is a fresh store with all that can be kept about people.
type PrivacyStores struct {
	Stores
	Privacy privacy.Store
	Pauses  interface {
		Pause(ctx context.Context, by agent.Actor, s pause.Scope, target, reason string) (pause.Pause, error)
		Resume(ctx context.Context, by agent.Actor, s pause.Scope, target string) (pause.Pause, error)
	}
	Tracker  tickets.Tracker
	Memories memory.Store
	Cases    routing.Cases
	// Bytes is all that lies in the database: its files, or a dump with them.
	Bytes func() []byte
	// Tables names the tables of the schema.
	Tables func() []string
	// Verify checks the audit record and returns what is wrong with it.
	Verify func() []string
}

// Privacy checks the promises of privacy.Store. rounds is how often each kind of
// thing is planted: about twenty texts a round.
func Privacy(t *testing.T, rounds int, open func(t *testing.T) PrivacyStores) {
	t.Helper()
	for name, promise := range map[string]func(*testing.T, PrivacyStores){
		"what is erased is nowhere in the database, and all else stays": func(t *testing.T, s PrivacyStores) { erases(t, s, rounds) },
		"everything held about a person is shown":                       func(t *testing.T, s PrivacyStores) { shows(t, s) },
		"a dry run counts what would go and changes nothing":            dryRun,
		"nothing is erased while a request is open":                     openRequest,
		"nothing is erased under a hold, which can be released":         holds,
		"another workspace's people of the same name stay":              namesakes,
		"what a rule lets go goes, but for people under a hold":         purges,
		"a rule by label, place or kind lets go of nothing else":        purgesByRule,
		"every table is accounted for":                                  accounted,
	} {
		t.Run(name, func(t *testing.T) { promise(t, open(t)) })
	}
}

// planter puts texts that occur nowhere else into a store.
type planter struct {
	s     PrivacyStores
	by    agent.Actor
	texts []string
	// passing are those that are replaced by others: they are shown no more.
	passing []string
}

func (p *planter) all() []string { return slices.Concat(p.texts, p.passing) }

// word is a new text; what it stands in is the planter's person's.
func (p *planter) word() string {
	w := fmt.Sprintf("plant%sx%05dx", p.by.ID, len(p.all()))
	p.texts = append(p.texts, w)
	return w
}

func (p *planter) brief() string {
	w := p.word()
	p.texts = p.texts[:len(p.texts)-1]
	p.passing = append(p.passing, w)
	return w
}

func (p *planter) label() agent.Label {
	return agent.Label{Integrity: agent.Requester, Readers: agent.Readers{Scope: agent.WholeWorkspace}, Scanned: true, Sources: []string{p.word()}}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// turn plants a request with all that belongs to it and returns it, over.
func (p *planter) turn(t *testing.T, id string) agent.Turn {
	t.Helper()
	ctx, ws := t.Context(), p.by.Workspace
	file := agent.File{
		FileRef: agent.FileRef{ID: "f-" + id, Name: p.word(), Media: "text/plain"}, Workspace: ws, Owner: p.by.ID,
		Label: p.label(), At: p.s.Clock.Now(), Content: []byte(p.word()),
	}
	must(t, p.s.SaveFile(ctx, file))
	by := p.by
	by.Name = p.word()
	acc, err := p.s.Accept(ctx, agent.Turn{ID: id, Workspace: ws, Conversation: "c-" + id, Place: channel(), Actor: by}, agent.Message{
		ID: "m-" + id, Author: by, Text: p.word(), Label: p.label(), Files: []agent.FileRef{file.FileRef},
	}, &loop.Ordered{Tool: "x", Args: json.RawMessage(`{"a":"` + p.word() + `"}`), Why: p.word()})
	must(t, err)
	must(t, p.s.Park(ctx, ws, id, loop.Parked{
		Question: p.brief(), Answer: p.brief(), Artifacts: map[string]json.RawMessage{"minutes": json.RawMessage(`"` + p.brief() + `"`)},
		Steps: []agent.Step{{Turn: id, N: 1, Kind: "call", Title: p.word(), Detail: p.word()}},
	}))
	must(t, p.s.Send(ctx, ws, id, "inbox", loop.Signal{Type: loop.SignalReply, By: p.by.ID, Text: p.word(), Args: `{"a":"` + p.word() + `"}`}))
	p.effect(t, id, by)
	turn := acc.Turn
	turn.Status, turn.Answer, turn.Artifacts = agent.TurnDone, p.word(), map[string]json.RawMessage{"minutes": json.RawMessage(`"` + p.word() + `"`)}
	must(t, endTurn(ctx, p.s.Stores, loop.Finish{Turn: turn, Answer: agent.Message{
		ID: id + "/answer", Conversation: turn.Conversation, Turn: id, Text: p.word(), Author: agent.Actor{Workspace: ws, ID: "sous", Kind: agent.System}, Label: p.label(),
	}}))
	return turn
}

// effect plants an approval that was talked about, a vote and an effect.
func (p *planter) effect(t *testing.T, turn string, by agent.Actor) {
	t.Helper()
	ctx := t.Context()
	prop := proposalFor(t, by, turn, 1, `{"title":"`+p.word()+`"}`)
	prop.Context.Sources = []string{p.word()}
	prop.Texts = []tools.Labelled{{Text: string(prop.Call.Args), Label: agent.Label{Integrity: agent.External, Sources: []string{p.word()}}}}
	v := asks()
	v.Reason = p.word()
	id, err := p.s.Ledger.Ask(ctx, prop, v)
	must(t, err)
	other := person(by.Workspace, "bob")
	if by.ID == other.ID {
		other = person(by.Workspace, "carl")
	}
	_, err = p.s.Change(ctx, by, id, func(a approval.Approval) (approval.Approval, error) {
		return a.Say(approval.Change{By: by, At: p.s.Clock.Now()}, p.word())
	})
	must(t, err)
	must(t, approve(ctx, p.s.Stores, other, id))
	rec, err := p.s.Ledger.Intend(ctx, withApproval(prop, id))
	must(t, err)
	o := outcome(prop, agent.Done, `{"id":"`+p.word()+`"}`)
	o.Undo = p.word()
	must(t, p.s.Ledger.Settle(ctx, tools.Settlement{
		Key: keyOf(prop), Fence: rec.Fence, State: tools.EffectDone, Outcome: o,
		Undo: &tools.UndoCall{Tool: "ticket_close", Args: json.RawMessage(`{"why":"` + p.word() + `"}`)},
	}))
}

// things plants what does not belong to a request.
func (p *planter) things(t *testing.T, n int) {
	t.Helper()
	ctx, ws := t.Context(), p.by.Workspace
	w := func() agent.Write {
		return agent.Write{By: p.by, Key: fmt.Sprintf("%s-%d-%d", p.by.ID, n, len(p.all())), Label: p.label()}
	}
	k, err := p.s.Tracker.Create(ctx, w(), agent.TicketDraft{Title: p.word(), Body: p.word(), Labels: []string{p.word()}})
	must(t, err)
	_, err = p.s.Tracker.Comment(ctx, w(), k.ID, p.word())
	must(t, err)
	c, err := p.s.Cases.Record(ctx, w(), p.word(), "payments")
	must(t, err)
	_ = c
	at := p.s.Clock.Now()
	_, _, err = p.s.Memories.SaveItem(ctx, memory.Item{
		ID: fmt.Sprintf("%s-%d", p.by.ID, n), Workspace: ws, Kind: memory.Document, Title: p.word(), Author: p.by.ID, AuthorName: p.word(), Place: "general",
		At: at, Remembered: at, Label: p.label(), Chunks: []memory.Chunk{{Text: p.word(), Quote: p.word(), Speaker: p.word()}, {N: 1, Text: p.word()}},
	})
	must(t, err)
	// What somebody else had remembered holds their words too.
	_, _, err = p.s.Memories.SaveItem(ctx, memory.Item{
		ID: fmt.Sprintf("thread-%s-%d", p.by.ID, n), Workspace: ws, Kind: memory.Thread, Title: p.word(), Author: "keeper", People: []agent.ActorID{p.by.ID},
		Place: "general", At: at, Remembered: at, Label: p.label(), Chunks: []memory.Chunk{{Text: p.word(), Speaker: p.word()}},
	})
	must(t, err)
	by := p.by
	by.Name, by.Owner = p.word(), true
	_, err = p.s.Pauses.Pause(ctx, by, pause.Tool, fmt.Sprintf("tool-%s-%d", p.by.ID, n), p.word())
	must(t, err)
}

func planted(t *testing.T, s PrivacyStores, by agent.Actor, rounds int) *planter {
	t.Helper()
	p := &planter{s: s, by: by}
	for n := range rounds {
		p.turn(t, fmt.Sprintf("%s-%s-%d", by.Workspace, by.ID, n))
		p.things(t, n)
	}
	return p
}

// missing counts which of the texts lie nowhere.
func missing(bytes []byte, texts []string) (gone, found []string) {
	all := string(bytes)
	for _, w := range texts {
		if strings.Contains(all, w) {
			found = append(found, w)
		} else {
			gone = append(gone, w)
		}
	}
	return gone, found
}

func erases(t *testing.T, s PrivacyStores, rounds int) {
	hers, his := planted(t, s, ann(), rounds), planted(t, s, bob(), 1)
	// What she said to his request is hers too.
	must(t, s.Send(t.Context(), acme, "acme-bob-0", "inbox", loop.Signal{Type: loop.SignalStop, By: "ann", Text: hers.word()}))
	if _, found := missing(s.Bytes(), hers.all()); len(found) < len(hers.all())*3/4 {
		t.Fatalf("of %d planted texts only %d lie in the database in the clear", len(hers.all()), len(found))
	}
	out, err := s.Privacy.EraseSubject(t.Context(), privacy.Erasure{By: bob(), Subject: "ann", People: []agent.ActorID{"ann"}})
	must(t, err)
	must(t, s.Privacy.Sweep(t.Context(), true))
	bytes := s.Bytes()
	gone, found := missing(bytes, hers.all())
	t.Logf("planted %d, left %d", len(hers.all()), len(found))
	if len(found) > 0 {
		t.Errorf("of %d texts %d are left: %v", len(gone)+len(found), len(found), found[:min(len(found), 30)])
	}
	if len(out.Turns) != rounds || out.Counts["requests"] != int64(rounds) || out.Counts["memories"] != 2*int64(rounds) || out.Row == 0 {
		t.Errorf("erased %+v", out)
	}
	stays(t, s, his)
	rows := record(t, s.Stores, acme)
	if last := rows[len(rows)-1]; last.Kind != audit.SubjectErased || last.Seq != out.Row || last.Subject != "ann" {
		t.Errorf("the last row is %+v", last)
	}
	if bad := s.Verify(); len(bad) > 0 {
		t.Errorf("the record does not verify: %v", bad)
	}
	// The store goes on working, for her too.
	again := planted(t, s, agent.Actor{Workspace: acme, ID: "ann", Kind: agent.Member, Name: "Ann"}, 0)
	again.turn(t, "afterwards")
	stays(t, s, again)
}

// stays checks that all of somebody's texts are shown.
func stays(t *testing.T, s PrivacyStores, p *planter) {
	t.Helper()
	if _, lost := diff(t, s, p); len(lost) > 0 {
		t.Errorf("of %s's %d texts %d are not shown: %v", p.by.ID, len(p.texts), len(lost), lost)
	}
}

func diff(t *testing.T, s PrivacyStores, p *planter) (shown string, lost []string) {
	t.Helper()
	var b strings.Builder
	err := s.Privacy.Show(t.Context(), p.by.Workspace, []agent.ActorID{p.by.ID}, func(r privacy.Record) error {
		b.WriteString(r.Kind + " " + string(r.Body) + "\n")
		return nil
	})
	must(t, err)
	lost, _ = missing([]byte(b.String()), p.texts)
	return b.String(), lost
}

func shows(t *testing.T, s PrivacyStores) {
	p := planted(t, s, ann(), 1)
	other := planted(t, s, bob(), 1)
	all, lost := diff(t, s, p)
	if len(lost) > 0 {
		t.Errorf("not shown: %v", lost)
	}
	if _, found := missing([]byte(all), other.all()); len(found) > 0 {
		t.Errorf("Ann is shown Bob's: %v", found)
	}
	stop := errors.New("enough")
	if err := s.Privacy.Show(t.Context(), acme, []agent.ActorID{"ann"}, func(privacy.Record) error { return stop }); !errors.Is(err, stop) {
		t.Errorf("got %v; want the caller's own error", err)
	}
}

func dryRun(t *testing.T, s PrivacyStores) {
	p := planted(t, s, ann(), 1)
	before := len(record(t, s.Stores, acme))
	out, err := s.Privacy.EraseSubject(t.Context(), privacy.Erasure{By: bob(), Subject: "ann", People: []agent.ActorID{"ann"}, Dry: true})
	if err != nil || out.Counts["requests"] != 1 || out.Counts["approvals"] != 1 || out.Row != 0 {
		t.Errorf("got %+v, %v", out, err)
	}
	if _, lost := diff(t, s, p); len(lost) > 0 || len(record(t, s.Stores, acme)) != before {
		t.Errorf("a dry run changed something: %v", lost)
	}
	done, err := s.Privacy.EraseSubject(t.Context(), privacy.Erasure{By: bob(), Subject: "ann", People: []agent.ActorID{"ann"}})
	if err != nil || !maps.Equal(done.Counts, out.Counts) || out.Counts["payloads of the record"] == 0 {
		t.Errorf("%v went, %v; the dry run said %v", done.Counts, err, out.Counts)
	}
}

func openRequest(t *testing.T, s PrivacyStores) {
	p := planted(t, s, ann(), 1)
	accept(t, s.Stores, "open", "c9", ann())
	_, err := s.Privacy.EraseSubject(t.Context(), privacy.Erasure{By: bob(), Subject: "ann", People: []agent.ActorID{"ann"}})
	wantError(t, err, agent.Conflict, "not over", "open")
	if _, lost := diff(t, s, p); len(lost) > 0 {
		t.Errorf("erased all the same: %v", lost)
	}
}

func holds(t *testing.T, s PrivacyStores) {
	ctx := t.Context()
	p := planted(t, s, ann(), 1)
	_, err := s.Privacy.Hold(ctx, bob(), "ann", "the case of 2026")
	must(t, err)
	_, err = s.Privacy.EraseSubject(ctx, privacy.Erasure{By: bob(), Subject: "ann", People: []agent.ActorID{"ann"}})
	wantError(t, err, agent.Conflict, "under a hold by bob", "the case of 2026")
	if all, err := s.Privacy.Holds(ctx, acme); err != nil || len(all) != 1 || all[0].Subject != "ann" || all[0].Reason != "the case of 2026" {
		t.Errorf("holds %+v, %v", all, err)
	}
	if all, err := s.Privacy.Holds(ctx, globex); err != nil || len(all) != 0 {
		t.Errorf("another workspace sees %+v, %v", all, err)
	}
	_, err = s.Privacy.Release(ctx, person(globex, "bob"), "ann")
	wantError(t, err, agent.NotFound)
	if _, lost := diff(t, s, p); len(lost) > 0 {
		t.Errorf("erased all the same: %v", lost)
	}
	_, err = s.Privacy.Release(ctx, bob(), "ann")
	must(t, err)
	_, err = s.Privacy.EraseSubject(ctx, privacy.Erasure{By: bob(), Subject: "ann", People: []agent.ActorID{"ann"}})
	must(t, err)
	var said []audit.Kind
	for _, k := range kinds(t, s.Stores) {
		if k == audit.HoldSet || k == audit.HoldReleased || k == audit.SubjectErased {
			said = append(said, k)
		}
	}
	if !slices.Equal(said, []audit.Kind{audit.HoldSet, audit.HoldReleased, audit.SubjectErased}) {
		t.Errorf("the record says %v", said)
	}
}

func namesakes(t *testing.T, s PrivacyStores) {
	planted(t, s, ann(), 1)
	there := planted(t, s, person(globex, "ann"), 1)
	shown, lost := diff(t, s, there)
	_, err := s.Privacy.EraseSubject(t.Context(), privacy.Erasure{By: bob(), Subject: "ann", People: []agent.ActorID{"ann"}})
	must(t, err)
	if after, lostNow := diff(t, s, there); after != shown || len(lostNow) != len(lost) {
		t.Errorf("another workspace changed: %v", lostNow)
	}
}

func purges(t *testing.T, s PrivacyStores) {
	ctx := t.Context()
	hers, his := planted(t, s, ann(), 2), planted(t, s, bob(), 1)
	_, err := s.Privacy.Hold(ctx, bob(), "bob", "a dispute")
	must(t, err)
	s.Clock.Advance(100 * 24 * time.Hour)
	recent := (&planter{s: s, by: person(acme, "carl")})
	recent.turn(t, "recent")
	recent.things(t, 9)
	rule := privacy.Purge{By: agent.Actor{Workspace: acme, ID: "sous", Kind: agent.System}, Before: s.Clock.Now().Add(-30 * 24 * time.Hour), Limit: 100}
	_, whole := diff(t, s, his)
	_, wholeRecent := diff(t, s, recent)
	for _, what := range []string{privacy.Conversations, privacy.Memories, privacy.Files} {
		rule.Rule = privacy.Rule{What: what, Keep: 30 * 24 * time.Hour}
		dry := rule
		dry.Dry = true
		planned, err := s.Privacy.Purge(ctx, dry)
		must(t, err)
		done, err := s.Privacy.Purge(ctx, rule)
		must(t, err)
		again, err := s.Privacy.Purge(ctx, rule)
		must(t, err)
		if planned.Counts.String() != done.Counts.String() || again.Counts.Total() != 0 {
			t.Errorf("%s: planned %v, done %v, again %v", what, planned.Counts, done.Counts, again.Counts)
		}
	}
	shown, _ := diff(t, s, hers)
	// Tickets, cases and pauses have no time to go; the record keeps its payloads.
	for _, kind := range []string{"memories ", "files "} {
		if strings.Contains(shown, kind) {
			t.Errorf("%sare left: %s", kind, shown)
		}
	}
	for _, line := range strings.Split(shown, "\n") {
		kind, _, _ := strings.Cut(line, " {")
		if slices.Contains([]string{"messages", "requests", "steps", "signals", "approvals", "effects"}, kind) && strings.Contains(line, "plantann") {
			t.Errorf("left: %s", line)
		}
	}
	if _, lost := diff(t, s, his); len(lost) != len(whole) {
		t.Errorf("of Bob, who is under a hold, went: %v", lost)
	}
	if _, lost := diff(t, s, recent); len(lost) != len(wholeRecent) {
		t.Errorf("of what is recent went: %v", lost)
	}
	if bad := s.Verify(); len(bad) > 0 {
		t.Errorf("the record does not verify: %v", bad)
	}
}

func purgesByRule(t *testing.T, s PrivacyStores) {
	ctx := t.Context()
	p := planted(t, s, ann(), 1)
	at := s.Clock.Now()
	label := p.label()
	label.Data = []string{"pii"}
	_, _, err := s.Memories.SaveItem(ctx, memory.Item{
		ID: "marked", Workspace: acme, Kind: memory.Fact, Author: "ann", Place: "elsewhere", At: at, Remembered: at, Label: label, Chunks: []memory.Chunk{{Text: "marked"}},
	})
	must(t, err)
	s.Clock.Advance(100 * 24 * time.Hour)
	purge := func(r privacy.Rule) int64 {
		t.Helper()
		r.Keep = 48 * time.Hour
		out, err := s.Privacy.Purge(ctx, privacy.Purge{By: bob(), Rule: r, Before: s.Clock.Now().Add(-r.Keep), Limit: 10, Dry: true})
		must(t, err)
		if r.What == privacy.Conversations {
			return out.Counts["requests"]
		}
		return out.Counts.Total()
	}
	for _, c := range []struct {
		rule privacy.Rule
		want int64
	}{
		{privacy.Rule{What: privacy.Memories}, 3},
		{privacy.Rule{What: privacy.Memories, Label: "pii"}, 1},
		{privacy.Rule{What: privacy.Memories, Label: "pi_"}, 0},
		{privacy.Rule{What: privacy.Memories, Kind: string(memory.Document)}, 1},
		{privacy.Rule{What: privacy.Memories, Place: "elsewhere"}, 1},
		{privacy.Rule{What: privacy.Conversations}, 1},
		{privacy.Rule{What: privacy.Conversations, Place: "general"}, 1},
		{privacy.Rule{What: privacy.Conversations, Place: channel().Kind.String()}, 1},
		{privacy.Rule{What: privacy.Conversations, Place: "dm"}, 0},
		{privacy.Rule{What: privacy.Conversations, Label: "pii"}, 0},
		{privacy.Rule{What: privacy.Files}, 1},
	} {
		if got := purge(c.rule); got != c.want {
			t.Errorf("%s: %d go; want %d", c.rule, got, c.want)
		}
	}
}

// accounted compares the list of what tables hold with the schema.
func accounted(t *testing.T, s PrivacyStores) {
	known := map[string]bool{}
	for _, table := range traces.Tables() {
		known[table.Name] = true
		if (table.Where == "") == (table.Kept == "") {
			t.Errorf("%s: either something of it is erased, or there is a reason why not", table.Name)
		}
	}
	for _, name := range s.Tables() {
		if !known[name] {
			t.Errorf("internal/traces does not say what the table %s holds of people", name)
		}
	}
}

// Transfer checks that a store comes over whole: from is filled, moved into to by
// move, and what people are shown is the same there.
func Transfer(t *testing.T, from, to PrivacyStores, move func()) {
	t.Helper()
	everybody := []*planter{planted(t, from, ann(), 2), planted(t, from, bob(), 1), planted(t, from, person(globex, "ann"), 1)}
	_, err := from.Privacy.Hold(t.Context(), bob(), "ann", "a dispute")
	must(t, err)
	must(t, from.SaveFile(t.Context(), agent.File{FileRef: agent.FileRef{ID: "odd", Name: "odd \u00e9\U0001F600"}, Workspace: acme, Owner: "ann", Content: []byte{0, 1, 255}}))
	accept(t, from.Stores, "open", "c-open", ann())
	move()
	for _, p := range everybody {
		was, is := show(t, from, p), show(t, to, p)
		if !slices.Equal(was, is) {
			for i := range min(len(was), len(is)) {
				if was[i] != is[i] {
					t.Errorf("%s of %s:\n was %s\n is  %s", p.by.ID, p.by.Workspace, was[i], is[i])
					break
				}
			}
			t.Errorf("%s of %s: %d things before, %d after", p.by.ID, p.by.Workspace, len(was), len(is))
		}
	}
	wantJSON(t, "the record", record(t, to.Stores, acme), record(t, from.Stores, acme))
	if bad := to.Verify(); len(bad) > 0 {
		t.Errorf("the record does not verify: %v", bad)
	}
	open, err := to.Unfinished(t.Context())
	if err != nil || len(open) != 1 || open[0].ID != "open" {
		t.Errorf("unfinished %v, %v", open, err)
	}
	// It goes on: numbers continue, and words are found.
	again := planted(t, to, person(acme, "dora"), 1)
	stays(t, to, again)
	tickets, err := from.Tracker.Search(t.Context(), acme, agent.TicketQuery{})
	must(t, err)
	for _, k := range tickets {
		found, err := to.Tracker.Search(t.Context(), acme, agent.TicketQuery{Text: k.Title})
		if err != nil || len(found) == 0 || found[0].Title != k.Title {
			t.Errorf("ticket %s is not found by its title: %v, %v", k.ID, found, err)
		}
	}
	recall, err := memory.New(memory.Config{Store: to.Memories, Clock: to.Clock.Now})
	must(t, err)
	items, err := from.Memories.Items(t.Context(), memory.Filter{Reader: bob()})
	must(t, err)
	for _, i := range items {
		i, err = from.Memories.Item(t.Context(), acme, i.ID)
		must(t, err)
		for _, text := range []string{i.Title, i.Chunks[0].Text} {
			found, err := recall.Recall(t.Context(), memory.Query{Reader: bob(), Text: text})
			if err != nil || len(found) == 0 || found[0].Item.ID != i.ID {
				t.Errorf("memory %s is not found by %q: %v, %v", i.ID, text, found, err)
			}
		}
	}
	if bad := to.Verify(); len(bad) > 0 {
		t.Errorf("the record does not verify afterwards: %v", bad)
	}
}

// show is what people are shown, without what each store has for itself.
func show(t *testing.T, s PrivacyStores, p *planter) []string {
	t.Helper()
	var all []string
	must(t, s.Privacy.Show(t.Context(), p.by.Workspace, []agent.ActorID{p.by.ID}, func(r privacy.Record) error {
		if r.Kind != "audit record" && r.Kind != "passages of memories" && r.Kind != "approvals" {
			// Rows as they lie differ in their own columns and in the forms of times.
			var body map[string]any
			if err := json.Unmarshal(r.Body, &body); err != nil {
				return err
			}
			var texts []string
			for column, v := range body {
				if text, ok := v.(string); ok && !strings.Contains("at created ended intended settled undo_until remembered updated last forgotten", column) {
					texts = append(texts, column+"="+text)
				}
			}
			slices.Sort(texts)
			all = append(all, r.Kind+" "+strings.Join(texts, " "))
			return nil
		}
		all = append(all, r.Kind+" "+string(r.Body))
		return nil
	}))
	slices.Sort(all)
	return all
}
