// Package documents reads the files people keep their knowledge in: Markdown,
// HTML, PDF, DOCX and plain text. What it reads is written by strangers: every
// reader is bounded in size, depth and output, and Reader runs them in a child
// process with limits on memory and time, so that the worst a file can do is not
// to be read.
package documents

import (
	"bytes"
	"errors"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/internal/plaintext"
	"github.com/sous-hq/sous/memory"
)

// Limits of one file.
const (
	// MaxBytes is the size of the largest file that is read.
	MaxBytes = 64 << 20
	// maxText is how much text one document may hold: some 5,000 pages.
	maxText = 12 << 20
	// maxBlocks is how many blocks, maxPages how many pages.
	maxBlocks = 200_000
	maxPages  = 5_000
	// maxDepth is how deep anything may be nested.
	maxDepth = 200
)

// Formats.
const (
	formatMarkdown = "markdown"
	formatHTML     = "html"
	formatPDF      = "pdf"
	formatDOCX     = "docx"
	formatText     = "text"
)

// formatOf names the format of a file by its name; "" when the name tells none.
func formatOf(name string) string {
	switch strings.ToLower(path.Ext(name)) {
	case ".md", ".markdown", ".mdown", ".mkd", ".mdx":
		return formatMarkdown
	case ".html", ".htm", ".xhtml":
		return formatHTML
	case ".pdf":
		return formatPDF
	case ".docx":
		return formatDOCX
	case ".txt", ".text", ".rst", ".adoc", ".asciidoc", ".org", ".csv", ".tsv", ".vtt", ".srt", ".sbv", ".log", ".tex":
		return formatText
	}
	return ""
}

// Reads reports whether files of this name are of a kind that is read: by its
// extension, or because it has none, as README has.
func Reads(name string) bool { return formatOf(name) != "" || path.Ext(path.Base(name)) == "" }

// Parse reads a document in this process. The format is that of the content
// where it can be told, else that of the name. The errors are of kind Invalid
// (damaged, encrypted, not a kind that is read, nothing in it) or TooLarge and
// say what to do; agent.PublicText of them is for people. Parse may use much
// memory and time for a hostile file and may even end the process: see Reader.
func Parse(name string, content []byte) (memory.Parsed, error) {
	d, err := parse(name, content)
	if err != nil {
		return memory.Parsed{}, err
	}
	if d.Title == "" {
		d.Title = firstTitle(d.Blocks)
	}
	d.Title, d.Author = oneLine(d.Title, memory.MaxTitleBytes), oneLine(d.Author, 200)
	if !slices.ContainsFunc(d.Blocks, func(b memory.Block) bool { return strings.TrimSpace(b.Text) != "" }) {
		if d.Format == formatPDF && cutOff(content) {
			return memory.Parsed{}, errDamaged(errors.New("its end is missing, and there is no text in what is there"))
		}
		if d.Format == formatPDF {
			return memory.Parsed{}, agent.Errorf(agent.Invalid, "it holds pictures and no text; run it through text recognition (OCR) first")
		}
		return memory.Parsed{}, agent.Errorf(agent.Invalid, "there is no text in it")
	}
	return d, nil
}

func parse(name string, content []byte) (memory.Parsed, error) {
	switch {
	case len(content) > MaxBytes:
		return memory.Parsed{}, TooBig(int64(len(content)))
	case len(bytes.TrimSpace(content)) == 0:
		return memory.Parsed{}, agent.Errorf(agent.Invalid, "it is empty")
	}
	kind, format := plaintext.KindOf(content), formatOf(name)
	switch {
	case kind.PDF || format == formatPDF && bytes.Contains(content[:min(len(content), 1024)], []byte("%PDF-")):
		return parsePDF(content)
	case kind.Zip:
		return parseDOCX(content)
	case kind.OLE && encryptedOffice(content):
		return memory.Parsed{}, errEncrypted()
	case kind.Name != "":
		return memory.Parsed{}, agent.Errorf(agent.Invalid, "it is %s, which is not read; save it as PDF, DOCX, HTML, Markdown or text", kind.Name)
	case format == formatPDF || format == formatDOCX:
		return memory.Parsed{}, agent.Errorf(agent.Invalid, "it is named %s and is none; it may be damaged", strings.ToLower(path.Ext(name)))
	}
	text, guessed, err := plaintext.Decode(content)
	if err != nil {
		return memory.Parsed{}, agent.WrapError(agent.Invalid, err, "it is a binary file, not a document")
	}
	if format == "" && looksLikeHTML(text) {
		format = formatHTML
	}
	d, err := parseAs(format, text)
	if guessed {
		d.Warnings = append(d.Warnings, "it is not UTF-8; it was read as Windows-1252, so some letters may be wrong")
	} else if strings.ContainsRune(text, '\uFFFD') {
		d.Warnings = append(d.Warnings, "some bytes of it are no UTF-8; a replacement mark stands for them")
	}
	return d, err
}

func parseAs(format, text string) (memory.Parsed, error) {
	switch format {
	case formatMarkdown:
		return parseMarkdown(text)
	case formatHTML:
		return parseHTML(text)
	}
	return parseText(text)
}

// TooBig is the error for a file of so many bytes.
func TooBig(n int64) error {
	return agent.Errorf(agent.TooLarge, "it has %d MiB; the limit is %d MiB", (n+1<<20-1)>>20, MaxBytes>>20)
}

func errEncrypted() error {
	return agent.Errorf(agent.Invalid, "it is encrypted with a password; save a copy without one")
}

func errDamaged(cause error) error {
	return agent.WrapError(agent.Invalid, cause, "it is damaged, or not of the kind its name says, and cannot be read")
}

func looksLikeHTML(text string) bool {
	head := strings.ToLower(strings.TrimSpace(text[:min(len(text), 1024)]))
	return strings.HasPrefix(head, "<!doctype html") || strings.HasPrefix(head, "<html")
}

// firstTitle is the heading that stands for the whole: the one at the very top,
// else one of the first level near it.
func firstTitle(blocks []memory.Block) string {
	for n, b := range blocks[:min(len(blocks), 5)] {
		if b.Level == 1 || b.Level > 0 && n == 0 {
			return b.Text
		}
	}
	return ""
}

func oneLine(s string, n int) string {
	s = strings.Join(strings.Fields(strings.ToValidUTF8(strings.ReplaceAll(s, "\x00", ""), "\uFFFD")), " ")
	for len(s) > n {
		cut := strings.LastIndexByte(s[:n], ' ')
		if cut < n/2 {
			return strings.ToValidUTF8(s[:n], "")
		}
		s = s[:cut]
	}
	return s
}

// builder collects the blocks of a document within its limits.
type builder struct {
	memory.Parsed
	bytes int
}

// add appends a block that holds text; the error is TooLarge.
func (b *builder) add(block memory.Block) error {
	block.Text = strings.TrimSpace(strings.ReplaceAll(strings.ToValidUTF8(block.Text, "\uFFFD"), "\x00", ""))
	if block.Text == "" {
		return nil
	}
	b.bytes += len(block.Text)
	if b.bytes > maxText || len(b.Blocks) >= maxBlocks {
		return errTooMuchText()
	}
	b.Blocks = append(b.Blocks, block)
	return nil
}

func errTooMuchText() error {
	return agent.Errorf(agent.TooLarge, "it holds more text than %d MiB or %d paragraphs; cut it into parts", maxText>>20, maxBlocks)
}

// dateOf reads the forms in which documents say when they were written; the
// zero time when it is none of them.
func dateOf(s string) time.Time {
	s = strings.Trim(strings.TrimSpace(s), `"'`)
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04:05", "2006-01-02 15:04:05", "2006-01-02 15:04", time.DateOnly, "2 January 2006", "January 2, 2006"} {
		if t, err := time.Parse(layout, s); err == nil && t.Year() > 1970 && t.Year() < 2200 {
			return t
		}
	}
	return time.Time{}
}
