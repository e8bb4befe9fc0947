package main

import (
	"io"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/sous-hq/sous/internal/datadir"
)

const publicURL = "https://sous.example"

// manyEnv are the settings of an app that is installed by its own page.
func (o *office) manyEnv() []string {
	return []string{
		"SLACK_CLIENT_ID=" + o.ClientID, "SLACK_CLIENT_SECRET=" + o.ClientSecret, "SLACK_PUBLIC_URL=" + publicURL, "SLACK_SIGNING_SECRET=" + o.SigningSecret, "SLACK_API_URL=" + o.URL(),
	}
}

// install installs the app as a person does who was sent a link.
func (o *office) install(t *testing.T, link string) string {
	t.Helper()
	client := &http.Client{Timeout: 10 * time.Second, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	h, _ := datadir.Who(o.data)
	var cookies []*http.Cookie
	open := func(address string) *http.Response {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, strings.Replace(address, publicURL+"/", h.URL, 1), nil)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range cookies {
			req.AddCookie(c)
		}
		resp, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = resp.Body.Close() })
		return resp
	}
	first := open(link)
	cookies = first.Cookies()
	back, err := o.Agree(ann, first.Header.Get("Location"))
	if err != nil {
		t.Fatalf("%d, %v", first.StatusCode, err)
	}
	text, err := io.ReadAll(open(back).Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestAnAppIsInstalledByALinkAndGoesOnAfterAKill(t *testing.T) {
	o := newOffice(t, false)
	o.many, o.Rotate, o.Redirects = true, true, []string{publicURL + "/slack/oauth_redirect"}
	for _, e := range o.manyEnv() {
		name, value, _ := strings.Cut(e, "=")
		t.Setenv(name, value)
	}
	o.serve(t, "")
	link, err := sous(t, o.data, "", "slack", "invite")
	if err != nil || !strings.HasPrefix(link, publicURL+"/slack/install?key=") || strings.Contains(link, o.ClientSecret) {
		t.Fatalf("invited, %v: %s", err, link)
	}
	link, _, _ = strings.Cut(link, "\n")
	if out, err := sous(t, o.data, "", "slack", "installs"); err != nil || !strings.Contains(out, "Installed nowhere yet") {
		t.Errorf("before, %v: %s", err, out)
	}
	if text := o.install(t, link); !strings.Contains(text, "Sous is in Fake") {
		t.Fatalf("installed: %s", text)
	}
	answered := func(words string) {
		t.Helper()
		root := o.Post(ann, team, "<@"+o.BotUser+"> "+words)
		o.until(t, "an answer", func() bool {
			for _, m := range o.Thread(team, root) {
				if m.User == o.BotUser && !m.Streaming {
					return true
				}
			}
			return false
		})
	}
	answered("what can you do?")
	o.kill()
	o.serve(t, "")
	answered("and now?")
	out, err := sous(t, o.data, "", "slack", "installs")
	if err != nil || !strings.Contains(out, "ok   Fake ("+o.Team+"), as "+o.BotUser+", token until ") {
		t.Errorf("installs, %v: %s", err, out)
	}
	out, err = sous(t, o.data, "", "doctor")
	if !strings.Contains(out, "slack "+o.Team+"  Fake ("+o.Team+")") || !strings.Contains(out, "slack http") {
		t.Errorf("doctor, %v:\n%s", err, out)
	}
	o.kill()
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, secret := range []string{o.ClientSecret, o.SigningSecret, "xoxe.xoxb-", "xoxe-1-"} {
		if strings.Contains(o.said.String(), secret) || strings.Contains(out, secret) {
			t.Errorf("%s is told:\n%s\n%s", secret, o.said.String(), out)
		}
	}
}

func TestSettingsOfAnAppInSeveralWorkspacesAreWholeOrRefused(t *testing.T) {
	t.Parallel()
	for want, env := range map[string]map[string]string{
		"SLACK_PUBLIC_URL is not":         {"SLACK_CLIENT_ID": "1.2", "SLACK_CLIENT_SECRET": "x", "SLACK_SIGNING_SECRET": "y"},
		"SLACK_SIGNING_SECRET (HTTP) is":  {"SLACK_CLIENT_ID": "1.2", "SLACK_CLIENT_SECRET": "x", "SLACK_PUBLIC_URL": publicURL},
		"names the one workspace Sous is": {"SLACK_CLIENT_ID": "1.2", "SLACK_CLIENT_SECRET": "x", "SLACK_BOT_TOKEN": "xoxb-1", "SLACK_SIGNING_SECRET": "y"},
		"SLACK_CLIENT_SECRET are needed":  {},
	} {
		t.Run(want, func(t *testing.T) {
			t.Parallel()
			out := sousWith(t, env, "slack", "invite")
			if !strings.Contains(out, want) {
				t.Errorf("it says %s", out)
			}
		})
	}
}

// sousWith runs a command under these settings and returns all it says.
func sousWith(t *testing.T, env map[string]string, args ...string) string {
	t.Helper()
	data := t.TempDir()
	cmd := exec.CommandContext(t.Context(), os.Args[0], args...)
	cmd.Env = append(os.Environ(), beSous+"=1", "SOUS_DATA="+data, "HOME="+data)
	for name, value := range env {
		cmd.Env = append(cmd.Env, name+"="+value)
	}
	cmd.Dir = data
	out, err := cmd.CombinedOutput()
	if err == nil {
		t.Errorf("%v ends well", args)
	}
	return string(out)
}
