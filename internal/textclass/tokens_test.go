package textclass

import (
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"
)

func folded(text string) []string {
	var t tokens
	t.split(text)
	var words []string
	for _, w := range t.words {
		words = append(words, string(t.runes[w.start:w.end]))
	}
	return words
}

func TestWordsAreFolded(t *testing.T) {
	for text, want := range map[string]string{
		"What's up, Doc?":        "whats up doc",
		"don’t":                  "dont",
		"CAFÉ naïve Ångström":    "cafe naive angstrom",
		"ticket-42 v2.10":        "ticket 00 v0 00",
		"हिन्दी में":             "हिन्दी में",
		"٣ ３":                    "0 0",
		"":                       "",
		"--- ... 🙂":              "",
		"a\u00a0b\tc\nd":         "a b c d",
		"\xffbad\xfeutf8":        "bad utf0",
		"snake_case/path#anchor": "snake case path anchor",
	} {
		if got := strings.Join(folded(text), " "); got != strings.Join(folded(want), " ") || got == "" && want != "" {
			t.Errorf("%q becomes %q; want %q", text, got, want)
		}
	}
}

func TestShownWordsStandInTheMessage(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringOf(rapid.RuneFrom([]rune("aZé0'’ .-ß漢ि\u0301"))).Draw(t, "text")
		var k tokens
		k.split(text)
		for i := range k.words {
			if s := k.shown(i); s == "" || strings.ContainsAny(s, " .-") {
				t.Fatalf("word %d of %q is shown as %q", i, text, s)
			}
		}
	})
}

func TestOnlyAsManyWordsAsAllowedAreRead(t *testing.T) {
	if n := len(folded(strings.Repeat("word ", 3*maxWords))); n != maxWords {
		t.Errorf("%d words; want %d", n, maxWords)
	}
}

func TestFeaturesOfKnownTextHaveLengthOne(t *testing.T) {
	texts := []string{"a b a b a", "refund the invoice", "x", "the the the"}
	v := newVocabulary(texts, 1)
	var x extractor
	for _, text := range slices.Concat(texts, texts) {
		x.extract(v, text)
		var sum float32
		for _, f := range x.vals {
			sum += f * f
		}
		if sum < 0.999 || sum > 1.001 {
			t.Errorf("%q has length %v", text, sum)
		}
		if slices.Sort(x.ids); len(slices.Compact(slices.Clone(x.ids))) != len(x.ids) {
			t.Errorf("%q has a feature twice: %v", text, x.ids)
		}
	}
}

func TestRareFeaturesAreLeftOut(t *testing.T) {
	v := newVocabulary([]string{"same words", "same words", "other", "twice twice"}, 2)
	var x extractor
	x.extract(v, "other twice")
	if x.known[wordGroup] != 0 {
		t.Errorf("a word of one message alone is known: %v", x.known)
	}
	x.extract(v, "same")
	if x.known[wordGroup] == 0 {
		t.Error("a word of two messages is not known")
	}
}

func FuzzSplit(f *testing.F) {
	for _, s := range []string{"", "What's up?", "café\u0301", "\xff\xfe", "漢字かな", "a\u0300\u0301b", strings.Repeat("x ", 300)} {
		f.Add(s)
	}
	v := newVocabulary([]string{"what is up", "漢字"}, 1)
	f.Fuzz(func(t *testing.T, text string) {
		var x extractor
		x.extract(v, text)
		at := 0
		for i, w := range x.tokens.words {
			if w.from < at || w.to <= w.from || w.to > len(x.source) {
				t.Fatalf("word %d of %q stands at %d to %d, after %d", i, text, w.from, w.to, at)
			}
			if w.end <= w.start || x.runes[w.start-1] != boundary || x.runes[w.end] != boundary {
				t.Fatalf("word %d of %q is badly marked: %q", i, text, string(x.runes))
			}
			at = w.to
		}
		if !slices.Equal(folded(text), folded(strings.Join(folded(text), " "))) && utf8.ValidString(text) {
			t.Fatalf("%q changes when folded again: %q", text, folded(text))
		}
	})
}
