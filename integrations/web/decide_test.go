package web_test

import (
	"bufio"
	"context"
	"encoding/json"
	"html"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/agent/approval"
	"github.com/sous-hq/sous/agent/loop"
	"github.com/sous-hq/sous/memory"
)

// field reads the value of a hidden field of a page's form.
func (p page) field(t *testing.T, action, name string) string {
	t.Helper()
	_, form, found := strings.Cut(p.body, `action="`+action+`"`)
	form, _, _ = strings.Cut(form, "</form>")
	m := regexp.MustCompile(`name="` + name + `" value="([^"]*)"`).FindStringSubmatch(form)
	if !found || m == nil {
		t.Fatalf("no field %s in a form for %s: %s", name, action, p.body)
	}
	return html.UnescapeString(m[1])
}

// wants complains about what a page lacks, and about what stands behind "not ".
func (p page) wants(t *testing.T, what string, want ...string) {
	t.Helper()
	body := html.UnescapeString(p.body)
	for _, w := range want {
		if not, ok := strings.CutPrefix(w, "not "); ok == strings.Contains(body, strings.TrimPrefix(not, "")) && ok {
			t.Errorf("%s: it has %q", what, not)
		} else if !ok && !strings.Contains(body, w) {
			_, main, _ := strings.Cut(body, "<main")
			t.Errorf("%s: it lacks %q: %.3000s", what, w, main)
		}
	}
}

func TestTheSameClickIsOneDecision(t *testing.T) {
	r := newRigOf(t, crew)
	a := r.ask(t, "pay them", agent.TurnWaiting).Approvals[0]
	path := "/approvals/" + a.ID
	r.as("bob", func() {
		form := url.Values{"event": {r.get(t, path).field(t, path+"/approve", "event")}, "back": {path}}
		if form.Get("event") == r.get(t, path).field(t, path+"/approve", "event") {
			t.Error("another sending of the card has the same id")
		}
		for range 3 {
			if got := r.post(t, path+"/approve", form); got.StatusCode != http.StatusSeeOther {
				t.Errorf("a form sent again: %d %s", got.StatusCode, got.body)
			}
		}
		form.Set("event", "another")
		if got := r.post(t, path+"/approve", form); got.StatusCode != http.StatusConflict || !strings.Contains(got.body, "You already approved this; 1 of 2 have") {
			t.Errorf("another click: %d %s", got.StatusCode, got.body)
		}
		r.get(t, path).wants(t, "Bob's card", "You approved this; other people have to as well.", "1 of 2 approved</span>", "1 of 2 have approved: Bob", "not /approve\"")
	})
	r.as("cat", func() {
		if got := r.post(t, path+"/deny", url.Values{"comment": {"too\r\nmuch"}, "event": {"c"}}); got.StatusCode != http.StatusSeeOther {
			t.Fatalf("denied: %d", got.StatusCode)
		}
		r.post(t, path+"/deny", url.Values{"comment": {"too much"}, "event": {"c"}})
	})
	r.as("dan", func() {
		if got := r.post(t, path+"/approve", url.Values{"event": {"d"}}); got.StatusCode != http.StatusConflict || !strings.Contains(got.body, "Cat already denied this, at 2") {
			t.Errorf("too late: %d %s", got.StatusCode, got.body)
		}
		r.get(t, path).wants(t, "the locked card", "Denied by Cat, ", "too\nmuch", "Denied</span>", "not /approve\"", "not /edit?", "not /notes\"")
	})
}

func TestACallIsEditedBeforeItIsApproved(t *testing.T) {
	r := newRig(t)
	ref := must[agent.FileRef](t)(r.Upload(t.Context(), r.by, agent.Place{}, "m.vtt", "", []byte("x")))
	v := r.ask(t, "Summarise", agent.TurnWaiting, ref.ID)
	a := v.Approvals[0]
	path := "/approvals/" + a.ID + "/edit"
	form := r.get(t, path+"?back="+url.QueryEscape("/c/"+v.Conversation))
	form.wants(t, "the form", "what is to be done, in one short line", "Ask the supplier for a price for the rubber case</textarea>", "meeting\nremote</textarea>",
		"from m.vtt</mark>", "put together from what was read</mark>", "sending it is your yes", "Priya Nair", `href="/c/`+v.Conversation+`"`)
	var order []int
	for _, name := range []string{"title", "body", "assignee", "labels", "due", "source"} {
		order = append(order, strings.Index(form.body, `name="arg.`+name+`"`))
	}
	if order[0] < 0 || !slices.IsSorted(order) {
		t.Errorf("the fields stand at %v", order)
	}
	event := form.field(t, path, "event")
	sent := url.Values{
		"event": {event}, "back": {"/c/" + v.Conversation}, "arg.title": {"Ask for <two> prices"}, "arg.due": {"soon"},
		"arg.body": {"From the meeting of 9 March.\r\n“I'll ask the supplier by Friday.”"}, "arg.assignee": {"Priya Nair"}, "arg.labels": {"meeting\r\nremote"},
	}
	wrong := r.post(t, path, sent)
	if wrong.StatusCode != http.StatusBadRequest {
		t.Errorf("a day that is none: %d", wrong.StatusCode)
	}
	wrong.wants(t, "the refused form", `Due must be a day like 2026-03-31, not "soon"`, "Ask for <two> prices</textarea>", "soon</textarea>")
	if now := must[approval.Approval](t)(r.ShowApproval(t.Context(), r.by, a.ID)); now.State != approval.Asked {
		t.Fatalf("the refused edit left it %s", now.State)
	}
	sent.Set("arg.due", "2026-03-20")
	for range 2 {
		if got := r.post(t, path, sent); got.StatusCode != http.StatusSeeOther || got.Header.Get("Location") != "/c/"+v.Conversation {
			t.Errorf("edited: %d %s %s", got.StatusCode, got.Header.Get("Location"), got.body)
		}
	}
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		if got, err := r.tracker.Ticket(t.Context(), "w", "T-1"); err == nil {
			if got.Title != "Ask for <two> prices" || got.Due != "2026-03-20" || got.Body != "From the meeting of 9 March.\n“I'll ask the supplier by Friday.”" || !slices.Equal(got.Labels, []string{"meeting", "remote"}) {
				t.Errorf("the ticket is %+v", got)
			}
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("no ticket was opened")
		}
	}
	r.get(t, "/approvals/"+a.ID).wants(t, "the card it was", "Changed by Ann, ", "it is asked anew", "Changed</span>")
	if got := r.get(t, path); got.StatusCode != http.StatusConflict {
		t.Errorf("the form of what is closed: %d", got.StatusCode)
	}
}

func TestWhoeverWroteTheArgumentsIsNotTheOneWhoApprovesThem(t *testing.T) {
	r := newRigOf(t, crew)
	v := r.ask(t, "pay them", agent.TurnWaiting)
	path := "/approvals/" + v.Approvals[0].ID
	r.as("bob", func() {
		r.get(t, path+"/edit").wants(t, "the form", "another person has to approve it", `name="arg.amount"`)
		if got := r.post(t, path+"/edit", url.Values{"event": {"e"}, "arg.to": {"Acme"}, "arg.amount": {"50"}}); got.StatusCode != http.StatusSeeOther {
			t.Fatalf("edited: %d %s", got.StatusCode, got.body)
		}
	})
	var anew approval.Approval
	for deadline := time.Now().Add(20 * time.Second); anew.ID == "" && time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		for _, a := range must[loop.View](t)(r.View(t.Context(), r.by, v.ID)).Approvals {
			if a.State == approval.Asked {
				anew = a
			}
		}
	}
	r.as("bob", func() {
		r.get(t, "/approvals/"+anew.ID).wants(t, "Bob's card", "You wrote these arguments; another person has to approve them", "written by bob", ">50<", "not /approve\"")
	})
	r.as("cat", func() { r.get(t, "/approvals/"+anew.ID).wants(t, "Cat's card", "/approve\"") })
}

func TestADecisionIsHandedOver(t *testing.T) {
	r := newRigOf(t, crew)
	a := r.ask(t, "pay them", agent.TurnWaiting).Approvals[0]
	path := "/approvals/" + a.ID
	r.get(t, path).wants(t, "the requester's card", "not /hand\"", "not /approve\"", "Answer or add something")
	r.as("bob", func() {
		r.get(t, path).wants(t, "Bob's card", `<option value="cat">Cat (cat)</option>`, `<option value="dan">Dan (dan)</option>`, `not value="ann"`, `not value="bob"`)
		if got := r.post(t, path+"/hand", url.Values{"to": {"ann"}, "event": {"1"}}); got.StatusCode != http.StatusForbidden {
			t.Errorf("handed to the requester: %d", got.StatusCode)
		}
		if got := r.post(t, path+"/hand", url.Values{"to": {" "}, "event": {"1"}}); got.StatusCode != http.StatusBadRequest {
			t.Errorf("handed to nobody: %d", got.StatusCode)
		}
		for range 2 {
			if got := r.post(t, path+"/hand", url.Values{"to": {"dan"}, "event": {"2"}, "back": {path}}); got.StatusCode != http.StatusSeeOther {
				t.Errorf("handed over: %d %s", got.StatusCode, got.body)
			}
		}
		r.get(t, path).wants(t, "Bob's card", "You handed this to Dan.", "not /approve\"")
		r.get(t, "/approvals").wants(t, "Bob's queue", "Nothing waits for you.", "1 waits for others.")
	})
	r.as("dan", func() { r.get(t, path).wants(t, "Dan's card", "Bob handed it to Dan, ", "/approve\"") })
}

func TestAQuestionIsAskedAndAnsweredOnTheCard(t *testing.T) {
	r := newRigOf(t, crew)
	a := r.ask(t, "pay them", agent.TurnWaiting).Approvals[0]
	path := "/approvals/" + a.ID
	r.as("bob", func() {
		for range 2 {
			r.post(t, path+"/notes", url.Values{"text": {"What is <it> for?\r\nSee https://evil.example"}, "event": {"q"}, "back": {path}})
		}
		if got := r.post(t, path+"/notes", url.Values{"text": {"  "}, "event": {"q2"}}); got.StatusCode != http.StatusBadRequest {
			t.Errorf("an empty question: %d", got.StatusCode)
		}
	})
	r.post(t, path+"/notes", url.Values{"text": {"The oven."}, "event": {"a"}})
	for _, who := range []agent.ActorID{"ann", "cat"} {
		r.as(who, func() {
			got := r.get(t, path)
			got.wants(t, string(who), "Bob</b>", "What is <it> for?\nSee https://evil.example", "Ann</b>", "The oven.", `not href="https`)
			if n := strings.Count(got.body, "What is"); n != 1 {
				t.Errorf("the question stands %d times", n)
			}
		})
	}
}

func TestEverybodyHasAQueueOfTheirOwn(t *testing.T) {
	r := newRigOf(t, crew)
	money := r.ask(t, "pay them", agent.TurnWaiting).Approvals[0]
	ref := must[agent.FileRef](t)(r.Upload(t.Context(), r.by, agent.Place{}, "m.vtt", "", []byte("x")))
	r.ask(t, "Summarise", agent.TurnWaiting, ref.ID)
	r.get(t, "/approvals").wants(t, "Ann's queue", "Waiting for you <span class=\"muted\">2<", "Asked by you <span class=\"muted\">3<", "Ticket create", "not Money send</h3>")
	r.get(t, "/approvals?view=asked").wants(t, "what Ann asked for", "Money send</h3>", "Ticket create", "You cannot approve your own request")
	r.get(t, "/approvals?view=asked&tier=2").wants(t, "risky", "Money send</h3>", "not Ticket create</h3>")
	r.get(t, "/approvals?view=open&tool=ticket_create").wants(t, "tickets", "not Money send</h3>", "Ticket create</h3>")
	r.get(t, "/approvals?view=open&tool=nothing").wants(t, "a filter that nothing fits", "Nothing fits the filter.", "Show all")
	r.as("bob", func() {
		r.get(t, "/approvals").wants(t, "Bob's queue", `id="pending" >1<`, "Money send</h3>", "not Ticket create</h3>", "Asked by Ann")
		r.post(t, "/approvals/"+money.ID+"/deny", url.Values{"comment": {"no"}})
		r.get(t, "/approvals?view=past").wants(t, "decided", "Denied by Bob", "not Ticket create</h3>")
		r.get(t, "/approvals?view=past&state=denied").wants(t, "denied", "Denied by Bob")
		r.get(t, "/approvals?view=past&state=spent").wants(t, "used", "Nothing fits the filter.")
		if got := r.get(t, "/approvals?view=past&state=maybe"); got.StatusCode != http.StatusBadRequest {
			t.Errorf("a state that is none: %d", got.StatusCode)
		}
	})
	req := must[*http.Request](t)(http.NewRequest(http.MethodGet, r.server.URL+"/approvals", nil))
	req.Header.Set("Sous-Part", "list")
	r.do(t, req).wants(t, "the list alone", "Ticket create", "not <html", "not <h1")
}

func TestWhatWouldBeForgottenStandsOnTheCard(t *testing.T) {
	r := newRig(t)
	item := must[memory.Item](t)(r.memory.Remember(t.Context(), memory.Item{
		Workspace: "w", Kind: memory.Fact, Title: "the oven", Author: "ann", AuthorName: "Ann", Key: "k", Source: "chat",
		Label:  agent.Label{Integrity: agent.Requester, Readers: agent.Only("ann"), Scanned: true},
		Chunks: memory.Split("The oven is serviced in <May>."),
	}))
	ref := must[agent.FileRef](t)(r.Upload(t.Context(), r.by, agent.Place{}, "m.vtt", "", []byte("x")))
	v := r.ask(t, "forget "+item.ID, agent.TurnWaiting, ref.ID)
	path := "/approvals/" + v.Approvals[0].ID
	r.get(t, path).wants(t, "the card", "Confirm: Forget", "Remembered about “the oven”", "The oven is serviced in <May>.", "Undo:")
	r.post(t, path+"/approve", url.Values{"event": {"e"}})
	r.until(t, v.ID, agent.TurnDone)
	r.get(t, path).wants(t, "the decided card", "not serviced in", "Approved by Ann, ", "Approved and used</span>")
}

func TestWhatPressesIsSaidOnEveryPage(t *testing.T) {
	r := newRigOf(t, crew)
	a := r.ask(t, "pay them", agent.TurnWaiting).Approvals[0]
	r.as("bob", func() {
		r.get(t, "/tickets").wants(t, "before", "not still waits for your decision", `id="late" class="late" role="status" hidden`)
	})
	r.ahead.Store(int64(40 * time.Minute))
	if n, err := r.RemindDue(t.Context(), "w"); err != nil || n != 1 {
		t.Fatalf("%d reminders, %v", n, err)
	}
	r.as("bob", func() {
		for _, path := range []string{"/", "/tickets", "/approvals"} {
			r.get(t, path).wants(t, path, "Money send still waits for your decision and expires in ", "/approvals/"+a.ID+`">Look at it`)
		}
		r.get(t, "/approvals/"+a.ID).wants(t, "the card", "Those whose turn it is were reminded")
		var q struct {
			Waiting int
			Late    struct{ Text, Approval string }
		}
		if err := json.Unmarshal([]byte(r.get(t, "/queue").body), &q); err != nil || q.Waiting != 1 || q.Late.Approval != a.ID || !strings.Contains(q.Late.Text, "Money send") {
			t.Errorf("the queue is %+v, %v", q, err)
		}
	})
	r.get(t, "/tickets").wants(t, "for Ann, whose decision it is not", "not still waits for your decision")
}

// stream reads events until one of the type that holds the text, and returns the
// types before it.
func (r *rig) stream(t *testing.T, path string) func(kind, text string) []string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	t.Cleanup(cancel)
	req := must[*http.Request](t)(http.NewRequestWithContext(ctx, http.MethodGet, r.server.URL+path, nil))
	resp := must[*http.Response](t)(r.client.Do(req))
	t.Cleanup(func() { resp.Body.Close() })
	if resp.StatusCode != http.StatusOK || resp.Header.Get("Content-Type") != "text/event-stream" {
		t.Fatalf("the stream: %d %s", resp.StatusCode, resp.Header.Get("Content-Type"))
	}
	lines := bufio.NewScanner(resp.Body)
	return func(kind, text string) (before []string) {
		t.Helper()
		event := ""
		for lines.Scan() {
			if e, ok := strings.CutPrefix(lines.Text(), "event: "); ok {
				event = e
			}
			if data, ok := strings.CutPrefix(lines.Text(), "data: "); ok {
				if event == kind && strings.Contains(data, text) {
					return before
				}
				before = append(before, event)
			}
		}
		t.Fatalf("the stream ended before %s %s: %v, %v", kind, text, before, lines.Err())
		return nil
	}
}

func TestOneStreamTellsAllThatAPageShows(t *testing.T) {
	r := newRig(t)
	v := r.ask(t, "hello", agent.TurnDone)
	next := r.stream(t, "/events?c="+v.Conversation)
	next("hello", `"boot":"`)
	if got := next("end", "you said: hello"); !slices.Contains(got, "delta") {
		t.Errorf("what is kept comes again: %v", got)
	}
	other := r.ask(t, "pay them", agent.TurnWaiting)
	if got := next("queue", `"waiting":1`); slices.Contains(got, "approval") {
		t.Errorf("another conversation is told of: %v", got)
	}
	acc := must[loop.Acceptance](t)(r.Accept(t.Context(), r.by, loop.Incoming{Text: "again", Conversation: v.Conversation}))
	next("end", acc.Turn.ID)
	must[approval.Approval](t)(r.Decide(t.Context(), r.by, other.Approvals[0].ID, false, ""))
	next("queue", `"waiting":0`)
	if got := r.get(t, "/events?c=nowhere"); got.StatusCode != http.StatusNotFound {
		t.Errorf("the stream of no conversation: %d", got.StatusCode)
	}
}

func TestAnUndoIsOfferedWithTheTimeThatIsLeft(t *testing.T) {
	r := newRig(t)
	ref := must[agent.FileRef](t)(r.Upload(t.Context(), r.by, agent.Place{}, "m.vtt", "", []byte("x")))
	v := r.ask(t, "Summarise", agent.TurnWaiting, ref.ID)
	r.post(t, "/approvals/approve", url.Values{"id": {v.Approvals[0].ID, v.Approvals[1].ID}, "event": {"x"}})
	r.until(t, v.ID, agent.TurnDone)
	path := "/c/" + v.Conversation
	r.get(t, path).wants(t, "at once", ">23 h</time>", "/undo\"")
	r.ahead.Store(int64(24*time.Hour + time.Minute))
	r.get(t, path).wants(t, "too late", "not /undo\"")
}
