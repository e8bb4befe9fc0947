package redact_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/sous-hq/sous/internal/redact"
)

// text makes a text with personal data of random kinds in it, and no secrets.
func (r random) text() string {
	var b strings.Builder
	for range 1 + r.IntN(6) {
		switch r.IntN(9) {
		case 0, 1:
			fmt.Fprintf(&b, "mail %s.%s@example.%s ", r.of(lowers, 4), r.of(lowers, 5), r.one("com", "org", "de"))
		case 2:
			fmt.Fprintf(&b, "call +%d %s %s, ", 30+r.IntN(60), r.of("123456789", 3), r.of(decimals, 7))
		case 3:
			fmt.Fprintf(&b, "phone: %s ", r.of("23456789", 9))
		case 4:
			fmt.Fprintf(&b, "from 81.%d.%d.%d\n", r.IntN(256), r.IntN(256), 1+r.IntN(254))
		case 5:
			b.WriteString("SSN " + r.of("12345", 3) + "-" + r.of("123456789", 2) + "-" + r.of("123456789", 4) + "; ")
		case 6:
			b.WriteString(r.one("«quoted» ", "«EMAIL_1» ", "«EMAIL_1·abcdef» ", "« ", "«» ", "«PHONE_", "·»", "«TEXT_1·aaaaaa»") + r.of(lowers+" «·»_", 5))
		case 7:
			b.WriteString(r.one("Ann Lee ", "Zoë Øst, ", "nothing to see ", "4111111111111111 ", "DE89370400440532013000 "))
		default:
			b.WriteString(r.of(lowers+uppers+decimals+" \n.,;é", 20))
		}
	}
	return b.String()
}

func TestTenThousandRoundTripsAreExact(t *testing.T) {
	const trips = 10_000
	names := redact.Names("Ann Lee", "Zoë Øst")
	r := newRandom(29)
	exact, masked := 0, 0
	var v *redact.Vault
	for i := range trips {
		if i%20 == 0 { // a turn has some texts
			v = redact.NewVault(names)
		}
		text := r.text()
		hidden := v.Mask(text)
		for _, f := range names.Scan(hidden) {
			if left := hidden[f.Start:f.End]; slices.ContainsFunc(names.Scan(text), func(g redact.Finding) bool { return text[g.Start:g.End] == left }) {
				t.Fatalf("trip %d: %s %q is left in %q", i, f.Kind, left, hidden)
			}
		}
		if hidden != text {
			masked++
		}
		back, err := v.Restore(hidden, nil)
		if back != text || err != nil {
			t.Fatalf("trip %d: %q came back as %q (%v) by way of %q", i, text, back, err, hidden)
		}
		exact++
	}
	t.Logf("%d of %d exact, %d of them masked something", exact, trips, masked)
	if masked < trips/2 {
		t.Errorf("only %d trips masked anything", masked)
	}
}

var placeholder = regexp.MustCompile(`«[A-Z_]+_\d+·[a-z0-9]{6}»`)

func TestSameValueSamePlaceholder(t *testing.T) {
	v := redact.NewVault(nil)
	got := v.Mask("ann@example.com, bob@example.com and ann@example.com")
	all := placeholder.FindAllString(got, -1)
	if len(all) != 3 || all[0] != all[2] || all[0] == all[1] {
		t.Errorf("got %s", got)
	}
	if redact.NewVault(nil).Mask("ann@example.com") == all[0] {
		t.Error("another vault gave the same placeholder")
	}
}

func TestAnInventedPlaceholderIsAnError(t *testing.T) {
	v := redact.NewVault(nil)
	given := v.Mask("ann@example.com")
	other := redact.NewVault(nil).Mask("ann@example.com")
	for _, text := range []string{
		"«EMAIL_2·abcdef»", "«EMAIL_1»", other, "to " + given + " and «PHONE_1·aaaaaa».", strings.Replace(given, "EMAIL_1", "EMAIL_2", 1),
		strings.Replace(given, "EMAIL", "PHONE", 1),
	} {
		if _, err := v.Restore(text, nil); !errors.Is(err, redact.ErrInvented) {
			t.Errorf("%q: err is %v", text, err)
		}
		args, _ := json.Marshal(map[string]string{"to": text})
		if _, err := v.RestoreJSON(string(args), nil); !errors.Is(err, redact.ErrInvented) {
			t.Errorf("%s: err is %v", args, err)
		}
	}
	bare := strings.Trim(given, "«»")
	if _, err := v.RestoreJSON(`{"to":"`+bare+`"}`, nil); !errors.Is(err, redact.ErrInvented) {
		t.Errorf("a placeholder without its brackets: err is %v", err)
	}
	if _, err := v.RestoreJSON(`{"to":"\u00abEMAIL_7\u00b7abcdef\u00bb"}`, nil); !errors.Is(err, redact.ErrInvented) {
		t.Errorf("an escaped placeholder: err is %v", err)
	}
	for _, text := range []string{given, "« » «» «hello» «A_b» a·b EMAIL_1", "x «EMAIL_"} {
		if _, err := v.Restore(text, nil); err != nil {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func TestASecretNeverComesBack(t *testing.T) {
	v := redact.NewVault(nil)
	const secret = "Xk29fqLw71"
	masked := v.Mask("the password is " + secret)
	if strings.Contains(masked, secret) || !strings.Contains(masked, "«SECRET_1·") {
		t.Fatalf("masked: %s", masked)
	}
	back, err := v.Restore(masked, nil)
	if back != masked || err != nil {
		t.Errorf("restored: %s, %v", back, err)
	}
	if again := v.Mask("and " + secret + " works, the password is " + secret); strings.Contains(again, secret) || strings.Count(again, placeholder.FindString(masked)) != 2 {
		t.Errorf("masked again: %s", again)
	}
	if again := v.Mask(masked); again != masked {
		t.Errorf("the stand-in of a secret changed: %s", again)
	}
	b, _ := json.Marshal(v)
	if strings.Contains(string(b), secret) {
		t.Errorf("the stored vault holds the secret: %s", b)
	}
}

func TestNothingIsRestoredIntoAURL(t *testing.T) {
	v := redact.NewVault(nil)
	p := v.Mask("ann@example.com")
	for _, text := range []string{
		"https://evil.example/?q=" + p, "see <http://x.example/" + p + "/a>", "[a](https://x.example/a?b=" + p + ")", "www.evil.example/" + p, "//evil.example/" + p,
		"evil.example/?q=" + p, "ftp://" + p, "https://evil.example/" + strings.Repeat("a", 2000) + p, p + ".evil.example",
	} {
		if got, err := v.Restore(text, nil); got != text || err != nil {
			t.Errorf("%q became %q (%v)", text, got, err)
		}
		args, _ := json.Marshal(map[string]any{"text": text})
		if got, _ := v.RestoreJSON(string(args), nil); strings.Contains(got, "ann@") {
			t.Errorf("%s became %s", args, got)
		}
	}
	if got, _ := v.RestoreJSON(`{"target_url":"https://evil.example/?q= `+p+`","to":"`+p+`"}`, nil); strings.Count(got, "ann@example.com") != 1 {
		t.Errorf("an argument named url was restored: %s", got)
	}
	for _, text := range []string{"mail " + p + ".", "see https://ok.example and\n" + p, "and/or " + p, "mailto:" + p, p + ", " + p} {
		if got, _ := v.Restore(text, nil); strings.Contains(got, "«") {
			t.Errorf("%q was not restored: %q", text, got)
		}
	}
}

func TestOnlyWhatIsAllowedIsRestored(t *testing.T) {
	v := redact.NewVault(nil)
	masked := v.Mask("ann@example.com, phone +44 20 7946 0958")
	got, err := v.Restore(masked, func(k redact.Kind, value string) bool {
		return k == redact.Email && value == "ann@example.com"
	})
	if err != nil || !strings.HasPrefix(got, "ann@example.com, phone «PHONE_1·") {
		t.Errorf("got %q, %v", got, err)
	}
}

func TestAValueIsKnownWithoutTheWordsThatGaveItAway(t *testing.T) {
	v := redact.NewVault(nil)
	v.Learn("her mobile is 467 33955")
	if got := v.Mask("467 33955 rang twice, 1467 339551 did not"); !strings.HasPrefix(got, "«PHONE_1·") || !strings.HasSuffix(got, "1467 339551 did not") {
		t.Errorf("got %s", got)
	}
}

func TestAVaultGoesOnInAnotherProcess(t *testing.T) {
	v := redact.NewVault(nil)
	first := v.Mask("ann@example.com, phone: 467 33955, the password is Xk29fqLw71")
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	var w redact.Vault
	if err := json.Unmarshal(b, &w); err != nil {
		t.Fatal(err)
	}
	if again := w.Mask("ann@example.com, phone: 467 33955, the password is Xk29fqLw71"); again != first {
		t.Errorf("got  %s\nwant %s", again, first)
	}
	if back, err := w.Restore(first, nil); err != nil || !strings.HasPrefix(back, "ann@example.com, phone: 467 33955, the password is «SECRET") {
		t.Errorf("restored %q, %v", back, err)
	}
	if next := w.With(redact.Names("Zoë Øst")).Mask("bob@example.com, Zoë Øst"); !strings.HasPrefix(next, "«EMAIL_2·") || !strings.Contains(next, "«PERSON_1·") {
		t.Errorf("the next one is %s", next)
	}
	for _, bad := range []string{"{}", `{"key":"AAAA"}`, `[]`, strings.Replace(string(b), "EMAIL_1", "EMAIL_9", 1), strings.Replace(string(b), "«", "", 1)} {
		if json.Unmarshal([]byte(bad), new(redact.Vault)) == nil {
			t.Errorf("read %s", bad)
		}
	}
}

func TestJSONStaysJSON(t *testing.T) {
	v := redact.NewVault(nil)
	doc := `{ "phone" : 4673395501, "n": 1.50, "who":["ann@example.com",null,true], "card": "4111 1111 1111 1111", "password":"swordfish",` +
		` "text":"line\nann@example.com \u003cb\u003e \"x\"", "bob@example.com": {"id":"SOUS-1", "n": 12} }`
	masked := v.MaskJSON(doc)
	if !json.Valid([]byte(masked)) {
		t.Fatalf("no JSON any more: %s", masked)
	}
	for _, gone := range []string{"4673395501", "ann@", "bob@", "4111", "swordfish"} {
		if strings.Contains(masked, gone) {
			t.Errorf("%s is left in %s", gone, masked)
		}
	}
	for _, kept := range []string{`"n": 1.50`, `{ "phone" : "«PHONE_1·`, `null,true]`, `{"id":"SOUS-1", "n": 12} }`} {
		if !strings.Contains(masked, kept) {
			t.Errorf("%s is missing in %s", kept, masked)
		}
	}
	back, err := v.RestoreJSON(masked, nil)
	if err != nil {
		t.Fatal(err)
	}
	var got struct {
		Who  []any
		Text string
		Card string
	}
	if err := json.Unmarshal([]byte(back), &got); err != nil || got.Text != "line\nann@example.com <b> \"x\"" || got.Who[0] != "ann@example.com" || got.Card != "4111 1111 1111 1111" {
		t.Errorf("%s: %+v, %v", back, got, err)
	}
}

func TestAVaultIsUsedByManyAtOnce(t *testing.T) {
	v := redact.NewVault(nil)
	done := make(chan string)
	for i := range 8 {
		go func() {
			text := fmt.Sprintf("a%d@example.com b@example.com", i%2)
			back, _ := v.Restore(v.Mask(text), nil)
			done <- strings.TrimPrefix(back, text)
		}()
	}
	for range 8 {
		if left := <-done; left != "" {
			t.Errorf("got %q", left)
		}
	}
	if v.Len() != 3 {
		t.Errorf("%d placeholders, want 3", v.Len())
	}
}

func TestPiecesRestoreLikeTheWhole(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		v := redact.NewVault(nil)
		p := v.Mask("ann@example.com")
		parts := rapid.SliceOfN(rapid.SampledFrom([]string{
			p, "«", "·", "»", "\xc2", "EMAIL_1", " ", ".", "x", "https://e.example/", "«EMAIL_1·abcdef»", "é", "\n", "/", "www.", "\"", p[:7], p[len(p)-5:],
		}), 0, 12).Draw(t, "parts")
		text := strings.Join(parts, "")
		want, wantErr := v.Restore(text, nil)
		r := v.Restorer(nil)
		var got strings.Builder
		for i := 0; i < len(text); {
			n := min(rapid.IntRange(1, 9).Draw(t, "cut"), len(text)-i)
			got.WriteString(r.Write(text[i : i+n]))
			i += n
		}
		got.WriteString(r.Flush())
		if got.String() != want || (r.Err() == nil) != (wantErr == nil) {
			t.Fatalf("in pieces %q (%v), whole %q (%v)", got.String(), r.Err(), want, wantErr)
		}
	})
}

func TestWhateverIsMaskedComesBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		v := redact.NewVault(redact.Names("Ann Lee"))
		text := strings.Join(rapid.SliceOf(rapid.OneOf(rapid.String(), rapid.SampledFrom([]string{
			"ann@example.com", "Ann Lee", " ", "«EMAIL_1·abcdef»", "+44 20 7946 0958", "81.2.69.142", "phone: 5551234", "\\n", "«", "»", "DE89370400440532013000",
		}))).Draw(t, "parts"), "")
		for _, f := range redact.Scan(text) {
			if f.Kind.Secret() {
				t.Skip("secrets do not come back")
			}
		}
		masked := v.Mask(text)
		if strings.Contains(text, "://") || strings.ContainsAny(text, "/?") || strings.Contains(strings.ToLower(text), "www.") || strings.Contains(masked, "».") {
			t.Skip("it may hold a URL")
		}
		if back, err := v.Restore(masked, nil); back != text || err != nil {
			t.Fatalf("%q came back as %q (%v) by way of %q", text, back, err, masked)
		}
	})
}
