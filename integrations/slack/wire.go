package slack

import (
	"bytes"
	"context"
	"errors"
	"io"
	"maps"
	"math"
	"net"
	"net/http"
	"net/url"
	"path"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/slack-go/slack"
)

// Dial connects to Slack; nil is the network.
type Dial func(ctx context.Context, network, addr string) (net.Conn, error)

// line is how Slack's Web API is reached.
type line struct {
	api  *slack.Client
	http *http.Transport
}

// Token is the app's token in a workspace, which may be renewed while it is used.
type Token struct{ value atomic.Value }

// Set puts a token in place of the former one; what is under way goes on with that.
func (t *Token) Set(value string) { t.value.Store(value) }

func (t *Token) get() string {
	v, _ := t.value.Load().(string)
	return v
}

// newLine speaks to the Web API, with a token that may be renewed when there is one.
// Retrying is ours, since a post is an effect, and so is keeping to Slack's limits.
func newLine(token, app, base string, dial Dial, renewed *Token) line {
	t := &http.Transport{
		Proxy: http.ProxyFromEnvironment, DialContext: dial, ForceAttemptHTTP2: dial == nil,
		MaxIdleConnsPerHost: 64, IdleConnTimeout: 90 * time.Second, TLSHandshakeTimeout: 10 * time.Second,
	}
	if dial != nil {
		t.Proxy = nil
	}
	polite := &citizen{RoundTripper: t, token: renewed, until: map[string]time.Time{}}
	if renewed != nil {
		token = tokenLater
	}
	options := []slack.Option{slack.OptionHTTPClient(&http.Client{Timeout: 30 * time.Second, Transport: polite}), slack.OptionAppLevelToken(app)}
	if base != "" {
		options = append(options, slack.OptionAPIURL(slashed(base)))
	}
	return line{slack.New(token, options...), t}
}

// slashed is an address with a slash at its end.
func slashed(base string) string { return strings.TrimRight(base, "/") + "/" }

// citizen keeps to Slack's limits: once Slack has said that there were too many calls
// of a method, nobody here calls it before the time it named, however many wait.
type citizen struct {
	http.RoundTripper
	// token is put in where the client wrote tokenLater; nil leaves calls as they are.
	token *Token

	mu    sync.Mutex
	until map[string]time.Time
}

// RoundTrip implements http.RoundTripper. While a method rests it answers as Slack
// would.
func (c *citizen) RoundTrip(r *http.Request) (*http.Response, error) {
	rest := c.rests(r)
	if rest > 0 {
		if r.Body != nil {
			_ = r.Body.Close()
		}
		return tooMany(r, rest), nil
	}
	r, err := c.signed(r)
	if err != nil {
		return nil, err
	}
	resp, err := c.RoundTripper.RoundTrip(r)
	if err == nil && resp.StatusCode == http.StatusTooManyRequests {
		if s, err := strconv.Atoi(resp.Header.Get("Retry-After")); err == nil && s > 0 {
			limit := limitOf(r)
			c.mu.Lock()
			c.until[limit] = time.Now().Add(time.Duration(s) * time.Second) //nolint:forbidigo // as above
			c.mu.Unlock()
		}
	}
	return resp, err
}

// rests is how long a call has to wait, in most cases not at all: then its body is not
// read for where it goes.
func (c *citizen) rests(r *http.Request) time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now() //nolint:forbidigo // the clock of the connection itself
	maps.DeleteFunc(c.until, func(_ string, until time.Time) bool { return !until.After(now) })
	if len(c.until) == 0 {
		return 0
	}
	return c.until[limitOf(r)].Sub(now)
}

// tokenLater stands where the token in force belongs.
const tokenLater = "xoxb-the-token-in-force"

// signed is the call with the token in force: slack-go keeps the one it was made with,
// in the header of some calls and in the form of others.
func (c *citizen) signed(r *http.Request) (*http.Request, error) {
	if c.token == nil {
		return r, nil
	}
	now := c.token.get()
	if r.Header.Get("Authorization") == "Bearer "+tokenLater {
		r = r.Clone(r.Context())
		r.Header.Set("Authorization", "Bearer "+now)
	}
	if r.GetBody == nil || !strings.HasPrefix(r.Header.Get("Content-Type"), "application/x-www-form-urlencoded") {
		return r, nil
	}
	raw, err := io.ReadAll(r.Body)
	if err := errors.Join(err, r.Body.Close()); err != nil {
		return nil, err
	}
	// A word of its own in a form is never a part of another.
	body := bytes.Replace(raw, []byte("token="+tokenLater), []byte("token="+url.QueryEscape(now)), 1)
	r = r.Clone(r.Context())
	r.ContentLength = int64(len(body))
	r.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(body)), nil }
	r.Body, err = r.GetBody()
	return r, err
}

// limitOf names what Slack limits together: a method, and for posts a channel
// (docs.slack.dev/apis/web-api/rate-limits).
func limitOf(r *http.Request) string {
	method := path.Base(r.URL.Path)
	if method != "chat.postMessage" || r.GetBody == nil {
		return method
	}
	body, err := r.GetBody()
	if err != nil {
		return method
	}
	defer body.Close()
	raw, err := io.ReadAll(io.LimitReader(body, maxBody))
	if err != nil {
		return method
	}
	form, err := url.ParseQuery(string(raw))
	if err != nil {
		return method
	}
	return method + " " + form.Get("channel")
}

func tooMany(r *http.Request, rest time.Duration) *http.Response {
	const body = `{"ok":false,"error":"ratelimited"}`
	return &http.Response{
		Status: "429 Too Many Requests", StatusCode: http.StatusTooManyRequests, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Request: r,
		Header:        http.Header{"Retry-After": {strconv.Itoa(int(math.Ceil(rest.Seconds())))}, "Content-Type": {"application/json"}},
		ContentLength: int64(len(body)), Body: io.NopCloser(bytes.NewReader([]byte(body))),
	}
}
