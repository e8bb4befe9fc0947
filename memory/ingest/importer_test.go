package ingest_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/agent/audit"
	"github.com/sous-hq/sous/integrations/documents"
	"github.com/sous-hq/sous/integrations/sqlite"
	"github.com/sous-hq/sous/memory"
	"github.com/sous-hq/sous/memory/ingest"
	"github.com/sous-hq/sous/tools"
)

// desk is a folder that Ann imports, and what became of it.
type desk struct {
	*ingest.Shelf

	db     *sqlite.DB
	memory *memory.Memory
	files  map[string]string
	events []string
	job    ingest.Job
}

func person(id agent.ActorID) agent.Actor {
	return agent.Actor{Workspace: "w", ID: id, Kind: agent.Member, Name: strings.ToUpper(string(id))}
}

func open(t *testing.T) *desk {
	t.Helper()
	db, err := sqlite.Open(t.Context(), sqlite.Config{Path: t.TempDir() + "/sous.db"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	m, err := memory.New(memory.Config{Store: sqlite.NewMemories(db), Clock: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	s, err := ingest.NewShelf(m, tools.Scanned)
	if err != nil {
		t.Fatal(err)
	}
	return &desk{Shelf: s, db: db, memory: m, files: map[string]string{}, job: ingest.Job{By: person("ann"), Collection: "dir:/kb", Whole: true}}
}

// list is the folder's files in order.
func (d *desk) list() []ingest.File {
	var out []ingest.File
	for _, name := range slices.Sorted(maps.Keys(d.files)) {
		out = append(out, ingest.File{Source: "kb/" + name, Written: time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC), Load: func() ([]byte, error) {
			if d.files[name] == "(unreadable)" {
				return nil, agent.Errorf(agent.Invalid, "it cannot be opened")
			}
			return []byte(d.files[name]), nil
		}})
	}
	return out
}

// run imports the folder and returns the events, but for what is unchanged.
func (d *desk) run(ctx context.Context) ([]string, ingest.Report, error) {
	d.events = nil
	d.job.Files = d.list()
	im := ingest.Importer{Library: d.Shelf, Reader: documents.New(documents.Config{}), Tell: func(e ingest.Event) {
		if e.Outcome != ingest.Unchanged {
			d.events = append(d.events, string(e.Outcome)+" "+e.Source)
		}
	}}
	r, err := im.Import(ctx, d.job)
	return d.events, r, err
}

func (d *desk) want(t *testing.T, want ...string) ingest.Report {
	t.Helper()
	got, r, err := d.run(t.Context())
	if err != nil || !slices.Equal(got, want) {
		t.Fatalf("events %q, %v; want %q", got, err, want)
	}
	return r
}

func (d *desk) recall(t *testing.T, who agent.ActorID, text string) []string {
	t.Helper()
	hits, err := d.memory.Recall(t.Context(), memory.Query{Reader: person(who), Text: text})
	if err != nil {
		t.Fatal(err)
	}
	out := []string{}
	for _, h := range hits {
		out = append(out, h.Chunk.Text)
	}
	return out
}

// written counts the rows of the record about memory.
func (d *desk) written(t *testing.T) int {
	t.Helper()
	rows, err := d.db.Audit(t.Context(), "w", audit.Filter{Kinds: []audit.Kind{audit.MemoryWritten}})
	if err != nil {
		t.Fatal(err)
	}
	return len(rows)
}

// TestAFileIsKnownByItsNameAsItIsKept: what a terminal would obey in a name, and
// what is no text, is kept out of it; the file is the same the next time.
func TestAFileIsKnownByItsNameAsItIsKept(t *testing.T) {
	t.Parallel()
	d := open(t)
	d.job.Collection = "dir:/k\xffb"
	d.files = map[string]string{"a\xfe.md": "The heron is grey.", "b\n\x1b[2J.md": "The owl is white.", "c\u202efdp.md": "The jay is blue."}
	d.want(t, "new kb/a\uFFFD.md", "new kb/b\uFFFD\uFFFD[2J.md", "new kb/cfdp.md")
	n := d.written(t)
	if r := d.want(t); r.Unchanged != 3 || d.written(t) != n {
		t.Errorf("the second time %+v and %d rows; want 3 unchanged", r, d.written(t)-n)
	}
	d.files["a\xff.md"] = "The wren is small."
	r := d.want(t, "failed kb/a\uFFFD.md")
	if r.Unchanged != 3 || len(d.recall(t, "ann", "heron wren")) != 1 {
		t.Errorf("of two that cannot be told apart: %+v, recalled %q", r, d.recall(t, "ann", "heron wren"))
	}
	delete(d.files, "a\xfe.md")
	delete(d.files, "b\n\x1b[2J.md")
	d.want(t, "changed kb/a\uFFFD.md", "removed kb/b\uFFFD\uFFFD[2J.md")
}

func TestAnImportFollowsTheFolder(t *testing.T) {
	t.Parallel()
	d := open(t)
	d.files = map[string]string{"a.md": "# VPN\n\nThe VPN is at alpha.", "b.txt": "Lunch is at noon.", "bad.pdf": "no pdf"}
	d.want(t, "new kb/a.md", "new kb/b.txt", "failed kb/bad.pdf")
	n := d.written(t)
	if r := d.want(t, "failed kb/bad.pdf"); r.Unchanged != 2 {
		t.Errorf("the second time %+v; want 2 unchanged", r)
	}
	if again := d.written(t); again != n {
		t.Errorf("an import of nothing new wrote %d rows", again-n)
	}
	d.files["a.md"] = "# VPN\n\nThe VPN is at beta."
	delete(d.files, "b.txt")
	d.files["c.md"] = "Breakfast is at six."
	d.want(t, "changed kb/a.md", "failed kb/bad.pdf", "new kb/c.md", "removed kb/b.txt")
	if got := d.recall(t, "ann", "vpn"); len(got) != 1 || !strings.Contains(got[0], "beta") {
		t.Errorf("recalled %q; want the new version alone", got)
	}
	if got := d.recall(t, "ann", "lunch"); len(got) != 0 {
		t.Errorf("recalled %q of a file that is gone", got)
	}
	// A version that comes back is remembered anew.
	d.files["a.md"] = "# VPN\n\nThe VPN is at alpha."
	d.want(t, "changed kb/a.md", "failed kb/bad.pdf")
	if got := d.recall(t, "ann", "vpn"); len(got) != 1 || !strings.Contains(got[0], "alpha") {
		t.Errorf("recalled %q", got)
	}
}

func TestWhatCannotBeReadKeepsItsFormerVersion(t *testing.T) {
	t.Parallel()
	d := open(t)
	d.files = map[string]string{"a.md": "The key is under the mat.", "x/b.md": "The code is 12.", "c.md": "Tea at five."}
	d.want(t, "new kb/a.md", "new kb/c.md", "new kb/x/b.md")
	d.files["a.md"] = "(unreadable)"
	delete(d.files, "x/b.md")
	d.job.Kept = []string{"kb/x/"}
	d.want(t, "failed kb/a.md")
	if got := append(d.recall(t, "ann", "key mat"), d.recall(t, "ann", "code")...); len(got) != 2 {
		t.Errorf("recalled %q; want both that could not be looked at", got)
	}
	d.files, d.job.Kept = map[string]string{}, nil
	if _, _, err := d.run(t.Context()); agent.KindOf(err) != agent.Conflict {
		t.Errorf("an empty folder: %v; want it refused", err)
	}
	d.job.Empty = true
	d.want(t, "removed kb/x/b.md", "removed kb/c.md", "removed kb/a.md")
}

func TestImportedTextIsFromOutsideAndForItsImporterAlone(t *testing.T) {
	t.Parallel()
	d := open(t)
	d.files["a.md"] = "Write to ann@example.com about the heron."
	d.want(t, "new kb/a.md")
	label := func(who agent.ActorID) agent.Label {
		hits, err := d.memory.Recall(t.Context(), memory.Query{Reader: person(who), Text: "heron"})
		if err != nil || len(hits) != 1 {
			t.Fatalf("%s recalls %d, %v", who, len(hits), err)
		}
		return hits[0].Label()
	}
	if l := label("ann"); l.Integrity != agent.External || !l.Scanned || !slices.Contains(l.Data, "pii") || !slices.Equal(l.Readers.Named, []agent.ActorID{"ann"}) {
		t.Errorf("the label is %+v", l)
	}
	if got := d.recall(t, "bob", "heron"); len(got) != 0 {
		t.Errorf("bob recalls %q", got)
	}
	// Other readers are another version, though the content is the same.
	d.job.Sharing = ingest.Sharing{Readers: agent.Readers{Scope: agent.WholeWorkspace}, Data: []string{"customer"}}
	d.want(t, "changed kb/a.md")
	if l := label("bob"); l.Integrity != agent.External || !slices.Equal(l.Data, []string{"customer", "pii"}) {
		t.Errorf("the label is %+v", l)
	}
	d.want(t)
	d.job.Sharing.Vouched = true
	if _, _, err := d.run(t.Context()); agent.KindOf(err) != agent.Forbidden {
		t.Errorf("a member vouches: %v", err)
	}
	d.job.By.Owner = true
	d.want(t, "changed kb/a.md")
	if l := label("bob"); l.Integrity != agent.Organisation {
		t.Errorf("vouched for by an owner it is %s", l.Integrity)
	}
}

func TestEverybodyHasTheirOwnImports(t *testing.T) {
	t.Parallel()
	d := open(t)
	d.files["a.md"] = "The heron is grey."
	d.job.Sharing.Readers.Scope = agent.WholeWorkspace
	d.want(t, "new kb/a.md")
	mine, err := d.Imported(t.Context(), person("ann"), "")
	if err != nil || len(mine) != 1 {
		t.Fatal(mine, err)
	}
	if theirs, err := d.Imported(t.Context(), person("bob"), ""); err != nil || len(theirs) != 0 {
		t.Errorf("bob imported %v, %v", theirs, err)
	}
	if n, err := d.Unimport(t.Context(), person("bob"), []string{mine[0].ID}); n != 0 || agent.KindOf(err) != agent.Forbidden {
		t.Errorf("bob removes %d, %v", n, err)
	}
	stranger := person("ann")
	stranger.Workspace = "v"
	if n, err := d.Unimport(t.Context(), stranger, []string{mine[0].ID}); n != 0 || err != nil {
		t.Errorf("another workspace removes %d, %v", n, err)
	}
	d.job.By = person("bob")
	d.want(t, "new kb/a.md")
	if got := d.recall(t, "cid", "heron"); len(got) != 2 {
		t.Errorf("recalled %q; want what each imported", got)
	}
	fact, err := d.memory.Remember(t.Context(), memory.Item{Workspace: "w", Kind: memory.Fact, Author: "ann", Label: agent.Label{Readers: agent.Only("ann")}, Chunks: []memory.Chunk{{Text: "A fact."}}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := d.Unimport(t.Context(), person("ann"), []string{fact.ID}); agent.KindOf(err) != agent.Forbidden {
		t.Errorf("a fact is removed as an import: %v", err)
	}
}

func TestAForgottenDocumentStaysForgotten(t *testing.T) {
	t.Parallel()
	d := open(t)
	d.files = map[string]string{"a.md": "The heron is grey.", "b.md": "The owl is white."}
	d.want(t, "new kb/a.md", "new kb/b.md")
	known, err := d.Imported(t.Context(), person("ann"), "dir:/kb")
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(known, func(k ingest.Known) bool { return k.Source == "kb/a.md" })
	if _, err := d.memory.Forget(t.Context(), person("ann"), known[i].ID); err != nil {
		t.Fatal(err)
	}
	d.files["a.md"] = "The heron is grey and old."
	d.want(t, "forgotten kb/a.md")
	if got := d.recall(t, "ann", "heron"); len(got) != 0 {
		t.Errorf("recalled %q", got)
	}
	delete(d.files, "a.md")
	d.want(t, "removed kb/a.md")
}

func TestADryRunChangesNothing(t *testing.T) {
	t.Parallel()
	d := open(t)
	d.files = map[string]string{"a.md": "One.", "bad.docx": "PK\x03\x04rubbish"}
	d.job.Dry = true
	r := d.want(t, "new kb/a.md", "failed kb/bad.docx")
	if n := d.written(t); n != 0 || r.Passages != 1 {
		t.Errorf("%d rows written, %+v", n, r)
	}
	d.job.Dry = false
	d.want(t, "new kb/a.md", "failed kb/bad.docx")
	delete(d.files, "a.md")
	d.job.Dry = true
	d.want(t, "failed kb/bad.docx", "removed kb/a.md")
	if got := d.recall(t, "ann", "one"); len(got) != 1 {
		t.Errorf("recalled %q", got)
	}
}

func TestAnImportCutOffAnywhereGoesOn(t *testing.T) {
	t.Parallel()
	d := open(t)
	for n := range 9 {
		d.files[fmt.Sprintf("f%d.md", n)] = fmt.Sprintf("Document number%d speaks of herons.", n)
	}
	for stop := 1; stop < 9; stop += 3 {
		ctx, cancel := context.WithCancel(t.Context())
		left := stop
		d.job.Files = d.list()
		im := ingest.Importer{Library: d.Shelf, Reader: documents.New(documents.Config{}), Tell: func(ingest.Event) {
			if left--; left == 0 {
				cancel()
			}
		}}
		if _, err := im.Import(ctx, d.job); err == nil {
			t.Fatal("it was not cut off")
		}
		cancel()
	}
	_, r, err := d.run(t.Context())
	if err != nil || r.New+r.Unchanged != 9 || r.Unchanged != 7 {
		t.Errorf("%+v, %v; want the rest of 9", r, err)
	}
	if known, err := d.Imported(t.Context(), person("ann"), ""); err != nil || len(known) != 9 {
		t.Errorf("%d documents, %v; want 9", len(known), err)
	}
}

func TestBadDocumentsAreRefusedByTheShelf(t *testing.T) {
	t.Parallel()
	d := open(t)
	sum := sha256.Sum256(nil)
	good := ingest.Document{Source: "a.md", Collection: "c", Hash: hex.EncodeToString(sum[:]), Parsed: memory.Parsed{Blocks: []memory.Block{{Text: "x"}}}}
	for name, c := range map[string]struct {
		change func(*ingest.Document, *agent.Actor)
		kind   agent.Kind
	}{
		"a guest":             {func(_ *ingest.Document, a *agent.Actor) { a.Kind = agent.Guest }, agent.Forbidden},
		"nobody":              {func(_ *ingest.Document, a *agent.Actor) { a.ID = "" }, agent.Forbidden},
		"no hash":             {func(d *ingest.Document, _ *agent.Actor) { d.Hash = "abc" }, agent.Invalid},
		"no source":           {func(d *ingest.Document, _ *agent.Actor) { d.Source = " " }, agent.Invalid},
		"no collection":       {func(d *ingest.Document, _ *agent.Actor) { d.Collection = "" }, agent.Invalid},
		"an endless name":     {func(d *ingest.Document, _ *agent.Actor) { d.Source = strings.Repeat("x", 5000) }, agent.TooLarge},
		"no text":             {func(d *ingest.Document, _ *agent.Actor) { d.Blocks = nil }, agent.Invalid},
		"a strange label":     {func(d *ingest.Document, _ *agent.Actor) { d.Sharing.Data = []string{"P I I"} }, agent.Invalid},
		"vouched by a member": {func(d *ingest.Document, _ *agent.Actor) { d.Sharing.Vouched = true }, agent.Forbidden},
		"too many passages": {func(d *ingest.Document, _ *agent.Actor) {
			d.Blocks = make([]memory.Block, memory.MaxChunks+1)
			for n := range d.Blocks {
				d.Blocks[n] = memory.Block{Text: "x", Page: n + 1}
			}
		}, agent.TooLarge},
	} {
		doc, by := good, person("ann")
		c.change(&doc, &by)
		if _, err := d.Import(t.Context(), by, doc); agent.KindOf(err) != c.kind {
			t.Errorf("%s: %v (%s); want %s", name, err, agent.KindOf(err), c.kind)
		}
	}
	if _, err := d.Import(t.Context(), person("ann"), good); err != nil {
		t.Error(err)
	}
}

// TestWhateverHappensToAFolderAnImportMirrorsIt changes a folder at random and
// imports it, now and then cut off, and looks at what is remembered.
func TestWhateverHappensToAFolderAnImportMirrorsIt(t *testing.T) {
	t.Parallel()
	d := open(t)
	d.job.Empty = true
	rapid.Check(t, func(rt *rapid.T) {
		for range rapid.IntRange(1, 6).Draw(rt, "changes") {
			name := fmt.Sprintf("f%d.md", rapid.IntRange(0, 4).Draw(rt, "file"))
			if rapid.Bool().Draw(rt, "gone") {
				delete(d.files, name)
				continue
			}
			d.files[name] = fmt.Sprintf("# %s\n\nVersion v%d.", name, rapid.IntRange(0, 2).Draw(rt, "version"))
		}
		if _, _, err := d.run(context.Background()); err != nil {
			rt.Fatal(err)
		}
		known, err := d.Imported(context.Background(), person("ann"), "dir:/kb")
		if err != nil {
			rt.Fatal(err)
		}
		got := map[string]string{}
		for _, k := range known {
			got[strings.TrimPrefix(k.Source, "kb/")] = k.Hash
		}
		want := map[string]string{}
		for name, content := range d.files {
			sum := sha256.Sum256([]byte(content))
			want[name] = hex.EncodeToString(sum[:])
		}
		if !maps.Equal(got, want) || len(known) != len(want) {
			rt.Fatalf("remembered %v; want %v", got, want)
		}
	})
}
