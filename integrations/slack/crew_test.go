package slack

import (
	"sync"
	"sync/atomic"
	"testing"
)

// What comes while the front end ends is either done before it has ended, or refused.
func TestWhatComesAtTheEndIsDoneOrRefused(t *testing.T) {
	for range 200 {
		var c crew
		var taken, done atomic.Int32
		var from sync.WaitGroup
		for range 8 {
			from.Go(func() {
				for range 20 {
					if c.Go(func() { done.Add(1) }) {
						taken.Add(1)
					}
				}
			})
		}
		c.Go(func() { c.Go(func() { done.Add(1) }) })
		c.Wait()
		if c.Go(func() { t.Error("work after the end") }) {
			t.Error("the crew takes work after the end")
		}
		ended := done.Load()
		from.Wait()
		if n := done.Load(); n != ended || n != taken.Load()+1 {
			t.Fatalf("%d done at the end, %d later; %d were taken", ended, n, taken.Load()+1)
		}
	}
}
