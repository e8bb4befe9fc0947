package main

import (
	"context"
	"runtime/metrics"
	"time"
)

// When nothing is under way memory goes back to the system, once it is worth it. The
// collector would wait for as much garbage again as there is in use.
const (
	calmFor  = 15 * time.Second
	worth    = 8 << 20
	heapFree = "/memory/classes/heap/free:bytes"
	heapUsed = "/memory/classes/heap/objects:bytes"
	heapLive = "/gc/heap/live:bytes"
)

// keepSmall settles the process whenever it has been calm, until ctx is done.
func (a *app) keepSmall(ctx context.Context) {
	tick := time.NewTicker(calmFor)
	defer tick.Stop()
	for calm := false; ; {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		busy, _ := a.engine.Busy()
		if was := calm; busy > 0 || !was {
			calm = busy == 0
			continue
		}
		if spare() > worth {
			settle()
			calm = false
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
