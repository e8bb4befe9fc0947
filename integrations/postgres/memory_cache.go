package postgres

import (
	"sync"

	"github.com/sous-hq/sous/memory"
)

// passageCache keeps recently used passages in two generations: when the young
// one is full it becomes the old one, and what is not asked for again goes.
type passageCache struct {
	mu         sync.Mutex
	young, old map[int64]*memory.Passage
}

// generation is how many passages one generation holds: some 300 bytes each.
const generation = 16_384

// get returns the passages in order, nil where one is missing, and the keys of
// the missing ones.
func (c *passageCache) get(keys []int64) (passages []*memory.Passage, missing []int64) {
	passages = make([]*memory.Passage, len(keys))
	c.mu.Lock()
	defer c.mu.Unlock()
	for n, k := range keys {
		p, ok := c.young[k]
		if !ok {
			if p, ok = c.old[k]; ok {
				c.keep(k, p)
			}
		}
		if passages[n] = p; !ok {
			missing = append(missing, k)
		}
	}
	return passages, missing
}

func (c *passageCache) put(passages map[int64]*memory.Passage) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for k, p := range passages {
		c.keep(k, p)
	}
}

// keep is called with the lock held.
func (c *passageCache) keep(k int64, p *memory.Passage) {
	if c.young == nil || len(c.young) >= generation {
		c.old, c.young = c.young, make(map[int64]*memory.Passage)
	}
	c.young[k] = p
}
