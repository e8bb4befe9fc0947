package web_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/agent/people"
	"github.com/sous-hq/sous/integrations/web"
)

// team is a chat of several people: Ann is the operator, the others have tokens
// of their own. Who is in gone may not use their account.
type team struct {
	*rig
	signIn people.SignIn
	gone   map[agent.ActorID]bool
	seen   map[string]agent.ActorID // by session
}

func newTeam(t *testing.T) *team {
	w := &team{gone: map[agent.ActorID]bool{}, seen: map[string]agent.ActorID{}}
	w.rig = newRig(t, func(c *web.Config) {
		w.signIn = people.SignIn{Tokens: c.Threads.(people.Tokens), Workspace: ann().Workspace, Secret: []byte("secret")}
		c.SignIn = w.signIn
		c.Actor = func(s web.Session) (agent.Actor, error) {
			if w.gone[s.Person] {
				return agent.Actor{}, agent.Errorf(agent.Forbidden, "the account of %s is deactivated", s.Person)
			}
			by := ann()
			if s.Person != "" {
				by = agent.Actor{Workspace: by.Workspace, ID: s.Person, Kind: agent.Member, Name: strings.ToUpper(string(s.Person))}
			}
			w.seen[s.ID] = by.ID
			return by, nil
		}
	})
	return w
}

// as returns a browser signed in with a token, and what its first page says.
func (w *team) as(t *testing.T, token string) (*http.Client, int) {
	t.Helper()
	mine := w.client
	defer func() { w.client = mine }()
	w.client = w.browser(t)
	first := w.get(t, "/?token="+token)
	return w.client, first.StatusCode
}

// status is what the approvals page answers in a browser.
func (w *team) status(t *testing.T, c *http.Client) int {
	t.Helper()
	mine := w.client
	defer func() { w.client = mine }()
	w.client = c
	return w.get(t, "/approvals").StatusCode
}

func (w *team) issue(t *testing.T, person agent.ActorID) string {
	t.Helper()
	return must[string](t)(w.signIn.Issue(t.Context(), ann(), person))
}

func TestEachPersonSignsInWithATokenOfTheirOwn(t *testing.T) {
	w := newTeam(t)
	bob, code := w.as(t, w.issue(t, "bob"))
	if code != http.StatusOK || w.status(t, bob) != http.StatusOK {
		t.Fatalf("Bob is not signed in: %d", code)
	}
	// Ann asks; Bob sees who he is and what waits for him, and decides it.
	v := w.ask(t, "pay them", agent.TurnWaiting)
	mine := w.client
	w.client = bob
	if page := w.get(t, "/"); !strings.Contains(page.body, "BOB") {
		t.Error("the page does not say that it is Bob's")
	}
	if got := w.get(t, "/c/"+v.Conversation); got.StatusCode != http.StatusNotFound {
		t.Errorf("Bob reads Ann's conversation: %d", got.StatusCode)
	}
	if got := w.get(t, "/audit"); got.StatusCode != http.StatusForbidden {
		t.Errorf("Bob, who is no owner, reads the record: %d", got.StatusCode)
	}
	w.client = mine
	if got := w.get(t, "/c/"+v.Conversation); got.StatusCode != http.StatusOK {
		t.Errorf("Ann reads her conversation: %d", got.StatusCode)
	}
	people := map[agent.ActorID]bool{}
	for _, id := range w.seen {
		people[id] = true
	}
	if len(people) != 2 || !people["bob"] || !people[ann().ID] {
		t.Errorf("seen %v", w.seen)
	}
}

func TestATokenTakenBackEndsItsSessionsAndNoOthers(t *testing.T) {
	w := newTeam(t)
	bob, _ := w.as(t, w.issue(t, "bob"))
	cat, _ := w.as(t, w.issue(t, "cat"))
	second := w.issue(t, "bob")
	if got := w.status(t, bob); got != http.StatusSeeOther {
		t.Errorf("Bob's old session goes on: %d", got)
	}
	bob, _ = w.as(t, second)
	if got := w.status(t, bob); got != http.StatusOK {
		t.Errorf("Bob with his new token: %d", got)
	}
	if err := w.signIn.Revoke(t.Context(), ann(), "bob"); err != nil {
		t.Fatal(err)
	}
	if got := w.status(t, bob); got != http.StatusSeeOther {
		t.Errorf("Bob's session goes on without a token: %d", got)
	}
	if _, code := w.as(t, second); code != http.StatusForbidden {
		t.Errorf("a token that was taken back: %d", code)
	}
	if got := w.status(t, cat); got != http.StatusOK {
		t.Errorf("Cat was signed out as well: %d", got)
	}
}

func TestWhoIsDeactivatedIsSignedOutAndNotIn(t *testing.T) {
	w := newTeam(t)
	token := w.issue(t, "bob")
	bob, _ := w.as(t, token)
	w.gone["bob"] = true
	if got := w.status(t, bob); got != http.StatusSeeOther {
		t.Errorf("Bob's session goes on: %d", got)
	}
	if _, code := w.as(t, token); code != http.StatusForbidden {
		t.Errorf("Bob signs in: %d", code)
	}
}

func TestASessionOfOnePersonIsNoneOfAnother(t *testing.T) {
	w := newTeam(t)
	bob, _ := w.as(t, w.issue(t, "bob"))
	w.issue(t, "cat")
	req := must[*http.Request](t)(http.NewRequest(http.MethodGet, w.server.URL+"/approvals", nil))
	good := bob.Jar.Cookies(req.URL)[0]
	mine := w.client.Jar.Cookies(req.URL)[0]
	_, rest, _ := strings.Cut(good.Value, ".")
	_, own, _ := strings.Cut(mine.Value, ".")
	for name, value := range map[string]string{
		"Bob's as Cat's": "Y2F0." + rest, "Bob's as the operator's": "." + rest, "the operator's as Bob's": "Ym9i." + own,
		"Bob's as nobody's": "ZWQ." + rest, "in another alphabet": "Ym9i=." + rest,
	} {
		req := req.Clone(t.Context())
		req.AddCookie(&http.Cookie{Name: good.Name, Value: value})
		resp, err := (&http.Client{CheckRedirect: bob.CheckRedirect}).Do(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != http.StatusSeeOther {
			t.Errorf("%s: %d", name, resp.StatusCode)
		}
	}
}

func TestBehindTLSTheCookieIsForTLSAlone(t *testing.T) {
	w := newTeam(t)
	for _, proto := range []string{"", "http", "https"} {
		req := must[*http.Request](t)(http.NewRequest(http.MethodGet, w.server.URL+"/?token="+w.issue(t, "bob"), nil))
		req.Header.Set("X-Forwarded-Proto", proto)
		resp, err := (&http.Client{}).Do(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if c := resp.Cookies(); len(c) != 1 || c[0].Secure != (proto == "https") {
			t.Errorf("by %q: %+v", proto, c)
		}
	}
}
