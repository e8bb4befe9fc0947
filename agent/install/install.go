// Package install is where Sous has been installed in an outside system by people
// of theirs: the credentials it was given there, kept sealed, renewed before they
// end and gone when it is uninstalled.
package install

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/tink-crypto/tink-go/v2/tink"

	"github.com/sous-hq/sous/agent"
)

// Secret is a credential. It prints as a placeholder and is no part of any JSON.
type Secret string

// String implements fmt.Stringer.
func (s Secret) String() string { return map[bool]string{true: "", false: "[secret]"}[s == ""] }

// GoString implements fmt.GoStringer.
func (s Secret) GoString() string { return s.String() }

// LogValue implements slog.LogValuer.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }

// MarshalJSON implements json.Marshaler.
func (s Secret) MarshalJSON() ([]byte, error) { return json.Marshal(s.String()) }

// Reveal returns the credential itself.
func (s Secret) Reveal() string { return string(s) }

// Installation is one installation. System and Team name it.
type Installation struct {
	// Workspace is whose turns come of it.
	Workspace agent.WorkspaceID `json:"workspace"`
	// System is the outside system, such as "slack".
	System string `json:"system"`
	// Team is the place in that system: a workspace of Slack, or an organisation
	// when Org is set.
	Team string `json:"team"`
	Name string `json:"name,omitempty"`
	// Enterprise is the organisation the team belongs to, "" for none; Org says that
	// the installation is the organisation's, for all its teams.
	Enterprise string `json:"enterprise,omitempty"`
	Org        bool   `json:"org,omitempty"`
	// App and Bot are the app's id and the account it acts as.
	App    string   `json:"app,omitempty"`
	Bot    string   `json:"bot,omitempty"`
	Scopes []string `json:"scopes,omitempty"`
	// By is who installed it, by their account in that system.
	By string    `json:"by,omitempty"`
	At time.Time `json:"at"`
	// Token acts as the app; it ends at Expires, unless that is zero, and Refresh
	// gets another.
	Token   Secret    `json:"-"`
	Refresh Secret    `json:"-"`
	Expires time.Time `json:"expires,omitzero"`
}

// Check returns an error of kind Invalid when something is missing.
func (i Installation) Check() error {
	if i.Workspace == "" || i.System == "" || i.Team == "" || i.Token == "" {
		return agent.Errorf(agent.Invalid, "an installation needs a workspace, a system, a team and a token")
	}
	return nil
}

// Due reports whether the token should be renewed: when it ends within ahead.
func (i Installation) Due(now time.Time, ahead time.Duration) bool {
	return i.Refresh != "" && !i.Expires.IsZero() && now.Add(ahead).After(i.Expires)
}

// sealed is what of an installation is kept under a key.
type sealed struct {
	Token   string `json:"token"`
	Refresh string `json:"refresh,omitempty"`
}

// Seal returns the credentials under the key. They open for the same workspace,
// system and team alone.
func (i Installation) Seal(kek tink.AEAD) ([]byte, error) {
	raw, err := json.Marshal(sealed{i.Token.Reveal(), i.Refresh.Reveal()})
	if err != nil {
		return nil, fmt.Errorf("seal credentials: %w", err)
	}
	return kek.Encrypt(raw, i.bound())
}

// Open returns the installation with the credentials that Seal put away. What was
// sealed for another or under another key is an error.
func (i Installation) Open(kek tink.AEAD, box []byte) (Installation, error) {
	raw, err := kek.Decrypt(box, i.bound())
	if err != nil {
		return i, fmt.Errorf("open credentials of %s %s: %w", i.System, i.Team, err)
	}
	var s sealed
	if err := json.Unmarshal(raw, &s); err != nil || s.Token == "" {
		return i, errors.New("open credentials: they are damaged")
	}
	i.Token, i.Refresh = Secret(s.Token), Secret(s.Refresh)
	return i, nil
}

func (i Installation) bound() []byte {
	raw, err := json.Marshal([]string{"installation", string(i.Workspace), i.System, i.Team})
	if err != nil {
		return nil
	}
	return raw
}

// Store keeps installations, each change in one transaction with its audit row,
// which holds no credential.
type Store interface {
	// Install keeps an installation in place of the former one of the same team.
	Install(ctx context.Context, i Installation) error
	// Renew keeps the new token, refresh token and end of an installation whose
	// refresh token still is was; a Conflict when another was faster, NotFound when
	// there is none.
	Renew(ctx context.Context, i Installation, was Secret) error
	// Uninstall takes one away with its credentials; one that is not there is no
	// error. why is a word for the record, such as "app_uninstalled".
	Uninstall(ctx context.Context, ws agent.WorkspaceID, system, team, why string) error
	// Installations lists those of a system in all workspaces, oldest first, opened.
	Installations(ctx context.Context, system string) ([]Installation, error)
}
