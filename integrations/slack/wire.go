package slack

import (
	"bytes"
	"context"
	"io"
	"math"
	"net"
	"net/http"
	"net/url"
	"path"
	"strconv"
	"strings"
	"sync"
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

// newLine speaks to the Web API. Retrying is ours, since a post is an effect, and so
// is keeping to Slack's limits.
func newLine(token, app, base string, dial Dial) line {
	t := &http.Transport{
		Proxy: http.ProxyFromEnvironment, DialContext: dial, ForceAttemptHTTP2: dial == nil,
		MaxIdleConnsPerHost: 16, IdleConnTimeout: 90 * time.Second, TLSHandshakeTimeout: 10 * time.Second,
	}
	if dial != nil {
		t.Proxy = nil
	}
	polite := &citizen{RoundTripper: t, until: map[string]time.Time{}}
	options := []slack.Option{slack.OptionHTTPClient(&http.Client{Timeout: 30 * time.Second, Transport: polite}), slack.OptionAppLevelToken(app)}
	if base != "" {
		if !strings.HasSuffix(base, "/") {
			base += "/"
		}
		options = append(options, slack.OptionAPIURL(base))
	}
	return line{slack.New(token, options...), t}
}

// citizen keeps to Slack's limits: once Slack has said that there were too many calls
// of a method, nobody here calls it before the time it named, however many wait.
type citizen struct {
	http.RoundTripper

	mu    sync.Mutex
	until map[string]time.Time
}

// RoundTrip implements http.RoundTripper. While a method rests it answers as Slack
// would.
func (c *citizen) RoundTrip(r *http.Request) (*http.Response, error) {
	limit := limitOf(r)
	c.mu.Lock()
	rest := time.Until(c.until[limit]) //nolint:forbidigo // the clock of the connection itself
	if rest <= 0 {
		delete(c.until, limit)
	}
	c.mu.Unlock()
	if rest > 0 {
		if r.Body != nil {
			_ = r.Body.Close()
		}
		return tooMany(r, rest), nil
	}
	resp, err := c.RoundTripper.RoundTrip(r)
	if err == nil && resp.StatusCode == http.StatusTooManyRequests {
		if s, err := strconv.Atoi(resp.Header.Get("Retry-After")); err == nil && s > 0 {
			c.mu.Lock()
			c.until[limit] = time.Now().Add(time.Duration(s) * time.Second) //nolint:forbidigo // as above
			c.mu.Unlock()
		}
	}
	return resp, err
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
