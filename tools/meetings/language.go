package meetings

import (
	"strings"
	"unicode"

	"github.com/sous-hq/sous/agent"
)

// enoughWords is how many words a language can be told from; mostWords how many
// are looked at.
const enoughWords, mostWords = 20, 20_000

// foreign returns a warning when the transcript does not seem to be English:
// the built-in summariser knows English only. It looks at the share of the
// commonest function words, which in English speech is near one half.
func foreign(cues []agent.Cue) string {
	var c census
	for _, cue := range cues {
		c.add(cue.Text)
		if c.words > mostWords {
			break
		}
	}
	if c.words < enoughWords {
		return ""
	}
	best := 0
	for i := range c.hits {
		if c.hits[i] > c.hits[best] {
			best = i
		}
	}
	const tail = "; the built-in summariser is made for English, so its minutes may be poor"
	switch {
	case c.latin*2 < c.words:
		return "the transcript is not in Latin script" + tail
	case best != 0 && c.hits[best]*100 > c.words*12 && c.hits[best]*2 > c.hits[0]*3:
		return "the transcript seems to be in " + languages()[best].name + tail
	case c.hits[0]*100 < c.words*8:
		return "the transcript does not seem to be in English" + tail
	}
	return ""
}

// census counts words, those in Latin script, and function words by language.
type census struct {
	words, latin int
	hits         [languageCount]int
}

func (c *census) add(text string) {
	known := languages()
	for w := range strings.FieldsFuncSeq(text, func(r rune) bool { return !unicode.IsLetter(r) && r != '\'' && r != '’' }) {
		c.words++
		if w[0] < 0x80 || w[0] >= 0xC3 && w[0] <= 0xC9 {
			c.latin++
		}
		w = strings.ToLower(w)
		for i, l := range known {
			if l.has(w) {
				c.hits[i]++
			}
		}
	}
}

type language struct{ name, words string }

func (l language) has(w string) bool {
	return len(w) <= 6 && strings.Contains(l.words, " "+w+" ")
}

const languageCount = 9

// languages lists English first.
func languages() [languageCount]language {
	return [...]language{
		{"English", " the of and to a in that it is you we was for on so they have but be with this not are i do what if can just like know at or as there yeah think would then i'll it's that's don't i'm we're you're we'll is our my he she "},
		{"German", " der die das und ist nicht ich wir sie es ein eine mit auf für den dem zu auch wie ja aber noch haben werden kann dass von im oder wenn "},
		{"French", " le la les de des et est un une que qui pas je nous vous il elle pour dans sur avec ce mais du au en on c'est plus ne "},
		{"Spanish", " el la los las de que y en un una es no por para con se lo como pero más está su del al yo nos muy "},
		{"Italian", " il lo la gli le di che e è un una non per con si come ma del della sono anche questo io noi più nel "},
		{"Portuguese", " o a os as de que e em um uma é não por para com se como mas do da no na eu nós mais isso "},
		{"Dutch", " de het een en van ik je dat is niet we zijn op met voor maar die er ook als aan wel nog dan "},
		{"Polish", " i w nie na się że to jest z do jak ale co o tak po czy już może "},
		{"Swedish", " och det att i en jag som är på för av inte vi med den så har men om till "},
	}
}
