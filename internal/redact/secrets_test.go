package redact_test

import (
	"encoding/base64"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/sous-hq/sous/internal/redact"
)

const (
	lowers   = "abcdefghijklmnopqrstuvwxyz"
	uppers   = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	decimals = "0123456789"
	symbols  = "!@#$%^&*_-+=?.~"
)

// random makes samples of secrets; seeded, so that a failure can be had again.
type random struct{ *rand.Rand }

func newRandom(seed uint64) random { return random{rand.New(rand.NewPCG(seed, 7))} }

func (r random) of(alphabet string, n int) string {
	b := make([]byte, n)
	for i := range b {
		b[i] = alphabet[r.IntN(len(alphabet))]
	}
	return string(b)
}

func (r random) one(of ...string) string { return of[r.IntN(len(of))] }

func (r random) base64url(n int) string {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(r.IntN(256))
	}
	return base64.RawURLEncoding.EncodeToString(b)
}

// password has eight characters or more of at least two classes.
func (r random) password() string {
	for {
		p := r.of(r.one(lowers+decimals, lowers+uppers+decimals, lowers+uppers+decimals+symbols), 8+r.IntN(12))
		if strings.ContainsAny(p, decimals) && strings.ContainsAny(p, lowers+uppers) && strings.IndexByte("$.=", p[0]) < 0 && strings.IndexByte(".!?", p[len(p)-1]) < 0 {
			return p
		}
	}
}

// sample is a text and the secret in it.
type sample struct{ text, secret string }

func (r random) sentence(secret string) sample {
	return sample{fmt.Sprintf(r.one("please use %s for now", "%s", "key: %s\nthanks", "I found `%s` in the log.", `{"v":"%s"}`, "it is (%s)", "got %s, is that right?"), secret), secret}
}

func secretKinds() map[string]func(random) sample {
	alnum := lowers + uppers + decimals
	return map[string]func(random) sample{
		"AWS access key id": func(r random) sample { return r.sentence(r.one("AKIA", "ASIA") + r.of(uppers+"234567", 16)) },
		"Slack token": func(r random) sample {
			return r.sentence(r.one("xoxb", "xoxp") + "-" + r.of(decimals, 12) + "-" + r.of(decimals, 12) + "-" + r.of(alnum, 24))
		},
		"GitHub token": func(r random) sample { return r.sentence(r.one("ghp_", "gho_", "ghs_") + r.of(alnum, 36)) },
		"PEM key": func(r random) sample {
			kind := r.one("RSA PRIVATE KEY", "PRIVATE KEY", "OPENSSH PRIVATE KEY", "EC PRIVATE KEY")
			key := "-----BEGIN " + kind + "-----\n" + r.of(alnum+"+/", 64) + "\n" + r.of(alnum+"+/", 40) + "==\n-----END " + kind + "-----"
			return sample{"here:\n" + key + "\nbye", key}
		},
		"JWT": func(r random) sample {
			return r.sentence("eyJhbGciOiJIUzI1NiJ9.eyJ" + r.base64url(30+r.IntN(60)) + "." + r.base64url(32))
		},
		"api_key assignment": func(r random) sample {
			v := r.of(r.one(alnum, lowers+decimals, "0123456789abcdef"), 20+r.IntN(24))
			return sample{fmt.Sprintf(r.one(`api_key="%s"`, `API_KEY=%s`, `apiKey: '%s'`, `"api_key": "%s",`, `client_secret = "%s"`, `auth_token: %s`, "export SECRET_KEY=%s\n"), v), v}
		},
		"password in prose": func(r random) sample {
			p := r.password()
			return sample{fmt.Sprintf(r.one("the db password is %s", "My password is %s.", "pw: %s", "Password: %s", "hi, the wifi password is %s, see you",
				"the password for staging is %s", "passwort ist %s", "login with user bob and password = %s", "DB_PASSWORD=%s", "the root password was changed to %s",
				`{"password":"%s"}`, "pwd=%s;"), p), p}
		},
		"DSN": func(r random) sample {
			p := r.password()
			p = strings.NewReplacer("#", "x", "?", "y", "/", "z", "%", "p", "@", "a").Replace(p)
			return sample{fmt.Sprintf(r.one("postgres://app:%s@db.example.com:5432/main", "mysql://root:%s@10.0.0.5/x", "DATABASE_URL=postgres://user:%s@host/db?sslmode=disable",
				"redis://:%s@cache:6379/0", "mongodb+srv://u:%s@cluster0.example.net", "app:%s@tcp(db:3306)/main", "amqp://guest:%s@mq"), p), p}
		},
	}
}

func TestSecretsOfEightKindsAreFound(t *testing.T) {
	const each = 200
	for name, sampleOf := range secretKinds() {
		t.Run(name, func(t *testing.T) {
			r, found := newRandom(1), 0
			var missed sample
			for range each {
				s := sampleOf(r)
				if hidden(s) {
					found++
				} else {
					missed = s
				}
			}
			t.Logf("%d of %d", found, each)
			if found*100 < each*99 {
				t.Errorf("%d of %d found, want 99 %%; one that was not: %q (%q)", found, each, missed.text, missed.secret)
			}
		})
	}
}

// hidden reports whether a finding that is a secret covers the whole of the sample's secret.
func hidden(s sample) bool {
	at := strings.Index(s.text, s.secret)
	for _, f := range redact.Scan(s.text) {
		if f.Kind.Secret() && f.Start <= at && f.End >= at+len(s.secret) {
			return true
		}
	}
	return false
}

func TestOtherSecretsAreFound(t *testing.T) {
	for _, s := range []sample{
		{"AIzaSyA1234567890abcdefghijklmnopqrstuv is the maps key", "AIzaSyA1234567890abcdefghijklmnopqrstuv"},
		{"aws_secret_access_key = wJalrXUtnFEMI/K7MDENG/bPxRfiCYzzzzzzKEY1", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYzzzzzzKEY1"},
		{"the aws secret: wJalrXUtnFEMI/K7MDENG/bPxRfiCYzzzzzzKEY1", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYzzzzzzKEY1"},
		{"AccountKey=Zm9vYmFyYmF6cXV4Zm9vYmFyYmF6cXV4Zm9vYmFyYmF6cXV4Zm9vYmFyYmF6cXV4Zm9vYmFyYmF6cXV4Zg==;EndpointSuffix=core.windows.net", "Zm9vYmFyYmF6cXV4Zm9vYmFyYmF6cXV4Zm9vYmFyYmF6cXV4Zm9vYmFyYmF6cXV4Zm9vYmFyYmF6cXV4Zg=="},
		{"use sk-proj-a8Fj2kLs9dQw0eRt7yUi3oPz in the header", "sk-proj-a8Fj2kLs9dQw0eRt7yUi3oPz"},
		{"glpat-x7Yt2Kq9LmN4pR8sW1zV", "glpat-x7Yt2Kq9LmN4pR8sW1zV"},
		{"sk" + "_live_4eC39HqLyjWDarjtT1zdp7dc", "sk" + "_live_4eC39HqLyjWDarjtT1zdp7dc"},
		{"curl -H 'Authorization: Bearer f3Kq81LzT0pVn7XwYs2B'", "f3Kq81LzT0pVn7XwYs2B"},
		{"Authorization: Basic YWxhZGRpbjpvcGVuc2VzYW1l1", "YWxhZGRpbjpvcGVuc2VzYW1l1"},
		{"the new token that I got is somewhere: 9aF3kLq8ZxT0pVn7XwYs2B", "9aF3kLq8ZxT0pVn7XwYs2B"},
		{"the password is swordfish", "swordfish"},
		{"log in as bob with password Xk29fqLw", "Xk29fqLw"},
		{"mot de passe : Tr0ub4dor", "Tr0ub4dor"},
		{"my pin is 4821", "4821"},
		{"-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBg", "MIIEvQIBADANBg"},
		{"hook: https://hooks.slack.com/services/T01ABCDEF/B02ABCDEF/x8Kq2Lm9Pz4Rt7Vw1Ys3Bn6C", "x8Kq2Lm9Pz4Rt7Vw1Ys3Bn6C"},
		{"postgres://app:p/w/x1@db/main", "p/w/x1"},
		{"Server=db;User Id=sa;Password=Xk29!fq;Encrypt=true", "Xk29!fq"},
		{`log: "{\"password\":\"hunter2x\"}"`, "hunter2x"},
		{"postgres://app:alice7@mail.example.com/main", "alice7@mail.example.com"}, // not an e-mail address
	} {
		if !hidden(s) {
			t.Errorf("not hidden in %q: %q; found %v", s.text, s.secret, redact.Scan(s.text))
		}
	}
}
