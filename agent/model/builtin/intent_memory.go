package builtin

import (
	"regexp"
	"strings"
)

var (
	reRemember = regexp.MustCompile(`(?is)^(?:(?:please\s+)?remember|memori[sz]e|note(?:\s+down)?|make\s+a\s+(?:mental\s+)?note|take\s+(?:a\s+)?note|keep\s+in\s+mind|bear\s+in\s+mind|do(?:\s+not|n['’]?t)\s+forget|for\s+(?:the|your)\s+record|save|store|learn|write\s+down)(?:\s+(?:this|the following|it))?(?:\s*[:,–—]\s*|\s+(?:that|of)\s+|\s+)(.*)$`)
	// reWeakNote opens orders of other kinds too, unless reNoteMark follows.
	reWeakNote   = regexp.MustCompile(`(?i)^(?:save|store|learn|note\s+(?:on|to))\b`)
	reNoteMark   = regexp.MustCompile(`(?i)^\S+(?:\s+(?:this|the following|it))?\s*(?::|\s+that\b)`)
	reRememberAs = regexp.MustCompile(`(?i)^remember\b`)
	reForget     = regexp.MustCompile(`(?is)^(?:forget|un-?remember|delete\s+(?:from\s+(?:your\s+)?memory|the\s+(?:memory|note|fact))|erase|remove\s+(?:from\s+(?:your\s+)?memory|the\s+(?:memory|note|fact)))\s*[:,]?\s*(?:(?:everything\s+|all\s+|what\s+(?:you\s+know|i\s+(?:said|told\s+you))\s+)?(?:about|that|what|the\s+fact\s+that|of)\s+)?(.*)$`)
	reThatOnly   = regexp.MustCompile(`(?i)^(?:that|this|it|them|what i (?:just )?said|the last (?:one|thing))?$`)
	reMemory     = regexp.MustCompile(`(?is)^(?:recall|search\s+(?:your\s+)?(?:memory|notes|the\s+minutes)|look\s+up|remind\s+(?:me|us)|find|tell\s+(?:me|us)|give\s+me|show\s+(?:me|us)|i\s+(?:want|need|['’]?d\s+like)\s+to\s+know|do\s+you\s+(?:remember|know|recall)|any\s+idea|search)\b\s*(.*)$`)
	// reKeep is an order to keep a whole: group 1 says which.
	reKeep     = regexp.MustCompile(`(?is)^(?:remember|memori[sz]e|save|store|keep|learn|note|take\s+in)\s+(.+)$`)
	reTheFile  = regexp.MustCompile(`(?i)^(?:(?:the\s+(?:content|text)s?\s+of|what(?:'s| is|\s+stands)\s+in)\s+)?(?:(?:this|that|the|these|those|my|our|attached|uploaded|following|whole|entire)\s+)+(?:text\s+|word\s+|pdf\s+|markdown\s+|html\s+)?(?:files?|documents?|docs?|pdfs?|attachments?|pages?|reports?|handbooks?|manuals?|papers?|guides?|polic(?:y|ies))(?:\s+for\s+(?:later|me|us|the\s+team))?$`)
	reTheTalk  = regexp.MustCompile(`(?i)^(?:(?:this|that|the|our|whole|entire)\s+)+(?:thread|conversation|discussion|chat|exchange)(?:\s+for\s+(?:later|me|us|the\s+team))?$`)
	reCorrects = regexp.MustCompile(`(?is)^(?:(?:small\s+|a\s+)?correction|erratum|to\s+correct\s+(?:that|this|myself)|correct\s+(?:that|this|it)(?:\s+to)?|(?:that|this|it)(?:['’]s|\s+is|\s+was)\s+(?:wrong|outdated|out\s+of\s+date|no\s+longer\s+(?:true|right|correct)|not\s+(?:true|right|correct)(?:\s+any\s*(?:more|longer))?)|i\s+was\s+wrong|update\s+(?:the\s+fact|your\s+memory|what\s+you\s+(?:know|remember)))\s*[:,.;–—-]+\s*(?:(?:that|actually|in\s+fact|really)\s+)*(.+)$`)
	reHistory  = regexp.MustCompile(`(?i)\b(?:history\s+of|used\s+to\s+be|(?:was|were|said|say)\s+(?:it\s+)?(?:originally|earlier|previously|at\s+first|before)|originally|before\s+(?:it|that|this)\s+(?:was\s+|were\s+)?(?:changed|corrected)|what\s+(?:has\s+|was\s+)?(?:changed|corrected))\b`)
)

// parseMemory reads what is to be remembered, corrected and forgotten.
func parseMemory(s string, in setting) (command, bool) {
	if c, ok := parseKeep(s, in); ok {
		return c, true
	}
	if m := reCorrects.FindStringSubmatch(s); m != nil && !asking(m[1]) {
		return command{intent: intentCorrect, text: unquoted(m[1])}, true
	}
	if loc := reRemember.FindStringSubmatchIndex(s); loc != nil && !strings.HasSuffix(s, "?") {
		text := unquoted(group(s, loc, 1))
		if m := reCorrects.FindStringSubmatch(text); m != nil {
			return command{intent: intentCorrect, text: unquoted(m[1])}, true
		}
		if asking(text) && reRememberAs.MatchString(s) {
			return command{intent: intentRecall, text: text}, true
		}
		if !reWeakNote.MatchString(s) || reNoteMark.MatchString(s) {
			return command{intent: intentRemember, text: text}, true
		}
	}
	loc := reForget.FindStringSubmatchIndex(s)
	if loc == nil || strings.HasPrefix(strings.ToLower(s), "forget it") {
		return command{}, false
	}
	return command{intent: intentForget, text: unquoted(group(s, loc, 1))}, true
}

// parseKeep reads orders to keep a file or a conversation as a whole.
func parseKeep(s string, in setting) (command, bool) {
	m := reKeep.FindStringSubmatch(s)
	if m == nil {
		return command{}, false
	}
	what := strings.TrimRight(squeezed(m[1]), " .!")
	switch {
	case reTheTalk.MatchString(what) && !in.files:
		return command{intent: intentKeepThread}, true
	case reTheTalk.MatchString(what), reTheFile.MatchString(what), in.files && reThatOnly.MatchString(what):
		return command{intent: intentKeepFile}, true
	}
	return command{}, false
}
