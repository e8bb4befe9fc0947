package web_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"html"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/agent/approval"
	"github.com/sous-hq/sous/agent/loop"
	"github.com/sous-hq/sous/integrations/web"
)

// part is a field of the composer's form; a file when it has a name.
type part struct{ field, name, value string }

// sendForm posts the composer's form as a browser without JavaScript does.
func (r *rig) sendForm(t testing.TB, accept string, parts ...part) page {
	t.Helper()
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	for _, p := range parts {
		if p.name == "" {
			_ = form.WriteField(p.field, p.value)
			continue
		}
		w := must[interface{ Write([]byte) (int, error) }](t)(form.CreateFormFile(p.field, p.name))
		_, _ = w.Write([]byte(p.value))
	}
	form.Close()
	req := must[*http.Request](t)(http.NewRequest(http.MethodPost, r.server.URL+"/send", &body))
	req.Header.Set("Content-Type", form.FormDataContentType())
	req.Header.Set("Accept", accept)
	return r.do(t, req)
}

func TestAnotherHostNameIsRefused(t *testing.T) {
	r := newRig(t, func(c *web.Config) { c.Hosts = []string{"sous.example", "other.example:99"} })
	_, port, _ := strings.Cut(strings.TrimPrefix(r.server.URL, "http://"), ":")
	for host, want := range map[string]int{
		"127.0.0.1:" + port: 200, "localhost:" + port: 200, "LOCALHOST:" + port: 200, "[::1]:" + port: 200,
		"sous.example": 200, "sous.example:8443": 200, "other.example:99": 200,
		"127.0.0.1": 421, "localhost:1": 421, "evil.example": 421, "evil.example:" + port: 421,
		"127.0.0.1.evil.example:" + port: 421, "other.example:98": 421, "0.0.0.0:" + port: 421,
	} {
		req := must[*http.Request](t)(http.NewRequest(http.MethodGet, r.server.URL+"/livez", nil))
		req.Host = host
		if got := r.do(t, req); got.StatusCode != want {
			t.Errorf("host %s: %d, want %d", host, got.StatusCode, want)
		}
	}
}

func TestARequestOfAnotherSiteChangesNothing(t *testing.T) {
	r := newRig(t)
	v := r.ask(t, "pay them", agent.TurnWaiting)
	for name, header := range map[string][2]string{
		"by fetch metadata": {"Sec-Fetch-Site", "cross-site"}, "of a sister host": {"Sec-Fetch-Site", "same-site"}, "by origin": {"Origin", "https://evil.example"},
	} {
		req := must[*http.Request](t)(http.NewRequest(http.MethodPost, r.server.URL+"/approvals/"+v.Approvals[0].ID+"/approve", nil))
		req.Header.Set(header[0], header[1])
		if got := r.do(t, req); got.StatusCode != http.StatusForbidden {
			t.Errorf("%s: %d", name, got.StatusCode)
		}
	}
	if a, err := r.db.Approval(t.Context(), "w", v.Approvals[0].ID); err != nil || a.State != approval.Asked {
		t.Errorf("the approval is %s, %v", a.State, err)
	}
}

func TestSigningIn(t *testing.T) {
	now := time.Now()
	r := newRig(t, func(c *web.Config) { c.Now = func() time.Time { return now } })
	signedIn := func() bool { return r.get(t, "/").StatusCode == http.StatusOK }

	r.client = r.browser(t)
	if got := r.get(t, "/tickets?q=a"); got.StatusCode != http.StatusSeeOther || got.Header.Get("Location") != "/login?next=%2Ftickets%3Fq%3Da" {
		t.Errorf("a stranger got %d %s", got.StatusCode, got.Header.Get("Location"))
	}
	if got := r.get(t, "/?token=not-the-token"); got.StatusCode != http.StatusForbidden || signedIn() {
		t.Errorf("a wrong token: %d", got.StatusCode)
	}
	if got := r.post(t, "/approvals/AAAAAAAA/approve", nil); got.StatusCode != http.StatusUnauthorized {
		t.Errorf("a stranger's decision: %d", got.StatusCode)
	}
	got := r.post(t, "/login", url.Values{"token": {" " + token + "\n"}, "next": {"//evil.example/"}})
	if got.StatusCode != http.StatusOK || !strings.Contains(got.body, `content="0;url=/"`) {
		t.Errorf("the sign-in led to %s", got.body)
	}
	cookie := got.Cookies()[0]
	if !cookie.HttpOnly || cookie.SameSite != http.SameSiteStrictMode || strings.Contains(cookie.Value, token) {
		t.Errorf("cookie %+v", cookie)
	}
	if now = now.Add(7 * time.Hour); !signedIn() {
		t.Error("signed out within the working day")
	}
	if now = now.Add(7 * time.Hour); !signedIn() {
		t.Error("using the pages did not renew the session")
	}
	if now = now.Add(8*time.Hour + time.Minute); signedIn() {
		t.Error("still signed in after a night of rest")
	}
	r.get(t, "/?token="+token)
	for range 4 {
		now = now.Add(6*time.Hour - time.Second)
		if !signedIn() {
			t.Error("signed out within the day though the pages are used")
		}
	}
	if now = now.Add(time.Minute); signedIn() {
		t.Error("a session that is used never ends")
	}
	r.get(t, "/?token="+token)
	if r.post(t, "/logout", nil); signedIn() {
		t.Error("signing out did nothing")
	}
}

func TestASessionCannotBeForged(t *testing.T) {
	r := newRig(t)
	u := must[*url.URL](t)(url.Parse(r.server.URL))
	good := r.client.Jar.Cookies(u)[0]
	for _, value := range []string{"", "a", "a.b.c", good.Value + "x", "x" + good.Value, good.Value[:len(good.Value)-1], strings.Replace(good.Value, ".", ".9", 1)} {
		req := must[*http.Request](t)(http.NewRequest(http.MethodGet, r.server.URL+"/", nil))
		req.AddCookie(&http.Cookie{Name: good.Name, Value: value})
		resp, err := (&http.Client{CheckRedirect: r.client.CheckRedirect}).Do(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != http.StatusSeeOther {
			t.Errorf("cookie %q was accepted", value)
		}
	}
}

func TestATokenThatIsNoSecretIsRefused(t *testing.T) {
	r := newRig(t)
	_, err := web.New(web.Config{
		Desk: r.Assistant, Threads: r.db, Approvals: r.Assistant, Decisions: r.Assistant, Tickets: r, Memory: r, Control: r, Audit: r.db, Stories: r, Token: "short",
		Actor: func(web.Session) (agent.Actor, error) { return r.by, nil },
	})
	if err == nil {
		t.Error("accepted")
	}
}

var inline = regexp.MustCompile(`(?i)<script(?:\s+defer)?>|<style|\sstyle=|\son[a-z]+=|javascript:`)

func TestPagesCarryNothingInlineAndTheirHeaders(t *testing.T) {
	r := newRig(t)
	v := r.ask(t, "pay them", agent.TurnWaiting)
	r.ask(t, "hello", agent.TurnDone)
	for _, path := range []string{"/", "/c/" + v.Conversation, "/approvals", "/approvals/" + v.Approvals[0].ID, "/tickets", "/tickets/T-9", "/audit", "/audit?turn=" + v.ID, "/audit/story/" + v.ID, "/memory", "/effects", "/pause", "/approvals/" + v.Approvals[0].ID + "/edit", "/nowhere", "/login", "/static/app.js", "/livez"} {
		got := r.get(t, path)
		csp := got.Header.Get("Content-Security-Policy")
		if !strings.Contains(csp, "default-src 'self'") || !strings.Contains(csp, "frame-ancestors 'none'") || strings.Contains(csp, "unsafe") ||
			got.Header.Get("X-Content-Type-Options") != "nosniff" || got.Header.Get("Referrer-Policy") != "no-referrer" {
			t.Errorf("%s: headers %v", path, got.Header)
		}
		if strings.HasPrefix(got.Header.Get("Content-Type"), "text/html") && inline.MatchString(got.body) {
			t.Errorf("%s: %q", path, inline.FindString(got.body))
		}
	}
}

func TestHealthNeedsNoSignInAndTellsNoSecrets(t *testing.T) {
	var down error
	r := newRig(t, func(c *web.Config) {
		c.Ready = func(context.Context) error { return down }
		c.Metrics = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "sous_turns 1") })
	})
	r.client = r.browser(t)
	for _, path := range []string{"/livez", "/readyz", "/metrics"} {
		if got := r.get(t, path); got.StatusCode != http.StatusOK {
			t.Errorf("%s: %d", path, got.StatusCode)
		}
	}
	down = errors.New("dial tcp 10.0.0.7: refused")
	if got := r.get(t, "/readyz"); got.StatusCode != http.StatusServiceUnavailable || strings.Contains(got.body, "10.0.0.7") {
		t.Errorf("not ready: %d %s", got.StatusCode, got.body)
	}
}

// broken is a desk that fails.
type broken struct {
	web.Desk
	err error
}

func (b *broken) View(context.Context, agent.Actor, string) (loop.View, error) {
	return loop.View{}, b.err
}

func TestEveryKindOfErrorHasItsStatusAndNoInternals(t *testing.T) {
	desk := &broken{}
	log := &safeBuffer{}
	r := newRig(t, func(c *web.Config) { c.Desk = desk; c.Log = logTo(log) })
	for kind, want := range map[agent.Kind]int{
		agent.Internal: 500, agent.Invalid: 400, agent.NotFound: 404, agent.Forbidden: 403, agent.Conflict: 409,
		agent.Expired: 410, agent.TooLarge: 413, agent.Unavailable: 503, agent.Cancelled: 409,
	} {
		inner := errors.New("dial tcp 10.0.0.7:5432: connection refused")
		err := agent.WrapError(kind, inner, "the words for people")
		if kind == agent.Internal {
			err = fmt.Errorf("view: %w", inner)
		}
		desk.err = err
		log.Reset()
		for _, accept := range []string{"text/html", "application/json"} {
			req := must[*http.Request](t)(http.NewRequest(http.MethodGet, r.server.URL+"/turns/x/fragment", nil))
			req.Header.Set("Accept", accept)
			got := r.do(t, req)
			if got.StatusCode != want || strings.Contains(got.body, "10.0.0.7") || strings.Contains(got.body, "dial") {
				t.Errorf("%s as %s: %d %s", kind, accept, got.StatusCode, got.body)
			}
			if kind != agent.Internal && !strings.Contains(got.body, "The words for people.") {
				t.Errorf("%s as %s does not say why: %s", kind, accept, got.body)
			}
		}
		if !strings.Contains(log.String(), "10.0.0.7") {
			t.Errorf("%s: the log does not say why: %s", kind, log.String())
		}
	}
}

func TestTheSameFormSentTwiceIsOneRequest(t *testing.T) {
	r := newRig(t)
	event := regexp.MustCompile(`name="event" value="(\w+)"`).FindStringSubmatch(r.get(t, "/").body)[1]
	first := r.sendForm(t, "", part{"event", "", event}, part{"conversation", "", ""}, part{"text", "", "hello"})
	again := r.sendForm(t, "", part{"event", "", event}, part{"conversation", "", ""}, part{"text", "", "hello"})
	to := first.Header.Get("Location")
	if first.StatusCode != http.StatusSeeOther || !strings.HasSuffix(to, "#t-"+event) || again.Header.Get("Location") != to {
		t.Errorf("sent to %d %s and %s", first.StatusCode, to, again.Header.Get("Location"))
	}
	r.until(t, event, agent.TurnDone)
	if got := r.get(t, strings.Split(to, "#")[0]); strings.Count(got.body, `class="turn"`) != 1 {
		t.Errorf("not one turn: %s", got.body)
	}
}

func TestARefusedMessageKeepsWhatWasTypedAndWhatArrived(t *testing.T) {
	r := newRig(t)
	big := strings.Repeat("x", 1<<20+1)
	got := r.sendForm(t, "text/html", part{"conversation", "", ""}, part{"text", "", "precious <words>"}, part{"files", "small.txt", "fine"}, part{"files", "big.bin", big})
	if got.StatusCode != http.StatusRequestEntityTooLarge || !strings.Contains(got.body, "precious &lt;words&gt;</textarea>") ||
		!strings.Contains(got.body, "“big.bin” is larger than 1.0 MB") || !strings.Contains(got.body, `name="file"`) || !strings.Contains(got.body, "small.txt") {
		t.Errorf("%d %s", got.StatusCode, got.body)
	}
	if got := r.sendForm(t, "text/html", part{"text", "", "  "}); got.StatusCode != http.StatusBadRequest || !strings.Contains(got.body, "The message is empty.") {
		t.Errorf("an empty message: %d", got.StatusCode)
	}
	if got := r.sendForm(t, "application/json", part{"text", "", ""}); got.StatusCode != http.StatusBadRequest || !strings.Contains(got.body, `"kind":"invalid"`) {
		t.Errorf("an empty message of the script: %d %s", got.StatusCode, got.body)
	}
	upload := must[*http.Request](t)(http.NewRequest(http.MethodPost, r.server.URL+"/files?name=big.bin", strings.NewReader(big)))
	upload.Header.Set("Accept", "application/json")
	if got := r.do(t, upload); got.StatusCode != http.StatusRequestEntityTooLarge || !strings.Contains(got.body, "1.0 MB") {
		t.Errorf("an upload: %d %s", got.StatusCode, got.body)
	}
	if turns, err := r.db.Recent(t.Context(), "w", "", 10); err != nil || len(turns) != 0 {
		t.Errorf("a refused message became %+v, %v", turns, err)
	}
}

func TestAFileSentByFormIsWithTheMessage(t *testing.T) {
	r := newRig(t)
	got := r.sendForm(t, "application/json", part{"event", "", "e"}, part{"text", "", "Summarise this"}, part{"files", "a.vtt", "WEBVTT"}, part{"files", "", ""})
	var to struct{ Turn, Conversation, URL, Event string }
	if err := json.Unmarshal([]byte(got.body), &to); err != nil || to.Turn != "e" || to.Event == "" {
		t.Fatalf("%s, %v", got.body, err)
	}
	r.until(t, "e", agent.TurnWaiting)
	if page := r.get(t, "/c/"+to.Conversation); !strings.Contains(page.body, "a.vtt") || !strings.Contains(page.body, "from a.vtt</mark>") {
		t.Error(page.body)
	}
}

func TestACardShowsWhatWillRunAndLocksOnceDecided(t *testing.T) {
	r := newRig(t)
	v := r.ask(t, "pay them", agent.TurnWaiting)
	a := v.Approvals[0]
	page := html.UnescapeString(r.get(t, "/approvals").body)
	for _, want := range []string{"Money send", "tier 3 (critical)", "Acme⟨U+202E⟩gro", ">100<", "Cannot be undone.", a.ID, "It concerns money", "Expires"} {
		if !strings.Contains(page, want) {
			t.Errorf("the card lacks %q", want)
		}
	}
	back := url.Values{"back": {"/approvals/" + a.ID}}
	if got := r.post(t, "/approvals/"+a.ID+"/deny", url.Values{"comment": {"too <much>"}, "back": {"https://evil.example/"}}); got.StatusCode != http.StatusSeeOther || got.Header.Get("Location") != "/" {
		t.Errorf("denied: %d %s", got.StatusCode, got.Header.Get("Location"))
	}
	r.until(t, v.ID, agent.TurnDone)
	page = r.get(t, "/approvals/"+a.ID).body
	if !strings.Contains(page, "Denied by Ann") || !strings.Contains(page, "too &lt;much&gt;") || strings.Contains(page, "/approve\"") {
		t.Errorf("the decided card: %s", page)
	}
	if got := r.post(t, "/approvals/"+a.ID+"/approve", back); got.StatusCode != http.StatusConflict || !strings.Contains(got.body, "Ann already denied this, at 2") {
		t.Errorf("a second decision: %d %s", got.StatusCode, got.body)
	}
	if e, err := r.db.Effects(t.Context(), "w", v.ID); err != nil || len(e) != 0 {
		t.Errorf("a denied call had effects: %+v, %v", e, err)
	}
}

func TestApproveAllDecidesWhatTheFormNamesAlone(t *testing.T) {
	r := newRig(t)
	ref := must[agent.FileRef](t)(r.Upload(t.Context(), r.by, agent.Place{}, "m.vtt", "", []byte("x")))
	first := r.ask(t, "Summarise", agent.TurnWaiting, ref.ID)
	other := r.ask(t, "pay them", agent.TurnWaiting)
	r.post(t, "/approvals/approve", url.Values{"id": {first.Approvals[0].ID, first.Approvals[1].ID, first.Approvals[0].ID}, "back": {"/"}})
	r.until(t, first.ID, agent.TurnDone)
	pending := must[[]approval.Approval](t)(r.ListApprovals(t.Context(), r.by, loop.ApprovalQuery{States: []approval.State{approval.Asked}}))
	if len(pending) != 1 || pending[0].ID != other.Approvals[0].ID {
		t.Errorf("still pending: %+v", pending)
	}
	list := r.get(t, "/tickets").body
	if !strings.Contains(list, "T-1") || !strings.Contains(list, "T-2") || !strings.Contains(list, "unassigned") {
		t.Errorf("tickets: %s", list)
	}
	if rows := r.get(t, "/audit?turn="+first.ID).body; !strings.Contains(rows, "approval.decided") || strings.Contains(rows, "money_send") {
		t.Errorf("the record of one turn: %s", rows)
	}
}

func TestAnExpiredCardCannotBeDecided(t *testing.T) {
	late := time.Now().Add(2 * time.Hour)
	r := newRig(t, func(c *web.Config) { c.Now = func() time.Time { return late } })
	v := r.ask(t, "pay them", agent.TurnWaiting)
	if page := r.get(t, "/approvals/"+v.Approvals[0].ID).body; !strings.Contains(page, "nobody decided in time.") || strings.Contains(page, "Approve</button>") {
		t.Error(page)
	}
}

func TestAStrangerToAConversationSeesNothingOfIt(t *testing.T) {
	r := newRig(t)
	v := r.ask(t, "my secret", agent.TurnDone)
	r.by = agent.Actor{Workspace: "w", ID: "bob", Name: "Bob", Kind: agent.Member}
	for _, path := range []string{"/c/" + v.Conversation, "/turns/" + v.ID, "/turns/" + v.ID + "/fragment", "/events?c=" + v.Conversation} {
		if got := r.get(t, path); got.StatusCode != http.StatusNotFound || strings.Contains(got.body, "secret") {
			t.Errorf("%s: %d", path, got.StatusCode)
		}
	}
	if got := r.sendForm(t, "text/html", part{"conversation", "", v.Conversation}, part{"text", "", "let me in"}); got.StatusCode != http.StatusNotFound {
		t.Errorf("joining in: %d", got.StatusCode)
	}
	if got := r.get(t, "/audit"); got.StatusCode != http.StatusForbidden {
		t.Errorf("the record: %d", got.StatusCode)
	}
	if got := r.get(t, "/"); strings.Contains(got.body, "secret") {
		t.Error("the list of conversations shows it")
	}
}

func TestAPageThatIsBusyLooksAgainWithoutAScript(t *testing.T) {
	r := newRig(t)
	acc := must[loop.Acceptance](t)(r.Accept(t.Context(), r.by, loop.Incoming{Text: "wait"}))
	r.until(t, acc.Turn.ID, agent.TurnRunning)
	path := "/c/" + acc.Turn.Conversation
	first := regexp.MustCompile(`content="3;url=([^"]+)"`).FindStringSubmatch(r.get(t, path).body)
	if first == nil {
		t.Fatal("no reload")
	}
	second := regexp.MustCompile(`content="3;url=([^"]+)"`).FindStringSubmatch(r.get(t, first[1]).body)
	if second == nil || second[1] == first[1] || !strings.HasPrefix(second[1], path+"?") {
		t.Errorf("reloads to %q, then to %q", first, second)
	}
	if got := r.post(t, "/turns/"+acc.Turn.ID+"/stop", nil); got.StatusCode != http.StatusSeeOther {
		t.Errorf("stop: %d", got.StatusCode)
	}
	r.until(t, acc.Turn.ID, agent.TurnStopped)
	if got := r.get(t, path).body; strings.Contains(got, "http-equiv=\"refresh\"") {
		t.Error("an idle page reloads")
	}
}

func TestTheAPIIsBehindTheSameGuard(t *testing.T) {
	var pages *web.Server
	r := newRig(t, func(c *web.Config) {
		c.API = http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
			by, err := pages.Authenticate(req)
			fmt.Fprint(w, by.ID, err)
		})
		pages = must[*web.Server](t)(web.New(*c))
	})
	if got := r.get(t, "/api/v1/info"); got.body != "ann<nil>" {
		t.Errorf("a signed-in browser: %s", got.body)
	}
	req := httptest.NewRequest(http.MethodPost, "http://evil.example/api/v1/messages", nil)
	rec := httptest.NewRecorder()
	pages.Handler().ServeHTTP(rec, req)
	if rec.Code != http.StatusMisdirectedRequest {
		t.Errorf("another host: %d", rec.Code)
	}
}
