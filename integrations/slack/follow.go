package slack

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/slack-go/slack"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/agent/delivery"
	"github.com/sous-hq/sous/agent/loop"
)

// followed is a turn whose progress is to be shown.
type followed struct {
	turn agent.Turn
	// again says that a former process may have shown some of it.
	again bool
	// said is what the turn was asked, "" when that has to be read.
	said string
	// show is the turn as it was left when it began to wait, nil at first, and rested
	// ends that.
	show   *show
	rested func()
}

// end ends the rest there may have been.
func (f followed) end() {
	if f.rested != nil {
		f.rested()
	}
}

// track begins to show a turn, once in this process.
func (b *Bot) track(t agent.Turn, again bool) { b.begin(followed{turn: t, again: again}) }

func (b *Bot) begin(f followed) {
	if _, ok := whereOf(f.turn.Conversation); !ok {
		return
	}
	b.mu.Lock()
	if b.followed[f.turn.ID] {
		b.mu.Unlock()
		return
	}
	b.followed[f.turn.ID] = true
	b.fresh = append(b.fresh, f)
	b.mu.Unlock()
	b.rouse()
}

// rouse lets Run look for what is to be done.
func (b *Bot) rouse() {
	select {
	case b.wake <- struct{}{}:
	default:
	}
}

// take returns the turns that wait to be shown and the lanes nobody works on.
func (b *Bot) take() ([]followed, []string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	turns, lanes := b.fresh, b.idle
	b.fresh, b.idle = nil, nil
	return turns, lanes
}

// show is one turn as it appears in Slack.
type show struct {
	*Bot
	turn  agent.Turn
	at    where
	actor string
	again bool
	// posted are our messages in the thread by key: where again those that were noted,
	// and once looked is set those that stand there.
	posted map[string]string
	looked bool
	// waits says that the turn waits for a person and shows it; seen counts the events
	// of the turn that had been looked at when it came to rest.
	waits bool
	seen  int
	// ready lets the next one read what was left of it.
	ready func()
	// cards are where an approval is shown, looks how it looked last.
	cards map[string][]place
	looks map[string]string
	// drafts are the reviews that are shown to their reviewer.
	drafts map[string]bool
	status string
	// stage is what the agent session was last said to be.
	stage string
	// said is what the turn was asked, once known.
	said string
	// quick says that the turn may be over before a hint of its progress is read:
	// hints wait for it.
	quick bool
	hint  string
	// due says that the store has more to show than is shown, which waits like a hint.
	due bool
	out stream
}

// place is a message.
type place struct{ channel, ts, key string }

// follow shows a turn until it has ended and all is posted, or waits for a person.
func (b *Bot) follow(ctx context.Context, f followed) {
	resting := false
	defer func() {
		if !resting {
			b.mu.Lock()
			defer b.mu.Unlock()
			delete(b.followed, f.turn.ID)
			delete(b.held, f.turn.ID)
		}
	}()
	defer f.end()
	ready := b.queue(ctx, f)
	defer ready()
	mine, end := b.lease(b.inTerm(ctx), f)
	defer end()
	if mine == nil {
		return
	}
	s := f.show
	if s == nil {
		at, _ := whereOf(f.turn.Conversation)
		s = &show{Bot: b, turn: f.turn, at: at, again: f.again, said: f.said, quick: !f.again, posted: map[string]string{}, cards: map[string][]place{}, looks: map[string]string{}, drafts: map[string]bool{}}
		s.actor, _ = userOf(f.turn.Actor.ID)
		s.out = stream{show: s}
	}
	s.ready = ready
	over, err := s.run(mine, f.show != nil)
	b.wrote(s.out.begun, err == nil)
	switch {
	case err == nil && over:
	case mine.Err() != nil:
		return
	case err == nil:
		resting = b.rest(s)
		return
	default:
		b.Log.ErrorContext(ctx, "slack: a turn is not shown to its end", slog.String("turn", f.turn.ID), slog.Any("err", err))
		if errors.Is(err, errAsleep) && b.napping.CompareAndSwap(false, true) {
			b.busy.Go(func() { b.onceAwake(ctx) })
		}
		if !isRefused(err) && agent.KindOf(err) != agent.NotFound {
			return // the next sweep tries again
		}
	}
	b.clerk.settle(delivery.Settled{Over: []string{f.turn.ID}})
}

// run shows what happens until the turn has ended, over, or waits. It watches the turn
// for as long as ctx is not done.
func (s *show) run(ctx context.Context, woken bool) (over bool, err error) {
	if s.again && !woken {
		if err := s.resume(ctx); err != nil {
			return false, err
		}
	}
	events := s.Desk.Attend(ctx, s.turn, s.seen)
	over, err = s.watch(ctx, events, woken)
	s.seen = events.Seen()
	return over, err
}

// resume learns what a former process has posted: what was noted, and, unless the turn
// waits, what stands in the thread with a key and was not.
func (s *show) resume(ctx context.Context) error {
	noted, err := s.Deliveries.Posts(ctx, s.front(), s.turn.ID)
	if err != nil {
		return err
	}
	for _, p := range noted {
		rest, ours := strings.CutPrefix(p.Key, s.turn.ID+"/")
		look, isLook := strings.CutPrefix(rest, "look/")
		id, isCard := strings.CutPrefix(rest, "card/")
		id, _, _ = strings.Cut(id, "/")
		switch {
		case isLook && look == lookSession:
			s.stage = p.Ref
		case isLook:
			s.looks[look] = p.Ref
		case isCard && ours:
			s.cards[id] = append(s.cards[id], place{p.Place, p.Ref, p.Key})
		}
		if p.Place == s.at.channel && !isLook {
			s.posted[p.Key] = p.Ref
		}
	}
	// Where cards stand whose look is not known is gathered anew, and so are those of
	// which only the look was noted: whoever posted the first one ended before that.
	for id, look := range s.looks {
		_, isAll := strings.CutPrefix(id, s.turn.ID+"/")
		here := slices.ContainsFunc(s.cards[id], func(c place) bool { return c.channel == s.at.channel })
		if look != "" && !isAll && !here {
			delete(s.looks, id)
		}
	}
	for id := range s.cards {
		if s.looks[id] == "" {
			delete(s.cards, id)
		}
	}
	if s.turn.Status != agent.TurnWaiting {
		return s.lookUp(ctx)
	}
	return nil
}

// lookUp looks once for what stands in the thread and was not noted.
func (s *show) lookUp(ctx context.Context) error {
	if !s.again || s.looked {
		return nil
	}
	found, err := s.post.find(ctx, s.at.channel, s.at.thread())
	if err != nil {
		return err
	}
	s.looked = true
	strays := s.adopt(found)
	if !s.turn.Status.Ended() {
		s.sweepStrays(ctx, strays)
	}
	return nil
}

// adopt takes over what find found: what was posted, by key. It returns what no key
// goes with.
func (s *show) adopt(found map[string]string) (strays []string) {
	for key, ts := range found {
		if strings.HasPrefix(key, strayKey) {
			strays = append(strays, ts)
		} else {
			s.posted[key] = ts
		}
	}
	return strays
}

// missing reports whether a message has not been posted by anybody.
func (s *show) missing(ctx context.Context, key string) (bool, error) {
	if s.posted[key] == "" {
		if err := s.lookUp(ctx); err != nil {
			return false, err
		}
	}
	return s.posted[key] == "", nil
}

// lookSession is the look of what is no approval: the agent session.
const lookSession = "session"

// shown notes how something looks now, so that the next process need not show it again
// to be sure of it.
func (s *show) shown(id, look string) {
	s.noted(s.turn.ID+"/look/"+id, place{channel: s.at.channel, ts: look})
}

// noted keeps where a post stands.
func (s *show) noted(key string, at place) {
	s.clerk.settle(delivery.Settled{Posts: []delivery.Post{{About: s.turn.ID, Key: key, Place: at.channel, Ref: at.ts}}})
}

// watch shows what happens. Events are hints; what is shown is what the store says.
// It returns over at the end, and not over once the turn waits and there is nothing
// else to be shown for a while.
func (s *show) watch(ctx context.Context, events *loop.Watcher, woken bool) (over bool, err error) {
	// A turn that waits for days must not wake anybody several times a second.
	tick := time.NewTicker(s.StreamEvery)
	defer tick.Stop()
	tick.Stop()
	ticking, ended, late := false, false, s.again
	look := time.NewTicker(30 * time.Second)
	defer look.Stop()
	hint := time.NewTimer(hintAfter)
	defer hint.Stop()
	if woken {
		over, err = s.sync(ctx)
	} else {
		over, err = s.first(ctx)
	}
	for !over && err == nil {
		ev, ok, more := events.Poll()
		if ok {
			late = false
			over, err = s.happened(ctx, ev)
			continue
		}
		if late && s.waits && more != nil && !s.out.live() {
			return false, nil
		}
		if more == nil && !ended {
			ended = true
			over, err = s.sync(ctx)
			continue
		}
		if live := s.out.live(); live != ticking {
			if ticking = live; live {
				tick.Reset(s.StreamEvery)
			} else {
				tick.Stop()
			}
		}
		select {
		case <-ctx.Done():
			return false, ctx.Err()
		case <-more:
		case <-tick.C:
			s.out.flush(ctx)
		case <-hint.C:
			over, err = s.slow(ctx)
		case <-look.C:
			late = true
			over, err = s.sync(ctx)
		}
	}
	return over, err
}

// happened shows an event.
func (s *show) happened(ctx context.Context, ev loop.Event) (over bool, err error) {
	switch {
	case ev.Type == loop.EventDelta:
		s.out.add(ev.Text)
		return false, nil
	case ev.Type == loop.EventReset:
		s.out.reset(ctx)
		return false, nil
	case ev.Type == loop.EventStep && ev.Step != nil && ev.Step.Kind != "call":
		s.say(ctx, ev.Step.Title)
		return false, nil
	}
	s.out.note(ev)
	if ev.Step != nil {
		s.say(ctx, ev.Step.Title)
	}
	switch {
	case ev.Type == loop.EventCall && ev.Step != nil:
		return false, nil
	case ev.Type == loop.EventStep && s.quick:
		s.due = true
		return false, nil
	}
	if v, ok := ev.Whole(); ok {
		return s.appear(ctx, v)
	}
	return s.sync(ctx)
}

// slow shows what a turn that may be over at once had kept back.
func (s *show) slow(ctx context.Context) (over bool, err error) {
	s.quick = false
	if s.due {
		if over, err = s.sync(ctx); over || err != nil {
			return over, err
		}
	}
	s.say(ctx, s.hint)
	if s.stage == "" {
		s.session(ctx, slack.AgentSessionStatusProcessing)
	}
	return false, nil
}

// hintAfter is how long a turn may take before it is said that it is under way.
const hintAfter = 300 * time.Millisecond

// sweepStrays deletes what an interrupted stream of this turn left in the thread. What a
// show of this process is writing, or wrote a moment ago, has no key yet, or had none
// when the thread was read, and stays.
func (s *show) sweepStrays(ctx context.Context, strays []string) {
	for _, ts := range strays {
		if ts <= strings.TrimPrefix(s.turn.ID, idPrefix+s.at.team+"-"+s.at.channel+"-") || s.isWritten(place{channel: s.at.channel, ts: ts}) {
			continue
		}
		_ = s.post.again(ctx, func() error {
			_, _, err := s.api.DeleteMessageContext(ctx, s.at.channel, ts)
			return err
		})
	}
}

// first shows what there is when it begins: of a turn that is new, that it is under way.
func (s *show) first(ctx context.Context) (over bool, err error) {
	if s.again || s.turn.Status.Ended() || s.turn.Status == agent.TurnWaiting {
		return s.sync(ctx)
	}
	return s.appear(ctx, loop.View{Shown: loop.Shown{Turn: s.turn}})
}

// sync makes the thread show what the store says; over when the turn has ended and
// all of it is shown.
func (s *show) sync(ctx context.Context) (over bool, err error) {
	v, err := s.Desk.View(ctx, s.turn.Actor, s.turn.ID)
	s.ready()
	if err != nil {
		return false, err
	}
	return s.appear(ctx, v)
}

func (s *show) appear(ctx context.Context, v loop.View) (over bool, err error) {
	s.waits = false
	if err := s.reviewed(ctx, v); err != nil {
		return false, err
	}
	if err := s.parked(ctx, v); err != nil {
		return false, err
	}
	if err := s.approvals(ctx, v); err != nil {
		return false, err
	}
	switch {
	case v.Status.Ended():
		return true, s.finish(ctx, v)
	case v.Status == agent.TurnWaiting:
		s.say(ctx, "")
		s.session(ctx, slack.AgentSessionStatusSuspended)
		s.waits = true
	case v.Status == agent.TurnQueued:
		s.say(ctx, "Waiting for the request before it")
	case s.status == "" && s.hint == "":
		s.say(ctx, "Thinking")
	}
	if v.Status == agent.TurnRunning {
		s.session(ctx, slack.AgentSessionStatusProcessing)
	}
	return false, nil
}

// once posts a message of the turn unless it is there already.
func (s *show) once(ctx context.Context, key, text string, blocks []slack.Block) error {
	return s.put(ctx, key, post{text: text, blocks: blocks})
}

// put is once for a post with plainer blocks beside it.
func (s *show) put(ctx context.Context, key string, m post) error {
	key = s.turn.ID + "/" + key
	if is, err := s.missing(ctx, key); err != nil || !is {
		return err
	}
	s.status, s.hint = "", ""
	m.channel, m.thread, m.key = s.at.channel, s.at.thread(), key
	ts, err := s.post.once(ctx, m)
	if err == nil {
		s.posted[key] = ts
		s.noted(key, place{s.at.channel, ts, key})
	}
	return err
}

// say sets the status line under the thread; it is a hint, so it is tried once.
func (s *show) say(ctx context.Context, status string) {
	if s.hint = status; s.quick {
		return
	}
	if s.at.thread() == "" || status == s.status || s.awake(ctx) != nil {
		return
	}
	s.status = status
	if status != "" {
		// A comma would make slack-go send two loading messages.
		status = clip(strings.ReplaceAll(visible(status), ",", ""), 45) + "…"
	}
	p := slack.AssistantThreadsSetStatusParameters{ChannelID: s.at.channel, ThreadTS: s.at.thread(), Status: status}
	if status != "" {
		p.LoadingMessages = []string{status}
	}
	if err := s.api.SetAssistantThreadsStatusContext(ctx, p); err != nil {
		s.Log.DebugContext(ctx, "slack: no status line", slog.Any("err", err))
	}
}

func digest(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:6])
}

// parked posts what a turn that waits has said and asks.
func (s *show) parked(ctx context.Context, v loop.View) error {
	if v.Status != agent.TurnWaiting {
		return nil
	}
	s.out.drop(ctx)
	if v.Answer != "" && v.Artifacts["minutes"] == nil {
		for i, text := range split(mrkdwn(v.Answer, false), maxPost) {
			if err := s.once(ctx, fmt.Sprintf("said/%s/%d", digest(v.Answer), i), text, nil); err != nil {
				return err
			}
		}
	}
	if v.Question == "" {
		return nil
	}
	return s.once(ctx, fmt.Sprintf("question/%d", len(v.Steps)), "*"+escape(clip(visible(v.Question), 3000))+"*\nReply in this thread.", nil)
}

// finish posts the answer and what was changed.
func (s *show) finish(ctx context.Context, v loop.View) error {
	answer := v.Answer
	switch {
	case answer == "" && v.Status == agent.TurnStopped:
		answer = "Stopped."
	case answer == "":
		answer = "This could not be finished."
	}
	if answer = s.besides(v, answer); answer == "" {
		// The minutes, or the word that they are a draft, say it all.
		s.out.drop(ctx)
		return s.changed(ctx, v)
	}
	text := mrkdwn(answer, trusted(v))
	if v.Degraded != "" {
		text += "\n_" + escape(v.Degraded) + "_"
	}
	text += s.cited(ctx, v)
	pieces := split(text, maxPost)
	if cut := len(pieces) - maxPieces; cut > 0 {
		pieces = append(pieces[:maxPieces], fmt.Sprintf("_%d more pages are left out here._", cut))
	}
	for i, piece := range pieces {
		key := fmt.Sprintf("answer/%d", i)
		m := post{text: piece}
		m.blocks, m.simple = s.around(v, piece, i == 0, i == len(pieces)-1)
		if i == 0 {
			if done, err := s.out.finish(ctx, s.turn.ID+"/"+key, m); err != nil || done {
				if err != nil {
					return err
				}
				continue
			}
		}
		if err := s.put(ctx, key, m); err != nil {
			return err
		}
	}
	return s.changed(ctx, v)
}

// around are the blocks of a piece of the answer; none for one in the middle.
func (s *show) around(v loop.View, piece string, first, last bool) (blocks, simple []slack.Block) {
	var plan slack.Block
	turn := ""
	if first {
		plan = planBlock(v.Steps)
	}
	if last && s.Opinions != nil {
		turn = v.ID
	}
	return answerBlocks(piece, plan, turn)
}

// trusted reports whether no outsider had a part in the answer, so that its links
// may be followed.
func trusted(v loop.View) bool { return v.AnswerLabel.Integrity > agent.External }
