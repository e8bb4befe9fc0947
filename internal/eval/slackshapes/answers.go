package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/sous-hq/sous/internal/testkit/slackfake"
)

// free are parts of an answer that repeat what the app sent, in shapes of its own.
func free(path string) bool {
	last := path[strings.LastIndexByte(path, '.')+1:]
	return last == "blocks" || last == "event_payload"
}

// answers calls every method of the fake and compares what it says with the sample.
func answers(ctx context.Context, folder string, out io.Writer, f *figures) error {
	seen := map[string][][]byte{}
	s := slackfake.New(slackfake.Config{Observe: func(method string, answer []byte) { seen[method] = append(seen[method], answer) }})
	defer s.Close()
	if err := exercise(ctx, s); err != nil {
		return err
	}
	for _, method := range slices.Sorted(maps.Keys(seen)) {
		raw, err := os.ReadFile(filepath.Join(folder, method+".json"))
		if errors.Is(err, os.ErrNotExist) {
			f.WithoutSample++
			fmt.Fprintf(out, "no sample for %s\n", method)
			continue
		}
		if err != nil {
			return fmt.Errorf("read a sample: %w", err)
		}
		var sample any
		if err := json.Unmarshal(raw, &sample); err != nil {
			return fmt.Errorf("read the sample of %s: %w", method, err)
		}
		f.Methods++
		wrong := map[string]bool{}
		for _, one := range seen[method] {
			var got any
			if err := json.Unmarshal(one, &got); err != nil {
				return fmt.Errorf("an answer of %s: %w", method, err)
			}
			f.Fields += compare(method, got, sample, wrong)
		}
		for _, w := range slices.Sorted(maps.Keys(wrong)) {
			f.Wrong++
			fmt.Fprintf(out, "%s\n", w)
		}
	}
	return nil
}

// compare notes each field of got that the sample lacks or has with another type,
// and counts the fields.
func compare(path string, got, sample any, wrong map[string]bool) int {
	switch g := got.(type) {
	case map[string]any:
		s, ok := sample.(map[string]any)
		if !ok {
			wrong[fmt.Sprintf("%s is an object, in the sample %T", path, sample)] = true
			return 1
		}
		n := 0
		for name, v := range g {
			at := path + "." + name
			want, known := s[name]
			if !known {
				wrong[at+" is not in the sample"] = true
				n++
				continue
			}
			if n++; !free(at) {
				n += compare(at, v, want, wrong)
			}
		}
		return n
	case []any:
		s, ok := sample.([]any)
		switch {
		case !ok:
			wrong[fmt.Sprintf("%s is a list, in the sample %T", path, sample)] = true
			return 1
		case len(s) == 0:
			return 0
		}
		n := 0
		for _, v := range g {
			n += compare(path+"[]", v, s[0], wrong)
		}
		return n
	}
	if got != nil && fmt.Sprintf("%T", got) != fmt.Sprintf("%T", sample) {
		wrong[fmt.Sprintf("%s is %T, in the sample %T", path, got, sample)] = true
	}
	return 0
}

// caller calls the fake and stops at the first method that fails.
type caller struct {
	s   *slackfake.Server
	err error
}

func (c *caller) call(ctx context.Context, method string, form map[string]string) map[string]any {
	if c.err != nil {
		return nil
	}
	v := url.Values{}
	for k, f := range form {
		v.Set(k, f)
	}
	token := c.s.BotToken
	if method == "apps.connections.open" {
		token = c.s.AppToken
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.s.URL()+method, strings.NewReader(v.Encode()))
	if err != nil {
		c.err = err
		return nil
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Authorization", "Bearer "+token)
	out := map[string]any{}
	if c.err = do(req, &out); c.err == nil && out["ok"] != true {
		c.err = fmt.Errorf("%s: %v", method, out["error"])
	}
	return out
}

func do(req *http.Request, out *map[string]any) error {
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return fmt.Errorf("call the fake: %w", err)
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		return fmt.Errorf("call the fake: %w", err)
	}
	if out == nil {
		return nil
	}
	return json.Unmarshal(raw, out)
}

func text(m map[string]any, name string) string { t, _ := m[name].(string); return t }

// exercise has every method answer at least once, in all its shapes.
func exercise(ctx context.Context, s *slackfake.Server) error {
	s.AddUser(slackfake.User{ID: "U1"})
	s.AddChannel(slackfake.Channel{ID: "C1", Name: "general", Members: []string{"U1", s.BotUser}})
	s.AddGroup(slackfake.Group{ID: "S1", Handle: "oncall", Members: []string{"U1"}, Locked: true})
	root := s.Post("U1", "C1", "hello", slackfake.Said{Files: []slackfake.Drop{{Name: "a.vtt", Content: "WEBVTT"}}})
	c := &caller{s: s}
	blocks := `[{"type":"section","text":{"type":"mrkdwn","text":"a"}}]`
	meta := `{"event_type":"sous_post","event_payload":{"key":"k"}}`
	c.call(ctx, "auth.test", nil)
	c.call(ctx, "apps.connections.open", nil)
	m := c.call(ctx, "chat.postMessage", map[string]string{"channel": "C1", "text": "a", "thread_ts": root, "blocks": blocks, "metadata": meta})
	c.call(ctx, "chat.update", map[string]string{"channel": "C1", "ts": text(m, "ts"), "text": "b"})
	c.call(ctx, "chat.getPermalink", map[string]string{"channel": "C1", "message_ts": root})
	c.call(ctx, "chat.postEphemeral", map[string]string{"channel": "C1", "user": "U1", "text": "a"})
	st := c.call(ctx, "chat.startStream", map[string]string{"channel": "C1", "thread_ts": root, "markdown_text": "a", "recipient_user_id": "U1", "recipient_team_id": s.Team})
	c.call(ctx, "chat.appendStream", map[string]string{"channel": "C1", "ts": text(st, "ts"), "markdown_text": "b"})
	c.call(ctx, "chat.stopStream", map[string]string{"channel": "C1", "ts": text(st, "ts")})
	for _, channel := range []string{"C1", s.DM("U1")} {
		c.call(ctx, "conversations.info", map[string]string{"channel": channel})
	}
	c.call(ctx, "conversations.members", map[string]string{"channel": "C1"})
	c.call(ctx, "conversations.open", map[string]string{"users": "U1"})
	for _, all := range []string{"true", "false"} {
		c.call(ctx, "conversations.history", map[string]string{"channel": "C1", "include_all_metadata": all})
		c.call(ctx, "conversations.replies", map[string]string{"channel": "C1", "ts": root, "include_all_metadata": all})
	}
	c.call(ctx, "users.info", map[string]string{"user": "U1"})
	c.call(ctx, "usergroups.list", map[string]string{"include_users": "true"})
	c.call(ctx, "usergroups.users.list", map[string]string{"usergroup": "S1"})
	c.call(ctx, "views.publish", map[string]string{"user_id": "U1", "view": `{"type":"home","blocks":` + blocks + `}`})
	c.call(ctx, "assistant.threads.setStatus", map[string]string{"channel_id": "C1", "thread_ts": root, "status": "thinking"})
	c.call(ctx, "assistant.threads.setTitle", map[string]string{"channel_id": "C1", "thread_ts": root, "title": "a"})
	c.call(ctx, "assistant.threads.setSuggestedPrompts", map[string]string{"channel_id": "C1", "thread_ts": root, "prompts": `[{"title":"a","message":"b"}]`})
	c.call(ctx, "chat.delete", map[string]string{"channel": "C1", "ts": text(m, "ts")})
	c.files(ctx, root)
	c.views(ctx)
	return c.err
}

// files asks about a file and uploads one.
func (c *caller) files(ctx context.Context, root string) {
	for _, f := range c.s.Files() {
		c.call(ctx, "files.info", map[string]string{"file": f.ID})
	}
	up := c.call(ctx, "files.getUploadURLExternal", map[string]string{"filename": "b.txt", "length": "1"})
	if c.err != nil {
		return
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, text(up, "upload_url"), bytes.NewReader([]byte("b")))
	if err == nil {
		err = do(req, nil)
	}
	c.err = err
	c.call(ctx, "files.completeUploadExternal", map[string]string{"files": `[{"id":"` + text(up, "file_id") + `","title":"b"}]`, "channel_id": "C1", "thread_ts": root})
}

// views opens a modal with the trigger of a click, and changes it.
func (c *caller) views(ctx context.Context) {
	view := `{"type":"modal","title":{"type":"plain_text","text":"a"},"callback_id":"c","private_metadata":"{}","submit":{"type":"plain_text","text":"s"},"blocks":[{"type":"section","text":{"type":"mrkdwn","text":"a"}}]}`
	opened := c.call(ctx, "views.open", map[string]string{"trigger_id": c.s.Trigger(), "view": view})
	shown, _ := opened["view"].(map[string]any)
	c.call(ctx, "views.update", map[string]string{"view_id": text(shown, "id"), "view": view})
}
