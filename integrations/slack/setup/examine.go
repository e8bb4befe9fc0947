package setup

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/slack-go/slack"
	"github.com/slack-go/slack/socketmode"
)

// State is how a part is.
type State string

// The states.
const (
	OK  State = "ok"
	Off State = "off"
	Bad State = "bad"
)

// Finding is one thing that was looked at.
type Finding struct {
	What  string
	State State
	Text  string
}

// Probe is what is known of an app that is to be examined; what is empty is passed
// over and said to be.
type Probe struct {
	BotToken, AppToken, SigningSecret, ConfigToken string
	// AppID is needed to read the app's manifest, when Socket Mode does not tell it.
	AppID string
	// APIURL is the base of the Web API with a slash at its end; "" is Slack's own.
	APIURL string
	// PublicURL is where Slack reaches Sous over HTTP.
	PublicURL string
	// Form is the manifest the app should have.
	Form Form
	// Clock is this machine's.
	Clock func() time.Time
}

// How far this machine's clock may be from Slack's: beyond the first it is said,
// beyond the second every request that Slack signs is refused as too old.
const (
	skewSaid = 30 * time.Second
	skewMost = 5 * time.Minute
)

// connectWithin bounds how long a socket may take to open.
const connectWithin = 15 * time.Second

// Examine looks at the app as it is used: its token and what that may do, the
// clock, the way by which events come, and the app's manifest.
func Examine(ctx context.Context, p Probe) []Finding {
	var found []Finding
	if p.BotToken != "" || !p.Form.Many {
		found = p.token(ctx)
	}
	if p.AppToken != "" {
		f, id := p.socket(ctx)
		found = append(found, f)
		p.AppID = or(p.AppID, id)
	}
	switch {
	case p.SigningSecret != "" && p.PublicURL != "":
		found = append(found, p.reached(ctx))
	case p.SigningSecret != "":
		found = append(found, Finding{"slack http", Off, "not tried: set SLACK_PUBLIC_URL to the address Slack reaches Sous at"})
	}
	return append(found, p.subscribed(ctx))
}

// token asks Slack who the token is, what it may do and what time it is.
func (p Probe) token(ctx context.Context) []Finding {
	if p.BotToken == "" {
		return []Finding{{"slack token", Bad, "SLACK_BOT_TOKEN is missing"}}
	}
	var header http.Header
	api := client(p.BotToken, p.APIURL, slack.OptionOnResponseHeaders(func(_ string, h http.Header) { header = h }))
	asked := p.Clock()
	who, err := api.AuthTestContext(ctx)
	if err != nil {
		switch w := word(err); w {
		case "invalid_auth", "account_inactive", "token_revoked", "token_expired", "not_authed", "not_allowed_token_type":
			return []Finding{{"slack token", Bad, "Slack refuses SLACK_BOT_TOKEN: " + w + "; install the app again and take its new token"}}
		default:
			return []Finding{{"slack token", Bad, fmt.Sprintf("Slack does not answer: %v", err)}}
		}
	}
	text := fmt.Sprintf("%s is %s in %s (%s)", who.UserID, who.User, who.Team, who.TeamID)
	if who.EnterpriseID != "" {
		text += ", of the organisation " + who.EnterpriseID
	}
	found := []Finding{{"slack token", OK, text}}
	// The answer was on its way for some time; the middle is the best guess.
	found = append(found, skew(header, asked.Add(p.Clock().Sub(asked)/2)))
	return append(found, rights(header.Get("X-OAuth-Scopes"))...)
}

func skew(h http.Header, now time.Time) Finding {
	theirs, err := http.ParseTime(h.Get("Date"))
	if err != nil {
		return Finding{"slack clock", Off, "Slack did not say what time it is"}
	}
	// The header has whole seconds.
	off := now.Sub(theirs).Abs().Truncate(time.Second)
	switch {
	case off > skewMost:
		return Finding{"slack clock", Bad, fmt.Sprintf("this machine's clock is %s off Slack's: every request signed by Slack is refused; set the clock", off)}
	case off > skewSaid:
		return Finding{"slack clock", OK, fmt.Sprintf("%s off Slack's; beyond %s requests are refused", off, skewMost)}
	}
	return Finding{"slack clock", OK, "agrees with Slack's"}
}

// rights compares the scopes the token has with those that are needed.
func rights(header string) []Finding {
	var had []string
	for s := range strings.SplitSeq(header, ",") {
		if s = strings.TrimSpace(s); s != "" {
			had = append(had, s)
		}
	}
	if len(had) == 0 {
		return []Finding{{"slack scopes", Off, "Slack did not say what the token may do"}}
	}
	needed, optional := Scopes()
	var found []Finding
	if not := missing(needed, had); len(not) > 0 {
		found = append(found, Finding{"slack scopes", Bad, "missing: " + strings.Join(not, ", ") + "; run sous slack apply and install the app again"})
	} else {
		found = append(found, Finding{"slack scopes", OK, fmt.Sprintf("all %d that are needed", len(needed))})
	}
	without := map[string]string{
		"canvases:write": "minutes are messages only, no canvases",
		"files:write":    "nobody can export their data from the home tab",
		"lists:write":    "action items become no Slack list",
	}
	for _, s := range missing(optional, had) {
		found = append(found, Finding{"slack scopes", Off, s + " is not granted: " + without[s]})
	}
	if more := missing(had, append(needed, optional...)); len(more) > 0 {
		found = append(found, Finding{"slack scopes", Off, "not needed, and better taken away: " + strings.Join(more, ", ")})
	}
	return found
}

// socket opens a Socket Mode connection until Slack says hello, and returns the
// app's id.
func (p Probe) socket(ctx context.Context) (Finding, string) {
	ctx, cancel := context.WithTimeout(ctx, connectWithin)
	defer cancel()
	began := p.Clock()
	sock := socketmode.New(client(p.BotToken, p.APIURL, slack.OptionAppLevelToken(p.AppToken)))
	done := make(chan error, 1)
	go func() { done <- sock.RunContext(ctx) }()
	// What arrives here is not acknowledged, so Slack brings it to another.
	f, id := Finding{"slack socket", Bad, fmt.Sprintf("no connection within %s: the way to wss-primary.slack.com has to be open", connectWithin)}, ""
	for waiting := true; waiting; {
		select {
		case ev := <-sock.Events:
			switch ev.Type {
			case socketmode.EventTypeHello:
				if ev.Request != nil {
					id = ev.Request.ConnectionInfo.AppID
				}
				f = Finding{"slack socket", OK, fmt.Sprintf("app %s, connected in %s", id, p.Clock().Sub(began).Round(time.Millisecond))}
				waiting = false
			case socketmode.EventTypeInvalidAuth:
				f.Text, waiting = "Slack refuses SLACK_APP_TOKEN; it needs the scope connections:write", false
			case socketmode.EventTypeConnectionError:
				if e, ok := ev.Data.(*slack.ConnectionErrorEvent); ok {
					f.Text = fmt.Sprintf("no connection: %v", e.ErrorObj)
				}
			}
		case err := <-done:
			// It ended by itself: the token is of the wrong kind or was revoked.
			if w := word(err); w != "" {
				f.Text = "Slack refuses SLACK_APP_TOKEN: " + w
			}
			return f, id
		case <-ctx.Done():
			waiting = false
		}
	}
	cancel()
	<-done
	return f, id
}

// reached sends Sous, by its public address, what Slack would send to prove it.
func (p Probe) reached(ctx context.Context) Finding {
	ctx, cancel := context.WithTimeout(ctx, 15*time.Second)
	defer cancel()
	bad := func(format string, args ...any) Finding {
		return Finding{"slack http", Bad, fmt.Sprintf(format, args...)}
	}
	to := strings.TrimRight(p.PublicURL, "/") + EventsPath
	challenge := rand.Text()
	body, err := json.Marshal(map[string]string{"type": "url_verification", "challenge": challenge})
	if err != nil {
		return bad("%v", err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, to, bytes.NewReader(body))
	if err != nil {
		return bad("SLACK_PUBLIC_URL: %v", err)
	}
	stamp := strconv.FormatInt(p.Clock().Unix(), 10)
	mac := hmac.New(sha256.New, []byte(p.SigningSecret))
	fmt.Fprintf(mac, "v0:%s:%s", stamp, body)
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("X-Slack-Request-Timestamp", stamp)
	req.Header.Set("X-Slack-Signature", "v0="+hex.EncodeToString(mac.Sum(nil)))
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return bad("%s does not answer: %v", to, err)
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(io.LimitReader(resp.Body, 64<<10))
	switch {
	case err != nil:
		return bad("%s: %v", to, err)
	case resp.StatusCode == http.StatusUnauthorized:
		return bad("%s refuses the signature: the Sous there has another SLACK_SIGNING_SECRET, or its clock is off", to)
	case resp.StatusCode != http.StatusOK || !bytes.Contains(raw, []byte(challenge)):
		return bad("%s answers %s, and not as Sous would: does sous serve run there, with SLACK_SIGNING_SECRET?", to, resp.Status)
	}
	return Finding{"slack http", OK, to + " answers a signed request"}
}

// subscribed compares the app's manifest with ours.
func (p Probe) subscribed(ctx context.Context) Finding {
	const what = "slack app"
	switch {
	case p.ConfigToken == "":
		return Finding{what, Off, "its events and commands are not compared with the manifest: set SLACK_CONFIG_TOKEN (api.slack.com/apps, lives 12 hours)"}
	case p.AppID == "":
		return Finding{what, Off, "its events and commands are not compared with the manifest: the app's id is not known; run sous slack apply --app ID once"}
	}
	theirs, err := (Manager{p.ConfigToken, p.APIURL}).Exported(ctx, p.AppID)
	if err != nil {
		return Finding{what, Bad, err.Error()}
	}
	ours, err := Manifest(p.Form)
	if err != nil {
		return Finding{what, Bad, err.Error()}
	}
	differ, err := Differences(ours, theirs)
	switch {
	case err != nil:
		return Finding{what, Bad, err.Error()}
	case len(differ) > 0:
		return Finding{what, Bad, p.AppID + ": " + strings.Join(differ, "; ") + ". Run sous slack apply"}
	}
	return Finding{what, OK, fmt.Sprintf("%s is subscribed to all %d events", p.AppID, len(Events()))}
}
