package meetings_test

import (
	"archive/zip"
	"bytes"
	"strings"
	"testing"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/agent/model/builtin"
	"github.com/sous-hq/sous/integrations/documents"
	"github.com/sous-hq/sous/tools"
	"github.com/sous-hq/sous/tools/meetings"
	"github.com/sous-hq/sous/tools/toolstest"
)

// wordOf makes a document of paragraphs; a line end is a break within one.
func wordOf(t *testing.T, paragraphs ...string) []byte {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	f, err := z.Create("word/document.xml")
	if err != nil {
		t.Fatal(err)
	}
	body := "<w:document><w:body>"
	for _, p := range paragraphs {
		body += "<w:p><w:r><w:t>" + strings.ReplaceAll(p, "\n", "</w:t></w:r><w:r><w:br/><w:t>") + "</w:t></w:r></w:p>"
	}
	if _, err := f.Write([]byte(body + "</w:body></w:document>")); err != nil || z.Close() != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestATranscriptInAWordProcessorsFormatGivesMinutes(t *testing.T) {
	t.Parallel()
	label := agent.Label{Readers: agent.Only("ann"), Scanned: true}
	files := shelf{
		// As Teams exports it: who and when, a line break, what was said.
		"f1": {FileRef: agent.FileRef{ID: "f1", Name: "planning.docx"}, Label: label, Content: wordOf(t, "Planning meeting", "March 2, 2026, 10:00AM", "Ann Keller   0:03\nWe decided to ship the firmware on Monday.",
			"Bob Ortiz   0:20\nI will write the release notes by Friday.", "Ann Keller   0:31\nWho will train the evening shift?")},
		"f2": {FileRef: agent.FileRef{ID: "f2", Name: "locked.docx"}, Label: label, Content: append([]byte("\xD0\xCF\x11\xE0"), "E\x00n\x00c\x00r\x00y\x00p\x00t\x00e\x00d\x00P\x00a\x00c\x00k\x00a\x00g\x00e\x00"...)},
	}
	cfg := config(builtin.New())
	tool, err := meetings.Tool(meetings.ToolConfig{Files: files, Summarise: cfg, Documents: documents.New(documents.Config{})})
	if err != nil {
		t.Fatal(err)
	}
	e := toolstest.NewExecutor(t, toolstest.NewRegistry(t, []tools.Tool{tool}, nil))
	var got meetings.Result
	e.Done("meeting_minutes", map[string]any{"file": "f1"}, &got)
	if len(got.Decisions) != 1 || len(got.Actions) != 1 || got.Actions[0].Owner == nil || *got.Actions[0].Owner != "Bob Ortiz" {
		t.Fatalf("minutes %+v", got.Minutes)
	}
	if ev := got.Decisions[0].Evidence[0]; ev.Speaker != "Ann Keller" || ev.Time != "0:00:03" || !strings.Contains(ev.Quote, "ship the firmware on Monday") {
		t.Errorf("evidence %+v", ev)
	}
	if o := e.Do("meeting_minutes", map[string]any{"file": "f2"}); o.Status != agent.Failed || !strings.Contains(o.Error, "encrypted") {
		t.Errorf("a file with a password: %+v", o)
	}
}
