// Package ordeal keeps real Sous processes at work in the fake Slack, with a scripted
// model and a bank outside, while somebody makes them fail; then it counts from
// outside what became of each request: answered once, paid once, filed once, and no
// promise of the store broken. `make crash` and `make soak` are made of it.
package ordeal

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sous-hq/sous/internal/testkit/faults"
	"github.com/sous-hq/sous/internal/testkit/fleet"
	"github.com/sous-hq/sous/internal/testkit/openaifake"
	"github.com/sous-hq/sous/internal/testkit/slackfake"
)

// Options say what an ordeal is made of; Command, Dir and N are required.
type Options struct {
	// Command returns a sous process with these arguments, not started: of a build
	// with the tag "faults", or a test binary that is one.
	Command func(args ...string) *exec.Cmd
	// Dir is a folder for what the processes keep; short, since sockets are in it.
	Dir string
	// N is how many processes there are; more than one need a Database.
	N int
	// Database is PostgreSQL's URL; "" is the file of the one process.
	Database string
	// Settings are further variables of the processes.
	Settings []string
	// Seed is of everything that is left to chance here.
	Seed uint64
	// Think is how long a model's answer takes at most, Linger a bank's.
	Think, Linger time.Duration
	// Faulty answers in place of the model's script; nil never does.
	Faulty func() (openaifake.Step, bool)
	// BankVia is the way to the bank, given its address; nil is the direct one.
	BankVia func(bank string) (string, error)
	// Frozen says that processes stand still for longer than an answer is waited for:
	// then what became of an effect is for people to look at.
	Frozen bool
	// MayExpire says that a question may run out of time: then what it was about is
	// not made, and that is no loss.
	MayExpire bool
	// SocketOnly leaves HTTP out: what Slack signs is refused by a wrong clock.
	SocketOnly bool
	// Forgetful keeps no list of what the fakes were asked, for long runs.
	Forgetful bool
	// Channels is how many channels people write in; 0 means 200.
	Channels int
}

// Ordeal is a number of processes in one Slack.
type Ordeal struct {
	*fleet.Fleet

	Slack *slackfake.Server
	Model *openaifake.Server
	Bank  *faults.Bank

	o        Options
	balancer *httptest.Server
	http     *http.Transport

	mu     sync.Mutex
	random *rand.Rand
	all    []*request
	result Result
	gone   map[string]bool
}

// people are those who ask and decide, in every channel.
const people = 6

// New sets the scene; no process is started.
func New(o Options) (*Ordeal, error) {
	if o.Channels == 0 {
		o.Channels = 200
	}
	d := &Ordeal{o: o, random: rand.New(rand.NewPCG(o.Seed, 11)), gone: map[string]bool{}}
	var err error
	if d.Model, err = openaifake.Start(openaifake.Config{Default: d.think, Forgetful: o.Forgetful}); err != nil {
		return nil, err
	}
	d.Bank = faults.NewBank(o.Linger)
	d.Slack = slackfake.New(slackfake.Config{Forgetful: o.Forgetful})
	for i := range people {
		d.Slack.AddUser(slackfake.User{ID: person(i), RealName: fmt.Sprintf("Person Number%c", 'A'+i)})
	}
	for i := range o.Channels {
		c := slackfake.Channel{ID: channel(i), Name: strings.ToLower(channel(i)), Members: []string{d.Slack.BotUser}}
		for n := range people {
			c.Members = append(c.Members, person(n))
		}
		d.Slack.AddChannel(c)
	}
	bank := d.Bank.URL()
	if o.BankVia != nil {
		if bank, err = o.BankVia(bank); err != nil {
			return nil, errors.Join(err, d.Close())
		}
	}
	var listen []string
	for range o.N {
		address, err := free()
		if err != nil {
			return nil, errors.Join(err, d.Close())
		}
		listen = append(listen, address)
	}
	d.Fleet = fleet.New(fleet.Options{
		Command: func(_ int, args ...string) *exec.Cmd { return o.Command(args...) },
		URL:     o.Database, Dir: o.Dir, N: o.N, Listen: func(i int) string { return listen[i] },
		Settings: append([]string{
			"SOUS_LOG_LEVEL=error", "OPENAI_BASE_URL=" + d.Model.BaseURL(), "OPENAI_API_KEY=fake", "OPENAI_MODEL=fake-model",
			"SLACK_BOT_TOKEN=" + d.Slack.BotToken, "SLACK_APP_TOKEN=" + d.Slack.AppToken, "SLACK_SIGNING_SECRET=" + d.Slack.SigningSecret,
			"SLACK_API_URL=" + d.Slack.URL(), "SOUS_FAULT_BANK=" + bank, "SOUS_FAULT_PACE=5ms",
			"SOUS_AUDIT_CHECKPOINTS=" + filepath.Join(o.Dir, "checkpoints"),
		}, o.Settings...),
	})
	d.balance(listen)
	d.Transport(false)
	return d, nil
}

func person(i int) string  { return fmt.Sprintf("U%03dPEOPLE", i) }
func channel(i int) string { return fmt.Sprintf("C%05dPLACE", i) }

// free finds a port for a process that always comes back to it.
func free() (string, error) {
	var lc net.ListenConfig
	l, err := lc.Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}

// balance puts what takes Slack's requests before the processes, each in turn.
func (d *Ordeal) balance(listen []string) {
	d.http = &http.Transport{DisableKeepAlives: true, ResponseHeaderTimeout: 5 * time.Second}
	var n atomic.Uint64
	var proxies []*httputil.ReverseProxy
	for _, address := range listen {
		p := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: address})
		p.Transport = d.http
		p.ErrorHandler = func(w http.ResponseWriter, _ *http.Request, _ error) { w.WriteHeader(http.StatusBadGateway) }
		proxies = append(proxies, p)
	}
	d.balancer = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		proxies[n.Add(1)%uint64(len(proxies))].ServeHTTP(w, r)
	}))
}

// Transport chooses how Slack delivers from now on.
func (d *Ordeal) Transport(socket bool) {
	if socket || d.o.SocketOnly {
		d.Slack.UseSocket()
		return
	}
	d.Slack.Connect(d.balancer.URL)
}

// Close ends everything.
func (d *Ordeal) Close() error {
	var err error
	if d.Fleet != nil {
		err = d.Fleet.Close()
	}
	if d.balancer != nil {
		d.balancer.CloseClientConnections()
		d.balancer.Close()
		d.http.CloseIdleConnections()
	}
	d.Slack.Close()
	d.Bank.Close()
	d.Model.Close()
	return err
}

// chance says yes so many times in a thousand.
func (d *Ordeal) chance(perMille int) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.random.IntN(1000) < perMille
}

func (d *Ordeal) below(n int) int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.random.IntN(n)
}

// Between is a time between two others.
func (d *Ordeal) Between(from, to time.Duration) time.Duration {
	return from + time.Duration(d.below(int(to-from)+1))
}
