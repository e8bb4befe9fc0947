package web

import (
	"encoding/json"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/agent/approval"
)

func TestAnswersOfOutsidersHaveNoLinksAndNoAnswerHasImagesOrHTML(t *testing.T) {
	for _, tc := range []struct{ name, text, outside, inside string }{
		{
			"a link", "[go](https://a.example/x?y=1)",
			`<p>go <span class="address">(https://a.example/x?y=1)</span></p>`,
			`<p><a href="https://a.example/x?y=1" target="_blank" rel="noopener noreferrer nofollow">go</a></p>`,
		},
		{
			"an address", "<https://a.example>", `<p>https://a.example</p>`,
			`<p><a href="https://a.example" target="_blank" rel="noopener noreferrer nofollow">https://a.example</a></p>`,
		},
		{"a script address", "[go](javascript:alert(1))", `<p>go <span class="address">(javascript:alert(1))</span></p>`, `<p>go <span class="address">(javascript:alert(1))</span></p>`},
		{"an address without scheme", "[go](//a.example)", `<p>go <span class="address">(//a.example)</span></p>`, `<p>go <span class="address">(//a.example)</span></p>`},
		{"an image", "![a *b*](https://a.example/p.png)", `<p>[image: a <em>b</em>]</p>`, `<p>[image: a <em>b</em>]</p>`},
		{"HTML in a line", "a <b onclick=x>c</b>", `<p>a &lt;b onclick=x&gt;c&lt;/b&gt;</p>`, `<p>a &lt;b onclick=x&gt;c&lt;/b&gt;</p>`},
		{"HTML in a block", "<script>\nx\n</script>", "<p>&lt;script&gt;\nx\n&lt;/script&gt;</p>", "<p>&lt;script&gt;\nx\n&lt;/script&gt;</p>"},
		{"a reference", "[go][1]\n\n[1]: https://a.example \"t\"", `<p>go <span class="address">(https://a.example)</span></p>`, `<p><a href="https://a.example" target="_blank" rel="noopener noreferrer nofollow">go</a></p>`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if got := strings.TrimSpace(string((&Server{}).markdown(tc.text, agent.External))); got != tc.outside {
				t.Errorf("of outsiders: %s", got)
			}
			if got := strings.TrimSpace(string((&Server{}).markdown(tc.text, agent.Organisation))); got != tc.inside {
				t.Errorf("of members: %s", got)
			}
		})
	}
}

// live is what could load, run or lead somewhere.
var live = regexp.MustCompile(`(?i)<(a|img|script|iframe|object|embed|form|link|style|svg|base|meta|video|audio)\b|<[^>]+\s(on\w+|href|src|style)\s*=`)

// ownTicket is the one link that may stand in an outsiders' answer.
var ownTicket = regexp.MustCompile(`<a href="/tickets/[A-Z]+-[0-9]+">`)

func TestOnlyLinksToOurOwnTicketsAreKept(t *testing.T) {
	s := &Server{Config: Config{Hosts: []string{"sous.example"}}}
	for to, want := range map[string]bool{
		"/tickets/T-12": true, "http://127.0.0.1:8420/tickets/T-1": true, "http://[::1]:1/tickets/T-1": true, "https://sous.example/tickets/T-1": true, "https://sous.example:8443/tickets/T-1": true,
		"https://evil.example/tickets/T-1": false, "//evil.example/tickets/T-1": false, "/tickets/T-1?leak=1": false, "/tickets/T-1#x": false, "/tickets/../approvals": false,
		"http://a@127.0.0.1/tickets/T-1": false, "/approvals/AAAAAAAA": false, "ftp://127.0.0.1/tickets/T-1": false, "http://127.0.0.1.evil.example/tickets/T-1": false,
	} {
		out := string(s.markdown("[T]("+to+")", agent.External))
		if ownTicket.MatchString(out) != want {
			t.Errorf("%s became %s", to, out)
		}
	}
}

func FuzzNoAnswerOfOutsidersLeadsAnywhere(f *testing.F) {
	for _, s := range []string{"[a](b)", "![a](b)", "<a href=x>", "<http://a>", "[a]: b\n[a]", "| a |\n|---|\n| [x](y) |", "- [ ] a", "```\n<a>\n```", "&lt;a&gt;"} {
		f.Add(s)
	}
	pages := &Server{}
	f.Fuzz(func(t *testing.T, s string) {
		if out := ownTicket.ReplaceAllString(string(pages.markdown(s, agent.External)), ""); live.MatchString(out) {
			t.Errorf("%q became %q", s, out)
		}
	})
}

func TestHiddenCharactersAreSpelledOut(t *testing.T) {
	for in, want := range map[string]string{
		"plain ünïcode\n\tfine":   "plain ünïcode\n\tfine",
		"a\u202eb":                "a⟨U+202E⟩b",
		"a\u200bb\u2066\u00adc":   "a⟨U+200B⟩b⟨U+2066⟩⟨U+00AD⟩c",
		"bell\a":                  "bell⟨U+0007⟩",
		"\U000e0041":              "⟨U+E0041⟩",
		"hangul\u3164filler":      "hangul⟨U+3164⟩filler",
		"line\u2028separator\r\n": "line⟨U+2028⟩separator⟨U+000D⟩\n",
	} {
		if got := visible(in); got != want {
			t.Errorf("%q is shown as %q, want %q", in, got, want)
		}
	}
}

func TestArgumentsAreShownAsTheyWillBeUsed(t *testing.T) {
	raw := json.RawMessage(`{"title":"one\ntwo","n":1.50,"labels":["a","b"],"title":"last","deep":{"k":[1]},"empty":"","none":[],"list":[1,2]}`)
	given := func(raw []byte, marked ...string) approval.Approval {
		return approval.Approval{Call: agent.Call{Args: raw}, Marked: marked, Origins: map[string][]string{"labels": {"a.pdf", "b.pdf", "c.pdf", "d.pdf"}, "empty": {"x"}}}
	}
	got := arguments(given(raw, "labels[0]", "deep.k", "tit"))
	want := []argument{
		{Name: "n", Lines: []string{"1.50"}},
		{Name: "labels", Lines: []string{"a", "b"}, Marked: true, From: "a.pdf, b.pdf, c.pdf and 1 more"},
		{Name: "title", Lines: []string{"last"}},
		{Name: "deep", Lines: []string{"{", `  "k": [`, "    1", "  ]", "}"}, Marked: true},
		{Name: "empty", Lines: []string{"(empty)"}},
		{Name: "none", Lines: []string{"[]"}},
		{Name: "list", Lines: []string{"[", "  1,", "  2", "]"}},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v", got)
	}
	if got := arguments(given([]byte(`"no object"`), "x")); len(got) != 1 || !got[0].Marked || got[0].Lines[0] != "no object" {
		t.Errorf("what is no object: %+v", got)
	}
}

func FuzzAnyArgumentsAreShown(f *testing.F) {
	f.Add([]byte(`{"a":1}`))
	f.Add([]byte(`{"a":`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		var object map[string]json.RawMessage
		if json.Unmarshal(raw, &object) != nil || object == nil {
			arguments(approval.Approval{Call: agent.Call{Args: raw}})
			return
		}
		if got := arguments(approval.Approval{Call: agent.Call{Args: raw}}); len(got) != len(object) {
			t.Errorf("%d of %d arguments of %s are shown", len(got), len(object), raw)
		}
	})
}

func TestReturningStaysOnThisServer(t *testing.T) {
	for path, want := range map[string]string{
		"/a?b=c#d": "/a?b=c#d", "": "/", "a": "/", "//evil": "/", "/\\evil": "/", "https://evil/": "/", "javascript:x": "/", "/a\r\nb": "/", "\\\\evil": "/", "/%zz": "/",
	} {
		if got := local(path); got != want {
			t.Errorf("%q leads to %q, want %q", path, got, want)
		}
	}
}
