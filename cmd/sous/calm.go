package main

import (
	"context"
	"runtime/metrics"
	"time"
)

// When nothing is under way memory goes back to the system, once it is worth it. The
// collector would wait for as much garbage again as there is in use, and the system
// for want of memory.
const (
	calmFor = 2 * time.Second
	// seldom is how long the next time has to wait, since it costs a collection.
	seldom = 30 * time.Second
	worth  = 6 << 20

	heapFree = "/memory/classes/heap/free:bytes"
	heapUsed = "/memory/classes/heap/objects:bytes"
	heapLive = "/gc/heap/live:bytes"
)

// keepSmall settles the process whenever it has been calm, until ctx is done.
func (a *app) keepSmall(ctx context.Context) {
	tick := time.NewTicker(calmFor / 2)
	defer tick.Stop()
	var settled time.Time
	for program := mapped(); ; {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		since, ok := a.engine.Idle()
		if !ok || time.Since(since) < calmFor || time.Since(settled) < seldom {
			continue
		}
		held := spare()
		// Pages of the program that are used while nothing is under way would only be mapped again.
		if now := mapped(); since.After(settled) && now > program {
			held += now - program
		}
		if held > worth {
			settle()
			settled, program = time.Now(), mapped()
		}
	}
}

// spare is how much memory is held without being in use, in bytes; what became garbage
// since the last collection counts as such.
func spare() uint64 {
	s := []metrics.Sample{{Name: heapFree}, {Name: heapUsed}, {Name: heapLive}}
	metrics.Read(s)
	garbage := uint64(0)
	if used, live := s[1].Value.Uint64(), s[2].Value.Uint64(); used > live {
		garbage = used - live
	}
	return s[0].Value.Uint64() + garbage
}
