package memory

import (
	"fmt"
	"strings"
	"time"

	"github.com/sous-hq/sous/agent"
)

// Meeting says what minutes do not know of themselves.
type Meeting struct {
	Workspace  agent.WorkspaceID
	Author     agent.ActorID
	AuthorName string
	Place      string
	// Where says for people what place that is.
	Where string
	Label agent.Label
	// Source is cited; the minutes' own source when empty.
	Source string
	// At is taken for the time of the meeting when the minutes have no date.
	At time.Time
	// Key is the idempotency key, see Item.
	Key string
	// Cues is the transcript; when given, what was said can be recalled beyond
	// what the minutes say of it.
	Cues []agent.Cue
}

// FromMinutes returns the item that remembers a meeting: a chunk for each
// sentence of the summary, each decision, action and question with its evidence,
// and the transcript in passages of one speaker's words. Newer minutes of the
// same source for the same readers take the place of older ones.
func FromMinutes(m agent.Minutes, about Meeting) Item {
	i := Item{
		Workspace: about.Workspace, Kind: Minutes, Title: m.Title, Source: about.Source,
		Author: about.Author, AuthorName: about.AuthorName, Place: about.Place, Where: about.Where,
		Label: about.Label, At: about.At, Key: about.Key,
	}
	if i.Source == "" {
		i.Source = m.Source
	}
	if day, err := time.ParseInLocation(time.DateOnly, m.Date, zone(about.At)); err == nil {
		i.At = day
	}
	i.Slot = Slot(i)
	for _, s := range sentences(m.Summary) {
		i.Chunks = append(i.Chunks, Chunk{Kind: Minutes, Text: s})
	}
	for _, d := range m.Decisions {
		i.Chunks = append(i.Chunks, point(Decision, d.Text, d.Evidence, i.At))
	}
	for _, a := range m.Actions {
		i.Chunks = append(i.Chunks, point(Action, actionText(a), a.Evidence, i.At))
	}
	for _, q := range m.Questions {
		i.Chunks = append(i.Chunks, point(Question, q.Text, q.Evidence, i.At))
	}
	i.Chunks = append(i.Chunks, FromCues(about.Cues, i.At, MaxChunks-len(i.Chunks))...)
	for n := range i.Chunks {
		i.Chunks[n].N = n
	}
	return i
}

func zone(t time.Time) *time.Location {
	if t.IsZero() {
		return time.UTC
	}
	return t.Location()
}

// Slot names what an item is the present version of: what is of its kind and
// source, from its place and for its readers. Without a source it is nothing.
func Slot(i Item) string {
	if i.Source == "" {
		return ""
	}
	return digest(i.Kind, i.Source, i.Place, i.Label.Readers)
}

// point is a chunk for one decision, action or question. It cites the first
// piece of evidence and quotes all of them.
func point(k Kind, text string, evidence []agent.Evidence, at time.Time) Chunk {
	c := Chunk{Kind: k, Text: text, At: at}
	var quotes []string
	for n, e := range evidence {
		if n == 0 {
			c.Speaker, c.Position = e.Speaker, position(e.Time, e.Cue)
			if s, ok := clockSeconds(e.Time); ok {
				c.At = later(at, s)
			}
		}
		quotes = append(quotes, e.Quote)
	}
	c.Quote = strings.Join(quotes, " … ")
	c.Text, c.Quote = clip(c.Text, MaxChunkBytes/2), clip(c.Quote, MaxChunkBytes/2)
	return c
}

func actionText(a agent.Action) string {
	text := a.Text
	if a.Owner != nil {
		text = *a.Owner + ": " + text
	}
	if a.Due != nil {
		text += " (due " + *a.Due + ")"
	}
	return text
}

// FromCues returns a transcript as passages: cues of one speaker that follow
// each other are joined up to a paragraph's length. A transcript that needs more
// than limit passages gets longer ones; what exceeds the bounds of an item even
// so is left out at the end.
func FromCues(cues []agent.Cue, at time.Time, limit int) []Chunk {
	for size := maxSplit; ; size *= 2 {
		chunks := join(cues, at, size)
		if len(chunks) <= limit {
			return chunks
		}
		if size*2 > MaxChunkBytes {
			return chunks[:max(limit, 0)]
		}
	}
}

func join(cues []agent.Cue, at time.Time, size int) []Chunk {
	var chunks []Chunk
	for n, cue := range cues {
		for _, text := range pieces(strings.TrimSpace(cue.Text), size) {
			last := len(chunks) - 1
			if n > 0 && last >= 0 && cue.Speaker == cues[n-1].Speaker && len(chunks[last].Text)+len(text) < size {
				chunks[last].Text += " " + text
				continue
			}
			c := Chunk{Kind: Transcript, Text: text, Speaker: cue.Speaker, Position: position("", cue.ID), At: at}
			if cue.Start >= 0 {
				c.Position, c.At = clockText(cue.Start), later(at, cue.Start)
			}
			chunks = append(chunks, c)
		}
	}
	return chunks
}

func position(clock string, cue int) string {
	switch {
	case clock != "":
		return clock
	case cue > 0:
		return fmt.Sprintf("cue %d", cue)
	}
	return ""
}

// later returns the time seconds after at; a zero at stays zero.
func later(at time.Time, seconds float64) time.Time {
	if at.IsZero() || seconds < 0 || seconds > 1e6 {
		return at
	}
	return at.Add(time.Duration(seconds * float64(time.Second)))
}

// clockText writes seconds as h:mm:ss.
func clockText(seconds float64) string {
	s := int(min(max(seconds, 0), 1e6))
	return fmt.Sprintf("%d:%02d:%02d", s/3600, s/60%60, s%60)
}

// clockSeconds reads h:mm:ss.
func clockSeconds(text string) (float64, bool) {
	var h, m, s int
	if n, err := fmt.Sscanf(text, "%d:%d:%d", &h, &m, &s); err != nil || n != 3 {
		return 0, false
	}
	return float64(h*3600 + m*60 + s), true
}

// sentences cuts a summary at line ends and after full stops, question and
// exclamation marks that a space and a capital follow.
func sentences(text string) []string {
	var out []string
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		start := 0
		for at := 0; at+2 < len(line); at++ {
			if strings.IndexByte(".?!", line[at]) >= 0 && line[at+1] == ' ' && startsSentence(line[at+2]) && at-start > 20 {
				out = append(out, line[start:at+1])
				start = at + 2
			}
		}
		out = append(out, pieces(line[start:], MaxChunkBytes/2)...)
	}
	return out
}

func startsSentence(b byte) bool { return b >= 'A' && b <= 'Z' || b >= 0xC3 }
