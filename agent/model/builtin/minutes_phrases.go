package builtin

import "strings"

// itemWords are the phrases that mark decisions, actions and open questions.
type itemWords struct {
	decided, deciding, doubts, assents []string
	commits, requests, groupDuty       []string
	noAction                           []string
	works, light, reporting            map[string]bool
	open, idleQuestions                []string
	replies                            replyWords
	telling                            []string
	days, months, asking               map[string]bool
	times                              []string
}

// list cuts at the bars.
func list(s string) []string {
	var out []string
	for p := range strings.SplitSeq(s, "|") {
		if p = strings.TrimSpace(p); p != "" {
			out = append(out, p)
		}
	}
	return out
}

// phrases is list with a space around each, as sentence.flat has its words.
func phrases(s string) []string {
	out := list(s)
	for i, p := range out {
		out[i] = " " + p + " "
	}
	return out
}

func set(s string) map[string]bool {
	out := map[string]bool{}
	for w := range strings.FieldsSeq(s) {
		out[w] = true
	}
	return out
}

func newItemWords() itemWords {
	return itemWords{
		decided: phrases(`we decided|we've decided|we have decided|we agreed|we've agreed|we have agreed|we're agreed|we are agreed|
			it's decided|it's agreed|it is decided|the decision is|our decision is|decision made|we settled on|we've settled on|
			we have settled on|we'll go with|we will go with|we're going with|we are going with|we're gonna go with|
			we're going to go with|we shall go with|we'll stick with|we will stick with|we'll stick to|let's go with|let's stick with|
			let's stick to|we'll go for|we will go for|we're going for|let's agree|final decision is|we've chosen|we have chosen|
			we chose|we resolved|we're settled on|we all agreed|it's settled`),
		deciding: phrases(`let's use|let's keep|let's drop|let's skip|let's postpone|let's adopt|let's choose|
			let's pick|we'll use|we will use|we'll keep|we will keep|we'll drop|we'll skip|we'll postpone|
			we're going to use|we're gonna use|we are going to use|we should go with|we should go for|i'd go for|we can go with|
			then we go with|so we go with|we're going to keep|we're gonna keep|we're going to postpone|we'll move forward with`),
		doubts: phrases(`if|whether|unless|haven't|hasn't|didn't|don't|not sure|maybe|perhaps|might|could|would|need to decide|have to decide|
			until|once|before we|when we|should we|can we|shall we|do we|did we|what we|how we|i wonder|suppose|probably|last time|assuming|
			a look|a minute|meeting|break|minutes|five|questionnaire`),
		assents: list(`yeah|yes|yep|okay|ok|agreed|agree|sure|right|exactly|sounds good|good|great|perfect|fine|i agree|absolutely|definitely|that's good|cool|alright`),
		commits: phrases(`i'll|i will|i'm going to|i'm gonna|i am going to|i can|i shall|let me|i promise to|i volunteer to|i'd be happy to|i'm happy to`),
		requests: phrases(`can you|could you|would you|will you|please|you need to|you should|you'll|you will|you have to|i need you to|
			i'd like you to|i want you to|make sure you|you can|you could`),
		groupDuty: phrases(`we need to|we have to|we should|we must|someone should|somebody should|someone needs to|somebody needs to|we've got to`),
		noAction: phrases(`if i|if you|should i|shall i|can i|could i|i could've|i would have|i should have|you should have|i won't|i can't|
			i don't|you can't|you don't|remember when|used to|i always|in five minutes|five minute|let me see|let me think|imagine|
			would you like|do you want|can you hear|can you see|could you repeat|say again|move on|come back to|next slide|share my screen`),
		works: set(`send write check email mail prepare draft update schedule share fix book circulate organise
			organize forward post upload review test create contact find investigate distribute arrange invite order print
			collect submit complete document compile revise redesign implement install finalise finalize
			research confirm download rewrite reply respond register translate transcribe analyse analyze publish merge deploy
			migrate rename delete notify coordinate negotiate measure file fill clean type`),
		// Verbs that are work only with the right words after them.
		light:     set(`get make take put do look ask talk call set run build design buy bring change add report follow work finish start give speak move include record`),
		reporting: set(`ask asks asked tell tells told get got have had with from for about help say said thank thanks think that if when what where like and or`),
		open: phrases(`we don't know whether|we don't know if|we don't know how|we don't know what|we still need to decide|we still have to decide|
			we need to decide|we have to decide|still open|open question|an open issue|the question is whether|the question is how|
			the question is what|to be decided|haven't decided|have not decided|not decided yet|we need to find out|we have to find out|
			remains to be seen|still unclear|it's unclear|not clear whether|not clear how`),
		asking:  set(`what how who when where which why is are do does did can could should will would have has whose`),
		replies: newReplyWords(),
		idleQuestions: phrases(`you know|isn't it|right ?|okay ?|is that okay|can you hear|can you see|does that make sense|any questions|what do you think|
			what was i|what did i|where was i|do you want|are you|how do you spell|did you say|what's your name|shall we|did you get|what did you say`),
		telling: phrases(`this meeting|the meeting|today|agenda|purpose|goal|important|the problem|main|should|need to|have to|we could|
			we can|decided|agreed|propose|suggest|recommend|plan|result|results|because|the idea|we want|our`),
		days:   set(`monday tuesday wednesday thursday friday saturday sunday tomorrow`),
		months: set(`january february march april may june july august september october november december jan feb mar apr jun jul aug sep sept oct nov dec`),
		times: phrases(`end of the week|end of this week|end of next week|end of the day|end of day|end of the month|end of this month|end of next month|
			end of week|end of month|end of the quarter|end of the year|eod|cob|today|tonight|this afternoon|in two weeks|in a week|in three weeks|in a month|in two days|
			in three days|within a week|within two weeks`),
	}
}
