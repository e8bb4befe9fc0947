package builtin

import (
	"regexp"
	"strings"
	"unicode/utf8"
)

// intent is what a request is for.
type intent string

// The intents. The order of recognition is in parse.
const (
	intentUnknown     intent = "unknown"
	intentGreeting    intent = "greeting"
	intentThanks      intent = "thanks"
	intentHelp        intent = "help"
	intentDeclined    intent = "declined"
	intentConditional intent = "conditional"
	intentMinutes     intent = "minutes"
	intentFileTickets intent = "file_tickets"
	intentRecall      intent = "recall"
	intentRemember    intent = "remember"
	intentForget      intent = "forget"
	intentKeepFile    intent = "keep_file"
	intentKeepThread  intent = "keep_thread"
	intentCorrect     intent = "correct"
	intentRoute       intent = "route"
	intentRouteRecord intent = "route_record"
	intentTicketList  intent = "ticket_list"
	intentTicketGet   intent = "ticket_get"
	intentCreate      intent = "create"
	intentCreateSame  intent = "create_same"
	intentComment     intent = "comment"
	intentAssign      intent = "assign"
	intentLabel       intent = "label"
	intentTransition  intent = "transition"
	intentClose       intent = "close"
	intentReopen      intent = "reopen"
)

// command is one thing the person asked for. Texts are slices of the person's
// own words; only dates are rewritten.
type command struct {
	intent intent
	target target
	// drafts are the tickets to create.
	drafts []ticketDraft
	// text is what to remember, to say on a ticket, to ask memory, to route.
	text string
	// name is an assignee or a team; clear takes the assignee away.
	name  string
	clear bool
	// add and remove are labels.
	add, remove []string
	status      string
	// tickets asks for tickets of the action items; pick says for which.
	tickets bool
	pick    pick
	focus   focus
	// also asks memory beside the router, for questions that may mean either.
	also bool
	// mine keeps to what belongs to who asks; dated to what has a due day.
	mine, dated bool
	// overview asks for the whole of what is remembered of a meeting.
	overview bool
	// many says that several tickets are to be opened.
	many bool
	// since is the day from which on memory is asked, YYYY-MM-DD or "".
	since string
	// history asks for what facts were before they were corrected.
	history bool
}

// ticketDraft is one ticket as asked for.
type ticketDraft struct {
	title, body, assignee, due string
	labels                     []string
	// vague is a due date in words that could not be made a day.
	vague string
	// anyway says that a likely duplicate is known and is none.
	anyway bool
}

// target says which ticket is meant.
type target struct {
	// ids are as the person wrote them.
	ids []string
	// back is a word that refers to what was said before: "it", "them"; nth is
	// the place in a list, from 1, -1 for the last.
	back string
	nth  int
	// words describe the ticket.
	words string
}

// focus is the part of the minutes that was asked for.
type focus string

const (
	focusAll       focus = ""
	focusDecisions focus = "decisions"
	focusActions   focus = "actions"
	focusQuestions focus = "questions"
)

// pick selects among action items; the zero value selects all.
type pick struct {
	nth   []int
	first int
	owner string
}

// setting is what parse has to know beside the words.
type setting struct {
	// files says that files came with the request.
	files bool
	// routed says that the answer before was about where something belongs.
	routed bool
	dates  dates
	// inMinutes says that the answer before was minutes.
	inMinutes bool
	// long says that the words go on after what is read.
	long bool
}

// parse reads a request. It never returns nothing.
func parse(text string, in setting) []command {
	text = strings.TrimSpace(text)
	if text == "" {
		return one(parseNothing(text, in))
	}
	head, tail := text, ""
	if len(text) > maxRead {
		cut := maxRead
		if i := strings.LastIndexAny(text[:maxRead], " \n"); i > maxRead/2 {
			cut = i
		}
		for cut > 0 && !utf8.RuneStart(text[cut]) {
			cut--
		}
		head, tail, in.long = text[:cut], text[cut:], true
	}
	out := parseHead(head, in)
	for i := range out {
		out[i].extend(head, tail)
	}
	return out
}

// maxRead is how much of a request is read for what it is for, in bytes; what
// follows can only go on with a text that has begun.
const maxRead = 1500

// extend adds the rest of a long request to the text that it goes on with.
func (c *command) extend(head, tail string) {
	if tail == "" {
		return
	}
	if len(c.drafts) == 1 {
		first, _, _ := strings.Cut(c.drafts[0].title, " ")
		c.drafts[0].body = head[max(0, strings.Index(head, first)):] + tail
	}
	// A text that ends where the reading ended goes on; strip may have taken a
	// few marks off it.
	if i := strings.LastIndex(head, c.text); c.text != "" && i >= 0 && len(head)-i-len(c.text) < 20 {
		c.text = head[i:] + tail
	}
}

func parseHead(text string, in setting) []command {
	if c, ok := parseSocial(text); ok && (!in.files || c.intent == intentHelp) {
		return one(c)
	}
	s := strip(text)
	if s == "" {
		return one(parseNothing(text, in))
	}
	if !asking(s) && reOrder.MatchString(text) {
		s = strings.TrimRight(s, "? ") // "can you do that?" is an order, not a question
	}
	for _, p := range []func(string, setting) (command, bool){
		parseMemory, parseDeclined, parseFileTickets,
	} {
		if c, ok := p(s, in); ok {
			return one(c)
		}
	}
	if cs := parseTicketCommands(s, in); len(cs) > 0 {
		return cs
	}
	for _, p := range []func(string, setting) (command, bool){
		parseRouteRecord, parseRoute, parseTicketQuestion, parseMinutes, parseQuestion,
	} {
		if c, ok := p(s, in); ok {
			return one(c)
		}
	}
	if in.files && short(s) {
		return one(command{intent: intentMinutes})
	}
	return one(command{intent: intentUnknown})
}

// parseNothing reads a request in which nothing is said beside courtesies.
func parseNothing(text string, in setting) command {
	switch {
	case in.files:
		return command{intent: intentMinutes}
	case text == "":
		return command{intent: intentHelp}
	case isNo(text):
		return command{intent: intentDeclined}
	}
	return command{intent: intentUnknown}
}

func one(c command) []command { return []command{c} }

func short(s string) bool { return countWords(s) <= 30 }

var (
	reLead  = regexp.MustCompile(`(?i)^(?:(?:<@[A-Z0-9]+>|@?sous|hey|hi|hello|ok|okay|so|now|well|also|and|then|great|perfect|thanks|thank you|please|pls|plz|kindly|yes|yeah|yep|no|nope|actually|quick question|just|fyi|btw|by the way|good (?:morning|afternoon|evening))(?:[\s,:!.;–—-]+|$))+`)
	rePlea  = regexp.MustCompile(`(?i)^(?:(?:can|could|would|will) you(?: please| kindly| just| also| maybe| quickly)*|would you mind|i(?:'d|’d| would) like(?: you)? to|i (?:want|need|ask)(?: you)? to|(?:can|could|may) (?:we|i)(?: please| also)*|we (?:should|need to|have to|must)(?: please| also)*|let(?:'s|’s| us)|you (?:can|may|should|could)|go ahead and|please|help me(?: to)?|try to|make sure to)\s+`)
	reOrder = regexp.MustCompile(`(?i)\b(?:can|could|would|will) you\b`)
	reTail  = regexp.MustCompile(`(?i)(?:[\s,.!–—-]+(?:please|pls|plz|thanks|thank you|thx|cheers|for me|would you|will you|could you|can you|ok|okay)|[\s.!]+)+$`)
)

// strip takes off what is polite or only opens and ends a sentence.
func strip(s string) string {
	s = strings.TrimSpace(s)
	for {
		n := len(s)
		s = strings.TrimSpace(s[len(reLead.FindString(s)):])
		// "We should close it" is an order to nobody; only a ticket is ours to open.
		if lead := rePlea.FindString(s); lead != "" && (!hesitant(lead) || reTicketOrder.MatchString(s[len(lead):])) {
			s = strings.TrimSpace(s[len(lead):])
		}
		if len(s) == n {
			break
		}
	}
	return strings.TrimSpace(s[:len(s)-len(reTail.FindString(s))])
}

var reTicketOrder = regexp.MustCompile(`(?i)^(?:also |please )*(?:open|create|file|raise|log|make|get|have|see|hear|know|ask|find) `)

// hesitant reports whether a lead may open a remark as well as an order.
func hesitant(lead string) bool {
	lead = strings.ToLower(lead)
	for _, p := range []string{"we ", "can we", "could we", "may we", "can i", "could i", "may i", "you should", "you can", "you may", "you could"} {
		if strings.HasPrefix(lead, p) {
			return true
		}
	}
	return false
}

var (
	reGreeting = regexp.MustCompile(`(?i)^(?:(?:hi|hello|hey|howdy|hiya|yo|greetings|good (?:morning|afternoon|evening|day)|morning|hallo|moin)\b[\s,!.]*)+(?:(?:there|sous|@sous|<@[A-Z0-9]+>|team|everyone|all|bot)\b[\s,!.]*)*(?:how are you(?: doing)?(?: today)?\??|what'?s up\??|how'?s it going\??)?[\s!.]*$`)
	reThanks   = regexp.MustCompile(`(?i)^(?:(?:ok|okay|great|perfect|cool|nice|awesome|super|good|wonderful|excellent|brilliant|alright|all right)[\s,!.]*)*(?:(?:many |great |so much )?(?:thanks|thank you|thx|ty|cheers|merci|danke)\b(?: (?:a lot|so much|very much|sous|again|for (?:that|this|your help|the help|the summary|the minutes|everything)|you))*[\s,!.]*|(?:great|perfect|cool|nice|awesome|good) (?:job|work)[\s!.]*|well done[\s!.]*|(?:ok|okay|great|perfect|cool|nice|awesome|super|got it|sounds good|bye|goodbye|see you)[\s!.]*)+(?:sous)?[\s!.]*$`)
	reHelp     = regexp.MustCompile(`(?i)^(?:(?:hey|hi|hello|sous|please|so|ok)[\s,!:]+)*(?:\??help(?: me)?(?: please)?|/help|\?+|commands?|usage|what can (?:you|i|sous) (?:do|ask|say)(?: (?:for (?:me|us)|here|with you|you))?|what (?:do|are) you(?: do| able to do| good (?:at|for))?|who are you|what(?:'s| is) (?:sous|this|your name)|how (?:do|does|can) (?:i|you|this|it|we|sous) (?:use (?:you|this|sous|it)|work|get started|help(?: me| us)?|start)|how (?:do|can|would|should) (?:i|we) (?:open|create|file|close|reopen|assign|label|comment|remember|forget|summari[sz]e|route|search|find|make|get|add)\b.*|are you (?:an? )?(?:ai|bot|human|robot|person|llm|language model|chatgpt|gpt|there)|(?:which|what) (?:language )?model (?:are you|is this|do you use|answers)(?: using| running)?|what tools do you have|show (?:me )?(?:the )?(?:help|commands)|give me (?:some )?examples)[\s?!.]*$`)
)

// parseSocial reads greetings, thanks and calls for help; only when nothing
// else is said with them.
func parseSocial(s string) (command, bool) {
	switch {
	case len(s) > 200:
		return command{}, false
	case reHelp.MatchString(s):
		return command{intent: intentHelp}, true
	case reGreeting.MatchString(s):
		return command{intent: intentGreeting}, true
	case reThanks.MatchString(s):
		return command{intent: intentThanks}, true
	}
	return command{}, false
}

var reDeclined = regexp.MustCompile(`(?i)^(?:do not|don['’]?t|dont|never|stop|cancel(?: that| it)?$|never ?mind|nvm|forget it|no need(?: to)?|leave it|not now|undo)\b`)

// reWhenThen is "when T-3 is done, close T-4".
var reWhenThen = regexp.MustCompile(`(?i)^(?:if|when(?:ever)?|once|after|as soon as|unless)\b[^?]*,\s*(?:then\s+|please\s+)*(?:open|create|close|reopen|assign|label|comment|move|mark|set|resolve|remember|forget|route|summari[sz]e)\b[^?]*$`)

// parseDeclined reads what is not to be done, so that "don't close T-3" closes
// nothing.
func parseDeclined(s string, _ setting) (command, bool) {
	if reDeclined.MatchString(s) {
		return command{intent: intentDeclined}, true
	}
	if reWhenThen.MatchString(s) {
		return command{intent: intentConditional}, true
	}
	return command{}, false
}
