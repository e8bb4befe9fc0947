package main

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sous-hq/sous/internal/datadir"
	"github.com/sous-hq/sous/internal/testkit/slackfake"
)

// office is a Slack workspace and one data directory of Sous, over which one
// process after another works. Ann asks; nobody else is needed.
type office struct {
	*slackfake.Server
	data   string
	token  string
	socket bool
	dm     string
	// many says that the app is installed by its own page.
	many bool

	mu   sync.Mutex
	cmd  *exec.Cmd
	gone chan struct{}
	said bytes.Buffer
	// onCall sees the answers of the Web API before they are sent.
	onCall func(method string, answer []byte)
}

// The person who asks and the channel that hears of it.
const ann, team = "U0ANN", "C0TEAM"

func newOffice(t *testing.T, socket bool) *office {
	t.Helper()
	o := &office{data: t.TempDir(), socket: socket}
	o.Server = slackfake.New(slackfake.Config{
		// Long enough for a process to end and another to begin.
		Retries: []time.Duration{50 * time.Millisecond, 200 * time.Millisecond, 500 * time.Millisecond, time.Second, 2 * time.Second, 5 * time.Second},
		Scopes:  botScopes(t),
		Observe: func(method string, answer []byte) {
			o.mu.Lock()
			f := o.onCall
			o.mu.Unlock()
			if f != nil {
				f(method, answer)
			}
		},
	})
	t.Cleanup(o.Close)
	for id, name := range map[string]string{ann: "Ann Archer", "U0BOB": "Bob Brown"} {
		o.AddUser(slackfake.User{ID: id, RealName: name})
	}
	o.AddChannel(slackfake.Channel{ID: team, Name: "team", Members: []string{ann, "U0BOB", o.BotUser}})
	o.dm, o.token = o.DM(ann), o.BotToken
	if socket {
		o.UseSocket()
	}
	t.Cleanup(o.kill)
	return o
}

// botScopes are those of the app's manifest: it gets no other.
func botScopes(t *testing.T) []string {
	t.Helper()
	raw, err := os.ReadFile("../../deploy/slack/manifest.json")
	if err != nil {
		t.Fatal(err)
	}
	var m struct {
		OAuth struct {
			Scopes struct {
				Bot      []string
				Optional []string `json:"bot_optional"`
			}
		} `json:"oauth_config"`
	}
	if err := json.Unmarshal(raw, &m); err != nil || len(m.OAuth.Scopes.Bot) == 0 {
		t.Fatalf("the manifest's scopes: %v", err)
	}
	return append(m.OAuth.Scopes.Bot, m.OAuth.Scopes.Optional...)
}

// serve starts a process that is in Slack.
func (o *office) serve(t *testing.T, crash string) {
	t.Helper()
	cmd := exec.Command(os.Args[0], "serve", "--listen", "127.0.0.1:0")
	cmd.Env = append(os.Environ(), beSous+"=1", crashAt+"="+crash, slackPace+"=1ms", "SOUS_DATA="+o.data, "HOME="+o.data, "OPENAI_API_KEY=", "OPENAI_BASE_URL=",
		"SLACK_BOT_TOKEN="+o.token, "SLACK_API_URL="+o.URL())
	if o.many {
		cmd.Env = append(cmd.Env, "SLACK_BOT_TOKEN=")
		cmd.Env = append(cmd.Env, o.manyEnv()...)
	}
	if o.socket {
		cmd.Env = append(cmd.Env, "SLACK_APP_TOKEN="+o.AppToken)
	} else {
		cmd.Env = append(cmd.Env, "SLACK_SIGNING_SECRET="+o.SigningSecret)
	}
	cmd.Dir = t.TempDir()
	o.mu.Lock()
	out := lockedWriter{&o.mu, &o.said}
	cmd.Stdout, cmd.Stderr = out, out
	err := cmd.Start()
	gone := make(chan struct{})
	o.cmd, o.gone = cmd, gone
	o.mu.Unlock()
	if err != nil {
		close(gone)
		t.Error(err)
		return
	}
	go func() { _ = cmd.Wait(); close(gone) }()
	for deadline := time.Now().Add(40 * time.Second); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		select {
		case <-gone:
			return // it was to crash at once
		default:
		}
		if h, ok := datadir.Who(o.data); ok && h.URL != "" && h.PID == cmd.Process.Pid {
			if !o.socket {
				o.Connect(strings.TrimSuffix(h.URL, "/"))
			}
			return
		}
	}
	t.Error("the process did not announce an address")
}

// lockedWriter is a buffer that is read while a process writes to it.
type lockedWriter struct {
	mu *sync.Mutex
	to *bytes.Buffer
}

func (w lockedWriter) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.to.Write(p)
}

// kill ends the process without warning.
func (o *office) kill() {
	o.mu.Lock()
	cmd, gone := o.cmd, o.gone
	o.mu.Unlock()
	if cmd != nil {
		_ = cmd.Process.Kill()
		<-gone
	}
}

// until waits for something to become true.
func (o *office) until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(40 * time.Second); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			var shown []string
			for _, m := range o.Channel(o.dm) {
				shown = append(shown, m.Shown())
			}
			o.mu.Lock()
			defer o.mu.Unlock()
			t.Fatalf("waited in vain for %s; the process said:\n%s\nSlack shows:\n%s", what, o.said.String(), strings.Join(shown, "\n----\n"))
		}
	}
}

// message waits for a message of Sous in the thread that holds the words.
func (o *office) message(t *testing.T, root, words string) (found slackfake.Message) {
	t.Helper()
	o.until(t, words, func() bool {
		for _, m := range o.Thread(o.dm, root) {
			if m.User == o.BotUser && !m.Streaming && strings.Contains(m.Shown(), words) {
				found = m
				return true
			}
		}
		return false
	})
	return found
}

// drop hands a transcript over and asks for minutes and tickets.
func (o *office) drop() string {
	return o.Post(ann, o.dm, "Summarise this meeting and open tickets for the action items", slackfake.Said{
		Files: []slackfake.Drop{{Name: "planning.txt", Content: meeting}},
	})
}

// published are the messages with the minutes in the team's channel.
func (o *office) published() (all []slackfake.Message) {
	for _, m := range o.Channel(team) {
		if strings.Contains(string(m.Blocks), `"sous_mine"`) {
			all = append(all, m)
		}
	}
	return all
}

// publish sends the draft to the team by the form of its card, again when that was lost.
func (o *office) publish(t *testing.T, root string) {
	t.Helper()
	o.message(t, root, "This is a draft of the minutes")
	o.until(t, "published minutes", func() bool {
		for _, m := range o.Thread(o.dm, root) {
			for _, b := range m.Buttons() {
				if b.ActionID == "sous_publish_more" && o.Press(ann, m, b).Status == 200 {
					o.send(map[string]string{"where": team, "forms": "message"})
				}
			}
		}
		return len(o.published()) > 0
	})
}

// send fills the newest form and sends it.
func (o *office) send(values map[string]string) {
	var newest slackfake.View
	for _, v := range o.Modals() {
		if v.ID > newest.ID {
			newest = v
		}
	}
	if newest.ID == "" {
		return
	}
	in := map[string]map[string]string{}
	for field, value := range values {
		in[field] = map[string]string{"value": value}
	}
	o.Submit(ann, newest, in)
}

// approve presses the one button for all, again when the press was lost.
func (o *office) approve(t *testing.T, root string) {
	t.Helper()
	o.until(t, "a yes that is taken", func() bool {
		for _, m := range o.Thread(o.dm, root) {
			for _, b := range m.Buttons() {
				if b.ActionID == "sous_approve_all" {
					return o.Press(ann, m, b).Status == 200
				}
			}
		}
		return false
	})
}

// settled checks what the job must have come to, however often the process ended:
// minutes, links to two tickets, one answer, no button left, nothing said twice.
func (o *office) settled(t *testing.T, root string) {
	t.Helper()
	changes := o.message(t, root, "What I changed")
	if n := len(o.published()); n != 1 {
		t.Errorf("the minutes stand %d times in the channel", n)
	}
	for _, id := range []string{"T-1", "T-2"} {
		if !strings.Contains(changes.Shown(), "/tickets/"+id+"|") {
			t.Errorf("no link to %s:\n%s", id, changes.Shown())
		}
	}
	open := func() (left []string) {
		for _, m := range o.Thread(o.dm, root) {
			for _, b := range m.Buttons() {
				if strings.HasPrefix(b.ActionID, "sous_approve") {
					left = append(left, b.ActionID)
				}
			}
		}
		return left
	}
	o.until(t, "cards without buttons", func() bool { return len(open()) == 0 })
	keys := map[string]int{}
	for _, m := range o.Thread(o.dm, root) {
		if m.User == o.BotUser {
			key, _ := m.Metadata.EventPayload["key"].(string)
			keys[key]++
		}
	}
	answers := 0
	for key, n := range keys {
		if n != 1 || key == "" {
			t.Errorf("%d messages with the key %q", n, key)
		}
		if strings.HasSuffix(key, "/answer/0") {
			answers++
		}
	}
	if answers != 1 || keys[""] != 0 {
		t.Errorf("%d answers, %d messages without a key", answers, keys[""])
	}
	if n := countTickets(t, o.data); n != 2 {
		t.Errorf("%d tickets; want 2", n)
	}
	checked(t, o.data)
	for _, c := range o.Calls("") {
		if c.Result != "ok" && c.Result != "Service Unavailable" {
			t.Errorf("Slack answered %s with %s", c.Method, c.Result)
		}
	}
}

func transports() map[string]bool { return map[string]bool{"HTTP": false, "Socket Mode": true} }

func TestInSlackATranscriptBecomesReviewedMinutesAndByOneYesTickets(t *testing.T) {
	for name, socket := range transports() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := newOffice(t, socket)
			o.serve(t, "")
			root := o.drop()
			minutes := o.message(t, root, "Minutes:")
			for _, words := range []string{"firmware release notes", "spare displays", "Who will train the cooks"} {
				if !strings.Contains(minutes.Shown(), words) {
					t.Errorf("the minutes lack %q:\n%s", words, minutes.Shown())
				}
			}
			o.publish(t, root)
			o.approve(t, root)
			o.settled(t, root)
			out, err := sous(t, o.data, "", "audit", "verify")
			if err != nil {
				t.Errorf("the record does not verify: %v\n%s", err, out)
			}
		})
	}
}

func TestATokenThatSlackRefusesCostsTheWebChatNothing(t *testing.T) {
	t.Parallel()
	o := newOffice(t, false)
	o.token = "xoxb-of-an-app-that-is-gone"
	o.serve(t, "")
	o.until(t, "word of it", func() bool {
		o.mu.Lock()
		defer o.mu.Unlock()
		return strings.Contains(o.said.String(), "slack is off until the next start")
	})
	if out, err := sous(t, o.data, "", "ask", "what can you do?"); err != nil || !strings.Contains(out, "ticket") {
		t.Errorf("the rest does not work: %v\n%s", err, out)
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if strings.Contains(o.said.String(), o.token) {
		t.Error("the token is in the log")
	}
}
