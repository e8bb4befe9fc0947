package memory

import (
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestTermsAreTheWordsAPassageIsFoundBy(t *testing.T) {
	t.Parallel()
	for text, want := range map[string][]string{
		"We decided to deploy the gateways":  {"decid", "deploy", "gateway"},
		"Anna's dog didn't like it’s collar": {"anna", "dog", "like", "collar"},
		"Café ZÜRICH naïve":                  {"cafe", "zurich", "naiv"},
		"She went and bought children":       {"go", "buy", "child"},
		"a wentworth, his bough":             {"wentworth", "bough"},
		"会議の決定":                              {"会議", "議の", "の決", "決定"},
		"SOUS-1234 costs 9.50":               {"sous", "1234", "cost", "9", "50"},
		"  ?! the of and ":                   {},
		"\xff\xfe broken \x00 text":          {"break", "text"},
		strings.Repeat("x", 100):             {strings.Repeat("x", 64)},
	} {
		if got := Terms(text); !slices.Equal(got, want) {
			t.Errorf("Terms(%q) = %q; want %q", text, got, want)
		}
	}
}

func FuzzTermsAreWholeWordsOfAnyText(f *testing.F) {
	f.Add("It’s Zoë's “naïve” plan\x00 会議 \xff")
	f.Fuzz(func(t *testing.T, text string) {
		for _, w := range Words(text) {
			if w == "" || len(w) > maxWordBytes || !utf8.ValidString(w) || strings.ContainsAny(w, " \"'\t\n\x00*:()") {
				t.Fatalf("%q is no word (of %q)", w, text)
			}
		}
		for _, w := range Terms(text) {
			if w == "" || strings.ContainsAny(w, " \"") {
				t.Fatalf("%q is no term (of %q)", w, text)
			}
		}
	})
}

func FuzzSplitKeepsEveryWordInBoundedPassages(f *testing.F) {
	f.Add("One.\n\nTwo and three.\r\n\r\n" + strings.Repeat("word ", 400))
	f.Add(strings.Repeat("界", 900) + "\xff")
	f.Fuzz(func(t *testing.T, text string) {
		var all strings.Builder
		for n, c := range Split(text) {
			if c.N != n || c.Text == "" || len(c.Text) > maxSplit+1 || !utf8.ValidString(c.Text) {
				t.Fatalf("chunk %d is %q", n, c.Text)
			}
			all.WriteString(c.Text)
		}
		bare := func(s string) string {
			return strings.Join(strings.Fields(strings.ToValidUTF8(s, "\uFFFD")), "")
		}
		if bare(all.String()) != bare(text) {
			t.Fatalf("%q became %q", bare(text), bare(all.String()))
		}
	})
}
