package openai

import (
	"encoding/json"
	"unicode/utf8"

	openai "github.com/sashabaranov/go-openai"
)

// chunk is what of a streamed piece is used: the library's own type has three times as
// many members, and decoding each piece into it costs accordingly.
type chunk struct {
	Choices []pieceOf     `json:"choices"`
	Usage   *openai.Usage `json:"usage"`
}

type pieceOf struct {
	Index        int                 `json:"index"`
	Delta        piece               `json:"delta"`
	FinishReason openai.FinishReason `json:"finish_reason"`
}

type piece struct {
	Content   string            `json:"content"`
	Refusal   string            `json:"refusal"`
	ToolCalls []openai.ToolCall `json:"tool_calls"`
}

// decode reads a piece. Nearly all are one word of text, and those are read by hand:
// by encoding/json they were a tenth of what a turn costs. Everything else is left to
// it, so that what a piece means is what it says.
func decode(data []byte) (c chunk, err error) {
	s := scanner{data: data}
	var one pieceOf
	if s.word(&one) {
		return chunk{Choices: []pieceOf{one}}, nil
	}
	return c, json.Unmarshal(data, &c)
}

// scanner reads JSON as servers write it: no space between the tokens but single ones,
// no escapes, names as they are documented. It gives up on all else.
type scanner struct {
	data []byte
	at   int
}

// word reads {"choices":[{"delta":{"content":"…"},"index":0,"finish_reason":null}],…} in
// any order.
func (s *scanner) word(one *pieceOf) bool {
	choices := false
	ok := s.object(func(name []byte) bool {
		switch string(name) {
		case "choices":
			if choices || !s.sign('[') {
				return false
			}
			choices = true
			return s.choice(one) && s.sign(']')
		case "id", "object", "model", "system_fingerprint", "service_tier", "obfuscation":
			return s.null() || s.text(nil)
		case "usage":
			return s.null()
		case "created":
			return s.number(nil)
		}
		return false
	})
	return ok && choices && s.at == len(s.data)
}

func (s *scanner) choice(one *pieceOf) bool {
	var seen [3]bool
	first := func(i int) bool {
		was := seen[i]
		seen[i] = true
		return !was
	}
	return s.object(func(name []byte) bool {
		switch string(name) {
		case "index":
			return first(0) && s.number(&one.Index)
		case "delta":
			return first(1) && s.delta(&one.Delta)
		case "finish_reason":
			return first(2) && s.null()
		case "logprobs":
			return s.null()
		}
		return false
	})
}

func (s *scanner) delta(d *piece) bool {
	content := false
	return s.object(func(name []byte) bool {
		switch string(name) {
		case "role":
			return s.text(nil)
		case "content":
			if content {
				return false
			}
			content = true
			return s.null() || s.text(&d.Content)
		case "refusal", "tool_calls", "function_call":
			return s.null()
		}
		return false
	})
}

// object reads an object's members, each of them by the function.
func (s *scanner) object(member func(name []byte) bool) bool {
	if !s.sign('{') {
		return false
	}
	if s.sign('}') {
		return true
	}
	for {
		name, ok := s.raw()
		if !ok || !s.sign(':') || !member(name) {
			return false
		}
		if s.sign('}') {
			return true
		}
		if !s.sign(',') {
			return false
		}
	}
}

// sign reads one character, with a space before it at most.
func (s *scanner) sign(c byte) bool {
	at := s.at
	if at < len(s.data) && s.data[at] == ' ' {
		at++
	}
	if at >= len(s.data) || s.data[at] != c {
		return false
	}
	s.at = at + 1
	return true
}

func (s *scanner) null() bool {
	if !s.sign('n') {
		return false
	}
	if rest := s.data[s.at:]; len(rest) < 3 || string(rest[:3]) != "ull" {
		s.at--
		return false
	}
	s.at += 3
	return true
}

// text reads a string, which may be of no interest.
func (s *scanner) text(into *string) bool {
	raw, ok := s.raw()
	if ok && into != nil {
		*into = string(raw)
	}
	return ok
}

// raw reads a string without escapes.
func (s *scanner) raw() ([]byte, bool) {
	if !s.sign('"') {
		return nil, false
	}
	begin, plain := s.at, true
	for ; s.at < len(s.data); s.at++ {
		switch c := s.data[s.at]; {
		case c == '"':
			got := s.data[begin:s.at]
			s.at++
			return got, plain || utf8.Valid(got)
		case c == '\\', c < ' ':
			return nil, false
		case c >= utf8.RuneSelf:
			plain = false
		}
	}
	return nil, false
}

// number reads a natural number.
func (s *scanner) number(into *int) bool {
	if s.at < len(s.data) && s.data[s.at] == ' ' {
		s.at++
	}
	begin, n := s.at, 0
	for ; s.at < len(s.data) && s.data[s.at] >= '0' && s.data[s.at] <= '9'; s.at++ {
		n = n*10 + int(s.data[s.at]-'0')
	}
	digits := s.at - begin
	if digits == 0 || digits > maxDigits || digits > 1 && s.data[begin] == '0' {
		return false
	}
	if into != nil {
		*into = n
	}
	// What follows must end it, or it is another kind of number.
	return s.at < len(s.data) && (s.data[s.at] == ',' || s.data[s.at] == '}' || s.data[s.at] == ' ')
}

// maxDigits is how long a number can be that fits.
const maxDigits = 15
