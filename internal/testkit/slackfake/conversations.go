package slackfake

import (
	"encoding/base64"
	"encoding/json"
	"slices"
	"strconv"
	"strings"
)

// kind is how a channel's scopes begin.
func (c *Channel) kind() string {
	switch {
	case c.IM:
		return "im"
	case c.MPIM:
		return "mpim"
	case c.Private:
		return "groups"
	}
	return "channels"
}

// reach returns a channel the app may read about with the scope of its kind.
func (s *Server) reach(id, scope string) (*Channel, answer, string) {
	c := s.channels[id]
	switch {
	case c == nil || c.Other, c.Private && !slices.Contains(c.Members, s.BotUser):
		return nil, nil, "channel_not_found"
	case !s.hasScope(c.kind() + ":" + scope):
		return nil, answer{"needed": c.kind() + ":" + scope, "provided": strings.Join(s.Scopes, ",")}, "missing_scope"
	}
	return c, nil, ""
}

func (s *Server) conversationInfo(a args) (answer, string) {
	c, out, code := s.reach(a.str("channel"), "read")
	if code != "" {
		return out, code
	}
	return answer{"channel": s.channelJSON(c)}, ""
}

func (s *Server) channelJSON(c *Channel) map[string]any {
	out := map[string]any{
		"id": c.ID, "created": 1700000000, "is_archived": false, "is_im": c.IM, "is_mpim": c.MPIM, "is_private": c.Private || c.IM || c.MPIM,
		"is_channel": !c.IM && !c.Private && !c.MPIM, "is_group": c.Private, "is_shared": c.ExtShared, "is_ext_shared": c.ExtShared, "is_org_shared": false,
		"context_team_id": s.Team, "updated": 1700000000,
	}
	if c.IM {
		return out
	}
	out["name"], out["name_normalized"], out["is_general"] = c.Name, c.Name, false
	out["is_member"] = slices.Contains(c.Members, s.BotUser)
	out["num_members"] = len(c.Members)
	return out
}

// page cuts a list by cursor and limit and returns the next cursor.
func page[T any](all []T, a args, most int) ([]T, string, string) {
	from := 0
	if cur := a.str("cursor"); cur != "" {
		b, err := base64.StdEncoding.DecodeString(cur)
		n, err2 := strconv.Atoi(string(b))
		if err != nil || err2 != nil || n > len(all) {
			return nil, "", "invalid_cursor"
		}
		from = n
	}
	n := min(a.num("limit", 100), most)
	to := min(from+n, len(all))
	next := ""
	if to < len(all) {
		next = base64.StdEncoding.EncodeToString([]byte(strconv.Itoa(to)))
	}
	return all[from:to], next, ""
}

func (s *Server) conversationMembers(a args) (answer, string) {
	c, out, code := s.reach(a.str("channel"), "read")
	if code != "" {
		return out, code
	}
	members, next, code := page(c.Members, a, 999)
	if code != "" {
		return nil, code
	}
	return answer{"members": members, "response_metadata": answer{"next_cursor": next}}, ""
}

func (s *Server) conversationOpen(a args) (answer, string) {
	user := a.str("users")
	switch {
	case strings.Contains(user, ","):
		return nil, "too_many_users"
	case s.users[user].ID == "" || s.users[user].Bot:
		return nil, "user_not_found"
	case s.users[user].Gone:
		return nil, "user_disabled"
	}
	return answer{"channel": answer{"id": s.dm(user).ID}}, ""
}

func (s *Server) history(a args) (answer, string) {
	return s.past(a, func(m *Message) bool { return m.ThreadTS == "" }, true)
}

func (s *Server) replies(a args) (answer, string) {
	c, out, code := s.reach(a.str("channel"), "history")
	if code != "" {
		return out, code
	}
	root := a.str("ts")
	if s.find(c.ID, root) == nil {
		return nil, "thread_not_found"
	}
	return s.past(a, func(m *Message) bool { return m.Root() == root }, false)
}

// past lists messages of a channel: history newest first, replies oldest first.
func (s *Server) past(a args, want func(*Message) bool, newest bool) (answer, string) {
	c, out, code := s.reach(a.str("channel"), "history")
	switch {
	case code != "":
		return out, code
	case !c.IM && !slices.Contains(c.Members, s.BotUser):
		return nil, "not_in_channel"
	}
	var all []map[string]any
	for _, m := range s.messages[c.ID] {
		if !want(m) || m.Deleted || m.To != "" || before(m.TS, a.str("oldest")) || after(m.TS, a.str("latest")) {
			continue
		}
		shown := s.json(m)
		if !a.yes("include_all_metadata") {
			delete(shown, "metadata")
		}
		if !newest {
			delete(shown, "subtype")
		}
		all = append(all, shown)
	}
	if newest {
		slices.Reverse(all)
	}
	all, next, code := page(all, a, 999)
	if code != "" {
		return nil, code
	}
	if all == nil {
		all = []map[string]any{}
	}
	return answer{"messages": all, "has_more": next != "", "response_metadata": answer{"next_cursor": next}}, ""
}

func before(ts, limit string) bool { return limit != "" && number(ts) <= number(limit) }
func after(ts, limit string) bool  { return limit != "" && number(ts) >= number(limit) }

func number(ts string) float64 { f, _ := strconv.ParseFloat(ts, 64); return f }

func (s *Server) userInfo(a args) (answer, string) {
	u, ok := s.users[a.str("user")]
	if !ok {
		return nil, "user_not_found"
	}
	tz := u.TZ
	if tz == "" {
		tz = "Europe/Berlin"
	}
	return answer{"user": answer{
		"id": u.ID, "team_id": u.Team, "name": u.Name, "real_name": u.RealName, "deleted": u.Gone, "is_bot": u.Bot,
		"is_restricted": u.Restricted, "is_ultra_restricted": u.UltraRestricted, "is_stranger": u.Stranger, "tz": tz, "updated": 1700000000,
		"enterprise_user": answer{"id": u.ID, "enterprise_id": u.Enterprise, "teams": []string{u.Team}},
		"profile":         answer{"real_name": u.RealName, "display_name": u.Name},
	}}, ""
}

func (s *Server) groupList(a args) (answer, string) {
	all := []answer{}
	for _, g := range s.groups {
		one := answer{
			"id": g.ID, "team_id": s.Team, "handle": g.Handle, "name": g.Name, "is_usergroup": true, "date_delete": map[bool]int{true: 1700000000}[g.Gone], "is_external": g.External,
			"is_membership_locked": g.Locked, "is_idp_group": g.IDP, "user_count": len(g.Members),
		}
		if a.yes("include_users") {
			one["users"] = g.Members
		}
		all = append(all, one)
	}
	return answer{"usergroups": all}, ""
}

func (s *Server) groupUsers(a args) (answer, string) {
	for _, g := range s.groups {
		if g.ID == a.str("usergroup") {
			return answer{"users": g.Members}, ""
		}
	}
	return nil, "no_such_subteam"
}

// thread checks where a status, title or prompts go.
func (s *Server) threadArg(a args, needs bool) (string, string) {
	c, code := s.place(a.str("channel_id"))
	root := a.str("thread_ts")
	switch {
	case code != "":
		return "", code
	case root == "" && needs:
		return "", "invalid_arguments"
	case root != "" && s.find(c.ID, root) == nil:
		return "", "thread_not_found"
	}
	return c.ID + "/" + root, ""
}

func (s *Server) setStatus(a args) (answer, string) {
	key, code := s.threadArg(a, true)
	if code != "" {
		return nil, code
	}
	if s.status[key] = a.str("status"); s.status[key] == "" {
		delete(s.status, key)
	}
	return nil, ""
}

func (s *Server) setTitle(a args) (answer, string) {
	key, code := s.threadArg(a, true)
	if code == "" && a.str("title") == "" {
		code = "invalid_arguments"
	}
	if code != "" {
		return nil, code
	}
	s.titles[key] = a.str("title")
	return nil, ""
}

func (s *Server) setPrompts(a args) (answer, string) {
	key, code := s.threadArg(a, false)
	if code != "" {
		return nil, code
	}
	var prompts []struct{ Title, Message string }
	if json.Unmarshal(a.raw("prompts"), &prompts) != nil || len(prompts) == 0 || len(prompts) > 4 {
		return nil, "invalid_arguments"
	}
	s.prompts[key] = nil
	for _, p := range prompts {
		s.prompts[key] = append(s.prompts[key], p.Title)
	}
	return nil, ""
}
