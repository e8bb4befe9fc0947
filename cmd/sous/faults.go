//go:build faults

// This build of Sous can be made to fail: `make crash` and `make soak` use it. It
// differs from the one that is shipped by this file, and only where these variables
// are set:
//
//	SOUS_FAULT_POINT    where the process kills itself; see faults.NewPoints
//	SOUS_FAULT_BANK     address of a bank; there are tools that pay by it
//	SOUS_FAULT_PACE     the shortest time between two posts to a channel of Slack
//	SOUS_FAULT_SILENCE  how long replicas wait for one that shows nothing
//	SOUS_FAULT_CLOCK    a file with a duration by which the wall clock is wrong
package main

import (
	"os"
	"strings"
	"time"
	"unsafe"

	"github.com/sous-hq/sous/integrations/postgres"
	"github.com/sous-hq/sous/integrations/slack"
	"github.com/sous-hq/sous/internal/testkit/faults"
	"github.com/sous-hq/sous/tools"
)

const prefix = "SOUS_FAULT_"

// now is the wall clock, moved as the file says. What is measured between two times
// of one process is not: its monotonic clock does not jump either.
func now() time.Time {
	t := time.Now()
	path := os.Getenv(prefix + "CLOCK")
	if path == "" {
		return t
	}
	raw, err := os.ReadFile(path)
	if err != nil {
		return t
	}
	off, err := time.ParseDuration(strings.TrimSpace(string(raw)))
	if err != nil {
		return t
	}
	// time.Time with a monotonic reading has the seconds of the wall clock from bit
	// 30 of its first word; nothing exported moves these alone.
	*(*uint64)(unsafe.Pointer(&t)) += uint64(int64(off/time.Second)) << 30
	return t
}

// withFaults reads the variables and takes them away: settings do not know them.
func withFaults(w world) (world, hooks) {
	given := map[string]string{}
	var rest []string
	for _, kv := range w.environ {
		name, value, _ := strings.Cut(kv, "=")
		if strings.HasPrefix(name, prefix) {
			given[strings.TrimPrefix(name, prefix)] = value
			continue
		}
		rest = append(rest, kv)
	}
	w.environ = rest
	p := faults.NewPoints(given["POINT"])
	pace, _ := time.ParseDuration(given["PACE"])
	h := hooks{
		ledger: p.Ledger, steps: p.Steps, checkpoints: p.Checkpoints,
		slack: func(c *slack.Config) {
			p.Pass("after recover")
			c.Deliveries, c.Decisions = p.Deliveries(c.Deliveries), p.Decisions(c.Decisions)
			if pace > 0 {
				c.Pace = pace
			}
		},
	}
	if bank := given["BANK"]; bank != "" {
		h.tools = func() ([]tools.Tool, error) { return faults.Payments(bank) }
	}
	if silent, err := time.ParseDuration(given["SILENCE"]); err == nil {
		h.postgres = func(c *postgres.Config) { c.Beat, c.Silence = silent/10, silent }
	}
	return w, h
}
