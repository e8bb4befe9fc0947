package config_test

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sous-hq/sous/internal/config"
)

// FuzzLoad: whatever the file and the environment hold, Load either gives settings that are within
// their bounds or says what is wrong, and never repeats a secret.
func FuzzLoad(f *testing.F) {
	for _, seed := range []string{
		"listen: 127.0.0.1:0\nlimits: {turn_time: 1h, upload_bytes: 4GiB}\n",
		"slack:\n  bot_token: env:OPENAI_API_KEY\n", "model: {timeout: 7d}", "a: &a [*a]\n", "\"\\x00\": 1", "? {}\n: ", "!!int x: 1",
		"limits:\n  turn_steps: 99999999999999999999\n", "owner: >\n  Ann\n  Bob\n", "log: {level: debug, format: json}", "timezone: ../../etc",
	} {
		f.Add([]byte(seed), "10m")
	}
	path := filepath.Join(f.TempDir(), "sous.yaml")
	const secret = "planted-7f3a9c"
	f.Fuzz(func(t *testing.T, data []byte, env string) {
		if err := os.WriteFile(path, data, 0o644); err != nil {
			t.Fatal(err)
		}
		c, err := config.Load(config.Options{File: path, Environ: []string{
			"HOME=/nowhere", "OPENAI_API_KEY=" + secret, "SOUS_TURN_TIME=" + env, "SOUS_UPLOAD_BYTES=" + env, "SOUS_LISTEN=" + env, "OPENAI_BASE_URL=" + env,
		}})
		if err != nil {
			var invalid *config.InvalidError
			if !errors.As(err, &invalid) || len(invalid.Problems) == 0 || strings.Contains(err.Error(), secret) {
				t.Fatalf("a failure without problems, or with a secret: %v", err)
			}
			return
		}
		if _, _, err := net.SplitHostPort(c.Listen); err != nil {
			t.Errorf("listen %q: %v", c.Listen, err)
		}
		l := c.Limits
		if l.TurnTime < time.Second || l.UploadBytes < 1<<10 || l.TurnSteps < 1 || l.TurnTokens < 1 || l.ApprovalTTL <= 0 || l.UndoTTL <= 0 || c.Timezone == nil {
			t.Errorf("out of bounds: %+v", c)
		}
		for _, s := range c.Describe() {
			if strings.Contains(s.String(), secret) {
				t.Errorf("%s shows a secret", s.Key)
			}
			if s.Origin == "flag" {
				t.Errorf("%s = %q: what Load gave is called a flag", s.Key, s.Value)
			}
		}
	})
}
