package meetings

import (
	"bytes"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/unicode"

	"github.com/sous-hq/sous/agent"
)

// decode turns the bytes of a file into UTF-8 text with "\n" line ends.
func decode(content []byte) (text string, warnings []string, err error) {
	if len(bytes.TrimSpace(content)) == 0 {
		return "", nil, agent.Errorf(agent.Invalid, "the file is empty. Send the transcript's text, WebVTT or SRT file")
	}
	if what := binaryKind(content); what != "" {
		return "", nil, agent.Errorf(agent.Invalid,
			"this is %s, not a transcript. Export the transcript as .vtt, .srt or plain text", what)
	}
	switch enc := utf16Of(content); {
	case enc != nil:
		content, err = enc.NewDecoder().Bytes(content)
	case bytes.IndexByte(content, 0) >= 0:
		return "", nil, agent.Errorf(agent.Invalid,
			"this is a binary file, not a transcript. Export the transcript as .vtt, .srt or plain text")
	case !utf8.Valid(content):
		if controls(content)*20 > len(content) {
			return "", nil, agent.Errorf(agent.Invalid,
				"this is a binary file, not a transcript. Export the transcript as .vtt, .srt or plain text")
		}
		content, err = charmap.Windows1252.NewDecoder().Bytes(content)
		warnings = []string{"the file is not UTF-8; it was read as Windows-1252, so some letters may be wrong"}
	}
	if err != nil {
		return "", nil, agent.WrapError(agent.Invalid, err, "the file's text encoding could not be read. Save it as UTF-8")
	}
	text = strings.TrimPrefix(strings.ToValidUTF8(string(content), "\uFFFD"), "\uFEFF")
	text = strings.ReplaceAll(text, "\r\n", "\n")
	text = strings.ReplaceAll(text, "\r", "\n")
	if strings.TrimSpace(text) == "" {
		return "", nil, agent.Errorf(agent.Invalid, "the file is empty. Send the transcript's text, WebVTT or SRT file")
	}
	return text, warnings, nil
}

// utf16Of recognises UTF-16 by its byte order mark, or without one by NUL
// bytes that stand at every other place only, as Latin text gives.
func utf16Of(content []byte) encoding.Encoding {
	switch {
	case bytes.HasPrefix(content, []byte{0xFF, 0xFE}):
		return unicode.UTF16(unicode.LittleEndian, unicode.UseBOM)
	case bytes.HasPrefix(content, []byte{0xFE, 0xFF}):
		return unicode.UTF16(unicode.BigEndian, unicode.UseBOM)
	}
	head := content[:min(len(content), 512)]
	var zeros [2]int
	for i, b := range head {
		if b == 0 {
			zeros[i%2]++
		}
	}
	switch half := len(head) / 2; {
	case len(head) >= 8 && zeros[0] == 0 && zeros[1]*10 >= half*7:
		return unicode.UTF16(unicode.LittleEndian, unicode.IgnoreBOM)
	case len(head) >= 8 && zeros[1] == 0 && zeros[0]*10 >= half*7:
		return unicode.UTF16(unicode.BigEndian, unicode.IgnoreBOM)
	}
	return nil
}

// binaryKind names the kinds of file people send by mistake.
func binaryKind(content []byte) string {
	for _, k := range [...]struct{ magic, what string }{
		{"\x89PNG", "a picture (PNG)"},
		{"\xFF\xD8\xFF", "a picture (JPEG)"},
		{"GIF8", "a picture (GIF)"},
		{"%PDF-", "a PDF document"},
		{"PK\x03\x04", "a zip or Office document"},
		{"\x1f\x8b", "a compressed file (gzip)"},
		{"{\\rtf", "a rich text document"},
		{"\xD0\xCF\x11\xE0", "an old Office document"},
		{"RIFF", "a media file"},
		{"OggS", "a media file"},
		{"ID3", "a media file"},
		{"\x1A\x45\xDF\xA3", "a media file"},
		{"\x7fELF", "a program"},
		{"SQLite format 3\x00", "a database"},
	} {
		if bytes.HasPrefix(content, []byte(k.magic)) {
			return k.what
		}
	}
	if len(content) > 12 && string(content[4:8]) == "ftyp" {
		return "a media file"
	}
	return ""
}

func controls(content []byte) int {
	n := 0
	for _, b := range content {
		if b < ' ' && b != '\n' && b != '\r' && b != '\t' && b != '\f' {
			n++
		}
	}
	return n
}
