package slack

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/agent/delivery"
)

// What Slack delivers, by the last word of the path.
const (
	kindEvents       = "events"
	kindInteractions = "interactions"
	kindCommands     = "commands"
)

// maxBody is the largest delivery taken, in bytes, and window how old one may be.
const (
	maxBody = 2 << 20
	window  = 5 * time.Minute
)

// serve takes one delivery over HTTP. It is acknowledged when the store has it.
func (b *Bot) serve(w http.ResponseWriter, r *http.Request, kind string) {
	body, ok := readBody(w, r)
	if !ok {
		return
	}
	if err := b.verify(r.Header, body); err != nil {
		b.Log.WarnContext(r.Context(), "slack: a request was refused", slog.String("kind", kind), slog.Any("err", err))
		http.Error(w, "refused", http.StatusUnauthorized)
		return
	}
	// An event may come again and is one turn all the same; a click or a command
	// with the very signature of an earlier one is somebody else's copy.
	if kind != kindEvents {
		fresh, err := b.first(r.Context(), r.Header.Get("X-Slack-Signature"))
		switch {
		case err != nil:
			b.Log.WarnContext(r.Context(), "slack: a delivery was not taken in", slog.String("kind", kind), slog.Any("err", err))
			http.Error(w, "try again", http.StatusServiceUnavailable)
			return
		case !fresh:
			b.Log.WarnContext(r.Context(), "slack: a request was replayed", slog.String("kind", kind))
			http.Error(w, "replayed", http.StatusUnauthorized)
			return
		}
	}
	body, err := unwrap(kind, body)
	if err != nil {
		b.unreadable(w, r, kind, body, err)
		return
	}
	answer, err := b.within(r.Context(), kind, body)
	switch {
	case err == nil:
		reply(w, answer)
	case errors.Is(err, errUnreadable):
		b.unreadable(w, r, kind, body, err)
	default:
		b.Log.WarnContext(r.Context(), "slack: a delivery was not taken in", slog.String("kind", kind), slog.Any("err", err))
		http.Error(w, "try again", http.StatusServiceUnavailable)
	}
}

// usual is how much room is made for a body before any of it was read, in bytes.
const usual = 16 << 10

// readBody reads a delivery, or answers that it cannot be read.
func readBody(w http.ResponseWriter, r *http.Request) ([]byte, bool) {
	var body bytes.Buffer
	body.Grow(int(min(max(r.ContentLength, 0), usual)) + bytes.MinRead)
	_, err := body.ReadFrom(http.MaxBytesReader(w, r.Body, maxBody))
	if err == nil {
		return body.Bytes(), true
	}
	code := http.StatusBadRequest
	if _, large := errors.AsType[*http.MaxBytesError](err); large {
		code = http.StatusRequestEntityTooLarge
	}
	http.Error(w, "the request cannot be read", code)
	return nil, false
}

// first notes a signature and reports whether nobody noted it before, here or, where
// several processes share a store, in any of them.
func (b *Bot) first(ctx context.Context, signature string) (bool, error) {
	if b.seen.before(signature, b.Clock()) {
		return false, nil
	}
	if b.Holder == "" {
		return true, nil
	}
	id := keptOnce + strings.ToLower(signature)
	fresh, err := b.clerk.note(ctx, id)
	if err == nil {
		b.clerk.settle(delivery.Settled{Done: []string{id}})
	}
	return fresh, err
}

// unreadable keeps a delivery nobody understood. It is acknowledged only if kept.
func (b *Bot) unreadable(w http.ResponseWriter, r *http.Request, kind string, body []byte, why error) {
	if b.keep(r.Context(), kind, body, why) != nil {
		http.Error(w, "try again", http.StatusServiceUnavailable)
		return
	}
	w.WriteHeader(http.StatusOK)
}

func (b *Bot) keep(ctx context.Context, kind string, body []byte, why error) error {
	err := b.Unread.Keep(ctx, kind, body, why)
	b.Log.WarnContext(ctx, "slack: a delivery could not be read", slog.String("kind", kind), slog.Any("err", why), slog.Bool("kept", err == nil))
	return err
}

func reply(w http.ResponseWriter, answer any) {
	if answer == nil {
		w.WriteHeader(http.StatusOK)
		return
	}
	raw, err := json.Marshal(answer)
	if err != nil {
		http.Error(w, "try again", http.StatusServiceUnavailable)
		return
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	_, _ = w.Write(raw)
}

// within takes a delivery in, for as long as Slack waits. What takes longer goes
// on, and is done when Slack delivers it again.
func (b *Bot) within(ctx context.Context, kind string, body []byte) (any, error) {
	b.taking.enter(b.Clock)
	defer b.taking.leave()
	if kind == kindEvents && b.people.whoami().team != "" {
		return b.atOnce(ctx, body)
	}
	type result struct {
		answer any
		err    error
	}
	done := make(chan result, 1)
	if !b.busy.Go(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Minute)
		defer cancel()
		answer, err := b.dispatch(ctx, kind, body)
		done <- result{answer, err}
	}) {
		return nil, errEnded
	}
	late := time.NewTimer(b.AckWithin)
	defer late.Stop()
	select {
	case r := <-done:
		return r.answer, r.err
	case <-late.C:
		return nil, agent.Errorf(agent.Unavailable, "taking this in lasts too long")
	}
}

// atOnce is within for an event, of which hundreds may come in one moment: nothing
// but the store is asked, so nobody else needs to wait for it.
func (b *Bot) atOnce(ctx context.Context, body []byte) (answer any, err error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), b.AckWithin)
	defer cancel()
	if !b.busy.Here(func() { answer, err = b.dispatch(ctx, kindEvents, body) }) {
		return nil, errEnded
	}
	return answer, err
}

// dispatch hands a verified delivery on: JSON, whatever the transport.
func (b *Bot) dispatch(ctx context.Context, kind string, body []byte) (answer any, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%w: panic: %v", errUnreadable, p)
		}
	}()
	switch kind {
	case kindEvents:
		return b.event(ctx, body)
	case kindInteractions:
		return b.interaction(ctx, body)
	case kindCommands:
		return b.command(ctx, body)
	}
	return nil, fmt.Errorf("%w: %q", errUnreadable, kind)
}

// unwrap turns what HTTP carries into the JSON that Socket Mode would.
func unwrap(kind string, body []byte) ([]byte, error) {
	if kind == kindEvents {
		return body, nil
	}
	form, err := url.ParseQuery(string(body))
	if err != nil {
		return body, fmt.Errorf("%w: %w", errUnreadable, err)
	}
	if kind == kindInteractions {
		if !form.Has("payload") {
			return body, fmt.Errorf("%w: there is no payload", errUnreadable)
		}
		return []byte(form.Get("payload")), nil
	}
	flat := map[string]string{}
	for name := range form {
		flat[name] = form.Get(name)
	}
	return json.Marshal(flat)
}

// verify checks Slack's v0 signature: HMAC-SHA256 over version, time and body, no
// older and no newer than five minutes
// (docs.slack.dev/authentication/verifying-requests-from-slack).
func (b *Bot) verify(h http.Header, body []byte) error {
	return verified(b.SigningSecret, b.Clock(), h, body)
}

func verified(secret string, now time.Time, h http.Header, body []byte) error {
	stamp := h.Get("X-Slack-Request-Timestamp")
	at, err := strconv.ParseInt(stamp, 10, 64)
	if err != nil || secret == "" {
		return errors.New("no time or no secret")
	}
	if age := now.Sub(time.Unix(at, 0)); age > window || age < -window {
		return fmt.Errorf("signed %s ago", age)
	}
	hexed, ok := strings.CutPrefix(h.Get("X-Slack-Signature"), "v0=")
	given, err := hex.DecodeString(hexed)
	if !ok || err != nil {
		return errors.New("no signature")
	}
	mac := hmac.New(sha256.New, []byte(secret))
	fmt.Fprintf(mac, "v0:%s:", stamp)
	mac.Write(body)
	if !hmac.Equal(mac.Sum(nil), given) {
		return errors.New("wrong signature")
	}
	return nil
}

// replays remembers the signatures of the last minutes. What is older fails the
// window; what a restart forgets is still one turn and one decision, since those
// carry the delivery's id.
type replays struct {
	mu   sync.Mutex
	at   map[string]time.Time
	next time.Time
}

func newReplays() *replays { return &replays{at: map[string]time.Time{}} }

// before notes a signature and reports whether it was there already.
func (r *replays) before(signature string, now time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if now.After(r.next) {
		for s, at := range r.at {
			if now.Sub(at) > 2*window {
				delete(r.at, s)
			}
		}
		r.next = now.Add(time.Minute)
	}
	signature = strings.ToLower(signature)
	if _, ok := r.at[signature]; ok {
		return true
	}
	r.at[signature] = now
	return false
}
