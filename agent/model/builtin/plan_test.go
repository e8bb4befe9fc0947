package builtin

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/agent/model"
)

const system = "You are Sous, the assistant of the workspace \"w\".\nToday is 2026-11-20. You are talking with Ann Lee.\n\nHow you work"

// everyTool is what a fresh installation offers.
func everyTool() []model.Tool {
	var out []model.Tool
	for _, n := range []string{
		toolMinutes, toolSearch, toolGet, toolCreate, toolComment, toolAssign, toolLabel, toolTransition, toolClose,
		toolReopen, toolRoute, toolRecord, toolRemember, toolKeepFile, toolKeepThread, toolRecall, toolForget, toolAsk,
	} {
		out = append(out, model.Tool{Name: n})
	}
	return out
}

// chat is a conversation with the built-in model, whose tools answer as told.
type chat struct {
	t     *testing.T
	m     *Model
	req   model.Request
	rules []rule
	// any answers what no rule does.
	any func() string
	// made are the calls planned so far, as "tool {args}".
	made []string
}

// rule answers calls whose "tool {args}" holds a text.
type rule struct{ holds, answer string }

func newChat(t *testing.T, rules ...rule) *chat {
	t.Helper()
	return &chat{t: t, m: New(), rules: rules, req: model.Request{
		Prompt: "turn/v1@0", Tools: everyTool(), Messages: []model.Message{{Role: model.RoleSystem, Text: system}},
	}}
}

// said adds what was said before.
func (k *chat) said(user, assistant string) *chat {
	k.req.Messages = append(k.req.Messages,
		model.Message{Role: model.RoleUser, Text: user}, model.Message{Role: model.RoleAssistant, Text: assistant})
	return k
}

func (k *chat) asks(text string, files ...string) *chat {
	m := model.Message{Role: model.RoleUser, Text: text}
	for _, f := range files {
		m.Files = append(m.Files, agent.FileRef{ID: f, Name: f + ".vtt"})
	}
	k.req.Messages = append(k.req.Messages, m)
	return k
}

// step asks the model once and returns its calls as "tool {args}".
func (k *chat) step() ([]string, model.Response) {
	k.t.Helper()
	resp, err := k.m.Complete(k.t.Context(), k.req, nil)
	if err != nil {
		k.t.Fatal(err)
	}
	var out []string
	for _, c := range resp.Calls {
		canonical, err := agent.CanonicalJSON(json.RawMessage(c.Args))
		if err != nil {
			k.t.Fatalf("arguments %q: %v", c.Args, err)
		}
		out = append(out, c.Name+" "+string(canonical))
	}
	return out, resp
}

// answer runs the turn to its end: rules answer the calls, what no rule answers
// is done with an empty result.
func (k *chat) answer() string {
	k.t.Helper()
	for range 12 {
		calls, resp := k.step()
		if len(calls) == 0 {
			return resp.Text
		}
		k.req.Messages = append(k.req.Messages, model.Message{Role: model.RoleAssistant, Calls: resp.Calls})
		for i, c := range resp.Calls {
			for _, before := range k.made {
				if before == calls[i] {
					k.t.Fatalf("%s was planned twice", calls[i])
				}
			}
			k.made = append(k.made, calls[i])
			text := `{"status":"done","result":{}}`
			if k.any != nil {
				text = k.any()
			}
			for _, r := range k.rules {
				if strings.Contains(calls[i], r.holds) {
					text = r.answer
					break
				}
			}
			k.req.Messages = append(k.req.Messages, model.Message{Role: model.RoleTool, CallID: c.ID, Tool: c.Name, Text: text})
		}
	}
	k.t.Fatal("the turn does not end")
	return ""
}

func done(result string) string { return `{"status":"done","result":` + result + `}` }

func wantCalls(t *testing.T, got []string, want ...string) {
	t.Helper()
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("calls\n  %s\nwant\n  %s", strings.Join(got, "\n  "), strings.Join(want, "\n  "))
	}
}

// TestFirstCallsOfARequest is the table of what people say and what is planned
// for it first. An empty want is an answer without any call.
func TestFirstCallsOfARequest(t *testing.T) {
	for _, c := range []struct {
		said string
		file bool
		want string
	}{
		// minutes
		{"Summarise this meeting", true, `meeting_minutes {"file":"f1"}`},
		{"summari" + "ze", true, `meeting_minutes {"file":"f1"}`},
		{"", true, `meeting_minutes {"file":"f1"}`},
		{"please make minutes of the attached call", true, `meeting_minutes {"file":"f1"}`},
		{"tl;dr?", true, `meeting_minutes {"file":"f1"}`},
		{"What was decided?", true, `meeting_minutes {"file":"f1"}`},
		{"can you pull out the action items?", true, `meeting_minutes {"file":"f1"}`},
		{"here is the meeting of today", true, `meeting_minutes {"file":"f1"}`},
		{"Summarise this meeting and open tickets for the action items", true, `meeting_minutes {"file":"f1"}`},
		{"recap, then file issues for the follow-ups please", true, `meeting_minutes {"file":"f1"}`},
		{"Hey Sous, could you please recap this?", true, `meeting_minutes {"file":"f1"}`},
		{"Summarise this meeting", false, ``},
		// new tickets
		{"open a ticket: replace the badge reader", false, `ticket_search {"query":"replace the badge reader"}`},
		{"Create an issue about the login page being slow", false, `ticket_search {"query":"the login page being slow"}`},
		{"please file a bug: crash on save", false, `ticket_search {"query":"crash on save"}`},
		{"Can you open a ticket for the broken door?", false, `ticket_search {"query":"the broken door"}`},
		{"open a ticket for Bob: fix the login page", false, `ticket_search {"query":"fix the login page"}`},
		{"raise a ticket to renew the certificate, due 2026-12-01", false, `ticket_search {"query":"renew the certificate"}`},
		{"log a ticket that says \"order new chairs\"", false, `ticket_search {"query":"order new chairs"}`},
		{"new ticket: update the wiki and assign it to Carla", false, `ticket_search {"query":"update the wiki"}`},
		{"ticket: water the plants", false, `ticket_search {"query":"water the plants"}`},
		{"The build is red, open a ticket.", false, `ticket_search {"query":"The build is red"}`},
		{"I'd like you to create a task called clean the kitchen", false, `ticket_search {"query":"clean the kitchen"}`},
		{"open tickets for:\n- order chairs\n- fix the lamp", false, `ticket_search {"query":"order chairs"}|ticket_search {"query":"fix the lamp"}`},
		{"report a bug: search returns nothing, label it search", false, `ticket_search {"query":"search returns nothing"}`},
		{"open a high priority ticket: server down", false, `ticket_search {"query":"server down"}`},
		{"open two tickets: fix the lamp; order chairs", false, `ticket_search {"query":"fix the lamp"}|ticket_search {"query":"order chairs"}`},
		{"file tickets for login and signup problems", false, `ask_user {"question":"What should the tickets say? Please one ticket a line."}`},
		{"open a ticket: check the door and close it", false, `ticket_search {"query":"check the door and close it"}`},
		{"add the task to the agenda", false, ``},
		{"add bug to T-3", false, ``},
		{"open a ticket", false, `ask_user {"question":"What should the ticket say?"}`},
		{"create an issue please", false, `ask_user {"question":"What should the ticket say?"}`},
		// changes of tickets
		{"close T-3", false, `ticket_close {"id":"T-3"}`},
		{"Please close #12.", false, `ticket_close {"id":"#12"}`},
		{"close ticket 7 because it is a duplicate of T-2", false, `ticket_close {"id":"7","reason":"it is a duplicate of T-2"}`},
		{"can you close T-3 and T-4?", false, `ticket_close {"id":"T-3"}|ticket_close {"id":"T-4"}`},
		{"close tickets 3, 4 and 5", false, `ticket_close {"id":"3"}|ticket_close {"id":"4"}|ticket_close {"id":"5"}`},
		{"reopen T-3", false, `ticket_reopen {"id":"T-3"}`},
		{"Open T-3 again", false, `ticket_reopen {"id":"T-3"}`},
		{"assign T-3 to Bob", false, `ticket_assign {"assignee":"Bob","id":"T-3"}`},
		{"give #4 to Carla Meyer please", false, `ticket_assign {"assignee":"Carla Meyer","id":"#4"}`},
		{"assign Bob to T-3", false, `ticket_assign {"assignee":"Bob","id":"T-3"}`},
		{"assign T-3 to me", false, `ticket_assign {"assignee":"Ann Lee","id":"T-3"}`},
		{"I'll take T-9", false, `ticket_assign {"assignee":"Ann Lee","id":"T-9"}`},
		{"unassign T-3", false, `ticket_assign {"assignee":"","id":"T-3"}`},
		{"take Bob off T-3", false, `ticket_assign {"assignee":"","id":"T-3"}`},
		{"assign T-3", false, `ask_user {"question":"To whom should T-3 be assigned?"}`},
		{"label T-3 with bug", false, `ticket_label {"add":["bug"],"id":"T-3"}`},
		{"tag T-3 as urgent and frontend", false, `ticket_label {"add":["urgent","frontend"],"id":"T-3"}`},
		{"add the label ops to T-3", false, `ticket_label {"add":["ops"],"id":"T-3"}`},
		{"add the labels ops, infra to T-3", false, `ticket_label {"add":["ops","infra"],"id":"T-3"}`},
		{"remove the label ops from T-3", false, `ticket_label {"id":"T-3","remove":["ops"]}`},
		{"remove the bug label from T-3", false, `ticket_label {"id":"T-3","remove":["bug"]}`},
		{"comment on T-3: the vendor called back", false, `ticket_comment {"body":"the vendor called back","id":"T-3"}`},
		{"add a comment to T-3 saying we are waiting for parts; close it later", false, `ticket_comment {"body":"we are waiting for parts; close it later","id":"T-3"}`},
		{"comment \"looks good\" on T-3", false, `ticket_comment {"body":"looks good","id":"T-3"}`},
		{"comment on T-3", false, `ask_user {"question":"What should the comment on T-3 say?"}`},
		{"move T-3 to in progress", false, `ticket_transition {"id":"T-3","status":"in_progress"}`},
		{"mark T-3 as done", false, `ticket_transition {"id":"T-3","status":"done"}`},
		{"mark T-3 done", false, `ticket_transition {"id":"T-3","status":"done"}`},
		{"set the status of T-3 to done", false, `ticket_transition {"id":"T-3","status":"done"}`},
		{"T-3 is done", false, `ticket_transition {"id":"T-3","status":"done"}`},
		{"resolve T-3", false, `ticket_transition {"id":"T-3","status":"done"}`},
		{"start working on T-3", false, `ticket_transition {"id":"T-3","status":"in_progress"}`},
		{"mark T-3 as closed", false, `ticket_close {"id":"T-3"}`},
		{"close T-3 and assign T-4 to Bob", false, `ticket_close {"id":"T-3"}|ticket_assign {"assignee":"Bob","id":"T-4"}`},
		{"assign T-3 to Bob and label it urgent", false, `ticket_assign {"assignee":"Bob","id":"T-3"}|ticket_label {"add":["urgent"],"id":"T-3"}`},
		{"close T-3 and open a ticket: new lamp", false, `ticket_close {"id":"T-3"}|ticket_search {"query":"new lamp"}`},
		{"comment on T-3, T-4: same thing", false, `ticket_comment {"body":"same thing","id":"T-3"}|ticket_comment {"body":"same thing","id":"T-4"}`},
		{"set priority of T-3 to high", false, ``},
		{"assign T-3 to Bob, T-4 to Ann", false, ``},
		{"close the login ticket", false, `ticket_search {"query":"login"}`},
		{"close it", false, `ask_user {"question":"Which ticket do you mean?"}`},
		// what must not be done
		{"don't close T-3", false, ``},
		{"do not open a ticket for this", false, ``},
		{"close T-3 when the build is green", false, ``},
		{"can you send an email to Bob?", false, ``},
		{"yes", false, ``},
		{"never mind", false, ``},
		{"Bob said close T-3", false, ``},
		{"when T-3 is done, close T-4", false, ``},
		{"close the window", false, ``},
		{"give it a rest", false, ``},
		// questions about tickets
		{"what tickets are open?", false, `ticket_search {"limit":50,"query":""}`},
		{"list open tickets", false, `ticket_search {"limit":50,"query":""}`},
		{"open tickets", false, `ticket_search {"limit":50,"query":""}`},
		{"show my tickets", false, `ticket_search {"limit":50,"query":""}`},
		{"which tickets does Bob have?", false, `ticket_search {"limit":50,"query":""}`},
		{"are there any tickets about the login page?", false, `ticket_search {"query":"the login page"}`},
		{"find tickets about printers", false, `ticket_search {"query":"printers"}`},
		{"has anyone reported the broken lift?", false, `ticket_search {"query":"the broken lift"}`},
		{"which tickets are in progress", false, `ticket_search {"limit":50,"query":"","status":"in_progress"}`},
		{"what is the status of the login ticket?", false, `ticket_search {"query":"login"}`},
		{"summarise T-3", false, `ticket_get {"id":"T-3"}`},
		{"status of T-3", false, `ticket_get {"id":"T-3"}`},
		{"who has T-3?", false, `ticket_get {"id":"T-3"}`},
		{"show me T-3", false, `ticket_get {"id":"T-3"}`},
		{"T-3", false, `ticket_get {"id":"T-3"}`},
		{"What's up with #12?", false, `ticket_get {"id":"#12"}`},
		{"open issue 3", false, `ticket_get {"id":"3"}`},
		// memory
		{"what did we decide about the remote control?", false, `recall {"query":"what did we decide about the remote control?"}`},
		{"Who is coming on Friday?", false, `recall {"query":"Who is coming on Friday?"}`},
		{"when is the release", false, `recall {"query":"when is the release"}`},
		{"do we have a budget for travel?", false, `recall {"query":"do we have a budget for travel?"}`},
		{"tell me about the pricing discussion", false, `recall {"query":"tell me about the pricing discussion"}`},
		{"What are the action items?", false, `recall {"kinds":["action"],"query":"What are the action items?"}`},
		{"remember that the demo is on the third floor", false, `remember {"text":"the demo is on the third floor"}`},
		{"Please remember: Bob is allergic to nuts", false, `remember {"text":"Bob is allergic to nuts"}`},
		{"keep in mind that we ship on Tuesdays", false, `remember {"text":"we ship on Tuesdays"}`},
		{"don't forget that the key is at the desk", false, `remember {"text":"the key is at the desk"}`},
		{"remember this", false, `ask_user {"question":"What should I remember?"}`},
		{"correction: the demo is on the second floor", false, `recall {"kinds":["fact"],"limit":10,"query":"the demo is on the second floor"}`},
		{"That's no longer true: we ship on Mondays", false, `recall {"kinds":["fact"],"limit":10,"query":"we ship on Mondays"}`},
		{"remember this conversation", false, `remember_thread {}`},
		{"what was the launch date originally?", false, `recall {"history":true,"query":"what was the launch date originally?"}`},
		{"forget that the demo is on the third floor", false, `recall {"limit":10,"query":"the demo is on the third floor"}`},
		{"forget about the parking code", false, `recall {"limit":10,"query":"the parking code"}`},
		// routing
		{"who should handle a broken laptop?", false, `route_request {"text":"a broken laptop"}`},
		{"who do I ask about expense reports?", false, `route_request {"text":"expense reports"}`},
		{"Which team owns the billing service?", false, `route_request {"text":"the billing service"}|recall {"query":"Which team owns the billing service?"}`},
		{"my laptop is broken, who can help?", false, `route_request {"text":"my laptop is broken"}`},
		{"route this: my badge does not open the door", false, `route_request {"text":"my badge does not open the door"}`},
		{"where do I report a phishing mail?", false, `route_request {"text":"a phishing mail"}`},
		{"record: “the printer is jammed” belongs to the facilities team", false, `route_record {"team":"facilities","text":"the printer is jammed"}`},
		// small talk
		{"hi", false, ``},
		{"thanks!", false, ``},
		{"help", false, ``},
		{"what can you do?", false, ``},
		{"the sky is blue", false, ``},
		{"how do I open a ticket?", false, ``},
	} {
		t.Run(c.said, func(t *testing.T) {
			k := newChat(t)
			if c.file {
				k.asks(c.said, "f1")
			} else {
				k.asks(c.said)
			}
			got, resp := k.step()
			var want []string
			if c.want != "" {
				want = strings.Split(c.want, "|")
			}
			wantCalls(t, got, want...)
			if len(got) == 0 && strings.TrimSpace(resp.Text) == "" {
				t.Error("neither calls nor text")
			}
		})
	}
}
