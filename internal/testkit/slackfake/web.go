package slackfake

import (
	"encoding/json"
	"io"
	"maps"
	"mime"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// appID and botID are the ids of the app under test.
const (
	appID = "A00000001"
	botID = "B00000001"
)

// args are a call's arguments, form values as strings and JSON bodies as they are.
type args map[string]any

func (a args) str(name string) string {
	switch v := a[name].(type) {
	case string:
		return v
	case nil:
		return ""
	case bool:
		return strconv.FormatBool(v)
	default:
		b, _ := json.Marshal(v)
		return string(b)
	}
}

func (a args) yes(name string) bool { v := a.str(name); return v == "true" || v == "1" }

func (a args) num(name string, or int) int {
	if n, err := strconv.Atoi(a.str(name)); err == nil && n > 0 {
		return n
	}
	return or
}

// raw is a JSON argument, whether it came in a form or in a JSON body.
func (a args) raw(name string) json.RawMessage {
	v, ok := a[name]
	if !ok {
		return nil
	}
	if t, ok := v.(string); ok {
		return json.RawMessage(t)
	}
	b, _ := json.Marshal(v)
	return b
}

type answer map[string]any

// method is one method of the Web API.
type method struct {
	// scopes are those of which the token needs one; none means that any token does.
	scopes []string
	// known are the arguments it takes besides token.
	known []string
	// token is which token it takes: the bot's, the app-level one, a configuration
	// token, or none.
	token tokenKind
	run   func(s *Server, a args) (answer, string)
}

// tokenKind is a kind of token.
type tokenKind int

const (
	botToken tokenKind = iota
	appToken
	configToken
	noToken
)

// methods are all that the fake knows.
func methods() map[string]method {
	all := chatMethods()
	for _, more := range []map[string]method{manifestMethods(), documentMethods(), oauthMethods()} {
		maps.Copy(all, more)
	}
	return all
}

func chatMethods() map[string]method {
	return map[string]method{
		"auth.test":                             {run: (*Server).authTest},
		"apps.connections.open":                 {token: appToken, run: (*Server).connectionsOpen},
		"chat.postMessage":                      {scopes: []string{"chat:write"}, known: postArgs(), run: (*Server).postMessage},
		"chat.postEphemeral":                    {scopes: []string{"chat:write"}, known: append(postArgs(), "user"), run: (*Server).postEphemeral},
		"chat.update":                           {scopes: []string{"chat:write"}, known: append(postArgs(), "ts"), run: (*Server).update},
		"chat.delete":                           {scopes: []string{"chat:write"}, known: []string{"channel", "ts"}, run: (*Server).deleteMessage},
		"chat.getPermalink":                     {known: []string{"channel", "message_ts"}, run: (*Server).permalink},
		"chat.startStream":                      {scopes: []string{"chat:write"}, known: []string{"channel", "thread_ts", "recipient_team_id", "recipient_user_id", "markdown_text", "chunks", "task_display_mode"}, run: (*Server).startStream},
		"chat.appendStream":                     {scopes: []string{"chat:write"}, known: []string{"channel", "ts", "markdown_text", "chunks"}, run: (*Server).appendStream},
		"chat.stopStream":                       {scopes: []string{"chat:write"}, known: []string{"channel", "ts", "markdown_text", "chunks", "blocks", "metadata"}, run: (*Server).stopStream},
		"conversations.info":                    {known: []string{"channel", "include_locale", "include_num_members"}, run: (*Server).conversationInfo},
		"conversations.members":                 {known: []string{"channel", "cursor", "limit"}, run: (*Server).conversationMembers},
		"conversations.history":                 {known: []string{"channel", "cursor", "limit", "oldest", "latest", "inclusive", "include_all_metadata"}, run: (*Server).history},
		"conversations.replies":                 {known: []string{"channel", "ts", "cursor", "limit", "oldest", "latest", "inclusive", "include_all_metadata"}, run: (*Server).replies},
		"conversations.open":                    {scopes: []string{"im:write", "mpim:write"}, known: []string{"channel", "users", "return_im", "prevent_creation"}, run: (*Server).conversationOpen},
		"users.info":                            {scopes: []string{"users:read"}, known: []string{"user", "include_locale"}, run: (*Server).userInfo},
		"usergroups.list":                       {scopes: []string{"usergroups:read"}, known: []string{"include_users", "include_count", "include_disabled", "team_id"}, run: (*Server).groupList},
		"usergroups.users.list":                 {scopes: []string{"usergroups:read"}, known: []string{"usergroup", "include_disabled", "team_id"}, run: (*Server).groupUsers},
		"views.open":                            {known: []string{"trigger_id", "view", "interactivity_pointer"}, run: (*Server).viewOpen},
		"views.update":                          {known: []string{"view", "view_id", "external_id", "hash"}, run: (*Server).viewUpdate},
		"views.publish":                         {known: []string{"user_id", "view", "hash"}, run: (*Server).viewPublish},
		"files.info":                            {scopes: []string{"files:read"}, known: []string{"file", "count", "page", "limit", "cursor"}, run: (*Server).fileInfo},
		"files.getUploadURLExternal":            {scopes: []string{"files:write"}, known: []string{"filename", "length", "alt_text", "alt_txt", "snippet_type"}, run: (*Server).uploadURL},
		"files.completeUploadExternal":          {scopes: []string{"files:write"}, known: []string{"files", "channel_id", "thread_ts", "initial_comment", "channels", "blocks"}, run: (*Server).completeUpload},
		"assistant.threads.setStatus":           {scopes: []string{"assistant:write", "chat:write"}, known: []string{"channel_id", "thread_ts", "status", "loading_messages", "username", "icon_url", "icon_emoji"}, run: (*Server).setStatus},
		"assistant.threads.setSuggestedPrompts": {scopes: []string{"assistant:write", "chat:write"}, known: []string{"channel_id", "thread_ts", "prompts", "title"}, run: (*Server).setPrompts},
		"assistant.threads.setTitle":            {scopes: []string{"assistant:write", "chat:write"}, known: []string{"channel_id", "thread_ts", "title"}, run: (*Server).setTitle},
	}
}

func postArgs() []string {
	return []string{"channel", "text", "blocks", "attachments", "thread_ts", "reply_broadcast", "metadata", "unfurl_links", "unfurl_media", "mrkdwn", "parse", "link_names", "username", "icon_url", "icon_emoji", "markdown_text", "as_user"}
}

// AllScopes lists the bot scopes that some method or channel kind of the fake asks for.
func AllScopes() []string {
	// The two that no method asks for: they bring mentions and slash commands.
	all := map[string]bool{"app_mentions:read": true, "commands": true}
	for _, m := range methods() {
		for _, s := range m.scopes {
			all[s] = true
		}
	}
	for _, kind := range []string{"channels", "groups", "im", "mpim"} {
		all[kind+":read"], all[kind+":history"] = true, true
	}
	return slices.Sorted(maps.Keys(all))
}

func (s *Server) routes() http.Handler {
	mux := http.NewServeMux()
	known := methods()
	mux.HandleFunc("/api/{method}", func(w http.ResponseWriter, r *http.Request) { s.serve(known, w, r) })
	mux.HandleFunc("/files/{id}/{name}", s.download)
	mux.HandleFunc("POST /upload/{id}", s.upload)
	mux.HandleFunc("/socket", s.serveSocket)
	mux.HandleFunc("POST /response/{user}", s.responseURL)
	return s.neighbours(mux)
}

// serve answers one call of the Web API.
func (s *Server) serve(known map[string]method, w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("method")
	a, err := readArgs(r)
	m, ok := known[name]
	var out answer
	code := ""
	fail, injected := s.failure(name)
	switch {
	case injected && !fail.Lost && fail.Status != 0:
		s.note(name, http.StatusText(fail.Status), a)
		if fail.Status == http.StatusTooManyRequests {
			w.Header().Set("Retry-After", strconv.Itoa(fail.RetryAfter))
		}
		w.Header().Set("Content-Type", "application/json; charset=utf-8")
		w.WriteHeader(fail.Status)
		if fail.Status == http.StatusTooManyRequests {
			_, _ = io.WriteString(w, `{"ok":false,"error":"ratelimited"}`)
		}
		return
	case err != "":
		code = err
	case !ok:
		code = "unknown_method"
	case injected && !fail.Lost:
		code = fail.Error
	default:
		out, code = s.call(m, r, a)
	}
	s.note(name, code, a)
	if fail.Lost {
		if conn, _, err := http.NewResponseController(w).Hijack(); err == nil {
			_ = conn.Close()
		}
		return
	}
	if code == "ratelimited" {
		w.Header().Set("Retry-After", "1")
		w.WriteHeader(http.StatusTooManyRequests)
	}
	s.reply(w, name, out, code)
}

// call checks token, scopes and arguments, and runs the method.
func (s *Server) call(m method, r *http.Request, a args) (answer, string) {
	token := strings.TrimSpace(strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer"))
	if token == "" {
		token = a.str("token")
	}
	delete(a, "token")
	if code := s.admits(m.token, token); code != "" {
		return nil, code
	}
	for name := range a {
		if !slices.Contains(m.known, name) {
			return nil, "invalid_arguments"
		}
	}
	if m.token == botToken && len(m.scopes) > 0 && !slices.ContainsFunc(m.scopes, s.hasScope) {
		return answer{"needed": m.scopes[0], "provided": strings.Join(s.Scopes, ",")}, "missing_scope"
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return m.run(s, a)
}

// admits says why a token may not call a method, "" when it may.
func (s *Server) admits(kind tokenKind, token string) string {
	if kind == botToken {
		if code, issued := s.issued(token); issued {
			return code
		}
	}
	tokens := map[tokenKind]string{botToken: s.BotToken, appToken: s.AppToken, configToken: s.ConfigToken}
	if kind == noToken || token != "" && token == tokens[kind] {
		return ""
	}
	if token == "" {
		return "not_authed"
	}
	for _, other := range tokens {
		if token == other {
			return "not_allowed_token_type"
		}
	}
	return "invalid_auth"
}

func (s *Server) hasScope(scope string) bool { return slices.Contains(s.Scopes, scope) }

// failure takes the next failure that was ordered for a method.
func (s *Server) failure(name string) (Failure, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.down {
		return Failure{Status: http.StatusServiceUnavailable}, true
	}
	if s.out != "" {
		return Failure{Error: s.out}, true
	}
	for _, key := range []string{name, ""} {
		if all := s.failures[key]; len(all) > 0 {
			s.failures[key] = all[1:]
			return all[0], true
		}
	}
	return Failure{}, false
}

func (s *Server) note(name, code string, a args) {
	if code == "" {
		code = "ok"
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.Forgetful {
		return
	}
	s.calls = append(s.calls, Call{Method: name, Result: code, Args: a, At: s.Clock()})
}

func (s *Server) reply(w http.ResponseWriter, name string, out answer, code string) {
	if out == nil {
		out = answer{}
	}
	out["ok"] = code == ""
	if code != "" {
		out["error"] = code
	}
	b, err := json.Marshal(out)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	if s.Observe != nil {
		s.Observe(name, b)
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.Header().Set("X-OAuth-Scopes", strings.Join(s.Scopes, ","))
	_, _ = w.Write(b)
}

// readArgs reads the arguments of a form, a query or a JSON body.
func readArgs(r *http.Request) (args, string) {
	a := args{}
	media, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if r.Method == http.MethodPost && media == "application/json" {
		if err := json.NewDecoder(http.MaxBytesReader(nil, r.Body, 4<<20)).Decode(&a); err != nil && err != io.EOF {
			return a, "invalid_json"
		}
		return a, ""
	}
	r.Body = http.MaxBytesReader(nil, r.Body, 4<<20)
	if err := r.ParseMultipartForm(4 << 20); err != nil && err != http.ErrNotMultipart {
		return a, "invalid_form_data"
	}
	for name, values := range r.Form {
		a[name] = values[0]
	}
	return a, ""
}

func (s *Server) authTest(args) (answer, string) {
	return answer{"url": s.http.URL + "/", "team": s.Name, "user": "sous", "team_id": s.Team, "user_id": s.BotUser, "bot_id": botID, "enterprise_id": s.Enterprise, "is_enterprise_install": s.Org}, ""
}
