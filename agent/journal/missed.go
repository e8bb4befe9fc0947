package journal

import (
	"log/slog"
	"time"

	"github.com/sous-hq/sous/agent/loop"
)

// lookEvery is how often the engine looks for turns that the store has as this
// process's and nobody here knows of: of a commit whose answer was lost, because the
// connection or whoever waited for it was gone, it is not known that it was one. Without
// this such a turn would stand until the process ends.
const lookEvery = 5 * time.Second

// keepLooking takes up what was missed, at the second look: between a commit and what
// is done about it there is a moment.
func (e *Engine) keepLooking() {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	var seen sightings
	for {
		select {
		case <-e.closed:
			return
		case <-tick.C:
			seen = e.look(seen)
			e.findStranded()
		}
	}
}

// findStranded has the turns taken over of carriers that are no replicas any more. There are
// none, as long as whoever goes has its turns taken over first; one that was overlooked
// would stand until the next start.
func (e *Engine) findStranded() {
	e.mu.Lock()
	t := e.term
	e.mu.Unlock()
	if t == nil || e.cfg.Replicas == nil {
		return
	}
	carriers, err := e.cfg.Store.Carriers(t.ctx)
	if err == nil {
		err = e.cfg.Replicas.Abandon(t.ctx, carriers...)
	}
	if err != nil {
		e.cfg.Log.DebugContext(t.ctx, "carriers that are gone are not looked for", slog.Any("err", err))
	}
}

// sightings are the turns of a term that nobody here knew of at a look.
type sightings struct {
	term  *term
	turns map[string]bool
}

// look runs the turns that were missed at the look before as well, and returns those that
// are missed now.
func (e *Engine) look(before sightings) sightings {
	e.mu.Lock()
	t, carrier := e.term, e.carrier
	e.mu.Unlock()
	now := sightings{t, map[string]bool{}}
	if t == nil || t.ctx.Err() != nil {
		return now
	}
	all, err := e.cfg.Store.Carried(t.ctx, carrier)
	if err != nil {
		// Who notices that the store is away says so.
		e.cfg.Log.DebugContext(t.ctx, "turns that were missed are not looked for", slog.Any("err", err))
		return now
	}
	var missed []loop.Start
	e.mu.Lock()
	for _, s := range all {
		if e.turns[s.Turn] != nil || e.term != t {
			continue
		}
		now.turns[s.Turn] = true
		if before.term == t && before.turns[s.Turn] {
			missed = append(missed, s)
		}
	}
	e.mu.Unlock()
	if len(missed) > 0 {
		e.cfg.Log.InfoContext(t.ctx, "taking up turns of which it was not known that they are stored", slog.Int("count", len(missed)))
	}
	for _, s := range missed {
		e.schedule(s, work{ran: true})
	}
	return now
}
