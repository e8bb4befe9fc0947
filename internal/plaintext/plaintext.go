// Package plaintext makes text of the bytes of a file: it tells text from other
// kinds of file, finds the encoding and mends what is not valid.
package plaintext

import (
	"bytes"
	"errors"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/unicode"
)

// ErrBinary says that the content is no text.
var ErrBinary = errors.New("the content is no text")

// Decode returns the content as valid UTF-8 with "\n" line ends and without a
// byte order mark. UTF-16 is recognised; what is neither is read as Windows-1252,
// which guessed says. ErrBinary means that it is no text at all.
func Decode(content []byte) (text string, guessed bool, err error) {
	switch enc := utf16Of(content); {
	case enc != nil:
		content, err = enc.NewDecoder().Bytes(content)
	case bytes.IndexByte(content, 0) >= 0:
		return "", false, ErrBinary
	case !utf8.Valid(content):
		if controls(content)*20 > len(content) {
			return "", false, ErrBinary
		}
		// A stray byte in a text of UTF-8 does not make all of it another encoding.
		if strays(content)*100 > len(content) || !hasRunes(content) {
			content, err = charmap.Windows1252.NewDecoder().Bytes(content)
			guessed = true
		}
	}
	if err != nil {
		return "", false, errors.Join(ErrBinary, err)
	}
	text = strings.TrimPrefix(strings.ToValidUTF8(string(content), "\uFFFD"), "\uFEFF")
	text = strings.ReplaceAll(text, "\r\n", "\n")
	return strings.ReplaceAll(text, "\r", "\n"), guessed, nil
}

// strays counts the bytes that are no part of a character in UTF-8.
func strays(content []byte) int {
	n := 0
	for len(content) > 0 {
		r, size := utf8.DecodeRune(content)
		if r == utf8.RuneError && size == 1 {
			n++
		}
		content = content[size:]
	}
	return n
}

// hasRunes reports whether the content holds a character that UTF-8 writes in
// several bytes.
func hasRunes(content []byte) bool {
	for len(content) > 0 {
		_, size := utf8.DecodeRune(content)
		if size > 1 {
			return true
		}
		content = content[size:]
	}
	return false
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

func controls(content []byte) int {
	n := 0
	for _, b := range content {
		if b < ' ' && b != '\n' && b != '\r' && b != '\t' && b != '\f' {
			n++
		}
	}
	return n
}

// Kind is a kind of file that is no text, as its first bytes tell.
type Kind struct {
	// Name is for people, with its article: "a picture (PNG)".
	Name string
	// PDF, Zip and OLE are containers that somebody may know how to read.
	PDF, Zip, OLE bool
}

// KindOf names the kind of file, or the zero Kind when the first bytes are those
// of no kind that people send.
func KindOf(content []byte) Kind {
	for _, k := range [...]struct {
		magic string
		kind  Kind
	}{
		{"\x89PNG", Kind{Name: "a picture (PNG)"}},
		{"\xFF\xD8\xFF", Kind{Name: "a picture (JPEG)"}},
		{"GIF8", Kind{Name: "a picture (GIF)"}},
		{"%PDF-", Kind{Name: "a PDF document", PDF: true}},
		{"PK\x03\x04", Kind{Name: "a zip or Office document", Zip: true}},
		{"PK\x05\x06", Kind{Name: "an empty zip archive", Zip: true}},
		{"\x1f\x8b", Kind{Name: "a compressed file (gzip)"}},
		{"{\\rtf", Kind{Name: "a rich text document"}},
		{"\xD0\xCF\x11\xE0", Kind{Name: "an old Office document", OLE: true}},
		{"RIFF", Kind{Name: "a media file"}},
		{"OggS", Kind{Name: "a media file"}},
		{"ID3", Kind{Name: "a media file"}},
		{"\x1A\x45\xDF\xA3", Kind{Name: "a media file"}},
		{"\x7fELF", Kind{Name: "a program"}},
		{"SQLite format 3\x00", Kind{Name: "a database"}},
	} {
		if bytes.HasPrefix(content, []byte(k.magic)) {
			return k.kind
		}
	}
	if len(content) > 12 && string(content[4:8]) == "ftyp" {
		return Kind{Name: "a media file"}
	}
	return Kind{}
}
