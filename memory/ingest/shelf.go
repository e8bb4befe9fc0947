package ingest

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/internal/plaintext"
	"github.com/sous-hq/sous/memory"
)

// Document is a parsed document with what its importer says of it.
type Document struct {
	memory.Parsed

	// Source names the file for citations, Collection what it is imported with.
	Source     string `json:"source"`
	Collection string `json:"collection"`
	// Hash is the SHA-256 of the file, in hex.
	Hash string `json:"hash"`
	// Written is when the file was written; a time the document says of itself
	// that is earlier counts more.
	Written time.Time `json:"written,omitzero"`
	Sharing Sharing   `json:"sharing"`
}

// Sharing is who may read what is imported and how far it can be trusted. The
// zero value is the importer alone, and content from outside.
type Sharing struct {
	// Readers may read it; the importer always may. Nobody named is the importer.
	Readers agent.Readers `json:"readers"`
	// Vouched says that it is the organisation's own: only an owner may say so.
	Vouched bool `json:"vouched,omitempty"`
	// Data names what it holds ("pii", "secret", …) beside what is found in it.
	Data []string `json:"data,omitempty"`
}

// Known is a document that was imported.
type Known struct {
	ID         string    `json:"id"`
	Source     string    `json:"source"`
	Collection string    `json:"collection"`
	Hash       string    `json:"hash"`
	Title      string    `json:"title,omitempty"`
	Remembered time.Time `json:"remembered"`
	// Forgotten says that its importer had it forgotten.
	Forgotten bool `json:"forgotten,omitempty"`
}

// Stored is what became of a document.
type Stored struct {
	ID string `json:"id"`
	// Fresh says that it was not there before.
	Fresh    bool `json:"fresh"`
	Passages int  `json:"passages"`
}

// Library is where documents are imported to. Everything is the actor's own: what
// others imported is neither seen nor changed.
type Library interface {
	// Imported lists what the actor imported: with the collection, or all of it
	// when that is empty. Forgotten documents are among them.
	Imported(ctx context.Context, by agent.Actor, collection string) ([]Known, error)
	// Import remembers a document in place of the version before; the same again
	// changes nothing. Invalid and TooLarge are about the document, Forbidden
	// about what the actor may do.
	Import(ctx context.Context, by agent.Actor, d Document) (Stored, error)
	// Unimport removes documents for good and returns how many there were.
	Unimport(ctx context.Context, by agent.Actor, ids []string) (int, error)
}

// Shelf is the Library over a Memory.
type Shelf struct {
	memory *memory.Memory
	scan   func(agent.Label, string) agent.Label
}

var _ Library = (*Shelf)(nil)

// NewShelf returns the library over a memory. scan adds to a label what is found
// in a text.
func NewShelf(m *memory.Memory, scan func(agent.Label, string) agent.Label) (*Shelf, error) {
	if m == nil || scan == nil {
		return nil, errors.New("ingest: memory and scan are required")
	}
	return &Shelf{m, scan}, nil
}

// maxKnown is how many documents one person may have imported.
const maxKnown = 200_000

// Imported implements Library.
func (s *Shelf) Imported(ctx context.Context, by agent.Actor, collection string) ([]Known, error) {
	items, err := s.memory.List(ctx, memory.Filter{
		Reader: by, Author: by.ID, Kinds: []memory.Kind{memory.Document}, Collection: collection, Forgotten: true, Limit: maxKnown,
	})
	if err != nil {
		return nil, err
	}
	known := make([]Known, 0, len(items))
	for _, i := range items {
		if i.Collection != "" {
			known = append(known, Known{
				ID: i.ID, Source: i.Source, Collection: i.Collection, Hash: i.Hash, Title: i.Title, Remembered: i.Remembered, Forgotten: !i.Forgotten.IsZero(),
			})
		}
	}
	return known, nil
}

// Import implements Library.
func (s *Shelf) Import(ctx context.Context, by agent.Actor, d Document) (Stored, error) {
	o, err := d.origin(by)
	if err != nil {
		return Stored{}, err
	}
	i := memory.FromDocument(d.Parsed, o)
	i.Label = s.scan(i.Label, i.Title+"\n"+i.Text())
	i, fresh, err := s.memory.RememberNew(ctx, i)
	if err != nil {
		return Stored{}, fmt.Errorf("import: %w", err)
	}
	return Stored{ID: i.ID, Fresh: fresh, Passages: len(i.Chunks)}, nil
}

// Unimport implements Library.
func (s *Shelf) Unimport(ctx context.Context, by agent.Actor, ids []string) (int, error) {
	removed := 0
	for _, id := range ids {
		i, err := s.memory.Get(ctx, by, id)
		switch {
		case agent.KindOf(err) == agent.NotFound:
			continue
		case err != nil:
			return removed, err
		case i.Author != by.ID || i.Collection == "":
			return removed, agent.Errorf(agent.Forbidden, "only what you imported yourself can be removed like this")
		}
		if _, err := s.memory.Remove(ctx, by, id); err != nil {
			return removed, err
		}
		removed++
	}
	return removed, nil
}

// origin checks what the importer says and turns it into where the document is from.
func (d Document) origin(by agent.Actor) (memory.Origin, error) {
	raw, err := hex.DecodeString(d.Hash)
	switch {
	case by.Workspace == "" || by.ID == "" || by.Kind != agent.Member:
		return memory.Origin{}, agent.Errorf(agent.Forbidden, "only members of the workspace can have documents remembered")
	case err != nil || len(raw) != 32:
		return memory.Origin{}, agent.Errorf(agent.Invalid, "hash is not a SHA-256 in hexadecimal digits")
	case strings.TrimSpace(d.Source) == "" || strings.TrimSpace(d.Collection) == "":
		return memory.Origin{}, agent.Errorf(agent.Invalid, "a document needs a source and a collection")
	case len(d.Source) > maxName || len(d.Collection) > maxName:
		return memory.Origin{}, agent.Errorf(agent.TooLarge, "the name of a document or a collection is longer than %d bytes", maxName)
	}
	l, err := d.Sharing.label(by)
	return memory.Origin{
		Workspace: by.Workspace, Author: by.ID, AuthorName: by.Name, Source: plainName(d.Source), Collection: plainName(d.Collection),
		Hash: strings.ToLower(d.Hash), Label: l, At: d.Written,
	}, err
}

// maxName is the longest name of a source or a collection, in bytes.
const maxName = 2000

// plainName is a name as it is kept: shown in citations, it has to be one line
// of text.
func plainName(s string) string {
	return plaintext.Name(strings.ReplaceAll(s, "\x00", ""))
}

// label is the label that the sharing gives. Nobody can make words their own
// that stood in a file: the integrity is never that of a requester.
func (s Sharing) label(by agent.Actor) (agent.Label, error) {
	l := agent.Label{Integrity: agent.External, Readers: s.Readers, Data: slices.Clone(s.Data)}
	slices.Sort(l.Data)
	l.Data = slices.Compact(l.Data)
	if l.Readers.Scope == agent.OnlyNamed {
		l.Readers = agent.Only(append(slices.Clone(s.Readers.Named), by.ID)...)
	}
	if s.Vouched {
		if !by.Owner {
			return l, agent.Errorf(agent.Forbidden, "only an owner of the workspace can vouch for what is imported")
		}
		l.Integrity = agent.Organisation
	}
	for _, d := range l.Data {
		if d == "" || len(d) > 40 || strings.ContainsFunc(d, func(r rune) bool { return (r < 'a' || r > 'z') && r != '_' && r != '-' }) {
			return l, agent.Errorf(agent.Invalid, "a data label is a word of small letters such as “pii” or “customer”")
		}
	}
	return l, nil
}
