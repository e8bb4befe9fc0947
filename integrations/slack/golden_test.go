package slack_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/slack-go/slack"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/agent/approval"
	"github.com/sous-hq/sous/agent/loop"
	"github.com/sous-hq/sous/agent/review"
	front "github.com/sous-hq/sous/integrations/slack"
	"github.com/sous-hq/sous/internal/testkit/slackfake"
)

var update = flag.Bool("update", false, "write the golden files")

func asked() approval.Approval {
	at := time.Date(2026, 3, 9, 10, 0, 0, 0, time.UTC)
	by := agent.Actor{Workspace: "w", ID: "slack:T1:U0ANN", Kind: agent.Member, Name: "Ann Archer"}
	return approval.Approval{
		ID: "ABCDEFGH", Workspace: "w", Kind: approval.ByAnother, State: approval.Asked, Tier: agent.TierOutward,
		Call: agent.Call{ID: "t/1", Turn: "t", Actor: by, Tool: "ticket_create", Args: json.RawMessage(
			`{"title":"Ask the <supplier> & co\u202e for a price","body":"From the meeting.\n“I'll ask by Friday.”","labels":["meeting","remote"],"due":""}`)},
		Reason: "It leaves the organisation.", Undo: "The ticket is closed.", Marked: []string{"title"}, Sources: []string{"importer.vtt"},
		Approvers: []string{"finance"}, Quorum: 2, Created: at, Expires: at.Add(24 * time.Hour),
		Votes: []approval.Vote{{By: "slack:T1:U0BOB", Name: "Bob", At: at}},
		Notes: []approval.Note{{By: "slack:T1:U0CAT", Name: "Cat", Text: "Which supplier?", At: at}},
	}
}

func decided(s approval.State) approval.Approval {
	a := asked()
	a.State, a.DecidedBy, a.DecidedName, a.DecidedAt = s, "slack:T1:U0BOB", "Bob Brown", a.Created.Add(time.Hour)
	switch s {
	case approval.Denied:
		a.Comment = "wrong customer"
	case approval.Expired:
		a.DecidedBy, a.DecidedAt = "", time.Time{}
	case approval.Superseded:
		a.Edited = json.RawMessage(`{}`)
	case approval.Asked, approval.Approved, approval.Spent, approval.Withdrawn:
	}
	return a
}

// Every card and modal as it is sent, checked as Slack would.
func TestCardsAndModalsLookAsTheyDid(t *testing.T) {
	owner, due := "Bob Brown", "2026-03-12"
	minutes := agent.Minutes{
		Title: "Importer", Date: "2026-03-09", Participants: []string{"Ann Archer", "Bob Brown"}, Summary: "The importer ships behind a flag.", Source: "importer.vtt", Dropped: 1,
		Decisions: []agent.Item{{Text: "It ships behind a flag.", Evidence: []agent.Evidence{{Cue: 3, Time: "0:00:13", Speaker: "Ann Archer", Quote: "Agreed, we ship it behind a flag."}}}},
		Actions:   []agent.Action{{Text: "Write the release notes", Owner: &owner, Due: &due}, {Text: "Tell the customers"}},
		Questions: []agent.Item{{Text: "Who tells the customers?"}},
	}
	draft := review.Review{
		ID: "R0123456789abcdef", Workspace: "w", Turn: "t", Conversation: "slack-T1-C0PLANNING-1.1", Place: agent.Place{Kind: agent.Public}, Reviewer: agent.Actor{ID: "slack:T1:U0ANN", Name: "Ann Archer"},
		State: review.Draft, Minutes: minutes, Created: asked().Created,
	}
	draft.Minutes.Model = "built-in"
	private, published, discarded := draft, draft, draft
	private.Place.Kind = agent.DM
	discarded.State, discarded.Decided = review.Discarded, asked().Created
	published.State, published.Edits, published.Outlets = review.Published, 1, []review.Outlet{
		{Form: review.Message, To: "C0GENERAL", At: asked().Created, Refs: []string{"1.1"}},
		{Form: review.Canvas, To: "C0GENERAL", At: asked().Created, Refs: []string{"F1"}, URL: "https://team.slack.example/docs/T1/F1"},
		{Form: review.List, To: "C0GENERAL", At: asked().Created, Failed: "Slack lists are not available here (feature_not_enabled)."},
		{Form: review.Message, To: "C0PLANNING", At: asked().Created},
	}
	published.Claims = []review.Claim{{Action: 1, By: "slack:T1:U0CAT", Name: "Cat Cole", Mine: true}}
	links := map[string]string{"Agreed, we ship it behind a flag.": "https://team.slack.example/archives/C1/p1?thread_ts=1.1&cid=C1"}
	effects := []loop.Effect{
		{Key: "k1", State: "done", UndoTool: "ticket_close", UndoUntil: time.Date(2026, 3, 9, 10, 15, 0, 0, time.UTC), Call: agent.Call{Tool: "ticket_create"}, Outcome: agent.Outcome{Status: agent.Done, Result: json.RawMessage(`{"id":"T-1","title":"Release | notes","url":"https://sous.example/tickets/T-1"}`)}},
		{Key: "k2", State: "failed", Call: agent.Call{Tool: "ticket_create"}, Outcome: agent.Outcome{Status: agent.Failed, Error: "the tracker is away"}},
		{Key: "k3", State: "unknown", Call: agent.Call{Tool: "money_send"}, Outcome: agent.Outcome{Status: agent.Unknown}},
	}
	changes := front.Changes{Turn: "slack-T1-C1-1.1", Effects: effects, Now: asked().Created}
	over := changes
	over.Now, over.Undone = changes.Now.Add(time.Hour), map[string]agent.Actor{"k1": {ID: "slack:T1:U0CAT", Name: "Cat Cole"}}
	// As people see it most days; the others hold what is hard to show.
	example := asked()
	example.Tier, example.Reason, example.Marked, example.Quorum, example.Votes, example.Notes = agent.TierWrite, "An argument comes from the meeting and not from your own words.", []string{"body"}, 0, nil, nil
	example.Call.Args = json.RawMessage(`{"title":"Write the release notes","body":"“I will write the release notes by Thursday.” — Bob, 0:04:12","labels":["importer"]}`)
	second := asked()
	second.ID = "BCDEFGHI"
	escalated := asked()
	escalated.Chain = []approval.Stage{{After: time.Hour, Groups: []string{"owners"}}, {After: 4 * time.Hour, Groups: []string{"directors"}}}
	escalated.Stage, escalated.Handed = 1, []approval.Delegation{{From: "slack:T1:U0CAT", To: "slack:T1:U0BOB", Name: "Bob Brown"}}
	confirm := asked()
	confirm.Kind, confirm.Approvers, confirm.Quorum, confirm.Votes, confirm.Notes = approval.ByRequester, nil, 0, nil, nil
	rich, simple := front.AnswerBlocks("*Two tickets* are open: the oven and the door.", front.PlanBlock([]agent.Step{
		{N: 1, Kind: "call", Tool: "ticket_search", Status: "done"}, {N: 2, Kind: "call", Tool: "recall", Status: "failed", Detail: "memory is away"},
		{N: 3, Kind: "question", Title: "Which?"},
	}), "slack-T1-C1-1.1")
	route := front.Belongs{Turn: "slack-T1-C1-1.1", Teams: []string{"payments", "platform", "helpdesk"}}
	if err := json.Unmarshal([]byte(`{"decision":"suggest","team":"payments","person":{"id":"U-bob","name":"Bob","available":true},"confidence":0.74,"reasons":["“refund” is a word of payments","like R-3 <a refund>"],"runner_up":"helpdesk","request":"A customer wants a refund\nfor <order> 17"}`), &route.Route); err != nil {
		t.Fatal(err)
	}
	unknown, corrected := route, route
	unknown.Route = front.Route{Request: route.Request, Reasons: []string{"nothing in the rules or past cases fits"}}
	corrected.Said, corrected.By = "helpdesk", agent.Actor{ID: "slack:T1:U0CAT", Name: "Cat Cole"}
	m := front.Meta("ABCDEFGH")
	for name, blocks := range map[string][]slack.Block{
		"card-asked": front.Card(asked()), "card-example": front.Card(example), "card-deciders": front.Card(asked(), "U0BOB", "U0CAT"), "card-escalated": front.Card(escalated), "card-confirmation": front.Card(confirm), "card-approved": front.Card(decided(approval.Spent)), "card-rejected": front.Card(decided(approval.Denied)),
		"card-expired": front.Card(decided(approval.Expired)), "card-changed": front.Card(decided(approval.Superseded)), "card-withdrawn": front.Card(decided(approval.Withdrawn)),
		"answer": rich, "answer-simple": simple, "card-all": front.AllBlocks([]string{"ABCDEFGH", "BCDEFGHI"}), "minutes": front.MinutesBlocks(minutes, front.AsPublished(&published))[0], "minutes-draft": front.MinutesBlocks(minutes, front.AsDraft(links))[0],
		"review-draft": front.ReviewCard(draft), "review-draft-private": front.ReviewCard(private), "review-published": front.ReviewCard(published), "review-discarded": front.ReviewCard(discarded),
		"command-approvals": front.WaitingBlocks([]approval.Approval{example, second}), "changes": changes.Blocks()[0], "changes-over": over.Blocks()[0], "routing": front.RoutingCard(route), "routing-unknown": front.RoutingCard(unknown), "routing-corrected": front.RoutingCard(corrected),
	} {
		raw := must[[]byte](t)(json.Marshal(blocks))
		if err := slackfake.CheckBlocks(raw, slackfake.MessageSurface); err != nil {
			t.Errorf("%s: Slack would refuse it: %v", name, err)
		}
		golden(t, name, raw)
	}
	for name, view := range map[string]any{
		"modal-reject": front.RejectModal(asked(), m), "modal-edit": front.EditModal(asked(), m), "modal-ask": front.AskModal(asked(), m), "modal-publish": front.PublishModal(draft, m), "modal-review": front.ReviewModal(draft, m),
		"modal-question": front.QuestionModal(), "modal-feedback": front.FeedbackModal("slack-T1-C1-1.1"),
		"modal-erase": front.EraseModal(map[string]int64{"messages": 12, "memories": 3, "votes": 0}, []string{"messages in Slack"}),
		"home": front.HomeView(front.Home{
			Status: "Model: built-in; it extracts and does not reason.", Pages: "https://sous.example/", Mine: []approval.Approval{example}, Others: []approval.Approval{confirm},
			Requests: []front.HomeRequest{{Text: "Order two oven doors from Acme", URL: "https://team.slack.example/archives/C1/p1", Status: agent.TurnWaiting, At: asked().Created}},
			Memories: []front.Remembered{{ID: "m1", Title: "Our freeze begins on Friday", Kind: "fact", At: asked().Created}, {ID: "m2", Title: "Minutes: Importer", Kind: "minutes", At: asked().Created}}, Total: 9, Known: true,
			Systems: []front.System{{Name: "Model", State: "ok", Text: "built-in"}, {Name: "Tickets", State: "ok", Text: "the built-in tracker"}, {Name: "Search by meaning", State: "off", Text: "there is no embedding model"}},
		}),
	} {
		raw := must[[]byte](t)(json.Marshal(view))
		if err := slackfake.CheckView(raw); err != nil {
			t.Errorf("%s: Slack would refuse it: %v", name, err)
		}
		golden(t, name, raw)
	}
}

func golden(t *testing.T, name string, raw []byte) {
	t.Helper()
	var out bytes.Buffer
	if err := json.Indent(&out, raw, "", "  "); err != nil {
		t.Fatal(err)
	}
	out.WriteByte('\n')
	path := filepath.Join("testdata", name+".json")
	if *update {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, out.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(want, out.Bytes()) {
		t.Errorf("%s has changed; look at it and run with -update:\n%s", name, out.String())
	}
}

func TestTheLargestCardsStillFit(t *testing.T) {
	a := asked()
	args := map[string]string{}
	for _, name := range strings.Split("abcdefghijklmnopqrstuvwxyz", "") {
		args[name] = strings.Repeat("long text with <marks> ", 400)
	}
	a.Call.Args = must[[]byte](t)(json.Marshal(args))
	a.Reason, a.Undo = strings.Repeat("why ", 2000), strings.Repeat("undo ", 2000)
	raw := must[[]byte](t)(json.Marshal(front.Card(a)))
	if err := slackfake.CheckBlocks(raw, slackfake.MessageSurface); err != nil {
		t.Error(err)
	}
	if !strings.Contains(string(raw), "do not fit here") || strings.Contains(string(raw), `"sous_approve"`) {
		t.Error("what was left out is not said, or can be approved unseen")
	}
	var m agent.Minutes
	for range 300 {
		m.Decisions = append(m.Decisions, agent.Item{Text: strings.Repeat("decided & done ", 60)})
	}
	for i, blocks := range front.MinutesBlocks(m, front.AsPublished(nil)) {
		if err := slackfake.CheckBlocks(must[[]byte](t)(json.Marshal(blocks)), slackfake.MessageSurface); err != nil {
			t.Errorf("minutes %d: %v", i, err)
		}
	}
}

func TestMarkdownBecomesMrkdwn(t *testing.T) {
	for in, want := range map[string]string{
		"# Title":                           "*Title*",
		"**bold** and *slanted* ~~gone~~":   "*bold* and _slanted_ ~gone~",
		"- a\n- b\n  - c":                   "• a\n• b\n    • c",
		"1. a\n2. b":                        "1. a\n2. b",
		"> said":                            "> said",
		"`code <x>`":                        "`code &lt;x&gt;`",
		"<!channel> <@U1> & more":           "&lt;!channel&gt; &lt;@U1&gt; &amp; more",
		"[text](https://x.example/a)":       "text (`https://x.example/a`)",
		"![pixel](https://x.example/p.png)": "[image: pixel]",
		"```\na\n```":                       "```\na\n```",
	} {
		if got := front.Mrkdwn(in, false); got != want {
			t.Errorf("%q: %q; want %q", in, got, want)
		}
	}
	if got := front.Mrkdwn("[text](https://x.example/a?b=1&c=2) [bad](javascript:x)", true); got != "<https://x.example/a?b=1&amp;c=2|text> bad (`javascript:x`)" {
		t.Errorf("live: %q", got)
	}
}

func TestLongTextsAreSplitWhole(t *testing.T) {
	text := strings.Repeat("a line of words\n", 500) + "```\n" + strings.Repeat("code\n", 2000) + "```"
	pieces := front.Split(text, 3800)
	for _, p := range pieces {
		if n := len([]rune(p)); n > 3800 || strings.Count(p, "```")%2 != 0 {
			t.Errorf("a piece of %d characters with %d fences", n, strings.Count(p, "```"))
		}
	}
	words := func(s string) int { return len(strings.Fields(strings.ReplaceAll(s, "```", " "))) }
	if words(strings.Join(pieces, "\n")) != words(text) {
		t.Error("words were lost")
	}
}

func FuzzMrkdwn(f *testing.F) {
	f.Add("# a\n\n- b\n\n```\nc", true)
	f.Add("[a](http://b) <@U1> ![c](d) | e |\n|-|-|", false)
	f.Fuzz(func(t *testing.T, in string, live bool) {
		out := front.Mrkdwn(in, live)
		if strings.Contains(out, "<!") || strings.Contains(out, "<@") || strings.Contains(out, "<#") {
			t.Errorf("%q became a mention: %q", in, out)
		}
		for _, p := range front.Split(out, 300) {
			if len([]rune(p)) > 304 {
				t.Errorf("a piece of %d characters", len([]rune(p)))
			}
		}
	})
}
