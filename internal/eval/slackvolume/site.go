package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/sous-hq/sous/internal/datadir"
	"github.com/sous-hq/sous/internal/testkit/slackfake"
)

// site is one Sous in one Slack, by both transports.
type site struct {
	slack *slackfake.Server
	url   string
	data  string

	cmd  *exec.Cmd
	gone chan error
	mu   sync.Mutex
	log  bytes.Buffer
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

// patience is how long something may take before it counts as lost.
const patience = 5 * time.Minute

func start(ctx context.Context, binary, dir string) (*site, error) {
	s := &site{slack: slackfake.New(slackfake.Config{Pace: 900 * time.Millisecond}), data: filepath.Join(dir, "data"), gone: make(chan error, 1)}
	policy := filepath.Join(dir, "rules.cedar")
	if err := os.WriteFile(policy, []byte(rules), 0o600); err != nil {
		return nil, err
	}
	s.cmd = exec.Command(binary, "serve", "--listen", "127.0.0.1:0")
	for _, kv := range os.Environ() {
		if name, _, _ := strings.Cut(kv, "="); !strings.HasPrefix(name, "SOUS_") && !strings.HasPrefix(name, "OPENAI_") && !strings.HasPrefix(name, "SLACK_") {
			s.cmd.Env = append(s.cmd.Env, kv)
		}
	}
	s.cmd.Env = append(s.cmd.Env, "SOUS_DATA="+s.data, "SOUS_POLICY="+policy, "SLACK_BOT_TOKEN="+s.slack.BotToken, "SLACK_APP_TOKEN="+s.slack.AppToken,
		"SLACK_SIGNING_SECRET="+s.slack.SigningSecret, "SLACK_API_URL="+s.slack.URL())
	s.cmd.Stdout, s.cmd.Stderr = s, s
	if err := s.cmd.Start(); err != nil {
		return nil, err
	}
	go func() { s.gone <- s.cmd.Wait() }()
	err := s.until(ctx, "an address and two sockets", func() bool {
		if h, ok := datadir.Who(s.data); ok {
			s.url = strings.TrimSuffix(h.URL, "/")
		}
		return s.url != "" && s.slack.Sockets() == 2
	})
	return s, err
}

// Write takes what the process says.
func (s *site) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.log.Write(p)
}

// panics counts what the process says of them; one that ended of it counts too.
func (s *site) panics() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := strings.Count(s.log.String(), "panic")
	select {
	case err := <-s.gone:
		s.gone <- err
		return n + 1
	default:
		return n
	}
}

func (s *site) stop() error {
	defer s.slack.Close()
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	select {
	case err := <-s.gone:
		return err
	case <-time.After(30 * time.Second):
		return errors.Join(errors.New("the process did not stop"), s.cmd.Process.Kill())
	}
}

// until waits for something to become true.
func (s *site) until(ctx context.Context, what string, ok func() bool) error {
	for deadline := time.Now().Add(patience); !ok(); {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case err := <-s.gone:
			s.gone <- err
			return fmt.Errorf("the process ended: %w", err)
		case <-time.After(20 * time.Millisecond):
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
func (s *site) send(ctx context.Context, client *http.Client, r request) (int, error) {
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

// mention has a person mention Sous in a channel of their own and returns the event,
// undelivered.
func (s *site) mention(channel, user, text string) (root string, body []byte) {
	s.slack.AddUser(slackfake.User{ID: user, RealName: "Person " + user})
	s.slack.AddChannel(slackfake.Channel{ID: channel, Name: strings.ToLower(channel), Members: []string{user, s.slack.BotUser}})
	text = "<@" + s.slack.BotUser + "> " + text
	s.slack.Connect("")
	root = s.slack.Post(user, channel, text)
	_, body = s.slack.Event(map[string]any{"type": "app_mention", "user": user, "text": text, "ts": root, "channel": channel, "event_ts": root})
	return root, body
}

// answers counts the messages of Sous that are the answer in a thread.
func (s *site) answers(channel, root string) (n int) {
	for _, m := range s.slack.Thread(channel, root) {
		if key, _ := m.Metadata.EventPayload["key"].(string); strings.HasSuffix(key, "/answer/0") {
			n++
		}
	}
	return n
}
