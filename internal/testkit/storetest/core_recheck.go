package storetest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/agent/approval"
	"github.com/sous-hq/sous/agent/audit"
	"github.com/sous-hq/sous/agent/people"
	"github.com/sous-hq/sous/tools"
)

// recheckPromises are what the ledger makes sure of before it spends a yes, and
// what the executor makes of it.
func recheckPromises() []promise {
	return []promise{
		{"a yes that no longer holds is closed, recorded and asked again", recheck},
		{"for a requester who is gone nothing runs and nothing is asked again", requesterGone},
		{"with a directory that is stale no yes is spent", staleDirectory},
		{"a millisecond decides whether a yes is still in time", spendOnTime},
		{"a clock that jumps never runs what has expired", clockJumps},
		{"of 16 clicks at once on each of 200 approvals one executes", clicks},
		{"with one byte of the arguments changed nothing runs, 500 times", oneByte},
		{"what changed between the yes and the run is asked again", reasks},
	}
}

// sreYes asks two of sre for the call and has bob and cat say yes.
func sreYes(t *testing.T, s Stores, p tools.Proposal) string {
	t.Helper()
	id := ask(t, s, p, sre(2))
	for _, who := range []string{"bob", "cat"} {
		if err := approve(t.Context(), s, s.People.Tell(who, "sre"), id); err != nil {
			t.Fatal(err)
		}
	}
	return id
}

func recheck(t *testing.T, s Stores) {
	strict := sre(3)
	for n, tt := range []struct {
		name string
		says string
		with func(i *tools.Intent)
	}{
		{"the tool", "definition has changed", func(i *tools.Intent) { i.Proposal.Definition = "d2" }},
		{"the target", "touches has changed", func(i *tools.Intent) { i.Proposal.Version = "v2" }},
		{"the policy", "more approvals", func(i *tools.Intent) { i.Verdict = strict }},
		{"a role", "Cat, who approved it", func(*tools.Intent) { s.People.Tell("cat", "eng") }},
		{"an account", "Cat, who approved it", func(*tools.Intent) {
			s.People.Tell("cat", "sre", func(p *people.Person) { p.Active = false })
		}},
		{"an account's owner", "too few different people", func(*tools.Intent) {
			s.People.Tell("cat", "sre", func(p *people.Person) { p.Person = "bob" })
		}},
		{"an account is gone", "Cat, who approved it", func(*tools.Intent) { s.People.Forget("cat") }},
	} {
		p := proposal(t, ann(), fmt.Sprint("e", n), 1)
		p.Definition, p.Version = "d1", "v1"
		id := sreYes(t, s, p)
		i := withApproval(p, id)
		i.Verdict = sre(2)
		tt.with(&i)
		for range 2 {
			_, err := s.Ledger.Intend(t.Context(), i)
			wantError(t, err, agent.Conflict, tt.says)
			if !errors.Is(err, tools.ErrAskAgain) {
				t.Errorf("%s: %v; want it to be asked again", tt.name, err)
			}
		}
		if a := read(t, s, id); a.State != approval.Superseded || !strings.Contains(a.Comment, tt.says) {
			t.Errorf("%s: approval %+v; want it superseded", tt.name, a)
		}
		rows := record(t, s, acme)
		if e := rows[len(rows)-1]; e.Kind != audit.ApprovalClosed || e.Status != "superseded" || !strings.Contains(e.Note, tt.says) || e.Approval != id {
			t.Errorf("%s: audit row %+v", tt.name, e)
		}
		noEffects(t, s, p.Call.Turn)
		if again := ask(t, s, i.Proposal, sre(2)); again == id || read(t, s, again).State != approval.Asked {
			t.Errorf("%s: asked again as %s", tt.name, again)
		}
	}
	p := proposal(t, ann(), "unchanged", 1)
	p.Definition, p.Version = "d1", "v1"
	i := withApproval(p, sreYes(t, s, p))
	i.Verdict = sre(2)
	intend(t, s, i)
}

func requesterGone(t *testing.T, s Stores) {
	p := proposal(t, ann(), "e1", 1)
	id := sreYes(t, s, p)
	s.People.Tell("ann", "", func(p *people.Person) { p.Active = false })
	_, err := s.Ledger.Intend(t.Context(), withApproval(p, id))
	wantError(t, err, agent.Forbidden, "Ann, who asked for this")
	s.People.Tell("ann", "")
	_, err = s.Ledger.Intend(t.Context(), withApproval(p, id))
	wantError(t, err, agent.Conflict, "nothing waits")
	if errors.Is(err, tools.ErrAskAgain) {
		t.Error("asked again for somebody who was gone")
	}
	noEffects(t, s, "e1")
}

func staleDirectory(t *testing.T, s Stores) {
	p := proposal(t, ann(), "e1", 1)
	id := sreYes(t, s, p)
	s.People.Freeze(s.Clock.Now())
	s.Clock.Advance(people.MaxAge + time.Second)
	_, err := s.Ledger.Intend(t.Context(), withApproval(p, id))
	wantError(t, err, agent.Unavailable, "has not been known since")
	if a := read(t, s, id); a.State != approval.Approved {
		t.Errorf("approval is %s", a.State)
	}
	noEffects(t, s, "e1")
	s.People.Freeze(time.Time{})
	intend(t, s, withApproval(p, id))
}

func spendOnTime(t *testing.T, s Stores) {
	for n, tt := range []struct {
		after time.Duration
		runs  bool
	}{
		{approval.RunWithin - time.Millisecond, true}, {approval.RunWithin, false}, {approval.RunWithin + time.Millisecond, false},
	} {
		p := proposal(t, ann(), fmt.Sprint("e", n), 1)
		id := approved(t, s, p)
		s.Clock.Advance(tt.after)
		_, err := s.Ledger.Intend(t.Context(), withApproval(p, id))
		if tt.runs && err != nil || !tt.runs && agent.KindOf(err) != agent.Expired {
			t.Errorf("after %v: %v; runs? %v", tt.after, err, tt.runs)
		}
	}
}

func clockJumps(t *testing.T, s Stores) {
	r := rand.New(rand.NewPCG(3, 4))
	for n := range 20 {
		p := proposal(t, ann(), "e1", n+1)
		id := approved(t, s, p)
		end := read(t, s, id).RunBefore()
		other := 0
		for !s.Clock.Now().After(end) {
			s.Clock.Advance(5 * time.Minute)
			// Whatever the ledger does, it sees the time.
			other++
			intend(t, s, allowed(proposal(t, ann(), fmt.Sprintf("o%d", n), other)))
		}
		for range 5 {
			s.Clock.Advance(-time.Duration(r.Int64N(int64(20 * time.Minute))))
			_, err := s.Ledger.Intend(t.Context(), withApproval(p, id))
			wantError(t, err, agent.Expired)
		}
		for s.Clock.Now().Before(end.Add(10 * time.Minute)) {
			s.Clock.Advance(10 * time.Minute)
		}
	}
	noEffects(t, s, "e1")
}

// counter is a tool that counts its runs by what it was told to make.
type counter struct {
	mu      sync.Mutex
	runs    map[string]int
	doc     string
	version int
}

type counterIn struct {
	Name string `json:"name"`
}

func (c *counter) tool() tools.Tool {
	return tools.Must(tools.New(tools.Spec{
		Name: "thing_make", Doc: "Make a thing." + c.doc, Tier: agent.TierOutward, Class: tools.Keyed, Timeout: time.Second,
	}, tools.Funcs[counterIn, counterIn]{
		Run: func(_ context.Context, _ tools.Invocation, in counterIn) (counterIn, error) {
			c.mu.Lock()
			defer c.mu.Unlock()
			c.runs[in.Name]++
			return in, nil
		},
		Label: func(tools.Invocation, counterIn, counterIn) agent.Label { return agent.Label{} },
		Version: func(context.Context, tools.Invocation, counterIn) (string, error) {
			return fmt.Sprint(c.version), nil
		},
	}))
}

func (c *counter) total() (names, runs int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, n := range c.runs {
		runs += n
	}
	return len(c.runs), runs
}

// asksAlways is a policy that asks sre for everything.
type asksAlways struct{ v agent.Verdict }

func (a asksAlways) Rule(context.Context, tools.Proposal) (agent.Verdict, error) { return a.v, nil }

func (c *counter) executor(t *testing.T, s Stores, v agent.Verdict) *tools.Executor {
	t.Helper()
	registry, err := tools.NewRegistry(c.tool())
	if err != nil {
		t.Fatal(err)
	}
	e, err := tools.NewExecutor(registry, asksAlways{v}, s.Ledger)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func planOf(n int, args string) tools.Plan {
	return tools.Plan{Place: channel(), Call: agent.Call{
		ID: fmt.Sprintf("e1/%d", n), Turn: "e1", Actor: ann(), Tool: "thing_make", Args: json.RawMessage(args),
	}}
}

// waits executes a plan that has to be asked, and returns the approval's id.
func waits(t *testing.T, e *tools.Executor, p tools.Plan) string {
	t.Helper()
	o, err := e.Execute(t.Context(), p)
	if err != nil || o.Status != agent.Waiting {
		t.Fatalf("outcome %+v, %v; want it to wait", o, err)
	}
	return o.Approval
}

func clicks(t *testing.T, s Stores) {
	const approvals = 200
	c := &counter{runs: map[string]int{}}
	e := c.executor(t, s, sre(1))
	for n := range approvals {
		p := planOf(n+1, fmt.Sprintf(`{"name":"n%d"}`, n))
		id := waits(t, e, p)
		p.Approval = id
		oneWinner(t, race(racers, func(i int) error {
			if err := approve(t.Context(), s, of(fmt.Sprintf("p%d", i), "sre"), id); err != nil {
				return err
			}
			s.People.Tell(fmt.Sprintf("p%d", i), "sre")
			o, err := e.Execute(t.Context(), p)
			if err == nil && o.Status != agent.Done {
				err = fmt.Errorf("outcome %+v", o)
			}
			return err
		}), agent.Conflict, "already approved this, at ")
	}
	if names, runs := c.total(); names != approvals || runs != approvals {
		t.Errorf("%d executions of %d calls; want %d of %d", runs, names, approvals, approvals)
	}
}

func oneByte(t *testing.T, s Stores) {
	const tries = 500
	c := &counter{runs: map[string]int{}}
	e := c.executor(t, s, sre(1))
	r := rand.New(rand.NewPCG(5, 6))
	name := "pay 10.00 to the supplier of displays"
	p := planOf(1, `{"name":"`+name+`"}`)
	p.Approval = waits(t, e, p)
	if err := approve(t.Context(), s, s.People.Tell("bob", "sre"), p.Approval); err != nil {
		t.Fatal(err)
	}
	for range tries {
		b := []byte(name)
		i := r.IntN(len(b))
		for b[i] == name[i] {
			b[i] = byte('0' + r.IntN(75))
			if b[i] == '\\' {
				b[i] = name[i]
			}
		}
		changed := planOf(1, `{"name":"`+string(b)+`"}`)
		changed.Approval = p.Approval
		o, err := e.Execute(t.Context(), changed)
		if err != nil || o.Status != agent.Denied || !strings.Contains(o.Error, "given for another call") {
			t.Errorf("%q: %+v, %v; want it denied", b, o, err)
		}
	}
	if _, runs := c.total(); runs != 0 {
		t.Errorf("%d of %d ran; want 0", runs, tries)
	}
	if o, err := e.Execute(t.Context(), p); err != nil || o.Status != agent.Done {
		t.Errorf("what was approved: %+v, %v; want it done", o, err)
	}
}

func reasks(t *testing.T, s Stores) {
	c := &counter{runs: map[string]int{}}
	n := 0
	for _, tt := range []struct {
		name, says string
		change     func(e *tools.Executor) *tools.Executor
	}{
		{"the tool's definition", "definition has changed", func(*tools.Executor) *tools.Executor { c.doc += " Or two."; return c.executor(t, s, sre(1)) }},
		{"the target's version", "touches has changed", func(e *tools.Executor) *tools.Executor { c.version++; return e }},
		{"the approver's group", "may no longer", func(e *tools.Executor) *tools.Executor { s.People.Tell("bob", "eng"); return e }},
		{"the policy", "more approvals", func(*tools.Executor) *tools.Executor { return c.executor(t, s, sre(2)) }},
	} {
		for range 10 {
			n++
			e := c.executor(t, s, sre(1))
			p := planOf(n, `{"name":"n"}`)
			p.Approval = waits(t, e, p)
			if err := approve(t.Context(), s, s.People.Tell("bob", "sre"), p.Approval); err != nil {
				t.Fatal(err)
			}
			e = tt.change(e)
			again := waits(t, e, p)
			a := read(t, s, again)
			if again == p.Approval || a.State != approval.Asked || !strings.Contains(a.Reason, "It is asked again: ") || !strings.Contains(a.Reason, tt.says) {
				t.Errorf("%s changed: approval %+v; want it asked again", tt.name, a)
			}
			// A step that is repeated after a crash asks nothing more.
			if third := waits(t, e, p); third != again {
				t.Errorf("%s changed: asked a third time as %s", tt.name, third)
			}
		}
	}
	if _, runs := c.total(); runs != 0 {
		t.Errorf("%d ran; want 0", runs)
	}
}
