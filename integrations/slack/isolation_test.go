package slack_test

import (
	"context"
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/agent/approval"
	"github.com/sous-hq/sous/agent/loop"
	"github.com/sous-hq/sous/agent/model"
	"github.com/sous-hq/sous/agent/model/builtin"
	"github.com/sous-hq/sous/agent/review"
	front "github.com/sous-hq/sous/integrations/slack"
	"github.com/sous-hq/sous/internal/testkit/slackfake"
	"github.com/sous-hq/sous/internal/transfer"
)

// ours is in all that the first workspace holds and nowhere else.
const ours = "kitchens-own-secret"

// TestNoClickGivesAnotherWorkspaceAnything has somebody of another workspace press
// every button, send every form and run every shortcut the source knows, each with
// everything that the buttons and forms of the first workspace carry. Nothing of it is
// told or changed, and what is said is what is said of an id that nobody has. An
// action that is added is tried without being named here.
func TestNoClickGivesAnotherWorkspaceAnything(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w, other := newWorlds(t)
		// The company is the same, so that people of the first come to the second's channels.
		other.AddUser(slackfake.User{ID: ann, RealName: "Ann Archer", Team: w.slack.Team})
		other.AddChannel(slackfake.Channel{ID: elsewhere, Name: "elsewhere", Members: []string{"U0ZOE", ann, other.BotUser}})
		w.teams, w.answer = theTeams, cook
		own := &diary{}
		w.change = func(c *front.Config) { c.Personal = own }
		p := w.start(t, &counter{})
		w.install(t, w.slack, ann)
		w.install(t, other, "U0ZOE")
		other.Connect(p.server.URL)
		c := &clicked{t: t, w: w, p: p, other: other}
		c.fill()
		before := c.dump()
		quiet := len(w.slack.Calls(""))
		n := 0
		for _, user := range []string{"U0ZOE", ann} {
			n += c.buttons(user) + c.forms(user) + c.shortcuts(user)
		}
		after := c.dump()
		for _, row := range after {
			if !slices.Contains(before, row) {
				t.Errorf("another workspace changed or added what is ours: %s", row)
			}
		}
		if len(after) != len(before) {
			t.Errorf("%d rows are ours; %d were", len(after), len(before))
		}
		if all := w.slack.Calls("")[quiet:]; len(all) > 0 {
			t.Errorf("something happened in our Slack: %+v", all)
		}
		own.mu.Lock()
		defer own.mu.Unlock()
		if len(own.asked) == 0 || slices.ContainsFunc(own.asked, func(a agent.Actor) bool { return a.Workspace != front.WorkspaceOf(other.Team) }) {
			t.Errorf("what people may ask about themselves was asked by %+v", own.asked)
		}
		t.Logf("%d clicks, %d values, %d forms, %d ids", n, len(c.values), len(c.metas), len(c.ids))
	})
}

// cook is a model that does each thing a card is shown for.
func cook(ctx context.Context, req model.Request, delta func(string)) (model.Response, error) {
	last := ""
	for _, m := range req.Messages {
		if m.Role == model.RoleUser {
			last = m.Text
		}
	}
	over := req.Messages[len(req.Messages)-1].Role == model.RoleTool
	switch {
	case strings.Contains(last, "Minutes"):
		return builtin.New().Complete(ctx, req, delta)
	case strings.Contains(last, "refund"):
		return asker(ctx, req, delta)
	case strings.HasPrefix(last, "pay") && !over:
		args := fmt.Sprintf(`{"to":%q,"amount":"100"}`, ours)
		return model.Response{Calls: []model.ToolCall{{ID: "0", Name: "money_send", Args: args}}, Finish: model.FinishCalls, Model: "script"}, nil
	case !strings.Contains(last, "what do you know"):
		return model.Response{Text: "Hello.", Finish: model.FinishStop, Model: "script"}, nil
	}
	return model.Response{Text: "I know of " + ours, Finish: model.FinishStop, Model: "script"}, nil
}

// diary notes who asks about themselves.
type diary struct {
	mu    sync.Mutex
	asked []agent.Actor
}

func (d *diary) note(by agent.Actor) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.asked = append(d.asked, by)
}

func (d *diary) Remembered(_ context.Context, by agent.Actor, _ int) ([]front.Remembered, int, error) {
	d.note(by)
	return nil, 0, nil
}

func (d *diary) ForgetItem(_ context.Context, by agent.Actor, id string) error {
	d.note(by)
	return agent.Errorf(agent.NotFound, "there is nothing %s", id)
}

func (d *diary) Export(_ context.Context, by agent.Actor) ([]byte, error) {
	d.note(by)
	return []byte("{}"), nil
}

func (d *diary) Erase(_ context.Context, by agent.Actor, _ bool) (map[string]int64, []string, error) {
	d.note(by)
	return nil, nil, nil
}

// clicked is what the first workspace has, and who clicks in the second.
type clicked struct {
	t     *testing.T
	w     *world
	p     *process
	other *slackfake.Server
	// values are the buttons there are by block and value, metas what forms carry,
	// forms one form of each kind, ids what they name.
	values []slackfake.Button
	metas  []string
	shown  map[string]slackfake.View
	ids    []string
	// card is a message of the first workspace with buttons.
	card slackfake.Message
}

// fill has the first workspace hold a card and a form of every kind.
func (c *clicked) fill() {
	t, w := c.t, c.w
	dm := w.slack.DM(ann)
	drop := slackfake.Said{Files: []slackfake.Drop{{Name: "importer.vtt", Media: "text/vtt", Content: strings.ReplaceAll(transcript, "importer", ours)}}}
	draft := w.reply(t, dm, w.slack.Post(ann, dm, "Minutes please", drop), "This is a draft of the minutes")
	if d := w.fill(t, ann, draft, "sous_publish_more", map[string]string{"where": general, "forms": "message"}); d.Status != 200 {
		t.Fatalf("published: %+v", d)
	}
	w.published(t, general)
	again := w.reply(t, dm, w.slack.Post(ann, dm, "Minutes please", drop), "This is a draft of the minutes")
	w.reply(t, dm, w.slack.Post(ann, dm, "Minutes please, and make tickets of the action items", drop), "actions wait for a decision")
	for _, words := range []string{"refund for a broken " + ours, "refund for another " + ours} {
		root := w.slack.Post(ann, general, "<@"+w.slack.BotUser+"> "+words)
		card := w.reply(t, general, root, "> "+words)
		if strings.Contains(words, "broken") {
			w.slack.Press(ann, card, labelled(t, card, "sous_route", "helpdesk"))
			w.changes(t, general, root)
		}
	}
	c.card = w.reply(t, general, w.slack.Post(ann, general, "<@"+w.slack.BotUser+"> pay what we owe"), "Approval needed")
	answer := w.reply(t, general, w.slack.Post(ann, general, "<@"+w.slack.BotUser+"> what do you know?"), "I know of")
	for user, all := range map[string]map[string]slackfake.Message{bob: {"sous_reject": c.card}, ann: {"sous_edit": c.card, "sous_ask": c.card, "sous_publish_more": again, "sous_review_edit": again}} {
		for action, m := range all {
			w.slack.Press(user, m, find(t, m, action))
		}
	}
	for _, b := range answer.Buttons() {
		if strings.HasPrefix(b.Value, "bad") {
			w.slack.Press(ann, answer, b)
		}
	}
	time.Sleep(time.Minute)
	c.gather(dm)
}

// gather takes up what buttons and forms carry, and the ids there are.
func (c *clicked) gather(dm string) {
	c.shown = map[string]slackfake.View{}
	seen := map[string]bool{}
	for _, channel := range []string{general, dm} {
		for _, m := range c.w.slack.Channel(channel) {
			for _, b := range m.Buttons() {
				// One of each kind will do.
				if !seen[b.ActionID+b.Text] {
					seen[b.ActionID+b.Text] = true
					c.values = append(c.values, b)
				}
			}
		}
	}
	for _, v := range c.w.slack.Modals() {
		if c.shown[v.CallbackID] = v; !seen[v.PrivateMetadata] {
			seen[v.PrivateMetadata] = true
			c.metas = append(c.metas, v.PrivateMetadata)
		}
	}
	ws := front.WorkspaceOf(c.w.slack.Team)
	for _, turn := range must[[]agent.Turn](c.t)(c.p.db.Recent(c.t.Context(), ws, "", 100)) {
		c.ids = append(c.ids, turn.ID)
		for _, r := range must[[]review.Review](c.t)(c.p.db.Reviews(c.t.Context(), ws, turn.ID)) {
			c.ids = append(c.ids, r.ID)
		}
	}
	for _, a := range must[[]approval.Approval](c.t)(c.p.db.Approvals(c.t.Context(), ws, loop.ApprovalFilter{})) {
		c.ids = append(c.ids, a.ID)
	}
	// The longest first: one may begin another.
	slices.SortFunc(c.ids, func(a, b string) int { return len(b) - len(a) })
	if len(c.values) < 14 || len(c.metas) < 3 || len(c.ids) < 8 {
		c.t.Fatalf("too little to click on: %d values, %d forms, %d ids", len(c.values), len(c.metas), len(c.ids))
	}
}

// nobodys is a text with ids that nobody has in the place of ours, and whether there
// was one in it.
func (c *clicked) nobodys(text string) (string, bool) {
	found := false
	for _, id := range c.ids {
		if strings.Contains(text, id) {
			found = true
			text = strings.ReplaceAll(text, id, id[:len(id)-2]+map[bool]string{true: "76", false: "67"}[strings.HasSuffix(id, "67")])
		}
	}
	return text, found
}

// button presses, with every action there is, what the first workspace's carry.
func (c *clicked) buttons(user string) (n int) {
	actions := named(c.t, "act")
	for _, action := range actions {
		for _, b := range c.values {
			usual := b.ActionID == action
			for _, m := range []slackfake.Message{{Channel: elsewhere, TS: "1700000000.000001"}, {Channel: general, TS: c.card.TS, ThreadTS: c.card.ThreadTS}} {
				// What no card carries is tried once, and not in each place by everybody.
				if !usual && (m.Channel == general || user == ann) {
					continue
				}
				press := func(block, value string) string {
					b := b
					b.ActionID, b.BlockID, b.Value = action, block, value
					return c.told(func() slackfake.Delivery { return c.other.Press(user, m, b) })
				}
				said := press(b.BlockID, b.Value)
				block, one := c.nobodys(b.BlockID)
				value, two := c.nobodys(b.Value)
				if one || two {
					c.same(fmt.Sprintf("%s of %q", action, b.Value), said, press(block, value))
				}
				n++
			}
		}
	}
	return n
}

// forms sends, of every kind there is, what the first workspace's carry.
func (c *clicked) forms(user string) (n int) {
	for _, callback := range named(c.t, "modal") {
		form, ok := c.shown[callback]
		if !ok {
			form = c.shown["sous_reject_modal"]
		}
		for _, carried := range c.metas {
			send := func(carried string) string {
				v := form
				v.ID, v.CallbackID, v.PrivateMetadata = "V"+strconv.Itoa(len(c.other.Deliveries())), callback, carried
				raw := map[string]any{}
				if err := json.Unmarshal(form.Raw, &raw); err != nil {
					c.t.Fatal(err)
				}
				raw["callback_id"], raw["private_metadata"] = callback, carried
				v.Raw = must[[]byte](c.t)(json.Marshal(raw))
				in := map[string]map[string]string{"where": {"value": elsewhere}, "forms": {"value": "message"}}
				for _, field := range append(fields(v), "text", "title", "summary", "reasons") {
					if in[field] == nil {
						in[field] = map[string]string{"value": "changed by a stranger"}
					}
				}
				return c.told(func() slackfake.Delivery { return c.other.Submit(user, v, in) })
			}
			said := send(carried)
			if other, ok := c.nobodys(carried); ok {
				c.same(callback+" of "+carried, said, send(other))
			}
			n++
		}
	}
	return n
}

// shortcuts runs those there are on a message of the first workspace, and says the
// ids to the command.
func (c *clicked) shortcuts(user string) (n int) {
	for _, callback := range named(c.t, "short") {
		c.told(func() slackfake.Delivery { return c.other.Shortcut(user, callback, c.card) })
		c.told(func() slackfake.Delivery { return c.other.GlobalShortcut(user, callback) })
		n += 2
	}
	for _, words := range []string{"approvals", "status", "summarize <#" + general + "|general> since Monday"} {
		c.told(func() slackfake.Delivery { return c.other.Command(user, elsewhere, "/sous", words) })
		n++
	}
	return n
}

// told clicks and returns what was said to the other workspace: the answer, and what
// was posted and shown there.
func (c *clicked) told(click func() slackfake.Delivery) string {
	c.t.Helper()
	from := len(c.other.Calls(""))
	d := click()
	synctest.Wait()
	time.Sleep(50 * time.Millisecond)
	synctest.Wait()
	said := fmt.Sprintf("%d %s", d.Status, d.Answer)
	for _, call := range c.other.Calls("")[from:] {
		delete(call.Args, "token")
		delete(call.Args, "trigger_id")
		if strings.HasPrefix(call.Method, "chat.") || strings.HasPrefix(call.Method, "views.") || strings.HasPrefix(call.Method, "files.") {
			said += fmt.Sprintf("\n%s %v", call.Method, call.Args)
		}
	}
	if d.Status != 200 {
		c.t.Errorf("a stranger's click is a fault: %s", said)
	}
	for _, secret := range []string{ours, "Acme", "Bob Brown", "release notes"} {
		if strings.Contains(said, secret) {
			c.t.Errorf("a stranger is told what is ours: %s", said)
		}
	}
	return said
}

// same compares what is said of an id of ours with what is said of nobody's.
func (c *clicked) same(what, said, of string) {
	c.t.Helper()
	for _, id := range c.ids {
		other, _ := c.nobodys(id)
		said, of = strings.ReplaceAll(said, id, "…"), strings.ReplaceAll(of, other, "…")
		said, of = strings.ReplaceAll(said, strings.ToUpper(id), "…"), strings.ReplaceAll(of, strings.ToUpper(other), "…")
	}
	said, of = passing.ReplaceAllString(said, "_"), passing.ReplaceAllString(of, "_")
	if said != of {
		c.t.Errorf("%s: %s\nof what nobody has: %s", what, said, of)
	}
}

// passing is what differs between two answers to the same click.
var passing = regexp.MustCompile(`\d{10}\.\d{6}|\d\d:\d\d|V\d+|cmd\.[0-9a-f]+`)

// dump is every row of the first workspace.
func (c *clicked) dump() []string {
	c.t.Helper()
	var lines []string
	err := c.p.db.Dump(c.t.Context(), func(r transfer.Row) error {
		if i := slices.Index(r.Columns, "workspace"); i >= 0 && fmt.Sprint(r.Values[i]) == string(front.WorkspaceOf(c.w.slack.Team)) {
			lines = append(lines, fmt.Sprint(r.Table, " ", r.Values))
		}
		return nil
	})
	if err != nil || len(lines) < 20 {
		c.t.Fatalf("dump: %d rows, %v", len(lines), err)
	}
	return lines
}

// fields are the input blocks of a form.
func fields(v slackfake.View) (all []string) {
	var blocks []struct {
		Type    string `json:"type"`
		BlockID string `json:"block_id"`
	}
	_ = json.Unmarshal(v.Blocks, &blocks)
	for _, b := range blocks {
		if b.Type == "input" {
			all = append(all, b.BlockID)
		}
	}
	return all
}

// named are the values of the package's constants whose names begin with a word and
// go on with a capital, as its source has them.
func named(t *testing.T, word string) (all []string) {
	t.Helper()
	files := must[[]os.DirEntry](t)(os.ReadDir("."))
	name := regexp.MustCompile(`^` + word + `[A-Z]`)
	for _, f := range files {
		if !strings.HasSuffix(f.Name(), ".go") || strings.HasSuffix(f.Name(), "_test.go") {
			continue
		}
		ast.Inspect(must[*ast.File](t)(parser.ParseFile(token.NewFileSet(), f.Name(), nil, 0)), func(n ast.Node) bool {
			spec, ok := n.(*ast.ValueSpec)
			if !ok || len(spec.Values) != 1 || !name.MatchString(spec.Names[0].Name) {
				return true
			}
			if lit, ok := spec.Values[0].(*ast.BasicLit); ok && lit.Kind == token.STRING {
				all = append(all, must[string](t)(strconv.Unquote(lit.Value)))
			}
			return true
		})
	}
	if len(all) == 0 {
		t.Fatalf("no constant %s…", word)
	}
	return all
}
