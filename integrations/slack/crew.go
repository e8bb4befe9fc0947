package slack

import "sync"

// crew counts the work that is under way. Unlike a sync.WaitGroup it may be given
// work while somebody waits for it, by whoever, and once it was found idle it takes no
// more: what comes over HTTP does not know that the front end ends.
type crew struct {
	mu   sync.Mutex
	idle *sync.Cond
	n    int
	over bool
}

// Go runs f, and returns false instead when the crew has gone home.
func (c *crew) Go(f func()) bool {
	if !c.join() {
		return false
	}
	go func() {
		defer c.done()
		f()
	}()
	return true
}

// Here is Go without a goroutine: it returns when f has.
func (c *crew) Here(f func()) bool {
	if !c.join() {
		return false
	}
	defer c.done()
	f()
	return true
}

// join counts one more, unless the crew has gone home.
func (c *crew) join() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.over {
		c.n++
	}
	return !c.over
}

func (c *crew) done() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.n--; c.n == 0 && c.idle != nil {
		c.idle.Broadcast()
	}
}

// Wait waits until nothing is under way and sends the crew home.
func (c *crew) Wait() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.idle == nil {
		c.idle = sync.NewCond(&c.mu)
	}
	for c.n > 0 {
		c.idle.Wait()
	}
	c.over = true
}
