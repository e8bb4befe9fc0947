package builtin

// replyWords are the phrases in which people reply to requests and questions.
type replyWords struct {
	// asks are the leads of requests that a plain "yes" accepts; seeking are
	// questions for somebody to do a thing.
	asks    map[string]bool
	seeking []string
	// taking are phrases that take on what was said before, afterTaking the
	// words that may follow them.
	taking      []string
	afterTaking map[string]bool
	// obliging and yes begin a reply that accepts, no one that declines;
	// refusing declines anywhere, reserved leaves a yes in doubt.
	obliging, yes, no, refusing, reserved []string
	// talk are verbs of what is done in the meeting itself, toUs the objects
	// that make others so; softening stands before a verb.
	talk, toUs, softening map[string]bool
	// openly says anywhere that a question stays open; ignorance does so where
	// it is all of a reply.
	openly, ignorance []string
	// fallow are words that may follow ignorance.
	fallow map[string]bool
}

func newReplyWords() replyWords {
	return replyWords{
		asks: phraseSet(`can you|could you|would you|will you|please|you need to|i need you to|i'd like you to|i want you to`),
		seeking: phrases(`who will|who can|who could|who should|who would|who wants to|who's going to|who is going to|who'd like to|
			can someone|can somebody|can anyone|can anybody|could someone|could somebody|could anyone|could anybody|
			will someone|will somebody|would someone|would somebody|would anyone|would anybody`),
		taking: phrases(`i can do that|i can do it|i can do this|i could do that|i could do it|i'll do that|i'll do it|i'll do this|i will do that|
			i will do it|i'm going to do that|i'm going to do it|i'm gonna do that|i'm gonna do it|i can take that|i can take it|
			i can take this|i'll take that|i'll take it|i'll take this|i will take that|i will take it|i can handle that|
			i can handle it|i'll handle that|i'll handle it|i will handle that|i will handle it|i'll see to it|i'll see to that|
			i'll take care of that|i'll take care of it|i'll take care of this|i will take care of that|i will take care of it|
			i can take care of that|i can take care of it|i'm going to take care of that|i'm going to take care of it|
			i'll look after that|i'll look after it|leave it to me|leave that to me|leave it with me|leave that with me|let me do that|
			let me do it|let me take that|let me handle that|let me take care of that|i'm on it|i'll get on it|consider it done|
			i'll sort that out|i'll sort it out|i volunteer|i'll get that done|i'll get it done|count on me`),
		afterTaking: set(`one then too tomorrow today tonight by this next before after for and right on over myself now later
			first straight immediately monday tuesday wednesday thursday friday saturday sunday`),
		obliging: phrases(`will do|no problem|no worries|my pleasure|with pleasure|happy to|i'd be happy to|i'd love to|i'm happy to|
			gladly|of course|certainly|sure thing|not a problem|got it ,|got it .`),
		yes: phrases(`sure|yes|yeah|yep|yup|okay|ok|alright|all right|absolutely|definitely|fine|i can .|i will .|right , i'll|good , i'll`),
		no:  phrases(`no|nope|nah|sorry|i'm sorry|i'm afraid|unfortunately|not me|rather not|not really`),
		refusing: phrases(`i can't|i cannot|i can not|i won't|i will not|i couldn't|i don't have time|i have no time|i'm away|i'm on holiday|
			i'd rather not|i'm not able|i already|i've already|i have already|of course not|certainly not|absolutely not|definitely not|somebody else|someone else|i'm too busy|i'm afraid not|i don't want to|i don't think so`),
		reserved: phrases(`but|if|unless|because|don't|not|can't|cannot|maybe|perhaps|might|should i|whether|what|would have|could have`),
		talk: set(`hear see repeat say explain show speak remind clarify elaborate describe pass go come scroll zoom mute unmute wait
			hold hang imagine remember think guess believe understand read list turn talk introduce start begin stop comment
			answer respond expand outline indicate assure give know want like mean feel look listen stay sit stand
			close open press click move continue proceed keep excuse forgive thank note consider appreciate agree confirm
			elucidate summarise summarize mention present state identify comprehend tolerate use need get have take put seem
			vote second support reassure advise commit acknowledge accept admit recognise recognize recall follow join
			help let make try call bring work run play watch find speculate guarantee happen pay live win lose forget wonder
			point pick figure imagine provide draw reach love hate wish count add cover finish set leave change share`),
		toUs:      set(`me us you i we it's what why where whether`),
		softening: set(`just also then probably definitely go and to try please maybe be able certainly quickly perhaps possibly kindly therefore`),
		openly: phrases(`leave it open|leave that open|leave this open|leave that question open|leave the question open|to be decided|to be determined|
			to be confirmed|to be seen|tbd|tbc|come back to that|come back to this|come back to it|get back to that|get back to this|get back to you|
			need to find out|have to find out|needs to be decided|has to be decided|still open|not decided|haven't decided|
			have not decided|hasn't decided|not been decided|hasn't been decided|not yet decided|undecided|park that|park this|park it|not clear yet|
			not yet clear|still unclear|nobody knows|no one knows|know yet|know that yet|know this yet|sure yet|no decision yet|need to check|have to check|
			need to look into|have to look into|need to think about|have to think about|take that offline|take it offline|we'll have to see|
			don't know that|do not know that|ask around`),
		ignorance: phrases(`don't know|do not know|not sure|no idea|no clue|good question|who knows|hard to say|can't say|cannot say|interesting question`),
		fallow:    set(`yet either about exactly right at honestly really actually for now myself though sorry`),
	}
}

// phraseSet is the set of phrases cut at the bars.
func phraseSet(s string) map[string]bool {
	out := map[string]bool{}
	for _, p := range list(s) {
		out[p] = true
	}
	return out
}
