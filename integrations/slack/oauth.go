package slack

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"html/template"
	"log/slog"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/slack-go/slack"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/agent/install"
)

// How long an install page may stay open, and how long an invitation to it holds
// unless it is said otherwise.
const (
	installWithin = 10 * time.Minute
	InviteFor     = 7 * 24 * time.Hour
)

// installCookie binds an installation to the browser that began it.
const installCookie = "__Host-sous_install"

// linkKeys sign what people carry between Sous and Slack. All replicas have the same,
// since they are made of the client secret, so nothing of it has to be kept.
type linkKeys struct{ invite, state, pkce []byte }

func keysOf(secret string) linkKeys {
	key := func(what string) []byte {
		m := hmac.New(sha256.New, []byte(secret))
		m.Write([]byte("sous slack " + what))
		return m.Sum(nil)
	}
	return linkKeys{key("invite"), key("state"), key("pkce")}
}

func mac(key []byte, parts ...string) string {
	m := hmac.New(sha256.New, key)
	for _, p := range parts {
		fmt.Fprintf(m, "%d:%s", len(p), p)
	}
	return base64.RawURLEncoding.EncodeToString(m.Sum(nil))
}

// stamped is a time with a signature over it and over what it is bound to.
func stamped(key []byte, until time.Time, bound string) string {
	at := strconv.FormatInt(until.Unix(), 10)
	return at + "." + mac(key, at, bound)
}

// stands reports whether a stamp is ours, for this, and not over.
func stands(key []byte, stamp, bound string, now time.Time) bool {
	at, _, ok := strings.Cut(stamp, ".")
	sec, err := strconv.ParseInt(at, 10, 64)
	return ok && err == nil && hmac.Equal([]byte(stamp), []byte(at+"."+mac(key, at, bound))) && now.Unix() <= sec
}

// Invitation is the address at which somebody can install the app until a time.
// Without one the install page opens to nobody: whoever installs the app uses this
// Sous.
func Invitation(base, clientSecret string, until time.Time) string {
	return strings.TrimRight(base, "/") + installPath + "?key=" + url.QueryEscape(stamped(keysOf(clientSecret).invite, until, ""))
}

// The pages of the installation.
const (
	installPath  = "/slack/install"
	callbackPath = "/slack/oauth_redirect"
)

// Handler answers /slack/events, /slack/interactions and /slack/commands for all
// workspaces, and the pages by which the app is installed.
func (f *Fleet) Handler() http.Handler {
	mux := http.NewServeMux()
	for _, kind := range []string{kindEvents, kindInteractions, kindCommands} {
		mux.HandleFunc("POST /slack/"+kind, func(w http.ResponseWriter, r *http.Request) { f.serve(w, r, kind) })
	}
	mux.HandleFunc("GET "+installPath, f.invited)
	mux.HandleFunc("GET "+callbackPath, f.called)
	return mux
}

// invited sends an invited browser on to Slack.
func (f *Fleet) invited(w http.ResponseWriter, r *http.Request) {
	now := f.Bot.Clock()
	if !stands(f.keys.invite, r.URL.Query().Get("key"), "", now) {
		page(w, http.StatusForbidden, "This invitation does not hold", "It is over, or was not copied whole. Whoever runs Sous makes another: sous slack invite.")
		return
	}
	browser := rand.Text()
	state := stamped(f.keys.state, now.Add(installWithin), browser)
	http.SetCookie(w, &http.Cookie{
		Name: installCookie, Value: browser, Path: "/", MaxAge: int(installWithin.Seconds()), Secure: true, HttpOnly: true, SameSite: http.SameSiteLaxMode,
	})
	q := url.Values{
		"client_id": {f.ClientID}, "scope": {strings.Join(f.Scopes, ",")}, "redirect_uri": {f.Redirect}, "state": {state},
		"code_challenge": {slack.GenerateCodeChallenge(f.verifier(state, browser))}, "code_challenge_method": {"S256"},
	}
	guard(w)
	http.Redirect(w, r, f.Authorize+"?"+q.Encode(), http.StatusSeeOther)
}

// verifier is what proves to Slack that whoever has the code began the installation
// (RFC 7636). It is made anew rather than kept, and never leaves but for Slack.
func (f *Fleet) verifier(state, browser string) string { return mac(f.keys.pkce, state, browser) }

// called ends an installation: Slack sent the browser back, with a code or without.
func (f *Fleet) called(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	c, err := r.Cookie(installCookie)
	if err != nil || !stands(f.keys.state, q.Get("state"), c.Value, f.Bot.Clock()) {
		page(w, http.StatusForbidden, "This did not begin here", "The installation was begun in another browser, or more than ten minutes ago. Open the invitation again.")
		return
	}
	http.SetCookie(w, &http.Cookie{Name: installCookie, Path: "/", MaxAge: -1, Secure: true, HttpOnly: true, SameSite: http.SameSiteLaxMode})
	if word := q.Get("error"); word != "" {
		text := "Slack did not allow it."
		if word == "access_denied" {
			text = "You, or an administrator of your workspace, did not allow it."
		}
		page(w, http.StatusForbidden, "Not installed", text)
		return
	}
	i, err := f.exchange(r.Context(), q.Get("code"), f.verifier(q.Get("state"), c.Value))
	if err != nil {
		f.Bot.Log.WarnContext(r.Context(), "slack: an installation failed", slog.String("why", or(code(err), agent.PublicText(err))))
		page(w, map[bool]int{true: http.StatusBadRequest, false: http.StatusBadGateway}[agent.KindOf(err) == agent.Invalid], "Not installed", agent.PublicText(err))
		return
	}
	page(w, http.StatusOK, "Sous is in "+or(i.Name, i.Team), "You can close this page. In Slack, look for Sous under Apps and say hello.")
}

// exchange gets the credentials for a code, keeps them and lets the bot begin.
func (f *Fleet) exchange(ctx context.Context, word, verifier string) (install.Installation, error) {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	got, err := slack.GetOAuthV2ResponseContext(ctx, f.http, f.ClientID, f.ClientSecret, word, f.Redirect, f.apiURL(), slack.OAuthOptionCodeVerifier(verifier))
	if err != nil {
		return install.Installation{}, explainOAuth(err)
	}
	i := install.Installation{
		System: system, Team: got.Team.ID, Name: got.Team.Name, Enterprise: got.Enterprise.ID, Org: got.IsEnterpriseInstall, App: got.AppID, Bot: got.BotUserID,
		Token: install.Secret(got.AccessToken), Refresh: install.Secret(got.RefreshToken), At: f.Bot.Clock(),
	}
	if i.Org {
		i.Team, i.Name = got.Enterprise.ID, got.Enterprise.Name
	}
	if got.Scope != "" {
		i.Scopes = strings.Split(got.Scope, ",")
	}
	if got.ExpiresIn > 0 {
		i.Expires = i.At.Add(time.Duration(got.ExpiresIn) * time.Second)
	}
	i.Workspace, i.By = WorkspaceOf(i.Team), string(ActorID(i.Team, got.AuthedUser.ID))
	if got.TokenType != "bot" || i.Team == "" {
		return i, agent.Errorf(agent.Invalid, "Slack gave no bot token for a workspace.")
	}
	// What Slack has given is given once: it is kept whether or not somebody waits.
	keep, done := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
	defer done()
	if err := f.Installs.Install(keep, i); err != nil {
		return i, agent.WrapError(agent.Unavailable, err, "Slack allowed it, but it could not be kept here; open the invitation again.")
	}
	f.Installed.Put(i)
	f.rouse()
	return i, nil
}

// explainOAuth says what a person can do about an error of oauth.v2.access
// (docs.slack.dev/reference/methods/oauth.v2.access).
func explainOAuth(err error) error {
	switch code(err) {
	case "invalid_code", "code_already_used", "code_expired", "invalid_code_verifier", "invalid_grant":
		return agent.WrapError(agent.Invalid, err, "Slack's permission was used already, or is too old. Open the invitation again.")
	case "bad_redirect_uri", "oauth_authorization_url_mismatch":
		return agent.WrapError(agent.Invalid, err, "Slack does not know this address of Sous. Whoever runs it compares SLACK_PUBLIC_URL with the app's redirect URLs, or runs sous slack apply.")
	case "invalid_client_id", "bad_client_secret":
		return agent.WrapError(agent.Invalid, err, "Slack does not know this app. Whoever runs Sous compares SLACK_CLIENT_ID and SLACK_CLIENT_SECRET with the app's page.")
	case "invalid_team_for_non_distributed_app", "cannot_install_an_org_installed_app", "team_access_not_granted", "no_scopes":
		return agent.WrapError(agent.Invalid, err, "Slack does not let this app into that workspace ("+code(err)+").")
	case "invalid_refresh_token", "token_revoked", "token_expired":
		return agent.WrapError(agent.Forbidden, err, "Slack does not renew the token ("+code(err)+"): install the app again")
	}
	return agent.WrapError(agent.Unavailable, err, "Slack does not answer right now. Open the invitation again in a minute.")
}

// guard keeps a page out of frames, caches and other sites' logs.
func guard(w http.ResponseWriter) {
	h := w.Header()
	h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'; form-action 'none'")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
}

func page(w http.ResponseWriter, status int, title, text string) {
	guard(w)
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	_ = template.Must(template.New("page").Parse(`<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>{{.Title}}</title><h1>{{.Title}}</h1><p>{{.Text}}</p></html>`)).
		Execute(w, struct{ Title, Text string }{title, text})
}
