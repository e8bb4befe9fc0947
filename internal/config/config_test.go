package config_test

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sous-hq/sous/internal/config"
)

const home = "/home/ann"

// load runs Load in an empty working directory, with a home, so that nothing of this machine is seen.
func load(t *testing.T, opts config.Options) (config.Config, error) {
	t.Helper()
	t.Chdir(t.TempDir())
	if !slices.ContainsFunc(opts.Environ, func(v string) bool { return strings.HasPrefix(v, "HOME=") }) {
		opts.Environ = append(slices.Clone(opts.Environ), "HOME="+home)
	}
	return config.Load(opts)
}

func mustLoad(t *testing.T, opts config.Options) config.Config {
	t.Helper()
	c, err := load(t, opts)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// problems returns the lines of what Load complains of.
func problems(t *testing.T, opts config.Options) []string {
	t.Helper()
	_, err := load(t, opts)
	var invalid *config.InvalidError
	if !errors.As(err, &invalid) {
		t.Fatalf("Load: error %v, want an *InvalidError", err)
	}
	var lines []string
	for _, p := range invalid.Problems {
		lines = append(lines, p.String())
	}
	return lines
}

// settingsFile writes sous.yaml somewhere of its own and returns its path.
func settingsFile(t *testing.T, mode os.FileMode, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "sous.yaml")
	if err := os.WriteFile(path, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil { // whatever the umask
		t.Fatal(err)
	}
	return path
}

func TestNothingConfigured(t *testing.T) {
	c := mustLoad(t, config.Options{User: "ann"})
	limits := config.Limits{
		TurnSteps: 24, TurnsAtOnce: 256, TurnTime: 10 * time.Minute, TurnTokens: 200_000, UploadBytes: 32 << 20,
		ApprovalTTL: 24 * time.Hour, RunWithin: time.Hour, UndoTTL: 15 * time.Minute,
	}
	if c.Limits != limits {
		t.Errorf("limits = %+v, want %+v", c.Limits, limits)
	}
	for what, got := range map[string]string{
		"127.0.0.1:8420": c.Listen, home + "/.local/share/sous": c.DataDir, "ann": c.Owner, "": c.File + c.PolicyPath + c.Model.BaseURL,
		config.FormatText: c.Log.Format, "Local": c.Timezone.String(),
	} {
		if got != what {
			t.Errorf("got %q, want %q", got, what)
		}
	}
	if c.Model.IsSet() || c.Slack.IsSet() || c.DatabaseURL.IsSet() {
		t.Errorf("a connection is configured out of nothing: %+v", c)
	}
}

func TestWhereDataIsKept(t *testing.T) {
	for name, tc := range map[string]struct {
		env  []string
		data string
		want string
	}{
		"the XDG directory":                      {env: []string{"XDG_DATA_HOME=/x/share"}, want: "/x/share/sous"},
		"a relative XDG directory is ignored":    {env: []string{"XDG_DATA_HOME=share"}, want: home + "/.local/share/sous"},
		"the variable beats XDG":                 {env: []string{"XDG_DATA_HOME=/x", "SOUS_DATA=/srv/sous"}, want: "/srv/sous"},
		"the flag beats the variable":            {env: []string{"SOUS_DATA=/srv/sous"}, data: "/tmp/s", want: "/tmp/s"},
		"a variable set to nothing is not set":   {env: []string{"SOUS_DATA="}, want: home + "/.local/share/sous"},
		"without a home, the variable is enough": {env: []string{"HOME=", "SOUS_DATA=/srv/sous"}, want: "/srv/sous"},
	} {
		t.Run(name, func(t *testing.T) {
			if c := mustLoad(t, config.Options{Environ: tc.env, Data: tc.data}); c.DataDir != tc.want {
				t.Errorf("DataDir = %q, want %q", c.DataDir, tc.want)
			}
		})
	}
	t.Run("without any, it says what to set", func(t *testing.T) {
		if got := problems(t, config.Options{Environ: []string{"HOME="}}); len(got) != 1 || !strings.Contains(got[0], "SOUS_DATA") {
			t.Errorf("problems = %q, want one naming SOUS_DATA", got)
		}
	})
}

func TestLaterSourcesWin(t *testing.T) {
	path := settingsFile(t, 0o644, "listen: 127.0.0.1:1\nowner: Fay\nlimits:\n  turn_time: 1m\n")
	c := mustLoad(t, config.Options{File: path, User: "ann", Environ: []string{"SOUS_LISTEN=127.0.0.1:2", "SOUS_TURN_TIME=2m"}})
	if c.Listen != "127.0.0.1:2" || c.Limits.TurnTime != 2*time.Minute {
		t.Errorf("listen %s, turn time %s: the environment must win over the file", c.Listen, c.Limits.TurnTime)
	}
	if c.Owner != "Fay" || c.File != path {
		t.Errorf("owner %q from file %q: the file must win over the default", c.Owner, c.File)
	}
	if err := c.Set("--listen", "listen", "127.0.0.1:3"); err != nil || c.Listen != "127.0.0.1:3" {
		t.Errorf("after Set: listen %q, error %v", c.Listen, err)
	}
}

func TestTheFileIsLookedForInOrder(t *testing.T) {
	dir := t.TempDir()
	owner := func(name string) string {
		path := filepath.Join(dir, name, "sous.yaml")
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte("owner: "+name+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
		return path
	}
	flag, variable := owner("flag"), owner("variable")
	owner("here")
	owner("data")
	env := []string{"HOME=" + home, "SOUS_DATA=" + filepath.Join(dir, "data")}

	for _, tc := range []struct {
		want, file, cwd string
		env             []string
	}{
		{want: "flag", file: flag, cwd: "here", env: append(slices.Clone(env), "SOUS_CONFIG="+variable)},
		{want: "variable", cwd: "here", env: append(slices.Clone(env), "SOUS_CONFIG="+variable)},
		{want: "here", cwd: "here", env: env},
		{want: "data", cwd: ".", env: env},
	} {
		t.Run(tc.want, func(t *testing.T) {
			t.Chdir(filepath.Join(dir, tc.cwd))
			c, err := config.Load(config.Options{File: tc.file, Environ: tc.env})
			if err != nil || c.Owner != tc.want {
				t.Errorf("owner %q, error %v; want %q", c.Owner, err, tc.want)
			}
		})
	}
}

func TestAllProblemsAtOnce(t *testing.T) {
	path := settingsFile(t, 0o644, `listen: 8420
ownr: Ann
owner: Ann
owner: Bob
timezone: Mars/Olympus
model:
  api_key: sk-written-out
  timeout: soon
  max_tokens: many
  url: http://localhost
slack:
  bot_token: env:NOT_THERE
  app_token: file:/does/not/exist
log: loud
slack.app_token: env:HOME
limits:
  turn_steps: 0
  upload_bytes: 3 apples
  turn_time: [1m]
  undo_ttl:
`)
	got := problems(t, config.Options{File: path, Environ: []string{
		"SOUS_LISTN=127.0.0.1:1", "SOUS_LOG_LEVEL=noisy", "OPENAI_BASE_URL=http://ann:pw@localhost/v1", "SOUS_APPROVAL_TTL=400d",
	}})
	want := []string{
		":1: listen: not host:port: \"8420\"; want host:port, such as 127.0.0.1:8420",
		":2: unknown key \"ownr\" (did you mean \"owner\"?)",
		":4: owner: given twice, first in line 3",
		":5: timezone: unknown time zone: \"Mars/Olympus\"",
		":7: model.api_key: a secret is written out in a file that others can open; write env:OPENAI_API_KEY or file:/path, or chmod 600 ",
		":8: model.timeout: not a duration: \"soon\"; want a duration from 1s to 1h",
		":9: model.max_tokens: not a whole number: \"many\"",
		":10: unknown key \"model.url\"",
		":12: slack.bot_token: the environment variable NOT_THERE is not set",
		":13: slack.app_token: cannot read the file of the secret, /does/not/exist: no such file or directory",
		":14: log: want lines of `key: value` here",
		":15: slack.app_token: write it as app_token: in a section slack:",
		":17: limits.turn_steps: out of range: \"0\"; want a whole number from 1 to 1000",
		":18: limits.upload_bytes: not a size: \"3 apples\"; want a size from 1KiB to 4GiB",
		":19: limits.turn_time: has no single value; want a duration",
		":20: limits.undo_ttl: has no single value",
		"OPENAI_BASE_URL: model.base_url: holds a user, a query or a fragment; want an http",
		"SOUS_LOG_LEVEL: log.level: unknown level: \"noisy\"; want debug, info, warn or error",
		"SOUS_APPROVAL_TTL: limits.approval_ttl: out of range: \"400d\"",
		"SOUS_LISTN: no such setting (did you mean \"SOUS_LISTEN\"?)",
	}
	if len(got) != len(want) {
		t.Errorf("%d problems, want %d:\n%s", len(got), len(want), strings.Join(got, "\n"))
	}
	for i := range min(len(got), len(want)) {
		line := strings.TrimPrefix(got[i], path)
		if !strings.HasPrefix(line, want[i]) {
			t.Errorf("problem %d:\n got %s\nwant %s", i, line, want[i])
		}
		if strings.Contains(got[i], "sk-written-out") || strings.Contains(got[i], "pw@") {
			t.Errorf("problem %d repeats a credential: %s", i, got[i])
		}
	}
}

func TestFilesThatAreNotSettings(t *testing.T) {
	for name, tc := range map[string]struct{ text, want string }{
		"broken YAML names the line":          {"owner: Ann\nlisten: [a\n", ":3: not YAML: did not find expected"},
		"a list":                              {"- owner\n", ":1: want lines of `key: value` here"},
		"one word":                            {"hello\n", ":1: want lines of `key: value` here"},
		"two documents":                       {"owner: A\n---\nowner: B\n", ": holds more than one YAML document"},
		"an alias that leads nowhere":         {"slack:\n  bot_token: *xoxb\n", ":2: refers to an anchor"},
		"a key that is no word":               {"? [a]\n: 1\n", ":1: a key must be a word"},
		"control characters":                  {"owner: \x00\n", ": not YAML: control characters"},
		"a merge key":                         {"<<: {owner: A}\n", ":1: unknown key \"<<\""},
		"an alias":                            {"owner: &a Ann\nworkspace: *a\n", ":2: workspace: has no single value"},
		"larger than any settings":            {strings.Repeat("#", 1<<20+1), "larger than 1 MiB"},
		"a secret with a line break in it":    {"slack: {bot_token: 'env:BROKEN'}\n", ":1: slack.bot_token: holds a space or a line break"},
		"another database than the one known": {"database_url: env:MYSQL\n", ":1: database_url: not a PostgreSQL URL; want postgres://"},
	} {
		t.Run(name, func(t *testing.T) {
			got := problems(t, config.Options{
				File:    settingsFile(t, 0o600, tc.text),
				Environ: []string{"BROKEN=a b", "MYSQL=mysql://ann:pw@host/db"},
			})
			if len(got) != 1 || !strings.Contains(got[0], tc.want) || strings.Contains(got[0], "xoxb") || strings.Contains(got[0], "pw@") {
				t.Errorf("problems = %q, want one with %q and no secret", got, tc.want)
			}
		})
	}
	for name, text := range map[string]string{
		"an empty file": "", "comments alone": "# listen: x\n", "a section of comments": "slack:\n  # bot_token: x\nlog:\n",
		"a document marker": "---\n",
	} {
		t.Run(name+" sets nothing", func(t *testing.T) {
			mustLoad(t, config.Options{File: settingsFile(t, 0o600, text)})
		})
	}
}

func TestAFileThatWasAskedForMustExist(t *testing.T) {
	for name, opts := range map[string]config.Options{
		"--config":    {File: "/does/not/exist.yaml"},
		"SOUS_CONFIG": {Environ: []string{"SOUS_CONFIG=/does/not/exist.yaml"}},
	} {
		got := problems(t, opts)
		if len(got) != 1 || !strings.HasPrefix(got[0], name+": cannot read the settings file /does/not/exist.yaml: ") {
			t.Errorf("%s: problems = %q", name, got)
		}
	}
	if got := problems(t, config.Options{File: t.TempDir()}); len(got) != 1 || !strings.Contains(got[0], "not a regular file") {
		t.Errorf("a folder as settings file: problems = %q", got)
	}
}

func TestPathsInTheFile(t *testing.T) {
	path := settingsFile(t, 0o644, "data: ~/kitchen\npolicy: rules/policy.txt\nrouting:\n  file: /etc/sous/routing.yaml\n")
	c := mustLoad(t, config.Options{File: path, Environ: []string{"SOUS_DATA="}})
	if want := home + "/kitchen"; c.DataDir != want {
		t.Errorf("DataDir = %q, want %q", c.DataDir, want)
	}
	if want := filepath.Join(filepath.Dir(path), "rules/policy.txt"); c.PolicyPath != want {
		t.Errorf("PolicyPath = %q, want %q, beside the file", c.PolicyPath, want)
	}
	if c.RoutingFile != "/etc/sous/routing.yaml" {
		t.Errorf("RoutingFile = %q", c.RoutingFile)
	}
}

func TestAFileInTheDataDirectoryCannotMoveIt(t *testing.T) {
	path := settingsFile(t, 0o644, "data: /elsewhere\n")
	got := problems(t, config.Options{Data: filepath.Dir(path)})
	if len(got) != 1 || !strings.Contains(got[0], "cannot move it") {
		t.Errorf("problems = %q", got)
	}
}

func TestVariablesThatKubernetesSetsAreNotSettings(t *testing.T) {
	mustLoad(t, config.Options{Environ: []string{
		"SOUS_SERVICE_HOST=10.0.0.1", "SOUS_SERVICE_PORT=8420", "SOUS_SERVICE_PORT_HTTP=8420", "SOUS_PORT=tcp://10.0.0.1:8420",
		"SOUS_PORT_8420_TCP=tcp://10.0.0.1:8420", "SOUS_PORT_8420_TCP_PROTO=tcp", "SOUS_WEB_PORT_80_TCP_ADDR=10.0.0.2", "PATH=/bin", "odd",
	}})
}

func TestSetRefusesWhatLoadRefuses(t *testing.T) {
	c := mustLoad(t, config.Options{})
	before := c.Listen
	err := c.Set("--listen", "listen", "here")
	if err == nil || !strings.Contains(err.Error(), "--listen: listen: not host:port") || c.Listen != before {
		t.Errorf("Set: error %v, listen %q", err, c.Listen)
	}
	if err := c.Set("--colour", "colour", "red"); err == nil {
		t.Error("Set takes a key that does not exist")
	}
	other := c
	if err := other.Set("--owner", "owner", "Bob"); err != nil {
		t.Fatal(err)
	}
	if origin(t, c, "owner") != "default" || origin(t, other, "owner") != "--owner" {
		t.Errorf("setting a copy changed the original: %s, %s", origin(t, c, "owner"), origin(t, other, "owner"))
	}
}

func TestDescribeSaysWhereEachValueIsFrom(t *testing.T) {
	path := settingsFile(t, 0o600, "owner: Ann\nmodel:\n  api_key: sk-written-out\n")
	c := mustLoad(t, config.Options{File: path, Environ: []string{"SOUS_TIMEZONE=Europe/Berlin", "SOUS_UPLOAD_BYTES=64MiB"}})
	c.Listen = "127.0.0.1:9" // as a flag does
	for key, want := range map[string]string{
		"owner":               "owner = Ann (" + path + ":1)",
		"model.api_key":       "model.api_key = [secret] (" + path + ":3)",
		"timezone":            "timezone = Europe/Berlin (env SOUS_TIMEZONE)",
		"limits.upload_bytes": "limits.upload_bytes = 64MiB (env SOUS_UPLOAD_BYTES)",
		"limits.approval_ttl": "limits.approval_ttl = 24h (default)",
		"listen":              "listen = 127.0.0.1:9 (flag)",
		"slack.bot_token":     "slack.bot_token is not set",
	} {
		i := slices.IndexFunc(c.Describe(), func(s config.Setting) bool { return s.Key == key })
		if i < 0 || c.Describe()[i].String() != want {
			t.Errorf("%s: got %v, want %s", key, c.Describe()[max(i, 0)], want)
		}
	}
}

func TestEverySettingIsExplained(t *testing.T) {
	seen := make(map[string]bool)
	for _, s := range mustLoad(t, config.Options{}).Describe() {
		if s.Doc == "" || s.Allowed == "" || s.Env == "" || seen[s.Key] || seen[s.Env] {
			t.Errorf("%+v: a setting has a key and a variable of its own, and says what it is", s)
		}
		seen[s.Key], seen[s.Env] = true, true
	}
	if len(seen) < 40 {
		t.Errorf("only %d names", len(seen))
	}
}

func origin(t *testing.T, c config.Config, key string) string {
	t.Helper()
	for _, s := range c.Describe() {
		if s.Key == key {
			return s.Origin
		}
	}
	t.Fatalf("no setting %s", key)
	return ""
}
