package loop

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/tools"
)

// Incoming is a verified event that asks for something.
type Incoming struct {
	// Event is the id of the source event; the turn gets it as its own. Empty
	// means that the front end has none: then one is made.
	Event string `json:"event,omitempty"`
	// Conversation is where it was said; empty starts a new one.
	Conversation string `json:"conversation,omitempty"`
	// Place is set by connectors that have verified it. Without it the
	// conversation must be one the actor takes part in, or a new one.
	Place agent.Place `json:"place"`
	Text  string      `json:"text"`
	// Files are ids of uploaded files.
	Files []string `json:"files,omitempty"`
	// Outside names what in the text somebody from outside wrote, such as the name of
	// a guest who is mentioned; "" is nothing. It is set by connectors.
	Outside string `json:"-"`
	// Ordered is set when a button was pressed instead of words said.
	Ordered *Ordered `json:"-"`
}

// View is a turn as a front end shows it.
type View struct {
	Shown
	Question string `json:"question,omitempty"`
	// Stuck is why it was set aside, nil when it was not.
	Stuck *Stuck `json:"stuck,omitempty"`
}

// MaxMessage is the longest message accepted, in bytes.
const MaxMessage = 256 << 10

// Assistant is what front ends talk to: it accepts events, starts turns in
// order, takes decisions and shows what there is. Every method that names a
// thing of another workspace, or one the actor may not see, fails as NotFound.
type Assistant struct {
	*Effects
	engine Engine
}

// NewAssistant joins the loop's effects with the engine that runs turns.
func NewAssistant(e *Effects, engine Engine) (*Assistant, error) {
	if e == nil || engine == nil {
		return nil, errors.New("assistant: effects and engine are required")
	}
	a := &Assistant{Effects: e, engine: engine}
	e.Hub.free = a.freed
	return a, nil
}

// Accept records the event and starts its turn, or queues it behind the turn
// its conversation is busy with. When it returns, the event is not lost.
func (a *Assistant) Accept(ctx context.Context, by agent.Actor, in Incoming) (Acceptance, error) {
	by, err := a.asker(ctx, by)
	if err != nil {
		return Acceptance{}, err
	}
	t, m, err := a.admit(ctx, by, &in)
	if err != nil {
		return Acceptance{}, err
	}
	acc, err := a.take(ctx, t, m, in.Ordered)
	for until := time.Now().Add(backTime); errors.Is(err, ErrTakenOver) && a.back(ctx, until); { //nolint:forbidigo // it waits, it stamps nothing
		acc, err = a.take(ctx, t, m, in.Ordered)
	}
	if errors.Is(err, ErrTakenOver) {
		return Acceptance{}, agent.WrapError(agent.Unavailable, err, "Sous was away for a moment; try again")
	}
	if err != nil {
		return Acceptance{}, fmt.Errorf("accept: %w", err)
	}
	switch {
	case acc.Duplicate && !acc.Turn.Place.Readers().Includes(by):
		// The id is somebody else's; nothing of what it names is told.
		return Acceptance{}, agent.Errorf(agent.Conflict, "the id of this event is taken; send it under another")
	case acc.Duplicate && in.Ordered == nil:
		if acc.Other, err = a.other(ctx, acc.Turn, m); err != nil {
			return Acceptance{}, err
		}
	}
	switch {
	case acc.Answered != "":
		a.engine.Wake(acc.Answered)
	case acc.Start:
		if err := a.start(ctx, acc.Turn, NewRequest(acc, m, in.Ordered)); err != nil {
			return acc, err
		}
	}
	return acc, nil
}

// other reports whether the message that was accepted under the id says something else,
// as far as it is still known.
func (a *Assistant) other(ctx context.Context, t agent.Turn, m agent.Message) (bool, error) {
	all, err := a.Store.Messages(ctx, t.Workspace, t.Conversation, 0)
	if err != nil {
		return false, fmt.Errorf("accept: %w", err)
	}
	i := slices.IndexFunc(all, func(was agent.Message) bool { return was.ID == m.ID })
	if i < 0 || all[i].Text == "" && len(all[i].Files) == 0 {
		return false, nil
	}
	// One of the stores keeps another character for a NUL.
	text := func(m agent.Message) string { return strings.ReplaceAll(m.Text, "\x00", "\uFFFD") }
	same := func(a, b agent.FileRef) bool { return a.ID == b.ID }
	return text(all[i]) != text(m) || !slices.EqualFunc(all[i].Files, m.Files, same), nil
}

// backTime is how long a request waits for a process that others took for gone to be
// back among them under a new name.
const backTime = 3 * time.Second

// back waits a moment; false when it has waited long enough.
func (a *Assistant) back(ctx context.Context, until time.Time) bool {
	select {
	case <-ctx.Done():
	case <-time.After(50 * time.Millisecond):
	}
	return ctx.Err() == nil && time.Now().Before(until) //nolint:forbidigo // as above
}

// take stores the turn once there is room for it. What a person ordered by a button,
// such as an undo, does not wait for room.
func (a *Assistant) take(ctx context.Context, t agent.Turn, m agent.Message, o *Ordered) (Acceptance, error) {
	leave := func(error) {}
	if o == nil {
		var err error
		if leave, err = a.Gate.Enter(ctx, t.Workspace); err != nil {
			return Acceptance{}, err
		}
	}
	acc, err := a.Store.Accept(InReplica(ctx, a.engine.Carrier()), t, m, o)
	leave(err)
	return acc, err
}

// admit checks an event and makes the turn and message it stands for.
func (a *Assistant) admit(ctx context.Context, by agent.Actor, in *Incoming) (agent.Turn, agent.Message, error) {
	in.Text = strings.TrimSpace(in.Text)
	switch {
	case by.ID == "" || by.Workspace == "":
		return agent.Turn{}, agent.Message{}, agent.Errorf(agent.Forbidden, "nobody is signed in")
	case in.Text == "" && len(in.Files) == 0 && in.Ordered == nil:
		return agent.Turn{}, agent.Message{}, agent.Errorf(agent.Invalid, "the message is empty")
	case len(in.Text) > MaxMessage:
		return agent.Turn{}, agent.Message{}, agent.Errorf(agent.TooLarge, "the message is longer than %d KiB; send it as a file", MaxMessage>>10)
	case in.Ordered == nil && reserved(in.Event):
		return agent.Turn{}, agent.Message{}, agent.Errorf(agent.Invalid, "ids such as %.40q are Sous's own; send it under another", in.Event)
	case !utf8.ValidString(in.Text):
		return agent.Turn{}, agent.Message{}, agent.Errorf(agent.Invalid, "the message is not valid UTF-8 text")
	}
	if in.Event == "" {
		in.Event = rand.Text()
	}
	if err := a.locate(ctx, by, in); err != nil {
		return agent.Turn{}, agent.Message{}, err
	}
	integrity := agent.External
	var sources []string
	switch {
	case in.Outside != "":
		sources = []string{in.Outside}
	case by.Kind == agent.Member:
		integrity = agent.Requester
	}
	now := a.Clock()
	m := agent.Message{
		ID: in.Event + "/request", Conversation: in.Conversation, Turn: in.Event, Author: by, Text: in.Text,
		Label: tools.Scanned(agent.Label{Integrity: integrity, Readers: in.Place.Readers(), Sources: sources}, in.Text), At: now,
	}
	for _, id := range in.Files {
		f, err := a.Store.File(ctx, by, id)
		if err != nil {
			return agent.Turn{}, agent.Message{}, err
		}
		m.Files = append(m.Files, f.FileRef)
	}
	t := agent.Turn{
		ID: in.Event, Workspace: by.Workspace, Conversation: in.Conversation, Place: in.Place,
		Actor: by, Request: m.ID, Created: now,
	}
	return t, m, nil
}

// reserved reports whether an id is of those by which Sous itself names events, so
// that each happens once: nobody is to be there first.
func reserved(event string) bool {
	return slices.ContainsFunc([]string{undoPrefix, noticePrefix, RoutePrefix}, func(p string) bool { return strings.HasPrefix(event, p) })
}

// undoPrefix begins the ids of turns that take an effect back, see UndoTurn;
// RoutePrefix those of people's words on where a request belongs, before its turn.
const (
	undoPrefix  = "undo-"
	RoutePrefix = "route/"
)

// locate finds out where an event belongs that no connector has placed.
func (a *Assistant) locate(ctx context.Context, by agent.Actor, in *Incoming) error {
	fresh := in.Conversation == ""
	if fresh {
		in.Conversation = "c-" + rand.Text()[:12]
	}
	switch {
	case in.Place.Kind != agent.UnknownPlace:
		return nil
	case fresh:
		in.Place = agent.Place{ID: "dm/" + string(by.ID), Kind: agent.DM, Members: []agent.ActorID{by.ID}}
		return nil
	}
	c, err := a.Store.Conversation(ctx, by, in.Conversation)
	in.Place = c.Place
	return err
}

func (a *Assistant) start(ctx context.Context, t agent.Turn, r *Request) error {
	// The event is accepted; a caller that goes away must not stop its start.
	ctx = context.WithoutCancel(ctx)
	if err := a.engine.Start(ctx, Start{Workspace: string(t.Workspace), Turn: t.ID, Request: r}); err != nil {
		return fmt.Errorf("start turn: %w", err)
	}
	return nil
}

// freed starts the next queued turn of a conversation.
func (a *Assistant) freed(t agent.Turn) {
	ctx := context.Background()
	next, ok, err := a.claim(ctx, t)
	if err == nil && ok {
		err = a.start(ctx, next, nil)
	}
	if err != nil {
		a.Log.ErrorContext(ctx, "next turn not started", slog.String("turn", t.ID), slog.Any("err", err))
	}
}

// claim takes the next queued turn of the conversation for this process.
func (a *Assistant) claim(ctx context.Context, t agent.Turn) (agent.Turn, bool, error) {
	return a.Store.Claim(InReplica(ctx, a.engine.Carrier()), t.Workspace, t.Conversation)
}

// Recover starts what a former process accepted and did not finish. The engine
// ignores the turns it knows; call it after the engine has recovered, and when
// another process that shares the store is gone.
func (a *Assistant) Recover(ctx context.Context) error {
	open, err := a.Store.Unfinished(ctx)
	if err != nil {
		return fmt.Errorf("recover: %w", err)
	}
	for _, t := range open {
		if isNotice(t) {
			// A notice that was cut off between its two halves.
			if err := a.told(ctx, t, "This was cut off. It will be told again when it is due."); err != nil {
				return fmt.Errorf("recover: %w", err)
			}
			continue
		}
		if t.Status != agent.TurnQueued {
			continue // its engine has it
		}
		next, ok, err := a.claim(ctx, t)
		if err != nil {
			return fmt.Errorf("recover: %w", err)
		}
		if !ok {
			continue
		}
		if err := a.start(ctx, next, nil); err != nil {
			return err
		}
	}
	return nil
}

// Upload stores a file for its owner and returns its reference. The same
// content under the same name by the same person is one file.
func (a *Assistant) Upload(ctx context.Context, by agent.Actor, place agent.Place, name, media string, content []byte) (agent.FileRef, error) {
	if place.Kind == agent.UnknownPlace {
		place = agent.Place{Kind: agent.DM, Members: []agent.ActorID{by.ID}}
	}
	h := sha256.New()
	fmt.Fprintf(h, "%s\n%s\n%s\n%s\n", by.Workspace, by.ID, place.ID, name)
	h.Write(content)
	f := agent.File{
		FileRef:   agent.FileRef{ID: "f-" + hex.EncodeToString(h.Sum(nil)[:10]), Name: name, Media: media, Bytes: int64(len(content))},
		Workspace: by.Workspace, Owner: by.ID, At: a.Clock(), Content: content,
		Label: agent.Label{Integrity: agent.External, Readers: place.Readers(), Sources: []string{name}},
	}
	f.Label = tools.Scanned(f.Label, name+"\n"+string(content))
	if err := a.Store.SaveFile(ctx, f); err != nil {
		return agent.FileRef{}, fmt.Errorf("save file: %w", err)
	}
	return f.FileRef, nil
}

// View returns a turn with its steps, approvals and effects.
func (a *Assistant) View(ctx context.Context, by agent.Actor, id string) (View, error) {
	shown, err := a.Store.WholeTurn(ctx, by.Workspace, id)
	if err != nil {
		return View{}, err
	}
	if !shown.Place.Readers().Includes(by) {
		return View{}, agent.Errorf(agent.NotFound, "there is no turn %s", id)
	}
	v := View{Shown: shown}
	if n := len(v.Steps); v.Status == agent.TurnWaiting && n > 0 && v.Steps[n-1].Kind == "question" {
		v.Question = v.Steps[n-1].Title
	}
	why, aside, err := a.setAside(ctx, v.Turn)
	if aside {
		v.Stuck = &why
	}
	return v, err
}

// Watch yields the events of a turn in this process after the given number; see
// Hub.Watch. A turn that ended before yields its end alone.
func (a *Assistant) Watch(ctx context.Context, by agent.Actor, id string, after int) (func() (Event, bool), error) {
	// Watch first and read then, so that an end in between is not missed.
	w := a.Hub.Watcher(ctx, id, after)
	v, err := a.View(ctx, by, id)
	if err != nil {
		return nil, err
	}
	a.Hub.of(id, by.Workspace)
	if v.Status.Ended() {
		a.Hub.End(v.Turn, true)
	}
	return w.Next, nil
}

// Attend is Watch for who knows what the turn was when this process accepted it, or
// reads it when the watcher is there, and does something else between the events. Who
// may see the turn is the caller's business.
func (a *Assistant) Attend(ctx context.Context, t agent.Turn, after int) *Watcher {
	w := a.Hub.Watcher(ctx, t.ID, after)
	a.Hub.of(t.ID, t.Workspace)
	return w
}

// Await calls f, once and in a goroutine of its own, when more happens to a turn than
// its first after events; until then it costs some bytes. stop gives it up. Nothing is
// missed between a watcher and this when the watcher's context ends after it, nor after
// this when a watcher is there before stop.
func (a *Assistant) Await(t agent.Turn, after int, f func()) (stop func()) {
	return a.Hub.await(t, after, f)
}

// heardTime is how long one look at a turn that others changed may take, heardTries how
// often it is tried: what was heard is not said again, and where it is heard after the
// store was away reading may fail once more.
const (
	heardTime  = 10 * time.Second
	heardTries = 5
)

// Heard tells whoever watches in this process that another has changed the turn;
// turn "" stands for any. It returns at once.
func (a *Assistant) Heard(turn string) {
	for id, ws := range a.Hub.watched(turn) {
		go a.look(ws, id)
	}
}

func (a *Assistant) look(ws agent.WorkspaceID, id string) {
	pause := time.Second
	for try := 1; a.lookOnce(ws, id) != nil && try < heardTries; try++ {
		time.Sleep(pause)
		if pause *= 2; len(a.Hub.watched(id)) == 0 {
			return
		}
	}
}

func (a *Assistant) lookOnce(ws agent.WorkspaceID, id string) error {
	ctx, cancel := context.WithTimeout(context.Background(), heardTime)
	defer cancel()
	t, _, _, err := a.Store.Turn(ctx, ws, id)
	switch {
	case err != nil:
		a.Log.WarnContext(ctx, "a turn that another process changed cannot be read", slog.String("turn", id), slog.Any("err", err))
		if agent.KindOf(err) != agent.NotFound {
			return err
		}
	case t.Status.Ended():
		a.Hub.Publish(Event{Turn: id, Type: EventEnd, Text: t.Answer, Status: t.Status.String(), At: t.Ended})
	default:
		a.Hub.Publish(Event{Turn: id, Type: EventStatus, Status: t.Status.String(), At: a.Clock()})
	}
	return nil
}

// Stop asks a turn to stop, and ends one that was set aside. What has been done
// stays done; the answer says what.
func (a *Assistant) Stop(ctx context.Context, by agent.Actor, id string) error {
	t, _, _, err := a.Store.Turn(ctx, by.Workspace, id)
	switch {
	case err != nil:
		return err
	case !t.Place.Readers().Includes(by) && !LooksAfter(by):
		return agent.Errorf(agent.NotFound, "there is no turn %s", id)
	case t.Actor.ID != by.ID && !LooksAfter(by):
		return agent.Errorf(agent.Forbidden, "only %s can stop this", t.Actor.Name)
	case t.Status.Ended():
		return agent.Errorf(agent.Conflict, "the turn has ended already")
	}
	if done, err := a.cancelAside(ctx, by, t); done || err != nil {
		return err
	}
	if err := a.Store.Send(ctx, by.Workspace, id, InboxTopic, Signal{Type: SignalStop, By: by.ID}); err != nil {
		return fmt.Errorf("stop: %w", err)
	}
	a.interrupt(id)
	a.engine.Wake(id)
	// It may have been set aside meanwhile, before the stop was there to be seen.
	t, _, _, err = a.Store.Turn(ctx, by.Workspace, id)
	if err == nil && t.Status == agent.TurnWaiting {
		if _, err = a.cancelAside(ctx, by, t); agent.KindOf(err) == agent.Conflict {
			err = nil
		}
	}
	return err
}

// cancelAside ends the turn if it was set aside.
func (a *Assistant) cancelAside(ctx context.Context, by agent.Actor, t agent.Turn) (done bool, err error) {
	why, aside, err := a.setAside(ctx, t)
	if err != nil || !aside {
		return false, err
	}
	return true, a.endAside(ctx, by, t, why)
}

// UndoTurn is the id of the turn that takes an effect back, when there is one.
func UndoTurn(key string) string { return undoPrefix + key }

// Undo orders the call that takes an effect back: a turn of its own, through
// the same gate.
func (a *Assistant) Undo(ctx context.Context, by agent.Actor, key string) (Acceptance, error) {
	eff, err := a.Store.Effect(ctx, by.Workspace, key)
	if err != nil {
		return Acceptance{}, err
	}
	t, _, _, err := a.Store.Turn(ctx, by.Workspace, eff.Turn)
	switch {
	case err != nil:
		return Acceptance{}, err
	case !t.Place.Readers().Includes(by):
		return Acceptance{}, agent.Errorf(agent.NotFound, "there is no effect %s", key)
	case eff.UndoTool == "":
		return Acceptance{}, agent.Errorf(agent.Conflict, "this cannot be undone")
	case !a.Clock().Before(eff.UndoUntil):
		return Acceptance{}, agent.Errorf(agent.Expired, "this could be undone until %s; ask for the opposite in words", eff.UndoUntil.UTC().Format("2006-01-02 15:04 MST"))
	}
	return a.Accept(ctx, by, Incoming{
		// One undo per effect, however often the button is pressed.
		Event: UndoTurn(key), Conversation: t.Conversation, Place: t.Place, Text: "Undo: " + toolTitle(eff.Call.Tool),
		Ordered: &Ordered{Tool: eff.UndoTool, Args: eff.UndoArgs, Why: "undid “" + toolTitle(eff.Call.Tool) + "”", Label: eff.Outcome.Label},
	})
}
