package slackfake_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sous-hq/sous/internal/testkit/slackfake"
)

func newFake(t *testing.T, c slackfake.Config) *slackfake.Server {
	t.Helper()
	s := slackfake.New(c)
	t.Cleanup(s.Close)
	s.AddUser(slackfake.User{ID: "U1", Name: "ann"})
	s.AddChannel(slackfake.Channel{ID: "C1", Name: "general", Members: []string{"U1", s.BotUser}})
	s.AddChannel(slackfake.Channel{ID: "C2", Name: "elsewhere", Members: []string{"U1"}})
	return s
}

// call returns the answer's error code, "" for ok, and the answer.
func call(t *testing.T, s *slackfake.Server, method, token string, form url.Values) (string, map[string]any) {
	t.Helper()
	req, err := http.NewRequest(http.MethodPost, s.URL()+method, strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Authorization", "Bearer "+token)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	out := map[string]any{}
	if err := json.NewDecoder(resp.Body).Decode(&out); err != nil {
		t.Fatal(err)
	}
	code, _ := out["error"].(string)
	return code, out
}

func TestWhatSlackRefusesIsRefusedWithItsCode(t *testing.T) {
	s := newFake(t, slackfake.Config{Scopes: []string{"chat:write", "channels:read"}})
	long := strings.Repeat("a", 40001)
	blocks := func(b string) url.Values { return url.Values{"channel": {"C1"}, "text": {"x"}, "blocks": {b}} }
	for name, tt := range map[string]struct {
		method, token string
		form          url.Values
		want          string
	}{
		"an unknown method":          {"chat.shout", s.BotToken, nil, "unknown_method"},
		"a wrong token":              {"auth.test", "xoxb-other", nil, "invalid_auth"},
		"no token":                   {"auth.test", "", nil, "not_authed"},
		"the app's token":            {"auth.test", s.AppToken, nil, "not_allowed_token_type"},
		"a scope it lacks":           {"users.info", s.BotToken, url.Values{"user": {"U1"}}, "missing_scope"},
		"a channel kind it lacks":    {"conversations.history", s.BotToken, url.Values{"channel": {"C1"}}, "missing_scope"},
		"an unknown channel":         {"chat.postMessage", s.BotToken, url.Values{"channel": {"C9"}, "text": {"x"}}, "channel_not_found"},
		"a channel it is not in":     {"chat.postMessage", s.BotToken, url.Values{"channel": {"C2"}, "text": {"x"}}, "not_in_channel"},
		"too long a text":            {"chat.postMessage", s.BotToken, url.Values{"channel": {"C1"}, "text": {long}}, "msg_too_long"},
		"nothing to say":             {"chat.postMessage", s.BotToken, url.Values{"channel": {"C1"}}, "no_text"},
		"an unknown argument":        {"chat.postMessage", s.BotToken, url.Values{"channel": {"C1"}, "text": {"x"}, "colour": {"red"}}, "invalid_arguments"},
		"a thread that is not there": {"chat.postMessage", s.BotToken, url.Values{"channel": {"C1"}, "text": {"x"}, "thread_ts": {"1.1"}}, "thread_not_found"},
		"an unknown block":           {"chat.postMessage", s.BotToken, blocks(`[{"type":"fireworks"}]`), "invalid_blocks"},
		"an input in a message":      {"chat.postMessage", s.BotToken, blocks(`[{"type":"input","label":{"type":"plain_text","text":"a"},"element":{"type":"plain_text_input"}}]`), "invalid_blocks"},
		"too long a section":         {"chat.postMessage", s.BotToken, blocks(`[{"type":"section","text":{"type":"mrkdwn","text":"` + long[:3001] + `"}}]`), "invalid_blocks"},
		"two blocks of one id":       {"chat.postMessage", s.BotToken, blocks(`[{"type":"divider","block_id":"a"},{"type":"divider","block_id":"a"}]`), "invalid_blocks"},
		"51 blocks":                  {"chat.postMessage", s.BotToken, blocks("[" + strings.TrimSuffix(strings.Repeat(`{"type":"divider"},`, 51), ",") + "]"), "invalid_blocks"},
		"a message it did not write": {"chat.update", s.BotToken, url.Values{"channel": {"C1"}, "ts": {"1.1"}, "text": {"x"}}, "message_not_found"},
		"an ephemeral for a visitor": {"chat.postEphemeral", s.BotToken, url.Values{"channel": {"C1"}, "user": {"U9"}, "text": {"x"}}, "user_not_in_channel"},
		"a trigger it never gave":    {"views.open", s.BotToken, url.Values{"trigger_id": {"1.2.3"}, "view": {`{"type":"modal"}`}}, "invalid_trigger_id"},
	} {
		t.Run(name, func(t *testing.T) {
			if got, out := call(t, s, tt.method, tt.token, tt.form); got != tt.want || out["ok"] != false {
				t.Errorf("%q; want %q (%v)", got, tt.want, out)
			}
		})
	}
	if code, _ := call(t, s, "chat.postMessage", s.BotToken, blocks(`[{"type":"divider"}]`)); code != "" {
		t.Errorf("a fine message: %s", code)
	}
}

func TestAStreamClosesAfterItsTime(t *testing.T) {
	var now atomic.Int64
	s := newFake(t, slackfake.Config{Clock: func() time.Time { return time.Unix(1800000000+now.Load(), 0) }})
	root := s.Post("U1", "C1", "hello")
	in := url.Values{"channel": {"C1"}, "thread_ts": {root}}
	if code, _ := call(t, s, "chat.startStream", s.BotToken, in); code != "missing_recipient_user_id" {
		t.Errorf("a stream in a channel for nobody: %q", code)
	}
	in.Set("recipient_user_id", "U1")
	in.Set("recipient_team_id", s.Team)
	_, out := call(t, s, "chat.startStream", s.BotToken, in)
	ts, _ := out["ts"].(string)
	more := url.Values{"channel": {"C1"}, "ts": {ts}, "markdown_text": {"hi"}}
	if code, _ := call(t, s, "chat.appendStream", s.BotToken, more); code != "" {
		t.Fatal(code)
	}
	if now.Store(301); true {
		if code, _ := call(t, s, "chat.appendStream", s.BotToken, more); code != "message_not_in_streaming_state" {
			t.Errorf("after five minutes: %q", code)
		}
	}
}

func TestEventsAreRedeliveredUntilTheyAreAcknowledged(t *testing.T) {
	s := newFake(t, slackfake.Config{Retries: []time.Duration{0, time.Millisecond, time.Millisecond}})
	var tries atomic.Int32
	app := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		at := r.Header.Get("X-Slack-Request-Timestamp")
		if _, want := slackfake.Sign(s.SigningSecret, s.Clock(), body); at == "" || !strings.HasPrefix(want, "v0=") || r.URL.Path != "/slack/events" {
			t.Errorf("delivered %s with %v", r.URL.Path, r.Header)
		}
		if tries.Add(1) < 3 {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	}))
	defer app.Close()
	s.Connect(app.URL)
	s.Post("U1", "C1", "hello")
	for deadline := time.Now().Add(5 * time.Second); tries.Load() < 3 && time.Now().Before(deadline); {
		time.Sleep(time.Millisecond)
	}
	time.Sleep(20 * time.Millisecond)
	if tries.Load() != 3 {
		t.Errorf("delivered %d times; want 3", tries.Load())
	}
}
