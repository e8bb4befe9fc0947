package plaintext_test

import (
	"errors"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/sous-hq/sous/internal/plaintext"
)

func TestTextIsReadInTheEncodingItIsIn(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		in, want string
		guessed  bool
	}{
		"UTF-8":                         {in: "Café\r\nZürich\r!", want: "Café\nZürich\n!"},
		"UTF-8 with a mark":             {in: "\uFEFFhello", want: "hello"},
		"UTF-16, little end":            {in: "\xFF\xFEh\x00i\x00", want: "hi"},
		"UTF-16, big end":               {in: "\xFE\xFF\x00h\x00i", want: "hi"},
		"UTF-16 without a mark":         {in: "h\x00e\x00l\x00l\x00o\x00 \x00y\x00o\x00u\x00", want: "hello you"},
		"Windows-1252":                  {in: "Caf\xe9 costs 5 \x80", want: "Café costs 5 €", guessed: true},
		"UTF-8 with a stray byte in it": {in: "Zürich " + strings.Repeat("and on ", 40) + "\xff.", want: "Zürich " + strings.Repeat("and on ", 40) + "\uFFFD."},
		"nothing":                       {},
	} {
		got, guessed, err := plaintext.Decode([]byte(c.in))
		if err != nil || got != c.want || guessed != c.guessed {
			t.Errorf("%s: %q, guessed %v, %v; want %q, %v", name, got, guessed, err, c.want, c.guessed)
		}
	}
}

func TestWhatIsNoTextIsSaidToBeNone(t *testing.T) {
	t.Parallel()
	for _, in := range []string{"a\x00b", "\x01\x02\x03\xff\xfa\x04", "\x7fELF\x00\x00"} {
		if _, _, err := plaintext.Decode([]byte(in)); !errors.Is(err, plaintext.ErrBinary) {
			t.Errorf("%q: %v; want ErrBinary", in, err)
		}
	}
	if k := plaintext.KindOf([]byte("%PDF-1.7")); !k.PDF || k.Name == "" {
		t.Errorf("a PDF is %+v", k)
	}
	if k := plaintext.KindOf([]byte("hello")); k != (plaintext.Kind{}) {
		t.Errorf("text is %+v", k)
	}
}

func FuzzDecodeGivesValidTextOrNone(f *testing.F) {
	for _, s := range []string{"a\r\nb", "\xff\xfea\x00", "caf\xe9", "\x00"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, content []byte) {
		text, _, err := plaintext.Decode(content)
		if err == nil && (!utf8.ValidString(text) || strings.Contains(text, "\r")) {
			t.Errorf("%q became %q", content, text)
		}
	})
}

func TestATerminalIsGivenNothingItWouldObey(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"Café\t1\r\nnext\n":           "Café\t1\nnext\n",
		"\x1b]0;title\x07\x1b[2Jtext": "\uFFFD]0;title\uFFFD\uFFFD[2Jtext",
		"pay 1\rpay 9\b\x7f":          "pay 1\uFFFDpay 9\uFFFD\uFFFD",
		"\u009b31mred\u0085":          "\uFFFD31mred\uFFFD",
		"a\u202egpj.exe\u2066b\u2069": "agpj.exeb",
		"\xff":                        "\uFFFD",
		"שלום 👩\u200d🍳":               "שלום 👩\u200d🍳",
	} {
		if got := plaintext.Shown(in); got != want {
			t.Errorf("%q is shown as %q; want %q", in, got, want)
		}
	}
	if got := plaintext.Name("a\nb\rc\td\x00.md"); got != "a\uFFFDb\uFFFDc\uFFFDd\uFFFD.md" {
		t.Errorf("a name is %q", got)
	}
}
