package slack

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/slack-go/slack"
)

// errUnreadable is in the chain of what is wrong with a delivery itself: it is kept
// and acknowledged, since it would not get better.
var errUnreadable = errors.New("unreadable")

// envelope is an event as it arrives. Only what is used is read, so that a block of
// a new or broken shape never costs the event.
type envelope struct {
	Type           string          `json:"type"`
	Challenge      string          `json:"challenge"`
	Team           string          `json:"team_id"`
	Enterprise     string          `json:"enterprise_id"`
	EventID        string          `json:"event_id"`
	Authorizations []authorization `json:"authorizations"`
	Event          json.RawMessage `json:"event"`
}

type authorization struct {
	Team       string `json:"team_id"`
	Enterprise string `json:"enterprise_id"`
}

// inner is what happened.
type inner struct {
	Type        string     `json:"type"`
	Subtype     string     `json:"subtype"`
	User        loose      `json:"user"`
	Bot         string     `json:"bot_id"`
	App         string     `json:"app_id"`
	Text        string     `json:"text"`
	Channel     loose      `json:"channel"`
	ChannelType string     `json:"channel_type"`
	TS          string     `json:"ts"`
	Thread      string     `json:"thread_ts"`
	DeletedTS   string     `json:"deleted_ts"`
	UserTeam    string     `json:"user_team"`
	Tab         string     `json:"tab"`
	Files       []dropped  `json:"files"`
	Message     *inner     `json:"message"`
	Previous    *inner     `json:"previous_message"`
	Edited      *edited    `json:"edited"`
	Context     *looking   `json:"context"`
	Assistant   *assistant `json:"assistant_thread"`
	// Tokens are what tokens_revoked names: the ids of the users whose they were.
	Tokens struct {
		Bot []string `json:"bot"`
	} `json:"tokens"`
}

type edited struct {
	User string `json:"user"`
	TS   string `json:"ts"`
}

type assistant struct {
	User    string `json:"user_id"`
	Channel string `json:"channel_id"`
	Thread  string `json:"thread_ts"`
	Context struct {
		Channel string `json:"channel_id"`
	} `json:"context"`
}

// looking is what a person has open in Slack, the most relevant first.
type looking struct {
	Entities []struct {
		Type  string          `json:"type"`
		Value json.RawMessage `json:"value"`
	} `json:"entities"`
}

// The kinds of things a person has open that name a channel
// (docs.slack.dev/reference/events/app_context_changed).
const (
	entityChannel = "slack#/types/channel_id"
	entityMessage = "slack#/types/message_context"
)

// channel is the channel a person looks at, "" when it is none.
func (l *looking) channel() string {
	if l == nil {
		return ""
	}
	for _, e := range l.Entities {
		var id string
		var in struct {
			Channel string `json:"channel_id"`
		}
		switch {
		case e.Type == entityChannel && json.Unmarshal(e.Value, &id) == nil && id != "":
			return id
		case e.Type == entityMessage && json.Unmarshal(e.Value, &in) == nil && in.Channel != "":
			return in.Channel
		}
	}
	return ""
}

// dropped is a file as an event names it.
type dropped struct {
	ID       string `json:"id"`
	Name     string `json:"name"`
	Media    string `json:"mimetype"`
	Mode     string `json:"mode"`
	Access   string `json:"file_access"`
	URL      string `json:"url_private_download"`
	External bool   `json:"is_external"`
	Size     int64  `json:"size"`
}

// loose is an id that some events carry bare and some within an object.
type loose string

// UnmarshalJSON implements json.Unmarshaler.
func (l *loose) UnmarshalJSON(raw []byte) error {
	var id string
	if json.Unmarshal(raw, &id) == nil {
		*l = loose(id)
		return nil
	}
	var object struct {
		ID string `json:"id"`
	}
	if err := json.Unmarshal(raw, &object); err != nil {
		return fmt.Errorf("an id: %w", err)
	}
	*l = loose(object.ID)
	return nil
}

// handled are the events something is done about.
func handled(kind string) bool {
	switch kind {
	case "message", "app_mention", "app_home_opened", "app_context_changed", "assistant_thread_started", "assistant_thread_context_changed", "agent_session_stopped",
		"user_change", "team_join", "subteam_created", "subteam_updated", "subteam_members_changed",
		"member_joined_channel", "member_left_channel", "channel_shared", "channel_unshared",
		"app_uninstalled", "tokens_revoked", "team_access_granted", "team_access_revoked":
		return true
	}
	return false
}

// ParseEvent reads a delivery of the Events API and returns the type of what
// happened. An event nothing is done about is an error that names it.
func ParseEvent(body []byte) (string, error) {
	env, ev, err := parseEvent(body)
	if err != nil {
		return "", err
	}
	switch env.Type {
	case "url_verification", "app_rate_limited":
		return env.Type, nil
	}
	if !handled(ev.Type) {
		return "", fmt.Errorf("event %q is not handled", ev.Type)
	}
	return ev.Type, nil
}

func parseEvent(body []byte) (envelope, inner, error) {
	// Nearly always all of it can be read, and then in one go.
	var whole struct {
		envelope
		Event inner `json:"event"`
	}
	if json.Unmarshal(body, &whole) == nil && whole.Event.Type != "" {
		return whole.envelope, whole.Event, nil
	}
	return parseParts(body)
}

// parseParts reads the envelope first and then what is in it, so that it is known
// which of them is broken.
func parseParts(body []byte) (envelope, inner, error) {
	var env envelope
	var ev inner
	if err := json.Unmarshal(body, &env); err != nil {
		return env, ev, fmt.Errorf("%w: the envelope: %w", errUnreadable, err)
	}
	if env.Type == "url_verification" || env.Type == "app_rate_limited" {
		return env, ev, nil
	}
	if len(env.Event) == 0 {
		return env, ev, fmt.Errorf("%w: a delivery of type %q holds no event", errUnreadable, env.Type)
	}
	if err := json.Unmarshal(env.Event, &ev); err != nil {
		// What cannot be read whole may still say what it is.
		var name struct {
			Type string `json:"type"`
		}
		if json.Unmarshal(env.Event, &name) == nil && name.Type != "" && !handled(name.Type) {
			return env, inner{Type: name.Type}, nil
		}
		return env, ev, fmt.Errorf("%w: the event: %w", errUnreadable, err)
	}
	if ev.Type == "" {
		return env, ev, fmt.Errorf("%w: an event without a type", errUnreadable)
	}
	return env, ev, nil
}

// click is an interaction: a button, a modal that was sent, a shortcut.
type click struct {
	Type     string `json:"type"`
	Callback string `json:"callback_id"`
	Trigger  string `json:"trigger_id"`
	TS       string `json:"message_ts"`
	Team     struct {
		ID string `json:"id"`
	} `json:"team"`
	Enterprise struct {
		ID string `json:"id"`
	} `json:"enterprise"`
	User struct {
		ID   string `json:"id"`
		Team string `json:"team_id"`
	} `json:"user"`
	Channel struct {
		ID string `json:"id"`
	} `json:"channel"`
	Container struct {
		TS      string `json:"message_ts"`
		Channel string `json:"channel_id"`
		Thread  string `json:"thread_ts"`
	} `json:"container"`
	Message struct {
		TS     string `json:"ts"`
		Thread string `json:"thread_ts"`
		User   string `json:"user"`
		Text   string `json:"text"`
	} `json:"message"`
	Actions []struct {
		ID     string  `json:"action_id"`
		Block  string  `json:"block_id"`
		Value  string  `json:"value"`
		TS     string  `json:"action_ts"`
		Option *chosen `json:"selected_option"`
	} `json:"actions"`
	View struct {
		ID       string `json:"id"`
		Callback string `json:"callback_id"`
		Meta     string `json:"private_metadata"`
		State    struct {
			Values map[string]map[string]entered `json:"values"`
		} `json:"state"`
	} `json:"view"`
}

// entered is what a person put into one field of a form.
type entered struct {
	Value  *string  `json:"value"`
	One    *chosen  `json:"selected_option"`
	Chosen []chosen `json:"selected_options"`
	Where  string   `json:"selected_conversation"`
}

type chosen struct {
	Value string `json:"value"`
}

// text is what stands in a text field of a form.
func (c click) text(field string) string {
	if v := c.View.State.Values[field][inputID].Value; v != nil {
		return *v
	}
	return ""
}

// ParseInteraction reads an interaction and returns its type. One nothing is done
// about is an error that names it.
func ParseInteraction(body []byte) (string, error) {
	c, err := parseClick(body)
	if err != nil {
		return "", err
	}
	switch c.Type {
	case "block_actions", "view_submission", "message_action", "shortcut", "view_closed":
		return c.Type, nil
	}
	return "", fmt.Errorf("interaction %q is not handled", c.Type)
}

func parseClick(body []byte) (click, error) {
	var c click
	if err := json.Unmarshal(body, &c); err != nil {
		return c, fmt.Errorf("%w: the interaction: %w", errUnreadable, err)
	}
	if c.Type == "" {
		return c, fmt.Errorf("%w: an interaction without a type", errUnreadable)
	}
	return c, nil
}

// ParseCommand reads a slash command and returns its name.
func ParseCommand(body []byte) (string, error) {
	c, err := parseCommand(body)
	return c.Command, err
}

func parseCommand(body []byte) (slack.SlashCommand, error) {
	var flat struct {
		Team    string `json:"team_id"`
		Org     string `json:"enterprise_id"`
		Channel string `json:"channel_id"`
		User    string `json:"user_id"`
		Command string `json:"command"`
		Text    string `json:"text"`
		URL     string `json:"response_url"`
		Trigger string `json:"trigger_id"`
	}
	if err := json.Unmarshal(body, &flat); err != nil {
		return slack.SlashCommand{}, fmt.Errorf("%w: the command: %w", errUnreadable, err)
	}
	return slack.SlashCommand{
		TeamID: flat.Team, EnterpriseID: flat.Org, ChannelID: flat.Channel, UserID: flat.User, Command: flat.Command, Text: flat.Text,
		ResponseURL: flat.URL, TriggerID: flat.Trigger,
	}, nil
}
