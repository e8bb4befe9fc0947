package signin_test

import (
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sous-hq/sous/internal/signin"
)

func open(t *testing.T, path string) *signin.Tokens {
	t.Helper()
	tokens, err := signin.Open(path, []byte("a secret of the installation"))
	if err != nil {
		t.Fatal(err)
	}
	return tokens
}

func issue(t *testing.T, tokens *signin.Tokens, person string) string {
	t.Helper()
	token, err := tokens.Issue(person, time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC))
	if err != nil {
		t.Fatal(err)
	}
	return token
}

func TestATokenIsItsPersonsUntilItIsTakenBack(t *testing.T) {
	path := filepath.Join(t.TempDir(), "tokens.json")
	server, command := open(t, path), open(t, path)
	if _, ok := server.Find(""); ok {
		t.Error("no token signs somebody in")
	}
	ann, bob := issue(t, command, "ann"), issue(t, command, "bob")
	if len(ann) < 50 || ann == bob {
		t.Errorf("tokens are %q and %q", ann, bob)
	}
	for token, want := range map[string]string{ann: "ann", bob: "bob", ann[1:]: "", strings.ToLower(ann): "", "": ""} {
		if got, ok := server.Find(token); got != want || ok != (want != "") {
			t.Errorf("%q is %q, %t; want %q", token, got, ok, want)
		}
	}
	raw, err := os.ReadFile(path)
	if err != nil || strings.Contains(string(raw), ann) || strings.Contains(string(raw), bob) {
		t.Errorf("the file holds a token: %v\n%s", err, raw)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the file's mode is %v, %v", info.Mode(), err)
	}
	before, ok := server.Key("ann")
	if !ok {
		t.Fatal("Ann has no key")
	}
	if other, _ := server.Key("bob"); string(other) == string(before) {
		t.Error("two people have one key")
	}
	second := issue(t, command, "ann")
	if after, ok := server.Key("ann"); !ok || string(after) == string(before) {
		t.Error("a new token leaves the sessions of the old one")
	}
	if _, ok := server.Find(ann); ok {
		t.Error("the old token still counts")
	}
	if had, err := command.Revoke("ann"); err != nil || !had {
		t.Errorf("revoke: %t, %v", had, err)
	}
	if had, err := command.Revoke("ann"); err != nil || had {
		t.Errorf("revoke again: %t, %v", had, err)
	}
	if _, ok := server.Find(second); ok {
		t.Error("a token that was taken back still counts")
	}
	if _, ok := server.Key("ann"); ok {
		t.Error("sessions of a token that was taken back go on")
	}
	if who, ok := server.Find(bob); !ok || who != "bob" {
		t.Errorf("Bob's token is %q, %t", who, ok)
	}
}

func TestAnotherInstallationsSessionsAreNotOurs(t *testing.T) {
	path := filepath.Join(t.TempDir(), "tokens.json")
	ours := open(t, path)
	issue(t, ours, "ann")
	theirs, err := signin.Open(path, []byte("another secret"))
	if err != nil {
		t.Fatal(err)
	}
	a, _ := ours.Key("ann")
	b, _ := theirs.Key("ann")
	if string(a) == string(b) {
		t.Error("one key under two secrets")
	}
}

func TestManyAtOnceLoseNoToken(t *testing.T) {
	path := filepath.Join(t.TempDir(), "tokens.json")
	var wg sync.WaitGroup
	people := strings.Split("abcdefghijklmnopqrst", "")
	tokens := make([]string, len(people))
	for i, who := range people {
		wg.Go(func() {
			one, err := signin.Open(path, nil)
			if err != nil {
				t.Error(err)
				return
			}
			if tokens[i], err = one.Issue(who, time.Now()); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	all := open(t, path)
	for i, who := range people {
		if got, ok := all.Find(tokens[i]); !ok || got != who {
			t.Errorf("the token of %s is %q's", who, got)
		}
	}
}

func TestAFileThatCannotBeTrustedSignsNobodyIn(t *testing.T) {
	path := filepath.Join(t.TempDir(), "tokens.json")
	tokens := open(t, path)
	ann := issue(t, tokens, "ann")
	for name, harm := range map[string]func() error{
		"others may read it":  func() error { return os.Chmod(path, 0o644) },
		"it is no JSON":       func() error { return os.WriteFile(path, []byte("{"), 0o600) },
		"it is far too large": func() error { return os.Truncate(path, 5<<20) },
	} {
		ann = issue(t, tokens, "ann")
		if err := harm(); err != nil {
			t.Fatal(err)
		}
		if _, ok := tokens.Find(ann); ok {
			t.Errorf("%s: a token counts", name)
		}
		if _, ok := tokens.Key("ann"); ok {
			t.Errorf("%s: a session counts", name)
		}
		if _, err := signin.Open(path, nil); err == nil || strings.Contains(err.Error(), ann) {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := tokens.Issue("bob", time.Now()); err == nil {
			t.Errorf("%s: it is replaced unread", name)
		}
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
	}
}
