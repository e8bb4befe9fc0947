package slack

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/agent/delivery"
)

// How the clerk works: so many deliveries go into one transaction at most, and what
// is only noted is gathered for so long.
const (
	maxKept = 256
	gather  = 20 * time.Millisecond
	keepFor = time.Minute
)

// clerk writes down for many at once. Deliveries that come in the same moment are
// kept by one transaction, so that of five hundred the last does not wait for the
// others one by one; what became of deliveries and posts is noted soon after.
type clerk struct {
	store   delivery.Store
	front   func() delivery.Front
	log     *slog.Logger
	backoff time.Duration
	busy    *crew
	// arrived hears of deliveries that are kept and new, after whoever brought them was
	// told.
	arrived func([]delivery.Delivery)
	// ending is closed when there is no time left to try again.
	ending chan struct{}

	mu sync.Mutex
	// keeping wait for the next transaction; keeper says that somebody sees to them.
	keeping []keeping
	keeper  bool
	// settled waits to be noted; filer says that somebody sees to it.
	settled delivery.Settled
	filer   bool
}

// errEnded is said to whoever comes when the front end has ended.
var errEnded = agent.Errorf(agent.Unavailable, "Sous is about to stop; please try again")

type keeping struct {
	delivery.Delivery
	kept chan<- kept
	// noted says that there is nothing to be handled.
	noted bool
}

type kept struct {
	fresh bool
	err   error
}

// keep stores a delivery and reports whether it is new. When it returns without an
// error the delivery cannot be lost.
func (c *clerk) keep(ctx context.Context, d delivery.Delivery) (fresh bool, err error) {
	return c.put(ctx, keeping{Delivery: d})
}

// note is keep for what has only to be known.
func (c *clerk) note(ctx context.Context, id string) (fresh bool, err error) {
	return c.put(ctx, keeping{Delivery: delivery.Delivery{ID: id}, noted: true})
}

func (c *clerk) put(ctx context.Context, k keeping) (fresh bool, err error) {
	done := make(chan kept, 1)
	k.kept = done
	c.mu.Lock()
	c.keeping = append(c.keeping, k)
	if !c.keeper {
		if c.keeper = c.busy.Go(c.keepAll); !c.keeper {
			c.keeping = nil
			c.mu.Unlock()
			return false, errEnded
		}
	}
	c.mu.Unlock()
	select {
	case k := <-done:
		return k.fresh, k.err
	case <-ctx.Done():
		return false, ctx.Err()
	}
}

// keepAll keeps what waits until nothing does.
func (c *clerk) keepAll() {
	for {
		c.mu.Lock()
		some := c.keeping[:min(len(c.keeping), maxKept)]
		c.keeping = c.keeping[len(some):]
		if len(some) == 0 {
			c.keeper, c.keeping = false, nil
			c.mu.Unlock()
			return
		}
		c.mu.Unlock()
		all := make([]delivery.Delivery, len(some))
		for i, k := range some {
			all[i] = k.Delivery
		}
		ctx, cancel := context.WithTimeout(context.Background(), keepFor)
		fresh, err := c.store.Keep(ctx, c.front(), all)
		cancel()
		for i, k := range some {
			k.kept <- kept{err == nil && fresh[i], err}
		}
		all = all[:0]
		for i, k := range some {
			if err == nil && fresh[i] && !k.noted {
				all = append(all, k.Delivery)
			}
		}
		c.arrived(all)
	}
}

// settle notes what became of things, soon. A process that ends before has to look
// for its posts again, and handles a delivery again that makes nothing twice.
func (c *clerk) settle(s delivery.Settled) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.settled.Done = append(c.settled.Done, s.Done...)
	c.settled.Posts = append(c.settled.Posts, s.Posts...)
	c.settled.Over = append(c.settled.Over, s.Over...)
	if !c.filer {
		// After the end nobody notes it; the next process looks for the posts.
		c.filer = c.busy.Go(c.file)
	}
}

// file notes what waits until nothing does.
func (c *clerk) file() {
	pause := gather
	for {
		c.rest(pause)
		c.mu.Lock()
		s := c.settled
		c.settled = delivery.Settled{}
		if len(s.Done)+len(s.Posts)+len(s.Over) == 0 {
			c.filer = false
			c.mu.Unlock()
			return
		}
		c.mu.Unlock()
		ctx, cancel := context.WithTimeout(context.Background(), keepFor)
		err := c.store.Settle(ctx, c.front(), s)
		cancel()
		if err == nil {
			pause = gather
			continue
		}
		c.log.Warn("slack: what was posted is not noted yet", slog.Any("err", err))
		select {
		case <-c.ending:
			// The next process looks for the posts themselves.
			c.mu.Lock()
			c.filer = false
			c.mu.Unlock()
			return
		default:
		}
		pause = min(max(2*pause, c.backoff), maxPause)
		c.mu.Lock()
		c.settled = delivery.Settled{
			Done: append(s.Done, c.settled.Done...), Posts: append(s.Posts, c.settled.Posts...), Over: append(s.Over, c.settled.Over...),
		}
		c.mu.Unlock()
	}
}

func (c *clerk) rest(d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-c.ending:
	case <-t.C:
	}
}
