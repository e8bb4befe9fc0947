package slackload

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/sous-hq/sous/internal/testkit/slackfake"
)

// Parked is what approvals cost that wait for people.
type Parked struct {
	N int `json:"n"`
	// Memory is what a process holds, in MiB, and CPU how much of one processor all of
	// them take: while they wait, and again after they were started anew.
	Memory  int     `json:"memory_mib"`
	CPU     float64 `json:"cpu_percent"`
	Again   int     `json:"restarted_memory_mib"`
	CPUThen float64 `json:"restarted_cpu_percent"`
}

// Park has so many requests wait for an approval, each in a channel of its own, and
// looks at the processes once they have rested, for as long as watch says.
func (s *Site) Park(ctx context.Context, n int, rest, watch time.Duration) (p Parked, err error) {
	s.serial++
	p.N = n
	client := clientOf(32)
	defer client.CloseIdleConnections()
	roots := make([]string, n)
	channel := func(i int) string { return fmt.Sprintf("C5%d%04d", s.serial, i) }
	bodies := make([][]byte, n)
	for i := range n {
		asks := fmt.Sprintf("U5%04d", i%100)
		s.slack.AddUser(slackfake.User{ID: asks, RealName: "Person " + asks})
		s.slack.AddChannel(slackfake.Channel{ID: channel(i), Name: strings.ToLower(channel(i)), Members: []string{asks, s.slack.BotUser}})
		roots[i], _, bodies[i] = s.slack.Mention(asks, channel(i), fmt.Sprintf("open a ticket: freezer %d is too warm", i))
	}
	err = atOnce(32, n, func(i int) error {
		for {
			got, err := s.send(ctx, client, request{kind: "events", body: bodies[i], secret: s.slack.SigningSecret})
			switch {
			case err != nil || got == http.StatusOK:
				return err
			case got != http.StatusServiceUnavailable:
				return fmt.Errorf("a mention was answered with %d", got)
			}
			time.Sleep(time.Second) // Slack lets a minute pass
		}
	})
	if err != nil {
		return p, err
	}
	out := 0
	err = s.until(ctx, fmt.Sprintf("%d cards", n), func() bool {
		for out < n && s.asked(channel(out), roots[out]) {
			out++
		}
		return out == n
	})
	if err != nil {
		return p, fmt.Errorf("%d of %d cards are out: %w", out, n, err)
	}
	if p.Memory, p.CPU, err = s.atRest(ctx, rest, watch); err != nil {
		return p, err
	}
	for i := range s.all {
		if err := s.restart(ctx, i); err != nil {
			return p, err
		}
	}
	p.Again, p.CPUThen, err = s.atRest(ctx, rest, watch)
	return p, err
}

// asked reports whether a card that can be decided stands in the thread.
func (s *Site) asked(channel, root string) bool {
	return slices.ContainsFunc(s.slack.Thread(channel, root), func(m slackfake.Message) bool {
		return slices.ContainsFunc(m.Buttons(), func(b slackfake.Button) bool { return b.ActionID == "sous_approve" })
	})
}

// restart ends a process and begins it anew.
func (s *Site) restart(ctx context.Context, i int) error {
	p := s.all[i]
	if err := p.cmd.Process.Signal(os.Interrupt); err != nil {
		return err
	}
	select {
	case <-p.gone:
	case <-time.After(patience):
		return fmt.Errorf("process %d does not end", i)
	}
	return s.begin(ctx, i)
}

// atRest waits and says what a process holds at the most then, in MiB, and which part
// of one processor all took, in percent.
func (s *Site) atRest(ctx context.Context, rest, watch time.Duration) (memory int, cpu float64, err error) {
	sleep := func(d time.Duration) {
		select {
		case <-ctx.Done():
			err = ctx.Err()
		case <-time.After(d):
		}
	}
	sleep(rest)
	before := s.ticks()
	sleep(watch)
	// Linux counts a hundredth of a second for a tick (USER_HZ, proc_pid_stat(5)).
	return s.status("VmRSS"), float64(s.ticks()-before) / watch.Seconds(), err
}

// ticks are what all processes have taken of the processors, in hundredths of a second.
func (s *Site) ticks() (all int) {
	for _, p := range s.all {
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.cmd.Process.Pid))
		if err != nil {
			continue
		}
		// The name in parentheses may hold spaces; utime and stime are 12 and 13 fields on.
		fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
		for _, f := range fields[11:13] {
			var n int
			if _, err := fmt.Sscan(string(f), &n); err == nil {
				all += n
			}
		}
	}
	return all
}

// Bereaved is what came of requests that waited when one of two processes was killed.
type Bereaved struct {
	N int `json:"n"`
	// Seconds passed from the kill until the last was answered and its card settled;
	// each was decided at once.
	Seconds float64 `json:"all_answered_s"`
	Doubled int     `json:"answered_more_than_once"`
}

// Bereave has requests wait for an approval in both of two processes, kills the first,
// has all decided through the other, and waits until all are answered. The people of
// Press decide.
func (s *Site) Bereave(ctx context.Context, n int) (b Bereaved, err error) {
	if len(s.all) != 2 {
		return b, fmt.Errorf("%d processes; want two", len(s.all))
	}
	s.serial++
	b.N = n
	const decider = "U2M000"
	channel := func(i int) string { return fmt.Sprintf("C6%d%04d", s.serial, i) }
	cards, buttons := make([]slackfake.Message, n), make([]slackfake.Button, n)
	roots := make([]string, n)
	for i := range n {
		asks := fmt.Sprintf("U6%04d", i)
		s.slack.AddUser(slackfake.User{ID: asks, RealName: "Person " + asks})
		s.slack.AddChannel(slackfake.Channel{ID: channel(i), Name: strings.ToLower(channel(i)), Members: []string{asks, decider, s.slack.BotUser}})
		roots[i] = s.slack.Post(asks, channel(i), fmt.Sprintf("<@%s> open a ticket: oven %d is too cold", s.slack.BotUser, i))
	}
	for i := range n {
		if cards[i], buttons[i], err = s.card(ctx, channel(i), roots[i]); err != nil {
			return b, err
		}
	}
	gone := s.all[0]
	s.all = s.all[1:]
	if err := gone.cmd.Process.Kill(); err != nil {
		return b, err
	}
	<-gone.gone
	began := time.Now()
	s.url = s.all[0].url
	s.slack.Connect(s.url)
	for i := range n {
		if d := s.slack.Press(decider, cards[i], buttons[i]); d.Status != http.StatusOK {
			return b, fmt.Errorf("a press was answered with %d", d.Status)
		}
	}
	done := 0
	err = s.until(ctx, "the answers after a kill", func() bool {
		for done < n && s.answers(channel(done), roots[done]) > 0 && !s.asked(channel(done), roots[done]) {
			done++
		}
		return done == n
	})
	b.Seconds = time.Since(began).Round(10 * time.Millisecond).Seconds()
	for i := range n {
		b.Doubled += max(0, s.answers(channel(i), roots[i])-1)
	}
	if err != nil {
		return b, fmt.Errorf("%d of %d were answered: %w", done, n, err)
	}
	return b, nil
}
