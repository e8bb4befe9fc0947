package slack

import (
	"testing"
	"time"

	"github.com/sous-hq/sous/agent/delivery"
)

func TestWhatCanWaitMakesWayForARushAndAMomentLonger(t *testing.T) {
	t.Parallel()
	now := time.Unix(1_800_000_000, 0)
	clock := func() time.Time { return now }
	var q queue
	if q.crowded(now) {
		t.Error("crowded before anything came")
	}
	for range crowd {
		q.enter(clock)
	}
	if q.crowded(now) {
		t.Errorf("%d are a crowd", crowd)
	}
	q.enter(clock)
	if !q.crowded(now) {
		t.Errorf("%d are no crowd", crowd+1)
	}
	q.leave()
	if q.crowded(now) {
		t.Error("a crowd that was no rush is not over with its last")
	}
	for range rush - crowd {
		q.enter(clock)
	}
	for range rush {
		q.leave()
	}
	if !q.crowded(now.Add(calm - time.Millisecond)) {
		t.Error("between two waves of a rush it is said to be over")
	}
	if q.crowded(now.Add(calm)) {
		t.Error("a rush is never over")
	}
}

// A rush may not be in the way for ever: whoever has a slot goes on after a while.
func TestARushDoesNotStarveWhatWasTakenIn(t *testing.T) {
	t.Parallel()
	now := time.Unix(1_800_000_000, 0)
	b := &Bot{slots: make(chan struct{}, 1)}
	b.Clock = func() time.Time { now = now.Add(makeWay / 4); return now }
	for range 2 * rush {
		b.taking.enter(b.Clock)
	}
	if !b.slot(t.Context()) {
		t.Fatal("no slot")
	}
	if n := b.taking.waiting.Load(); n != 2*rush {
		t.Fatalf("%d wait; the rush was to be on", n)
	}
}

func TestOfOneBatchWhatIsNewIsHandledOnceInTheOrderItCame(t *testing.T) {
	t.Parallel()
	b := &Bot{lanes: map[string][]delivery.Delivery{}, atHand: map[string]bool{}, wake: make(chan struct{}, 1)}
	b.arrived([]delivery.Delivery{{ID: "1", Queue: "a"}, {ID: "2", Queue: "b"}, {ID: "3", Queue: "a"}, {ID: "1", Queue: "a"}})
	b.arrived([]delivery.Delivery{{ID: "4", Queue: "a"}})
	if _, lanes := b.take(); len(lanes) != 2 || lanes[0] != "a" || lanes[1] != "b" {
		t.Fatalf("lanes %v", lanes)
	}
	got := ""
	for d, ok := b.next("a"); ok; d, ok = b.next("a") {
		got += d.ID
	}
	if got != "134" {
		t.Errorf("handled %s; want 134", got)
	}
}
