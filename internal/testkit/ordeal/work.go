package ordeal

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/sous-hq/sous/internal/testkit/slackfake"
)

// request is one mention and what was seen of it.
type request struct {
	kind                       kind
	subject, by, channel, root string
	event                      string
	body                       []byte
	asked, accepted, done      time.Time
	// answers is how many answers its thread had when it was looked at last.
	answers int
}

// Flow is a steady stream of requests.
type Flow struct {
	// Every is how long after one request the next is made.
	Every time.Duration
	// Most is how many may be without an answer; then the stream waits.
	Most int
	// Kinds are the weights of reads, tickets, and payments by key, by a search and by
	// hand; nil is 4, 3, 1, 1, 1.
	Kinds []int
}

// Stream is a stream of requests under way.
type Stream struct {
	d      *Ordeal
	cancel context.CancelFunc
	wg     sync.WaitGroup
	// open is a place for each request that is not answered.
	open chan struct{}
}

// Ask begins a stream. It goes on until Stop.
func (d *Ordeal) Ask(f Flow) *Stream {
	if f.Kinds == nil {
		f.Kinds = []int{4, 3, 1, 1, 1}
	}
	ctx, cancel := context.WithCancel(context.Background())
	s := &Stream{d: d, cancel: cancel, open: make(chan struct{}, f.Most)}
	s.wg.Go(func() {
		tick := time.NewTicker(f.Every)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
			select {
			case <-ctx.Done():
				return
			case s.open <- struct{}{}:
			}
			r := d.request(f.Kinds)
			s.wg.Go(func() {
				defer func() { <-s.open }()
				d.see(r)
			})
		}
	})
	return s
}

// Open counts the requests that are not answered.
func (s *Stream) Open() int { return len(s.open) }

// Cease makes no more requests; those there are go on.
func (s *Stream) Cease() { s.cancel() }

// Wait returns when all requests are answered, or so much time has passed.
func (s *Stream) Wait(limit time.Duration) error {
	s.cancel()
	done := make(chan struct{})
	go func() { s.wg.Wait(); close(done) }()
	select {
	case <-done:
		return nil
	case <-time.After(limit):
		s.d.giveUp()
		<-done
		return fmt.Errorf("after %s some requests are not answered", limit)
	}
}

// giveUp ends the waiting for what is not answered.
func (d *Ordeal) giveUp() {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, r := range d.all {
		if r.done.IsZero() {
			d.gone[r.root] = true
		}
	}
}

func (d *Ordeal) givenUp(r *request) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.gone[r.root]
}

// request makes one, by chance, and notes it.
func (d *Ordeal) request(weights []int) *request {
	total := 0
	for _, w := range weights {
		total += w
	}
	n, k := d.below(total), read
	for i, w := range weights {
		if n -= w; n < 0 {
			k = kind(i)
			break
		}
	}
	var word strings.Builder
	for range 12 {
		word.WriteByte(byte('a' + d.below(26)))
	}
	r := &request{kind: k, subject: word.String(), by: person(d.below(people)), channel: channel(d.below(d.o.Channels)), asked: time.Now()}
	r.root, r.event, r.body = d.Slack.Mention(r.by, r.channel, k.wants()+" "+r.subject)
	d.mu.Lock()
	defer d.mu.Unlock()
	d.all = append(d.all, r)
	return r
}

// look is how often a thread is looked at.
const look = 120 * time.Millisecond

// see delivers a request until it is taken, says yes to what it asks, and returns
// when it is answered.
func (d *Ordeal) see(r *request) {
	for !d.deliver(r) {
		if d.givenUp(r) {
			return
		}
		time.Sleep(d.Between(50*time.Millisecond, 400*time.Millisecond))
	}
	// Slack delivers again what it was not sure of.
	again := d.chance(100)
	pressed := map[string]time.Time{}
	for !d.givenUp(r) {
		time.Sleep(look)
		if again && d.chance(200) {
			d.Slack.Redeliver(r.event, r.body)
			again = false
		}
		thread := d.Slack.Thread(r.channel, r.root)
		d.press(r, thread, pressed)
		if n := answers(thread); n > 0 {
			d.mu.Lock()
			r.answers, r.done = n, time.Now()
			d.mu.Unlock()
			return
		}
	}
}

func (d *Ordeal) deliver(r *request) bool {
	if d.Slack.Redeliver(r.event, r.body) != http.StatusOK {
		return false
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	r.accepted = time.Now()
	return true
}

// press says yes to the cards of a thread, now and then twice at once or again.
func (d *Ordeal) press(r *request, thread []slackfake.Message, pressed map[string]time.Time) {
	for _, m := range thread {
		for _, b := range m.Buttons() {
			if b.ActionID != "sous_approve" || time.Since(pressed[m.TS]) < 3*time.Second {
				continue
			}
			times := 1
			if d.chance(250) {
				times = 2
			}
			var wg sync.WaitGroup
			taken := make([]bool, times)
			for i := range times {
				who := d.other(r.by)
				wg.Go(func() { taken[i] = d.Slack.Press(who, m, b).Status == http.StatusOK })
			}
			wg.Wait()
			if taken[0] {
				// The card follows; a person who sees no change presses again.
				pressed[m.TS] = time.Now()
			}
		}
	}
}

// other is somebody else than the one who asked.
func (d *Ordeal) other(than string) string {
	for {
		if p := person(d.below(people)); p != than {
			return p
		}
	}
}

// answers counts the answers in a thread.
func answers(thread []slackfake.Message) (n int) {
	for _, m := range thread {
		if key, _ := m.Metadata.EventPayload["key"].(string); strings.HasSuffix(key, "/answer/0") {
			n++
		}
	}
	return n
}
