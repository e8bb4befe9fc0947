package builtin

import (
	"regexp"
	"strings"
)

var (
	reCreate = regexp.MustCompile(`(?is)^(open|create|file|raise|log|make|add|start|submit|report|write|put in|enter|register|new|draft|set up|get)\s+(?:up\s+)?(?:me\s+|us\s+)?(?:(?:a|an|one|another|new|separate|quick|some|two|three|four|five|[2-9])\s+)*((?:(?:high|low|medium|top|urgent|critical|minor|major|small|big|support|follow-up|prio|priority|P\d)[ -]+){0,3})(tickets?|issues?|bug reports?|bugs?|tasks?|cards?|work items?)\b(.*)$`)
	// reTicketColon is "ticket: title".
	reTicketColon = regexp.MustCompile(`(?is)^(?:new\s+)?(?:ticket|issue|bug|task)\s*:\s*(.+)$`)
	// reThenTicket is "the build is red, open a ticket".
	reThenTicket = regexp.MustCompile(`(?is)^(.{3,}?)\s*[,.;:–—-]+\s*(?:so\s+|and\s+|please\s+|(?:can|could) you\s+(?:please\s+)?|let['’]?s\s+)*(?:open|create|file|raise|log|make|add)\s+(?:me\s+)?(?:a|an)\s+(?:new\s+)?(?:ticket|issue|bug|task)(?:\s+(?:for|about|on)\s+(?:this|that|it))?(?:\s+please)?$`)
	reTicketThis = regexp.MustCompile(`(?i)^\s*(?:for|about|on|from|of|out of|regarding)?\s*(?:this|that|it|the above|the same|what i (?:just )?said)?$`)
	reAnyway     = regexp.MustCompile(`(?i)^(?:(?:yes|ok|no|please)[, ]+)*(?:(?:open|create|file|make|do)\s+(?:it|the ticket|that|them|one)\s*(?:anyway|nevertheless|regardless|all the same|as a new (?:one|ticket))?|(?:it|that|this)(?:'s|’s| is) (?:not a duplicate|no duplicate|not the same|something else|a different (?:one|issue|matter))(?:[,.;]?\s*(?:please )?(?:open|create|file|make) (?:it|the ticket|one)(?: anyway)?)?|not a duplicate|anyway)$`)

	reForName   = regexp.MustCompile(`(?s)^\s*(?:(?i:for|to|assigned to|on))\s+(@?\p{Lu}[^\s:,;]*(?: \p{Lu}[^\s:,;]*)?|<@[A-Z0-9]+>)\s*(?::|,?\s+(?i:to)\s|,?\s+(?i:about)\s)\s*(.+)$`)
	reTitleSep  = regexp.MustCompile(`(?is)^\s*(?:(?:(?:in|on|to) (?:the |our )?(?:tracker|backlog|board|system))\s*)?(?:[:\-–—,]+|(?:for|about|to|that says|saying|called|titled|named|on|regarding|concerning|because(?: of)?|that|which says|with(?: the)? (?:title|summary|subject)|so that|of|where)\b)?\s*[:\-–—]*\s*(.*)$`)
	reTailOwner = regexp.MustCompile(`(?is)^(.+?)[,.;]?\s+(?:(?:and|then|please)\s+)*(?:assign(?:ed)?(?:\s+(?:it|this|that|them))?\s+to|give\s+(?:it|this|that)\s+to|assignee(?:\s+is)?:?|owner(?:\s+is)?:?)\s+(\S+(?:\s\S+){0,2})$`)
	reTailName  = regexp.MustCompile(`(?s)^(.+?)\s*,\s+(?i:for)\s+(@?\p{Lu}[^\s:,;]*(?: \p{Lu}[^\s:,;]*)?|<@[A-Z0-9]+>)$`)
	reTailDue   = regexp.MustCompile(`(?is)^(.+?)\s*[,;(]?\s*\b((?:and\s+)?(?:it(?:['’]s| is)\s+)?(?:with\s+)?(?:a\s+)?(?:due(?:\s+date)?(?:\s+(?:on|by|is|of))?|deadline)|by|until|before)[:\s]\s*([^,;:]{2,30}?)\)?$`)
	reTailLabel = regexp.MustCompile(`(?is)^(.+?)(?:\s*[,;(]\s*(?:and\s+)?(?:with\s+)?|\s+(?:and|with)\s+)(?:the\s+|a\s+)?(?:label(?:l?ed|s)?|tag(?:ged|s)?)(?:\s+(?:it|this))?(?:\s+(?:as|with))?:?\s+([^\s,]+(?:(?:\s*,\s*|\s+and\s+)[^\s,]+)*?)\)?$`)
	reTailForce = regexp.MustCompile(`(?is)^(.+?)[\s,.;(–—-]+(?:anyway|regardless|even if (?:it|that|this) (?:is|may be|might be|looks like) a duplicate|(?:and\s+)?(?:it|that|this)(?:['’]s| is) (?:not a duplicate|no duplicate)|not a duplicate)\)?$`)

	reBullet = regexp.MustCompile(`(?m)^[ \t]*(?:[-*•–]|\d{1,2}[.)])[ \t]+(\S.*)$`)
)

// reNumbered is "open issue 3". "Open tickets" asks for those that are open,
// unless reOpenMany follows.
var (
	reNumbered = regexp.MustCompile(`^\s*[\d#]`)
	reOpenMany = regexp.MustCompile(`(?i)^\s*for\s|:`)
)

// reAddedTo is "add the task to the agenda".
var reAddedTo = regexp.MustCompile(`(?i)^\s*(?:to|on|onto)\s+(?:(?:the|our|my|your|this|that|a|it)\b|#\d|[A-Z][A-Z0-9]{0,9}-\d)`)

// parseCreate reads orders for new tickets, with their titles as said.
func parseCreate(s string, in setting) (command, bool) {
	if reAnyway.MatchString(s) {
		return command{intent: intentCreateSame}, true
	}
	if loc := reTicketColon.FindStringSubmatchIndex(s); loc != nil {
		return created(group(s, loc, 1), false, in), true
	}
	loc := reCreate.FindStringSubmatchIndex(s)
	if loc == nil {
		if loc = reThenTicket.FindStringSubmatchIndex(s); loc != nil && !asking(group(s, loc, 1)) {
			return created(strip(group(s, loc, 1)), false, in), true
		}
		return command{}, false
	}
	verb, noun, rest := strings.ToLower(group(s, loc, 1)), strings.ToLower(group(s, loc, 3)), s[loc[8]:loc[9]]
	many := strings.HasSuffix(noun, "s")
	switch {
	case verb == "open" && many && !reOpenMany.MatchString(rest), verb == "get", verb == "add" && reAddedTo.MatchString(rest),
		reNumbered.MatchString(rest):
		return command{}, false
	case reTicketThis.MatchString(rest):
		if strings.TrimSpace(rest) == "" {
			return command{intent: intentCreate}, true
		}
		return command{intent: intentCreate, target: target{back: "it"}}, true
	}
	c := created(rest, many, in)
	for i := range c.drafts {
		// "A high-priority ticket" has no field of its own here; its words are kept.
		c.drafts[i].body = strings.TrimSpace(group(s, loc, 2) + "\n" + c.drafts[i].body)
	}
	return c, true
}

// created reads what follows "open a ticket".
func created(rest string, many bool, in setting) command {
	c := command{intent: intentCreate}
	var owner string
	if m := reForName.FindStringSubmatch(rest); m != nil && personName(m[1]) != "" && !isDayName(m[1]) {
		owner, rest = personName(m[1]), m[2]
	}
	if bullets := reBullet.FindAllStringSubmatch(rest, 50); len(bullets) > 0 && (many || len(bullets) > 1) {
		for _, b := range bullets {
			c.drafts = append(c.drafts, draftOf(b[1], owner, in))
		}
		return c
	}
	colon := strings.HasPrefix(strings.TrimSpace(rest), ":")
	if m := reTitleSep.FindStringSubmatch(rest); m != nil {
		rest = m[1]
	}
	if many {
		if colon {
			for _, item := range reListed.Split(rest, 50) {
				c.drafts = append(c.drafts, draftOf(item, owner, in))
			}
			return c
		}
		// "Tickets for login and signup problems": where one ends is a guess.
		return command{intent: intentCreate, many: true}
	}
	if d := draftOf(rest, owner, in); d.title != "" {
		c.drafts = append(c.drafts, d)
	}
	return c
}

var reListed = regexp.MustCompile(`\s*[;\n]\s*|,\s+(?:and\s+)?`)

// maxOwnTitle is how many letters of the person's words make a title.
const maxOwnTitle = 120

// draftOf takes owner, due day and labels off the end of a title; what is left
// is the title as said.
func draftOf(s, owner string, in setting) ticketDraft {
	d := ticketDraft{assignee: owner}
	s = strings.TrimSpace(s)
	first, more, _ := strings.Cut(s, "\n")
	s, d.body = strings.TrimSpace(first), strings.TrimSpace(more)
	for range 5 {
		s = strings.TrimSpace(s[:len(s)-len(reTail.FindString(s))])
		if in.long || !d.takeTail(&s, in) {
			break
		}
	}
	s = unquoted(squeezed(strings.Trim(s, " ,;:")))
	d.title = headed(s, maxOwnTitle)
	if d.title != s && d.body == "" {
		d.body = s
	}
	return d
}

// takeTail takes one thing off the end of the words, if there is one.
func (d *ticketDraft) takeTail(s *string, in setting) bool {
	if m := reTailForce.FindStringSubmatch(*s); m != nil {
		*s, d.anyway = m[1], true
		return true
	}
	for _, re := range []*regexp.Regexp{reTailOwner, reTailName} {
		if m := re.FindStringSubmatch(*s); m != nil && d.assignee == "" && personName(m[2]) != "" {
			*s, d.assignee = m[1], personName(m[2])
			return true
		}
	}
	if m := reTailLabel.FindStringSubmatch(*s); m != nil && len(d.labels) == 0 {
		*s, d.labels = m[1], listedWords(m[2])
		return true
	}
	m := reTailDue.FindStringSubmatch(*s)
	if m == nil || d.due != "" || d.vague != "" {
		return false
	}
	day, ok := in.dates.resolve(m[3])
	switch {
	case ok:
		d.due = day
	case strings.Contains(strings.ToLower(m[2]), "due") || strings.Contains(strings.ToLower(m[2]), "deadline"):
		d.vague = m[3]
	default:
		return false // "by email" is part of the title
	}
	*s = m[1]
	return true
}

func isDayName(s string) bool {
	switch strings.ToLower(s) {
	case "monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday", "today", "tomorrow", "january",
		"february", "march", "april", "may", "june", "july", "august", "september", "october", "november", "december":
		return true
	}
	return false
}

var reAsking = regexp.MustCompile(`(?i)^(?:what|who|whom|whose|when|where|why|how|which|did|do|does|is|are|was|were|has|have|had|should|shall|will|would|could|can|may|might|am|isn['’]?t|aren['’]?t|didn['’]?t|don['’]?t|doesn['’]?t|any|anything|anyone|anybody|what['’]s|who['’]s|when['’]s|where['’]s|how['’]s)\b`)

// asking reports whether words begin like a question.
func asking(s string) bool { return reAsking.MatchString(s) }

var (
	reItems       = regexp.MustCompile(`(?i)\b(?:action (?:items?|points?)|actions|follow[- ]?ups?|to-?dos?|todo items?|next steps|tasks (?:from|of|in) (?:the|this|that)|agreed tasks|each (?:item|one|action|task|of them)|them|those|these|minutes)\b`)
	reOrderTicket = regexp.MustCompile(`(?i)(?:^|\band\b|\bthen\b|[,;.:]|\bplease\b|\byou\b|\balso\b|\bto\b)\s*(?:also |then |please )*(?:open|create|file|raise|log|make|add|turn|convert|put|write|draft|propose|track|transform)\b([^.?!\n]*?)\b(?:tickets?|issues?|cards?|tracker)\b([^.?!\n]*)`)
	reTicketItems = regexp.MustCompile(`(?i)^(?:ticket|file|track)\s+(?:all )?(?:of )?(?:the |these |those |its )?(?:action (?:items?|points?)|follow[- ]?ups?|to-?dos?|next steps)\b`)
	reNoTickets   = regexp.MustCompile(`(?i)\b(?:do not|don['’]?t|dont|without|no|not|never)\b(?:\s+\w+){0,4}\s+(?:tickets?|issues?)\b`)
	reSummary     = regexp.MustCompile(`(?i)\b(?:summar(?:y|ies|i[sz]e[sd]?|i[sz]ing)|sum(?:ming)? up|minutes|recap|tl;?dr|digest|gist|write[- ]?up|protocol|meeting notes|key points|takeaways|highlights)\b`)
	rePickNth     = regexp.MustCompile(`(?i)\b(?:the |only |just |for )+((?:(?:first|second|third|fourth|fifth|sixth|seventh|eighth|ninth|tenth|last|\d{1,2}(?:st|nd|rd|th))(?:\s*,\s*(?:and )?(?:the )?|\s+and\s+(?:the )?|\s+)?)+)(two|three|four|five|\d{1,2})?\s*(?:action|item|one|point|follow|to-?do|task|step|$)`)
	rePickOwner   = regexp.MustCompile(`(\p{Lu}[\p{L}\d-]*)['’]s? (?i:action|items?|to-?dos?|follow|tasks?|ones?)`)
)

// wantsTickets reports whether tickets are ordered for what a meeting came to.
func wantsTickets(s string, in setting) bool {
	if reNoTickets.MatchString(s) {
		return false
	}
	if reTicketItems.MatchString(s) {
		return true
	}
	for _, m := range reOrderTicket.FindAllStringSubmatch(s, 4) {
		around := m[1] + " " + m[2]
		if reItems.MatchString(around) {
			// "open a ticket for them" is about items only where there are some.
			return reStrongItems.MatchString(around) || in.files || in.inMinutes || reSummary.MatchString(s)
		}
		if (in.files || reSummary.MatchString(s)) && strings.TrimSpace(m[2]) == "" && strings.TrimSpace(reArticle.ReplaceAllString(m[1], "")) == "" {
			return true // "summarise this and open tickets"
		}
	}
	return false
}

var (
	reStrongItems = regexp.MustCompile(`(?i)\b(?:action (?:items?|points?)|actions|follow[- ]?ups|next steps|to-?dos|minutes|tasks (?:from|of|in))\b`)
	reArticle     = regexp.MustCompile(`(?i)\b(?:the|any|some|all|new|necessary|needed|a|an|up)\b`)
)

// parseFileTickets reads orders for tickets of action items.
func parseFileTickets(s string, in setting) (command, bool) {
	if asking(s) || !wantsTickets(s, in) {
		return command{}, false
	}
	c := command{intent: intentFileTickets, tickets: true, pick: picked(s)}
	if in.files || summaryFirst(s) {
		c.intent = intentMinutes
	}
	return c, true
}

// summaryFirst reports whether a summary is asked for before the tickets.
func summaryFirst(s string) bool {
	summary, order := reSummary.FindStringIndex(s), reOrderTicket.FindStringIndex(s)
	return summary != nil && order != nil && summary[0] < order[0]
}

// picked reads which action items are meant.
func picked(s string) pick {
	var p pick
	if m := rePickNth.FindStringSubmatch(s); m != nil {
		for _, w := range ordinals.FindAllString(m[1], 20) {
			p.nth = append(p.nth, ordinal(w))
		}
		if m[2] != "" {
			p.nth, p.first = nil, smallNumber(m[2])
		}
	}
	if m := rePickOwner.FindStringSubmatch(s); m != nil {
		p.owner = m[1]
	}
	return p
}

func smallNumber(s string) int {
	for i, w := range []string{"two", "three", "four", "five"} {
		if strings.EqualFold(s, w) {
			return i + 2
		}
	}
	return ordinal(s)
}
