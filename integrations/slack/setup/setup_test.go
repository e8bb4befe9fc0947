package setup_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/integrations/slack/setup"
	"github.com/sous-hq/sous/internal/testkit/slackfake"
)

var update = flag.Bool("update", false, "write deploy/slack/manifest.json")

const published = "../../../deploy/slack/manifest.json"

func manifest(t *testing.T, f setup.Form) []byte {
	t.Helper()
	raw, err := setup.Manifest(f)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func TestThePublishedManifestIsTheOneTheCommandPrints(t *testing.T) {
	raw := manifest(t, setup.Form{})
	if *update {
		if err := os.WriteFile(published, raw, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	had, err := os.ReadFile(published)
	if err != nil || !bytes.Equal(had, raw) {
		t.Errorf("%s is another (%v); write it with -update", published, err)
	}
}

func TestEachWayOfReachingSousIsWhole(t *testing.T) {
	socket := string(manifest(t, setup.Form{}))
	if !strings.Contains(socket, `"socket_mode_enabled": true`) || strings.Contains(socket, "request_url") {
		t.Errorf("Socket Mode:\n%s", socket)
	}
	web := string(manifest(t, setup.Form{URL: "https://sous.example/"}))
	for _, want := range []string{
		`"socket_mode_enabled": false`, `"request_url": "https://sous.example/slack/events"`,
		`"request_url": "https://sous.example/slack/interactions"`, `"url": "https://sous.example/slack/commands"`,
	} {
		if !strings.Contains(web, want) {
			t.Errorf("over HTTP it lacks %s", want)
		}
	}
	both := string(manifest(t, setup.Form{URL: "https://sous.example", Socket: true, Many: true}))
	for _, want := range []string{
		`"socket_mode_enabled": true`, `"https://sous.example/slack/oauth_redirect"`, `"pkce_enabled": true`, `"token_rotation_enabled": true`, `"org_deploy_enabled": true`, `"team_access_revoked"`,
	} {
		if !strings.Contains(both, want) {
			t.Errorf("for several workspaces it lacks %s", want)
		}
	}
	for name, f := range map[string]setup.Form{
		"http": {URL: "http://sous.example"}, "a path": {URL: "https://sous.example/x"}, "no host": {URL: "https://"}, "a user": {URL: "https://a:b@sous.example"},
		"many without an address": {Many: true}, "a name that is too long": {Name: strings.Repeat("n", 36)},
	} {
		if _, err := setup.Manifest(f); agent.KindOf(err) != agent.Invalid {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Each change breaks one thing that Slack would refuse or that would leave the app deaf.
func TestWhatIsWrongWithAManifestIsNamed(t *testing.T) {
	for want, change := range map[string][2]string{
		"display_information.name has 0":                       {`"name": "Sous"`, `"name": ""`},
		"features.shortcuts[0].name has 25":                    {`"Minutes of this thread"`, `"Minutes of this long line"`},
		"callback_id \"sous_minutes\" stands twice":            {`"sous_summary"`, `"sous_minutes"`},
		"the scope files:read is missing":                      {`"files:read",`, ``},
		"the scope chat:write stands twice":                    {`"canvases:write"`, `"chat:write"`},
		"the event app_home_opened is not subscribed to":       {`"app_home_opened",`, ``},
		"the event reaction_added is none that Sous handles":   {`"app_home_opened",`, `"app_home_opened", "reaction_added",`},
		"app_mention comes with the scope app_mentions:read":   {`"app_mentions:read",`, ``},
		"request_url is missing, and Socket Mode is off":       {`"socket_mode_enabled": true`, `"socket_mode_enabled": false`},
		"interactivity.is_enabled is false":                    {`"is_enabled": true`, `"is_enabled": false`},
		"token_rotation_enabled needs":                         {`"token_rotation_enabled": false`, `"token_rotation_enabled": true`},
		"background_color \"green\" is no colour":              {`"#1f3a2d"`, `"green"`},
		"it cannot be read: json: unknown field \"bot_users\"": {`"bot_user"`, `"bot_users"`},
	} {
		raw := strings.Replace(string(manifest(t, setup.Form{})), change[0], change[1], 1)
		if got := strings.Join(setup.Check([]byte(raw)), "\n"); !strings.Contains(got, want) {
			t.Errorf("want %q in:\n%s", want, got)
		}
	}
	if got := setup.Check(manifest(t, setup.Form{})); len(got) > 0 {
		t.Errorf("nothing is wrong, and it says %q", got)
	}
}

func fake(t *testing.T, scopes ...string) *slackfake.Server {
	t.Helper()
	if scopes == nil {
		needed, optional := setup.Scopes()
		scopes = append(needed, optional...)
	}
	s := slackfake.New(slackfake.Config{Scopes: scopes})
	t.Cleanup(s.Close)
	return s
}

func TestAnAppIsMadeAndBroughtUpToDate(t *testing.T) {
	s := fake(t)
	m := setup.Manager{Token: s.ConfigToken, APIURL: s.URL()}
	made, err := m.Apply(t.Context(), manifest(t, setup.Form{Name: "Chef"}), "")
	if err != nil || !made.Made || made.ID == "" || made.ClientSecret != s.ClientSecret || made.Signing != s.SigningSecret || made.InstallURL == "" {
		t.Fatalf("made %+v, %v", made, err)
	}
	changed, err := m.Apply(t.Context(), manifest(t, setup.Form{URL: "https://sous.example"}), made.ID)
	if err != nil || changed.Made || changed.Reinstall || changed.ID != made.ID {
		t.Errorf("changed %+v, %v", changed, err)
	}
	if !strings.Contains(string(s.App(made.ID)), "https://sous.example/slack/events") {
		t.Errorf("the app is as it was: %s", s.App(made.ID))
	}
	more := strings.Replace(string(manifest(t, setup.Form{})), `"files:read",`, `"files:read", "files:write",`, 1)
	if changed, err = m.Apply(t.Context(), []byte(more), made.ID); err != nil || !changed.Reinstall {
		t.Errorf("new scopes: %+v, %v", changed, err)
	}
}

func TestWhatSlackRefusesAboutAnAppIsExplained(t *testing.T) {
	s := fake(t)
	whole := manifest(t, setup.Form{})
	long := strings.Replace(string(whole), `"name": "Sous"`, `"name": "`+strings.Repeat("n", 40)+`"`, 1)
	for want, run := range map[string]func() error{
		"SLACK_CONFIG_TOKEN": func() error { _, err := setup.Manager{APIURL: s.URL()}.Apply(t.Context(), whole, ""); return err },
		"lives for 12 hours": func() error {
			_, err := setup.Manager{Token: "xoxe-old", APIURL: s.URL()}.Apply(t.Context(), whole, "")
			return err
		},
		"no such app": func() error {
			_, err := setup.Manager{Token: s.ConfigToken, APIURL: s.URL()}.Apply(t.Context(), whole, "A404")
			return err
		},
		"/display_information/name": func() error {
			_, err := setup.Manager{Token: s.ConfigToken, APIURL: s.URL()}.Apply(t.Context(), []byte(long), "")
			return err
		},
	} {
		if err := run(); err == nil || !strings.Contains(agent.PublicText(err), want) {
			t.Errorf("want %q: %v", want, err)
		}
	}
}

// look examines and returns what was found, a line each.
func look(t *testing.T, p setup.Probe) string {
	t.Helper()
	if p.Clock == nil {
		p.Clock = time.Now
	}
	var lines []string
	for _, f := range setup.Examine(t.Context(), p) {
		lines = append(lines, string(f.State)+" "+f.What+": "+f.Text)
	}
	return strings.Join(lines, "\n")
}

func wants(t *testing.T, got string, all ...string) {
	t.Helper()
	for _, want := range all {
		if !strings.Contains(got, want) {
			t.Errorf("it does not say %q:\n%s", want, got)
		}
	}
}

func TestAnAppThatIsWholeIsFoundSo(t *testing.T) {
	s := fake(t)
	s.SetApp(manifest(t, setup.Form{}))
	got := look(t, setup.Probe{BotToken: s.BotToken, AppToken: s.AppToken, ConfigToken: s.ConfigToken, APIURL: s.URL()})
	wants(t, got, "ok slack token: U0000BOT1 is sous in Fake", "ok slack clock: agrees", "ok slack scopes: all 16 that are needed",
		"ok slack socket: app A00000001, connected", "ok slack app: A00000001 is subscribed to all 19 events")
	if strings.Contains(got, "bad") || strings.Contains(got, s.BotToken) {
		t.Errorf("it finds fault, or tells the token:\n%s", got)
	}
}

func TestWhatAnAppLacksIsFound(t *testing.T) {
	s := fake(t, "chat:write", "users:read", "admin")
	short := strings.NewReplacer(`"app_mention",`, ``, `"/sous"`, `"/chef"`).Replace(string(manifest(t, setup.Form{})))
	s.SetApp([]byte(short))
	got := look(t, setup.Probe{BotToken: s.BotToken, AppToken: "xapp-wrong", ConfigToken: s.ConfigToken, AppID: "A00000001", APIURL: s.URL(), Clock: func() time.Time { return time.Now().Add(-time.Hour) }})
	wants(t, got, "bad slack clock: this machine's clock is", "bad slack scopes: missing: app_mentions:read,", "off slack scopes: canvases:write is not granted",
		"better taken away: admin", "bad slack socket: Slack refuses SLACK_APP_TOKEN: invalid_auth", "it is not subscribed to app_mention", "the command /sous is missing")
	wants(t, look(t, setup.Probe{BotToken: "xoxb-gone", APIURL: s.URL()}), "bad slack token: Slack refuses SLACK_BOT_TOKEN: invalid_auth")
	s.Down(true)
	wants(t, look(t, setup.Probe{BotToken: s.BotToken, APIURL: s.URL()}), "bad slack token: Slack does not answer")
}

func TestWhetherSlackReachesSousIsTried(t *testing.T) {
	s := fake(t)
	answer := func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		var in struct{ Challenge string }
		if err != nil || json.Unmarshal(body, &in) != nil {
			t.Errorf("asked %q, %v", body, err)
		}
		_, signature := slackfake.Sign("the secret", time.Now(), body)
		if r.URL.Path != "/slack/events" || r.Header.Get("X-Slack-Signature") != signature {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		_ = json.NewEncoder(w).Encode(in)
	}
	there := httptest.NewServer(http.HandlerFunc(answer))
	defer there.Close()
	other := httptest.NewServer(http.NotFoundHandler())
	defer other.Close()
	at := func(url, secret string) string {
		return look(t, setup.Probe{BotToken: s.BotToken, SigningSecret: secret, PublicURL: url, APIURL: s.URL()})
	}
	wants(t, at(there.URL, "the secret"), "ok slack http: "+there.URL+"/slack/events answers a signed request")
	wants(t, at(there.URL, "another"), "bad slack http: ", "another SLACK_SIGNING_SECRET")
	wants(t, at(other.URL, "the secret"), "bad slack http: ", "404 Not Found")
	wants(t, at("", "the secret"), "off slack http: not tried")
}
