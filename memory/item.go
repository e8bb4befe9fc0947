package memory

import (
	"strings"
	"time"

	"github.com/sous-hq/sous/agent"
)

// Kind sorts what is remembered. Items and their chunks share the words: an
// item of kind Minutes holds chunks of kind Decision, Action and so on.
type Kind string

// The kinds.
const (
	// Fact is what somebody asked to be remembered.
	Fact Kind = "fact"
	// Minutes is a meeting's minutes as a whole; its summary sentences are
	// chunks of this kind.
	Minutes Kind = "minutes"
	// Decision, Action and Question are single points of minutes.
	Decision Kind = "decision"
	Action   Kind = "action"
	Question Kind = "question"
	// Transcript is what was said in a meeting, word for word.
	Transcript Kind = "transcript"
	// Document is a text that somebody wrote.
	Document Kind = "document"
	// Thread is a conversation in writing.
	Thread Kind = "thread"
	// Ticket is a piece of work with what was said on it.
	Ticket Kind = "ticket"
)

// Kinds lists every kind.
func Kinds() []Kind {
	return []Kind{Fact, Minutes, Decision, Action, Question, Transcript, Document, Thread, Ticket}
}

// Known reports whether the kind is one of Kinds.
func (k Kind) Known() bool {
	switch k {
	case Fact, Minutes, Decision, Action, Question, Transcript, Document, Thread, Ticket:
		return true
	}
	return false
}

// flows reports whether chunks of the kind follow one another as talk or text
// does, so that a chunk tells something of its neighbours.
func (k Kind) flows() bool { return k == Transcript || k == Document || k == Thread }

// Limits of one item. They keep one item from filling a store or a model's
// window; longer material is split into several items by whoever reads it in.
const (
	// MaxChunks is the most chunks of one item.
	MaxChunks = 20_000
	// MaxChunkBytes is the most bytes of one chunk's text and quote together.
	MaxChunkBytes = 16 << 10
	// MaxTitleBytes is the most bytes of a title; longer ones are clipped.
	MaxTitleBytes = 300
)

// Item is one thing remembered.
type Item struct {
	// ID is unique in the workspace and made by Remember.
	ID        string            `json:"id"`
	Workspace agent.WorkspaceID `json:"workspace"`
	Kind      Kind              `json:"kind"`
	Title     string            `json:"title,omitempty"`
	// Source says where it came from: a file, turn or link; it is cited.
	Source string `json:"source,omitempty"`
	// Author is who had it remembered. AuthorName is for display only: that
	// person's name, or whom a document names as its author.
	Author     agent.ActorID `json:"author"`
	AuthorName string        `json:"author_name,omitempty"`
	// People are accounts whose own words it holds beside the author's: when one of
	// them is erased, the item goes too. They are stored and not read back.
	People []agent.ActorID `json:"-"`
	// Place is the id of the place it was said in; Where says for people what
	// place that is: "a direct message".
	Place string `json:"place,omitempty"`
	Where string `json:"where,omitempty"`
	// Collection names what it was imported with, such as a folder; "" for what
	// was not imported. Hash is the SHA-256, in hex, of what it was read from.
	Collection string `json:"collection,omitempty"`
	Hash       string `json:"hash,omitempty"`
	// Label says who may read it and how far it can be trusted.
	Label agent.Label `json:"label"`
	// At is when it was said, written or held; Remembered when it was stored.
	At         time.Time `json:"at"`
	Remembered time.Time `json:"remembered"`
	// Key is the idempotency key: a second item with the same key is not
	// stored, whatever it says. Without a key the content is the identity.
	Key string `json:"-"`
	// Slot names what the item is the present version of; a new item takes the
	// slot and supersedes the one that held it, or, when it is of a Collection,
	// replaces it. "" holds nothing.
	Slot string `json:"-"`
	// Supersedes is the id of an item that this one corrects.
	Supersedes string `json:"supersedes,omitempty"`
	// SupersededBy is the id of the item that took this one's place.
	SupersededBy string `json:"superseded_by,omitempty"`
	// Forgotten is when it was forgotten and ForgottenBy by whom; zero while
	// it is remembered.
	Forgotten   time.Time     `json:"forgotten,omitzero"`
	ForgottenBy agent.ActorID `json:"forgotten_by,omitempty"`
	// Chunks are the passages that recall finds, in order. Lists leave them out.
	Chunks []Chunk `json:"chunks,omitempty"`
}

// Live reports whether recall may return the item: neither forgotten nor
// superseded.
func (i Item) Live() bool { return i.Forgotten.IsZero() && i.SupersededBy == "" }

// Text returns the chunks' texts, one a line.
func (i Item) Text() string {
	lines := make([]string, len(i.Chunks))
	for n, c := range i.Chunks {
		lines[n] = c.Text
	}
	return strings.Join(lines, "\n")
}

// Chunk is one passage of an item.
type Chunk struct {
	// N counts the item's chunks from 0.
	N int `json:"n"`
	// Kind is what the passage is; the item's kind when empty.
	Kind Kind   `json:"kind,omitempty"`
	Text string `json:"text"`
	// Quote is the evidence, word for word, when Text is in other words.
	Quote   string `json:"quote,omitempty"`
	Speaker string `json:"speaker,omitempty"`
	// Position is where in the source: "0:12:03" from the beginning, or "cue 7".
	Position string `json:"position,omitempty"`
	// At is when it was said; the item's time when zero.
	At time.Time `json:"at,omitzero"`
}

// maxSplit is how long, in bytes, Split lets a passage grow: about a hundred
// words, a paragraph.
const maxSplit = 700

// Split cuts text into chunks at blank lines, joining short paragraphs and
// cutting long ones at line ends, sentence ends or spaces, in that order.
func Split(text string) []Chunk {
	var chunks []Chunk
	var open strings.Builder
	flush := func() {
		if t := strings.TrimSpace(open.String()); t != "" {
			chunks = append(chunks, Chunk{N: len(chunks), Text: t})
		}
		open.Reset()
	}
	text = strings.ToValidUTF8(strings.ReplaceAll(text, "\r\n", "\n"), "\uFFFD")
	for paragraph := range strings.SplitSeq(text, "\n\n") {
		for _, piece := range pieces(strings.TrimSpace(paragraph), maxSplit) {
			if open.Len() > 0 && open.Len()+len(piece) > maxSplit {
				flush()
			}
			if open.Len() > 0 {
				open.WriteByte('\n')
			}
			open.WriteString(piece)
		}
	}
	flush()
	return chunks
}

// pieces cuts s into parts of at most size bytes.
func pieces(s string, size int) []string {
	var out []string
	for len(s) > size {
		cut := size
		for _, sep := range []string{"\n", ". ", " "} {
			if at := strings.LastIndex(s[:size], sep); at > size/3 {
				cut = at + len(sep)
				break
			}
		}
		head := clip(s, cut)
		if t := strings.TrimSpace(head); t != "" {
			out = append(out, t)
		}
		s = s[len(head):]
	}
	if t := strings.TrimSpace(s); t != "" {
		out = append(out, t)
	}
	return out
}

// clip returns the longest prefix of whole runes within n bytes; at least one
// rune, so that cutting always gets on.
func clip(s string, n int) string {
	if len(s) <= n {
		return s
	}
	end := 0
	for at, r := range s {
		next := at + len(string(r))
		if next > n && end > 0 {
			break
		}
		end = next
	}
	return s[:end]
}
