// Package setup makes the Slack app itself: its manifest, the check of it, its
// creation and update with a configuration token, and the examination of an app
// that is there: what its token may do, whether Slack can be reached and Slack can
// reach Sous.
package setup

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/sous-hq/sous/agent"
)

// The paths below the public address at which Slack finds Sous.
const (
	EventsPath       = "/slack/events"
	InteractionsPath = "/slack/interactions"
	CommandsPath     = "/slack/commands"
	// InstallPath begins an installation, CallbackPath ends it.
	InstallPath  = "/slack/install"
	CallbackPath = "/slack/oauth_redirect"
)

// Form says how the app is to reach Sous.
type Form struct {
	// Name is the app's name; "" is Sous.
	Name string
	// URL is the public https address of Sous, without a path; "" when it has none.
	URL string
	// Socket says that events come by Socket Mode even though there is a URL. Without
	// a URL they always do.
	Socket bool
	// Many says that the app is installed in several workspaces by its own install
	// page: it gets redirect URLs, tokens that are rotated and organisation-wide
	// installs. It needs a URL.
	Many bool
}

// document is the part of a manifest that Sous has an opinion on
// (docs.slack.dev/reference/app-manifest).
type document struct {
	Schema   string   `json:"$schema,omitempty"`
	Metadata metadata `json:"_metadata"`
	Display  display  `json:"display_information"`
	Features features `json:"features"`
	OAuth    oauth    `json:"oauth_config"`
	Settings settings `json:"settings"`
}

type metadata struct {
	Major int `json:"major_version"`
	Minor int `json:"minor_version"`
}

type display struct {
	Name        string `json:"name"`
	Description string `json:"description"`
	Long        string `json:"long_description,omitempty"`
	Background  string `json:"background_color,omitempty"`
}

type features struct {
	Agent     agentView   `json:"agent_view"`
	Home      appHome     `json:"app_home"`
	Bot       botUser     `json:"bot_user"`
	Shortcuts []shortcut  `json:"shortcuts"`
	Commands  []slashText `json:"slash_commands"`
}

type agentView struct {
	Description string   `json:"agent_description"`
	Prompts     []prompt `json:"suggested_prompts,omitempty"`
}

type prompt struct {
	Title   string `json:"title"`
	Message string `json:"message"`
}

type appHome struct {
	Home     bool `json:"home_tab_enabled"`
	Messages bool `json:"messages_tab_enabled"`
	ReadOnly bool `json:"messages_tab_read_only_enabled"`
}

type botUser struct {
	Name   string `json:"display_name"`
	Online bool   `json:"always_online"`
}

type shortcut struct {
	Name        string `json:"name"`
	Type        string `json:"type"`
	Callback    string `json:"callback_id"`
	Description string `json:"description"`
}

type slashText struct {
	Command     string `json:"command"`
	URL         string `json:"url,omitempty"`
	Description string `json:"description"`
	Usage       string `json:"usage_hint,omitempty"`
	Escape      bool   `json:"should_escape"`
}

type oauth struct {
	Redirects []string `json:"redirect_urls,omitempty"`
	Scopes    scopes   `json:"scopes"`
	PKCE      bool     `json:"pkce_enabled,omitempty"`
}

type scopes struct {
	Bot      []string `json:"bot"`
	Optional []string `json:"bot_optional,omitempty"`
}

type settings struct {
	Events      subscriptions `json:"event_subscriptions"`
	Interactive interactivity `json:"interactivity"`
	Org         bool          `json:"org_deploy_enabled"`
	Socket      bool          `json:"socket_mode_enabled"`
	Rotation    bool          `json:"token_rotation_enabled"`
}

type subscriptions struct {
	URL string   `json:"request_url,omitempty"`
	Bot []string `json:"bot_events"`
}

type interactivity struct {
	Enabled bool   `json:"is_enabled"`
	URL     string `json:"request_url,omitempty"`
}

// schemaURL is where Slack publishes the schema that editors check a manifest with.
const schemaURL = "https://raw.githubusercontent.com/slackapi/manifest-schema/main/manifest.schema.2.0.0.json"

const longText = "Sous answers questions, writes the minutes of a meeting from its transcript, works tickets and says who should handle a request. " +
	"It quotes the words each decision rests on, remembers what may be remembered and for whom, and asks a person before anything risky: " +
	"the exact call, why it is asked and how to take it back stand on the card."

// Scopes are the bot scopes the app cannot do without, and those of features that
// it offers only where they are granted.
func Scopes() (needed, optional []string) {
	return []string{
		"app_mentions:read", "assistant:write", "channels:history", "channels:read", "chat:write", "commands", "files:read",
		"groups:history", "groups:read", "im:history", "im:read", "im:write", "mpim:history", "mpim:read", "usergroups:read", "users:read",
	}, []string{"canvases:write", "files:write", "lists:write"}
}

// OrgEvents are those that an app for whole organisations is subscribed to besides:
// which of its workspaces it may work in.
func OrgEvents() []string { return []string{"team_access_granted", "team_access_revoked"} }

// Events are the events the app has to be subscribed to.
func Events() []string {
	return []string{
		"agent_session_stopped", "app_context_changed", "app_home_opened", "app_mention", "app_uninstalled", "channel_shared", "channel_unshared",
		"member_joined_channel", "member_left_channel", "message.channels", "message.groups", "message.im", "message.mpim",
		"subteam_created", "subteam_members_changed", "subteam_updated", "team_join", "tokens_revoked", "user_change",
	}
}

// Manifest returns the app's manifest as JSON, indented. A form that Slack would
// not take is Invalid.
func Manifest(f Form) ([]byte, error) {
	base, err := address(f.URL)
	if err != nil {
		return nil, err
	}
	if f.Many && base == "" {
		return nil, agent.Errorf(agent.Invalid, "an app for several workspaces needs a public address for its install page: give --url")
	}
	d := plain(f.Name)
	d.Settings.Socket = f.Socket || base == ""
	if !d.Settings.Socket {
		d.Settings.Events.URL, d.Settings.Interactive.URL = base+EventsPath, base+InteractionsPath
		d.Features.Commands[0].URL = base + CommandsPath
	}
	if f.Many {
		d.OAuth.Redirects, d.OAuth.PKCE = []string{base + CallbackPath}, true
		d.Settings.Org, d.Settings.Rotation = true, true
		d.Settings.Events.Bot = append(d.Settings.Events.Bot, OrgEvents()...)
		slices.Sort(d.Settings.Events.Bot)
	}
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(d); err != nil {
		return nil, fmt.Errorf("write the manifest: %w", err)
	}
	if wrong := Check(out.Bytes()); len(wrong) > 0 {
		return nil, agent.Errorf(agent.Invalid, "the manifest would not be taken: %s", strings.Join(wrong, "; "))
	}
	return out.Bytes(), nil
}

func plain(name string) document {
	if name == "" {
		name = "Sous"
	}
	needed, optional := Scopes()
	return document{
		Schema: schemaURL, Metadata: metadata{2, 1},
		Display: display{
			Name: name, Description: "Minutes, tickets and answers, with a person's yes before anything risky.", Long: longText, Background: "#1f3a2d",
		},
		Features: features{
			Agent: agentView{
				Description: "Drop a transcript and I write the minutes, suggest tickets and ask before I do anything that cannot be taken back.",
				Prompts: []prompt{
					{"Minutes of a meeting", "I drop a transcript: write the minutes and suggest tickets."},
					{"What waits for me?", "Which approvals wait for me?"},
					{"Find a ticket", "Which tickets are open?"},
					{"Who handles this?", "Who should handle a broken laptop?"},
				},
			},
			Home: appHome{Home: true, Messages: true}, Bot: botUser{name, true},
			Shortcuts: []shortcut{
				{"Minutes of this thread", "message", "sous_minutes", "Decisions, action items and questions"},
				{"Summarise this thread", "message", "sous_summary", "What was said, in short"},
				{"Ask Sous", "global", "sous_ask_anywhere", "Ask from anywhere; the answer comes as a direct message"},
			},
			Commands: []slashText{{
				Command: "/sous", Description: "Ask Sous", Escape: true,
				Usage: "help | ask | summarize #channel since Monday | approvals | forget | status",
			}},
		},
		OAuth:    oauth{Scopes: scopes{needed, optional}},
		Settings: settings{Events: subscriptions{Bot: Events()}, Interactive: interactivity{Enabled: true}},
	}
}

// address checks a public address and returns it without a slash at its end.
func address(text string) (string, error) {
	if text == "" {
		return "", nil
	}
	u, err := url.Parse(strings.TrimRight(text, "/"))
	if err != nil || u.Scheme != "https" || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" || u.Path != "" {
		return "", agent.Errorf(agent.Invalid, "%.200q is no public address; it looks like https://sous.example.com, without a path", text)
	}
	return u.String(), nil
}

// missing lists of wanted those that are not among had.
func missing(wanted, had []string) []string {
	var not []string
	for _, w := range wanted {
		if !slices.Contains(had, w) {
			not = append(not, w)
		}
	}
	return not
}
