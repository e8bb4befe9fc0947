package config_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.yaml.in/yaml/v4"

	"github.com/sous-hq/sous/internal/config"
)

// loaded returns a Config that holds five secrets, each from another place.
func loaded(t *testing.T) (config.Config, []string) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "signing")
	if err := os.WriteFile(file, []byte("planted-3-signing\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	path := settingsFile(t, 0o600, "slack:\n  bot_token: planted-1-bot\n  app_token: env:APP\n  signing_secret: file:"+file+"\n")
	c := mustLoad(t, config.Options{File: path, Environ: []string{
		"APP=planted-2-app", "OPENAI_API_KEY=planted-4-key", "SOUS_DATABASE_URL=postgres://ann:planted-5@db/sous",
	}})
	secrets := []config.Secret{c.Slack.BotToken, c.Slack.AppToken, c.Slack.SigningSecret, c.Model.APIKey, c.DatabaseURL}
	var values []string
	for i, s := range secrets {
		values = append(values, s.Reveal())
		if !strings.Contains(s.Reveal(), fmt.Sprintf("planted-%d", i+1)) {
			t.Fatalf("secret %d was loaded as %q", i+1, s.Reveal())
		}
	}
	return c, values
}

// holder keeps a config where fmt cannot call its methods.
type holder struct{ kept config.Config }

func TestSecretsNeverPrint(t *testing.T) {
	c, values := loaded(t)
	var out bytes.Buffer
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%t", "%p"} {
		fmt.Fprintf(&out, verb+"\n", c)
		fmt.Fprintf(&out, verb+"\n", &c)
		fmt.Fprintf(&out, verb+"\n", holder{c})
		fmt.Fprintf(&out, verb+"\n", c.Slack.BotToken)
		fmt.Fprintf(&out, verb+"\n", map[config.Secret]config.Secret{c.Slack.BotToken: c.Model.APIKey})
	}
	fmt.Fprintln(&out, c, errors.New(fmt.Sprint(c.Slack)))
	for _, h := range []slog.Handler{slog.NewTextHandler(&out, nil), slog.NewJSONHandler(&out, nil)} {
		slog.New(h).Info("loaded", "config", c, "token", c.Slack.BotToken, "slack", c.Slack, slog.Group("g", "k", c.DatabaseURL))
	}
	if err := json.NewEncoder(&out).Encode(c); err != nil {
		t.Errorf("as JSON: %v", err)
	}
	if err := json.NewEncoder(&out).Encode(map[config.Secret]int{c.Model.APIKey: 1}); err != nil {
		t.Errorf("as a JSON key: %v", err)
	}
	text, err := yaml.Dump(c)
	if err != nil {
		t.Errorf("as YAML: %v", err)
	}
	out.Write(text)
	fmt.Fprintln(&out, c.Describe())

	for _, v := range values {
		for _, form := range []string{v, fmt.Sprintf("%x", v), fmt.Sprintf("%X", v), fmt.Sprint([]byte(v)), strings.Trim(fmt.Sprint([]byte(v)), "[]")} {
			if strings.Contains(out.String(), form) {
				t.Errorf("the secret %q shows as %q", v, form)
			}
		}
	}
	if n := strings.Count(out.String(), "[secret]"); n < 20 {
		t.Errorf("[secret] shows %d times: the test prints too little", n)
	}
}

func TestAnUnsetSecretShowsNothing(t *testing.T) {
	s := config.NewSecret("")
	if s.IsSet() || s.Reveal() != "" || fmt.Sprintf("%v", s) != "" || s != (config.Secret{}) {
		t.Errorf("the empty secret: set %t, reveals %q, prints %q", s.IsSet(), s.Reveal(), s)
	}
}

func TestALiteralSecretNeedsAPrivateFile(t *testing.T) {
	for mode, allowed := range map[os.FileMode]bool{0o600: true, 0o400: true, 0o640: false, 0o604: false, 0o644: false, 0o620: false} {
		_, err := load(t, config.Options{File: settingsFile(t, mode, "slack:\n  bot_token: xoxb-literal\n")})
		if (err == nil) != allowed {
			t.Errorf("mode %o: error %v, want allowed = %t", mode, err, allowed)
		}
	}
	if _, err := load(t, config.Options{
		File: settingsFile(t, 0o644, "slack:\n  bot_token: env:TOKEN\n"), Environ: []string{"TOKEN=xoxb-literal"},
	}); err != nil {
		t.Errorf("a reference in a readable file: %v", err)
	}
}
