package blockkit_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sous-hq/sous/internal/testkit/blockkit"
)

func render(t *testing.T, blocks string) string {
	t.Helper()
	got, err := blockkit.Message(json.RawMessage(blocks), blockkit.Names{"U1": "Ann", "C1": "general"})
	if err != nil {
		t.Fatal(err)
	}
	return string(got)
}

func TestMarkupIsDrawnAndNothingInItRuns(t *testing.T) {
	section := func(text string) string {
		raw, err := json.Marshal([]map[string]any{{"type": "section", "text": map[string]string{"type": "mrkdwn", "text": text}}})
		if err != nil {
			t.Fatal(err)
		}
		return render(t, string(raw))
	}
	for in, want := range map[string]string{
		"*a* _b_ ~c~":                   "<b>a</b> <i>b</i> <s>c</s>",
		"`*not bold*`":                  "<code>*not bold*</code>",
		"```<@U1> *x*```":               "<pre>&lt;@U1&gt; *x*</pre>",
		"<@U1> in <#C1>":                `@Ann</span> in <span class="mention">#general`,
		"<https://x.example|a &amp; b>": "<a>a &amp; b</a>",
		"&lt;script&gt;":                "&lt;script&gt;",
		"&gt; quoted":                   `<span class="quote">quoted`,
		":warning: :nosuch:":            "⚠ :nosuch:",
		"<!date^1700000000^{date_short_pretty} {time}|x>": "Nov 14, 2023 22:13",
		"<!channel>": "@channel",
	} {
		if got := section(in); !strings.Contains(got, want) {
			t.Errorf("%q: %s; want %s", in, got, want)
		}
	}
	if got := section("<script>alert(1)</script> <javascript:alert(1)|x>"); strings.Contains(got, "<script>") || strings.Contains(got, `href`) {
		t.Errorf("it runs: %s", got)
	}
}

func TestWhatIsNotKnownIsSaid(t *testing.T) {
	got := render(t, `[{"type":"hologram"},{"type":"actions","elements":[{"type":"lever"}]}]`)
	if !strings.Contains(got, "hologram: not drawn here") || !strings.Contains(got, "lever: not drawn here") {
		t.Errorf("drawn: %s", got)
	}
	if _, err := blockkit.Message(json.RawMessage(`{}`), nil); err == nil {
		t.Error("no blocks are blocks")
	}
}

// Every card, modal and tab of ours is drawn whole.
func TestAllOfOursIsDrawn(t *testing.T) {
	paths, err := filepath.Glob("../../../integrations/slack/testdata/*.json")
	if err != nil || len(paths) < 10 {
		t.Fatalf("%d goldens, %v", len(paths), err)
	}
	for _, path := range paths {
		raw, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		shot := blockkit.Shot{Name: "x", View: raw}
		if bytes.HasPrefix(raw, []byte("[")) {
			shot = blockkit.Shot{Name: "x", Messages: []json.RawMessage{raw}}
		}
		var out bytes.Buffer
		if err := blockkit.Page(&out, []blockkit.Shot{shot}, nil); err != nil || strings.Contains(out.String(), "not drawn here") || out.Len() < 500 {
			t.Errorf("%s: %v:\n%s", path, err, out.String())
		}
	}
}
