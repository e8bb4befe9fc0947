package main

import (
	"math"
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
)

// The collector lets as much garbage come as there is in use, by itself: too little for
// a process with some turns under way, which it has collect all the time, and too much
// for one with hundreds. Here garbage is let be until all is roomy, and then a part of
// what is in use.
const (
	// roomy is how much heap and stacks may be, in bytes, before anything is collected.
	roomy = 48 << 20
	// least is how much garbage is let be all the same, in percent of what is in use.
	least, most = 20, 1000

	stacksUsed = "/memory/classes/heap/stacks:bytes"
	// What the collector goes by, besides what is live (runtime/debug.SetGCPercent).
	stacksScanned  = "/gc/scan/stack:bytes"
	globalsScanned = "/gc/scan/globals:bytes"
)

// tuneCollector sets after each collection when the next is due, for as long as the
// process lives. Who set GOGC knows better.
func tuneCollector() {
	if os.Getenv("GOGC") != "" {
		return
	}
	t := &tuner{percent: 100}
	t.samples = []metrics.Sample{{Name: heapLive}, {Name: stacksUsed}, {Name: stacksScanned}, {Name: globalsScanned}}
	t.collected()
}

// tuner is used by one collection after the other.
type tuner struct {
	percent int
	samples []metrics.Sample
}

// collected is called after each collection: it leaves something for the next one to
// find.
func (t *tuner) collected() {
	metrics.Read(t.samples)
	value := func(i int) uint64 { return t.samples[i].Value.Uint64() }
	percent := garbagePercent(value(0)+value(1), value(0)+value(2)+value(3))
	// Each change stops the world for some microseconds.
	if d := percent - t.percent; d > t.percent/8 || -d > t.percent/8 {
		debug.SetGCPercent(percent)
		t.percent = percent
	}
	sentinel := new(struct{ next *tuner })
	sentinel.next = t
	runtime.SetFinalizer(sentinel, func(s *struct{ next *tuner }) { s.next.collected() })
}

// garbagePercent is how much may come, in percent of base, on top of what is used.
func garbagePercent(used, base uint64) int {
	if base == 0 {
		return most
	}
	room := math.Max(float64(roomy)-float64(used), float64(used)*least/100)
	return int(min(max(100*room/float64(base), least), most))
}
