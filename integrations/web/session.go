package web

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"log/slog"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/sous-hq/sous/agent"
)

const (
	// minToken is the shortest token accepted, in characters.
	minToken = 16
	// idle is how long a browser stays signed in without a request, whole how long in
	// all, renew how old its cookie may get before it is given a fresh one.
	idle  = 8 * time.Hour
	whole = 24 * time.Hour
	renew = 15 * time.Minute
)

// Session is a signed-in browser.
type Session struct {
	// Person is whose token it began with, "" for the operator's.
	Person agent.ActorID
	// ID is random and public: it names the session in logs.
	ID string
	// Began is when the browser signed in, Issued when its cookie was made.
	Began, Issued time.Time
}

// A session is a cookie "person.id.began.issued.mac" with an HMAC-SHA-256 under a key
// made from the token, so it outlives a restart and dies with the token. The
// person is in base64, and empty for the operator.
func sessionKey(token string) []byte {
	sum := sha256.Sum256([]byte("sous web session\n" + token))
	return sum[:]
}

// mac signs what a person's cookie says; ok is false when their token was taken
// back, or nobody can say.
func (s *Server) mac(ctx context.Context, person agent.ActorID, payload string) (sum string, ok bool) {
	key := s.key
	if person != "" {
		if s.SignIn == nil {
			return "", false
		}
		var err error
		if key, err = s.SignIn.Key(ctx, person); err != nil {
			s.refused(ctx, err)
			return "", false
		}
	}
	h := hmac.New(sha256.New, key)
	h.Write([]byte(payload))
	return base64.RawURLEncoding.EncodeToString(h.Sum(nil)), true
}

// refused logs why somebody is not signed in, when it is not their doing.
func (s *Server) refused(ctx context.Context, err error) {
	if agent.KindOf(err) != agent.NotFound {
		s.Log.WarnContext(ctx, "tokens cannot be looked up", slog.Any("err", err))
	}
}

// secure reports whether the browser came by TLS, which a proxy may have ended.
// Who claims so and did not come by TLS loses their own cookie.
func secure(r *http.Request) bool {
	return r.TLS != nil || r.Header.Get("X-Forwarded-Proto") == "https"
}

// cookieName holds the port: browsers share cookies between the ports of a host.
func cookieName(r *http.Request) string { return "sous" + localPort(r) }

// issue signs the browser in, or renews its session under the same id.
func (s *Server) issue(w http.ResponseWriter, r *http.Request, of Session) {
	stamp := func(t time.Time) string { return "." + strconv.FormatInt(t.Unix(), 10) }
	payload := base64.RawURLEncoding.EncodeToString([]byte(of.Person)) + "." + of.ID + stamp(of.Began) + stamp(s.Now())
	sum, ok := s.mac(r.Context(), of.Person, payload)
	if !ok {
		return
	}
	http.SetCookie(w, &http.Cookie{ //nolint:gosec // Secure is set as soon as there is TLS; loopback has none
		Name: cookieName(r), Value: payload + "." + sum, Path: "/", MaxAge: int(idle.Seconds()),
		HttpOnly: true, SameSite: http.SameSiteStrictMode, Secure: secure(r),
	})
}

// session returns the session of the request's cookie.
func (s *Server) session(r *http.Request) (Session, bool) {
	c, err := r.Cookie(cookieName(r))
	if err != nil {
		return Session{}, false
	}
	parts := strings.Split(c.Value, ".")
	if len(parts) != 5 {
		return Session{}, false
	}
	raw, err := base64.RawURLEncoding.DecodeString(parts[0])
	if err != nil {
		return Session{}, false
	}
	person := agent.ActorID(raw)
	sum, ok := s.mac(r.Context(), person, strings.Join(parts[:4], "."))
	if !ok || !hmac.Equal([]byte(parts[4]), []byte(sum)) {
		return Session{}, false
	}
	began, err := strconv.ParseInt(parts[2], 10, 64)
	issued, err2 := strconv.ParseInt(parts[3], 10, 64)
	if err != nil || err2 != nil {
		return Session{}, false
	}
	got := Session{Person: person, ID: parts[1], Began: time.Unix(began, 0), Issued: time.Unix(issued, 0)}
	return got, s.Now().Sub(got.Issued) < idle && s.Now().Sub(got.Began) < whole
}

// Authenticate returns who the request's browser is signed in as, else an error
// of kind Forbidden. The API uses it for requests of our own pages.
func (s *Server) Authenticate(r *http.Request) (agent.Actor, error) {
	got, ok := s.session(r)
	if !ok {
		return agent.Actor{}, agent.Errorf(agent.Forbidden, "you are not signed in")
	}
	return s.Actor(got)
}

// whose returns whose token it is, "" being the operator. It compares in constant
// time; hashing first hides the length too.
func (s *Server) whose(ctx context.Context, token string) (person agent.ActorID, ok bool) {
	a, b := sha256.Sum256([]byte(token)), sha256.Sum256([]byte(s.Token))
	if subtle.ConstantTimeCompare(a[:], b[:]) == 1 {
		return "", true
	}
	if s.SignIn == nil {
		return "", false
	}
	person, err := s.SignIn.Find(ctx, token)
	if err != nil {
		s.refused(ctx, err)
	}
	return person, err == nil && person != ""
}

// askToSignIn answers a request without a session: a link that carries the
// token signs in, a page leads to the sign-in page, anything else is refused.
func (s *Server) askToSignIn(w http.ResponseWriter, r *http.Request, why error) {
	if token := r.URL.Query().Get("token"); r.Method == http.MethodGet && r.URL.Path == "/" && token != "" {
		s.signIn(w, r, token, "/")
		return
	}
	if r.Method == http.MethodGet && !wantsJSON(r) {
		http.Redirect(w, r, "/login?next="+url.QueryEscape(r.URL.RequestURI()), http.StatusSeeOther)
		return
	}
	s.failWith(w, r, http.StatusUnauthorized, why)
}

type loginView struct {
	Next, Error, Go string
}

func (s *Server) loginPage(w http.ResponseWriter, r *http.Request) {
	s.render(w, r, http.StatusOK, "login", loginView{Next: local(r.URL.Query().Get("next"))})
}

func (s *Server) login(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, 64<<10)
	s.signIn(w, r, strings.TrimSpace(r.PostFormValue("token")), local(r.PostFormValue("next")))
}

// signIn sets the cookie and leads on. It answers with a page instead of a
// redirect: a browser that came from elsewhere would not send a SameSite=Strict
// cookie along a redirect.
func (s *Server) signIn(w http.ResponseWriter, r *http.Request, token, next string) {
	person, ok := s.whose(r.Context(), token)
	if !ok {
		s.Log.WarnContext(r.Context(), "sign-in refused")
		s.render(w, r, http.StatusForbidden, "login", loginView{Next: next, Error: "That is not the token of this Sous."})
		return
	}
	if _, err := s.Actor(Session{Person: person, Issued: s.Now()}); err != nil {
		s.Log.WarnContext(r.Context(), "sign-in refused", slog.Any("err", err))
		s.render(w, r, http.StatusForbidden, "login", loginView{Next: next, Error: sentence(agent.PublicText(err))})
		return
	}
	s.issue(w, r, Session{Person: person, ID: rand.Text(), Began: s.Now()})
	s.render(w, r, http.StatusOK, "login", loginView{Go: next})
}

func (s *Server) logout(w http.ResponseWriter, r *http.Request) {
	//nolint:gosec // Secure is set as soon as there is TLS; loopback has none
	http.SetCookie(w, &http.Cookie{Name: cookieName(r), Path: "/", MaxAge: -1, HttpOnly: true, SameSite: http.SameSiteStrictMode, Secure: secure(r)})
	http.Redirect(w, r, "/login", http.StatusSeeOther)
}

// local returns the path when it is one of this server, else "/".
func local(path string) string {
	u, err := url.Parse(path)
	if err != nil || u.Scheme != "" || u.Host != "" || !strings.HasPrefix(path, "/") || strings.HasPrefix(path, "//") || strings.ContainsAny(path, "\\\r\n\t") {
		return "/"
	}
	return path
}
