package storetest

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/agent/audit"
	"github.com/sous-hq/sous/agent/people"
)

// Tokens checks the tokens people sign in with.
func Tokens(t *testing.T, open Opener) {
	open.keeps(t, []promise{
		{"a token is its person's until another is issued or it is taken back", tokenLife},
		{"tokens are one workspace's", tokenWorkspaces},
		{"only an owner lets people sign in", tokenForbidden},
		{"without an audit nobody is let in and nobody is kept out", tokenNeedsAudit},
	})
}

// tokensOf returns the part of the store under test that keeps tokens.
func tokensOf(t *testing.T, s Stores) people.Tokens {
	t.Helper()
	k, ok := s.Store.(people.Tokens)
	if !ok {
		t.Fatal("the store keeps no tokens")
	}
	return k
}

func signIn(t *testing.T, s Stores, ws agent.WorkspaceID) people.SignIn {
	return people.SignIn{Tokens: tokensOf(t, s), Workspace: ws, Secret: []byte("a secret")}
}

func tokenFor(t *testing.T, s people.SignIn, id agent.ActorID) string {
	t.Helper()
	token, err := s.Issue(t.Context(), owner(s.Workspace), id)
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// wantWhose checks whose token it is, "" being nobody's.
func wantWhose(t *testing.T, s people.SignIn, token string, want agent.ActorID) {
	t.Helper()
	got, err := s.Find(t.Context(), token)
	if got != want || (err == nil) != (want != "") || err != nil && agent.KindOf(err) != agent.NotFound {
		t.Errorf("the token is %q's, %v; want %q", got, err, want)
	}
}

func tokenLife(t *testing.T, s Stores) {
	in := signIn(t, s, acme)
	one, other := tokenFor(t, in, "ann"), tokenFor(t, in, "bob")
	if len(one) < 50 || one == other {
		t.Errorf("tokens are %q and %q", one, other)
	}
	wantWhose(t, in, one, "ann")
	wantWhose(t, in, other, "bob")
	for _, wrong := range []string{"", one[1:], strings.ToLower(one), one + " "} {
		wantWhose(t, in, wrong, "")
	}
	first := sessionKey(t, in, "ann")
	if first == sessionKey(t, in, "bob") {
		t.Error("two people have one key")
	}
	s.Clock.Advance(time.Hour)
	second := tokenFor(t, in, "ann")
	wantWhose(t, in, one, "")
	wantWhose(t, in, second, "ann")
	if sessionKey(t, in, "ann") == first {
		t.Error("a new token leaves the sessions of the old one")
	}
	if err := in.Revoke(t.Context(), owner(acme), "ann"); err != nil {
		t.Fatal(err)
	}
	wantError(t, in.Revoke(t.Context(), owner(acme), "ann"), agent.NotFound, "no sign-in token")
	wantWhose(t, in, second, "")
	_, err := in.Key(t.Context(), "ann")
	wantError(t, err, agent.NotFound, "no sign-in token")
	wantWhose(t, in, other, "bob")
	all, err := in.Tokens.AllTokens(t.Context(), acme)
	if err != nil || len(all) != 1 || all[0].Person != "bob" || !all[0].Issued.Equal(NewClock().Now()) {
		t.Errorf("tokens are %+v, %v", all, err)
	}
	wantKinds(t, s, audit.TokenIssued, audit.TokenIssued, audit.TokenIssued, audit.TokenRevoked)
	rows := record(t, s, acme)
	wantJSON(t, "audit", rows[3], audit.Entry{Seq: 4, At: s.Clock.Now(), Workspace: acme, Kind: audit.TokenRevoked, Actor: "olga", Subject: "ann"})
}

func sessionKey(t *testing.T, s people.SignIn, id agent.ActorID) string {
	t.Helper()
	key, err := s.Key(t.Context(), id)
	if err != nil || len(key) < 32 {
		t.Fatalf("the key of %s: %d bytes, %v", id, len(key), err)
	}
	return string(key)
}

func tokenWorkspaces(t *testing.T, s Stores) {
	ours, theirs := signIn(t, s, acme), signIn(t, s, globex)
	token := tokenFor(t, ours, "ann")
	wantWhose(t, theirs, token, "")
	if _, err := theirs.Key(t.Context(), "ann"); agent.KindOf(err) != agent.NotFound {
		t.Errorf("globex has acme's key: %v", err)
	}
	other := tokenFor(t, theirs, "ann")
	if err := theirs.Revoke(t.Context(), owner(globex), "ann"); err != nil {
		t.Fatal(err)
	}
	wantWhose(t, ours, token, "ann")
	wantWhose(t, ours, other, "")
	// Another secret, another key.
	odd := ours
	odd.Secret = []byte("another secret")
	if sessionKey(t, odd, "ann") == sessionKey(t, ours, "ann") {
		t.Error("one key under two secrets")
	}
}

func tokenForbidden(t *testing.T, s Stores) {
	in := signIn(t, s, acme)
	token := tokenFor(t, in, "ann")
	guest := owner(acme)
	guest.Kind = agent.Guest
	for _, by := range []agent.Actor{ann(), guest, owner(globex), {}} {
		_, err := in.Issue(t.Context(), by, "ann")
		wantError(t, err, agent.Forbidden, "only an owner")
		wantError(t, in.Revoke(t.Context(), by, "ann"), agent.Forbidden, "only an owner")
	}
	wantWhose(t, in, token, "ann")
}

func tokenNeedsAudit(t *testing.T, s Stores) {
	in := signIn(t, s, acme)
	token := tokenFor(t, in, "ann")
	withoutAudit(t, s, func() {
		if _, err := in.Issue(context.WithoutCancel(t.Context()), owner(acme), "bob"); err == nil {
			t.Error("issued without an audit")
		}
		if err := in.Revoke(t.Context(), owner(acme), "ann"); err == nil {
			t.Error("taken back without an audit")
		}
	})
	wantWhose(t, in, token, "ann")
	if all, err := in.Tokens.AllTokens(t.Context(), acme); err != nil || len(all) != 1 {
		t.Errorf("tokens are %+v, %v", all, err)
	}
}
