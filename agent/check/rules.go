package check

import (
	"fmt"
	"time"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/agent/approval"
	"github.com/sous-hq/sous/agent/audit"
	"github.com/sous-hq/sous/tools"
)

// overdue is how long after its time a store at work may leave an approval open.
const overdue = 5 * time.Minute

// look is one turn under examination.
type look struct {
	Turn

	ws    agent.WorkspaceID
	live  bool
	now   time.Time
	found []Violation
}

func (l *look) all() {
	l.accepted()
	l.ended()
	l.waits()
	for _, a := range l.Approvals {
		l.asked(a)
		l.spent(a)
	}
	l.foreign()
	for _, e := range l.Effects {
		l.effect(e)
	}
	l.once()
}

func (l *look) wrong(r Rule, about, format string, args ...any) {
	l.found = append(l.found, Violation{Rule: r, Workspace: l.ws, Turn: l.ID, About: about, Text: fmt.Sprintf(format, args...)})
}

// suspect is wrong for what may be so for a moment in a store at work.
func (l *look) suspect(r Rule, about, format string, args ...any) {
	if l.live {
		l.wrong(r, about, format, args...)
		l.found[len(l.found)-1].Brief = true
	}
}

// rows counts the rows of a kind that fit.
func (l *look) rows(k audit.Kind, fits func(Row) bool) int {
	n := 0
	for _, r := range l.Rows {
		if r.Kind == k && (fits == nil || fits(r)) {
			n++
		}
	}
	return n
}

// position is where the first row of the kind that fits is in the record, 0 for
// nowhere.
func (l *look) position(k audit.Kind, fits func(Row) bool) int64 {
	for _, r := range l.Rows {
		if r.Kind == k && fits(r) {
			return r.Seq
		}
	}
	return 0
}

// accepted: one event, one row that says so, one request; an answer to a question
// has a row and a signal of its own.
func (l *look) accepted() {
	if l.Requests != 1 {
		l.wrong(EventTurn, "", "the turn has %d requests", l.Requests)
	}
	if n := l.rows(audit.TurnAccepted, nil); n != 1+l.Replies {
		l.wrong(EventTurn, "", "the record says %d times that something was accepted; one request and %d replies were", n, l.Replies)
	}
	told := 0
	for _, s := range l.Signals {
		if s.Type == "reply" {
			told++
		}
	}
	if told != l.Replies {
		l.wrong(EventTurn, "", "%d replies came and %d were handed to the turn", l.Replies, told)
	}
}

// ended: an end is in the record once, with the same word, and nothing is left
// open behind it.
func (l *look) ended() {
	over := l.Status.Ended()
	if over == l.Ended.IsZero() {
		l.wrong(TurnEnd, "", "the turn is %s, and its time of end says otherwise", l.Status)
	}
	ends := l.rows(audit.TurnEnded, nil)
	switch {
	case over && ends != 1:
		l.wrong(TurnEnd, "", "the turn is %s, and the record says %d times that it ended", l.Status, ends)
	case over && l.rows(audit.TurnEnded, func(r Row) bool { return r.Status == l.Status.String() }) != 1:
		l.wrong(TurnEnd, "", "the turn is %s, and the record says it ended otherwise", l.Status)
	case !over && ends > 0:
		l.wrong(TurnEnd, "", "the record says that the turn ended, and it is %s", l.Status)
	}
	switch {
	case l.Answers > 1 || !over && l.Answers > 0:
		l.wrong(TurnEnd, "", "the turn is %s with %d answers", l.Status, l.Answers)
	case over && l.Answers == 0:
		l.wrong(TurnEnd, "", "the turn is %s and nobody was answered", l.Status)
	}
}

// waits: a turn that has not ended runs, waits for somebody, or waits its turn.
func (l *look) waits() {
	if l.Status.Ended() {
		if l.Steps > 0 || l.Carried || l.Stuck {
			l.wrong(TurnEnd, "", "the turn is %s, and somebody still has to do with it", l.Status)
		}
		return
	}
	if l.Stuck && (l.Status != agent.TurnWaiting || l.Carried) {
		l.wrong(TurnEnd, "", "the turn was set aside, and it is %s", l.Status)
	}
	if l.Held || l.Stuck {
		return
	}
	switch l.Status {
	case agent.TurnQueued:
		if !l.Blocked {
			l.suspect(TurnEnd, "", "the turn is queued, and nothing runs before it")
		}
	case agent.TurnRunning:
		if !l.Carried {
			l.suspect(TurnEnd, "", "the turn is said to run, and no process has it")
		}
	case agent.TurnWaiting:
		if !l.Asking && !l.open() {
			l.suspect(TurnEnd, "", "the turn waits, and nobody has anything to decide or answer")
		}
		if !l.Carried {
			l.suspect(TurnEnd, "", "the turn waits, and no process has it")
		}
	case agent.TurnDone, agent.TurnFailed, agent.TurnStopped:
	}
}

// open reports whether a decision is awaited.
func (l *look) open() bool {
	for _, a := range l.Approvals {
		if a.State == approval.Asked {
			return true
		}
	}
	return false
}

// asked: an approval was asked once, has the end its state says, and that end once.
func (l *look) asked(a approval.Approval) {
	of := func(r Row) bool { return r.Approval == a.ID }
	with := func(s approval.State) func(Row) bool {
		return func(r Row) bool { return r.Approval == a.ID && r.Status == string(s) }
	}
	if n := l.rows(audit.CallAsked, of); n != 1 {
		l.wrong(AskEnd, a.ID, "the record says %d times that it was asked", n)
	}
	yes := l.rows(audit.ApprovalDecided, with(approval.Approved))
	no := l.rows(audit.ApprovalDecided, with(approval.Denied))
	late := l.rows(audit.ApprovalExpired, of)
	shut := l.rows(audit.ApprovalClosed, of)
	ends, want := no+late+shut, 1
	switch a.State {
	case approval.Asked, approval.Approved:
		want = 0
		if l.Status.Ended() {
			l.wrong(AskEnd, a.ID, "it is %s, and its turn is %s", a.State, l.Status)
		}
	case approval.Spent:
		want = 0
	case approval.Denied, approval.Expired, approval.Superseded, approval.Withdrawn:
	default:
		l.wrong(AskEnd, a.ID, "there is no state %q", a.State)
	}
	needsYes := a.State == approval.Approved || a.State == approval.Spent
	switch {
	case ends != want:
		l.wrong(AskEnd, a.ID, "it is %s, and the record tells of %d ends", a.State, ends)
	case yes > 1 || a.State == approval.Asked && yes > 0 || needsYes && yes != 1:
		l.wrong(AskEnd, a.ID, "it is %s, and the record tells of %d yeses", a.State, yes)
	case a.State == approval.Denied && no != 1, a.State == approval.Expired && late != 1:
		l.wrong(AskEnd, a.ID, "it is %s, and the record tells of another end", a.State)
	}
	if needsYes {
		l.votes(a)
	}
	l.told(a, yes+no+late)
	if a.State == approval.Asked && l.now.Sub(a.Expires) > overdue && !l.Held {
		l.suspect(AskEnd, a.ID, "its time was over at %s, and it is still asked", a.Expires.UTC().Format(time.RFC3339))
	}
}

// votes: a yes took as many different people as it had to, none of them the
// requester, unless that is allowed.
func (l *look) votes(a approval.Approval) {
	people, votes := map[agent.ActorID]bool{}, a.Votes
	if len(votes) == 0 && a.DecidedBy != "" {
		// Before votes were kept one by one, the decision was the one vote.
		votes = []approval.Vote{{By: a.DecidedBy, Person: a.DecidedBy}}
	}
	for _, v := range votes {
		if people[v.Person] {
			l.wrong(AskEnd, a.ID, "somebody's yes was counted twice")
		}
		people[v.Person] = true
		if v.By == a.Call.Actor.ID && a.Kind != approval.ByRequester && !a.Sole {
			l.wrong(AskEnd, a.ID, "the requester's own yes was counted")
		}
	}
	if len(votes) < a.Needs() {
		l.wrong(AskEnd, a.ID, "%d people said yes, and it takes %d", len(votes), a.Needs())
	}
}

// told: what people or the clock decided reached the turn.
func (l *look) told(a approval.Approval, decided int) {
	n := 0
	for _, s := range l.Signals {
		if s.Approval == a.ID && (s.State == approval.Approved || s.State == approval.Denied || s.State == approval.Expired) {
			n++
		}
	}
	if n != decided {
		l.wrong(AskEnd, a.ID, "it was decided %d times and the turn was told %d times", decided, n)
	}
}

// spent: an approval that is spent has the one effect it was given for, and any
// other has none.
func (l *look) spent(a approval.Approval) {
	n := 0
	for _, e := range l.Effects {
		if e.Approval != a.ID {
			continue
		}
		n++
		if e.Digest != a.Digest {
			l.wrong(ApprovalOnce, a.ID, "it was spent on another call than it was given for")
		}
	}
	want := 0
	if a.State == approval.Spent {
		want = 1
	}
	if n != want {
		l.wrong(ApprovalOnce, a.ID, "it is %s, and %d effects hang on it", a.State, n)
	}
}

// foreign: what the record tells of approvals and effects is there.
func (l *look) foreign() {
	approvals, calls := map[string]bool{}, map[string]bool{}
	for _, a := range l.Approvals {
		approvals[a.ID] = true
	}
	for _, e := range l.Effects {
		calls[e.Call] = true
		if e.Approval != "" && !approvals[e.Approval] {
			l.wrong(ApprovalOnce, e.Approval, "effect %s hangs on an approval that is not there", e.Key)
		}
	}
	gone := map[string]bool{}
	for _, r := range l.Rows {
		switch r.Kind {
		case audit.CallAsked, audit.ApprovalDecided, audit.ApprovalExpired, audit.ApprovalClosed:
			if !approvals[r.Approval] && !gone[r.Approval] {
				gone[r.Approval] = true
				l.wrong(AskEnd, r.Approval, "the record tells of an approval that is not there")
			}
		case audit.CallIntent, audit.CallOutcome, audit.EffectResolved:
			if !calls[r.Call] && !gone[r.Call] {
				gone[r.Call] = true
				l.wrong(EffectStory, r.Call, "the record tells of an effect that is not there")
			}
		default:
		}
	}
}

// effect: ruling, intent and outcome, in this order and as the ledger has them.
func (l *look) effect(e Effect) {
	of := func(r Row) bool { return r.Call == e.Call }
	with := func(s tools.EffectState) func(Row) bool {
		return func(r Row) bool { return r.Call == e.Call && r.Status == string(s) }
	}
	if n := l.rows(audit.CallIntent, of); n != e.Attempts {
		l.wrong(EffectStory, e.Call, "it was tried %d times, and the record tells of %d intents", e.Attempts, n)
	}
	allowed := l.rows(audit.CallIntent, func(r Row) bool { return of(r) && r.Ruling == agent.Allow.String() })
	ruled := l.rows(audit.CallIntent, func(r Row) bool { return of(r) && r.Ruling == agent.Ask.String() })
	switch {
	case allowed+ruled == 0:
		l.wrong(EffectStory, e.Call, "no ruling lets it run")
	case allowed == 0 && e.Approval == "":
		l.wrong(EffectStory, e.Call, "the ruling was to ask, and nobody said yes")
	}
	known := l.rows(audit.CallOutcome, with(tools.EffectDone)) + l.rows(audit.CallOutcome, with(tools.EffectFailed)) + l.rows(audit.EffectResolved, of)
	unknown := l.rows(audit.CallOutcome, with(tools.EffectUnknown))
	switch e.State {
	case tools.EffectDone, tools.EffectFailed:
		if known != 1 {
			l.wrong(EffectStory, e.Call, "it is %s, and the record tells of %d outcomes", e.State, known)
		}
	case tools.EffectUnknown:
		if known != 0 || unknown != 1 {
			l.wrong(EffectStory, e.Call, "nobody knows what became of it, and the record tells of %d outcomes", known)
		}
	case tools.EffectIntent:
		if known+unknown > 0 {
			l.wrong(EffectStory, e.Call, "it has no outcome, and the record tells of one")
		}
		if l.Status.Ended() {
			l.wrong(EffectStory, e.Call, "its turn is %s, and it has no outcome", l.Status)
		}
	case tools.EffectPlanned, tools.EffectApproved:
		l.wrong(EffectStory, e.Call, "the ledger has an effect that is only %s", e.State)
	default:
		l.wrong(EffectStory, e.Call, "there is no state %q", e.State)
	}
	l.order(e)
}

// order: asked, then a yes, then the intent, then the outcome.
func (l *look) order(e Effect) {
	intent := l.position(audit.CallIntent, func(r Row) bool { return r.Call == e.Call })
	outcome := l.position(audit.CallOutcome, func(r Row) bool { return r.Call == e.Call })
	if outcome > 0 && outcome < intent {
		l.wrong(EffectStory, e.Call, "its outcome was recorded before its intent")
	}
	if e.Approval == "" || intent == 0 {
		return
	}
	asked := l.position(audit.CallAsked, func(r Row) bool { return r.Approval == e.Approval })
	yes := l.position(audit.ApprovalDecided, func(r Row) bool { return r.Approval == e.Approval && r.Status == string(approval.Approved) })
	if asked > yes || yes > intent {
		l.wrong(EffectStory, e.Call, "it was begun before somebody said yes")
	}
}

// once: a call that was planned once took effect once.
func (l *look) once() {
	calls := map[string]int{}
	for _, e := range l.Effects {
		calls[e.Call]++
		if calls[e.Call] == 2 {
			l.wrong(EffectOnce, e.Call, "the call has more than one effect")
		}
	}
}
