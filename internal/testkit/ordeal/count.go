package ordeal

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/sous-hq/sous/internal/testkit/slackfake"
)

// Result is what became of all requests, seen from outside.
type Result struct {
	// Asked counts requests, Accepted those that were acknowledged, Answered those
	// with one answer.
	Asked, Accepted, Answered int
	// Lost counts accepted requests without an answer or without what they wanted,
	// Doubled those with two answers, two messages of one key, two tickets, or two payments.
	Lost, Doubled int
	// Parked counts payments that wait for a person to look, Replayed the turns that
	// had to be set going again.
	Parked, Replayed int
	// Violations counts broken promises: what was lost and doubled, and what `sous
	// check` and `sous audit verify` found.
	Violations int
	// What tells of each.
	What []string
	// Worst is the longest time from the acknowledgement to the answer.
	Worst time.Duration
}

func (r *Result) wrong(n *int, format string, args ...any) {
	*n++
	if n != &r.Violations {
		r.Violations++
	}
	if len(r.What) < 50 {
		r.What = append(r.What, fmt.Sprintf(format, args...))
	}
}

// Replay sets turns going again that were set aside because their process ended
// again and again, as whoever looks after Sous would.
func (d *Ordeal) Replay() error {
	var stuck []struct{ ID string }
	if err := d.ask(&stuck, "turns", "list", "--stuck", "--limit", "500"); err != nil {
		return err
	}
	for _, t := range stuck {
		if said, err := d.Run(0, "turns", "replay", t.ID); err != nil {
			return fmt.Errorf("replay %s: %w: %s", t.ID, err, said)
		}
		d.mu.Lock()
		d.result.Replayed++
		d.mu.Unlock()
	}
	return nil
}

// ask runs a command for its JSON.
func (d *Ordeal) ask(into any, args ...string) error {
	said, err := d.Run(0, append(args, "--json")...)
	if err != nil {
		return fmt.Errorf("sous %s: %w: %s", strings.Join(args, " "), err, said)
	}
	if err := json.Unmarshal([]byte(said), into); err != nil {
		return fmt.Errorf("sous %s: %w: %.300s", strings.Join(args, " "), err, said)
	}
	return nil
}

// Check looks for broken promises in the store, whether a process works on it or not,
// and returns what it found.
func (d *Ordeal) Check() []string {
	var found []string
	for _, args := range [][]string{{"check"}, {"audit", "verify"}} {
		if said, err := d.Run(0, args...); err != nil {
			found = append(found, fmt.Sprintf("sous %s: %v\n%s", strings.Join(args, " "), err, said))
		}
	}
	return found
}

// Count counts what became of all requests. A process serves, and no request is
// being made.
func (d *Ordeal) Count(ctx context.Context) (Result, error) {
	tickets, unknown, err := d.made(ctx)
	if err != nil {
		return Result{}, err
	}
	d.mu.Lock()
	all, r := d.all, d.result
	d.mu.Unlock()
	for _, q := range all {
		d.count(q, &r, tickets, unknown)
	}
	for _, what := range d.Check() {
		r.wrong(&r.Violations, "%s", what)
	}
	return r, ctx.Err()
}

// End makes no more requests, waits until all are answered, sets going again what was
// set aside, and counts.
func (d *Ordeal) End(ctx context.Context, s *Stream) (Result, error) {
	s.Cease()
	waited := make(chan error, 1)
	go func() { waited <- s.Wait(3 * time.Minute) }()
	for done := false; !done; {
		select {
		case <-waited: // what is not answered is counted
			done = true
		case <-time.After(3 * time.Second):
		}
		if err := d.Replay(); err != nil {
			return Result{}, err
		}
	}
	// What stands twice may come late.
	select {
	case <-ctx.Done():
		return Result{}, ctx.Err()
	case <-time.After(3 * time.Second):
	}
	return d.Settled(ctx, time.Minute)
}

// Settled is Count, again and again until nothing is wrong any more: cards follow the
// answers they belong to. What is wrong after so much time is.
func (d *Ordeal) Settled(ctx context.Context, limit time.Duration) (Result, error) {
	for deadline := time.Now().Add(limit); ; {
		r, err := d.Count(ctx)
		if err != nil || r.Violations == 0 || time.Now().After(deadline) {
			return r, err
		}
		select {
		case <-ctx.Done():
			return r, ctx.Err()
		case <-time.After(500 * time.Millisecond):
		}
	}
}

// made reads which tickets there are, by title, and which payments nobody knows the
// outcome of, by invoice.
func (d *Ordeal) made(ctx context.Context) (tickets map[string]int, unknown map[string]int, err error) {
	if tickets, err = d.Tickets(ctx); err != nil {
		return nil, nil, err
	}
	var effects []struct {
		Call struct{ Args struct{ Invoice string } }
	}
	unknown = map[string]int{}
	err = d.ask(&effects, "effects", "--unknown", "--limit", "1000")
	for _, e := range effects {
		unknown[e.Call.Args.Invoice]++
	}
	return tickets, unknown, err
}

func (d *Ordeal) count(q *request, r *Result, tickets, unknown map[string]int) {
	r.Asked++
	if q.accepted.IsZero() {
		return
	}
	r.Accepted++
	if !q.done.IsZero() {
		r.Worst = max(r.Worst, q.done.Sub(q.accepted))
	}
	thread := d.Slack.Thread(q.channel, q.root)
	switch n := answers(thread); {
	case n == 0:
		r.wrong(&r.Lost, "no answer: %s %q, %s/%s, accepted %s%s%s", q.event, q.kind.wants(), q.channel, q.root, q.accepted.Format(time.TimeOnly), said(thread), d.standing(q, r.Lost))
	case n > 1:
		r.wrong(&r.Doubled, "%d answers: %s %q, %s/%s", n, q.event, q.kind.wants(), q.channel, q.root)
	default:
		r.Answered++
	}
	keys := map[string]int{}
	for _, m := range thread {
		key, _ := m.Metadata.EventPayload["key"].(string)
		if keys[key]++; key != "" && keys[key] == 2 && !strings.HasSuffix(key, "/answer/0") {
			r.wrong(&r.Doubled, "the message %s stands twice in %s/%s", key, q.channel, q.root)
		}
		for _, b := range m.Buttons() {
			if b.ActionID == "sous_approve" {
				r.wrong(&r.Violations, "a card is left open in %s/%s: %s", q.channel, q.root, q.kind.wants())
			}
		}
	}
	made, lost := 1, unknown[q.subject]
	switch q.kind {
	case read:
	case ticket:
		made = tickets["mend "+q.subject]
	case keyed, lookup, neither:
		made = d.Bank.Paid(q.subject)
	}
	r.Parked += lost
	switch {
	case made > 1:
		r.wrong(&r.Doubled, "made %d times: %q %s, %s/%s", made, q.kind.wants(), q.subject, q.channel, q.root)
	case made == 0 && lost == 0 && d.o.MayExpire && q.kind >= keyed:
	case made == 0 && lost == 0 && d.o.Faulty != nil: // the built-in model answered
	case made == 0 && lost == 0:
		r.wrong(&r.Lost, "not made, and nobody knows of it: %q %s, %s/%s%s", q.kind.wants(), q.subject, q.channel, q.root, said(thread))
	case lost > 0 && q.kind != neither && d.o.BankVia == nil && !d.o.Frozen:
		r.wrong(&r.Violations, "it could have been looked up or repeated, and was left: %q %s, %s/%s", q.kind.wants(), q.subject, q.channel, q.root)
	}
}

// said is what a thread holds, in short.
func said(thread []slackfake.Message) string {
	var b strings.Builder
	for _, m := range thread {
		key, _ := m.Metadata.EventPayload["key"].(string)
		fmt.Fprintf(&b, "\n\t%s %s: %.200q, %d buttons %s", m.TS, m.User, m.Text, len(m.Buttons()), key)
	}
	return b.String()
}

// standing is how the turn of a request stands by the store; of the first that are
// lost, as each is a command.
func (d *Ordeal) standing(q *request, lost int) string {
	if lost >= 5 {
		return ""
	}
	shown, err := d.Run(0, "turns", "show", "slack-"+d.Slack.Team+"-"+q.channel+"-"+q.root)
	if err != nil {
		return fmt.Sprintf("\n\tthe turn cannot be shown: %v: %s", err, shown)
	}
	return "\n\t" + strings.ReplaceAll(strings.TrimSpace(shown), "\n", "\n\t")
}
