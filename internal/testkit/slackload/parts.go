package slackload

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sous-hq/sous/internal/testkit/slackfake"
)

// Redelivered is what came of events that were delivered many times.
type Redelivered struct {
	Deliveries int `json:"deliveries"`
	Events     int `json:"events"`
	Turns      int `json:"turns"`
	Answers    int `json:"answers"`
	// Doubled counts the events that were answered more than once.
	Doubled int     `json:"answered_more_than_once"`
	Seconds float64 `json:"delivered_in_s"`
}

// Redeliver delivers each of some events many times over so many connections,
// alternately by HTTP and by socket.
func (s *Site) Redeliver(ctx context.Context, events, deliveries, connections int) (r Redelivered, err error) {
	s.serial++
	r.Deliveries, r.Events = deliveries, events
	roots, bodies := make([]string, events), make([][]byte, events)
	channel := func(i int) string { return fmt.Sprintf("C1%d%05d", s.serial, i) }
	for i := range events {
		roots[i], bodies[i] = s.mention(channel(i), fmt.Sprintf("U1%05d", i%20), fmt.Sprintf("hello %d", i))
	}
	before, err := s.count("turn.accepted")
	if err != nil {
		return r, err
	}
	s.slack.UseSocket()
	client := clientOf(connections)
	defer client.CloseIdleConnections()
	begin := time.Now()
	err = atOnce(connections, deliveries, func(i int) error {
		body := bodies[i%events]
		if i/events%2 == 0 {
			if got := s.slack.Redeliver("", body); got != http.StatusOK {
				return fmt.Errorf("an envelope was not acknowledged: %d", got)
			}
			return nil
		}
		got, err := s.send(ctx, client, request{kind: "events", body: body, secret: s.slack.SigningSecret})
		if err == nil && got != http.StatusOK {
			err = fmt.Errorf("a delivery was answered with %d", got)
		}
		return err
	})
	r.Seconds = time.Since(begin).Seconds()
	if err != nil {
		return r, err
	}
	answers := func() (all, doubled, first int) {
		for i, root := range roots {
			n := s.answers(channel(i), root)
			all, first = all+n, first+min(1, n)
			doubled += min(1, max(0, n-1))
		}
		return all, doubled, first
	}
	err = s.until(ctx, "the answers", func() bool { _, _, first := answers(); return first == events })
	if err != nil {
		return r, err
	}
	time.Sleep(s.Quiet)
	r.Answers, r.Doubled, _ = answers()
	after, err := s.count("turn.accepted")
	r.Turns = after - before
	return r, err
}

// count counts the rows of a kind in the record.
func (s *Site) count(kind string) (int, error) {
	out, err := s.command(s.all[0].data, "audit", "--json", "--kind", kind, "--limit", "1000000").Output()
	if err != nil {
		return 0, fmt.Errorf("read the record: %w", err)
	}
	n := 0
	for line := range bytes.Lines(out) {
		if bytes.Contains(line, []byte(`"`+kind+`"`)) {
			n++
		}
	}
	return n, nil
}

// Pressed is what came of a button that many pressed.
type Pressed struct {
	People     int `json:"pressed_at_once"`
	Executions int `json:"executions"`
	Told       int `json:"told_who_was_first"`
}

// Press has so many people of the group that decides press the same button at once,
// every other one over HTTP.
func (s *Site) Press(ctx context.Context, people int) (p Pressed, err error) {
	s.serial++
	p.People = people
	channel, asks := fmt.Sprintf("C2%dFINANCE", s.serial), "U2ASKS"
	var group []string
	for i := range people {
		id := fmt.Sprintf("U2M%03d", i)
		s.slack.AddUser(slackfake.User{ID: id, RealName: fmt.Sprintf("Member %d", i)})
		group = append(group, id)
	}
	s.slack.AddUser(slackfake.User{ID: asks, RealName: "Asker"})
	s.slack.AddGroup(slackfake.Group{ID: "S2", Handle: "finance", Name: "Finance", Members: group, Locked: true})
	s.slack.AddChannel(slackfake.Channel{ID: channel, Name: "finance", Members: append([]string{asks, s.slack.BotUser}, group...)})
	s.slack.Connect(s.url)
	s.slack.Emit(map[string]any{"type": "subteam_updated", "subteam": map[string]any{"id": "S2"}})
	before, err := s.tickets()
	if err != nil {
		return p, err
	}
	root := s.slack.Post(asks, channel, "<@"+s.slack.BotUser+"> open a ticket: the freezer is too warm")
	card, approve, err := s.card(ctx, channel, root)
	if err != nil {
		return p, err
	}
	err = atOnce(people, people, func(i int) error {
		if d := s.slack.Press(group[i], card, approve); d.Status != http.StatusOK {
			return fmt.Errorf("a press was answered with %d", d.Status)
		}
		return nil
	})
	if err != nil {
		return p, err
	}
	told := func() (n int) {
		for _, user := range group {
			for _, m := range s.slack.Ephemeral(channel, user) {
				if strings.Contains(m.Text, "already approved this") {
					n++
				}
			}
		}
		return n
	}
	err = s.until(ctx, "those who are told", func() bool { return told() >= people-1 && s.answers(channel, root) == 1 })
	time.Sleep(s.Quiet)
	after, counted := s.tickets()
	p.Told, p.Executions = told(), after-before
	return p, errors.Join(err, counted)
}

// card waits for the card in a thread.
func (s *Site) card(ctx context.Context, channel, root string) (card slackfake.Message, approve slackfake.Button, err error) {
	err = s.until(ctx, "the card", func() bool {
		for _, m := range s.slack.Thread(channel, root) {
			for _, b := range m.Buttons() {
				if b.ActionID == "sous_approve" {
					card, approve = m, b
					return true
				}
			}
		}
		return false
	})
	return card, approve, err
}

func (s *Site) tickets() (int, error) {
	raw, err := s.command(s.all[0].data, "tickets", "--json", "--all").Output()
	if err != nil {
		return 0, fmt.Errorf("read the tickets: %w", err)
	}
	var all []json.RawMessage
	err = json.Unmarshal(raw, &all)
	return len(all), err
}

// Burst is what came of mentions at once; times are in milliseconds.
type Burst struct {
	N   int     `json:"n"`
	P50 float64 `json:"ack_p50_ms"`
	P99 float64 `json:"ack_p99_ms"`
	Max float64 `json:"ack_max_ms"`
	// Retried counts those that were not taken in at first, and came again.
	Retried  int     `json:"delivered_again"`
	Answered int     `json:"answered"`
	Doubled  int     `json:"answered_more_than_once"`
	Seconds  float64 `json:"all_answered_s"`
	// Memory is the most that one process held until then, in MiB; 0 where the system
	// does not say.
	Memory int `json:"memory_mib"`
}

// Burst sends so many mentions at once and times their acknowledgements.
func (s *Site) Burst(ctx context.Context, n int) (b Burst, err error) {
	const places = 500
	s.serial++
	b.N = n
	roots, bodies := make([]string, n), make([][]byte, n)
	channel := func(i int) string { return fmt.Sprintf("C4%d%04d", s.serial, i%places) }
	for i := range n {
		roots[i], bodies[i] = s.mention(channel(i), fmt.Sprintf("U4%04d", i%100), fmt.Sprintf("hello %d", i))
	}
	client := clientOf(min(n, places))
	defer client.CloseIdleConnections()
	times := make([]time.Duration, n)
	var retried atomic.Int64
	begin := time.Now()
	err = atOnce(n, n, func(i int) error {
		for {
			at := time.Now()
			got, err := s.send(ctx, client, request{kind: "events", body: bodies[i], secret: s.slack.SigningSecret})
			times[i] = max(times[i], time.Since(at))
			switch {
			case err != nil:
				return err
			case got == http.StatusOK:
				return nil
			case got != http.StatusServiceUnavailable:
				return fmt.Errorf("a mention was answered with %d", got)
			}
			retried.Add(1)
			time.Sleep(time.Second) // Slack lets a minute pass
		}
	})
	b.Retried = int(retried.Load())
	if err != nil {
		return b, err
	}
	err = s.until(ctx, fmt.Sprintf("%d answers", n), func() bool {
		b.Answered = 0
		for i, root := range roots {
			b.Answered += min(1, s.answers(channel(i), root))
		}
		return b.Answered == n
	})
	b.Seconds = time.Since(begin).Round(10 * time.Millisecond).Seconds()
	for i, root := range roots {
		b.Doubled += min(1, max(0, s.answers(channel(i), root)-1))
	}
	slices.Sort(times)
	ms := func(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
	b.Memory = s.memory()
	b.P50, b.P99, b.Max = ms(times[n/2]), ms(times[n*99/100]), ms(times[n-1])
	return b, err
}

// atOnce does n things, so many at a time, and returns the first error.
func atOnce(workers, n int, f func(i int) error) error {
	var wg sync.WaitGroup
	var once sync.Once
	var first error
	next := make(chan int)
	for range workers {
		wg.Go(func() {
			for i := range next {
				if err := f(i); err != nil {
					once.Do(func() { first = err })
				}
			}
		})
	}
	for i := range n {
		next <- i
	}
	close(next)
	wg.Wait()
	return first
}
