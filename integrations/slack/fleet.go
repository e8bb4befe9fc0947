package slack

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/slack-go/slack"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/agent/install"
	"github.com/sous-hq/sous/agent/loop"
)

// FleetConfig is what an app in several workspaces is made of. Installs, Installed,
// ClientID and ClientSecret are required, PublicURL for the install page, and in Bot
// what a Bot needs, without its token, workspace and directory.
type FleetConfig struct {
	// Bot is how the bot of each installation is made; its SigningSecret and AppToken
	// are the app's, which are the same in all workspaces.
	Bot       Config
	Installs  install.Store
	Installed *Installed
	// ClientID and ClientSecret are the app's credentials for OAuth.
	ClientID, ClientSecret string
	// Redirect is where Slack sends people back to, below the public address.
	Redirect string
	// Authorize is the page on which people agree; "" is Slack's own.
	Authorize string
	// Scopes are those that are asked for.
	Scopes []string
	// Every is how often the store is asked for what other processes did and tokens
	// are looked at; 0 means half a minute.
	Every time.Duration
}

// Fleet is the app in several workspaces: an install page, and a Bot for each
// installation, to which it hands what Slack delivers for it. What happens to one
// installation is of no concern to the others.
type Fleet struct {
	FleetConfig
	http *http.Client
	keys linkKeys
	// wake asks Run to look at the installations now.
	wake chan struct{}
	busy crew

	mu   sync.Mutex
	bots map[agent.WorkspaceID]*berth
	// renewing lets one token be renewed at a time.
	renewing sync.Mutex
}

// berth is where a bot of the fleet lives.
type berth struct {
	install.Installation
	bot  *Bot
	stop context.CancelFunc
	done chan struct{}
	// trouble says why the bot has ended by itself.
	trouble string
}

// NewFleet checks the config. It starts nothing and calls nobody.
func NewFleet(c FleetConfig) (*Fleet, error) {
	switch {
	case c.Installs == nil || c.Installed == nil:
		return nil, errors.New("slack: Installs and Installed are required")
	case c.ClientID == "" || c.ClientSecret == "":
		return nil, errors.New("slack: the client id or the client secret is missing")
	case c.Bot.SigningSecret == "" && c.Bot.AppToken == "":
		return nil, errors.New("slack: a signing secret (HTTP) or an app-level token (Socket Mode) is required")
	case c.Bot.Clock == nil || c.Bot.Deliveries == nil || c.Bot.Unread == nil:
		return nil, errors.New("slack: Clock, Deliveries and Unread are required")
	}
	if c.Authorize == "" {
		c.Authorize = "https://slack.com/oauth/v2/authorize"
	}
	if c.Every <= 0 {
		c.Every = 30 * time.Second
	}
	if c.Bot.Log == nil {
		c.Bot.Log = slog.New(slog.DiscardHandler)
	}
	c.Bot.defaults()
	if c.Bot.Sockets <= 0 {
		c.Bot.Sockets = 2
	}
	wire := newLine("", "", c.Bot.APIURL, c.Bot.Dial, nil)
	return &Fleet{
		FleetConfig: c, http: &http.Client{Timeout: 30 * time.Second, Transport: wire.http}, keys: keysOf(c.ClientSecret),
		wake: make(chan struct{}, 1), bots: map[agent.WorkspaceID]*berth{},
	}, nil
}

// Run holds a bot for each installation until ctx is done, brings in what other
// processes installed, renewed and removed, and renews tokens before they end.
func (f *Fleet) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer func() {
		cancel()
		f.busy.Wait()
		f.http.CloseIdleConnections()
	}()
	if f.Bot.AppToken != "" {
		wire := newLine("", f.Bot.AppToken, f.Bot.APIURL, f.Bot.Dial, nil)
		defer wire.http.CloseIdleConnections()
		s := &sockets{wire.api, f.Bot.Dial, f.Bot.Sockets, f.Bot.Backoff, f.Bot.Log, &f.busy, f.within, f.keep}
		s.hold(ctx)
	}
	tick := time.NewTicker(f.Every)
	defer tick.Stop()
	for {
		if err := f.Installed.Load(ctx); err != nil && ctx.Err() == nil {
			f.Bot.Log.WarnContext(ctx, "slack: where the app is installed is not known", slog.Any("err", err))
		} else {
			f.renewDue(ctx)
			f.settle(ctx)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		case <-f.wake:
		}
	}
}

// Left is Bot.Left for all workspaces.
func (f *Fleet) Left() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, b := range f.bots {
		if b.bot != nil {
			b.bot.Left()
		}
	}
}

// rouse asks Run to look at the installations now.
func (f *Fleet) rouse() {
	select {
	case f.wake <- struct{}{}:
	default:
	}
}

// settle starts the bots that are missing and ends those whose installation is gone.
func (f *Fleet) settle(ctx context.Context) {
	there := map[agent.WorkspaceID]bool{}
	for _, t := range f.Installed.tenants() {
		there[t.Workspace] = true
		f.mu.Lock()
		b := f.bots[t.Workspace]
		f.mu.Unlock()
		// One that ended by itself is tried again when its credentials are others.
		if b != nil && (b.bot.Directory != t.dir || b.ended() && b.Token != t.Token) {
			b.end()
			b = nil
		}
		if b == nil {
			f.start(ctx, t)
		}
	}
	f.mu.Lock()
	var gone []*berth
	for ws, b := range f.bots {
		if !there[ws] {
			gone = append(gone, b)
			delete(f.bots, ws)
		}
	}
	f.mu.Unlock()
	for _, b := range gone {
		b.end()
	}
}

func (b *berth) ended() bool {
	select {
	case <-b.done:
		return true
	default:
		return false
	}
}

func (b *berth) end() {
	b.stop()
	<-b.done
}

// start makes the bot of an installation and lets it run.
func (f *Fleet) start(ctx context.Context, t tenant) {
	c := f.Bot
	c.Workspace, c.Directory, c.Token, c.AppToken, c.Routed, c.Expired = t.Workspace, t.dir, t.token, "", true, f.rouse
	bot, err := New(c)
	if err != nil {
		f.Bot.Log.ErrorContext(ctx, "slack: a workspace has no bot", slog.String("team", t.Team), slog.Any("err", err))
		return
	}
	ctx, stop := context.WithCancel(ctx)
	b := &berth{Installation: t.Installation, bot: bot, stop: stop, done: make(chan struct{})}
	f.mu.Lock()
	f.bots[t.Workspace] = b
	f.mu.Unlock()
	f.busy.Go(func() {
		defer close(b.done)
		err := bot.Run(ctx)
		if err == nil {
			return
		}
		f.mu.Lock()
		b.trouble = agent.PublicText(err)
		f.mu.Unlock()
		f.left(ctx, b, err)
	})
}

// left notes that a bot was shown the door: when the app was taken out of its
// workspace its credentials go, and nothing of any other workspace.
func (f *Fleet) left(ctx context.Context, b *berth, err error) {
	why := code(err)
	f.Bot.Log.WarnContext(ctx, "slack: out of a workspace", slog.String("team", b.Team), slog.String("why", why))
	switch why {
	case "app_uninstalled", "token_revoked", "account_inactive":
	default:
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
	defer cancel()
	if err := f.Installs.Uninstall(ctx, b.Workspace, system, b.Team, why); err != nil {
		f.Bot.Log.ErrorContext(ctx, "slack: credentials of a workspace that is gone are still kept", slog.String("team", b.Team), slog.Any("err", err))
		return
	}
	f.rouse()
}

// Standing is how the app is in one of its workspaces.
type Standing struct {
	install.Installation
	// Trouble says why it does not work there, "" when it does.
	Trouble string
}

// Standings lists the installations, oldest first.
func (f *Fleet) Standings() []Standing {
	var all []Standing
	for _, i := range f.Installed.List() {
		s := Standing{Installation: i}
		f.mu.Lock()
		if b := f.bots[i.Workspace]; b != nil {
			s.Trouble = b.trouble
		}
		f.mu.Unlock()
		all = append(all, s)
	}
	return all
}

// Remind implements loop.Notifier in all workspaces.
func (f *Fleet) Remind(ctx context.Context, r loop.Reminder) error {
	f.mu.Lock()
	b := f.bots[r.Approval.Workspace]
	f.mu.Unlock()
	if b == nil {
		return nil
	}
	return b.bot.Remind(ctx, r)
}

// Workspaces are whose turns come of the installations.
func (f *Fleet) Workspaces() []agent.WorkspaceID {
	var all []agent.WorkspaceID
	for _, i := range f.Installed.List() {
		all = append(all, i.Workspace)
	}
	return all
}

// address is what a delivery says of where it comes from.
type address struct {
	Type       string `json:"type"`
	TeamID     string `json:"team_id"`
	Enterprise orID   `json:"enterprise"`
	Org        string `json:"enterprise_id"`
	Team       orID   `json:"team"`
	// Authorizations name the installation an event is for.
	Authorizations []authorization `json:"authorizations"`
}

// orID is an object with an id, or nothing.
type orID struct {
	ID string `json:"id"`
}

// addressee finds the bot a delivery is for: that of the workspace, or else that of
// its organisation; nil when there is none.
func (f *Fleet) addressee(a address) *Bot {
	candidates := []authorization{{Team: or(a.TeamID, a.Team.ID), Enterprise: or(a.Org, a.Enterprise.ID)}}
	// An event of a shared channel is another company's, and for us all the same.
	candidates = append(a.Authorizations[:len(a.Authorizations):len(a.Authorizations)], candidates...)
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, c := range candidates {
		for _, id := range []string{c.Team, c.Enterprise} {
			if id == "" {
				continue
			}
			if b := f.bots[WorkspaceOf(id)]; b != nil && !b.ended() {
				return b.bot
			}
		}
	}
	return nil
}

// known reports whether the store says that the app is installed where a delivery
// comes from.
func (f *Fleet) known(a address) bool {
	for _, id := range []string{a.TeamID, a.Team.ID, a.Org, a.Enterprise.ID} {
		if _, ok := f.Installed.tenant(WorkspaceOf(id)); ok && id != "" {
			return true
		}
	}
	return false
}

// serve hands a delivery over HTTP to the bot it is for, which checks it.
func (f *Fleet) serve(w http.ResponseWriter, r *http.Request, kind string) {
	body, ok := readBody(w, r)
	if !ok {
		return
	}
	if err := verified(f.Bot.SigningSecret, f.Bot.Clock(), r.Header, body); err != nil {
		f.Bot.Log.WarnContext(r.Context(), "slack: a request was refused", slog.String("kind", kind), slog.Any("err", err))
		http.Error(w, "refused", http.StatusUnauthorized)
		return
	}
	plain, err := unwrap(kind, body)
	var a address
	var challenge struct {
		Challenge string `json:"challenge"`
	}
	if err == nil {
		err = json.Unmarshal(plain, &a)
	}
	bot := f.addressee(a)
	switch {
	case err != nil:
		if f.keep(r.Context(), kind, plain, err) != nil {
			http.Error(w, "try again", http.StatusServiceUnavailable)
		}
	case kind == kindEvents && a.Type == "url_verification":
		_ = json.Unmarshal(plain, &challenge)
		reply(w, map[string]string{"challenge": challenge.Challenge})
	case bot != nil:
		r.Body = io.NopCloser(bytes.NewReader(body))
		bot.serve(w, r, kind)
	case f.known(a):
		// Its bot is on its way, or in trouble; Slack comes again.
		http.Error(w, "try again", http.StatusServiceUnavailable)
	default:
		f.Bot.Log.WarnContext(r.Context(), "slack: a delivery of a workspace without an installation", slog.String("kind", kind), slog.String("team", or(a.TeamID, a.Team.ID)))
		if kind == kindCommands {
			reply(w, said("Sous is not installed in this workspace any more."))
		}
	}
}

// within hands a delivery by Socket Mode to the bot it is for.
func (f *Fleet) within(ctx context.Context, kind string, body []byte) (any, error) {
	var a address
	if err := json.Unmarshal(body, &a); err != nil {
		return nil, errors.Join(errUnreadable, err)
	}
	switch bot := f.addressee(a); {
	case bot != nil:
		return bot.within(ctx, kind, body)
	case f.known(a):
		return nil, agent.Errorf(agent.Unavailable, "the bot of this workspace is not there yet")
	}
	f.Bot.Log.WarnContext(ctx, "slack: a delivery of a workspace without an installation", slog.String("kind", kind), slog.String("team", or(a.TeamID, a.Team.ID)))
	return nil, nil
}

func (f *Fleet) keep(ctx context.Context, kind string, body []byte, why error) error {
	err := f.Bot.Unread.Keep(ctx, kind, body, why)
	f.Bot.Log.WarnContext(ctx, "slack: a delivery could not be read", slog.String("kind", kind), slog.Any("err", why), slog.Bool("kept", err == nil))
	return err
}

// apiURL is the base of the Web API, as slack-go's OAuth takes it.
func (f *Fleet) apiURL() slack.OAuthOption {
	if f.Bot.APIURL == "" {
		return slack.OAuthOptionAPIURL(slack.APIURL)
	}
	return slack.OAuthOptionAPIURL(slashed(f.Bot.APIURL))
}
