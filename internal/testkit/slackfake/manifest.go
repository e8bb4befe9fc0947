package slackfake

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// manifestMethods are those that make and change apps.
func manifestMethods() map[string]method {
	return map[string]method{
		"apps.manifest.validate": {token: configToken, known: []string{"manifest", "app_id"}, run: (*Server).manifestValidate},
		"apps.manifest.create":   {token: configToken, known: []string{"manifest", "team_id"}, run: (*Server).manifestCreate},
		"apps.manifest.update":   {token: configToken, known: []string{"manifest", "app_id"}, run: (*Server).manifestUpdate},
		"apps.manifest.export":   {token: configToken, known: []string{"app_id"}, run: (*Server).manifestExport},
	}
}

// manifestParts is what the fake looks at in a manifest.
type manifestParts struct {
	Schema   string `json:"$schema"`
	Metadata any    `json:"_metadata"`
	Display  struct {
		Name        string `json:"name"`
		Description string `json:"description"`
		Long        string `json:"long_description"`
		Background  string `json:"background_color"`
	} `json:"display_information"`
	Features json.RawMessage `json:"features"`
	OAuth    struct {
		Redirects []string `json:"redirect_urls"`
		PKCE      bool     `json:"pkce_enabled"`
		Scopes    struct {
			Bot      []string `json:"bot"`
			Optional []string `json:"bot_optional"`
			User     []string `json:"user"`
		} `json:"scopes"`
	} `json:"oauth_config"`
	Settings json.RawMessage `json:"settings"`
}

// manifestErrors says what is wrong with a manifest, as Slack does.
func manifestErrors(raw json.RawMessage) (manifestParts, []answer) {
	var m manifestParts
	dec := json.NewDecoder(strings.NewReader(string(raw)))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&m); err != nil {
		return m, []answer{{"message": err.Error(), "pointer": "/"}}
	}
	var wrong []answer
	complain := func(pointer, message string) { wrong = append(wrong, answer{"message": message, "pointer": pointer}) }
	if n := runes(m.Display.Name); n == 0 || n > 35 {
		complain("/display_information/name", fmt.Sprintf("must be 1 to 35 characters, not %d", n))
	}
	if n := runes(m.Display.Description); n > 140 {
		complain("/display_information/description", fmt.Sprintf("must be at most 140 characters, not %d", n))
	}
	if n := runes(m.Display.Long); n > 0 && (n < 175 || n > 4000) {
		complain("/display_information/long_description", fmt.Sprintf("must be 175 to 4000 characters, not %d", n))
	}
	if len(m.OAuth.Scopes.Bot) == 0 {
		complain("/oauth_config/scopes/bot", "needs a scope")
	}
	return m, wrong
}

func (s *Server) manifestValidate(a args) (answer, string) {
	if id := a.str("app_id"); id != "" && s.apps[id] == nil {
		return nil, "invalid_app_id"
	}
	if _, wrong := manifestErrors(a.raw("manifest")); len(wrong) > 0 {
		return answer{"errors": wrong}, "invalid_manifest"
	}
	return answer{"errors": []answer{}}, ""
}

func (s *Server) manifestCreate(a args) (answer, string) {
	if _, wrong := manifestErrors(a.raw("manifest")); len(wrong) > 0 {
		return answer{"errors": wrong}, "invalid_manifest"
	}
	id := fmt.Sprintf("A%08d", s.ids.next()+1)
	s.apps[id] = a.raw("manifest")
	return answer{
		"app_id": id, "oauth_authorize_url": s.http.URL + "/oauth/v2/authorize?client_id=" + s.ClientID, "team_id": s.Team,
		"credentials": answer{"client_id": s.ClientID, "client_secret": s.ClientSecret, "verification_token": "deprecated", "signing_secret": s.SigningSecret},
	}, ""
}

func (s *Server) manifestUpdate(a args) (answer, string) {
	id := a.str("app_id")
	if s.apps[id] == nil {
		return nil, "invalid_app_id"
	}
	now, wrong := manifestErrors(a.raw("manifest"))
	if len(wrong) > 0 {
		return answer{"errors": wrong}, "invalid_manifest"
	}
	was, _ := manifestErrors(s.apps[id])
	s.apps[id] = a.raw("manifest")
	return answer{"app_id": id, "permissions_updated": !slices.Equal(was.OAuth.Scopes.Bot, now.OAuth.Scopes.Bot)}, ""
}

func (s *Server) manifestExport(a args) (answer, string) {
	raw := s.apps[a.str("app_id")]
	if raw == nil {
		return nil, "invalid_app_id"
	}
	return answer{"manifest": raw}, ""
}

// SetApp makes the fake's own app, the one whose tokens it hands out, have a
// manifest, and returns its id.
func (s *Server) SetApp(manifest []byte) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.apps[appID] = manifest
	return appID
}

// App is an app's manifest, nil when there is none.
func (s *Server) App(id string) json.RawMessage {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.apps[id]
}
