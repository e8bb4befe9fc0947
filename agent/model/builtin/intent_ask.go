package builtin

import (
	"regexp"
	"strings"
)

var (
	reRouteOrder = regexp.MustCompile(`(?is)^(?:route|triage|dispatch|direct|forward|send)(?:\s+|\b\s*[:,]\s*)(?:(?:this|that|it|these|the following|the)\b\s*)?(?:request|message|question|case|inquiry|enquiry|one|mail|email)?\s*((?:to\s+the\s+(?:right|correct|proper|responsible)\s+(?:team|person|people|place|group|queue))?)\s*([:,–—-]?)\s*(?:please\s*[:,]?\s*)?(.*)$`)
	reRouteWho   = regexp.MustCompile(`(?is)^(?:(?:tell me |do you know |any idea |find out )?(?:who|whom|which\s+(?:team|person|group|department|people|squad|queue)|what\s+(?:team|department|group)|whose)(?:\s+(?:here|in\s+the\s+(?:team|company)|at\s+the\s+company))?)\s+(?:(?:should|shall|can|could|do|would|must|may|will|to)\s+(?:i\s+|we\s+|somebody\s+|someone\s+|people\s+|you\s+)?(?:be\s+)?(?:ask(?:ed)?|contact(?:ed)?|talk\s+to|speak\s+(?:to|with)|go\s+to|write\s+to|call|ping|message|turn\s+to|reach\s+out\s+to|approach|e-?mail|notify|tell|help|handle|take|fix|deal\s+with|look\s+(?:at|into)|own|get|take\s+care\s+of|be\s+responsible\s+for|send|report)|handles?|owns?|deals?\s+with|takes?\s+care\s+of|looks?\s+after|(?:is|are)\s+(?:responsible|in\s+charge|accountable|the\s+(?:right\s+)?(?:person|team|contact|owner|expert)|on\s+call|the\s+go-?to(?:\s+person)?)(?:\s+(?:for|of|to\s+ask|to\s+contact))?|knows?\s+(?:about|how)|supports?|maintains?|(?:job|problem|area|responsibility)\s+is)\b\s*(?:(?:with|about|for|on|regarding|if|when|that|to)\s+)?(?:[:–—-]\s*)?(.*)$`)
	reRouteWhere = regexp.MustCompile(`(?is)^where\s+(?:should|do|does|can|would|shall)\s+(?:i\s+|we\s+)?(?:(?:this|that|it)\s+(?:request\s+|question\s+)?(?:go|belong)|(?:send|report|take|route|direct|raise|bring|address|ask\s+(?:about|for))\s+)\s*(?:to|about|for)?\s*[:?–—-]?\s*(.*)$`)
	reThenWho    = regexp.MustCompile(`(?is)^(.{4,}?)\s*[,.;:–—-]+\s*(?:so\s+|and\s+)?(?:who|whom|which team)\s+(?:can|should|could|do|does|would)\s+(?:i\s+|we\s+)?(?:help|fix|handle|take|ask|contact|talk\s+to|look|call|deal)\b[^?.]*\??$`)
	reAmbiguous  = regexp.MustCompile(`(?i)\b(?:owns?|(?:is|are) (?:responsible|in charge|accountable|the owner)|knows? (?:about|how)|takes? care of|handles)\b`)
	rePast       = regexp.MustCompile(`(?i)\b(?:did|was|were|decided?|said|agreed?|meeting|discussed|mentioned|promised)\b`)
)

// parseRoute reads questions about who should handle something.
func parseRoute(s string, _ setting) (command, bool) {
	if loc := reRouteOrder.FindStringSubmatchIndex(s); loc != nil {
		word := strings.ToLower(s)
		plain := strings.HasPrefix(word, "route") || strings.HasPrefix(word, "triage")
		if plain && (group(s, loc, 2) != "" || !strings.HasPrefix(strings.ToLower(group(s, loc, 3)), "to ")) || group(s, loc, 1) != "" {
			return routed(group(s, loc, 3), false), true
		}
	}
	if m := reThenWho.FindStringSubmatch(s); m != nil && !asking(m[1]) && len(ticketIDs(s)) == 0 {
		return routed(m[1], false), true
	}
	if loc := reRouteWhere.FindStringSubmatchIndex(s); loc != nil {
		return routed(group(s, loc, 1), false), true
	}
	loc := reRouteWho.FindStringSubmatchIndex(s)
	if loc == nil || len(ticketIDs(s)) > 0 || rePast.MatchString(s) {
		return command{}, false
	}
	what := strings.TrimRight(group(s, loc, 1), "? ")
	// "Who is responsible for the prototype" may be about a team or about what
	// a meeting agreed.
	return routed(what, reAmbiguous.MatchString(s[:len(s)-len(group(s, loc, 1))])), true
}

func routed(what string, also bool) command {
	what = unquoted(strings.Trim(what, " ?:"))
	c := command{intent: intentRoute, text: what, also: also}
	if m := reThisCase.FindStringSubmatch(what); m != nil {
		c.text = unquoted(m[1])
	}
	return c
}

// reThisCase is "this", "this request: text", "this".
var reThisCase = regexp.MustCompile(`(?is)^(?:this|that|it|these|this one)(?:\s+(?:request|message|question|case|problem|issue|kind of thing|email|mail))?\s*(?:[:–—-]\s*(.*))?$`)

var (
	reBelongs = regexp.MustCompile(`(?is)^(?:record(?:\s+that)?\s+)?(?:this|that|it)(?:['’]s|\s+one)?\s*(?:actually\s+|really\s+)?(?:belongs?\s+(?:to|with|in)|(?:should|must|has\s+to)\s+(?:have\s+)?(?:go(?:ne)?|be(?:en)?\s+(?:routed|sent|handled)|belong)\s+(?:to|by|with)|goes\s+to|is\s+(?:one\s+|a\s+(?:case|matter|question)\s+|something\s+)?for|(?:one\s+|something\s+|a\s+(?:case|matter|question)\s+)?for|is\s+handled\s+by)\s+(.+)$`)
	reRouteIt = regexp.MustCompile(`(?is)^(?:route|send|give|forward|assign|pass|hand)\s+(?:it|that|this)\s+(?:over\s+)?to\s+(.+)$`)
	reQuoted  = regexp.MustCompile(`(?is)^(?:record(?:\s+that)?\s*:?\s*)?["“](.+)["”]\s+(?:belongs?\s+(?:to|with)|goes\s+to|should\s+(?:go|be\s+routed)\s+to|is\s+for)\s+(.+)$`)
	reTeam    = regexp.MustCompile(`(?is)^(?:the\s+|our\s+)?(.+?)(?:\s+(?:team|group|department|people|folks|queue))?$`)
)

// parseRouteRecord reads where something belongs, said after the router was
// asked or with the request in quotes.
func parseRouteRecord(s string, in setting) (command, bool) {
	if m := reQuoted.FindStringSubmatch(s); m != nil {
		return command{intent: intentRouteRecord, text: strings.TrimSpace(m[1]), name: teamName(m[2])}, true
	}
	if !in.routed {
		return command{}, false
	}
	for _, re := range []*regexp.Regexp{reBelongs, reRouteIt} {
		if m := re.FindStringSubmatch(s); m != nil && countWords(m[1]) <= 6 {
			return command{intent: intentRouteRecord, name: teamName(m[1])}, true
		}
	}
	return command{}, false
}

func teamName(s string) string {
	s = unquoted(strings.TrimRight(squeezed(s), " .!?"))
	if m := reTeam.FindStringSubmatch(s); m != nil {
		return strings.TrimSpace(m[1])
	}
	return s
}

var (
	reListTicket = regexp.MustCompile(`(?is)^(?:(?:what|which|any|list|show|find|search|see|get|give|how\s+many|display|are\s+there|is\s+there|do\s+we\s+have|have\s+we|did\s+(?:any(?:body|one)|somebody|someone)|has\s+(?:any(?:body|one)|somebody|someone)|look(?:ing)?\s+(?:for|up)|all|open|my|our|summari[sz]e|who\s+has|what['’]?s|tell\s+me|i\s+(?:want|need)\s+to\s+see|does)\b.*?\b|)((?:open|new|unassigned|done|closed|finished|in[- ]progress|my|our|all)\s+)*(tickets?|issues?|bugs?|tracker|backlog|task\s+list|tasks)\b(.*)$`)
	reAboutWhat  = regexp.MustCompile(`(?is)\b(?:about|on|for|regarding|related\s+to|concerning|matching|containing|mentioning|with|where|that\s+(?:mention|contain|say)s?)\s+(.+?)[\s?.!]*$`)
	reReported   = regexp.MustCompile(`(?is)^(?:has|have|did)\s+(?:any(?:body|one)|somebody|someone|we|you)\s+(?:already\s+)?(?:report(?:ed)?|filed?|raised?|opened?)\s+(?:a\s+(?:ticket|bug|issue)\s+(?:for|about|on)\s+)?(.+?)[\s?.!]*$`)
	reAssignedTo = regexp.MustCompile(`\b(?i:assigned to|owned by|belong(?:ing)? to|does|of|from)\s+(@?\p{Lu}[^\s?!,]*(?: \p{Lu}[^\s?!,]*)?)\b`)
	reWorksOn    = regexp.MustCompile(`^\s*(?:that |which )?(\p{Lu}[\p{L}-]*) (?:is|has|owns|works|does)\b`)
	reOwnersList = regexp.MustCompile(`\b(\p{Lu}[\p{L}-]*)['’]s (?i:open |current )?(?i:tickets|issues|tasks|bugs)\b`)
	reMine       = regexp.MustCompile(`(?i)\b(?:my|mine|assigned to me|do i have|i have|i own|am i)\b`)
	reTalk       = regexp.MustCompile(`(?i)\b(?:discuss(?:ed|ing)?|decided?|mention(?:ed)?|talk(?:ed)?|meetings?|said|say|agree[ds]?|minutes|think|propose[ds]?|suggest(?:ed)?)\b`)
	reGetTicket  = regexp.MustCompile(`(?i)^(?:what(?:['’]?s| is| are| does)?|show|get|open|view|display|see|read|look(?: at| up| into)?|status|state|where|how|who(?:['’]s)?|is|are|has|have|did|does|was|were|tell|give|details?|info(?:rmation)?|check|when|why|find|describe|progress|any|update|summar\w+|recap|write|ticket|issue|history|link|pull up|fetch)\b`)
)

// parseTicketQuestion reads questions about tickets.
func parseTicketQuestion(s string, _ setting) (command, bool) {
	if reTalk.MatchString(s) {
		return command{}, false
	}
	if ids := ticketIDs(s); len(ids) > 0 {
		if reGetTicket.MatchString(s) || reIDsOnly.MatchString(strings.TrimRight(s, "?! .")) {
			return command{intent: intentTicketGet, target: target{ids: ids}, text: s}, true
		}
		return command{}, false
	}
	if m := reShowBack.FindStringSubmatch(s); m != nil {
		t, _ := targetOf(m[1])
		return command{intent: intentTicketGet, target: t, text: s}, true
	}
	if m := reDescribed.FindStringSubmatch(s); m != nil {
		if t, ok := targetOf(m[1]); ok && t.words != "" {
			return command{intent: intentTicketGet, target: t, text: s}, true
		}
	}
	if m := reReported.FindStringSubmatch(s); m != nil {
		return command{intent: intentTicketList, text: m[1]}, true
	}
	loc := reListTicket.FindStringSubmatchIndex(s)
	if loc == nil || strings.ToLower(group(s, loc, 2)) == "tasks" && !reMine.MatchString(s) && !strings.Contains(strings.ToLower(s), "open") {
		return command{}, false
	}
	return listing(s, group(s, loc, 3)), true
}

// reDescribed is a question about a ticket that is described.
var reDescribed = regexp.MustCompile(`(?i)^(?:what(?:['’]?s| is) the (?:status|state) of|status of|who (?:has|owns|is assigned to)|show(?: me)?|is) (the .+? (?:ticket|issue|bug|task))(?: done| open| closed| finished| resolved)?\??$`)

// reShowBack is a question about a ticket named before.
var reShowBack = regexp.MustCompile(`(?i)^(?:what(?:['’]?s| is) the (?:status|state) of|status of|who (?:has|owns|is assigned to)|show(?: me)?|open|is)\s+(it|that one|that ticket|this ticket|the ticket|the (?:first|second|third|fourth|fifth|last) (?:one|ticket))(?: done| open| closed| finished)?\??$`)

// listing reads which tickets are to be listed.
func listing(s, rest string) command {
	low := strings.ToLower(s)
	c := command{
		intent: intentTicketList, mine: reMine.MatchString(s), status: listedStatus(low),
		dated: hasWord(low, "due") || hasWord(low, "overdue") || hasWord(low, "deadline"),
	}
	if m := reOwnersList.FindStringSubmatch(s); m != nil {
		c.name = m[1]
		return c
	}
	if m := reWorksOn.FindStringSubmatch(rest); m != nil {
		c.name = m[1]
		return c
	}
	if m := reAssignedTo.FindStringSubmatch(s); m != nil && !strings.EqualFold(m[1], "me") && !c.mine {
		c.name = personName(m[1])
		return c
	}
	if m := reAboutWhat.FindStringSubmatch(rest); m != nil && !strings.EqualFold(m[1], "me") {
		c.text = unquoted(m[1])
	}
	return c
}

// listedStatus reads which status listed tickets are to have; "open" stands for
// all that have not ended.
func listedStatus(low string) string {
	for _, p := range [...][2]string{
		{"in progress", "in_progress"},
		{"in-progress", "in_progress"},
		{"being worked on", "in_progress"},
		{"closed", "closed"},
		{"done", "done"},
		{"finished", "done"},
		{"resolved", "done"},
		{"open", "open"},
		{"left", "open"},
		{"outstanding", "open"},
	} {
		if hasWord(low, p[0]) {
			return p[1]
		}
	}
	return ""
}

// hasWord reports whether word stands in low by itself.
func hasWord(low, word string) bool {
	for from := 0; ; {
		i := strings.Index(low[from:], word)
		if i < 0 {
			return false
		}
		i += from
		before := i == 0 || !isLetter(low[i-1])
		after := i+len(word) == len(low) || !isLetter(low[i+len(word)])
		if before && after {
			return true
		}
		from = i + len(word)
	}
}

func isLetter(c byte) bool { return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= 0x80 }

var (
	reActionWords   = regexp.MustCompile(`(?i)\b(?:action (?:items?|points?|list)|next steps|follow[- ]?ups?|to-?dos?|tasks|who (?:has|needs|is) to do what|who does what|what (?:has|needs|is) to be done)\b`)
	reDecisionWords = regexp.MustCompile(`(?i)\b(?:decisions?|(?:was|were|been|did (?:we|they|you|the team)) (?:decided?|agreed?)|what (?:we|they) (?:decided|agreed))\b`)
	reQuestionWords = regexp.MustCompile(`(?i)\b(?:open (?:questions?|points?|issues?)|unanswered|unresolved|left open)\b`)
	reDeictic       = regexp.MustCompile(`(?i)\b(?:this|that|it|attached|attachment|file|transcript|recording|above|these|here|them|vtt|srt)\b|^(?:please )?(?:summari[sz]e|recap|minutes|tl;?dr|sum up|summary|meeting (?:minutes|summary|notes))\W*$|^(?:create|make|write|give (?:me|us)|prepare|do|draft|get me|send(?: me)?|i need|need)\s+(?:a\s+|the\s+|some\s+)?(?:short\s+|brief\s+|quick\s+)?(?:summary|minutes|recap|tl;?dr|meeting (?:minutes|summary|notes))\W*$`)
	rePaste         = regexp.MustCompile(`(?m)^[ \t]*(?:\[?\d{1,2}:\d{2}[^\n]{0,12}\s*)?\p{Lu}[^:\n]*:[ \t]+\S`)
	reMakeMinutes   = regexp.MustCompile(`(?i)^(?:(?:make|write|create|do|prepare|produce|give|draft|get|generate|extract|list|pull|take|show|send|provide|want|need)\b.*\b)?(?:summar|sum up|minutes|recap|tl;?dr|digest|gist|action|decisions|open questions|key points|takeaways|highlights|protocol|meeting|next steps|follow|to-?dos)`)
)

// focusOf reads which part of minutes is asked for.
func focusOf(s string) focus {
	switch {
	case reActionWords.MatchString(s):
		return focusActions
	case reDecisionWords.MatchString(s):
		return focusDecisions
	case reQuestionWords.MatchString(s):
		return focusQuestions
	}
	return focusAll
}

// parseMinutes reads requests for minutes: of the files that came, of a file
// that was given before, or of "this".
func parseMinutes(s string, in setting) (command, bool) {
	c := command{intent: intentMinutes, text: s}
	summary := reSummary.MatchString(s)
	if !summary {
		c.focus = focusOf(s)
	}
	making := reMakeMinutes.MatchString(s) && (summary || !asking(s))
	switch {
	case in.files:
		return c, true // whatever is asked with a transcript is answered from its minutes
	case !summary && c.focus == focusAll:
		return command{}, false
	case len(rePaste.FindAllStringIndex(s, 3)) > 1:
		return c, true
	case making && reDeictic.MatchString(s):
		return c, true
	case summary || making:
		return command{
			intent: intentRecall, text: s, focus: c.focus, since: in.dates.since(s), mine: reMine.MatchString(s), overview: summary,
		}, true
	}
	return command{}, false
}

// parseQuestion reads questions to memory.
func parseQuestion(s string, in setting) (command, bool) {
	c := command{
		intent: intentRecall, text: s, focus: focusOf(s), since: in.dates.since(s), mine: reMine.MatchString(s), history: reHistory.MatchString(s),
	}
	if loc := reMemory.FindStringSubmatchIndex(s); loc != nil && group(s, loc, 1) != "" {
		return c, true
	}
	return c, asking(s) || strings.HasSuffix(strings.TrimSpace(s), "?")
}
