package web_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/agent/loop"
	"github.com/sous-hq/sous/agent/pause"
	"github.com/sous-hq/sous/memory"
	"github.com/sous-hq/sous/tools"
)

// remember puts something into memory.
func (r *rig) remember(t *testing.T, text string, from agent.Integrity, readers agent.Readers) string {
	t.Helper()
	item := must[memory.Item](t)(r.memory.Remember(t.Context(), memory.Item{
		Workspace: "w", Kind: memory.Fact, Title: "about " + text[:4], Author: r.by.ID, AuthorName: r.by.Name, Key: text, Source: "chat",
		Label: agent.Label{Integrity: from, Readers: readers, Scanned: true}, Chunks: memory.Split(text),
	}))
	return item.ID
}

func TestMemoryIsShownSearchedAndForgotten(t *testing.T) {
	r := newRig(t)
	mine := agent.Only("ann")
	oven := r.remember(t, "The oven is <serviced> in May.", agent.Requester, mine)
	r.remember(t, "Suppliers say see https://evil.example now.", agent.External, mine)
	r.remember(t, "Bob's secret is safe.", agent.Requester, agent.Only("bob"))
	r.get(t, "/memory").wants(t, "memory", "The oven is <serviced> in May.", "from outside</mark>", "see https://evil.example now", `not href="https`, "not Bob's secret")
	r.get(t, "/memory?q=oven").wants(t, "a search", "The oven is", "not Suppliers say")
	r.get(t, "/memory?q=zebra").wants(t, "a search that finds nothing", "Nothing that is remembered fits that.")
	got := r.post(t, "/memory/"+oven+"/forget", url.Values{"q": {"oven"}})
	if got.StatusCode != http.StatusSeeOther {
		t.Fatalf("forgotten: %d %s", got.StatusCode, got.body)
	}
	r.get(t, got.Header.Get("Location")).wants(t, "after it", "Forgotten.", "Take it back", "not The oven is")
	r.get(t, "/memory/"+oven).wants(t, "the forgotten item", "The oven is <serviced> in May.", "It is forgotten", "Bring it back")
	r.post(t, "/memory/"+oven+"/restore", url.Values{"q": {""}})
	r.get(t, "/memory/"+oven).wants(t, "the item", "not It is forgotten", "/forget\"")
	r.get(t, "/memory").wants(t, "taken back", "The oven is")
	r.as("bob", func() {
		r.get(t, "/memory").wants(t, "Bob's memory", "not The oven is", "Bob's secret")
		if got := r.get(t, "/memory/"+oven); got.StatusCode != http.StatusNotFound {
			t.Errorf("Bob reads what is Ann's: %d", got.StatusCode)
		}
		if got := r.post(t, "/memory/"+oven+"/forget", nil); got.StatusCode != http.StatusNotFound {
			t.Errorf("Bob forgets what is Ann's: %d", got.StatusCode)
		}
	})
}

func TestWhatWasChangedIsListedAndExplained(t *testing.T) {
	r := newRig(t)
	ref := must[agent.FileRef](t)(r.Upload(t.Context(), r.by, agent.Place{}, "m.vtt", "", []byte("x")))
	v := r.ask(t, "Summarise", agent.TurnWaiting, ref.ID)
	r.post(t, "/approvals/"+v.Approvals[0].ID+"/approve", url.Values{"event": {"a"}})
	r.post(t, "/approvals/"+v.Approvals[1].ID+"/deny", url.Values{"event": {"b"}, "comment": {"nobody <owns> it"}})
	done := r.until(t, v.ID, agent.TurnDone)
	key := done.Effects[0].Key
	r.get(t, "/effects").wants(t, "effects", "Ticket create", "T-1", "Ask the supplier for a price", "/effects/"+key+"/undo", "/audit/story/"+key, `class="state done"`)
	r.get(t, "/effects?state=failed").wants(t, "failed ones", "No effect is in that state.")
	if got := r.get(t, "/effects?state=odd"); got.StatusCode != http.StatusBadRequest {
		t.Errorf("a state that is none: %d", got.StatusCode)
	}
	for _, id := range []string{key, v.ID, v.Approvals[0].ID, done.Effects[0].Call.ID, "T-1"} {
		r.get(t, "/audit/story/"+id).wants(t, "the story of "+id, "Summarise", "m.vtt", "Ask the supplier for a price for the rubber case", "from untrusted text</mark>",
			"derived-from-content-asks", "approved</b> by ann", "Effect:</b> done", "Closes the ticket again")
	}
	r.get(t, "/audit/story/"+v.ID).wants(t, "the turn's story", "denied</b> by ann", "nobody <owns> it", "none; it never ran")
	r.get(t, "/c/"+v.Conversation).wants(t, "the chat", "/audit/story/"+v.ID)
	if got := r.get(t, "/audit/story/nothing"); got.StatusCode != http.StatusNotFound {
		t.Errorf("the story of nothing: %d", got.StatusCode)
	}
	r.as("bob", func() {
		if got := r.get(t, "/audit/story/"+v.ID); got.StatusCode != http.StatusForbidden || strings.Contains(got.body, "supplier") {
			t.Errorf("Bob reads the story: %d", got.StatusCode)
		}
		r.get(t, "/effects").wants(t, "Bob's page", "not /audit")
	})
}

func TestAnUnknownEffectIsSettledByWhoeverLooked(t *testing.T) {
	r := newRig(t)
	v := r.ask(t, "pay them", agent.TurnWaiting)
	a := v.Approvals[0]
	// The process ends between intent and outcome, and the tool cannot tell.
	intent := tools.Intent{Key: "key-1", Proposal: tools.Proposal{Call: a.Call, Spec: tools.Spec{Name: a.Call.Tool, Tier: a.Tier}, Digest: a.Digest, Definition: a.Definition}, Verdict: agent.Verdict{Ruling: agent.Allow, Rule: "test"}}
	rec := must[tools.Record](t)(r.ledger.Intend(t.Context(), intent))
	err := r.ledger.Settle(t.Context(), tools.Settlement{Key: "key-1", Fence: rec.Fence, State: tools.EffectUnknown, Outcome: agent.Outcome{Call: a.Call.ID, Tool: a.Call.Tool, Status: agent.Unknown, Error: "Please look."}})
	if err != nil {
		t.Fatal(err)
	}
	r.get(t, "/effects").wants(t, "effects", "Somebody has to look", "Please look.", "/effects/key-1/resolve")
	for _, form := range []url.Values{{}, {"happened": {"maybe"}, "note": {"x"}}, {"happened": {"yes"}, "note": {" "}}} {
		if got := r.post(t, "/effects/key-1/resolve", form); got.StatusCode != http.StatusBadRequest {
			t.Errorf("%v: %d", form, got.StatusCode)
		}
	}
	if got := r.post(t, "/effects/key-1/resolve", url.Values{"happened": {"yes"}, "note": {"It stands in the bank's list."}}); got.StatusCode != http.StatusSeeOther {
		t.Fatalf("settled: %d %s", got.StatusCode, got.body)
	}
	r.get(t, "/effects").wants(t, "after it", "not Somebody has to look", `class="state done"`)
	if got := must[loop.Effect](t)(r.db.Effect(t.Context(), "w", "key-1")); got.Resolution == nil || got.Resolution.By != "ann" {
		t.Errorf("the effect is %+v", got)
	}
}

func TestWorkIsPausedAndResumedFromThePages(t *testing.T) {
	r := newRig(t)
	r.get(t, "/pause").wants(t, "at first", "Nothing is paused.", "every workspace of this installation")
	if got := r.post(t, "/pause", url.Values{"scope": {"workspace"}, "reason": {" "}}); got.StatusCode != http.StatusBadRequest {
		t.Errorf("without a reason: %d", got.StatusCode)
	}
	r.post(t, "/pause", url.Values{"scope": {"tool"}, "target": {"Ticket create"}, "reason": {"it opens <doubles>"}})
	r.get(t, "/pause").wants(t, "a tool", "The tool Ticket create</b> is paused by Ann", "it opens <doubles>")
	r.get(t, "/tickets").wants(t, "other pages", "not All work here is paused")
	r.post(t, "/pause", url.Values{"scope": {"workspace"}, "target": {"left over"}, "reason": {"the oven burns"}})
	r.get(t, "/tickets").wants(t, "every page", "All work here is paused by Ann: the oven burns")
	r.as("bob", func() {
		r.get(t, "/pause").wants(t, "Bob's page", "the oven burns", "Owners and administrators", "not /resume")
		if got := r.post(t, "/resume", url.Values{"scope": {"workspace"}}); got.StatusCode != http.StatusForbidden {
			t.Errorf("Bob resumes: %d", got.StatusCode)
		}
	})
	for _, form := range []url.Values{{"scope": {"workspace"}}, {"scope": {"tool"}, "target": {"ticket_create"}}} {
		if got := r.post(t, "/resume", form); got.StatusCode != http.StatusSeeOther {
			t.Errorf("resume %v: %d", form, got.StatusCode)
		}
	}
	if all := must[[]pause.Pause](t)(r.db.Pauses(t.Context())); len(all) != 0 {
		t.Errorf("still paused: %+v", all)
	}
}
