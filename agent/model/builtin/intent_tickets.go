package builtin

import (
	"regexp"
	"strings"
)

// The commands about one ticket. Each pattern has the words of the target as
// its first group unless it says otherwise.
var (
	reClose    = regexp.MustCompile(`(?is)^(?:close|shut|cancel|drop|kill)\s+(?:out\s+|down\s+)?(.+?)(?:\s+(?:because|since|as|with the reason|for the reason that|reason:)(?:\s+of)?\s+(.+)|\s*[:;–—]\s+(.+)|\s+-\s+(.+))?$`)
	reReopen   = regexp.MustCompile(`(?is)^(?:re-?open|open\s+again)\s+(.+?)(?:\s+again)?(?:\s*[,:;–—]?\s*(?:because|since|as|:)\s+(.+))?$`)
	reOpenAgai = regexp.MustCompile(`(?is)^open\s+(.+?)\s+again$`)

	reAssignTo = regexp.MustCompile(`(?is)^(?:re-?assign|assign|give|hand(?:\s+over)?|delegate|transfer|pass)\s+(.+?)\s+(?:over\s+|back\s+)?to\s+(.+)$`)
	reAssign   = regexp.MustCompile(`(?is)^(?:re-?assign|assign|delegate)\s+(.+)$`)
	reSetOwner = regexp.MustCompile(`(?is)^(?:set|change|make)\s+(?:the\s+)?(?:assignee|owner)\s+(?:of|for|on)\s+(.+?)\s+(?:to|be)\s+(.+)$`)
	reMake     = regexp.MustCompile(`(?is)^make\s+(.+?)\s+(?:the\s+)?(?:assignee|owner)\s+(?:of|for|on)\s+(.+)$`) // name, target
	reTakeOn   = regexp.MustCompile(`(?is)^(?:i\s*(?:['’]ll| will| can| am going to)|let me)\s+(?:take|do|handle|own|pick up)\s+(.+)$`)
	reUnassign = regexp.MustCompile(`(?is)^un-?assign\s+(.+?)(?:\s+from\s+(.+))?$`)
	reTakeOff  = regexp.MustCompile(`(?is)^(?:take|remove)\s+(.+?)\s+(?:off|from)\s+(.+)$`) // name or label, target

	reLabel    = regexp.MustCompile(`(?is)^(?:label|tag)\s+(.+?)\s+(?:with|as)\s+(?:the\s+)?(?:labels?\s+|tags?\s+)?(.+)$`)
	reLabelOn  = regexp.MustCompile(`(?is)^(?:label|tag)\s+(.+)$`)
	reAddLabel = regexp.MustCompile(`(?is)^(?:add|put|set|attach|apply)\s+(?:the\s+|a\s+|an\s+)?(?:new\s+)?(?:labels?|tags?)\s+(.+?)\s+(?:to|on)\s+(.+)$`)    // labels, target
	reAddLabe2 = regexp.MustCompile(`(?is)^(?:add|put|set|attach|apply)\s+(?:the\s+|a\s+|an\s+)?(.+?)\s+(?:labels?|tags?)\s+(?:to|on)\s+(.+)$`)               // labels, target
	reDelLabel = regexp.MustCompile(`(?is)^(?:remove|delete|drop|take|clear)\s+(?:off\s+)?(?:the\s+)?(?:labels?|tags?)\s+(.+?)\s+(?:from|off|of|on)\s+(.+)$`) // labels, target
	reDelLabe2 = regexp.MustCompile(`(?is)^(?:remove|delete|drop|take|clear)\s+(?:off\s+)?(?:the\s+)?(.+?)\s+(?:labels?|tags?)\s+(?:from|off|of|on)\s+(.+)$`) // labels, target

	reComment  = regexp.MustCompile(`(?is)^(?:(?:add|leave|post|write|make|put)\s+(?:a\s+|another\s+|the\s+)?)?(?:comment|note|reply|remark)\s+(?:on|to|in|under|for|at)\s+(.+)$`)
	reAddTo    = regexp.MustCompile(`(?is)^(?:add|append)\s+to\s+(.+)$`)
	reComment2 = regexp.MustCompile(`(?is)^(?:(?:add|leave|post|write|make|put)\s+)?(?:(?:a\s+|the\s+)?(?:comment|note|reply|remark)\s+)?(?:saying\s+)?["“](.+)["”]\s+(?:as\s+a\s+(?:comment|note)\s+)?(?:on|to|in|under)\s+(.+)$`) // text, target

	reMove    = regexp.MustCompile(`(?is)^(?:move|set|transition|change|put|switch|update|mark|flag|turn)\s+(?:the\s+)?(?:status\s+(?:of|for|on)\s+)?(.+?)(?:['’]s\s+status|\s+status)?\s+(?:back\s+)?(?:to|as|into|in|status)\s+(?:being\s+|be\s+)?(?:the\s+)?(.+?)(?:\s+(?:status|state|column))?$`)
	reMark    = regexp.MustCompile(`(?is)^(?:mark|set|move|put)\s+(.+?)\s+(done|complete|completed|finished|resolved|fixed|in[ -]progress|wip|started|open|closed)$`)
	reStart   = regexp.MustCompile(`(?is)^(?:start|begin)\s+(?:work(?:ing)?\s+on\s+|on\s+|with\s+)?(.+)$`)
	reFinish  = regexp.MustCompile(`(?is)^(?:(?:finish|complete|resolve)|i(?:['’]ve| have)?\s+(?:just\s+)?(?:finished|completed|resolved|done|fixed))\s+(?:with\s+)?(.+)$`)
	reIs      = regexp.MustCompile(`(?is)^(.{1,60}?)\s+(?:(?:is|are|was|has been)\s+(?:now\s+|already\s+)?)?(done|complete|completed|finished|resolved|fixed|in progress|started)(?:\s+now)?$`)
	reHanging = regexp.MustCompile(`(?i)\b(?:if|when|whenever|once|after|unless|until|as soon as|tomorrow|later|next week|next month|in an hour)\b`)
)

// parseTicketCommands reads orders about tickets. Several may stand in one
// sentence: "close T-3 and assign T-4 to Bob".
func parseTicketCommands(s string, in setting) []command {
	if !strings.Contains(s, ":") {
		s = strings.TrimRight(s, "? ") // "can you close T-3?"
	}
	if c, ok := parseCreate(s, in); ok {
		return one(c)
	}
	var out []command
	for rest := s; rest != ""; {
		first, more := rest, ""
		if loc := reNextOrder.FindStringIndex(rest); loc != nil {
			first, more = rest[:loc[0]], strings.TrimSpace(rest[loc[0]:])
			more = strings.TrimSpace(reJoint.ReplaceAllString(more, ""))
		}
		c, ok := parseTicketCommand(first, in)
		if len(out) > 0 {
			if made, is := parseCreate(rest, in); is {
				return append(out, made)
			}
		}
		if !ok || freeText(c) {
			// What looks like a second order may be part of the first one's text.
			if c, ok = parseTicketCommand(rest, in); !ok {
				return nil
			}
			more = ""
		}
		if c.target.back != "" && len(out) > 0 && c.target.nth == 0 {
			c.target = out[len(out)-1].target
		}
		out = append(out, c)
		rest = more
	}
	return out
}

var (
	reNextOrder = regexp.MustCompile(`(?i)(?:\s*[;\n]\s*|[.,]\s+|\s+)(?:and\s+|then\s+|also\s+|please\s+)*(?:(?:close|reopen|re-open|assign|reassign|unassign|label|tag|comment on|move|mark|set|resolve|transition|give)\s|add (?:a |the )?(?:comment|label|tag|note)\s|(?:open|create|file) (?:a|another) )`)
	reJoint     = regexp.MustCompile(`(?i)^(?:[;\n.,\s]+|(?:and|then|also|please)\s+)+`)
)

// freeText reports whether a command holds words that may go on as they like.
func freeText(c command) bool {
	return c.intent == intentComment || c.intent == intentConditional || c.intent == intentClose && c.text != ""
}

func parseTicketCommand(s string, in setting) (command, bool) {
	s = strings.TrimSpace(s[:len(s)-len(reTail.FindString(s))])
	for _, p := range []func(string, setting) (command, bool){
		parseComment, parseClose, parseLabels, parseAssign, parseMove,
	} {
		c, ok := p(s, in)
		if !ok {
			continue
		}
		if c.intent != intentComment && reHanging.MatchString(strings.TrimSuffix(s, c.text)) {
			return command{intent: intentConditional, target: c.target}, true
		}
		return c, true
	}
	return command{}, false
}

func parseClose(s string, _ setting) (command, bool) {
	for _, p := range []struct {
		re     *regexp.Regexp
		intent intent
	}{{reReopen, intentReopen}, {reOpenAgai, intentReopen}, {reClose, intentClose}} {
		loc := p.re.FindStringSubmatchIndex(s)
		if loc == nil {
			continue
		}
		t, ok := targetOf(group(s, loc, 1))
		if !ok {
			continue
		}
		c := command{intent: p.intent, target: t}
		if p.intent == intentClose {
			for i := 2; i <= 4 && c.text == ""; i++ {
				c.text = group(s, loc, i)
			}
			if strings.ToLower(c.text) == "done" || strings.ToLower(c.text) == "finished" {
				return command{intent: intentTransition, target: t, status: "done"}, true
			}
		}
		return c, true
	}
	return command{}, false
}

func parseLabels(s string, _ setting) (command, bool) {
	for _, p := range []struct {
		re     *regexp.Regexp
		t, l   int
		remove bool
	}{
		{reDelLabel, 2, 1, true}, {reDelLabe2, 2, 1, true}, {reAddLabel, 2, 1, false}, {reAddLabe2, 2, 1, false}, {reLabel, 1, 2, false},
	} {
		loc := p.re.FindStringSubmatchIndex(s)
		if loc == nil {
			continue
		}
		t, ok := targetOf(group(s, loc, p.t))
		if !ok {
			continue
		}
		c, labels := command{intent: intentLabel, target: t}, listedWords(group(s, loc, p.l))
		if p.remove {
			c.remove = labels
		} else {
			c.add = labels
		}
		return c, true
	}
	if loc := reLabelOn.FindStringSubmatchIndex(s); loc != nil {
		if t, rest, ok := leadingTarget(group(s, loc, 1)); ok {
			return command{intent: intentLabel, target: t, add: listedWords(rest)}, true
		}
	}
	return command{}, false
}

func parseAssign(s string, in setting) (command, bool) {
	for _, p := range []struct {
		re    *regexp.Regexp
		t, n  int
		clear bool
	}{
		{reSetOwner, 1, 2, false},
		{reMake, 2, 1, false},
		{reAssignTo, 1, 2, false},
		{reAssignTo, 2, 1, false},
		{reTakeOff, 2, 1, true},
		{reTakeOn, 1, 0, false},
		{reUnassign, 2, 1, true},
		{reUnassign, 1, 0, true},
		{reAssign, 1, 0, false},
	} {
		loc := p.re.FindStringSubmatchIndex(s)
		if loc == nil || in.routed && p.re == reAssignTo {
			continue
		}
		words := group(s, loc, p.t)
		t, ok := targetOf(words)
		if !ok {
			continue
		}
		c := command{intent: intentAssign, target: t, clear: p.clear}
		switch {
		case p.n > 0:
			if c.name = personName(group(s, loc, p.n)); c.name == "" {
				continue
			}
			if p.re == reAssignTo && p.t == 2 && len(t.ids) == 0 && t.back == "" {
				continue
			}
		case p.re == reTakeOn:
			c.name = "me"
		}
		if p.clear {
			c.name = ""
		}
		return c, true
	}
	return command{}, false
}

func parseMove(s string, _ setting) (command, bool) {
	for _, re := range []*regexp.Regexp{reMark, reIs, reMove} {
		loc := re.FindStringSubmatchIndex(s)
		if loc == nil {
			continue
		}
		t, ok := targetOf(group(s, loc, 1))
		status, named := statusOf(group(s, loc, 2)), len(t.ids) > 0
		// A status that is not known is asked for when the ticket is clear.
		if ok && (named || re != reIs) && (status != "" || named && countWords(group(s, loc, 2)) <= 3) {
			return moved(t, status), true
		}
	}
	for _, p := range []struct {
		re     *regexp.Regexp
		status string
	}{{reStart, "in_progress"}, {reFinish, "done"}} {
		if loc := p.re.FindStringSubmatchIndex(s); loc != nil {
			if t, ok := targetOf(group(s, loc, 1)); ok && (len(t.ids) > 0 || t.words != "") {
				return moved(t, p.status), true
			}
		}
	}
	return command{}, false
}

// moved closes rather than moves to closed: the tracker has a tool for each.
func moved(t target, status string) command {
	switch status {
	case "closed":
		return command{intent: intentClose, target: t}
	default:
		return command{intent: intentTransition, target: t, status: status}
	}
}

func parseComment(s string, _ setting) (command, bool) {
	if loc := reComment2.FindStringSubmatchIndex(s); loc != nil {
		if t, ok := targetOf(group(s, loc, 2)); ok {
			return command{intent: intentComment, target: t, text: group(s, loc, 1)}, true
		}
	}
	for _, re := range []*regexp.Regexp{reComment, reAddTo} {
		loc := re.FindStringSubmatchIndex(s)
		if loc == nil {
			continue
		}
		t, rest, ok := leadingTarget(group(s, loc, 1))
		if ok && (re == reComment || rest != "") {
			return command{intent: intentComment, target: t, text: unquoted(rest)}, true
		}
	}
	return command{}, false
}

var (
	reBack        = regexp.MustCompile(`(?i)^(?:(it|that|this|that one|this one|that (?:ticket|issue|task|bug)|this (?:ticket|issue|task|bug)|the (?:ticket|issue|one))|(them|both|these|those|all|(?:all|both) of (?:them|these|those)|(?:these|those|the|both|all|all the) (?:tickets|issues|tasks|bugs|two)|all (?:of )?the (?:tickets|issues)))$`)
	reNth         = regexp.MustCompile(`(?i)^(?:the )?(first|second|third|fourth|fifth|sixth|seventh|eighth|ninth|tenth|last|\d{1,2}(?:st|nd|rd|th))(?: (?:one|ticket|issue|task|bug))?$`)
	reTicketWords = regexp.MustCompile(`(?is)^(?:the |my |our |that |this )?(.+?) (?:ticket|issue|bug|task|card)$`)
	reTicketAbout = regexp.MustCompile(`(?is)^(?:the |my |our |that |this )?(?:ticket|issue|bug|task|card)s? (?:about|for|on|regarding|with|called|titled|named)\s+(.+)$`)
	reIDsOnly     = regexp.MustCompile(`(?i)^(?:\s|,|&|and\b|both\b|the\b|tickets?\b|issues?\b|bugs?\b|tasks?\b|cards?\b|number\b|no\b\.?|nr\b\.?|id\b|[#:]|\d+|[A-Z][A-Z0-9]{0,9}-\d+)+$`)
)

// reIDLoose is an id with words that change nothing, or with a condition.
var reIDLoose = regexp.MustCompile(`(?i)^(?:(?:the|our|my|that|ticket|issue|bug|task)\s+){0,3}?(?:#\d+|[A-Z][A-Z0-9]{0,9}-\d+)(?:\s+(?:now|too|again|as well|right (?:away|now)|immediately|asap|already|(?:if|when|whenever|once|after|unless|until|as soon as|tomorrow|later|next)\b.*))?$`)

// targetOf reads words that say which ticket; ok is false when they do not.
func targetOf(s string) (target, bool) {
	s = strings.Trim(squeezed(s), " .,;:!")
	if s == "" {
		return target{}, false
	}
	if ids := ticketIDs(s); len(ids) > 0 {
		return target{ids: ids}, reIDsOnly.MatchString(s) || reIDLoose.MatchString(s)
	}
	if m := reBack.FindStringSubmatch(s); m != nil {
		if m[2] != "" {
			return target{back: "them"}, true
		}
		return target{back: "it"}, true
	}
	if m := reNth.FindStringSubmatch(s); m != nil {
		return target{back: "it", nth: ordinal(m[1])}, true
	}
	switch strings.ToLower(s) {
	case "ticket", "a ticket", "an issue", "issue", "the tickets", "tickets":
		return target{}, true
	}
	for _, re := range []*regexp.Regexp{reTicketAbout, reTicketWords} {
		if m := re.FindStringSubmatch(s); m != nil && countWords(m[1]) <= 12 {
			return target{words: unquoted(m[1])}, true
		}
	}
	return target{}, false
}

var (
	reFirstID   = regexp.MustCompile(`(?is)^(?:the\s+)?((?:ticket|issue|bug|task|card)s?\s+(?:number\s+|no\.?\s*|nr\.?\s*)?#?\d{1,9}|#\d{1,9}|[A-Za-z][A-Za-z0-9]{0,9}-\d{1,9}(?:(?:\s*,\s*|\s+and\s+)[A-Za-z][A-Za-z0-9]{0,9}-\d{1,9})*)\b(.*)$`)
	reFirstBack = regexp.MustCompile(`(?is)^(it|that ticket|this ticket|that issue|the ticket|that one|the (?:first|second|third|fourth|fifth|last) one|this|that|them|both)\b(.*)$`)
	reCut       = regexp.MustCompile(`(?is)^\s*(?:[:,;–—-]+\s*|(?:that|saying|to say|with|as)\s+)+`)
)

// leadingTarget reads a target at the beginning and returns what follows it.
func leadingTarget(s string) (target, string, bool) {
	for _, re := range []*regexp.Regexp{reFirstID, reFirstBack} {
		if loc := re.FindStringSubmatchIndex(s); loc != nil {
			if t, ok := targetOf(group(s, loc, 1)); ok {
				rest := group(s, loc, 2)
				if strings.HasPrefix(strings.ToLower(rest), "and ") {
					return target{}, "", false
				}
				return t, strings.TrimSpace(rest[len(reCut.FindString(rest)):]), true
			}
		}
	}
	head, rest, _ := strings.Cut(s, ":")
	t, ok := targetOf(head)
	return t, strings.TrimSpace(rest), ok
}
