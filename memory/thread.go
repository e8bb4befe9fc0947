package memory

import (
	"fmt"
	"slices"
	"strings"

	"github.com/sous-hq/sous/agent"
)

// Conversation says what messages do not know of themselves.
type Conversation struct {
	// ID names the conversation; remembered again it takes the place of what was
	// remembered of it before.
	ID    string
	Title string
	// By has it remembered, in a place.
	By    agent.Actor
	Place string
	Where string
	// Readers are those of the place.
	Readers agent.Readers
}

// FromThread returns the item that remembers a conversation in writing: messages
// of one person that follow each other are joined up to a paragraph's length. Its
// label is that of all that was said, for nobody but the readers of the place.
func FromThread(said []agent.Message, about Conversation) Item {
	i := Item{
		Workspace: about.By.Workspace, Kind: Thread, Title: about.Title, Author: about.By.ID, AuthorName: about.By.Name,
		Place: about.Place, Where: about.Where,
	}
	if about.ID != "" {
		i.Source = "thread:" + about.ID
	}
	for n, m := range said {
		l := m.Label
		if m.Author.ID != about.By.ID {
			l.Integrity = min(l.Integrity, agent.Organisation)
		}
		if n == 0 {
			i.Label, i.At = l, m.At
		} else {
			i.Label = i.Label.Join(l)
		}
		if i.Title == "" && m.Author.Kind != agent.System {
			i.Title = "Thread: " + headline(m.Text)
		}
		if m.Author.ID != about.By.ID && m.Author.Kind != agent.System {
			i.People = append(i.People, m.Author.ID)
		}
		i.Chunks = appendMessage(i.Chunks, m)
	}
	i.Label = i.Label.Kept()
	i.Label.Readers = i.Label.Readers.Intersect(about.Readers)
	slices.Sort(i.People)
	i.People = slices.Compact(i.People)
	i.Slot = Slot(i)
	return i
}

// appendMessage adds a message to the passages of a thread.
func appendMessage(chunks []Chunk, m agent.Message) []Chunk {
	speaker := m.Author.Name
	if m.Author.Kind == agent.System {
		speaker = "Sous"
	}
	for _, text := range pieces(clean(m.Text), maxSplit) {
		last := len(chunks) - 1
		if last >= 0 && chunks[last].Speaker == speaker && len(chunks[last].Text)+len(text) < maxSplit {
			chunks[last].Text += "\n" + text
			continue
		}
		if len(chunks) == MaxChunks {
			break
		}
		chunks = append(chunks, Chunk{N: len(chunks), Text: text, Speaker: speaker, Position: m.At.Format("2006-01-02 15:04"), At: m.At})
	}
	return chunks
}

// headline is the beginning of a message, whole words.
func headline(text string) string {
	text = strings.Join(strings.Fields(clean(text)), " ")
	if len(text) <= 60 {
		return text
	}
	text = clip(text, 60)
	if cut := strings.LastIndexByte(text, ' '); cut > 30 {
		text = text[:cut]
	}
	return text + "…"
}

// TicketCollection is what tickets are remembered with: a newer state of one
// replaces the one before.
const TicketCollection = "tickets"

// FromTicket returns the item that remembers a ticket as it stands, for those who
// may read it: what it is about, who has it, and what was said on it.
func FromTicket(t agent.Ticket, comments []agent.TicketComment, ws agent.WorkspaceID) Item {
	i := Item{
		Workspace: ws, Kind: Ticket, Title: t.ID + ": " + t.Title, Source: "ticket:" + t.ID, Author: t.CreatedBy, At: t.Updated,
		Collection: TicketCollection, Label: t.Label.Kept(),
	}
	state := "Status: " + string(t.Status) + "."
	if t.Assignee != "" {
		state += " Assignee: " + t.Assignee + "."
	}
	if t.Due != "" {
		state += " Due: " + t.Due + "."
	}
	if len(t.Labels) > 0 {
		state += " Labels: " + strings.Join(t.Labels, ", ") + "."
	}
	for _, text := range append([]string{t.Title + ". " + state}, pieces(clean(t.Body), maxSplit)...) {
		i.Chunks = append(i.Chunks, Chunk{N: len(i.Chunks), Text: text, At: t.Created})
	}
	for _, c := range comments {
		if c.Retracted {
			continue
		}
		i.Label = i.Label.Join(c.Label.Kept())
		if c.Author != t.CreatedBy {
			i.People = append(i.People, c.Author)
		}
		for _, text := range pieces(clean(c.Body), maxSplit) {
			if len(i.Chunks) < MaxChunks {
				i.Chunks = append(i.Chunks, Chunk{N: len(i.Chunks), Text: text, Position: fmt.Sprintf("comment %d", c.N), At: c.At})
			}
		}
	}
	slices.Sort(i.People)
	i.People = slices.Compact(i.People)
	i.Slot = digest("slot", TicketCollection, t.ID)
	i.Hash = digest(i.Title, i.Chunks, i.Label)
	i.Key = digest("ticket", ws, t.ID, i.Hash)
	return i
}
