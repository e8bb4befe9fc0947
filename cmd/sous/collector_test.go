package main

import (
	"runtime"
	"runtime/debug"
	"testing"
	"time"
)

func TestGarbageIsLetBeUntilAllIsRoomyAndThenAPartOfWhatIsInUse(t *testing.T) {
	const mib = 1 << 20
	for _, c := range []struct {
		used, base uint64
		want       int
	}{
		{0, 0, 1000}, {2 * mib, 2 * mib, 1000}, {12 * mib, 12 * mib, 300}, {24 * mib, 24 * mib, 100}, {36 * mib, 24 * mib, 50},
		{40 * mib, 40 * mib, 20}, {400 * mib, 400 * mib, 20}, {400 * mib, 200 * mib, 40},
	} {
		if got := garbagePercent(c.used, c.base); got != c.want {
			t.Errorf("%d MiB used of a base of %d: %d %%, want %d", c.used/mib, c.base/mib, got, c.want)
		}
	}
}

func TestEachCollectionSaysWhenTheNextIsDue(t *testing.T) {
	t.Setenv("GOGC", "")
	before := debug.SetGCPercent(100)
	defer debug.SetGCPercent(before)
	tuneCollector()
	held := make([]byte, 200<<20)
	now := func() int {
		p := debug.SetGCPercent(100)
		debug.SetGCPercent(p)
		return p
	}
	for end := time.Now().Add(30 * time.Second); now() > 30; time.Sleep(10 * time.Millisecond) {
		if runtime.GC(); time.Now().After(end) {
			t.Fatalf("%d %% with %d MiB in use", now(), len(held)>>20)
		}
	}
	runtime.KeepAlive(held)
	held = nil
	for end := time.Now().Add(30 * time.Second); now() < 50; time.Sleep(10 * time.Millisecond) {
		if runtime.GC(); time.Now().After(end) {
			t.Fatalf("%d %% once it is garbage", now())
		}
	}
}
