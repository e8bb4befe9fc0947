package fleet

import (
	"context"
	"crypto/rand"
	"database/sql"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	_ "modernc.org/sqlite" // the file of a fleet of one

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/agent/approval"
	"github.com/sous-hq/sous/agent/loop"
	"github.com/sous-hq/sous/integrations/api"
)

// Work is a steady load on a fleet: requests that make a ticket each, and meetings
// whose tickets wait for a yes, which another process gives. Whoever asks asks
// again, with the same event, until some process has taken the request.
type Work struct {
	fleet *Fleet
	stop  chan struct{}
	wg    sync.WaitGroup

	mu sync.Mutex
	// tickets are those that have to be there once.
	tickets []Ticket
	result  Result
	errs    []error
}

// Result is what became of the work.
type Result struct {
	// Asked counts the requests taken, Lost those without an answer, Parked those
	// that waited for a yes.
	Asked, Lost, Parked int
	// Missing and Doubled count tickets that are not there, or more than once.
	Missing, Doubled int
	// Worst is the longest time from a request to its end, by whoever waited.
	Worst time.Duration
	// What of is told of failures.
	What []string
}

// callTime is how long one question to a process may take: a frozen one never answers.
const callTime = 2 * time.Second

// longest is how long a request may take before it counts as lost.
const longest = 90 * time.Second

// Work starts the given number of askers.
func (f *Fleet) Work(askers int) *Work {
	w := &Work{fleet: f, stop: make(chan struct{})}
	for n := range askers {
		w.wg.Go(func() { w.ask(n) })
	}
	return w
}

// Wait waits until so many requests have ended, so many of them after a yes.
func (w *Work) Wait(ctx context.Context, asked, parked int) error {
	for {
		w.mu.Lock()
		enough := w.result.Asked >= asked && w.result.Parked >= parked
		w.mu.Unlock()
		if enough {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait for %d requests: %w", asked, ctx.Err())
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// Stop ends the asking, waits for what is under way, and counts what there is.
func (w *Work) Stop(ctx context.Context) (Result, error) {
	close(w.stop)
	w.wg.Wait()
	w.mu.Lock()
	defer w.mu.Unlock()
	r := w.result
	return r, w.fleet.Count(ctx, w.tickets, &r)
}

// Count counts which of the tickets are missing or there more than once, and says
// what the record tells of their turns.
func (f *Fleet) Count(ctx context.Context, tickets []Ticket, into *Result) error {
	made, err := f.Tickets(ctx)
	if err != nil {
		return err
	}
	for _, k := range tickets {
		n := made[k.Title]
		switch {
		case n == 1:
			continue
		case n == 0:
			into.Missing++
		default:
			into.Doubled++
		}
		story, _ := f.Run(0, "audit", "--json", "--turn", k.Turn)
		into.What = append(into.What, fmt.Sprintf("%d tickets %q; the record of the turn:\n%s", n, k.Title, story))
	}
	return nil
}

// Tickets counts the tickets there are, by title, as the store itself has them.
func (f *Fleet) Tickets(ctx context.Context) (map[string]int, error) {
	if f.URL == "" {
		return f.ticketsOfFile(ctx)
	}
	conn, err := pgx.Connect(ctx, f.URL)
	if err != nil {
		return nil, err
	}
	defer func() { _ = conn.Close(ctx) }()
	made := map[string]int{}
	err = pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, `SET LOCAL ROLE sous_app; SELECT set_config('sous.workspace', 'local', true)`); err != nil {
			return err
		}
		rows, err := tx.Query(ctx, `SELECT title, count(*) FROM sous.tickets GROUP BY title`)
		if err != nil {
			return err
		}
		var title string
		var n int
		_, err = pgx.ForEachRow(rows, []any{&title, &n}, func() error { made[title] = n; return nil })
		return err
	})
	return made, err
}

func (f *Fleet) ticketsOfFile(ctx context.Context) (map[string]int, error) {
	db, err := sql.Open("sqlite", "file:"+filepath.Join(f.Data(0), "sous.db")+"?mode=ro&_pragma=busy_timeout(5000)")
	if err != nil {
		return nil, err
	}
	defer db.Close()
	rows, err := db.QueryContext(ctx, `SELECT title, count(*) FROM tickets GROUP BY title`)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	made := map[string]int{}
	for rows.Next() {
		var title string
		var n int
		if err := rows.Scan(&title, &n); err != nil {
			return nil, err
		}
		made[title] = n
	}
	return made, rows.Err()
}

func (w *Work) ask(n int) {
	for k := 0; ; k++ {
		select {
		case <-w.stop:
			return
		default:
		}
		began := time.Now()
		parked := k%4 == 3
		err := w.one(n+k, parked)
		took := time.Since(began)
		w.mu.Lock()
		w.result.Asked++
		if parked {
			w.result.Parked++
		}
		w.result.Worst = max(w.result.Worst, took)
		if err != nil {
			w.result.Lost++
			w.result.What = append(w.result.What, err.Error())
		}
		w.mu.Unlock()
		// A person takes a breath.
		time.Sleep(50 * time.Millisecond)
	}
}

// one asks for something and sees it through.
func (w *Work) one(from int, meeting bool) error {
	turn, tickets, err := w.fleet.Ask(from, meeting)
	if err != nil {
		return err
	}
	w.mu.Lock()
	w.tickets = append(w.tickets, tickets...)
	w.mu.Unlock()
	return w.fleet.See(from+1, turn)
}

// Ticket is one that has to come of a turn.
type Ticket struct{ Title, Turn string }

// Ask asks for a ticket, or for those of a meeting, which wait for a yes. It begins
// with the given process and returns the turn and the tickets that are to come of it.
func (f *Fleet) Ask(from int, meeting bool) (turn string, tickets []Ticket, err error) {
	// With a digit in them no two look like the same work, and none is taken for a
	// duplicate of another: of random letters alone one pair in a million is.
	word := strings.ToLower(rand.Text()[:12]) + "7"
	in := loop.Incoming{Event: "load-" + word, Text: "open a ticket to mend " + word}
	titles := []string{"mend " + word}
	if meeting {
		in.Text = "Summarise this meeting and open tickets for the action items"
		titles = []string{"Write the notes for " + word, "Order the parts for " + word}
		ref, err := persist(f, from, func(ctx context.Context, c *api.Client) (agent.FileRef, error) {
			return c.Upload(ctx, agent.Actor{}, agent.Place{}, word+".txt", "text/plain", []byte(transcript(word)))
		})
		if err != nil {
			return "", nil, fmt.Errorf("upload: %w", err)
		}
		in.Files = []string{ref.ID}
	}
	acc, err := persist(f, from, func(ctx context.Context, c *api.Client) (loop.Acceptance, error) {
		return c.Accept(ctx, agent.Actor{}, in)
	})
	if err != nil {
		return "", nil, fmt.Errorf("ask: %w", err)
	}
	for _, title := range titles {
		tickets = append(tickets, Ticket{title, acc.Turn.ID})
	}
	return acc.Turn.ID, tickets, nil
}

func transcript(word string) string {
	return fmt.Sprintf(`Ann: Good morning, this is the planning meeting for %[1]s.
Bob: I will write the notes for %[1]s.
Carol: I'll order the parts for %[1]s.
Ann: Thank you both.
`, word)
}

// See waits for the end of a turn and says yes to what it asks.
func (f *Fleet) See(from int, turn string) error {
	for deadline := time.Now().Add(longest); ; time.Sleep(100 * time.Millisecond) {
		v, err := persist(f, from, func(ctx context.Context, c *api.Client) (loop.View, error) {
			return c.View(ctx, agent.Actor{}, turn)
		})
		switch {
		case err != nil:
			return fmt.Errorf("look at %s: %w", turn, err)
		case v.Status == agent.TurnDone:
			return nil
		case v.Status.Ended():
			return fmt.Errorf("turn %s ended %s: %s", turn, v.Status, v.Answer)
		case time.Now().After(deadline):
			return fmt.Errorf("turn %s is still %s", turn, v.Status)
		}
		for _, a := range v.Approvals {
			if a.State != approval.Asked {
				continue
			}
			_, err := persist(f, from, func(ctx context.Context, c *api.Client) (bool, error) {
				_, err := c.Answer(ctx, agent.Actor{}, loop.Answer{Approval: a.ID, Yes: true, Event: "yes-" + a.ID})
				if k := agent.KindOf(err); k == agent.Conflict {
					err = nil // somebody was faster: this asker, whose answer got lost
				}
				return true, err
			})
			if err != nil {
				return fmt.Errorf("approve %s: %w", a.ID, err)
			}
		}
	}
}

// persist asks one process after the other until one answers. Like what balances
// load, it leaves alone for a while who did not answer.
func persist[T any](f *Fleet, from int, call func(context.Context, *api.Client) (T, error)) (T, error) {
	for deadline, i := time.Now().Add(longest), from; ; i++ {
		p := f.all[i%f.N]
		if p.shunned() && !f.allShunned() {
			continue
		}
		ctx, cancel := context.WithTimeout(context.Background(), callTime)
		got, err := call(ctx, p.client)
		cancel()
		k := agent.KindOf(err)
		if err == nil || k != agent.Unavailable && k != agent.Internal && k != agent.Cancelled || time.Now().After(deadline) {
			return got, err
		}
		p.shun()
		time.Sleep(20 * time.Millisecond)
	}
}

// shunTime is how long a process is left alone that did not answer.
const shunTime = 5 * time.Second

func (p *process) shun() { p.until.Store(time.Now().Add(shunTime).UnixNano()) }

func (p *process) shunned() bool { return time.Now().UnixNano() < p.until.Load() }

func (f *Fleet) allShunned() bool {
	return !slices.ContainsFunc(f.all, func(p *process) bool { return !p.shunned() })
}
