package slackfake

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// Delivery is one attempt to bring something to the app.
type Delivery struct {
	// Kind is "events", "interactions" or "commands"; ID the event's or trigger's.
	Kind, ID string
	Attempt  int
	// Status is the HTTP status, 200 for an acknowledged envelope and 0 for none.
	Status int
	Took   time.Duration
	Answer []byte
}

// Deliveries lists the attempts so far.
func (s *Server) Deliveries() []Delivery {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]Delivery(nil), s.delivery...)
}

// Connect delivers over HTTP to an app whose handlers are below a base address.
func (s *Server) Connect(base string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.app, s.socket = base, false
}

// UseSocket delivers over Socket Mode to whoever has connected.
func (s *Server) UseSocket() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.socket = true
}

// Sign returns Slack's v0 signature of a body at a time.
func Sign(secret string, at time.Time, body []byte) (timestamp, signature string) {
	timestamp = strconv.FormatInt(at.Unix(), 10)
	h := hmac.New(sha256.New, []byte(secret))
	fmt.Fprintf(h, "v0:%s:", timestamp)
	h.Write(body)
	return timestamp, "v0=" + hex.EncodeToString(h.Sum(nil))
}

// payload is something on its way to the app.
type payload struct {
	kind, id string
	// body is the JSON of the event or interaction, or a command's fields.
	body json.RawMessage
}

// form is the body as HTTP carries it.
func (p payload) form() (string, []byte) {
	switch p.kind {
	case "interactions":
		return "application/x-www-form-urlencoded", []byte(url.Values{"payload": {string(p.body)}}.Encode())
	case "commands":
		var fields map[string]string
		_ = json.Unmarshal(p.body, &fields)
		v := url.Values{}
		for k, f := range fields {
			v.Set(k, f)
		}
		return "application/x-www-form-urlencoded", []byte(v.Encode())
	}
	return "application/json", p.body
}

// Event wraps an inner event in its envelope with a fresh event id.
func (s *Server) Event(inner map[string]any) (id string, body []byte) {
	id = fmt.Sprintf("Ev%08d", s.ids.next())
	body, _ = json.Marshal(map[string]any{
		"token": "deprecated", "team_id": s.Team, "api_app_id": appID, "type": "event_callback", "event_id": id,
		"event_time": s.Clock().Unix(), "is_ext_shared_channel": false, "event": inner,
		"enterprise_id":  s.Enterprise,
		"authorizations": []any{map[string]any{"team_id": s.Team, "enterprise_id": s.Enterprise, "user_id": s.BotUser, "is_bot": true, "is_enterprise_install": s.Org}},
	})
	return id, body
}

// Emit delivers an inner event until it is acknowledged or given up, in the
// background, and returns its id.
func (s *Server) Emit(inner map[string]any) string {
	id, body := s.Event(inner)
	s.background(payload{"events", id, body})
	return id
}

// Redeliver brings an event's body once more and returns the status.
func (s *Server) Redeliver(id string, body []byte) int {
	return s.attempt(payload{"events", id, body}, 1, "http_timeout").Status
}

func (s *Server) background(p payload) {
	s.pending.Add(1)
	go func() {
		defer s.pending.Done()
		s.deliver(p)
	}()
}

// deliver tries an event four times, everything else once.
func (s *Server) deliver(p payload) Delivery {
	last := s.attempt(p, 0, "")
	if p.kind != "events" {
		return last
	}
	for i, pause := range s.Retries {
		if last.Status == http.StatusOK {
			return last
		}
		select {
		case <-s.stop:
			return last
		case <-time.After(pause):
		}
		reason := "http_error"
		if last.Status == 0 {
			reason = "http_timeout"
		}
		last = s.attempt(p, i+1, reason)
	}
	return last
}

// attempt delivers once, over the transport in use, and keeps what came of it.
func (s *Server) attempt(p payload, n int, reason string) Delivery {
	s.mu.Lock()
	base, bySocket := s.app, s.socket
	s.mu.Unlock()
	begin := time.Now()
	d := Delivery{Kind: p.kind, ID: p.id, Attempt: n}
	if bySocket {
		d.Status, d.Answer = s.overSocket(p, n, reason)
	} else if base != "" {
		d.Status, d.Answer = s.overHTTP(base, p, n, reason)
	}
	d.Took = time.Since(begin)
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.Forgetful {
		s.delivery = append(s.delivery, d)
	}
	return d
}

func (s *Server) overHTTP(base string, p payload, n int, reason string) (int, []byte) {
	media, body := p.form()
	req, err := http.NewRequest(http.MethodPost, base+"/slack/"+p.kind, bytes.NewReader(body))
	if err != nil {
		return 0, nil
	}
	stamp, signature := Sign(s.SigningSecret, s.Clock(), body)
	req.Header.Set("Content-Type", media)
	req.Header.Set("X-Slack-Request-Timestamp", stamp)
	req.Header.Set("X-Slack-Signature", signature)
	if n > 0 {
		req.Header.Set("X-Slack-Retry-Num", strconv.Itoa(n))
		req.Header.Set("X-Slack-Retry-Reason", reason)
	}
	client := *s.client
	client.Timeout = s.AckWithin
	resp, err := client.Do(req)
	if err != nil {
		return 0, nil
	}
	defer resp.Body.Close()
	out, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err != nil {
		return 0, nil
	}
	return resp.StatusCode, out
}
