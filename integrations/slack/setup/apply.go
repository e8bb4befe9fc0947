package setup

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/slack-go/slack"

	"github.com/sous-hq/sous/agent"
)

// App is what Slack gave an app when it was made. The secrets are never told again.
type App struct {
	ID           string
	ClientID     string
	ClientSecret string
	Signing      string
	// Made says that it is new; Reinstall that its scopes changed, so that it has to
	// be installed once more to get them.
	Made, Reinstall bool
	// InstallURL is where a person installs a new app in their workspace.
	InstallURL string
}

// Manager makes and changes apps with a configuration token
// (api.slack.com/apps, Your App Configuration Tokens; it lives for 12 hours).
type Manager struct {
	Token string
	// APIURL is the base of the Web API with a slash at its end; "" is Slack's own.
	APIURL string
}

func (m Manager) client() *slack.Client {
	return client("", m.APIURL)
}

func client(token, apiURL string, more ...slack.Option) *slack.Client {
	options := append([]slack.Option{slack.OptionHTTPClient(&http.Client{Timeout: 20 * time.Second})}, more...)
	if apiURL != "" {
		options = append(options, slack.OptionAPIURL(apiURL))
	}
	return slack.New(token, options...)
}

// Apply brings the app to the manifest, or makes a new one when id is "". A
// manifest Slack refuses is Invalid, with each reason.
func (m Manager) Apply(ctx context.Context, manifest []byte, id string) (App, error) {
	if m.Token == "" {
		return App{}, agent.Errorf(agent.Invalid, "a configuration token is needed: make one on api.slack.com/apps under “Your App Configuration Tokens” and set SLACK_CONFIG_TOKEN")
	}
	checked, err := m.client().ValidateManifestRawContext(ctx, manifest, m.Token, id)
	if err != nil {
		return App{}, m.explain(err, checked)
	}
	if id == "" {
		made, err := m.client().CreateManifestRawContext(ctx, manifest, m.Token)
		if err != nil {
			return App{}, m.explain(err, made)
		}
		a := App{ID: made.AppId, Made: true, InstallURL: made.OAuthAuthorizeUrl}
		if c := made.Credentials; c != nil {
			a.ClientID, a.ClientSecret, a.Signing = c.ClientId, c.ClientSecret, c.SigningSecret
		}
		return a, nil
	}
	changed, err := m.client().UpdateManifestRawContext(ctx, manifest, m.Token, id)
	if err != nil {
		var answer *slack.ManifestResponse
		if changed != nil {
			answer = &changed.ManifestResponse
		}
		return App{}, m.explain(err, answer)
	}
	return App{ID: id, Reinstall: changed.PermissionsUpdated}, nil
}

// explain turns Slack's refusal into something to act on.
func (m Manager) explain(err error, answer *slack.ManifestResponse) error {
	switch word(err) {
	case "invalid_auth", "not_authed", "token_expired", "not_allowed_token_type", "token_revoked":
		return agent.WrapError(agent.Forbidden, err, "Slack does not take the configuration token ("+word(err)+"); it lives for 12 hours: make a fresh one on api.slack.com/apps")
	case "invalid_app_id", "app_not_eligible", "no_permission":
		return agent.WrapError(agent.NotFound, err, "there is no such app that this configuration token may change ("+word(err)+")")
	case "invalid_manifest", "failed_creating_app":
		var why []string
		if answer != nil {
			for _, e := range answer.Errors {
				why = append(why, strings.TrimSpace(e.Pointer+" "+e.Message))
			}
		}
		return agent.WrapError(agent.Invalid, err, "Slack does not take the manifest: "+strings.Join(append(why, word(err)), "; "))
	}
	return agent.WrapError(agent.Unavailable, err, "Slack did not do it; nothing is known to have changed, so try again")
}

// word is Slack's word for an error, "" when it has none.
func word(err error) string {
	var said slack.SlackErrorResponse
	if errors.As(err, &said) {
		return said.Err
	}
	return ""
}

// Exported is an app's manifest as Slack has it.
func (m Manager) Exported(ctx context.Context, id string) (json.RawMessage, error) {
	raw, err := m.client().ExportManifestRawContext(ctx, m.Token, id)
	if err != nil {
		return nil, m.explain(err, nil)
	}
	return raw, nil
}

// Differences says, a sentence each, what an app's manifest lacks or has otherwise
// than ours. What Sous has no opinion on is passed over.
func Differences(ours, theirs []byte) ([]string, error) {
	var want, have document
	if err := json.Unmarshal(ours, &want); err != nil {
		return nil, fmt.Errorf("read our manifest: %w", err)
	}
	if err := json.Unmarshal(theirs, &have); err != nil {
		return nil, fmt.Errorf("read the app's manifest: %w", err)
	}
	var all []string
	add := func(format string, args ...any) { all = append(all, fmt.Sprintf(format, args...)) }
	if e := missing(want.Settings.Events.Bot, have.Settings.Events.Bot); len(e) > 0 {
		add("it is not subscribed to %s", strings.Join(e, ", "))
	}
	if s := missing(want.OAuth.Scopes.Bot, have.OAuth.Scopes.Bot); len(s) > 0 {
		add("it does not ask for the scopes %s", strings.Join(s, ", "))
	}
	if !have.Settings.Interactive.Enabled {
		add("interactivity is off, so no button works")
	}
	if have.Settings.Socket != want.Settings.Socket {
		add("Socket Mode is %s", map[bool]string{true: "on", false: "off"}[have.Settings.Socket])
	}
	for _, s := range want.Features.Shortcuts {
		if !holds(have.Features.Shortcuts, func(o shortcut) bool { return o.Callback == s.Callback && o.Type == s.Type }) {
			add("the shortcut “%s” is missing", s.Name)
		}
	}
	for _, s := range want.Features.Commands {
		if !holds(have.Features.Commands, func(o slashText) bool { return o.Command == s.Command }) {
			add("the command %s is missing", s.Command)
		}
	}
	if u := want.Settings.Events.URL; u != "" && have.Settings.Events.URL != u {
		add("events go to %s instead of %s", or(have.Settings.Events.URL, "nowhere"), u)
	}
	return all, nil
}

func holds[T any](all []T, f func(T) bool) bool {
	for _, v := range all {
		if f(v) {
			return true
		}
	}
	return false
}

func or(a, b string) string {
	if a != "" {
		return a
	}
	return b
}
