// Package slackload puts real Sous processes into the fake Slack, by both
// transports, and makes it hard for them: the same events many times over, many
// people who press at once, requests that are not Slack's, many mentions at once.
// It says what came of each; tests take little of it, `make eval-slack` much.
package slackload

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/sous-hq/sous/internal/datadir"
	"github.com/sous-hq/sous/internal/testkit/slackfake"
)

// Options say what a site is made of.
type Options struct {
	// Command returns a sous process with these arguments, not started. What
	// environment it has is kept, less the settings of Sous, Slack and the model.
	Command func(args ...string) *exec.Cmd
	// Dir is a folder for what the processes keep; short, since sockets are in it.
	Dir string
	// N is how many processes there are; more than one need a Database.
	N int
	// Database is PostgreSQL's URL; "" is the file of the one process.
	Database string
	// Settings are further variables of the processes, such as SOUS_DEBUG_LISTEN.
	Settings []string
	// Confirmed has whoever asks for a ticket decide about it, and no group.
	Confirmed bool
	// Quiet is how long nothing more must come before answers are counted.
	Quiet time.Duration
}

// Site is some Sous processes in one Slack. HTTP goes to each in turn, and each has
// sockets of its own.
type Site struct {
	Options
	slack *slackfake.Server
	all   []*process
	// url is where HTTP goes.
	url      string
	balancer *httptest.Server
	// serial keeps what the parts make apart.
	serial int
}

type process struct {
	data, url string
	cmd       *exec.Cmd
	gone      chan struct{}
	err       error
	mu        sync.Mutex
	log       bytes.Buffer
}

// rules let a group decide about tickets, so that several people may press.
const rules = `
@id("reads-run") @reason("It changes nothing.")
permit (principal, action == Action::"run", resource) when { context.tier == 0 };

@id("tickets-ask-finance") @approvers("finance") @reason("Finance decides about tickets.")
permit (principal, action == Action::"ask", resource in Family::"ticket") when { context.tier > 0 };

@id("members-decide") @reason("Members decide.")
permit (principal, action == Action::"approve", resource);
`

// confirmed lets whoever asks for a ticket decide about it.
const confirmed = `
@id("reads-run") @reason("It changes nothing.")
permit (principal, action == Action::"run", resource) when { context.tier == 0 };

@id("tickets-ask-who-asks") @confirm("requester") @reason("Whoever asks for a ticket confirms it.")
permit (principal, action == Action::"ask", resource in Family::"ticket") when { context.tier > 0 };

@id("members-decide") @reason("Members decide.")
permit (principal, action == Action::"approve", resource);
`

// patience is how long something may take before it counts as lost.
const patience = 5 * time.Minute

// Start starts the processes, one after the other.
func Start(ctx context.Context, o Options) (*Site, error) {
	s := &Site{Options: o, slack: slackfake.New(slackfake.Config{Pace: 900 * time.Millisecond, Burst: 3})}
	policy := rules
	if o.Confirmed {
		policy = confirmed
	}
	if err := os.WriteFile(filepath.Join(o.Dir, "rules.cedar"), []byte(policy), 0o600); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	for i := range o.N {
		if err := s.begin(ctx, i); err != nil {
			return nil, errors.Join(err, s.Close())
		}
	}
	s.url = s.all[0].url
	if o.N > 1 {
		if err := s.balance(); err != nil {
			return nil, errors.Join(err, s.Close())
		}
	}
	return s, nil
}

// balance puts what takes requests and hands them to each process in turn.
func (s *Site) balance() error {
	var proxies []*httputil.ReverseProxy
	for _, p := range s.all {
		to, err := url.Parse(p.url)
		if err != nil {
			return err
		}
		proxies = append(proxies, httputil.NewSingleHostReverseProxy(to))
	}
	var n atomic.Uint64
	s.balancer = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		proxies[n.Add(1)%uint64(len(proxies))].ServeHTTP(w, r)
	}))
	s.url = s.balancer.URL
	return nil
}

// begin starts process i, for the first time or anew where it was.
func (s *Site) begin(ctx context.Context, i int) error {
	p := &process{data: filepath.Join(s.Dir, fmt.Sprint("r", i)), gone: make(chan struct{})}
	address := "127.0.0.1:0"
	if i < len(s.all) {
		address = strings.TrimPrefix(s.all[i].url, "http://")
	}
	p.cmd = s.command(p.data, "serve", "--listen", address)
	p.cmd.Stdout, p.cmd.Stderr = p, p
	if err := p.cmd.Start(); err != nil {
		return err
	}
	if i < len(s.all) {
		s.all[i] = p
	} else {
		s.all = append(s.all, p)
	}
	go func() {
		p.err = p.cmd.Wait()
		close(p.gone)
	}()
	return s.until(ctx, "an address and two sockets", func() bool {
		if h, ok := datadir.Who(p.data); ok {
			p.url = strings.TrimSuffix(h.URL, "/")
		}
		return p.url != "" && s.slack.Sockets() == 2*len(s.all)
	})
}

// command is a sous process over a data directory.
func (s *Site) command(data string, args ...string) *exec.Cmd {
	cmd := s.Command(args...)
	var env []string
	for _, kv := range cmd.Environ() {
		if name, _, _ := strings.Cut(kv, "="); !strings.HasPrefix(name, "SOUS_") && !strings.HasPrefix(name, "OPENAI_") && !strings.HasPrefix(name, "SLACK_") {
			env = append(env, kv)
		}
	}
	cmd.Env = append(env, "SOUS_DATA="+data, "SOUS_POLICY="+filepath.Join(s.Dir, "rules.cedar"), "HOME="+s.Dir, "SOUS_LOG_LEVEL=warn",
		"SLACK_BOT_TOKEN="+s.slack.BotToken, "SLACK_APP_TOKEN="+s.slack.AppToken, "SLACK_SIGNING_SECRET="+s.slack.SigningSecret, "SLACK_API_URL="+s.slack.URL())
	if s.Database != "" {
		cmd.Env = append(cmd.Env, "SOUS_DATABASE_URL="+s.Database, "SOUS_KEYS="+filepath.Join(s.Dir, "keys"))
	}
	cmd.Env, cmd.Dir = append(cmd.Env, s.Settings...), s.Dir
	return cmd
}

// Write takes what the process says.
func (p *process) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.log.Write(b)
}

// Panics counts what the processes say of them; one that ended counts too.
func (s *Site) Panics() (n int) {
	for _, p := range s.all {
		p.mu.Lock()
		n += strings.Count(p.log.String(), "panic")
		p.mu.Unlock()
		select {
		case <-p.gone:
			n++
		default:
		}
	}
	return n
}

// Log is what the processes said.
func (s *Site) Log() string {
	var b strings.Builder
	for _, p := range s.all {
		p.mu.Lock()
		b.Write(p.log.Bytes())
		p.mu.Unlock()
	}
	return b.String()
}

// Close ends the processes in order; one that does not end is killed, and an error.
func (s *Site) Close() error {
	if s.balancer != nil {
		s.balancer.Close()
	}
	var errs []error
	for _, p := range s.all {
		_ = p.cmd.Process.Signal(syscall.SIGTERM)
	}
	for _, p := range s.all {
		select {
		case <-p.gone:
			errs = append(errs, p.err)
		case <-time.After(30 * time.Second):
			errs = append(errs, errors.New("a process did not stop"), p.cmd.Process.Kill())
			<-p.gone
		}
	}
	s.slack.Close()
	return errors.Join(errs...)
}

// until waits for something to become true.
func (s *Site) until(ctx context.Context, what string, ok func() bool) error {
	for deadline := time.Now().Add(patience); !ok(); {
		select {
		case <-ctx.Done():
			return fmt.Errorf("waited in vain for %s: %w", what, ctx.Err())
		case <-time.After(20 * time.Millisecond):
		}
		for i, p := range s.all {
			select {
			case <-p.gone:
				return fmt.Errorf("process %d ended: %w", i, p.err)
			default:
			}
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("waited in vain for %s", what)
		}
	}
	return nil
}

// request is a delivery over HTTP with headers of its choice.
type request struct {
	kind string
	body []byte
	at   time.Time
	// secret signs it; "" leaves the signature out.
	secret string
	// signature is used instead of a signing when it is set.
	signature string
}

// send delivers and returns the status.
func (s *Site) send(ctx context.Context, client *http.Client, r request) (int, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.url+"/slack/"+r.kind, bytes.NewReader(r.body))
	if err != nil {
		return 0, err
	}
	if r.at.IsZero() {
		r.at = time.Now()
	}
	stamp, signature := slackfake.Sign(r.secret, r.at, r.body)
	if r.signature != "" {
		signature = r.signature
	}
	if r.secret != "" || r.signature != "" {
		req.Header.Set("X-Slack-Request-Timestamp", stamp)
		req.Header.Set("X-Slack-Signature", signature)
	}
	req.Header.Set("Content-Type", "application/json")
	if r.kind != "events" {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	resp, err := client.Do(req)
	if err != nil {
		return 0, err
	}
	_, err = io.Copy(io.Discard, resp.Body)
	return resp.StatusCode, errors.Join(err, resp.Body.Close())
}

// clientOf returns a client with so many connections at most.
func clientOf(connections int) *http.Client {
	return &http.Client{Timeout: time.Minute, Transport: &http.Transport{MaxConnsPerHost: connections, MaxIdleConnsPerHost: connections}}
}

// mention has a person mention Sous in a channel and returns the event, undelivered.
func (s *Site) mention(channel, user, text string) (root string, body []byte) {
	s.slack.AddUser(slackfake.User{ID: user, RealName: "Person " + user})
	s.slack.AddChannel(slackfake.Channel{ID: channel, Name: strings.ToLower(channel), Members: []string{user, s.slack.BotUser}})
	root, _, body = s.slack.Mention(user, channel, text)
	return root, body
}

// answers counts the messages of Sous that are the answer in a thread.
func (s *Site) answers(channel, root string) (n int) {
	for _, m := range s.slack.Thread(channel, root) {
		if key, _ := m.Metadata.EventPayload["key"].(string); strings.HasSuffix(key, "/answer/0") {
			n++
		}
	}
	return n
}

// memory is the most that one process has held so far, in MiB.
func (s *Site) memory() int { return s.status("VmHWM") }

// status is the largest value of a line of /proc/PID/status in kB, of all processes, in
// MiB (proc_pid_status(5)).
func (s *Site) status(name string) (most int) {
	for _, p := range s.all {
		status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
		if err != nil {
			continue
		}
		for line := range strings.Lines(string(status)) {
			var kib int
			if n, _ := fmt.Sscanf(line, name+": %d kB", &kib); n == 1 {
				most = max(most, kib>>10)
			}
		}
	}
	return most
}
