package storetest

import (
	"context"
	"database/sql"
	"strings"
	"testing"
	"time"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/agent/audit"
	"github.com/sous-hq/sous/agent/check"
	"github.com/sous-hq/sous/agent/loop"
	"github.com/sous-hq/sous/tools"
)

// Check checks that a store tells check.Run all it has to know: nothing is wrong
// with what the adapter wrote, and whatever is done to it is found.
func Check(t *testing.T, open ProvableOpener) {
	p := open(t)
	eventful(t, p)
	t.Run("a store that nobody touched keeps every promise, at work and at rest", func(t *testing.T) {
		for _, live := range []bool{false, true} {
			r := look(t, p.Evidence(), check.Config{Live: live, Now: p.Clock.Now()})
			if !live && !r.OK() || len(r.Violations) != briefly(r) {
				t.Errorf("live %v: %+v", live, r.Violations)
			}
			if r.Turns != 11 || r.Approvals != 5 || r.Effects != 4 {
				t.Errorf("looked at %d turns, %d approvals, %d effects", r.Turns, r.Approvals, r.Effects)
			}
		}
	})
	t.Run("a later look sees what changed since and what is not over", func(t *testing.T) {
		first := look(t, p.Evidence(), check.Config{Now: p.Clock.Now()})
		later := look(t, p.Evidence(), check.Config{Since: first.Seen, Now: p.Clock.Now()})
		if first.Seen[acme] == 0 || later.Turns != 6 {
			t.Errorf("since row %d: %d turns; want the 6 that are not over", first.Seen[acme], later.Turns)
		}
		some := look(t, p.Evidence(), check.Config{Since: map[agent.WorkspaceID]int64{acme: first.Seen[acme] - 1}, Now: p.Clock.Now()})
		if some.Turns < later.Turns || some.Turns == first.Turns {
			t.Errorf("%d turns", some.Turns)
		}
	})
	for _, plant := range plants() {
		t.Run("found: "+plant.name, func(t *testing.T) {
			p.Tampered(func(tx *sql.Tx) error {
				for _, q := range strings.Split(plant.sql, ";") {
					if _, err := tx.Exec(q); err != nil {
						return err
					}
				}
				return nil
			}, func(e audit.Evidence) {
				r := look(t, e, check.Config{Live: plant.live, Now: p.Clock.Now().Add(plant.later)})
				if r.Count(plant.rule) == 0 {
					t.Errorf("not found; the report has %+v", r.Violations)
				}
				for _, v := range r.Violations {
					if v.Rule == plant.rule && v.Brief != plant.live {
						t.Errorf("brief %v: %+v", v.Brief, v)
					}
				}
			})
		})
	}
}

// plant is something done to a store that breaks a promise.
type plant struct {
	name, sql string
	rule      check.Rule
	// live plants are wrong only while a process works, and only for good.
	live  bool
	later time.Duration
}

func plants() []plant {
	const ws = "workspace = 'acme'"
	return []plant{
		{name: "an event that no row tells of", sql: `DELETE FROM audit WHERE turn = 'plain' AND kind = 'turn.accepted'`, rule: check.EventTurn},
		{name: "an event that was accepted twice", sql: `UPDATE audit SET kind = 'turn.accepted' WHERE turn = 'done' AND kind = 'call.intent'`, rule: check.EventTurn},
		{name: "a request that is lost", sql: `DELETE FROM messages WHERE id = 'm-plain'`, rule: check.EventTurn},
		{name: "a reply that never reached its turn", sql: `DELETE FROM signals WHERE turn = 'answered'`, rule: check.EventTurn},
		{name: "an end that no row tells of", sql: `DELETE FROM audit WHERE turn = 'plain' AND kind = 'turn.ended'`, rule: check.TurnEnd},
		{name: "an end that was recorded otherwise", sql: `UPDATE audit SET status = 'failed' WHERE turn = 'plain' AND kind = 'turn.ended'`, rule: check.TurnEnd},
		{name: "an ended turn that goes on", sql: `UPDATE turns SET status = 'running', ended = NULL WHERE id = 'plain'`, rule: check.TurnEnd},
		{name: "an end without a time", sql: `UPDATE turns SET ended = NULL WHERE id = 'plain'`, rule: check.TurnEnd},
		{name: "an answer that is lost", sql: `DELETE FROM messages WHERE id = 'plain/answer'`, rule: check.TurnEnd},
		{name: "a journal that nobody threw away", sql: `INSERT INTO journal VALUES ('acme', 'plain', 1, 'think', '{}')`, rule: check.TurnEnd},
		{name: "a turn that was set aside and runs", sql: `UPDATE turns SET stuck = '{}' WHERE id = 'running'`, rule: check.TurnEnd},
		{name: "a turn that was set aside and has ended", sql: `UPDATE turns SET stuck = '{}' WHERE id = 'plain'`, rule: check.TurnEnd},
		{name: "a parked turn that no process has", sql: `UPDATE turns SET carrier = '' WHERE id = 'asked'`, rule: check.TurnEnd, live: true},
		{name: "a turn that waits for nothing", sql: `UPDATE turns SET question = '' WHERE id = 'asking'`, rule: check.TurnEnd, live: true},
		{name: "a queued turn with nothing before it", sql: `UPDATE turns SET conversation = 'elsewhere' WHERE id = 'queued'`, rule: check.TurnEnd, live: true},
		{name: "a running turn that no process has", sql: `UPDATE turns SET carrier = '' WHERE id = 'running'`, rule: check.TurnEnd, live: true},
		{name: "an approval that outlived its turn", sql: `UPDATE approvals SET state = 'asked' WHERE ` + ws + ` AND turn = 'denied'`, rule: check.AskEnd},
		{name: "an ask that no row tells of", sql: `DELETE FROM audit WHERE turn = 'asked' AND kind = 'call.asked'`, rule: check.AskEnd},
		{name: "an ask that is lost", sql: `DELETE FROM approvals WHERE turn = 'asked'`, rule: check.AskEnd},
		{name: "an ask with two ends", sql: `UPDATE audit SET kind = 'approval.expired' WHERE turn = 'denied' AND kind = 'call.asked'`, rule: check.AskEnd},
		{name: "a no that became a yes", sql: `UPDATE approvals SET state = 'approved' WHERE turn = 'denied'`, rule: check.AskEnd},
		{name: "a yes that too few said", sql: `UPDATE approvals SET body = REPLACE(body, '"reason"', '"quorum":2,"reason"') WHERE turn = 'spent'`, rule: check.AskEnd},
		{name: "a yes by the requester", sql: `UPDATE approval_votes SET body = REPLACE(body, '"by":"bob"', '"by":"ann"') WHERE approval IN (SELECT id FROM approvals WHERE turn = 'spent')`, rule: check.AskEnd},
		{name: "a decision the turn never heard of", sql: `DELETE FROM signals WHERE turn = 'denied'`, rule: check.AskEnd},
		{name: "an ask whose time was over long ago", sql: `UPDATE turns SET id = id`, rule: check.AskEnd, live: true, later: ApprovalTTL + time.Hour},
		{name: "an approval that was spent on nothing", sql: `DELETE FROM effects WHERE turn = 'spent'`, rule: check.ApprovalOnce},
		{name: "an approval that was spent and can be spent again", sql: `UPDATE approvals SET state = 'approved' WHERE turn = 'spent'`, rule: check.ApprovalOnce},
		{name: "an approval that was spent on another call", sql: `UPDATE effects SET digest = 'another' WHERE turn = 'spent'`, rule: check.ApprovalOnce},
		{name: "an effect whose approval is lost", sql: `UPDATE effects SET approval = 'NOWHERE1' WHERE turn = 'done'`, rule: check.ApprovalOnce},
		{name: "an effect without an intent", sql: `DELETE FROM audit WHERE turn = 'done' AND kind = 'call.intent'`, rule: check.EffectStory},
		{name: "an effect without a ruling", sql: `UPDATE audit SET ruling = '' WHERE turn = 'done' AND kind = 'call.intent'`, rule: check.EffectStory},
		{name: "an effect that was to be asked for", sql: `UPDATE audit SET ruling = 'ask' WHERE turn = 'done' AND kind = 'call.intent'`, rule: check.EffectStory},
		{name: "an effect without an outcome", sql: `DELETE FROM audit WHERE turn = 'done' AND kind = 'call.outcome'`, rule: check.EffectStory},
		{name: "an outcome that the ledger does not know", sql: `UPDATE effects SET state = 'intent' WHERE turn = 'done'`, rule: check.EffectStory},
		{name: "an outcome that comes before its intent", sql: `UPDATE audit SET kind = 'call.none' WHERE turn = 'done' AND kind = 'call.outcome'; UPDATE audit SET kind = 'call.outcome', status = 'done' WHERE turn = 'done' AND kind = 'call.intent'; UPDATE audit SET kind = 'call.intent', ruling = 'allow' WHERE turn = 'done' AND kind = 'call.none'`, rule: check.EffectStory},
		{name: "an effect that is lost", sql: `DELETE FROM effects WHERE turn = 'done'`, rule: check.EffectStory},
		{name: "an interrupted effect that its turn left behind", sql: `UPDATE turns SET status = 'done' WHERE id = 'running'`, rule: check.EffectStory},
		{name: "a call that took effect twice", sql: `UPDATE effects SET call = REPLACE(call, 'unknown/1', 'unknown/2') WHERE turn = 'unknown'; UPDATE effects SET turn = 'unknown', seq = 7, call = REPLACE(call, 'done/1', 'unknown/2') WHERE turn = 'done'`, rule: check.EffectOnce},
		{name: "a turn of which only the rest is left", sql: `DELETE FROM turns WHERE id = 'plain'`, rule: check.Belongs},
		{name: "an effect of a turn that is gone", sql: `DELETE FROM turns WHERE id = 'done'`, rule: check.Belongs},
	}
}

func look(t *testing.T, e audit.Evidence, c check.Config) *check.Report {
	t.Helper()
	c.Facts = e.(check.Facts)
	r, err := check.Run(context.Background(), c)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// briefly counts what may look wrong for a moment.
func briefly(r *check.Report) int {
	n := 0
	for _, v := range r.Violations {
		if v.Brief {
			n++
		}
	}
	return n
}

// eventful fills a store with turns in every state, by the adapter alone.
func eventful(t *testing.T, p Provable) {
	t.Helper()
	s := p.Stores
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	begin := func(id string) agent.Turn {
		t.Helper()
		return accept(t, s, id, "c-"+id, ann()).Turn
	}
	settle := func(i tools.Intent, state tools.EffectState, st agent.Status) {
		t.Helper()
		fence := intend(t, s, i)
		must(s.Ledger.Settle(t.Context(), tools.Settlement{Key: i.Key, Fence: fence, State: state, Outcome: outcome(i.Proposal, st, `{}`)}))
	}
	finish(t, s, begin("plain"))

	turn := begin("done")
	settle(allowed(proposal(t, ann(), "done", 1)), tools.EffectDone, agent.Done)
	finish(t, s, turn)

	turn = begin("spent")
	q := proposal(t, ann(), "spent", 1)
	settle(withApproval(q, approved(t, s, q)), tools.EffectDone, agent.Done)
	finish(t, s, turn)

	turn = begin("denied")
	must(deny(t.Context(), s, bob(), ask(t, s, proposal(t, ann(), "denied", 1), asks()), "no"))
	finish(t, s, turn)

	turn = begin("unknown")
	settle(allowed(proposal(t, ann(), "unknown", 1)), tools.EffectUnknown, agent.Unknown)
	finish(t, s, turn)

	begin("asked")
	// One of two yeses is there.
	id := ask(t, s, proposal(t, ann(), "asked", 1), sre(2))
	must(approve(t.Context(), s, of("bob", "sre"), id))
	// One was asked and decided, and its turn has not heard of it yet.
	approved(t, s, proposal(t, ann(), "asked", 2))
	ask(t, s, proposal(t, ann(), "asked", 3), asks())
	must(s.Park(t.Context(), acme, "asked", loop.Parked{}))

	begin("asking")
	must(s.Park(t.Context(), acme, "asking", loop.Parked{Question: "Which one?"}))

	begin("answered")
	must(s.Park(t.Context(), acme, "answered", loop.Parked{Question: "Which one?"}))
	reply, m := event("reply", "c-answered", ann())
	acc, err := s.Accept(t.Context(), reply, m, nil)
	must(err)
	if acc.Answered != "answered" {
		t.Fatalf("the reply answered %q", acc.Answered)
	}
	must(s.SetStatus(t.Context(), acme, "answered", agent.TurnRunning))

	begin("running")
	intend(t, s, allowed(proposal(t, ann(), "running", 1)))
	queued := accept(t, s, "queued", "c-running", ann())
	if queued.Start {
		t.Fatal("two turns of one conversation run")
	}
	accept(t, s, "elsewhere", "c", person(globex, "gus"))
}
