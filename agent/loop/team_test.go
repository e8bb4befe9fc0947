package loop_test

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/agent/approval"
	"github.com/sous-hq/sous/agent/audit"
	"github.com/sous-hq/sous/agent/loop"
	"github.com/sous-hq/sous/agent/model"
	"github.com/sous-hq/sous/agent/people"
	"github.com/sous-hq/sous/integrations/sqlite"
	"github.com/sous-hq/sous/internal/testkit/looptest"
	"github.com/sous-hq/sous/tools"
)

// team is Sous in a workspace of several people: the real store, engine,
// executor and people file. The model pays what it is told to.
type team struct {
	*loop.Assistant
	t    *testing.T
	db   *sqlite.DB
	file string
	gate *ruling
	mu   sync.Mutex
	paid map[string]int
	// leaves are those who are there for one check only.
	leaves map[string]int
	ahead  time.Duration
}

// ruling is a policy that can be set.
type ruling struct {
	mu sync.Mutex
	v  agent.Verdict
	// by is who asked for the call that was ruled on last.
	by agent.Actor
}

// Rule implements tools.Gate.
func (r *ruling) Rule(_ context.Context, p tools.Proposal) (agent.Verdict, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.by = p.Call.Actor
	return r.v, nil
}

func (r *ruling) asker() agent.Actor {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.by
}

func (r *ruling) set(v agent.Verdict) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.v = v
}

const staff = `
people:
  - {id: ann, name: Ann, groups: [sre]}
  - {id: ann-phone, same_as: ann, groups: [sre]}
  - {id: bob, name: Bob, groups: [sre]}
  - {id: bob-phone, same_as: bob, groups: [sre]}
  - {id: cat, name: Cat, groups: [sre]}
  - {id: dan, name: Dan, groups: [eng]}
  - {id: lee, name: Lee, groups: [leads]}
  - {id: gus, kind: guest, groups: [sre]}
  - {id: bot, kind: program, groups: [sre]}
  - {id: old, groups: [sre], active: false}
`

func (w *team) now() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return time.Now().Add(w.ahead)
}

func (w *team) people(text string) {
	w.t.Helper()
	if err := os.WriteFile(w.file, []byte(text), 0o600); err != nil {
		w.t.Fatal(err)
	}
}

type payIn struct {
	Amount int    `json:"amount"`
	To     string `json:"to"`
}

func (w *team) pay() tools.Tool {
	return tools.Must(tools.New(tools.Spec{
		Name: "pay", Doc: "Pay money.", Tier: agent.TierCritical, Class: tools.Keyed, Timeout: time.Second,
	}, tools.Funcs[payIn, payIn]{
		Check: func(_ context.Context, _ tools.Invocation, in payIn) error {
			w.mu.Lock()
			defer w.mu.Unlock()
			looked, leaves := w.leaves[in.To]
			switch {
			case in.To == "":
				return agent.Errorf(agent.Invalid, "somebody has to get it")
			case leaves && looked > 0:
				return agent.Errorf(agent.Invalid, "%s is gone", in.To)
			case leaves:
				w.leaves[in.To]++
			}
			return nil
		},
		Run: func(_ context.Context, _ tools.Invocation, in payIn) (payIn, error) {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.paid[fmt.Sprintf("%d to %s", in.Amount, in.To)]++
			return in, nil
		},
		Label: func(inv tools.Invocation, _, _ payIn) agent.Label { return agent.Label{Readers: inv.Place.Readers()} },
	}))
}

func sreOf(n int) agent.Verdict {
	return agent.Verdict{Ruling: agent.Ask, Rule: "money", Reason: "It is money.", Approvers: []string{"sre"}, Quorum: n}
}

func newTeam(t *testing.T, chain ...approval.Stage) *team {
	t.Helper()
	w := &team{gate: &ruling{v: sreOf(1)}, paid: map[string]int{}}
	return w.start(t, w.gate, func(req model.Request) (model.Response, error) {
		if out := looptest.Results(req); len(out) > 0 {
			return looptest.Say("It came to " + strings.Join(out, "; "))
		}
		return looptest.Call(`pay {"amount":10,"to":"supplier"}`)
	}, []tools.Tool{w.pay()}, chain...)
}

// start joins the parts.
func (w *team) start(t *testing.T, gate tools.Gate, answer func(model.Request) (model.Response, error), all []tools.Tool, chain ...approval.Stage) *team {
	t.Helper()
	dir := t.TempDir()
	w.t, w.file = t, filepath.Join(dir, "people.yaml")
	w.people(staff)
	directory, err := people.OpenFile("acme", w.file, w.now)
	fatal(t, err)
	w.db, err = sqlite.Open(t.Context(), sqlite.Config{Path: filepath.Join(dir, "sous.db"), Clock: w.now})
	fatal(t, err)
	ledger, err := sqlite.NewLedger(w.db, sqlite.LedgerConfig{ApprovalTTL: 4 * time.Hour, UndoTTL: time.Hour, People: directory, Escalation: func() []approval.Stage { return chain }})
	fatal(t, err)
	registry, err := tools.NewRegistry(all...)
	fatal(t, err)
	executor, err := tools.NewExecutor(registry, gate, ledger)
	fatal(t, err)
	effects, err := loop.NewEffects(loop.Config{
		Store: w.db, Executor: executor, Prompter: noPrompt{}, Hub: loop.NewHub(), Clock: w.now, People: directory, Model: looptest.Answer(answer),
	})
	fatal(t, err)
	engine := onSQLite.Engine(t, w.db, looptest.Parts{Clock: w.now})
	w.Assistant, err = loop.NewAssistant(effects, engine)
	fatal(t, err)
	fatal(t, engine.Launch(context.Background(), effects.Funcs()))
	t.Cleanup(func() {
		fatal(t, engine.Close(10*time.Second))
		fatal(t, w.db.Close())
	})
	return w
}

type noPrompt struct{}

// TurnPrompt implements loop.Prompter.
func (noPrompt) TurnPrompt(agent.Turn, time.Time) (string, string, error) { return "p", "p", nil }

func fatal(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// session is somebody as a front end claims them: a member and an owner.
func session(id string) agent.Actor {
	return agent.Actor{Workspace: "acme", ID: agent.ActorID(id), Kind: agent.Member, Name: id, Groups: []string{"sre"}, Owner: id == "ann"}
}

// asked has Ann ask for a payment and returns the approval that waits.
func (w *team) asked(event string) approval.Approval {
	w.t.Helper()
	_, err := w.Accept(w.t.Context(), session("ann"), loop.Incoming{
		Event: event, Conversation: event, Place: agent.Place{ID: "general", Kind: agent.Public}, Text: "pay the supplier",
	})
	fatal(w.t, err)
	return w.waits(event, "")
}

// waits waits until the turn waits for an approval other than the one named.
func (w *team) waits(turn, other string) approval.Approval {
	w.t.Helper()
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		v := w.view(turn)
		for _, a := range v.Approvals {
			if a.State == approval.Asked && a.ID != other && v.Status == agent.TurnWaiting {
				return a
			}
		}
	}
	w.t.Fatalf("turn %s does not wait: %+v", turn, w.view(turn))
	return approval.Approval{}
}

func (w *team) view(turn string) loop.View {
	w.t.Helper()
	v, err := w.View(w.t.Context(), session("ann"), turn)
	fatal(w.t, err)
	return v
}

// ended waits for the turn's end.
func (w *team) ended(turn string) loop.View {
	w.t.Helper()
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		if v := w.view(turn); v.Status.Ended() {
			return v
		}
	}
	w.t.Fatalf("turn %s does not end: %+v", turn, w.view(turn))
	return loop.View{}
}

func (w *team) payments() map[string]int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return maps.Clone(w.paid)
}

func (w *team) wantPaid(what ...string) {
	w.t.Helper()
	want := map[string]int{}
	for _, p := range what {
		want[p]++
	}
	if got := w.payments(); !maps.Equal(got, want) {
		w.t.Errorf("paid %v; want %v", got, want)
	}
}

func wantKind(t *testing.T, err error, k agent.Kind, says string) {
	t.Helper()
	if err == nil || agent.KindOf(err) != k || !strings.Contains(agent.PublicText(err), says) {
		t.Errorf("error %v; want %v with %q", err, k, says)
	}
}

// TestNobodyGetsRoundTheApprovers tries a hundred ways at one request to have it
// approved by somebody who may not: the requester, by any account, programs,
// guests, strangers, the deactivated and people from elsewhere.
func TestNobodyGetsRoundTheApprovers(t *testing.T) {
	t.Parallel()
	w := newTeam(t)
	a := w.asked("e1")
	elsewhere := session("bob")
	elsewhere.Workspace = "globex"
	system := session("sous")
	system.Kind = agent.System
	posing := session("bob")
	posing.ID, posing.Person = "ann-phone", "bob"
	tries := 0
	for round := range 10 {
		for _, by := range []agent.Actor{
			session("ann"), session("ann-phone"), posing, session("bot"), session("gus"), session("old"),
			session("zed"), session("dan"), elsewhere, system,
		} {
			tries++
			got, err := w.Answer(t.Context(), by, loop.Answer{Approval: a.ID, Yes: true, Event: fmt.Sprintf("click-%d", round%2)})
			if k := agent.KindOf(err); err == nil || k != agent.Forbidden && k != agent.NotFound {
				t.Errorf("%s of %s: %+v, %v", by.ID, by.Workspace, got, err)
			}
		}
	}
	if a, err := w.db.Approval(t.Context(), "acme", a.ID); err != nil || a.State != approval.Asked || len(a.Votes) != 0 {
		t.Errorf("after %d tries the approval is %+v, %v", tries, a, err)
	}
	w.wantPaid()
	// Somebody who is moved into the group meanwhile, and out of it again.
	w.people(strings.Replace(staff, "{id: dan, name: Dan, groups: [eng]}", "{id: dan, name: Dan, groups: [eng, sre]}", 1))
	w.gate.set(sreOf(2))
	_, err := w.Decide(t.Context(), session("dan"), a.ID, true, "")
	fatal(t, err)
	w.waits("e1", a.ID) // policy asks two by now, so one yes is asked anew
	w.wantPaid()
}

func TestAQuorumRunsTheCallOnceTheLastHasSaidYes(t *testing.T) {
	t.Parallel()
	w := newTeam(t)
	w.gate.set(sreOf(2))
	a := w.asked("e1")
	got, err := w.Decide(t.Context(), session("bob"), a.ID, true, "")
	if err != nil || got.State != approval.Asked || len(got.Votes) != 1 {
		t.Fatalf("first yes: %+v, %v", got, err)
	}
	for who, want := range map[string]int{"bob": 0, "cat": 1, "ann": 0, "dan": 0, "gus": 0} {
		if q, err := w.Queue(t.Context(), session(who)); err != nil || len(q) != want {
			t.Errorf("%s's queue holds %d, %v; want %d", who, len(q), err, want)
		}
	}
	w.wantPaid()
	_, err = w.Decide(t.Context(), session("cat"), a.ID, true, "")
	fatal(t, err)
	w.ended("e1")
	w.wantPaid("10 to supplier")
	_, err = w.Decide(t.Context(), session("bob"), a.ID, false, "")
	wantKind(t, err, agent.Conflict, "Cat already approved this, at 20")
}

func TestAnApproverWhoLeavesIsAskedRoundAnew(t *testing.T) {
	t.Parallel()
	w := newTeam(t)
	w.gate.set(sreOf(2))
	a := w.asked("e1")
	_, err := w.Decide(t.Context(), session("bob"), a.ID, true, "")
	fatal(t, err)
	w.people(strings.Replace(staff, "{id: bob, name: Bob, groups: [sre]}", "{id: bob, name: Bob}", 1))
	_, err = w.Decide(t.Context(), session("cat"), a.ID, true, "")
	fatal(t, err)
	again := w.waits("e1", a.ID)
	if !strings.Contains(again.Reason, "Bob, who approved it, may no longer do so") {
		t.Errorf("asked again because %q", again.Reason)
	}
	w.wantPaid()
	_, err = w.Decide(t.Context(), session("bob"), again.ID, true, "")
	wantKind(t, err, agent.Forbidden, "only members of sre")
	_, err = w.Decide(t.Context(), session("cat"), again.ID, false, "not like this")
	fatal(t, err)
	if v := w.ended("e1"); !strings.Contains(v.Answer, "not like this") {
		t.Errorf("answer %q", v.Answer)
	}
	w.wantPaid()
}

func TestAnEditIsARequestOfItsOwn(t *testing.T) {
	t.Parallel()
	w := newTeam(t)
	a := w.asked("e1")
	_, err := w.Edit(t.Context(), session("dan"), a.ID, json.RawMessage(`{"amount":9000,"to":"dan"}`), "")
	wantKind(t, err, agent.Forbidden, "only members of sre")
	_, err = w.Edit(t.Context(), session("bob"), a.ID, json.RawMessage(`{"amount":"lots"}`), "")
	wantKind(t, err, agent.Invalid, "do not fit")
	_, err = w.Edit(t.Context(), session("bob-phone"), a.ID, json.RawMessage(`{"to":"supplier", "amount":20}`), "")
	fatal(t, err)
	b := w.waits("e1", a.ID)
	if string(b.Call.Args) != `{"amount":20,"to":"supplier"}` || b.Editor != "bob" || b.Digest == a.Digest {
		t.Errorf("asked anew: %+v", b)
	}
	for _, account := range []string{"bob", "bob-phone"} {
		_, err = w.Decide(t.Context(), session(account), b.ID, true, "")
		wantKind(t, err, agent.Forbidden, "you wrote these arguments")
	}
	_, err = w.Decide(t.Context(), session("cat"), a.ID, true, "")
	wantKind(t, err, agent.Conflict, "already changed this, at")
	_, err = w.Decide(t.Context(), session("cat"), b.ID, true, "")
	fatal(t, err)
	w.ended("e1")
	w.wantPaid("20 to supplier")
}

func TestTheRequestersOwnEditIsTheirConfirmation(t *testing.T) {
	t.Parallel()
	w := newTeam(t)
	w.gate.set(agent.Verdict{Ruling: agent.Ask, Rule: "derived", Reason: "It was read.", ByRequester: true})
	a := w.asked("e1")
	_, err := w.Edit(t.Context(), session("bob"), a.ID, json.RawMessage(`{"amount":20,"to":"bob"}`), "")
	wantKind(t, err, agent.Forbidden, "only Ann can confirm")
	_, err = w.Edit(t.Context(), session("ann"), a.ID, json.RawMessage(`{"amount":20,"to":"supplier"}`), "")
	fatal(t, err)
	v := w.ended("e1")
	w.wantPaid("20 to supplier")
	if !strings.Contains(v.Answer, `"amount":20`) {
		t.Errorf("the model saw %q", v.Answer)
	}
	rows, err := w.db.Audit(t.Context(), "acme", audit.Filter{Turn: "e1"})
	fatal(t, err)
	var kinds []audit.Kind
	for _, r := range rows {
		kinds = append(kinds, r.Kind)
	}
	want := []audit.Kind{audit.TurnAccepted, audit.CallAsked, audit.ApprovalClosed, audit.CallAsked, audit.ApprovalDecided, audit.CallIntent, audit.CallOutcome, audit.TurnEnded}
	if !slices.Equal(kinds, want) {
		t.Errorf("recorded %v; want %v", kinds, want)
	}
}

func TestAnEditThatCannotBeLosesNothing(t *testing.T) {
	t.Parallel()
	w := newTeam(t)
	a := w.asked("e1")
	_, err := w.Edit(t.Context(), session("bob"), a.ID, json.RawMessage(`{"amount":20,"to":""}`), "")
	wantKind(t, err, agent.Invalid, "somebody has to get it")
	if got := w.waits("e1", ""); got.ID != a.ID {
		t.Fatalf("%s is asked; want %s still", got.ID, a.ID)
	}
	// What only turns out when the call is taken up is asked as it was.
	w.mu.Lock()
	w.leaves = map[string]int{"zed": 0}
	w.mu.Unlock()
	_, err = w.Edit(t.Context(), session("bob"), a.ID, json.RawMessage(`{"amount":20,"to":"zed"}`), "")
	fatal(t, err)
	b := w.waits("e1", a.ID)
	if string(b.Call.Args) != string(a.Call.Args) || b.Editor != "" {
		t.Errorf("asked anew: %s by %q; want %s by nobody", b.Call.Args, b.Editor, a.Call.Args)
	}
	_, err = w.Decide(t.Context(), session("bob"), b.ID, true, "")
	fatal(t, err)
	v := w.ended("e1")
	w.wantPaid("10 to supplier")
	if !slices.ContainsFunc(v.Steps, func(s agent.Step) bool { return s.Status == "failed" && strings.Contains(s.Detail, "zed is gone") }) {
		t.Errorf("no step says why: %+v", v.Steps)
	}
}

func TestARequesterWhoEditsStillNeedsAnother(t *testing.T) {
	t.Parallel()
	w := newTeam(t)
	a := w.asked("e1")
	_, err := w.Edit(t.Context(), session("ann"), a.ID, json.RawMessage(`{"amount":5,"to":"supplier"}`), "")
	fatal(t, err)
	b := w.waits("e1", a.ID)
	w.wantPaid()
	_, err = w.Decide(t.Context(), session("ann"), b.ID, true, "")
	wantKind(t, err, agent.Forbidden, "your own request")
	_, err = w.Decide(t.Context(), session("bob"), b.ID, true, "")
	fatal(t, err)
	w.ended("e1")
	w.wantPaid("5 to supplier")
}

func TestASayIsHandedToSomebodyElse(t *testing.T) {
	t.Parallel()
	w := newTeam(t)
	a := w.asked("e1")
	for to, says := range map[agent.ActorID]string{"ann": "asked for this", "ann-phone": "asked for this", "gus": "no member", "old": "deactivated", "zed": "not known"} {
		_, err := w.Delegate(t.Context(), session("bob"), a.ID, to, "")
		wantKind(t, err, agent.Forbidden, says)
	}
	_, err := w.Delegate(t.Context(), session("bob"), a.ID, "dan", "")
	fatal(t, err)
	_, err = w.Note(t.Context(), session("dan"), a.ID, "What is it for?", "")
	fatal(t, err)
	if q, err := w.Queue(t.Context(), session("dan")); err != nil || len(q) != 1 || q[0].Notes[0].Name != "Dan" {
		t.Errorf("dan's queue is %+v, %v", q, err)
	}
	_, err = w.Decide(t.Context(), session("bob"), a.ID, true, "")
	wantKind(t, err, agent.Forbidden, "you handed this to Dan")
	_, err = w.Decide(t.Context(), session("dan"), a.ID, true, "")
	fatal(t, err)
	w.ended("e1")
	w.wantPaid("10 to supplier")
}

func TestWhatNobodyDecidesFindsSomebodyWhoCan(t *testing.T) {
	t.Parallel()
	w := newTeam(t, approval.Stage{After: time.Hour, Groups: []string{"board"}}, approval.Stage{After: 2 * time.Hour, Groups: []string{"leads"}})
	a := w.asked("e1")
	if q, err := w.Queue(t.Context(), session("lee")); err != nil || len(q) != 0 {
		t.Fatalf("lee's queue is %v, %v", q, err)
	}
	// The whole of sre is away, and there is no board.
	away := strings.NewReplacer("groups: [sre]}", "groups: [sre], away_until: 2100-01-01}")
	w.people(away.Replace(staff))
	b := w.asked("e2")
	if b.Stage != 2 {
		t.Errorf("with everybody away it is at stage %d; want 2", b.Stage)
	}
	if q, err := w.Queue(t.Context(), session("lee")); err != nil || len(q) != 1 || q[0].ID != b.ID {
		t.Errorf("lee's queue is %+v, %v", q, err)
	}
	due, err := w.Due(t.Context(), "acme")
	if err != nil || len(due) != 0 {
		t.Errorf("reminders due at once: %+v, %v", due, err)
	}
	_, err = w.Decide(t.Context(), session("lee"), b.ID, true, "")
	fatal(t, err)
	w.ended("e2")
	w.wantPaid("10 to supplier")
	_, err = w.Decide(t.Context(), session("lee"), a.ID, true, "")
	wantKind(t, err, agent.Forbidden, "only members of sre")
}

func TestEscalationNeedsNobodyToLook(t *testing.T) {
	t.Parallel()
	w := newTeam(t, approval.Stage{After: 200 * time.Millisecond, Groups: []string{"leads"}})
	a := w.asked("e1")
	for deadline := time.Now().Add(10 * time.Second); a.Stage == 0; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("it went to nobody else")
		}
		a = w.waits("e1", "")
	}
	_, err := w.Decide(t.Context(), session("lee"), a.ID, true, "")
	fatal(t, err)
	w.ended("e1")
	w.wantPaid("10 to supplier")
}

func TestRemindersGoToThoseAtWork(t *testing.T) {
	t.Parallel()
	w := newTeam(t)
	a := w.asked("e1")
	w.people(strings.Replace(staff, "{id: cat, name: Cat, groups: [sre]}", "{id: cat, groups: [sre], away_until: 2100-01-01}", 1))
	w.mu.Lock()
	w.ahead = 2*time.Hour + time.Minute
	w.mu.Unlock()
	due, err := w.Due(t.Context(), "acme")
	if err != nil || len(due) != 1 || due[0].N != 1 || due[0].Approval.ID != a.ID || !slices.Equal(due[0].To, []agent.ActorID{"bob", "bob-phone"}) {
		t.Fatalf("due %+v, %v; want one reminder for bob", due, err)
	}
	fatal(t, w.Reminded(t.Context(), "acme", a.ID, 1))
	wantKind(t, w.Reminded(t.Context(), "acme", a.ID, 1), agent.Conflict, "no such reminder")
	if due, err := w.Due(t.Context(), "acme"); err != nil || len(due) != 0 {
		t.Errorf("due again: %+v, %v", due, err)
	}
}

func TestAStoppedRequestLeavesNothingToApprove(t *testing.T) {
	t.Parallel()
	w := newTeam(t)
	a := w.asked("e1")
	fatal(t, w.Stop(t.Context(), session("ann"), "e1"))
	w.ended("e1")
	for _, by := range []string{"bob", "cat"} {
		_, err := w.Decide(t.Context(), session(by), a.ID, true, "")
		wantKind(t, err, agent.Conflict, "nothing waits for approval")
	}
	if q, err := w.Queue(t.Context(), session("bob")); err != nil || len(q) != 0 {
		t.Errorf("bob's queue is %v, %v", q, err)
	}
	w.wantPaid()
}

// TestAnApprovalOfARequestThatIsGoneDecidesNothing: the turn has ended or is not in
// the store any more, and the approval is still open, as after a restore of half
// a backup.
func TestAnApprovalOfARequestThatIsGoneDecidesNothing(t *testing.T) {
	t.Parallel()
	for name, gone := range map[string]string{
		"ended":    `UPDATE turns SET status = 'done' WHERE id = 'e1'`,
		"vanished": `DELETE FROM turns WHERE id = 'e1'`,
	} {
		w := newTeam(t)
		a := w.asked("e1")
		_, err := w.db.SQL().ExecContext(t.Context(), gone)
		fatal(t, err)
		for what, try := range map[string]func() error{
			"a yes":       func() error { _, err := w.Decide(t.Context(), session("bob"), a.ID, true, ""); return err },
			"a no":        func() error { _, err := w.Decide(t.Context(), session("bob"), a.ID, false, "no"); return err },
			"a hand-over": func() error { _, err := w.Delegate(t.Context(), session("bob"), a.ID, "dan", ""); return err },
		} {
			if err := try(); agent.KindOf(err) != agent.Conflict || !strings.Contains(agent.PublicText(err), "is over") {
				t.Errorf("%s, %s: %v", name, what, err)
			}
		}
		if got, err := w.db.Approval(t.Context(), "acme", a.ID); err != nil || got.State != approval.Asked || len(got.Votes) != 0 {
			t.Errorf("%s: the approval is %+v, %v", name, got, err)
		}
		w.wantPaid()
	}
}

func TestTheSameClickTwiceIsOneDecision(t *testing.T) {
	t.Parallel()
	w := newTeam(t)
	a := w.asked("e1")
	for range 3 {
		_, err := w.Answer(t.Context(), session("bob"), loop.Answer{Approval: strings.ToLower(a.ID), Yes: true, Event: "click-1"})
		fatal(t, err)
	}
	w.ended("e1")
	w.wantPaid("10 to supplier")
	_, err := w.Answer(t.Context(), session("bob"), loop.Answer{Approval: a.ID, Yes: true, Event: "click-1"})
	fatal(t, err)
	_, err = w.Answer(t.Context(), session("cat"), loop.Answer{Approval: a.ID, Yes: true, Event: "click-1"})
	wantKind(t, err, agent.Conflict, "Bob already approved")
}
