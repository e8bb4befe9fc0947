package redact_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/sous-hq/sous/internal/redact"
)

// marked is a text whose findings stand in brackets as [KIND value].
func render(text string, found []redact.Finding) string {
	var b strings.Builder
	at := 0
	for _, f := range found {
		fmt.Fprintf(&b, "%s[%s %s]", text[at:f.Start], f.Kind, text[f.Start:f.End])
		at = f.End
	}
	return b.String() + text[at:]
}

func TestWhatIsFound(t *testing.T) {
	for _, want := range []string{
		"write to [EMAIL ann.lee+x@mail.example.co.uk], or not",
		"<[EMAIL bob@example.com]>; mailto:[EMAIL c_d@example.org]?subject=x",
		`{"to":"[EMAIL ann@example.com]","text":"a\n[EMAIL bob@example.com]\u003c[EMAIL eve@example.com]\u003e"}`,
		"[EMAIL jörg.müller@bücher.example] schrieb",
		"请联系[EMAIL li@example.cn]。谢谢",
		"card [CARD 4111 1111 1111 1111], [CARD 5500-0000-0000-0004] and [CARD 378282246310005]",
		"paid with [CARD 4111111111111111].",
		"my maestro card [CARD 630427373398]",
		"to [IBAN DE89 3704 0044 0532 0130 00], please; or [IBAN gb82west12345698765432]",
		"iban [IBAN NL91ABNA0417164300] and [IBAN MT84 MALT 0110 0001 2345 MTLC AST0 01S].",
		"SSN [SSN 123-45-6789], ssn: [SSN 123456789]",
		"her national insurance number is [NINO AB123456C]; mine [NINO AB 12 34 56 C]",
		"Steuer-ID [STEUER_ID 86095742719], IdNr. [STEUER_ID 86 095 742 719]",
		"NIR [NIR 255081416802538], BSN [BSN 111222333]",
		"from [IP 192.168.17.4]:8080 and http://[IP 81.2.69.142]/x, [IP 2001:db8::8a2e:370:7334] or [IP fe80::1ff:fe23:4567:890a]",
		"mac [MAC 00:1A:2b:3C:4d:5E]",
		"ring [PHONE +44 20 7946 0958] or [PHONE +1-202-555-0143x12], [PHONE +4915112345678]",
		"phone: [PHONE 467 3395], mobile [PHONE 0490 75 40 81], fax [PHONE 9498777106]",
		"[PHONE (415) 555-2671] is ours, so is [PHONE 415-555-2671]",
		"call me at [PHONE 0688 872 49 99] tomorrow",
		"Telefon [PHONE 030/1234567]",
		`{"phone_number": "[PHONE 467 3395]"}`,
	} {
		plain := want
		for _, k := range []string{"EMAIL", "CARD", "IBAN", "SSN", "NINO", "STEUER_ID", "NIR", "BSN", "IP", "MAC", "PHONE"} {
			plain = strings.ReplaceAll(plain, "["+k+" ", "[")
		}
		plain = strings.NewReplacer("[", "", "]", "").Replace(plain)
		if got := render(plain, redact.Scan(plain)); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
}

func TestWhatIsNone(t *testing.T) {
	for _, text := range []string{
		"fixed in 3f2a9c1d, see commit 08835c5b1a2f3e4d5c6b7a8998a7b6c5d4e3f201",
		"trace 550e8400-e29b-41d4-a716-446655440000 and sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
		"v1.22.2, go1.26.0, version 4.18.0.1, Chrome/119.0.0.0, driver-10.1.2.3.tgz, section 1.2.3.4",
		"2026-11-23T14:00:12.345678Z, 23.11.2026 14:00, 12:34:56, 1732370412345, 1732370412345678901",
		"SOUS-1234, ticket 4532015112830366, order 4916338506082832, PO-4485275742308327, #100234",
		"IMEI 352099001761481, ISBN 978-3-16-148410-0, EAN 4006381333931",
		"order 415-555-2671, invoice 2026-000123, part AB123456C, 123-45-67890",
		"call it a day at 10:30 on 2026-05-01; the API call took 1234567 ns and returned 200",
		"call 12.30-14.00; office 2019-2020; phones sold: 1.234.567; the phone costs 1 299 000 kr",
		"127.0.0.1, 0.0.0.0:8420, 255.255.255.0, ::1, [::]:80, std::vector<a::b>, 1.3.6.1.4.1.311",
		"npm i left-pad@1.3.0 @scope/pkg actions/checkout@v4 icon@2x.png git@github.com:sous-hq/sous.git image@sha256:abc",
		"GB29NWBK60161331926818, DE89370400440532013001", // check digits wrong
		"4111 1111 1111 1112 is no card",
		"the password is wrong, my password is not working, password: required, password = getPassword()",
		"password is case-sensitive; passwords must be changed; forgot password? Password: string; pass: 12",
		"token_count: 123456, tokens: 12345678 used, next_page_token: abc123def456ghi7, max_tokens=200000",
		"api_key: ${API_KEY}, secret: <your-secret-here>, token=$TOKEN, bot_token: env:SLACK_BOT_TOKEN",
		"the secret of good minutes is evidence; token bucket; credentials are stored in vault; secret: true",
		"https://example.com:8080/path@tag?x=1 and postgres://localhost/db, http://user@host/",
		"the UTC+02:00 offset, +1 to that, C++11, +12 % and 8+ years, a+12345678",
		"1 2 3 4 5 6 7 8 9 10, 100 200 300, 3... 2... 1... liftoff!, pi 3.14159265358979",
		"he earned $1,234,567.89 in 2025; 45.123456, 9.987654; rows 1000000-2000000",
		"sk-learn-style-names-are-not-keys, task-123456789012345678901234567890",
		"key: value, primary key: user_id, keyboard; monkey: 1234567890",
		"",
	} {
		if found := redact.Scan(text); len(found) > 0 {
			t.Errorf("found %s", render(text, found))
		}
	}
}

func TestFalseHitsOnGeneratedCleanTextsAreRare(t *testing.T) {
	r := newRandom(3)
	hex := "0123456789abcdef"
	hits, n := 0, 5000
	for range n {
		uuid := r.of(hex, 8) + "-" + r.of(hex, 4) + "-" + r.of(hex, 4) + "-" + r.of(hex, 4) + "-" + r.of(hex, 12)
		text := fmt.Sprintf(r.one("merged %s into main", "see commit %s for why", "digest sha256:%[2]s", "run %[3]s failed", "request id %[3]s: 502", "order %[4]s shipped",
			"ticket OPS-%[5]s is a duplicate of OPS-1", "tracking number %[4]s", "at 1732%[4]s ms", "version %[6]s is out", "built %[1]s at 2026-11-%[7]s 1%[8]s:0%[8]s", "row %[5]s of %[4]s",
			"the key commit was %[1]s", "batch %[5]s-%[5]s", "file_%[4]s.csv", "item no. %[5]s, qty 12"),
			r.of(hex, 40), r.of(hex, 64), uuid, r.of(decimals, 8+r.IntN(12)), r.of(decimals, 5),
			fmt.Sprintf("%d.%d.%d", r.IntN(30), r.IntN(30), r.IntN(90)), r.of("12", 2), r.of("0123456789", 1))
		if found := redact.Scan(text); len(found) > 0 {
			hits++
			t.Logf("%s", render(text, found))
		}
	}
	t.Logf("%d of %d", hits, n)
	if hits*100 >= n {
		t.Errorf("%d of %d clean texts have a hit, want less than 1 %%", hits, n)
	}
}

func TestSecretsWinAndSwallowWhatTheyTouch(t *testing.T) {
	text := "dsn postgres://app:s3cretpw@db.example.com:5432/x?password=more9x end"
	got := render(text, redact.Scan(text))
	if want := "dsn [DSN postgres://app:s3cretpw@db.example.com:5432/x?password=more9x] end"; got != want {
		t.Errorf("got %s", got)
	}
}

func TestLabelsNameWhatContentHolds(t *testing.T) {
	for text, want := range map[string][]string{
		"nothing":                        nil,
		"ann@example.com":                {"pii"},
		"card 4111111111111111":          {"financial", "pii"},
		"the password is hunter2x":       {"secret"},
		"ann@example.com pw=Xk29fqLw ok": {"pii", "secret"},
	} {
		if got := redact.Labels(redact.Scan(text)); !slices.Equal(got, want) {
			t.Errorf("%q: got %v, want %v", text, got, want)
		}
	}
}

func TestTheDirectoryKnowsExactNames(t *testing.T) {
	d := redact.Names("Ann Lee", "Will", "Seán O'Brien", "U02ABCDEF", "J. R. Hart", "Al")
	for text, want := range map[string]string{
		"Ann Lee's plan, ANN LEE, ann lee":       "[PERSON Ann Lee]'s plan, [PERSON ANN LEE], [PERSON ann lee]",
		"Will will do; Willow won't; Al may":     "[PERSON Will] will do; Willow won't; Al may",
		"ask Seán O'Brien or <@U02ABCDEF>":       "ask [PERSON Seán O'Brien] or <@[PERSON U02ABCDEF]>",
		"Ann, Lee and Leanne Leesom; Ann leaves": "Ann, Lee and Leanne Leesom; Ann leaves",
		"J. R. Hart and Ann Lee Will go":         "[PERSON J. R. Hart] and [PERSON Ann Lee] [PERSON Will] go",
		`{"text":"x\nAnn Lee"}`:                  `{"text":"x\n[PERSON Ann Lee]"}`,
	} {
		if got := render(text, d.Scan(text)); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
}

func FuzzScanGivesWholeOrderedFindings(f *testing.F) {
	for _, s := range []string{
		"ann@example.com", "4111 1111 1111 1111", "DE89370400440532013000", "+44 20 7946 0958", "postgres://a:b@c", "password is x9y8", "-----BEGIN PRIVATE KEY-----",
		"a@b.cé", "\\u0040a@b.com", "::ffff:1.2.3.4", "eyJhbGciOi.eyJzdWIi.x", "«EMAIL_1·abc»", "token:", "pw: \"", "x@tcp(", "\xff@\xc3.aa", "+1+2(3)4-5", "pin is 1",
	} {
		f.Add(s)
	}
	d := redact.Names("Ann Lee", "Seán O'Brien")
	f.Fuzz(func(t *testing.T, text string) {
		at := 0
		for _, found := range d.Scan(text) {
			if found.Start < at || found.End <= found.Start || found.End > len(text) {
				t.Fatalf("%v after %d in %q", found, at, text)
			}
			at = found.End
			if utf8.ValidString(text) && !utf8.ValidString(text[found.Start:found.End]) {
				t.Fatalf("%v cuts a character of %q", found, text)
			}
		}
	})
}

// TestScanTakesLinearTime gives texts that make careless recognisers look again and again at the same place.
func TestScanTakesLinearTime(t *testing.T) {
	d := redact.Names("a a a a a a a b", "a b")
	for _, unit := range []string{
		"a", "@", "a@", "a.", "1", "1 ", "1-", "11 ", "4111 ", "+1 ", ":", "f:", "::", "://", "a:b@", "://a:", "eyJ", "eyJa.", "-", "-----BEGIN PRIVATE KEY-----",
		"-----BEGIN ", "password ", "password is ", "password for ", "password:", "token ", "token=\"", "secret a1B2", "DE89 ", "gb82", "a ", "«", "«EMAIL_", "@tcp(", "x@tcp(y",
		"phone 1", "call 12 ", "\\u0031", "é", "1.1.1.1", "sk-", "pw: '", "&a=", ";a=", "(",
	} {
		var small, large time.Duration
		linear := false
		for try := 0; try < 6 && !linear; try++ { // the machine may be busy with something else
			small, large = cost(d, unit, 4<<10), cost(d, unit, 32<<10)
			linear = large <= 24*small+50*time.Millisecond // 8 times the length
		}
		if !linear {
			t.Errorf("%q: 4 KB took %v, 32 KB %v", unit, small, large)
		}
	}
}

func cost(d *redact.Directory, unit string, n int) time.Duration {
	text := strings.Repeat(unit, n/len(unit))
	best := time.Hour
	for range 3 {
		start := time.Now()
		d.Scan(text)
		best = min(best, time.Since(start))
	}
	return best
}

func BenchmarkScan(b *testing.B) {
	text := strings.Repeat("On Monday 2026-11-23 Ann said that ticket OPS-1234 (commit 08835c5b1a2f) is done; write to ann@example.com or call +44 20 7946 0958. ", 16)
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for b.Loop() {
		redact.Scan(text)
	}
}
