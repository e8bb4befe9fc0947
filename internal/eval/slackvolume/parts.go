package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net/http"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/sous-hq/sous/internal/testkit/slackfake"
)

// redeliveries delivers each event many times, alternately by HTTP and by socket.
func redeliveries(ctx context.Context, s *site, o options, out io.Writer, f *figures) error {
	f.Deliveries, f.Events = o.deliveries, o.events
	roots, bodies := make([]string, o.events), make([][]byte, o.events)
	for i := range o.events {
		roots[i], bodies[i] = s.mention(fmt.Sprintf("C1%05d", i), fmt.Sprintf("U1%05d", i%20), fmt.Sprintf("hello %d", i))
	}
	s.slack.Connect(s.url)
	s.slack.UseSocket()
	client := clientOf(o.connections)
	defer client.CloseIdleConnections()
	begin := time.Now()
	err := atOnce(o.connections, o.deliveries, func(i int) error {
		body := bodies[i%o.events]
		if i/o.events%2 == 0 {
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
	if err != nil {
		return err
	}
	took := time.Since(begin)
	err = s.until(ctx, "the answers", func() bool {
		f.Answers = 0
		for i, root := range roots {
			f.Answers += min(1, s.answers(fmt.Sprintf("C1%05d", i), root))
		}
		return f.Answers == o.events
	})
	if err != nil {
		return err
	}
	time.Sleep(3 * time.Second)
	f.Answers = 0
	for i, root := range roots {
		n := s.answers(fmt.Sprintf("C1%05d", i), root)
		f.Answers += n
		if n > 1 {
			f.Doubled++
		}
	}
	if f.Turns, err = s.count("turn.accepted"); err != nil {
		return err
	}
	fmt.Fprintf(out, "%d deliveries of %d events over %d connections and both transports in %s: %d turns, %d answers\n",
		o.deliveries, o.events, o.connections, took.Round(time.Millisecond), f.Turns, f.Answers)
	return nil
}

// count counts the rows of a kind in the record.
func (s *site) count(kind string) (int, error) {
	cmd := exec.Command(s.cmd.Path, "audit", "--json", "--kind", kind, "--limit", "1000000", "--data", s.data)
	cmd.Env = s.cmd.Env
	out, err := cmd.Output()
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

// presses has many people of the group press the same button at once.
func presses(ctx context.Context, s *site, o options, out io.Writer, f *figures) error {
	const channel, asks = "C2FINANCE", "U2ASKS"
	f.Pressed = o.pressers
	members := []string{asks, s.slack.BotUser}
	var group []string
	for i := range o.pressers {
		id := fmt.Sprintf("U2M%03d", i)
		s.slack.AddUser(slackfake.User{ID: id, RealName: fmt.Sprintf("Member %d", i)})
		group = append(group, id)
	}
	members = append(members, group...)
	s.slack.AddUser(slackfake.User{ID: asks, RealName: "Asker"})
	s.slack.AddGroup(slackfake.Group{ID: "S2", Handle: "finance", Name: "Finance", Members: group, Locked: true})
	s.slack.AddChannel(slackfake.Channel{ID: channel, Name: "finance", Members: members})
	s.slack.Connect(s.url)
	s.slack.Emit(map[string]any{"type": "subteam_updated", "subteam": map[string]any{"id": "S2"}})
	before, err := s.count("call.outcome")
	if err != nil {
		return err
	}
	root := s.slack.Post(asks, channel, "<@"+s.slack.BotUser+"> open a ticket: the freezer is too warm")
	var card slackfake.Message
	var approve slackfake.Button
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
	if err != nil {
		return err
	}
	err = atOnce(o.pressers, o.pressers, func(i int) error {
		if d := s.slack.Press(group[i], card, approve); d.Status != http.StatusOK {
			return fmt.Errorf("a press was answered with %d", d.Status)
		}
		return nil
	})
	if err != nil {
		return err
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
	err = s.until(ctx, "those who are told", func() bool { return told() >= o.pressers-1 && s.answers(channel, root) == 1 })
	after, counted := s.count("call.outcome")
	if err := errors.Join(err, counted); err != nil {
		return err
	}
	f.Told = told()
	// The search for duplicates that goes before the ticket is a call too.
	tickets, err := s.tickets()
	if err != nil {
		return err
	}
	f.Executions = tickets
	fmt.Fprintf(out, "%d people pressed at once: %d ticket (%d calls on record), %d told who was first\n", o.pressers, f.Executions, after-before, f.Told)
	return nil
}

func (s *site) tickets() (int, error) {
	cmd := exec.Command(s.cmd.Path, "tickets", "--json", "--all", "--data", s.data)
	cmd.Env = s.cmd.Env
	raw, err := cmd.Output()
	if err != nil {
		return 0, fmt.Errorf("read the tickets: %w", err)
	}
	var all []json.RawMessage
	err = json.Unmarshal(raw, &all)
	return len(all), err
}

// badRequests sends what Slack did not send, or sent long ago, or sent before, or what
// is damaged.
func badRequests(ctx context.Context, s *site, o options, out io.Writer, f *figures) error {
	f.Bad = o.bad
	_, event := s.mention("C3BAD", "U3BAD", "hello")
	command := []byte("command=%2Fsous&text=help&team_id=" + s.slack.Team + "&user_id=U3BAD&trigger_id=bad.1&channel_id=C3BAD")
	click := []byte("payload=%7B%22type%22%3A%22block_actions%22%2C%22team%22%3A%7B%22id%22%3A%22" + s.slack.Team + "%22%7D%2C%22user%22%3A%7B%22id%22%3A%22U3BAD%22%7D%2C%22trigger_id%22%3A%22bad.2%22%2C%22actions%22%3A%5B%7B%22action_id%22%3A%22sous_approve%22%2C%22value%22%3A%22AAAAAAAA%22%7D%5D%7D")
	seeds := map[string][]byte{"events": event, "commands": command, "interactions": click}
	kinds := []string{"events", "commands", "interactions"}
	client := clientOf(o.connections)
	defer client.CloseIdleConnections()
	// One of each that counts: its copies do not.
	copies := map[string]request{}
	for _, kind := range kinds[1:] {
		at := time.Now()
		_, signature := slackfake.Sign(s.slack.SigningSecret, at, seeds[kind])
		copies[kind] = request{kind: kind, body: seeds[kind], at: at, signature: signature}
		if got, err := s.send(ctx, client, copies[kind]); err != nil || got != http.StatusOK {
			return fmt.Errorf("a good %s: %d, %w", kind, got, err)
		}
	}
	before, err := s.count("turn.accepted")
	if err != nil {
		return err
	}
	var mu sync.Mutex
	byKind := map[string]int{}
	err = atOnce(o.connections, o.bad, func(i int) error {
		random := rand.New(rand.NewPCG(uint64(i), 7))
		kind := kinds[i%len(kinds)]
		r := request{kind: kind, body: seeds[kind], secret: s.slack.SigningSecret}
		what, signed := "forged", false
		switch i / len(kinds) % 5 {
		case 0:
			r.secret = "another secret"
		case 1:
			what, r.at = "stale", time.Now().Add([]time.Duration{-6 * time.Minute, 6 * time.Minute, -24 * time.Hour}[i%3])
		case 2:
			what = "replayed"
			if kind == "events" {
				// A copy of an event is the same turn; one that was changed is forged.
				what, r.signature = "changed", strings.Repeat("0", 64)
				break
			}
			r = copies[kind]
		case 3:
			what, r.body, r.secret = "damaged and forged", damaged(random, seeds[kind]), "another secret"
		case 4:
			what, signed, r.body = "damaged", true, damaged(random, seeds[kind])
		}
		got, err := s.send(ctx, client, r)
		if err != nil {
			return err
		}
		mu.Lock()
		defer mu.Unlock()
		byKind[what]++
		switch {
		case signed && got >= 500 && got != http.StatusServiceUnavailable, !signed && got >= 500:
			f.Broken++
		case !signed && got < 400:
			f.Accepted++
		}
		return nil
	})
	if err != nil {
		return err
	}
	after, err := s.count("turn.accepted")
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "%d bad requests (", o.bad)
	for _, what := range slices.Sorted(maps.Keys(byKind)) {
		fmt.Fprintf(out, "%d %s, ", byKind[what], what)
	}
	fmt.Fprintf(out, "so signed): %d accepted, %d answered with a fault; %d damaged ones that Slack itself had signed still were requests\n", f.Accepted, f.Broken, after-before)
	return nil
}

// damaged is a body with some of its bytes changed, lost or doubled.
func damaged(random *rand.Rand, seed []byte) []byte {
	body := bytes.Clone(seed)
	for range 1 + random.IntN(8) {
		at := random.IntN(len(body))
		switch random.IntN(3) {
		case 0:
			body[at] = byte(random.IntN(256))
		case 1:
			body = append(body[:at:at], body[min(len(body), at+random.IntN(12)):]...)
		case 2:
			body = append(body[:at:at], append([]byte(`{"`), body[at:]...)...)
		}
		if len(body) == 0 {
			body = []byte("{")
		}
	}
	return body
}

// bursts sends many mentions at once and times their acknowledgements.
func bursts(ctx context.Context, s *site, o options, out io.Writer, f *figures) error {
	for b, n := range o.mentions {
		const places = 500
		roots, bodies := make([]string, n), make([][]byte, n)
		channel := func(i int) string { return fmt.Sprintf("C4%d%04d", b, i%places) }
		for i := range n {
			roots[i], bodies[i] = s.mention(channel(i), fmt.Sprintf("U4%04d", i%100), fmt.Sprintf("hello %d", i))
		}
		client := clientOf(min(n, places))
		times := make([]time.Duration, n)
		begin := time.Now()
		err := atOnce(n, n, func(i int) error {
			at := time.Now()
			got, err := s.send(ctx, client, request{kind: "events", body: bodies[i], secret: s.slack.SigningSecret})
			times[i] = time.Since(at)
			if err == nil && got != http.StatusOK {
				err = fmt.Errorf("a mention was answered with %d", got)
			}
			return err
		})
		client.CloseIdleConnections()
		if err != nil {
			return err
		}
		a := acks{N: n}
		err = s.until(ctx, fmt.Sprintf("%d answers", n), func() bool {
			a.Answered = 0
			for i, root := range roots {
				a.Answered += min(1, s.answers(channel(i), root))
			}
			return a.Answered == n
		})
		if err != nil {
			return err
		}
		a.Seconds = time.Since(begin).Round(10 * time.Millisecond).Seconds()
		for i, root := range roots {
			if s.answers(channel(i), root) > 1 {
				a.Doubled++
			}
		}
		slices.Sort(times)
		ms := func(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
		a.P50, a.P99, a.Max = ms(times[n/2]), ms(times[n*99/100]), ms(times[n-1])
		f.Acks = append(f.Acks, a)
		fmt.Fprintf(out, "%d mentions at once: acknowledged within %.0f ms (half), %.0f ms (99 of 100), %.0f ms (all); all answered after %.1f s\n", n, a.P50, a.P99, a.Max, a.Seconds)
	}
	return nil
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
