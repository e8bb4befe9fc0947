package setup

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"
)

// scopesOf are the scopes of which an event needs one to be delivered; an event
// that needs none is there with none (docs.slack.dev/reference/events).
func scopesOf() map[string][]string {
	return map[string][]string{
		"agent_session_stopped":   {"assistant:write", "chat:write"},
		"app_context_changed":     {"assistant:write"},
		"app_home_opened":         nil,
		"app_mention":             {"app_mentions:read"},
		"app_uninstalled":         nil,
		"team_access_granted":     nil,
		"team_access_revoked":     nil,
		"channel_shared":          {"channels:read", "groups:read"},
		"channel_unshared":        {"channels:read", "groups:read"},
		"member_joined_channel":   {"channels:read", "groups:read"},
		"member_left_channel":     {"channels:read", "groups:read"},
		"message.channels":        {"channels:history"},
		"message.groups":          {"groups:history"},
		"message.im":              {"im:history"},
		"message.mpim":            {"mpim:history"},
		"subteam_created":         {"usergroups:read"},
		"subteam_members_changed": {"usergroups:read"},
		"subteam_updated":         {"usergroups:read"},
		"team_join":               {"users:read"},
		"tokens_revoked":          nil,
		"user_change":             {"users:read"},
	}
}

var (
	colour  = regexp.MustCompile(`^#([0-9a-fA-F]{3}){1,2}$`) //nolint:gochecknoglobals // a compiled pattern, never changed
	webOnly = regexp.MustCompile(`^https?://[^/\s]+/`)       //nolint:gochecknoglobals // a compiled pattern, never changed
)

// Check returns what Slack would refuse about a manifest of ours, and what would
// leave the app deaf: each a sentence that names the place.
func Check(raw []byte) []string {
	dec := json.NewDecoder(strings.NewReader(string(raw)))
	dec.DisallowUnknownFields()
	var d document
	if err := dec.Decode(&d); err != nil {
		return []string{fmt.Sprintf("it cannot be read: %v", err)}
	}
	c := checker{}
	c.texts(d)
	c.reach(d)
	c.rights(d)
	slices.Sort(c.said)
	return c.said
}

type checker struct{ said []string }

func (c *checker) complain(format string, args ...any) {
	c.said = append(c.said, fmt.Sprintf(format, args...))
}

// long checks the length of a text in characters.
func (c *checker) long(where, text string, least, most int) {
	if n := utf8.RuneCountInString(text); n < least || n > most {
		c.complain("%s has %d characters; %d to %d are allowed", where, n, least, most)
	}
}

func (c *checker) texts(d document) {
	c.long("display_information.name", d.Display.Name, 1, 35)
	c.long("display_information.description", d.Display.Description, 1, 140)
	if d.Display.Long != "" {
		c.long("display_information.long_description", d.Display.Long, 175, 4000)
	}
	if d.Display.Background != "" && !colour.MatchString(d.Display.Background) {
		c.complain("display_information.background_color %q is no colour", d.Display.Background)
	}
	c.long("features.bot_user.display_name", d.Features.Bot.Name, 1, 80)
	c.long("features.agent_view.agent_description", d.Features.Agent.Description, 1, 300)
	if n := len(d.Features.Agent.Prompts); n > 4 {
		c.complain("features.agent_view.suggested_prompts has %d entries; 4 are allowed", n)
	}
	if n := len(d.Features.Shortcuts); n > 10 {
		c.complain("features.shortcuts has %d entries; 10 are allowed", n)
	}
	seen := map[string]bool{}
	for i, s := range d.Features.Shortcuts {
		at := fmt.Sprintf("features.shortcuts[%d]", i)
		c.long(at+".name", s.Name, 1, 24)
		c.long(at+".callback_id", s.Callback, 1, 255)
		c.long(at+".description", s.Description, 1, 150)
		if s.Type != "message" && s.Type != "global" {
			c.complain("%s.type is %q; message or global is allowed", at, s.Type)
		}
		if seen[s.Callback] {
			c.complain("%s.callback_id %q stands twice", at, s.Callback)
		}
		seen[s.Callback] = true
	}
	for i, s := range d.Features.Commands {
		at := fmt.Sprintf("features.slash_commands[%d]", i)
		c.long(at+".command", s.Command, 2, 32)
		c.long(at+".description", s.Description, 1, 2000)
		if !strings.HasPrefix(s.Command, "/") {
			c.complain("%s.command %q does not begin with a slash", at, s.Command)
		}
	}
}

// reach checks that what Slack delivers gets here, by the one way or the other.
func (c *checker) reach(d document) {
	urls := map[string]string{
		"settings.event_subscriptions.request_url": d.Settings.Events.URL, "settings.interactivity.request_url": d.Settings.Interactive.URL,
	}
	for i, s := range d.Features.Commands {
		urls[fmt.Sprintf("features.slash_commands[%d].url", i)] = s.URL
	}
	for where, u := range urls {
		switch {
		case u == "" && !d.Settings.Socket:
			c.complain("%s is missing, and Socket Mode is off", where)
		case u != "" && !webOnly.MatchString(u):
			c.complain("%s %q is no web address", where, u)
		}
	}
	if !d.Settings.Interactive.Enabled {
		c.complain("settings.interactivity.is_enabled is false: no button would work")
	}
	if d.Settings.Rotation && len(d.OAuth.Redirects) == 0 {
		c.complain("settings.token_rotation_enabled needs oauth_config.redirect_urls: a rotated token is had by OAuth alone")
	}
}

// rights checks that the app hears what it is subscribed to, and has no scope twice.
func (c *checker) rights(d document) {
	all := slices.Concat(d.OAuth.Scopes.Bot, d.OAuth.Scopes.Optional)
	for i, s := range all {
		if slices.Contains(all[:i], s) {
			c.complain("the scope %s stands twice", s)
		}
		if utf8.RuneCountInString(s) > 50 {
			c.complain("the scope %.60q is too long", s)
		}
	}
	needed, _ := Scopes()
	for _, s := range missing(needed, d.OAuth.Scopes.Bot) {
		c.complain("the scope %s is missing", s)
	}
	for _, e := range missing(Events(), d.Settings.Events.Bot) {
		c.complain("the event %s is not subscribed to", e)
	}
	known := scopesOf()
	for _, e := range d.Settings.Events.Bot {
		wants, ok := known[e]
		if !ok {
			c.complain("the event %s is none that Sous handles", e)
			continue
		}
		if len(wants) > 0 && len(missing(wants, d.OAuth.Scopes.Bot)) == len(wants) {
			c.complain("the event %s comes with the scope %s alone", e, strings.Join(wants, " or "))
		}
	}
}
