// Package slack is Slack as a front end: mentions, direct messages and threads
// become turns, answers are streamed back, approvals are cards with buttons. Slack
// is a view; the store is the truth. What it delivers twice is one turn, because a
// turn's id is made from the message it answers, and what Sous posts is posted
// once, because every post carries its key and is looked for before it is repeated.
package slack

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/slack-go/slack"
	"golang.org/x/sync/singleflight"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/agent/approval"
	"github.com/sous-hq/sous/agent/delivery"
	"github.com/sous-hq/sous/agent/loop"
	"github.com/sous-hq/sous/agent/people"
	"github.com/sous-hq/sous/agent/review"
)

// Desk is where requests are handed in and shown; *loop.Assistant is one. What the
// actor may not see is NotFound.
type Desk interface {
	Accept(ctx context.Context, by agent.Actor, in loop.Incoming) (loop.Acceptance, error)
	Upload(ctx context.Context, by agent.Actor, place agent.Place, name, media string, content []byte) (agent.FileRef, error)
	View(ctx context.Context, by agent.Actor, id string) (loop.View, error)
	Attend(ctx context.Context, t agent.Turn, after int) *loop.Watcher
	Await(t agent.Turn, after int, f func()) (stop func())
	Stop(ctx context.Context, by agent.Actor, id string) error
	Undo(ctx context.Context, by agent.Actor, key string) (loop.Acceptance, error)
}

// Decisions is where people decide; *loop.Assistant is one.
type Decisions interface {
	// Queue lists the approvals on which it is this person's turn.
	Queue(ctx context.Context, by agent.Actor) ([]approval.Approval, error)
	Pending(ctx context.Context, by agent.Actor) ([]approval.Approval, error)
	Answer(ctx context.Context, by agent.Actor, in loop.Answer) (approval.Approval, error)
	Edit(ctx context.Context, by agent.Actor, id string, args json.RawMessage, event string) (approval.Approval, error)
	Note(ctx context.Context, by agent.Actor, id, text, event string) (approval.Approval, error)
}

// Records reads what there is; loop.Store is one. It checks no readers.
type Records interface {
	// Recent lists turns, newest first; conversation "" means all.
	Recent(ctx context.Context, ws agent.WorkspaceID, conversation string, limit int) ([]agent.Turn, error)
	// Unfinished lists the turns that have not ended, of all workspaces.
	Unfinished(ctx context.Context) ([]agent.Turn, error)
	// Messages returns the last limit messages of a conversation, oldest first.
	Messages(ctx context.Context, ws agent.WorkspaceID, conversation string, limit int) ([]agent.Message, error)
	// Approval returns one approval, in any state.
	Approval(ctx context.Context, ws agent.WorkspaceID, id string) (approval.Approval, error)
}

// Unread keeps what could not be read, so that no delivery is acknowledged and
// lost. Dir is one.
type Unread interface {
	Keep(ctx context.Context, kind string, body []byte, why error) error
}

// Config is what the front end is made of. Desk, Decisions, Records, Deliveries,
// BotToken and Unread are required, and SigningSecret for HTTP or AppToken for Socket Mode.
type Config struct {
	Desk      Desk
	Decisions Decisions
	Records   Records
	Unread    Unread
	// Reviews keeps minutes until whoever asked for them has read them; nil publishes
	// them at once.
	Reviews review.Store
	// Personal is what people may ask about themselves; nil offers nothing.
	Personal Personal
	// Cited says of what an answer cites where it was said, as memory knows it
	// ("turn:…", "thread:…"), as far as it does; nil links to nothing.
	Cited func(ctx context.Context, by agent.Actor, answer string, citations []string) map[string]string
	// Systems lists what Sous works with and how it is; nil lists nothing.
	Systems func(ctx context.Context) []System
	// Opinions takes what people think of answers; nil asks nobody.
	Opinions Opinions
	// Teams lists the teams a request may belong to; nil lets nobody correct where it
	// was found to belong.
	Teams func() []string
	// Deliveries keeps what came until it is handled, and what was posted.
	Deliveries delivery.Store
	// Holder names this process among several that work on one store and show the
	// same; "" says that it is alone.
	Holder string
	// Present names the term of this process among the others, and reports whether they
	// can have seen lately that it lives: one that stood still, or is back in another
	// term, posts nothing before it knows what is its own. nil is always, in one term.
	Present func() (term string, ok bool)
	// BotToken begins with xoxb-, AppToken with xapp-.
	BotToken, SigningSecret, AppToken string
	// Token is used in place of BotToken when it may be renewed; Expired is called when
	// Slack says that it should have been.
	Token   *Token
	Expired func()
	// Routed says that deliveries come by a Fleet, which asks Slack for them.
	Routed bool
	// APIURL is the base of the Web API with a slash at its end; "" is Slack's own.
	APIURL string
	// Dial connects to Slack; nil is the network.
	Dial Dial
	// Workspace is whose turns these are; "" makes one of the Slack team.
	Workspace agent.WorkspaceID
	// Directory is the workspace's people when somebody else needs it too, such as
	// the loop; nil makes one.
	Directory *Directory
	// Everybody knows who is in which group, as whoever decides does: the Directory,
	// with what else is known of people; nil is the Directory alone.
	Everybody people.Source
	// Sockets is how many Socket Mode connections are held; 0 means 2.
	Sockets int
	// MaxFile is the largest file taken, in bytes; 0 means 64 MiB.
	MaxFile int64
	// Spread tells the processes that work in the same place what changed in Slack, for
	// their Directory to Hear: an event comes to one of them. nil when there are none.
	Spread func(ctx context.Context, news string) error
	// Status says, for people, what state Sous is in: model, degraded or not.
	Status func() string
	// Pages is the address of the web chat, "" for none.
	Pages string
	Clock func() time.Time
	Log   *slog.Logger
	Timing
}

// Timing are the times the front end keeps. Zero fields have defaults.
type Timing struct {
	// AckWithin is how long taking an event in may last before Slack is asked to
	// deliver it again; it gives up at 3 s.
	AckWithin time.Duration
	// Pace is the time between posts to a channel, some of which go together.
	Pace time.Duration
	// StreamAfter is how long an answer is under way before it is streamed,
	// StreamEvery how often a stream grows, StreamFor how long it is open at most.
	StreamAfter, StreamEvery, StreamFor time.Duration
	// Backoff is the first pause after Slack was away.
	Backoff time.Duration
	// Fresh is how long what was looked up of people and places holds.
	Fresh time.Duration
	// Sweep is how often it is looked for what another process left, or this one
	// could not finish. Lease is how long a process that is gone holds it up.
	Sweep, Lease time.Duration
}

func (t *Timing) defaults() {
	for _, d := range []struct {
		is *time.Duration
		or time.Duration
	}{
		{&t.AckWithin, 2500 * time.Millisecond}, {&t.Pace, 1100 * time.Millisecond}, {&t.StreamAfter, 700 * time.Millisecond},
		{&t.StreamEvery, 700 * time.Millisecond}, {&t.StreamFor, 4 * time.Minute}, {&t.Backoff, time.Second}, {&t.Fresh, 5 * time.Minute},
		{&t.Sweep, 30 * time.Second}, {&t.Lease, 45 * time.Second},
	} {
		if *d.is <= 0 {
			*d.is = d.or
		}
	}
}

// Bot is the Slack front end.
type Bot struct {
	Config
	api    *slack.Client
	wire   line
	people *Directory
	post   *poster
	seen   *replays

	mu     sync.Mutex
	engage map[string]bool
	// looking is which channel a person has open beside the app.
	looking map[string]string
	// followed are the turns whose progress is being shown; fresh those that wait
	// for Run to begin with them.
	followed map[string]bool
	// resting are those of them that wait for a person; closed says that none may any
	// more. held are the leases to show turns, where there are other processes.
	resting map[string]*nap
	closed  bool
	held    map[string]hold
	// written are the streams that are being written, and since when others are not;
	// swept is when those were last let go of that have not been for long.
	written map[place]time.Time
	swept   time.Time
	// napping says that somebody waits until this process is heard of again.
	napping atomic.Bool
	// reading bounds of how many turns what was left is read at once.
	reading chan struct{}
	// left says that another process is gone.
	left chan struct{}
	// looked is when all turns of the last day were looked at that are not shown.
	looked time.Time
	fresh  []followed
	// lanes hold what was kept and waits to be handled, by lane; atHand are its ids,
	// idle the lanes that nobody works on yet.
	lanes  map[string][]delivery.Delivery
	atHand map[string]bool
	idle   []string
	// handed are the ids of deliveries that are turns without having been kept, and
	// handing lets one that comes twice at once wait for the other.
	handed  map[string]bool
	handing singleflight.Group
	wake    chan struct{}
	// end says why Run has to end.
	end   chan error
	slots chan struct{}
	// taking counts the deliveries that wait for their acknowledgement.
	taking queue
	clerk  *clerk
	// plainApp says that Slack does not know the app as an agent.
	plainApp atomic.Bool
	busy     crew
	// offers are what can still be taken back, by turn.
	offers map[string]offer
	// issuing are the reviews whose outlets are being made; true says that there is
	// more to look at.
	issuing map[string]bool
}

// New checks the config. It starts nothing and calls nobody.
func New(c Config) (*Bot, error) {
	switch {
	case c.Desk == nil || c.Decisions == nil || c.Records == nil || c.Unread == nil || c.Deliveries == nil:
		return nil, errors.New("slack: Desk, Decisions, Records, Deliveries and Unread are required")
	case c.BotToken == "" && c.Token == nil:
		return nil, errors.New("slack: the bot token is missing")
	case c.SigningSecret == "" && c.AppToken == "" && !c.Routed:
		return nil, errors.New("slack: a signing secret (HTTP) or an app-level token (Socket Mode) is required")
	}
	if c.Sockets <= 0 {
		c.Sockets = 2
	}
	if c.MaxFile <= 0 {
		c.MaxFile = 64 << 20
	}
	if c.Clock == nil {
		c.Clock = time.Now //nolint:forbidigo // the one place this front end gets its clock
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Status == nil {
		c.Status = func() string { return "" }
	}
	c.defaults()
	if c.Directory == nil {
		c.Directory = NewDirectory(DirectoryConfig{BotToken: c.BotToken, Token: c.Token, APIURL: c.APIURL, Workspace: c.Workspace, Fresh: c.Fresh, Clock: c.Clock, Dial: c.Dial})
	}
	if c.Everybody == nil {
		c.Everybody = c.Directory
	}
	wire := newLine(c.BotToken, c.AppToken, c.APIURL, c.Dial, c.Token)
	b := &Bot{
		Config: c, api: wire.api, wire: wire, people: c.Directory, seen: newReplays(), engage: map[string]bool{}, looking: map[string]string{},
		followed: map[string]bool{}, resting: map[string]*nap{}, held: map[string]hold{}, written: map[place]time.Time{}, reading: make(chan struct{}, atOnceRead), left: make(chan struct{}, 1), lanes: map[string][]delivery.Delivery{}, atHand: map[string]bool{}, handed: map[string]bool{},
		wake: make(chan struct{}, 1), end: make(chan error, 1), slots: make(chan struct{}, maxLanes), issuing: map[string]bool{}, offers: map[string]offer{},
	}
	b.clerk = &clerk{store: c.Deliveries, front: b.front, log: c.Log, backoff: c.Backoff, busy: &b.busy, arrived: b.arrived, ending: make(chan struct{})}
	b.post = &poster{api: wire.api, clock: c.Clock, pace: c.Pace, backoff: c.Backoff, log: c.Log, rested: map[string]time.Time{}, shut: b.expelled, awake: b.awake}
	return b, nil
}

// People is the workspace's directory: who is who, and the user groups that count
// as policy groups.
func (b *Bot) People() *Directory { return b.people }

// Handler answers /slack/events, /slack/interactions and /slack/commands.
func (b *Bot) Handler() http.Handler {
	mux := http.NewServeMux()
	for _, kind := range []string{kindEvents, kindInteractions, kindCommands} {
		mux.HandleFunc("POST /slack/"+kind, func(w http.ResponseWriter, r *http.Request) { b.serve(w, r, kind) })
	}
	return mux
}

// front is whose deliveries and posts these are.
func (b *Bot) front() delivery.Front {
	return delivery.Front{Workspace: b.workspace(), Source: "slack"}
}

// Run learns who the app is, takes up what a former process left, handles what
// comes, shows the progress of turns and, with an app-level token, holds Socket Mode
// connections. It returns when ctx is done, or with an error when Slack refuses the
// token, at the start or later.
// It runs once.
func (b *Bot) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer func() {
		cancel()
		close(b.clerk.ending)
		b.busy.Wait()
		b.dropAll()
		b.wire.http.CloseIdleConnections()
		b.people.wire.http.CloseIdleConnections()
	}()
	if err := b.introduce(ctx); err != nil {
		return unless(ctx, err)
	}
	b.recover(ctx)
	if b.Holder != "" {
		b.busy.Go(func() { b.renew(ctx) })
	}
	b.sockets(ctx)
	sweep := time.NewTicker(b.Sweep)
	defer sweep.Stop()
	for {
		turns, lanes := b.take()
		for _, f := range turns {
			b.busy.Go(func() { b.follow(ctx, f) })
		}
		for _, lane := range lanes {
			b.busy.Go(func() { b.work(ctx, lane) })
		}
		select {
		case <-ctx.Done():
			return nil
		case err := <-b.end:
			return err
		case <-sweep.C:
			b.busy.Go(func() { b.sweep(ctx) })
		case <-b.left:
			b.busy.Go(func() { b.succeed(ctx) })
		case <-b.wake:
		}
	}
}

// unless is the error of a start that was not merely stopped.
func unless(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// introduce asks Slack who the app is, for as long as Slack is away.
func (b *Bot) introduce(ctx context.Context) error {
	for pause := b.Backoff; ; pause = min(2*pause, maxPause) {
		_, err := b.people.self(ctx)
		if err == nil {
			return nil
		}
		if why, _ := judge(err); why == refused || why == expelled && !b.renews(err) {
			return noMore(err)
		}
		b.Log.WarnContext(ctx, "slack is away", slog.Any("err", err))
		if !sleep(ctx, pause) {
			return ctx.Err()
		}
	}
}

// noMore is the error of an app that Slack does not let in.
func noMore(err error) error {
	return agent.WrapError(agent.Forbidden, err, fmt.Sprintf("Slack refuses the token (%s)", or(code(err), "no reason given")))
}

// expelled ends Run: the app was uninstalled or its token revoked. What is known of
// people and places goes; what was asked and not answered waits in the store for an
// app that is let in again.
func (b *Bot) expelled(err error) {
	if b.renews(err) {
		return
	}
	b.people.forgetAll()
	select {
	case b.end <- noMore(err):
	default:
	}
}

// renews reports whether the error is that the token has to be renewed, which is
// asked for then; what was to be done is done later.
func (b *Bot) renews(err error) bool {
	if b.Expired == nil || code(err) != "token_expired" {
		return false
	}
	b.Expired()
	return true
}

func (b *Bot) self(ctx context.Context) (identity, error) { return b.people.self(ctx) }

func (b *Bot) workspace() agent.WorkspaceID { return b.people.workspace() }

// later does something after the acknowledgement, on a context of its own.
func (b *Bot) later(ctx context.Context, what string, f func(ctx context.Context) error) {
	b.afterwards(ctx, time.Minute, what, f)
}

// longer is later for what reads much of Slack and may have to wait between pages.
func (b *Bot) longer(ctx context.Context, what string, f func(ctx context.Context) error) {
	b.afterwards(ctx, 10*time.Minute, what, f)
}

func (b *Bot) afterwards(ctx context.Context, most time.Duration, what string, f func(ctx context.Context) error) {
	b.busy.Go(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), most)
		defer cancel()
		b.untilTheEnd(ctx, cancel)
		if err := f(ctx); err != nil {
			b.Log.WarnContext(ctx, "slack: not shown", slog.String("what", what), slog.Any("err", err))
		}
	})
}

// untilTheEnd cuts work short that goes on when the front end has ended, a moment
// after.
func (b *Bot) untilTheEnd(ctx context.Context, cancel context.CancelFunc) {
	go func() {
		select {
		case <-b.clerk.ending:
			sleep(ctx, 2*b.Backoff)
			cancel()
		case <-ctx.Done():
		}
	}()
}

// sleep waits, and returns false when ctx is done before.
func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}
