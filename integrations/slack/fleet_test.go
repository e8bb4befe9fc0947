package slack_test

import (
	"context"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/agent/audit"
	"github.com/sous-hq/sous/agent/install"
	front "github.com/sous-hq/sous/integrations/slack"
	"github.com/sous-hq/sous/internal/testkit/slackfake"
)

// redirect is where Slack sends people back to.
const redirect = "https://sous.example/slack/oauth_redirect"

// tokenFor is how long a token is good: it is due two hours before its end, half an
// hour after it was given.
const tokenFor = 150 * time.Minute

// elsewhere is the channel of the second workspace.
const elsewhere = "C9ELSEWHERE"

// newWorlds is a world with an app that installs itself, and a second workspace.
func newWorlds(t testing.TB, change ...func(*slackfake.Config)) (*world, *slackfake.Server) {
	t.Helper()
	change = append([]func(*slackfake.Config){func(c *slackfake.Config) {
		c.Redirects, c.Rotate, c.Name, c.TokenFor = []string{redirect}, true, "First", tokenFor
	}}, change...)
	w := newWorld(t, change...)
	w.installs = true
	c := w.slack.Config
	c.Team, c.BotUser, c.BotToken, c.Name, c.Host, c.Enterprise, c.Org = "T00000002", "U0000BOT2", "xoxb-another", "Second", "second.fake:80", "", false
	other := slackfake.New(c)
	t.Cleanup(other.Close)
	other.AddUser(slackfake.User{ID: "U0ZOE", RealName: "Zoe Zimmer"})
	other.AddChannel(slackfake.Channel{ID: elsewhere, Name: "elsewhere", Members: []string{"U0ZOE", other.BotUser}})
	w.slack.Join(other)
	return w, other
}

// browser is somebody's browser: it keeps cookies and follows nothing by itself.
type browser struct {
	*http.Client
	cookies []*http.Cookie
}

func (w *world) browser() *browser {
	c := *w.client
	c.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &browser{Client: &c}
}

// open opens a page of Sous, by its path and query, and returns where it leads and
// what it says.
func (b *browser) open(t testing.TB, address string) (status int, to, text string) {
	t.Helper()
	u := must[*url.URL](t)(url.Parse(address))
	req := must[*http.Request](t)(http.NewRequestWithContext(t.Context(), http.MethodGet, "http://sous.fake"+u.RequestURI(), nil))
	for _, c := range b.cookies {
		req.AddCookie(c)
	}
	resp := must[*http.Response](t)(b.Do(req))
	defer resp.Body.Close()
	body := must[[]byte](t)(io.ReadAll(resp.Body))
	for _, c := range resp.Cookies() {
		if !c.Secure || !c.HttpOnly || c.SameSite != http.SameSiteLaxMode || c.Path != "/" {
			t.Errorf("a cookie that others may read or send: %v", c)
		}
		if b.cookies = nil; c.MaxAge > 0 {
			b.cookies = append(b.cookies, c)
		}
	}
	return resp.StatusCode, resp.Header.Get("Location"), string(body)
}

// invitation is a link that holds for an hour.
func (w *world) invitation() string {
	return front.Invitation("https://sous.example", w.slack.ClientSecret, time.Now().Add(time.Hour))
}

// install installs the app in a workspace, as a person does.
func (w *world) install(t testing.TB, there *slackfake.Server, user string) {
	t.Helper()
	b := w.browser()
	status, to, text := b.open(t, w.invitation())
	if status != http.StatusSeeOther {
		t.Fatalf("the invitation: %d %s", status, text)
	}
	back := must[string](t)(there.Agree(user, to))
	if status, _, text := b.open(t, back); status != http.StatusOK || !strings.Contains(text, "Sous is in "+there.Name) {
		t.Fatalf("installed: %d %s", status, text)
	}
}

func TestAnAppInSeveralWorkspacesKeepsThemApart(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w, other := newWorlds(t)
		w.answer = payer
		p := w.start(t)
		w.install(t, w.slack, ann)
		w.install(t, other, "U0ZOE")
		other.Connect(p.server.URL)
		one := w.slack.Post(ann, general, "<@"+w.slack.BotUser+"> hello")
		w.reply(t, general, one, "You said: hello")
		two := other.Post("U0ZOE", elsewhere, "<@"+other.BotUser+"> hallo")
		second := &world{slack: other}
		second.reply(t, elsewhere, two, "You said: hallo")
		for ws, want := range map[agent.WorkspaceID]string{"slack:" + agent.WorkspaceID(w.slack.Team): "hello", "slack:" + agent.WorkspaceID(other.Team): "hallo"} {
			turns := must[[]agent.Turn](t)(p.db.Recent(t.Context(), ws, "", 10))
			if len(turns) != 1 || turns[0].Actor.Workspace != ws || turns[0].Answer != "You said: "+want {
				t.Errorf("%s has %+v", ws, turns)
			}
		}
		// One leaves: its credentials go, the other goes on.
		other.Uninstall()
		wait(t, "credentials that are gone", func() bool {
			return len(must[[]install.Installation](t)(p.db.Installations(t.Context(), "slack"))) == 1
		})
		rows := must[[]audit.Entry](t)(p.db.Audit(t.Context(), "slack:"+agent.WorkspaceID(other.Team), audit.Filter{Kinds: []audit.Kind{audit.AppInstalled, audit.AppRemoved}}))
		if len(rows) != 2 || rows[0].Actor != agent.ActorID("slack:"+other.Team+":U0ZOE") || !strings.HasPrefix(rows[1].Note, other.Team+" ") {
			t.Errorf("recorded %+v", rows)
		}
		time.Sleep(time.Minute)
		again := w.slack.Post(ann, general, "<@"+w.slack.BotUser+"> still here?")
		w.reply(t, general, again, "You said: still here?")
		if s := p.fleet.Standings(); len(s) != 1 || s[0].Team != w.slack.Team || s[0].Trouble != "" {
			t.Errorf("standings %+v", s)
		}
		// It comes back with new credentials.
		w.install(t, other, "U0ZOE")
		back := other.Post("U0ZOE", elsewhere, "<@"+other.BotUser+"> wieder da")
		second.reply(t, elsewhere, back, "You said: wieder da")
	})
}

func TestAnInstallationIsTakenUpAfterARestartAndItsTokenIsRenewedInTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w, _ := newWorlds(t)
		w.answer = payer
		p := w.start(t)
		w.install(t, w.slack, ann)
		first := p.fleet.Standings()[0]
		p.stop()
		p = w.start(t)
		time.Sleep(25 * time.Minute)
		if now := p.fleet.Standings()[0]; now.Token != first.Token {
			t.Error("renewed before it was due")
		}
		time.Sleep(8 * time.Minute)
		now := p.fleet.Standings()[0]
		if now.Token == first.Token || now.Refresh == first.Refresh || !now.Expires.After(first.Expires) || now.Scopes == nil || now.Name != "First" {
			t.Errorf("renewed: %+v", now)
		}
		if n := len(w.slack.Calls("oauth.v2.access")); n != 2 {
			t.Errorf("Slack was asked %d times; want once to install and once to renew", n)
		}
		time.Sleep(2 * tokenFor)
		root := w.slack.Post(ann, general, "<@"+w.slack.BotUser+"> hello")
		w.reply(t, general, root, "You said: hello")
		for _, c := range w.slack.Calls("") {
			if c.Result == "token_expired" {
				t.Errorf("%s was called with a token that had ended", c.Method)
			}
		}
	})
}

// While Slack does not renew, the token in force serves to its end, and what was
// asked after that is answered when the app is installed again.
func TestATokenThatIsNotRenewedIsSaidAndMended(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w, _ := newWorlds(t)
		w.answer = payer
		p := w.start(t)
		w.install(t, w.slack, ann)
		for range 62 {
			w.slack.Fail("oauth.v2.access", slackfake.Failure{Status: http.StatusServiceUnavailable})
		}
		time.Sleep(tokenFor - 20*time.Minute)
		root := w.slack.Post(ann, general, "<@"+w.slack.BotUser+"> hello")
		w.reply(t, general, root, "You said: hello")
		time.Sleep(21 * time.Minute)
		late := w.slack.Post(ann, general, "<@"+w.slack.BotUser+"> later")
		w.reply(t, general, late, "You said: later")
		if s := p.fleet.Standings()[0]; s.Trouble != "" || !s.Expires.After(time.Now()) {
			t.Errorf("standing %+v", s)
		}
	})
}

// A refresh token of an app with PKCE is good for thirty days: whoever lets Sous rest
// for longer installs the app again, and what was asked then is answered.
func TestAfterAMonthOfRestTheAppIsInstalledAgain(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		rest  time.Duration
		holds bool
	}{"29 days": {29 * 24 * time.Hour, true}, "31 days": {31 * 24 * time.Hour, false}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w, _ := newWorlds(t)
				w.answer = payer
				p := w.start(t)
				w.install(t, w.slack, ann)
				p.stop()
				time.Sleep(tt.rest)
				p = w.start(t)
				time.Sleep(5 * time.Minute)
				if s := p.fleet.Standings()[0]; s.Expires.After(time.Now()) != tt.holds {
					t.Fatalf("the token holds until %s", s.Expires)
				}
				root := w.slack.Post(ann, general, "<@"+w.slack.BotUser+"> good day")
				if !tt.holds {
					time.Sleep(time.Minute)
					w.install(t, w.slack, ann)
				}
				w.reply(t, general, root, "You said: good day")
			})
		})
	}
}

// A refresh token is good once, so of several replicas one may use it.
func TestReplicasRenewATokenOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w, _ := newWorlds(t)
		w.change = func(c *front.Config) { c.Holder = "one" }
		p := w.start(t)
		w.install(t, w.slack, ann)
		for _, holder := range []string{"two", "three"} {
			c := p.fleet.FleetConfig
			c.Bot.Holder, c.Installed = holder, front.NewInstalled(p.db, front.DirectoryConfig{APIURL: w.slack.URL(), Clock: time.Now, Dial: w.net.DialContext})
			other := must[*front.Fleet](t)(front.NewFleet(c))
			ctx, cancel := context.WithCancel(t.Context())
			done := make(chan struct{})
			go func() { defer close(done); _ = other.Run(ctx) }()
			defer func() { cancel(); <-done }()
		}
		for round := range 3 {
			time.Sleep(33 * time.Minute)
			calls := w.slack.Calls("oauth.v2.access")
			if last := calls[len(calls)-1]; len(calls) != round+2 || last.Result != "ok" {
				t.Errorf("after %d renewals Slack was asked %d times, at last with %s", round+1, len(calls), last.Result)
			}
		}
	})
}

// Replicas share what they have seen: a copy of a click, a command or an event that
// goes to another one is no second click, command or event there.
func TestACopyToAnotherReplicaIsRefusedInEveryWorkspace(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w, second := newWorlds(t)
		w.answer = payer
		w.change = func(c *front.Config) { c.Holder = "one" }
		p := w.start(t)
		w.install(t, w.slack, ann)
		w.install(t, second, "U0ZOE")
		c := p.fleet.FleetConfig
		c.Bot.Holder, c.Installed = "two", front.NewInstalled(p.db, front.DirectoryConfig{APIURL: w.slack.URL(), Clock: time.Now, Dial: w.net.DialContext})
		replica := must[*front.Fleet](t)(front.NewFleet(c))
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { defer close(done); _ = replica.Run(ctx) }()
		defer func() { cancel(); <-done }()
		beside := &process{client: w.client, server: w.net.Serve("sous2.fake:80", replica.Handler())}
		defer beside.server.Close()
		time.Sleep(time.Minute)
		for _, there := range []*slackfake.Server{w.slack, second} {
			user, channel := ann, general
			if there == second {
				user, channel = "U0ZOE", elsewhere
			}
			for kind, body := range map[string]string{
				"commands":     url.Values{"command": {"/sous"}, "text": {"ask hello"}, "team_id": {there.Team}, "user_id": {user}, "trigger_id": {"t.1" + there.Team}, "channel_id": {channel}}.Encode(),
				"interactions": url.Values{"payload": {`{"type":"block_actions","trigger_id":"t.2` + there.Team + `","team":{"id":"` + there.Team + `"},"user":{"id":"` + user + `"},"actions":[]}`}}.Encode(),
			} {
				head := signed(w.slack.SigningSecret, time.Now(), []byte(body))
				if got := p.deliver(t, kind, []byte(body), head); got != 200 {
					t.Errorf("%s of %s: %d", kind, there.Team, got)
				}
				for _, replica := range []*process{beside, p} {
					if got := replica.deliver(t, kind, []byte(body), head); got != 401 {
						t.Errorf("a copy of %s of %s: %d; want 401", kind, there.Team, got)
					}
				}
			}
			_, event := there.Event(map[string]any{"type": "app_mention", "channel": channel, "user": user, "ts": "1800000000.000001", "text": "<@" + there.BotUser + "> good day"})
			for _, replica := range []*process{beside, p, beside} {
				if got := replica.deliver(t, "events", event, signed(w.slack.SigningSecret, time.Now(), event)); got != 200 {
					t.Errorf("an event once more: %d", got)
				}
			}
			time.Sleep(time.Minute)
			turns := must[[]agent.Turn](t)(p.db.Recent(t.Context(), front.WorkspaceOf(there.Team), "", 10))
			if len(turns) != 2 {
				t.Errorf("%d turns of %s; want that of the command and that of the event", len(turns), there.Team)
			}
		}
	})
}

func TestAnInstallationThatDidNotBeginHereEndsNowhere(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w, _ := newWorlds(t)
		p := w.start(t)
		b := w.browser()
		key := func(change func(string) string) string {
			u := must[*url.URL](t)(url.Parse(w.invitation()))
			return u.Path + "?key=" + url.QueryEscape(change(u.Query().Get("key")))
		}
		for name, address := range map[string]string{
			"no invitation": "/slack/install", "another's": front.Invitation("https://sous.example", "another secret", time.Now().Add(time.Hour)),
			"one that is over": front.Invitation("https://sous.example", w.slack.ClientSecret, time.Now().Add(-time.Second)),
			"one made longer":  key(func(k string) string { return "9" + k }), "one cut short": key(func(k string) string { return k[:len(k)-1] }),
		} {
			if status, to, _ := b.open(t, address); status != http.StatusForbidden || to != "" {
				t.Errorf("%s: %d to %q", name, status, to)
			}
		}
		_, to, _ := b.open(t, w.invitation())
		back := must[string](t)(w.slack.Agree(ann, to))
		state := must[*url.URL](t)(url.Parse(back)).Query().Get("state")
		stranger := w.browser()
		stranger.open(t, w.invitation())
		for name, try := range map[string]struct {
			*browser
			address string
		}{
			"another browser": {stranger, back}, "no cookie": {w.browser(), back}, "no state": {b, "/slack/oauth_redirect?code=x"},
			"another state": {b, strings.Replace(back, "state=", "state=9", 1)},
		} {
			if status, _, _ := try.open(t, try.address); status != http.StatusForbidden {
				t.Errorf("%s: %d", name, status)
			}
		}
		kept := b.cookies
		if status, _, text := b.open(t, "/slack/oauth_redirect?error=access_denied&state="+url.QueryEscape(state)); status != http.StatusForbidden || !strings.Contains(text, "did not allow") {
			t.Errorf("denied: %d %s", status, text)
		}
		b.cookies = kept
		time.Sleep(11 * time.Minute)
		if status, _, _ := b.open(t, back); status != http.StatusForbidden {
			t.Errorf("after eleven minutes: %d", status)
		}
		if all := p.fleet.Standings(); len(all) != 0 || len(w.slack.Calls("oauth.v2.access")) != 0 {
			t.Errorf("installed %+v", all)
		}
	})
}

func TestWhatSlackRefusesOfAnInstallationIsExplained(t *testing.T) {
	t.Parallel()
	for refusal, want := range map[string]string{
		"invalid_code": "Open the invitation again", "code_already_used": "Open the invitation again", "bad_redirect_uri": "SLACK_PUBLIC_URL", "bad_client_secret": "SLACK_CLIENT_SECRET",
		"invalid_team_for_non_distributed_app": "does not let this app", "internal_error": "does not answer right now",
	} {
		t.Run(refusal, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w, _ := newWorlds(t)
				p := w.start(t)
				b := w.browser()
				_, to, _ := b.open(t, w.invitation())
				back := must[string](t)(w.slack.Agree(ann, to))
				w.slack.Fail("oauth.v2.access", slackfake.Failure{Error: refusal})
				if status, _, text := b.open(t, back); status < 400 || !strings.Contains(text, want) {
					t.Errorf("%d %s", status, text)
				}
				if all := p.fleet.Standings(); len(all) != 0 {
					t.Errorf("installed %+v", all)
				}
			})
		})
	}
}

// A code that is used twice, or with another's proof, gets nothing.
func TestACodeIsGoodOnceForWhoBegan(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w, _ := newWorlds(t)
		p := w.start(t)
		mine, theirs := w.browser(), w.browser()
		_, to, _ := mine.open(t, w.invitation())
		back := must[string](t)(w.slack.Agree(ann, to))
		_, _, _ = theirs.open(t, w.invitation())
		code := must[*url.URL](t)(url.Parse(back)).Query().Get("code")
		kept := mine.cookies
		_, again, _ := mine.open(t, w.invitation())
		state := must[*url.URL](t)(url.Parse(again)).Query().Get("state")
		// Slack's code of one beginning with the state of another.
		if status, _, text := mine.open(t, "/slack/oauth_redirect?code="+url.QueryEscape(code)+"&state="+url.QueryEscape(state)); status != http.StatusBadRequest {
			t.Errorf("a code of another beginning: %d %s", status, text)
		}
		mine.cookies = kept
		if status, _, text := mine.open(t, back); status != http.StatusOK {
			t.Errorf("its own: %d %s", status, text)
		}
		mine.cookies = kept
		if status, _, _ := mine.open(t, back); status != http.StatusBadRequest {
			t.Errorf("twice: %d", status)
		}
		if all := p.fleet.Standings(); len(all) != 1 || all[0].Bot != w.slack.BotUser {
			t.Errorf("installed %+v", all)
		}
	})
}

func TestAnOrganisationInstallsTheAppForAllItsWorkspaces(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w, _ := newWorlds(t, func(c *slackfake.Config) { c.Enterprise, c.Org = "E0001", true })
		w.answer = payer
		for user, name := range map[string]string{ann: "Ann Archer", bob: "Bob Brown"} {
			w.slack.AddUser(slackfake.User{ID: user, RealName: name, Enterprise: "E0001"})
		}
		w.slack.AddUser(slackfake.User{ID: cat, RealName: "Cat Cole", Enterprise: "E0002"})
		w.slack.AddGroup(slackfake.Group{ID: "S1", Handle: "finance", Name: "Finance", Members: []string{bob}, Locked: true})
		p := w.start(t)
		b := w.browser()
		_, to, _ := b.open(t, w.invitation())
		if status, _, text := b.open(t, must[string](t)(w.slack.Agree(ann, to))); status != http.StatusOK || !strings.Contains(text, "First Inc") {
			t.Fatalf("installed: %d %s", status, text)
		}
		i := p.fleet.Standings()[0]
		if !i.Org || i.Team != "E0001" || i.Enterprise != "E0001" || i.Workspace != "slack:E0001" {
			t.Errorf("installed %+v", i)
		}
		root := w.slack.Post(ann, general, "<@"+w.slack.BotUser+"> hello")
		w.reply(t, general, root, "You said: hello")
		w.slack.Post(cat, general, "<@"+w.slack.BotUser+"> from outside")
		wait(t, "two turns", func() bool { return len(must[[]agent.Turn](t)(p.db.Recent(t.Context(), "slack:E0001", "", 10))) == 2 })
		// One of its workspaces is closed to the app: the others go on.
		w.slack.Fail("chat.postMessage", slackfake.Failure{Error: "team_access_not_granted"})
		w.slack.Post(ann, general, "<@"+w.slack.BotUser+"> where I may not")
		w.slack.Emit(map[string]any{"type": "team_access_revoked", "team_ids": []string{"T00000009"}})
		time.Sleep(time.Minute)
		root = w.slack.Post(ann, general, "<@"+w.slack.BotUser+"> and now")
		w.reply(t, general, root, "You said: and now")
		if all := p.fleet.Standings(); all[0].Trouble != "" {
			t.Errorf("standing %+v", all[0])
		}
		kinds := map[agent.ActorID]agent.ActorKind{}
		for _, turn := range must[[]agent.Turn](t)(p.db.Recent(t.Context(), "slack:E0001", "", 10)) {
			kinds[turn.Actor.ID] = turn.Actor.Kind
		}
		if kinds["slack:E0001:"+ann] != agent.Member || kinds["slack:E0001:"+cat] != agent.Guest {
			t.Errorf("people %v", kinds)
		}
	})
}

func TestWhatIsForNobodyHereIsRefusedOrLetGo(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w, other := newWorlds(t)
		p := w.start(t)
		w.install(t, w.slack, ann)
		// The app was never installed there.
		id, body := other.Event(map[string]any{"type": "app_mention", "channel": elsewhere, "user": "U0ZOE", "ts": "1.1", "text": "hi"})
		other.Connect(p.server.URL)
		if status := other.Redeliver(id, body); status != http.StatusOK {
			t.Errorf("another workspace: %d; want it let go", status)
		}
		resp := must[*http.Response](t)(w.client.Post(p.server.URL+"/slack/events", "application/json", strings.NewReader(string(body))))
		if resp.Body.Close(); resp.StatusCode != http.StatusUnauthorized {
			t.Errorf("without a signature: %d", resp.StatusCode)
		}
	})
}

func TestSocketModeServesEveryWorkspace(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w, _ := newWorlds(t)
		w.answer, w.socket = payer, true
		w.start(t)
		w.install(t, w.slack, ann)
		root := w.slack.Post(ann, general, "<@"+w.slack.BotUser+"> hello")
		w.reply(t, general, root, "You said: hello")
	})
}
