package slackload

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"os"
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

// asked reports whether a card with buttons stands in the thread.
func (s *Site) asked(channel, root string) bool {
	for _, m := range s.slack.Thread(channel, root) {
		if len(m.Buttons()) > 0 {
			return true
		}
	}
	return false
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
