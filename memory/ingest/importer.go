package ingest

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/memory"
)

// Reader reads a document of its content; its errors of kind Invalid and TooLarge
// are about the document and say why it cannot be read.
type Reader interface {
	Read(ctx context.Context, name string, content []byte) (memory.Parsed, error)
}

// File is one file to import.
type File struct {
	// Source names it for citations and is what it is known by: "handbook/vpn.md".
	Source string
	// Written is when it was last written.
	Written time.Time
	// Load returns its content; an error with a public text says why it cannot be
	// read.
	Load func() ([]byte, error)
}

// Job is what one import is to do.
type Job struct {
	By         agent.Actor
	Collection string
	Files      []File
	Sharing    Sharing
	// Whole says that Files are all there is of the collection: what was imported
	// with it before and is not among them is removed. Kept lists prefixes of
	// sources that could not be looked at and are left as they are.
	Whole bool
	Kept  []string
	// Empty allows a whole import of no files to remove everything.
	Empty bool
	// Dry reads everything and changes nothing.
	Dry bool
}

// Outcome says what became of one file.
type Outcome string

// The outcomes.
const (
	New       Outcome = "new"
	Changed   Outcome = "changed"
	Unchanged Outcome = "unchanged"
	Removed   Outcome = "removed"
	Failed    Outcome = "failed"
	// Forgotten files had been imported and were forgotten since; they stay so.
	Forgotten Outcome = "forgotten"
)

// Event tells of one file.
type Event struct {
	Source  string  `json:"source"`
	Outcome Outcome `json:"outcome"`
	// ID is the item's, Passages how many it has.
	ID       string `json:"id,omitempty"`
	Passages int    `json:"passages,omitempty"`
	// Reason says why it failed, Warnings what of it could not be read.
	Reason   string   `json:"reason,omitempty"`
	Warnings []string `json:"warnings,omitempty"`
	// Done of Total files are through.
	Done  int `json:"done"`
	Total int `json:"total"`
}

// Report counts the outcomes of an import.
type Report struct {
	New       int `json:"new"`
	Changed   int `json:"changed"`
	Unchanged int `json:"unchanged"`
	Removed   int `json:"removed"`
	Failed    int `json:"failed"`
	Forgotten int `json:"forgotten"`
	Passages  int `json:"passages"`
}

func (r *Report) count(e Event) {
	switch e.Outcome {
	case New:
		r.New++
	case Changed:
		r.Changed++
	case Unchanged:
		r.Unchanged++
	case Removed:
		r.Removed++
	case Failed:
		r.Failed++
	case Forgotten:
		r.Forgotten++
	}
	r.Passages += e.Passages
}

// Importer brings files into a library.
type Importer struct {
	Library Library
	Reader  Reader
	// Tell, when set, hears of each file as it is through.
	Tell func(Event)
}

// run is one import under way.
type run struct {
	Importer
	Job

	report Report
	known  map[string][]Known
	seen   map[string]bool
	done   int
}

// Import does a job and returns what became of it. A file that cannot be read is
// told of and passed over, and what was imported of it before stays. An error
// means that the import could not go on; what is done by then stays done, and the
// same job again does the rest.
func (im Importer) Import(ctx context.Context, j Job) (Report, error) {
	j.Collection = plainName(j.Collection)
	r := run{Importer: im, Job: j, known: map[string][]Known{}, seen: map[string]bool{}}
	if _, err := j.Sharing.label(j.By); err != nil {
		return r.report, err
	}
	before, err := im.Library.Imported(ctx, j.By, j.Collection)
	if err != nil {
		return r.report, err
	}
	for _, k := range before {
		r.known[k.Source] = append(r.known[k.Source], k)
	}
	if j.Whole && len(j.Files) == 0 && len(j.Kept) == 0 && len(before) > 0 && !j.Empty {
		return r.report, agent.Errorf(agent.Conflict, "there are no documents there any more, and %d are remembered; if that is right, say so with --allow-empty", len(before))
	}
	for _, f := range j.Files {
		if err := ctx.Err(); err != nil {
			return r.report, err
		}
		if err := r.file(ctx, r.named(f)); err != nil {
			return r.report, err
		}
	}
	if j.Whole {
		err = r.removeGone(ctx, before)
	}
	return r.report, err
}

// named returns the file under the name it is known by. Of two that differ only
// in what cannot be shown of their names, the second cannot be told from the first.
func (r *run) named(f File) File {
	f.Source = plainName(f.Source)
	if r.seen[f.Source] {
		f.Load = func() ([]byte, error) {
			return nil, agent.Errorf(agent.Invalid, "another file has this name, but for characters that cannot be shown; rename one of them")
		}
	}
	r.seen[f.Source] = true
	return f
}

// file imports one file. The error is one that ends the import.
func (r *run) file(ctx context.Context, f File) error {
	e, err := r.outcome(ctx, f)
	if err != nil {
		if k := agent.KindOf(err); k != agent.Invalid && k != agent.TooLarge && k != agent.NotFound {
			return fmt.Errorf("import %s: %w", f.Source, err)
		}
		e = Event{Outcome: Failed, Reason: agent.PublicText(err)}
	}
	e.Source = f.Source
	r.tell(e)
	return nil
}

func (r *run) tell(e Event) {
	if e.Outcome != Removed {
		r.done++
	}
	e.Done, e.Total = r.done, len(r.Files)
	r.report.count(e)
	if r.Tell != nil {
		r.Tell(e)
	}
}

func (r *run) outcome(ctx context.Context, f File) (Event, error) {
	content, err := f.Load()
	if err != nil {
		return Event{}, err
	}
	sum := sha256.Sum256(content)
	d := Document{Source: f.Source, Collection: r.Collection, Hash: hex.EncodeToString(sum[:]), Written: f.Written, Sharing: r.Sharing}
	before := r.known[f.Source]
	if i := slices.IndexFunc(before, func(k Known) bool { return k.Forgotten }); i >= 0 {
		return Event{Outcome: Forgotten, ID: before[i].ID}, nil
	}
	o, err := d.origin(r.By)
	if err != nil {
		return Event{}, err
	}
	id, err := memory.ImportID(o)
	if err != nil {
		return Event{}, err
	}
	if slices.ContainsFunc(before, func(k Known) bool { return k.ID == id }) {
		return Event{Outcome: Unchanged, ID: id}, nil
	}
	if d.Parsed, err = r.Reader.Read(ctx, f.Source, content); err != nil {
		return Event{}, err
	}
	e := Event{Outcome: New, ID: id, Warnings: d.Warnings}
	if len(before) > 0 {
		e.Outcome = Changed
	}
	if r.Dry {
		e.Passages = len(memory.FromDocument(d.Parsed, o).Chunks)
		return e, nil
	}
	stored, err := r.Library.Import(ctx, r.By, d)
	if err != nil {
		return Event{}, err
	}
	e.ID, e.Passages = stored.ID, stored.Passages
	if !stored.Fresh {
		e.Outcome = Unchanged
	}
	return e, nil
}

// batchOfGone is how many documents are removed at once.
const batchOfGone = 50

// removeGone removes what was known when the import began and is not there any
// more: nothing that somebody else imports meanwhile.
func (r *run) removeGone(ctx context.Context, before []Known) error {
	gone := slices.DeleteFunc(slices.Clone(before), func(k Known) bool {
		return r.seen[k.Source] || slices.ContainsFunc(r.Kept, func(p string) bool { return strings.HasPrefix(k.Source, plainName(p)) })
	})
	for batch := range slices.Chunk(gone, batchOfGone) {
		ids := make([]string, len(batch))
		for n, k := range batch {
			ids[n] = k.ID
		}
		if !r.Dry {
			if _, err := r.Library.Unimport(ctx, r.By, ids); err != nil {
				return fmt.Errorf("remove what is gone: %w", err)
			}
		}
		for _, k := range batch {
			r.tell(Event{Source: k.Source, Outcome: Removed, ID: k.ID})
		}
	}
	return nil
}
