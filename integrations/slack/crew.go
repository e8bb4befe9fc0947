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
	c.mu.Lock()
	if c.over {
		c.mu.Unlock()
		return false
	}
	c.n++
	c.mu.Unlock()
	go func() {
		defer c.done()
		f()
	}()
	return true
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
