package slackfake

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// lifetime is how long a rotated token is good with Slack, and codeFor how long a code is
// (docs.slack.dev/authentication/using-token-rotation, .../installing-with-oauth).
const (
	// refreshFor is how long the refresh token of an app with PKCE is good
	// (docs.slack.dev/authentication/using-pkce).
	refreshFor = 30 * 24 * time.Hour
	lifetime   = 12 * time.Hour
	codeFor    = 10 * time.Minute
)

// grants are what was given out by OAuth.
type grants struct {
	codes map[string]grant
	// tokens are the bot tokens by when they end, zero for never; a revoked one is
	// there with its error.
	tokens  map[string]issuedToken
	refresh map[string]time.Time
}

// grant is a code that was not used yet.
type grant struct {
	redirect, challenge, user string
	scopes                    []string
	until                     time.Time
	used                      bool
}

type issuedToken struct {
	until time.Time
	code  string
}

func oauthMethods() map[string]method {
	return map[string]method{
		"oauth.v2.access": {token: noToken, known: []string{"client_id", "client_secret", "code", "redirect_uri", "code_verifier", "grant_type", "refresh_token"}, run: (*Server).oauthAccess},
		"auth.teams.list": {known: []string{"limit", "cursor", "include_icon"}, run: (*Server).teamList},
	}
}

// Agree is a person who opens Slack's page of consent and agrees: it returns where
// the browser is sent, or an error that Slack would show instead.
func (s *Server) Agree(user, page string) (string, error) {
	u, err := url.Parse(page)
	if err != nil {
		return "", err
	}
	q := u.Query()
	scopes := strings.Split(q.Get("scope"), ",")
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case q.Get("client_id") != s.ClientID:
		return "", fmt.Errorf("invalid_client_id")
	case !slices.Contains(s.Redirects, q.Get("redirect_uri")):
		return "", fmt.Errorf("bad_redirect_uri: %q", q.Get("redirect_uri"))
	case q.Get("code_challenge") != "" && q.Get("code_challenge_method") != "S256":
		return "", fmt.Errorf("invalid_code_challenge_method")
	case slices.ContainsFunc(scopes, func(one string) bool { return !slices.Contains(s.Scopes, one) }):
		return "", fmt.Errorf("invalid_scope: %q", scopes)
	}
	if s.grants.codes == nil {
		s.grants = grants{codes: map[string]grant{}, tokens: map[string]issuedToken{}, refresh: map[string]time.Time{}}
	}
	code := fmt.Sprintf("%s.code.%d", s.Team, s.ids.next())
	s.grants.codes[code] = grant{redirect: q.Get("redirect_uri"), challenge: q.Get("code_challenge"), user: user, scopes: scopes, until: s.Clock().Add(codeFor)}
	return q.Get("redirect_uri") + "?" + url.Values{"code": {code}, "state": {q.Get("state")}}.Encode(), nil
}

func (s *Server) oauthAccess(a args) (answer, string) {
	switch {
	case a.str("client_id") != s.ClientID:
		return nil, "invalid_client_id"
	case a.str("client_secret") != s.ClientSecret:
		return nil, "bad_client_secret"
	}
	switch a.str("grant_type") {
	case "refresh_token":
		was := a.str("refresh_token")
		if until, ok := s.grants.refresh[was]; !ok || !s.Clock().Before(until) {
			return nil, "invalid_refresh_token"
		}
		// It is good once; the token it renews stays so until its end.
		delete(s.grants.refresh, was)
		return s.grant(grant{scopes: s.Scopes}), ""
	case "", "authorization_code":
	default:
		return nil, "invalid_grant_type"
	}
	g, ok := s.grants.codes[a.str("code")]
	sum := sha256.Sum256([]byte(a.str("code_verifier")))
	switch {
	case !ok || !s.Clock().Before(g.until):
		return nil, "invalid_code"
	case g.used:
		return nil, "code_already_used"
	case a.str("redirect_uri") != g.redirect:
		return nil, "bad_redirect_uri"
	case g.challenge != "" && base64.RawURLEncoding.EncodeToString(sum[:]) != g.challenge:
		return nil, "invalid_code_verifier"
	}
	g.used = true
	s.grants.codes[a.str("code")] = g
	return s.grant(g), ""
}

// grant gives out a bot token; the lock is held.
func (s *Server) grant(g grant) answer {
	token := fmt.Sprintf("xoxb-%s-%d", s.Team, s.ids.next())
	out := answer{
		"token_type": "bot", "scope": strings.Join(g.scopes, ","), "bot_user_id": s.BotUser, "app_id": appID,
		"team": answer{"id": s.Team, "name": s.Name}, "enterprise": nil, "is_enterprise_install": s.Org, "authed_user": answer{"id": g.user},
	}
	if s.Enterprise != "" {
		out["enterprise"] = answer{"id": s.Enterprise, "name": s.Name + " Inc"}
	}
	if s.Org {
		out["team"] = nil
	}
	issued := issuedToken{}
	if s.Rotate {
		token = "xoxe." + token
		refresh := fmt.Sprintf("xoxe-1-%s-%d", s.Team, s.ids.next())
		s.grants.refresh[refresh] = s.Clock().Add(refreshFor)
		issued.until = s.Clock().Add(s.TokenFor)
		out["refresh_token"], out["expires_in"] = refresh, int(s.TokenFor.Seconds())
	}
	s.grants.tokens[token] = issued
	out["access_token"] = token
	return out
}

// issued says whether a token was given out by OAuth, and what Slack answers to it.
func (s *Server) issued(token string) (code string, is bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t, ok := s.grants.tokens[token]
	switch {
	case !ok:
		return "", false
	case t.code != "":
		return t.code, true
	case !t.until.IsZero() && !s.Clock().Before(t.until):
		return "token_expired", true
	}
	return "", true
}

// Uninstall takes the app out of the workspace: its tokens are good for nothing, and
// the app is told.
func (s *Server) Uninstall() {
	s.Revoke("account_inactive")
	s.Emit(map[string]any{"type": "tokens_revoked", "tokens": map[string]any{"oauth": []string{}, "bot": []string{s.BotUser}}})
	s.Emit(map[string]any{"type": "app_uninstalled"})
}

// Revoke makes all tokens that were given out fail with a code, "" makes them good
// again, and refuses to renew them.
func (s *Server) Revoke(code string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for token, t := range s.grants.tokens {
		t.code = code
		s.grants.tokens[token] = t
	}
	clear(s.grants.refresh)
}

func (s *Server) teamList(args) (answer, string) {
	return answer{"teams": []answer{{"id": s.Team, "name": s.Name}}}, ""
}

// Join makes other workspaces reachable at this one's address, as Slack's all are:
// whose a call is, its token says, and of a code or refresh token whose it is.
func (s *Server) Join(others ...*Server) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.others = append(s.others, others...)
}

// neighbours hands a call on to the workspace whose it is.
func (s *Server) neighbours(own http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		others := slices.Clone(s.others)
		s.mu.Unlock()
		if len(others) == 0 {
			own.ServeHTTP(w, r)
			return
		}
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 4<<20))
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		said := r.Header.Get("Authorization") + string(body)
		if form, err := url.QueryUnescape(said); err == nil {
			said = form
		}
		for _, o := range others {
			if o.means(said) {
				o.http.Config.Handler.ServeHTTP(w, r)
				return
			}
		}
		own.ServeHTTP(w, r)
	})
}

// means reports whether a call names something that this workspace gave out.
func (s *Server) means(said string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for token := range s.grants.tokens {
		if strings.Contains(said, "token="+token) || strings.Contains(said, "Bearer "+token) {
			return true
		}
	}
	return strings.Contains(said, "code="+s.Team+".code.") || strings.Contains(said, "refresh_token=xoxe-1-"+s.Team+"-")
}
