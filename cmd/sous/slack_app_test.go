package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sous-hq/sous/integrations/slack/setup"
	"github.com/sous-hq/sous/internal/testkit/slackfake"
)

func TestAnAppIsMadeByOneCommandAndChangedByTheNext(t *testing.T) {
	s := slackfake.New(slackfake.Config{})
	t.Cleanup(s.Close)
	data := t.TempDir()
	t.Setenv("SLACK_API_URL", s.URL())
	t.Setenv("SLACK_CONFIG_TOKEN", s.ConfigToken)
	out, err := sous(t, data, "", "slack", "apply")
	if err != nil || !strings.Contains(out, "Made the app A") || !strings.Contains(out, "SLACK_APP_TOKEN") || strings.Contains(out, s.ClientSecret) {
		t.Fatalf("made, %v:\n%s", err, out)
	}
	path := filepath.Join(data, slackAppFile)
	kept, err := os.ReadFile(path)
	if err != nil || !strings.Contains(string(kept), "SLACK_SIGNING_SECRET="+s.SigningSecret+"\n") {
		t.Errorf("kept, %v:\n%s", err, kept)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("others may read it: %v", info.Mode())
	}
	out, err = sous(t, data, "", "slack", "apply", "--url", "https://sous.example")
	if err != nil || !strings.Contains(out, "is as the manifest says") {
		t.Errorf("changed, %v:\n%s", err, out)
	}
	id, err := knownApp(path)
	if err != nil || !strings.Contains(string(s.App(id)), "https://sous.example/slack/events") {
		t.Errorf("the app %s, %v: %s", id, err, s.App(id))
	}
}

func TestDoctorExaminesTheSlackApp(t *testing.T) {
	needed, _ := setup.Scopes()
	s := slackfake.New(slackfake.Config{Scopes: needed[1:]})
	t.Cleanup(s.Close)
	t.Setenv("SLACK_API_URL", s.URL())
	t.Setenv("SLACK_BOT_TOKEN", s.BotToken)
	t.Setenv("SLACK_APP_TOKEN", s.AppToken)
	out, err := sous(t, t.TempDir(), "", "doctor")
	for _, want := range []string{"slack token", "U0000BOT1 is sous in Fake", "bad  slack scopes     missing: app_mentions:read;", "lists:write is not granted", "slack socket     app A00000001, connected"} {
		if !strings.Contains(out, want) {
			t.Errorf("it does not say %q:\n%s", want, out)
		}
	}
	if err == nil {
		t.Error("something is wrong, and it ends well")
	}
	if strings.Contains(out, s.BotToken) || strings.Contains(out, s.AppToken) {
		t.Error("it tells the tokens")
	}
}
