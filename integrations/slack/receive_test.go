package slack_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/agent/delivery"
	front "github.com/sous-hq/sous/integrations/slack"
	"github.com/sous-hq/sous/internal/testkit/slackfake"
)

// deliver posts a body with headers of its own and returns the status.
func (p *process) deliver(t testing.TB, kind string, body []byte, h map[string]string) int {
	t.Helper()
	req := must[*http.Request](t)(http.NewRequest(http.MethodPost, p.server.URL+"/slack/"+kind, bytes.NewReader(body)))
	for k, v := range h {
		req.Header.Set(k, v)
	}
	resp, err := p.client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, resp.Body)
	return resp.StatusCode
}

func signed(secret string, at time.Time, body []byte) map[string]string {
	stamp, signature := slackfake.Sign(secret, at, body)
	return map[string]string{"X-Slack-Request-Timestamp": stamp, "X-Slack-Signature": signature}
}

// turns counts what was accepted.
func (p *process) turns(t testing.TB) int {
	t.Helper()
	return len(must[[]agent.Turn](t)(p.db.Recent(t.Context(), "w", "", 5000)))
}

func TestOnlyWhatSlackSignedJustNowIsTakenIn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		p := w.start(t)
		_, body := w.slack.Event(map[string]any{"type": "message", "channel_type": "im", "channel": w.slack.DM(ann), "user": ann, "ts": "1.1", "text": "hello"})
		now, secret := time.Now(), w.slack.SigningSecret
		good := signed(secret, now, body)
		changed := bytes.Replace(body, []byte("hello"), []byte("hullo"), 1)
		for name, tt := range map[string]struct {
			body []byte
			head map[string]string
			want int
		}{
			"unsigned":               {body, nil, 401},
			"signed by another":      {body, signed("other", now, body), 401},
			"of six minutes ago":     {body, signed(secret, now.Add(-6*time.Minute), body), 401},
			"of the future":          {body, signed(secret, now.Add(6*time.Minute), body), 401},
			"changed":                {changed, good, 401},
			"signed with half":       {body, map[string]string{"X-Slack-Request-Timestamp": good["X-Slack-Request-Timestamp"], "X-Slack-Signature": good["X-Slack-Signature"][:30]}, 401},
			"signed with nothing":    {body, map[string]string{"X-Slack-Request-Timestamp": good["X-Slack-Request-Timestamp"], "X-Slack-Signature": "v0="}, 401},
			"of another time":        {body, map[string]string{"X-Slack-Request-Timestamp": fmt.Sprint(now.Unix() - 1), "X-Slack-Signature": good["X-Slack-Signature"]}, 401},
			"without a time":         {body, map[string]string{"X-Slack-Signature": good["X-Slack-Signature"]}, 401},
			"larger than allowed":    {bytes.Repeat([]byte("a"), 3<<20), nil, 413},
			"in the older scheme":    {body, map[string]string{"X-Slack-Request-Timestamp": good["X-Slack-Request-Timestamp"], "X-Slack-Signature": strings.Replace(good["X-Slack-Signature"], "v0", "v1", 1)}, 401},
			"with no body, unsigned": {nil, nil, 401},
			"cut short":              {body[:len(body)/2], good, 401},
			"signed with nothing at all as the secret": {body, signed("", now, body), 401},
		} {
			for _, kind := range []string{"events", "interactions", "commands"} {
				if got := p.deliver(t, kind, tt.body, tt.head); got != tt.want {
					t.Errorf("a request %s to %s: %d; want %d", name, kind, got, tt.want)
				}
			}
		}
		p.hangUp(t, body, good)
		if n := p.turns(t); n != 0 {
			t.Fatalf("%d turns of what was refused", n)
		}
		if got := p.deliver(t, "events", body, good); got != 200 {
			t.Errorf("the good one: %d", got)
		}
		wait(t, "the turn of the good one", func() bool { return p.turns(t) == 1 })
	})
}

// hangUp sends half of a delivery and ends the connection.
func (p *process) hangUp(t testing.TB, body []byte, h map[string]string) {
	t.Helper()
	transport, ok := p.client.Transport.(*http.Transport)
	if !ok {
		t.Fatal("the client has no transport of its own")
	}
	c := must[net.Conn](t)(transport.DialContext(t.Context(), "tcp", strings.TrimPrefix(p.server.URL, "http://")))
	head := "POST /slack/events HTTP/1.1\r\nHost: sous.fake\r\nContent-Length: " + strconv.Itoa(len(body)) + "\r\n"
	for k, v := range h {
		head += k + ": " + v + "\r\n"
	}
	if _, err := fmt.Fprintf(c, "%s\r\n%s", head, body[:len(body)/2]); err != nil {
		t.Fatal(err)
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
}

// What Slack may send one day and nobody here knows is acknowledged, or Slack would
// send it for hours and then turn the subscription off; nothing else comes of it.
func TestWhatNobodyKnowsIsAcknowledgedAndLetGo(t *testing.T) {
	t.Parallel()
	for name, socket := range map[string]bool{"over HTTP": false, "over Socket Mode": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				w.socket = socket
				p := w.start(t)
				time.Sleep(time.Minute)
				calls := len(w.slack.Calls(""))
				for _, inner := range []map[string]any{
					{"type": "star_added", "user": ann, "item": map[string]any{"type": "message"}},
					{"type": "of_the_next_decade", "channel": []any{1, nil}, "user": 7, "text": map[string]any{}},
					{"type": "message", "subtype": "of_the_next_decade", "channel": general, "user": ann, "ts": "1.1", "text": "<@" + w.slack.BotUser + "> hello"},
				} {
					id, body := w.slack.Event(inner)
					if got := w.slack.Redeliver(id, body); got != 200 {
						t.Errorf("%s: %d", inner["type"], got)
					}
				}
				for kind, body := range map[string]string{
					"interactions": `{"type":"of_the_next_decade","team":{"id":"` + w.slack.Team + `"},"user":{"id":"` + ann + `"},"trigger_id":"x.1"}`,
				} {
					form := []byte("payload=" + url.QueryEscape(body))
					if got := p.deliver(t, kind, form, signed(w.slack.SigningSecret, time.Now(), form)); got != 200 {
						t.Errorf("%s: %d", kind, got)
					}
				}
				time.Sleep(time.Minute)
				if p.turns(t) != 0 {
					t.Errorf("%d turns", p.turns(t))
				}
				for _, c := range w.slack.Calls("")[calls:] {
					if c.Method != "users.info" && c.Method != "usergroups.list" {
						t.Errorf("it called %s %v", c.Method, c.Args)
					}
				}
				if files, err := os.ReadDir(p.unread); err == nil && len(files) > 0 {
					t.Errorf("%d deliveries were kept as unreadable", len(files))
				}
			})
		})
	}
}

func TestACopiedClickOrCommandIsRefused(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		p := w.start(t)
		for kind, body := range map[string]string{
			"commands":     "command=%2Fsous&text=ask+hello&team_id=" + w.slack.Team + "&user_id=" + ann + "&trigger_id=t.1&channel_id=" + general,
			"interactions": "payload=" + `%7B%22type%22%3A%22block_actions%22%7D`,
		} {
			head := signed(w.slack.SigningSecret, time.Now(), []byte(body))
			if got := p.deliver(t, kind, []byte(body), head); got != 200 {
				t.Errorf("%s: %d", kind, got)
			}
			if kind == "commands" {
				wait(t, "the turn of the command", func() bool { return p.turns(t) == 1 })
			}
			before := p.turns(t)
			if got := p.deliver(t, kind, []byte(body), head); got != 401 || p.turns(t) != before {
				t.Errorf("%s once more: %d", kind, got)
			}
			// After a restart the signature is not remembered, but what it orders is.
			fresh := signed(w.slack.SigningSecret, time.Now().Add(time.Second), []byte(body))
			if got := p.deliver(t, kind, []byte(body), fresh); got != 200 || p.turns(t) != before {
				t.Errorf("%s with another signature: %d, %d turns", kind, got, p.turns(t))
			}
		}
	})
}

// Random damage to real deliveries, unsigned, badly signed and well signed.
func TestDamagedDeliveriesDoNoHarm(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		p := w.start(t)
		_, event := w.slack.Event(map[string]any{"type": "message", "channel_type": "im", "channel": "D1", "user": ann, "ts": "1.1", "text": "hello", "files": []any{map[string]any{"id": "F1"}}})
		seeds := map[string][]byte{
			"events":       event,
			"interactions": []byte("payload=" + `{"type":"block_actions","team":{"id":"` + w.slack.Team + `"},"user":{"id":"` + ann + `"},"trigger_id":"x","actions":[{"action_id":"sous_approve","value":"AAAAAAAA"}]}`),
			"commands":     []byte("command=%2Fsous&text=help&team_id=" + w.slack.Team + "&user_id=" + ann + "&trigger_id=t.1"),
		}
		random := rand.New(rand.NewPCG(1, 2))
		for i := range 200 {
			for kind, seed := range seeds {
				body := bytes.Clone(seed)
				for range 1 + random.IntN(6) {
					switch at := random.IntN(len(body)); random.IntN(3) {
					case 0:
						body[at] = byte(random.IntN(256))
					case 1:
						body = append(body[:at:at], body[min(len(body), at+random.IntN(9)):]...)
					case 2:
						body = append(body[:at:at], append([]byte(`{"`), body[at:]...)...)
					}
					if len(body) == 0 {
						body = []byte("{")
					}
				}
				secret := w.slack.SigningSecret
				if i%2 == 0 {
					secret = "wrong"
				}
				got := p.deliver(t, kind, body, signed(secret, time.Now(), body))
				if secret == "wrong" && got != 401 {
					t.Fatalf("forged %s: %d", kind, got)
				}
				if got >= 500 && got != 503 {
					t.Fatalf("damaged %s: %d", kind, got)
				}
			}
		}
		if p.turns(t) > 100 {
			t.Errorf("%d turns", p.turns(t))
		}
	})
}

func TestWhatCannotBeReadIsKept(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		p := w.start(t)
		body := []byte(`{"type":"event_callback","team_id":"` + w.slack.Team + `","event_id":"Ev1","event":{"type":"message","text":7}}`)
		for range 3 {
			if got := p.deliver(t, "events", body, signed(w.slack.SigningSecret, time.Now(), body)); got != 200 {
				t.Fatalf("status %d", got)
			}
		}
		files := must[[]os.DirEntry](t)(os.ReadDir(p.unread))
		if len(files) != 1 {
			t.Fatalf("%d files kept; want 1", len(files))
		}
		if kept := must[[]byte](t)(os.ReadFile(p.unread + "/" + files[0].Name())); !bytes.Equal(kept, body) {
			t.Errorf("kept %s", kept)
		}
	})
}

func TestABrokenBlockDoesNotCostTheEvent(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		p := w.start(t)
		dm := w.slack.DM(ann)
		ts := "1800000000.000001"
		_, body := w.slack.Event(map[string]any{"type": "message", "channel_type": "im", "channel": dm, "user": ann, "ts": ts, "text": "hello", "blocks": []any{map[string]any{"type": "section", "text": 7}, "what"}})
		if got := p.deliver(t, "events", body, signed(w.slack.SigningSecret, time.Now(), body)); got != 200 {
			t.Errorf("status %d", got)
		}
		wait(t, "its turn", func() bool { return p.turns(t) == 1 })
	})
}

func TestARepeatedEventIsOneTurnAndOneAnswer(t *testing.T) {
	for name, socket := range map[string]bool{"over HTTP": false, "over both transports": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				const events, times = 10, 40
				w := newWorld(t)
				w.socket = socket
				p := w.start(t)
				dm := w.slack.DM(ann)
				var roots []string
				bodies := map[string][]byte{}
				w.slack.Connect("")
				for i := range events {
					ts := w.slack.Post(ann, dm, fmt.Sprintf("hello %d", i))
					roots = append(roots, ts)
					_, bodies[ts] = w.slack.Event(map[string]any{"type": "message", "channel_type": "im", "channel": dm, "user": ann, "ts": ts, "text": fmt.Sprintf("hello %d", i)})
				}
				w.slack.Connect(p.server.URL)
				if socket {
					w.slack.UseSocket()
				}
				var all sync.WaitGroup
				slots := make(chan struct{}, 16)
				for i := range events * times {
					slots <- struct{}{}
					all.Go(func() {
						defer func() { <-slots }()
						body := bodies[roots[i%events]]
						if socket && i%2 == 0 {
							w.slack.Redeliver("Ev", body)
							return
						}
						if got := p.deliver(t, "events", body, signed(w.slack.SigningSecret, time.Now().Add(time.Duration(i%100)*time.Second), body)); got != 200 {
							t.Errorf("status %d", got)
						}
					})
				}
				all.Wait()
				for _, root := range roots {
					wait(t, "an answer", func() bool { return w.answers(dm, root) > 0 })
				}
				time.Sleep(50 * time.Millisecond)
				for _, root := range roots {
					if n := w.answers(dm, root); n != 1 {
						t.Errorf("%d answers under one request", n)
					}
				}
				if n := p.turns(t); n != events {
					t.Errorf("%d turns; want %d", n, events)
				}
			})
		})
	}
}

func TestSlacksHandshakeIsAnswered(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		p := w.start(t)
		body := []byte(`{"type":"url_verification","challenge":"abc","token":"x"}`)
		req := must[*http.Request](t)(http.NewRequest(http.MethodPost, p.server.URL+"/slack/events", bytes.NewReader(body)))
		for k, v := range signed(w.slack.SigningSecret, time.Now(), body) {
			req.Header.Set(k, v)
		}
		resp := must[*http.Response](t)(p.client.Do(req))
		defer resp.Body.Close()
		var out struct{ Challenge string }
		if err := json.NewDecoder(resp.Body).Decode(&out); err != nil || out.Challenge != "abc" {
			t.Errorf("%v, %v", out, err)
		}
	})
}

// fullStore keeps nothing.
type fullStore struct{ delivery.Store }

func (fullStore) Keep(context.Context, delivery.Front, []delivery.Delivery) ([]bool, error) {
	return nil, errors.New("disk is full")
}

// An event that cannot be taken in is not acknowledged, so that it comes again.
func TestAnEventIsNotAcknowledgedBeforeItIsStored(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.change = func(c *front.Config) { c.Deliveries = fullStore{c.Deliveries} }
		p := w.start(t)
		_, body := w.slack.Event(map[string]any{"type": "message", "channel_type": "im", "channel": w.slack.DM(ann), "user": ann, "ts": "1.1", "text": "hello"})
		if got := p.deliver(t, "events", body, signed(w.slack.SigningSecret, time.Now(), body)); got != 503 {
			t.Errorf("with the store gone: %d; want 503", got)
		}
	})
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(`{"type":"event_callback","team_id":"T","event":{"type":"message","user":{"id":"U"},"text":"a"}}`))
	f.Add([]byte(`{"type":"view_submission","view":{"state":{"values":{"a":{"b":{"value":null}}}}}}`))
	f.Add([]byte(`{"command":"/sous"}`))
	f.Fuzz(func(_ *testing.T, body []byte) {
		_, _ = front.ParseEvent(body)
		_, _ = front.ParseInteraction(body)
		_, _ = front.ParseCommand(body)
	})
}

func TestNewRefusesAConfigThatCannotWork(t *testing.T) {
	if _, err := front.New(front.Config{}); err == nil {
		t.Error("an empty config was taken")
	}
	s := httptest.NewServer(http.NotFoundHandler())
	defer s.Close()
	full := front.Config{Desk: (*process)(nil), Decisions: (*process)(nil), Records: nil}
	if _, err := front.New(full); err == nil {
		t.Error("a config without records was taken")
	}
}
