package loop

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/sous-hq/sous/agent"
)

// EventType says what a front end should show.
type EventType string

// The events of a running turn, as front ends stream them.
const (
	// EventDelta is a piece of the answer's text.
	EventDelta EventType = "delta"
	// EventReset says that the pieces so far are void: another attempt begins.
	EventReset EventType = "reset"
	// EventCall is a call that is about to run or to be asked; the step of the same
	// call says what became of it.
	EventCall EventType = "call"
	// EventStep is something the turn did.
	EventStep EventType = "step"
	// EventApproval is a call that a person has to decide.
	EventApproval EventType = "approval"
	// EventDecided is an approval that somebody did something to: it got its end,
	// another vote, a question or another decider.
	EventDecided EventType = "decided"
	// EventReminder reminds of an approval that waits for long.
	EventReminder EventType = "reminder"
	// EventQueue says that some approval has changed; it names none and no turn.
	EventQueue EventType = "queue"
	// EventQuestion is a question to the person.
	EventQuestion EventType = "question"
	// EventStatus is a change of the turn's status that is not its end.
	EventStatus EventType = "status"
	// EventEnd is the end; Text is the whole answer.
	EventEnd EventType = "end"
)

// Event is one thing to show. Events are hints: the store is the truth, and a
// front end that missed some reads the turn.
type Event struct {
	// N counts a turn's events in this process from 1.
	N    int         `json:"n"`
	Turn string      `json:"turn"`
	Type EventType   `json:"type"`
	Text string      `json:"text,omitempty"`
	Step *agent.Step `json:"step,omitempty"`
	// Call is the id of the call that an EventCall or a call's step is about.
	Call     string    `json:"call,omitempty"`
	Approval string    `json:"approval,omitempty"`
	Status   string    `json:"status,omitempty"`
	At       time.Time `json:"at"`
	// whole is what an end left, as it was stored; nil when that has to be read.
	whole *Shown
}

// Whole returns the turn as an EventEnd left it, ok only when nothing else can have
// been stored with it: then it need not be read. Who may see it is the caller's
// business.
func (ev Event) Whole() (v View, ok bool) {
	if ev.whole == nil {
		return View{}, false
	}
	return View{Shown: *ev.whole}, true
}

// keepEnded is how long a finished turn's events stay for late viewers, keepWhole of
// how many: of those before only the end stays.
const (
	keepEnded = time.Minute
	keepWhole = 200
)

// joinedText bounds how long a text becomes that is joined from pieces, in bytes.
const joinedText = 4 << 10

// maxEvents bounds what is kept of one turn; older deltas are folded first.
const maxEvents = 4096

// Hub passes the events of running turns to whoever watches, within this
// process. A slow watcher delays nobody.
type Hub struct {
	mu    sync.Mutex
	turns map[string]*stream
	// ended are the streams that ended last, the oldest first.
	ended []*stream
	// followers are told of each turn that something happened to.
	followers map[*follower]struct{}
	// free is called when a turn stops occupying its conversation.
	free func(agent.Turn)
}

type stream struct {
	// events are those after the first gone ones.
	events []Event
	gone   int
	ended  bool
	// old says that it is dropped when nobody looks at it any more, quiet that nothing
	// has happened since somebody began to wait for it.
	old, quiet bool
	// read is the highest number that somebody has seen.
	read int
	// watchers counts those who look at it; ws is their workspace.
	watchers int
	ws       agent.WorkspaceID
	// waiting are those who are called at the next event; each counts as a watcher.
	waiting []*waiter
	// changed is closed and replaced at each event.
	changed chan struct{}
}

// NewHub returns an empty hub.
func NewHub() *Hub {
	return &Hub{turns: map[string]*stream{}, followers: map[*follower]struct{}{}}
}

// Publish adds an event to its turn.
func (h *Hub) Publish(ev Event) {
	h.mu.Lock()
	defer h.mu.Unlock()
	s := h.turns[ev.Turn]
	if s != nil && s.ended {
		return
	}
	approvals := ev.Type == EventApproval || ev.Type == EventDecided || ev.Type == EventReminder || ev.Type == EventEnd
	for f := range h.followers {
		f.mark(ev.Turn, approvals)
	}
	if s == nil && (ev.Type == EventDecided || ev.Type == EventReminder) {
		return // nobody looks at it, and its end may come to another process
	}
	s = h.stream(ev.Turn)
	// A piece of text joins the one before it that nobody has looked at yet: whoever
	// watches was told of that and is on the way.
	if n := len(s.events); ev.Type == EventDelta && n > 0 && len(s.waiting) == 0 && s.events[n-1].Type == EventDelta && (n >= maxEvents || s.events[n-1].N > s.read && len(s.events[n-1].Text) < joinedText) {
		s.events[n-1].Text += ev.Text
		return
	}
	ev.N = s.gone + len(s.events) + 1
	s.events = append(s.events, ev)
	if ev.Type == EventEnd {
		s.ended = true
		h.ended = append(h.ended, s)
		if len(h.ended) > keepWhole {
			h.ended[0].fold()
			h.ended = h.ended[1:]
		}
		time.AfterFunc(keepEnded, func() { h.drop(ev.Turn, s) })
	}
	close(s.changed)
	s.changed = make(chan struct{})
	s.quiet = false
	s.call()
}

// waiter is somebody who waits for an event without watching.
type waiter struct{ f func() }

// call calls those who wait.
func (s *stream) call() {
	for _, w := range s.waiting {
		go w.f()
	}
	s.watchers -= len(s.waiting)
	s.waiting = nil
}

// await is Assistant.Await.
func (h *Hub) await(t agent.Turn, after int, f func()) (stop func()) {
	h.mu.Lock()
	defer h.mu.Unlock()
	s, w := h.stream(t.ID), &waiter{f}
	s.ws = t.Workspace
	s.watchers++
	s.waiting = append(s.waiting, w)
	if s.ended || s.gone+len(s.events) > after {
		s.call()
		return func() {}
	}
	// Whoever comes to look at the turn reads it first; the last event tells whoever is
	// back that there was one.
	if n := len(s.events); n > 1 {
		s.gone, s.events = s.gone+n-1, []Event{s.events[n-1]}
	}
	s.quiet = true
	return func() {
		h.mu.Lock()
		i := slices.Index(s.waiting, w)
		if i >= 0 {
			s.waiting = slices.Delete(s.waiting, i, i+1)
		}
		h.mu.Unlock()
		if i >= 0 {
			h.leave(t.ID)
		}
	}
}

// Park tells that the turn waits and its conversation is free.
func (h *Hub) Park(t agent.Turn) {
	if h.free != nil {
		h.free(t)
	}
}

// End publishes the turn's end and frees its conversation for the turn that is next,
// if one may be queued.
func (h *Hub) End(t agent.Turn, queued bool) { h.end(t, nil, queued) }

// end is End by who knows all that is stored of the turn.
func (h *Hub) end(t agent.Turn, whole *Shown, queued bool) {
	h.Publish(Event{Turn: t.ID, Type: EventEnd, Text: t.Answer, Status: t.Status.String(), At: t.Ended, whole: whole})
	if queued && h.free != nil {
		h.free(t)
	}
}

// after is the first event with a number above n that is still kept.
func (s *stream) after(n int) (Event, bool) {
	if i := max(n-s.gone, 0); i < len(s.events) {
		s.read = max(s.read, s.events[i].N)
		return s.events[i], true
	}
	return Event{}, false
}

// fold forgets what led to an end that nobody watches: it tells all.
func (s *stream) fold() {
	if last := len(s.events) - 1; s.ended && s.watchers == 0 && last > 0 {
		s.gone, s.events = s.gone+last, []Event{s.events[last]}
		s.events[0].whole = nil
	}
}

// Watcher yields the events of a turn, for one reader.
type Watcher struct {
	hub  *Hub
	ctx  context.Context //nolint:containedctx // who watches and for how long are one thing
	turn string
	last int
}

// Watch is Watcher for who wants one event after the other: it returns the watcher's
// Next.
func (h *Hub) Watch(ctx context.Context, turn string, after int) func() (Event, bool) {
	return h.Watcher(ctx, turn, after).Next
}

// Watcher returns a watcher of the turn's events after the given number, until ctx is
// done. Of a turn that ended a while ago the end is all.
func (h *Hub) Watcher(ctx context.Context, turn string, after int) *Watcher {
	h.mu.Lock()
	h.stream(turn).watchers++
	h.mu.Unlock()
	context.AfterFunc(ctx, func() { h.leave(turn) })
	return &Watcher{hub: h, ctx: ctx, turn: turn, last: after}
}

// Poll returns the next event if there is one; else more is closed when there may be,
// and nil after the end.
func (w *Watcher) Poll() (ev Event, ok bool, more <-chan struct{}) {
	w.hub.mu.Lock()
	defer w.hub.mu.Unlock()
	s := w.hub.turns[w.turn]
	if s == nil {
		return Event{}, false, w.ctx.Done() // it has been counted out
	}
	if w.last > s.gone+len(s.events) {
		w.last = 0 // of a stream that was dropped
	}
	if ev, ok = s.after(w.last); ok {
		w.last = ev.N
		return ev, true, nil
	}
	w.last = s.gone + len(s.events)
	if s.ended {
		return Event{}, false, nil
	}
	return Event{}, false, s.changed
}

// Seen is the number of the last event before the next: it was yielded, or is not kept
// any more.
func (w *Watcher) Seen() int { return w.last }

// Next returns the next event, waiting when there is none yet; ok is false after the
// end or when the watcher's context is done.
func (w *Watcher) Next() (ev Event, ok bool) {
	for {
		ev, ok, more := w.Poll()
		if ok || more == nil {
			return ev, ok
		}
		select {
		case <-w.ctx.Done():
			return Event{}, false
		case <-more:
		}
	}
}

// watched lists the turns that somebody looks at in this process and that have not
// ended as far as it knows: all, or the given one.
func (h *Hub) watched(turn string) map[string]agent.WorkspaceID {
	h.mu.Lock()
	defer h.mu.Unlock()
	all := map[string]agent.WorkspaceID{}
	for id, s := range h.turns {
		if s.ws != "" && s.watchers > 0 && !s.ended && (turn == "" || turn == id) {
			all[id] = s.ws
		}
	}
	return all
}

// stream returns the turn's stream; h.mu is held.
func (h *Hub) stream(turn string) *stream {
	s := h.turns[turn]
	if s == nil {
		s = &stream{changed: make(chan struct{})}
		h.turns[turn] = s
	}
	return s
}

func (h *Hub) drop(turn string, s *stream) {
	h.mu.Lock()
	defer h.mu.Unlock()
	// A watcher is counted out of the stream it was counted into.
	if s.old = true; h.turns[turn] == s && s.watchers == 0 {
		delete(h.turns, turn)
	}
	h.ended = slices.DeleteFunc(h.ended, func(e *stream) bool { return e == s })
}

// leave counts a watcher out and drops a stream that only watchers made, that was kept
// for them or of which nothing is to be told: it may end in another process.
func (h *Hub) leave(turn string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	s := h.turns[turn]
	if s == nil {
		return
	}
	if s.watchers = max(s.watchers-1, 0); s.watchers == 0 && (len(s.events) == 0 || s.old || s.quiet) {
		delete(h.turns, turn)
	}
}

// of says whose turn it is that is watched.
func (h *Hub) of(turn string, ws agent.WorkspaceID) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if s := h.turns[turn]; s != nil {
		s.ws = ws
	}
}
