package meetings

import (
	"bytes"
	"strings"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/internal/plaintext"
)

// decode turns the bytes of a file into UTF-8 text with "\n" line ends.
func decode(content []byte) (text string, warnings []string, err error) {
	if len(bytes.TrimSpace(content)) == 0 {
		return "", nil, agent.Errorf(agent.Invalid, "the file is empty. Send the transcript's text, WebVTT or SRT file")
	}
	if what := plaintext.KindOf(content).Name; what != "" {
		return "", nil, agent.Errorf(agent.Invalid,
			"this is %s, not a transcript. Export the transcript as .vtt, .srt, .docx or plain text", what)
	}
	text, guessed, err := plaintext.Decode(content)
	if err != nil {
		return "", nil, agent.WrapError(agent.Invalid, err,
			"this is a binary file, not a transcript. Export the transcript as .vtt, .srt, .docx or plain text")
	}
	if guessed {
		warnings = []string{"the file is not UTF-8; it was read as Windows-1252, so some letters may be wrong"}
	}
	if strings.TrimSpace(text) == "" {
		return "", nil, agent.Errorf(agent.Invalid, "the file is empty. Send the transcript's text, WebVTT or SRT file")
	}
	return text, warnings, nil
}
