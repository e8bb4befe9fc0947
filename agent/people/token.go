package people

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"time"

	"github.com/sous-hq/sous/agent"
)

// Token is the token a person signs in with, as far as it is kept.
type Token struct {
	Person agent.ActorID `json:"person"`
	// Hash is the SHA-256 of the token, in hex. The token has more than 256 bits
	// of chance, so nothing slower is needed.
	Hash   string    `json:"-"`
	Issued time.Time `json:"issued"`
}

// Tokens is a store that keeps the hash of each person's token. What is not
// there is NotFound.
type Tokens interface {
	// SetToken keeps a hash in place of the person's one before, or takes that
	// back when hash is "": in one transaction with its audit row.
	SetToken(ctx context.Context, by agent.Actor, person agent.ActorID, hash string) error
	// TokenWith returns the token with this hash.
	TokenWith(ctx context.Context, ws agent.WorkspaceID, hash string) (Token, error)
	// TokenOf returns a person's token.
	TokenOf(ctx context.Context, ws agent.WorkspaceID, person agent.ActorID) (Token, error)
	// AllTokens lists the tokens of a workspace, by person.
	AllTokens(ctx context.Context, ws agent.WorkspaceID) ([]Token, error)
}

// SignIn lets people sign in, each with a token of their own.
type SignIn struct {
	Tokens    Tokens
	Workspace agent.WorkspaceID
	// Secret goes into what sessions are signed with, so that who can read the
	// store alone cannot sign one.
	Secret []byte
}

// Issue makes a token for a person and returns it; nobody will see it again. One
// they had before no longer counts, nor do its sessions. Only an owner may.
func (s SignIn) Issue(ctx context.Context, by agent.Actor, person agent.ActorID) (string, error) {
	if err := s.may(by); err != nil {
		return "", err
	}
	// 52 letters of base32 are 260 bits.
	token := rand.Text() + rand.Text()
	return token, s.Tokens.SetToken(ctx, by, person, hashOf(token))
}

// Revoke takes a person's token back, with all sessions it began. Only an owner may.
func (s SignIn) Revoke(ctx context.Context, by agent.Actor, person agent.ActorID) error {
	if err := s.may(by); err != nil {
		return err
	}
	return s.Tokens.SetToken(ctx, by, person, "")
}

func (s SignIn) may(by agent.Actor) error {
	if by.Workspace != s.Workspace || by.Kind != agent.Member || !by.Owner {
		return agent.Errorf(agent.Forbidden, "only an owner can let people sign in")
	}
	return nil
}

// Find returns whose token it is; nobody's is NotFound.
func (s SignIn) Find(ctx context.Context, token string) (agent.ActorID, error) {
	if token == "" {
		return "", agent.Errorf(agent.NotFound, "there is no such token")
	}
	t, err := s.Tokens.TokenWith(ctx, s.Workspace, hashOf(token))
	return t.Person, err
}

// Key returns what a person's sessions are signed with: another one with each
// token they are given. Without a token there is none, NotFound.
func (s SignIn) Key(ctx context.Context, person agent.ActorID) ([]byte, error) {
	t, err := s.Tokens.TokenOf(ctx, s.Workspace, person)
	if err != nil {
		return nil, err
	}
	if len(s.Secret) == 0 {
		return nil, errors.New("sign-in: a secret is required")
	}
	h := hmac.New(sha256.New, s.Secret)
	h.Write([]byte("session of\n" + string(person) + "\n" + t.Hash))
	return h.Sum(nil), nil
}

func hashOf(token string) string {
	sum := sha256.Sum256([]byte(token))
	return hex.EncodeToString(sum[:])
}
