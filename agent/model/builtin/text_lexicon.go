package builtin

import "strings"

// class is a set of what is known about a word. A word of class 0 carries
// meaning.
type class uint16

const (
	isMark class = 1 << iota
	// isFiller is a noise: "um".
	isFiller
	// isOpener only begins a sentence: "well".
	isOpener
	// isFunction is a function word.
	isFunction
	// isCommon is a word of any conversation, too general to be a topic.
	isCommon
	// beforeNoun stands before nouns: "the", "of".
	beforeNoun
	// beforeVerb stands before verbs: "to", "we", "can".
	beforeVerb
)

// lexicon is the little English the built-in model knows.
type lexicon struct {
	classes map[string]class
	idle    [][]string
	items   itemWords
}

func newLexicon() *lexicon {
	l := &lexicon{classes: make(map[string]class, 1200), items: newItemWords()}
	l.add(isFiller, `um uh uhm umm uhh er erm eh ah ahh hm hmm mm mmm mm-hmm mm-hm mmhmm uh-huh uh-hum huh oh ooh aw ugh
		whoa wow phew yep yup nah hah haha 'kay kay duh gosh`)
	l.add(isOpener|isFunction, `well so okay ok yeah yes right and but anyway basically actually now then alright sure no also
		'cause cause because or plus exactly obviously hopefully honestly um like again`)
	l.add(isFunction|beforeNoun, `the a an this these those our your my their its his her some any each every no of in on for
		with about from into between by at as per than under over without within across through during against`)
	l.add(isFunction|beforeVerb, `to i you we they he she who will would can could should might must may do does did don't
		doesn't didn't won't wouldn't can't couldn't shouldn't i'll you'll we'll they'll he'll she'll it'll gonna wanna
		let's please i'd you'd we'd they'd not never just`)
	l.add(isFunction, `it that is are was were be been being am 's 're 'm it's that's what's there's here's i'm you're we're
		they're he's she's who's i've you've we've they've isn't aren't wasn't weren't hasn't haven't hadn't ain't
		have has had having and or but nor if because although though while whereas unless until since when where why
		how what which whose whom whether there here then thus therefore however too very quite rather pretty really
		also only even still yet already almost always often sometimes usually maybe perhaps probably possibly
		certainly definitely simply mostly mainly especially particularly so such both either neither all most more
		less least few many much several other others another same own me him them us mine yours ours theirs myself
		yourself himself herself itself ourselves yourselves themselves up down out off away back again once twice
		ever just etc yes no ok okay yeah before after above below near around along toward towards upon else
		one's anything something nothing everything anyone someone everyone anybody somebody nobody everybody
		somewhere anywhere wherever whatever whoever whichever o'clock per via vs versus`)
	l.add(isCommon, `thing things stuff way ways kind kinds sort sorts bit lot lots bunch couple one ones two three four five six
		seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen twenty thirty
		forty fifty sixty seventy eighty ninety zero dozen per-cent percent first second third last next time times day days week weeks month months year years today
		tomorrow yesterday morning afternoon evening minute minutes hour hours moment while now later soon early
		people person guy guys folks man everybody name names part parts point points example examples case cases
		fact reason reasons question questions answer answers problem problems issue issues idea ideas thought
		thoughts side end start beginning middle top bottom place places hand hands number numbers word words
		know knows knew known knowing think thinks thinking thought guess guessing mean means meant meaning
		say says said saying tell tells told telling talk talks talked talking speak speaking ask asks asked asking
		get gets got getting gotten go goes went gone going come comes came coming take takes took taken taking
		put puts putting make makes made making give gives gave given giving keep keeps kept keeping let lets
		want wants wanted wanting need needs needed needing like likes liked look looks looked looking see sees saw
		seen seeing seem seems seemed feel feels felt feeling find finds found finding use uses used using try tries
		tried trying work works worked working call calls called calling happen happens happened happening turn turns
		turned turning move moves moved moving show shows showed shown showing bring brings brought bringing
		leave leaves left leaving run runs ran running stay sit stand hold set sets setting start starts started
		starting stop stops stopped stopping begin begins began end ends ended finish finished finishing
		remember remembers forget forgot believe hope hopes hoping wish suppose supposed assume wonder wondering
		sound sounds sounded matter matters agree agrees agreed disagree understand understood depend depends
		change changes changed changing add adds added adding cut check help helps helped helping
		good better best great nice fine bad worse worst cool okay perfect sure true false wrong right real big
		bigger biggest small smaller little large larger long longer short high higher low lower new old hard harder
		easy easier easily different similar main whole full certain possible able available clear obvious important
		interesting interested sorry happy glad fun funny weird crazy nice lovely fair enough
		thank thanks please welcome hello hi hey bye goodbye cheers congratulations excuse pardon
		actually basically literally honestly obviously exactly absolutely totally completely generally apparently
		essentially technically hopefully unfortunately fortunately otherwise instead anyway anyways somehow
		together apart alone forward ahead straight together quick quickly slow slowly suddenly
		wanna gonna gotta kinda sorta dunno y'all ya yknow laugh laughter noise hundred thousand million half
		okey-doke slide slides mister mr mrs ms meeting meetings minute discuss discussed discussion mention mentioned
		decide decided decision figure figured might must shall ought cannot can't doing done did does do being
		be's that'd that'll there'd who'd what'd you'd depending according regarding concerning involve involved
		include including included consider considered considering basically whatever quite anymore though yep nope
		course documents stuff's thing's people's lots difference differences possibility far away close open back far every level
		read reading write writing written hear hears heard hearing listen listening watch watching play playing
		pay paying buy wait waiting care worry miss live lose win follow followed following lead provide provided
		allow allowed happen deal dealt handle sense amount rest side sides kind's okay's hon minister honourable speaker
		member members committee sir madam gentleman colleague colleagues question's rid won worth aware bet kay
		i'd'a something's everything's ready explain explained describe suggest suggested propose proposed present presented
		lot's probably maybe definitely slightly largely nearly roughly about approximately recently currently previously
		initially finally eventually particular specific general common usual normal basic overall total actual`)
	for _, p := range [...]string{
		"you know what i mean", "you know", "i mean", "sort of", "kind of", "as i said", "as i say", "you see",
		"if you like", "so to speak", "or whatever", "or something like that", "or something", "and stuff like that",
		"and stuff", "and so on", "and so forth", "or what not", "and what not", "i don't know", "to be honest", "at the end of the day",
		"or so", "like", "of course", "let's say",
	} {
		l.idle = append(l.idle, strings.Fields(p))
	}
	return l
}

func (l *lexicon) add(c class, words string) {
	for w := range strings.FieldsSeq(words) {
		l.classes[w] |= c
	}
}
