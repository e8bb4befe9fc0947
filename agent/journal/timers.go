package journal

import "container/heap"

// timers are the parked turns that have a time to wake, the first at the head.
type timers []*carried

// Len implements heap.Interface.
func (t timers) Len() int { return len(t) }

// Less implements heap.Interface.
func (t timers) Less(i, j int) bool { return t[i].until.Before(t[j].until) }

// Swap implements heap.Interface.
func (t timers) Swap(i, j int) {
	t[i], t[j] = t[j], t[i]
	t[i].place, t[j].place = i+1, j+1
}

// Push implements heap.Interface.
func (t *timers) Push(x any) {
	c := x.(*carried) //nolint:forcetypeassert // put is the only caller
	*t = append(*t, c)
	c.place = len(*t)
}

// Pop implements heap.Interface.
func (t *timers) Pop() any {
	last := len(*t) - 1
	c := (*t)[last]
	(*t)[last] = nil
	*t = (*t)[:last]
	c.place = 0
	return c
}

// put notes a turn's time, or that it has none.
func (t *timers) put(c *carried) {
	t.remove(c)
	if !c.until.IsZero() {
		heap.Push(t, c)
	}
}

// remove takes a turn out, if it is there.
func (t *timers) remove(c *carried) {
	if c.place > 0 {
		heap.Remove(t, c.place-1)
	}
}

// first is the turn to wake next, nil for none.
func (t timers) first() *carried {
	if len(t) == 0 {
		return nil
	}
	return t[0]
}
