package recall

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"time"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/memory"
	"github.com/sous-hq/sous/tools"
)

// readTimeout bounds the reading of a document.
const readTimeout = 2 * time.Minute

type fileIn struct {
	File  string `json:"file" jsonschema:"id of the stored file"`
	About string `json:"about,omitempty" jsonschema:"what it is about, in a few words; the document's own title when left out"`
}

// rememberFile declares the tool that remembers a document somebody dropped.
func (f family) rememberFile() (tools.Tool, error) {
	s, err := spec("remember_file", agent.TierWrite, "Forgets it again.", "file")
	if err != nil {
		return tools.Tool{}, err
	}
	s.Timeout = readTimeout
	return tools.New(s, tools.Funcs[fileIn, itemOut]{
		// Nobody is asked about a file that cannot be read.
		Check: func(ctx context.Context, inv tools.Invocation, in fileIn) error {
			_, _, err := f.read(ctx, inv, in)
			return err
		},
		Run: f.keepFile,
		About: func(ctx context.Context, by agent.Actor, in fileIn) ([]agent.Note, error) {
			file, err := f.Files.File(ctx, by, in.File)
			if err != nil {
				return nil, nil //nolint:nilerr // what it is cannot be shown; the call says why it does not run
			}
			return []agent.Note{{Title: "File", Text: file.Name}}, nil
		},
		Label: labelOf[fileIn],
		Undo:  func(_ fileIn, out itemOut) (string, any, bool) { return "forget", idIn{ID: out.ID}, true },
	})
}

// read reads the file when the actor may have it remembered here.
func (f family) read(ctx context.Context, inv tools.Invocation, in fileIn) (agent.File, memory.Parsed, error) {
	if strings.TrimSpace(in.File) == "" {
		return agent.File{}, memory.Parsed{}, agent.Errorf(agent.Invalid, "file is empty; name the document by the id of its file")
	}
	file, err := f.Files.File(ctx, inv.By, in.File)
	if err == nil && !fileLabel(inv, file).Readers.Includes(inv.By) {
		err = agent.Errorf(agent.Forbidden, "you could not read again what would be remembered here")
	}
	if err != nil {
		return file, memory.Parsed{}, err
	}
	d, err := f.Documents.Read(ctx, file.Name, file.Content)
	return file, d, err
}

// fileLabel is the file's own label, for nobody but the readers of the place.
func fileLabel(inv tools.Invocation, file agent.File) agent.Label {
	l := file.Label.Kept()
	l.Readers = l.Readers.Intersect(inv.Place.Readers())
	return l
}

func (f family) keepFile(ctx context.Context, inv tools.Invocation, in fileIn) (itemOut, error) {
	file, d, err := f.read(ctx, inv, in)
	if err != nil {
		return itemOut{}, err
	}
	label := fileLabel(inv, file)
	if in.About != "" {
		// The words are the model's, who made them from what it saw.
		d.Title, label = in.About, label.Join(factLabel(inv))
	}
	sum := sha256.Sum256(file.Content)
	i := memory.FromDocument(d, memory.Origin{
		Workspace: inv.By.Workspace, Author: inv.By.ID, AuthorName: inv.By.Name, Source: file.Name, Hash: hex.EncodeToString(sum[:]),
		Place: inv.Place.ID, Where: Where(inv.Place), Label: label, At: file.At,
	})
	i.Key, i.Slot = inv.Key, memory.Slot(i)
	return f.whole(ctx, i, d.Warnings)
}

// whole remembers a document or a thread; what it says is not told back.
func (f family) whole(ctx context.Context, i memory.Item, warnings []string) (itemOut, error) {
	stored, err := f.memory.Remember(ctx, i)
	if err != nil {
		return itemOut{}, err
	}
	return itemOut{ID: stored.ID, Title: stored.Title, Passages: len(stored.Chunks), Warnings: warnings, label: stored.Label}, nil
}

type threadIn struct {
	About string `json:"about,omitempty" jsonschema:"what the conversation was about, in a few words"`
}

// rememberThread declares the tool that remembers the conversation it is called in.
func (f family) rememberThread() (tools.Tool, error) {
	s, err := spec("remember_thread", agent.TierWrite, "Forgets it again.")
	if err != nil {
		return tools.Tool{}, err
	}
	return tools.New(s, tools.Funcs[threadIn, itemOut]{
		Run:   f.keepThread,
		Label: labelOf[threadIn],
		Undo:  func(_ threadIn, out itemOut) (string, any, bool) { return "forget", idIn{ID: out.ID}, true },
	})
}

func (f family) keepThread(ctx context.Context, inv tools.Invocation, in threadIn) (itemOut, error) {
	id, said, err := f.Threads.Thread(ctx, inv.By, inv.Turn)
	if err != nil {
		return itemOut{}, err
	}
	i := memory.FromThread(said, memory.Conversation{
		ID: id, Title: in.About, By: inv.By, Place: inv.Place.ID, Where: Where(inv.Place), Readers: inv.Place.Readers(),
	})
	i.Key = inv.Key
	if in.About != "" {
		i.Label = i.Label.Join(factLabel(inv))
	}
	if len(i.Chunks) == 0 {
		return itemOut{}, agent.Errorf(agent.Invalid, "nothing was said in this conversation before")
	}
	return f.whole(ctx, i, nil)
}
