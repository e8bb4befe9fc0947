package meetings

import (
	"regexp"
	"slices"
	"strings"

	"github.com/sous-hq/sous/agent"
)

// commitment is the first person taking something on.
var commitment = regexp.MustCompile(`(?i)\b(?:` +
	`i ?['’]?ll|i will|i shall|i ?['’]?m (?:going to|gonna)|i am (?:going to|gonna)|let me|` +
	`i(?: can| could)(?: definitely| certainly| also| probably)? (?:do|take|send|write|look|check|make|ask|handle|prepare|set|get|try|put|call|find|share|draft|own|arrange|organi[sz]e|talk|email|follow|update|bring|work)|` +
	`i should|i need to|i have to|i ?['’]?ve got to|my action|i ?['’]?d be happy to|i ?['’]?m happy to|i volunteer|i promise|` +
	`leave (?:it|that) (?:to|with) me|i ?['’]?m on it|consider it done|count on me|on my (?:list|plate)|i['’]?ve taken (?:the|that) action` +
	`)\b`)

// noCommitment is the first person that only sounds like it.
var noCommitment = regexp.MustCompile(`(?i)\b(?:` +
	`(?:i ?['’]?ll|i will|i shall|i should|i ?['’]?m|i am|i(?: can| could)) (?:never|not)\b|i (?:won|wo n)['’]?t|i shan['’]?t|` +
	`i (?:should|could|would) have|i should['’]?ve|i need to know|i have to (?:say|admit|confess)|should i\b|shall i\b|` +
	`(?:if|when|unless|until|before|after) (?:i ?['’]?ll|i will|i should|i can|i could|i have to|i need to)|` +
	`i ?['’]?ll be (?:honest|frank)|i will say|i ?['’]?ll say|i should say|i should mention|let me (?:see|think|know|guess|just say|say|finish|ask you)|i['’]?m going to say)`)

// willDo is the shortest promise, which stands for itself: "Sure, will do".
var willDo = regexp.MustCompile(`(?i)(?:^|[,.!]\s*)will do\s*(?:[,.!]|$)`)

// commits reports whether a sentence has its speaker take something on.
func commits(sentence string) bool {
	return willDo.MatchString(sentence) || commitment.MatchString(noCommitment.ReplaceAllString(sentence, " "))
}

// request is how people ask or assign, beside naming somebody.
var request = regexp.MustCompile(`(?i)\b(?:can you|could you|would you|will you|please|you (?:need to|should|have to|must|could|can|might want to|want to)|` +
	`you['’]?ll|you will|you['’]?re going to|you are going to|you take|your (?:action|task|job|job)|i(?:['’]d| would)? (?:like|want|need) you to|` +
	`do you mind|would you mind|make sure|action (?:item )?(?:on|for)|assigned? (?:it |this |that )?to|over to|up to)\b`)

// owners decides who an action can belong to.
type owners struct {
	names     []string
	collapsed bool
	// byCall maps what people are called to the participant, "" when several.
	byCall map[string]string
}

func newOwners(t Transcript) owners {
	o := owners{names: t.Participants, byCall: map[string]string{}, collapsed: collapsed(t)}
	for _, p := range t.Participants {
		bare := strings.TrimSpace(outsideParens(p))
		calls := []string{p, bare}
		if f := strings.Fields(bare); len(f) > 1 {
			calls = append(calls, f[0])
		}
		slices.Sort(calls)
		for _, c := range slices.Compact(calls) {
			c = strings.ToLower(c)
			if old, taken := o.byCall[c]; taken && old != p {
				o.byCall[c] = ""
				continue
			}
			o.byCall[c] = p
		}
	}
	// A full name always means its bearer, whoever else is called so.
	for _, p := range t.Participants {
		o.byCall[strings.ToLower(p)] = p
	}
	return o
}

// resolve returns the participant a claim means; "me" is the speaker.
func (o owners) resolve(claim, speaker string) string {
	claim = strings.ToLower(strings.Trim(strings.TrimSpace(claim), ".,@\"'"))
	switch claim {
	case "":
		return ""
	case "i", "me", "myself", "speaker", "the speaker":
		return speaker
	}
	if p, ok := o.byCall[claim]; ok {
		return p
	}
	return o.byCall[strings.TrimPrefix(claim, "the ")]
}

// of returns the owner a draft claims when the quoted words support it: the
// owner says so in the first person, or is asked by name. Nil otherwise.
func (o owners) of(claim string, f *finder, found []slice) *string {
	for _, s := range found {
		speaker := f.cues[s.cue].Speaker
		who := o.resolve(claim, speaker)
		if who == "" {
			continue
		}
		sentence := f.sentence(s)
		committed := who == speaker && !o.collapsed && commits(sentence)
		if committed || o.addressed(who, sentence) {
			return &who
		}
	}
	return nil
}

// addressed reports whether the sentence asks or assigns something to the
// participant by a name that means nobody else.
func (o owners) addressed(who, sentence string) bool {
	for call, p := range o.byCall {
		if p != who || len(call) < 2 {
			continue
		}
		for _, at := range mentions(sentence, call) {
			if assigned(sentence[:at[0]], sentence[at[1]:]) {
				return true
			}
		}
	}
	return false
}

// mentions finds a name as whole words, in any case.
func mentions(sentence, call string) [][2]int {
	var out [][2]int
	want, have := tokens(call), tokens(sentence)
	for i := range have {
		if len(want) == 0 || i+len(want) > len(have) {
			break
		}
		n := 0
		for n < len(want) && have[i+n].word == want[n].word {
			n++
		}
		if n == len(want) {
			out = append(out, [2]int{have[i].from, have[i+n-1].to})
		}
	}
	return out
}

var (
	reporting  = regexp.MustCompile(`(?i)\b(?:ask|asks|asked|tell|tells|told|get|got|have|had|with|from|for|about|help|say|said|thank|thanks|think|thinks|that|if|when|what|where|like)\s+$`)
	thirdWill  = regexp.MustCompile(`(?i)^,?\s*(?:will|['’]ll|to|shall|should|is going to|is gonna|must|has to|needs to|can you|could you|would you|will you|please|you(?:['’]ll| will| should| need| take| can| could)|take|send|write|make|do|check|prepare|look|set|get|find|ask|call|draft|share|update)\b`)
	assignedTo = regexp.MustCompile(`(?i)\b(?:assign(?:ed)?(?: (?:it|this|that))? to|action (?:item )?(?:on|for)|action:?|i(?:['’]d| would)? (?:want|need|like)|over to|up to)\s+$`)
	vocative   = regexp.MustCompile(`^\s*(?:[,?.!]|$)`)
	beforeCall = regexp.MustCompile(`(?i)(?:^|[,.?!]|\b(?:so|and|okay|ok|well|then|hey|hi|please|right|now|yeah|you))\s*$`)
)

// assigned reads the words around a name: "Bob will …", "Bob, can you …",
// "can you …, Bob?", "assigned to Bob". "I'll ask Bob to …" is none.
func assigned(before, after string) bool {
	if assignedTo.MatchString(before) {
		return true
	}
	if reporting.MatchString(before) {
		return false
	}
	if thirdWill.MatchString(after) {
		return true
	}
	return vocative.MatchString(after) && beforeCall.MatchString(before) &&
		request.MatchString(before+" "+after)
}

var called = regexp.MustCompile(`(?:,|\b(?:[Tt]hanks|[Tt]hank you|[Oo]kay|[Hh]ey|[Hh]i|[Hh]ello)) ([A-Z][a-z]{2,})[,.?!]|(?:^|[.?!] )([A-Z][a-z]{2,}), (?:can|could|will|would|what|do|did|how|please|you|are|have)\b`)

// collapsed reports whether the speakers cannot be told apart: nobody has a
// name of their own, or one voice has nearly all the words although several
// people are called by name. "I will" then says nothing about who.
func collapsed(t Transcript) bool {
	nameless := true
	words := map[string]int{}
	total := 0
	for _, c := range t.Cues {
		nameless = nameless && genericSpeaker(c.Speaker)
		n := strings.Count(c.Text, " ") + 1
		words[c.Speaker] += n
		total += n
	}
	if nameless {
		return true
	}
	main := ""
	for s, n := range words {
		if n*100 > total*95 {
			main = s
		}
	}
	return main != "" && len(namesCalled(t.Cues, main, t.Participants)) >= 2
}

// namesCalled collects people other than the main speaker who are called by
// name in the text.
func namesCalled(cues []agent.Cue, main string, participants []string) map[string]bool {
	names := map[string]bool{}
	own := strings.ToLower(main)
	others := map[string]string{}
	for _, p := range participants {
		if f := strings.Fields(p); p != main && len(f) > 0 {
			others[strings.ToLower(f[0])] = p
		}
	}
	for _, c := range cues {
		for _, m := range called.FindAllStringSubmatch(c.Text, -1) {
			n := strings.ToLower(m[1] + m[2])
			if !strings.Contains(own, n) && !interjection(n) {
				names[n] = true
			}
		}
		for _, tok := range tokens(c.Text) {
			if _, ok := others[tok.word]; ok {
				names[tok.word] = true
			}
		}
	}
	return names
}

func interjection(w string) bool {
	switch w {
	case "yeah", "okay", "well", "right", "sure", "thanks", "please", "alright", "cool", "great", "yes",
		"everybody", "everyone", "guys", "folks", "sorry", "now", "anyway", "actually", "and", "but", "hello":
		return true
	}
	return false
}
