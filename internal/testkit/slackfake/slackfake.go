// Package slackfake is a strict stand-in for Slack on 127.0.0.1: the Web API
// methods Sous uses, the Events API and interactions over HTTP and Socket Mode,
// signed and redelivered until they are acknowledged. What Slack would refuse it
// refuses with Slack's own error codes. Tests drive it as people would.
package slackfake

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/sous-hq/sous/internal/testkit/memnet"
)

// Config says what the fake workspace is like. Zero fields have defaults.
type Config struct {
	// Team and BotUser are the ids of the workspace and of the app's bot.
	Team, BotUser string
	// BotToken, AppToken and SigningSecret are the app's credentials, ConfigToken
	// that of the person who makes and changes apps.
	BotToken, AppToken, SigningSecret, ConfigToken string
	// ClientID and ClientSecret are those of its installation by OAuth, Redirects the
	// addresses people may be sent back to from it.
	ClientID, ClientSecret string
	Redirects              []string
	// Name is the workspace's. Enterprise is the organisation it belongs to, and Org
	// says that the app is installed for that as a whole.
	Name, Enterprise string
	Org              bool
	// Rotate makes the tokens of an installation end after TokenFor; Slack's own end
	// after twelve hours.
	Rotate   bool
	TokenFor time.Duration
	// Scopes are those the bot token has; nil means all that the fake knows.
	Scopes []string
	// Retries are the pauses before the second, third and fourth delivery; Slack's
	// own are none, a minute and five.
	Retries []time.Duration
	// AckWithin is how long an acknowledgement may take; Slack's own is 3 s.
	AckWithin time.Duration
	// StreamFor is how long a stream may be open; Slack's own is about 5 minutes.
	StreamFor time.Duration
	// Free says that the workspace pays nothing, so that it has no lists.
	Free bool
	// Pace is how long a channel rests from a post, and Burst how many it takes while
	// it does, 0 meaning one; what is more is refused as ratelimited. A Pace of 0 means
	// no limit. Slack's own are a second and a number it does not tell.
	Pace  time.Duration
	Burst int
	// Clock is the fake's time.
	Clock func() time.Time
	// Net is the network it is on, as Host or slack.fake:80; nil is the loopback.
	Net  *memnet.Net
	Host string
	// Forgetful keeps no list of calls and deliveries, for long runs.
	Forgetful bool
	// Observe sees every answer of the Web API.
	Observe func(method string, answer []byte)
}

// User is a person or bot of the workspace, or of another one.
type User struct {
	ID, Name, RealName, Team, TZ           string
	Restricted, UltraRestricted, Bot, Gone bool
	Stranger                               bool
	// Enterprise is the organisation the account belongs to.
	Enterprise string
}

// Channel is a place. Members are user ids; the bot is a member where it is named.
type Channel struct {
	ID, Name                            string
	IM, MPIM, Private, ExtShared, Other bool
	Members                             []string
}

// Group is a user group.
type Group struct {
	ID, Handle, Name string
	Members          []string
	// Locked says that only administrators change it, IDP that an identity
	// provider does.
	Locked, IDP bool
	// External groups are another company's, Gone ones were disabled.
	External, Gone bool
}

// Server is the fake. Close it at the end.
type Server struct {
	Config
	http *httptest.Server
	ids  counter

	mu       sync.Mutex
	users    map[string]User
	channels map[string]*Channel
	groups   []Group
	messages map[string][]*Message
	files    map[string]*File
	views    map[string]*View
	status   map[string]string
	prompts  map[string][]string
	titles   map[string]string
	failures map[string][]Failure
	down     bool
	out      string
	calls    []Call
	// rested is when a channel has rested from all posts.
	rested   map[string]time.Time
	triggers map[string]time.Time
	uploads  map[string]*File
	apps     map[string]json.RawMessage
	sessions map[string]session

	documents []*Document
	grants    grants
	// others are the workspaces that are reached at the same address.
	others []*Server

	app      string
	client   *http.Client
	socket   bool
	sockets  []*socket
	tickets  map[string]bool
	delivery []Delivery
	pending  sync.WaitGroup
	stop     chan struct{}
	once     sync.Once
}

// counter hands out numbers.
type counter struct {
	mu sync.Mutex
	n  int
}

func (c *counter) next() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.n++
	return c.n
}

// Call is one request to the Web API with the code it was answered with, "ok" or
// an error.
type Call struct {
	Method, Result string
	Args           map[string]any
	At             time.Time
}

// Failure makes a method fail instead of doing what it should.
type Failure struct {
	// Status is an HTTP status; RetryAfter goes with 429.
	Status     int
	RetryAfter int
	// Error is Slack's error code, when Status is 0.
	Error string
	// Lost lets the effect happen and drops the connection before the answer.
	Lost bool
}

// New starts a fake.
func New(c Config) *Server {
	set := func(s *string, v string) {
		if *s == "" {
			*s = v
		}
	}
	set(&c.Team, "T00000001")
	set(&c.BotUser, "U0000BOT1")
	set(&c.Name, "Fake")
	set(&c.Host, "slack.fake:80")
	set(&c.BotToken, "xoxb-fake-bot-token")
	set(&c.AppToken, "xapp-fake-app-token")
	set(&c.SigningSecret, "fake-signing-secret")
	set(&c.ClientID, "1111111111.2222222222")
	set(&c.ClientSecret, "fake-client-secret")
	set(&c.ConfigToken, "xoxe.xoxp-fake-config-token")
	if c.Scopes == nil {
		c.Scopes = AllScopes()
	}
	if c.Retries == nil {
		c.Retries = []time.Duration{0, 50 * time.Millisecond, 250 * time.Millisecond}
	}
	if c.AckWithin == 0 {
		c.AckWithin = 3 * time.Second
	}
	if c.TokenFor == 0 {
		c.TokenFor = lifetime
	}
	if c.StreamFor == 0 {
		c.StreamFor = 5 * time.Minute
	}
	if c.Clock == nil {
		c.Clock = time.Now
	}
	s := &Server{
		Config: c, users: map[string]User{}, channels: map[string]*Channel{}, messages: map[string][]*Message{},
		files: map[string]*File{}, views: map[string]*View{}, status: map[string]string{}, prompts: map[string][]string{},
		titles: map[string]string{}, failures: map[string][]Failure{}, rested: map[string]time.Time{},
		triggers: map[string]time.Time{}, uploads: map[string]*File{}, apps: map[string]json.RawMessage{}, sessions: map[string]session{}, tickets: map[string]bool{}, stop: make(chan struct{}),
		client: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }},
	}
	s.AddUser(User{ID: c.BotUser, Name: "sous", RealName: "Sous", Bot: true})
	if c.Net == nil {
		// The handlers read s.http: it is set before the first of them can run.
		s.http = httptest.NewUnstartedServer(s.routes())
		s.http.Start()
	} else {
		s.http = c.Net.Serve(c.Host, s.routes())
		s.client.Transport = &http.Transport{MaxIdleConnsPerHost: 64, DialContext: c.Net.DialContext}
	}
	return s
}

// Close ends the fake and waits for deliveries under way.
func (s *Server) Close() {
	s.once.Do(func() {
		close(s.stop)
		s.mu.Lock()
		open := slices.Clone(s.sockets)
		s.mu.Unlock()
		for _, c := range open {
			c.close()
		}
		s.pending.Wait()
		s.client.CloseIdleConnections()
		s.http.CloseClientConnections()
		s.http.Close()
	})
}

// URL is the base of the Web API, with a slash at its end.
func (s *Server) URL() string { return s.http.URL + "/api/" }

// AddUser adds or replaces a person.
func (s *Server) AddUser(u User) {
	if u.Team == "" {
		u.Team = s.Team
	}
	if u.Name == "" {
		u.Name = strings.ToLower(u.ID)
	}
	if u.RealName == "" {
		u.RealName = u.Name
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.users[u.ID] = u
}

// AddChannel adds or replaces a channel.
func (s *Server) AddChannel(c Channel) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c.Members = slices.Clone(c.Members)
	s.channels[c.ID] = &c
}

// AddGroup adds a user group.
func (s *Server) AddGroup(g Group) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.groups = slices.DeleteFunc(s.groups, func(o Group) bool { return o.ID == g.ID })
	s.groups = append(s.groups, g)
}

// Fail makes the next calls of a method fail, one failure each; method "" means any.
func (s *Server) Fail(method string, f ...Failure) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.failures[method] = append(s.failures[method], f...)
}

// Down makes every call fail with 503 until it is called with false.
func (s *Server) Down(down bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.down = down
}

// TurnOut makes every call of the bot fail with a code such as token_revoked, until it
// is called with none.
func (s *Server) TurnOut(code string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.out = code
}

// Calls lists the requests to a method so far; "" means all.
func (s *Server) Calls(method string) []Call {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []Call
	for _, c := range s.calls {
		if method == "" || c.Method == method {
			all = append(all, c)
		}
	}
	return all
}

// Forget removes a thread. What is posted to it afterwards is refused.
func (s *Server) Forget(channel, root string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.messages[channel] = slices.DeleteFunc(s.messages[channel], func(m *Message) bool { return m.Root() == root })
	delete(s.status, channel+"/"+root)
}

// Status is the status line of a thread, "" when there is none.
func (s *Server) Status(channel, thread string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.status[channel+"/"+thread]
}

// Prompts are the suggested prompts of a thread or of the messages tab.
func (s *Server) Prompts(channel, thread string) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.prompts[channel+"/"+thread])
}

// ts returns a fresh message timestamp; the lock is held.
func (s *Server) ts() string {
	return fmt.Sprintf("%d.%06d", s.Clock().Unix(), s.ids.next())
}

// dm returns the DM channel of a user with the bot, making it when it is new; the
// lock is held.
func (s *Server) dm(user string) *Channel {
	for _, c := range s.channels {
		if c.IM && slices.Contains(c.Members, user) {
			return c
		}
	}
	c := &Channel{ID: "D" + strings.TrimPrefix(user, "U"), IM: true, Members: []string{user, s.BotUser}}
	s.channels[c.ID] = c
	return c
}

// DM returns the id of a user's DM channel with the bot.
func (s *Server) DM(user string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.dm(user).ID
}
