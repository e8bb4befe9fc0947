package builtin

import (
	"testing"
	"time"
)

// labelled are requests with what they are for, worded apart from the rules.
// A leading "+" stands for an attached file.
func labelled() map[intent][]string {
	return map[intent][]string{
		intentMinutes: {
			"+Could you summarise the attached recording for me?", "+Minutes please", "+what happened in this call",
			"+give me the key takeaways", "+Need a quick recap of Monday's standup", "+Who has to do what?",
			"+list the decisions and open questions", "+Please write up the meeting and create issues for every action item",
			"+can you turn this into minutes", "+I missed this one, what did they agree on?", "+summary!",
		},
		intentFileTickets: {
			"open tickets for the action items", "Turn the action items into tickets please", "can you create issues for all follow-ups",
			"file the to-dos as tickets", "Please make tickets out of the next steps", "ticket the action items",
			"create a ticket for each action item", "could you raise tickets for Bob's action items",
		},
		intentCreate: {
			"Could you open a ticket: coffee machine leaks", "make a ticket for the flaky integration test", "Log a bug - export button does nothing",
			"I need you to file an issue about the wrong invoice totals", "add a task to rotate the API keys", "create ticket: upgrade Postgres to 16",
			"The lift is stuck again, please open a ticket", "we need to raise a ticket about the heating", "New issue: typo on the landing page",
			"submit a ticket saying the VPN drops every hour", "pls create a new task: prepare the board deck, assign to Mia",
		},
		intentClose:      {"close out T-14", "please shut ticket 22", "Can you close #9, it's a duplicate", "close T-1, T-2 and T-3 please", "cancel T-44 because nobody needs it"},
		intentReopen:     {"please reopen ticket 5", "re-open T-14 as it happened again", "could you open T-2 again?"},
		intentAssign:     {"can you assign T-14 to Priya?", "hand #3 over to Tom", "reassign ticket 9 to maria.lopez", "Set the owner of T-3 to Lee", "I will take T-5", "please give T-8 to me"},
		intentLabel:      {"tag T-14 as customer-facing", "please add the label security to T-7", "label #3 backend", "drop the urgent label from T-7"},
		intentComment:    {"leave a comment on T-14: waiting for legal", "please comment on #3 that the fix is deployed", "add a note to T-7: see the new logs", "reply on T-9: thanks, done"},
		intentTransition: {"mark ticket 14 as done", "Please move #3 into in progress", "T-7 is finished", "set T-7 to done", "I've finished T-21", "put T-4 in progress"},
		intentTicketList: {
			"what's open right now in our tracker?", "show me all open tickets", "Any tickets about the VPN?", "which issues are assigned to Priya?",
			"how many tickets are open?", "do we have a ticket for the heating?", "list my open tasks", "search tickets for invoice", "what tickets are unassigned?",
		},
		intentTicketGet: {"what's the status of T-14?", "Show #3", "who is T-7 assigned to?", "is T-9 done yet?", "tell me more about T-2", "ticket 12"},
		intentRecall: {
			"What did Priya say about the launch date?", "why did we drop the LCD screen?", "Did we agree on a price?", "When is the next board meeting?",
			"how much may the remote cost", "what's the wifi password", "remind me what the plan for Q3 is", "do you remember who our contact at Acme is?",
			"search your notes for onboarding", "who proposed the rubber case?", "Tell me what was decided about the logo", "has the venue been booked?",
			"summarise last week's design meeting", "what are the open questions from the kick-off", "where is the demo?", "any idea when the audit starts?",
		},
		intentRemember: {
			"remember our standup is at 9:15", "Please note that invoices go to finance@example.com", "for the record: Mia is on leave in May",
			"make a note: the spare key is with reception", "keep in mind the API freeze starts on Monday", "Remember: no deploys on Fridays",
		},
		intentKeepFile:    {"+remember this file", "+please keep the attached document for later", "+save this", "remember that pdf", "+remember this thread", "+learn this handbook"},
		intentKeepThread:  {"remember this thread", "please save this conversation", "remember the whole discussion"},
		intentCorrect:     {"Correction: the demo is on Tuesday", "that's wrong: the code is 13", "This is no longer true, Carol owns billing", "remember: correction: lunch is at one"},
		intentForget:      {"forget that Mia is on leave", "please forget what I said about the spare key", "forget the wifi password", "delete the note about the API freeze"},
		intentRoute:       {"Who should I talk to about a lost badge?", "which team handles refunds?", "who can help with a VPN problem", "route this request: I cannot log in to payroll", "whom do I contact for travel bookings?", "where should I send a security report", "who is responsible for the staging cluster?", "triage: customer cannot reset the password", "who takes care of visitor parking?"},
		intentHelp:        {"help me", "What can I ask you?", "how does this work?", "what are you?", "Which model are you?", "who are you", "how do I assign a ticket?"},
		intentGreeting:    {"good morning!", "Hello Sous", "hey there"},
		intentThanks:      {"thank you so much", "great, thanks", "perfect!", "cheers"},
		intentDeclined:    {"don't open any tickets", "please do not close it", "stop", "never mind, thanks"},
		intentConditional: {"close T-3 once the release is out", "if the test fails again, open a ticket", "assign T-3 to Bob tomorrow"},
		intentUnknown:     {"I love this song", "blue is my favourite colour", "lunch at noon works", "close the deal with Acme", "asdf qwer", "Bob closed T-3 yesterday"},
	}
}

// TestIntentsOfALabelledList measures how often the intent is the right one.
func TestIntentsOfALabelledList(t *testing.T) {
	in := setting{dates: dates{time.Date(2026, 11, 20, 0, 0, 0, 0, time.UTC)}}
	right, all := 0, 0
	for want, list := range labelled() {
		for _, said := range list {
			all++
			here := in
			if said[0] == '+' {
				said, here.files = said[1:], true
			}
			if got := parse(said, here)[0].intent; got == want {
				right++
			} else {
				t.Logf("%q is %s, want %s", said, got, want)
			}
		}
	}
	accuracy := float64(right) / float64(all)
	t.Logf("intent accuracy %.3f (%d of %d)", accuracy, right, all)
	if accuracy < 0.95 {
		t.Errorf("accuracy %.3f is below 0.95", accuracy)
	}
}
