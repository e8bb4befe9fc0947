package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/integrations/documents"
	"github.com/sous-hq/sous/internal/plaintext"
	"github.com/sous-hq/sous/memory"
	"github.com/sous-hq/sous/memory/ingest"
)

// readDocuments is the command of the child that reads documents.
const readDocuments = "read-documents"

// readDocumentsCommand is not for people: see documents.Reader.
func (c *cli) readDocumentsCommand() *cobra.Command {
	return &cobra.Command{
		Use: readDocuments, Hidden: true, Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			return documents.Serve(c.stdin, c.stdout, documents.DefaultTimeout)
		},
	}
}

// newReader returns the reader of documents, which runs this program again.
func newReader(log *slog.Logger) (*documents.Reader, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find this program: %w", err)
	}
	return documents.New(documents.Config{Command: []string{self, readDocuments}, Log: log}), nil
}

const importHelp = `Have documents remembered: Markdown, HTML, PDF, DOCX and plain text, of a folder with all below it, or of one file.

Run it again whenever you like: what has not changed is left alone, what has is replaced, and what is gone
from the folder is removed. An import that broke off goes on where it was. A file that cannot be read is
named with the reason and passed over; the exit status is then 1. Hidden files and links are not followed.

What is imported is read by nobody but you unless --readers says otherwise, and it is text from outside:
nothing that derives from it is done without a question. An owner can vouch for a folder with --vouch.`

// importFlags are the flags of memory import.
type importFlags struct {
	readers           string
	data              []string
	vouch, dry, empty bool
}

func (c *cli) memoryImportCommand() *cobra.Command {
	var f importFlags
	cmd := c.jsonFlag(&cobra.Command{
		Use: "import DIR|FILE...", Short: "Have documents remembered, or bring what is remembered up to date", Long: importHelp,
		Example: "  sous memory import ~/handbook --readers workspace\n  sous memory import report.pdf --dry-run",
		Args:    cobra.MinimumNArgs(1),
		RunE:    func(cmd *cobra.Command, args []string) error { return c.memoryImport(cmd.Context(), args, f) },
	})
	cmd.Flags().StringVar(&f.readers, "readers", "me", "who may read it: me, workspace, public, or ids of people with commas between")
	cmd.Flags().StringSliceVar(&f.data, "data", nil, "what it holds beside what is found in it, such as customer or hr")
	cmd.Flags().BoolVar(&f.vouch, "vouch", false, "it is the organisation's own (owners only): what it says counts like words of a member")
	cmd.Flags().BoolVar(&f.dry, "dry-run", false, "read everything, say what would be done and change nothing")
	cmd.Flags().BoolVar(&f.empty, "allow-empty", false, "remove everything when the folder holds no documents any more")
	return cmd
}

func (c *cli) memoryImport(ctx context.Context, paths []string, f importFlags) (err error) {
	sharing, err := f.sharing()
	if err != nil {
		return err
	}
	for _, p := range paths {
		if _, err := os.Stat(p); err != nil {
			return usagef("%v", err)
		}
	}
	s, cfg, err := c.open(ctx, "memory import", alone)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	log, err := c.logger(cfg, false)
	if err != nil {
		return err
	}
	reader, err := newReader(log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, reader.Close()) }()
	before, err := s.Imported(ctx, s.by, "")
	if err != nil {
		return err
	}
	show := importView{cli: c, dry: f.dry}
	for _, p := range paths {
		j, passed, err := jobFor(p, before)
		if err != nil {
			return err
		}
		j.By, j.Sharing, j.Dry, j.Empty = s.by, sharing, f.dry, f.empty
		im := ingest.Importer{Library: s, Reader: anyReader{reader}, Tell: show.tell}
		report, err := im.Import(ctx, j)
		if err != nil {
			show.clear()
			return err
		}
		if err := show.end(p, report, passed); err != nil {
			return err
		}
		if report.Failed > 0 {
			c.code = exitFailed
		}
	}
	return nil
}

// anyReader reads documents and subtitles.
type anyReader struct{ *documents.Reader }

// Read implements ingest.Reader.
func (r anyReader) Read(ctx context.Context, name string, content []byte) (memory.Parsed, error) {
	return readAny(ctx, r.Reader, name, content)
}

func (f importFlags) sharing() (ingest.Sharing, error) {
	s := ingest.Sharing{Vouched: f.vouch, Data: f.data}
	switch f.readers {
	case "me", "":
	case string(agent.WholeWorkspace):
		s.Readers.Scope = agent.WholeWorkspace
	case string(agent.Everybody):
		s.Readers.Scope = agent.Everybody
	default:
		for id := range strings.SplitSeq(f.readers, ",") {
			if id = strings.TrimSpace(id); id == "" {
				return s, usagef("--readers %q names somebody without an id", f.readers)
			}
			s.Readers.Named = append(s.Readers.Named, agent.ActorID(id))
		}
	}
	return s, nil
}

// dirPrefix begins the name of a collection that is a folder.
const dirPrefix = "dir:"

// jobFor finds the files of a folder, or of one file in the folder it was
// imported with before. passed counts files of other kinds, by extension.
func jobFor(path string, before []ingest.Known) (j ingest.Job, passed map[string]int, err error) {
	full, err := filepath.Abs(path)
	if err != nil {
		return j, nil, err
	}
	if full, err = filepath.EvalSymlinks(full); err != nil {
		return j, nil, usagef("%v", err)
	}
	info, err := os.Stat(full)
	if err != nil {
		return j, nil, usagef("%v", err)
	}
	if info.IsDir() {
		w := folder{root: full, passed: map[string]int{}}
		err := w.walk()
		return ingest.Job{Collection: dirPrefix + full, Files: w.files, Kept: w.kept, Whole: true}, w.passed, err
	}
	if !info.Mode().IsRegular() {
		return j, nil, usagef("%s is neither a folder nor a regular file", path)
	}
	root := filepath.Dir(full)
	for _, k := range before {
		if of, ok := strings.CutPrefix(k.Collection, dirPrefix); ok && len(of) < len(root) && strings.HasPrefix(full, of+string(filepath.Separator)) {
			root = of
		}
	}
	return ingest.Job{Collection: dirPrefix + root, Files: []ingest.File{fileAt(root, full, info)}}, nil, nil
}

// folder collects the files below a root.
type folder struct {
	root   string
	files  []ingest.File
	kept   []string
	passed map[string]int
}

func (w *folder) walk() error {
	return filepath.WalkDir(w.root, func(path string, e fs.DirEntry, err error) error {
		hidden := path != w.root && strings.HasPrefix(filepath.Base(path), ".")
		switch {
		case err != nil && path == w.root:
			return usagef("%v", err)
		case err != nil:
			w.locked(path, err)
			return nil
		case e.IsDir() && hidden:
			return fs.SkipDir
		case e.IsDir() || hidden || !e.Type().IsRegular():
			return nil
		case !documents.Reads(e.Name()):
			w.passed[strings.ToLower(filepath.Ext(e.Name()))]++
			return nil
		}
		info, err := e.Info()
		if err != nil {
			return nil //nolint:nilerr // it is gone since
		}
		w.files = append(w.files, fileAt(w.root, path, info))
		return nil
	})
}

// locked notes a folder that cannot be looked at: it is told of like a file, and
// what was imported from there stays.
func (w *folder) locked(path string, err error) {
	name := sourceOf(w.root, path) + "/"
	w.kept = append(w.kept, name)
	w.files = append(w.files, ingest.File{Source: name, Load: func() ([]byte, error) {
		return nil, agent.WrapError(agent.Invalid, err, "this folder cannot be opened: "+reasonOf(err))
	}})
}

// sourceOf names a file by the folder it is imported with: "handbook/vpn.md".
func sourceOf(root, path string) string {
	rel, err := filepath.Rel(root, path)
	if err != nil {
		rel = path
	}
	return filepath.ToSlash(filepath.Join(filepath.Base(root), rel))
}

func fileAt(root, path string, info fs.FileInfo) ingest.File {
	return ingest.File{Source: sourceOf(root, path), Written: info.ModTime(), Load: func() ([]byte, error) {
		if info.Size() > documents.MaxBytes {
			return nil, documents.TooBig(info.Size())
		}
		content, err := readFile(path)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return nil, agent.Errorf(agent.NotFound, "it is gone")
		case err != nil:
			return nil, agent.WrapError(agent.Invalid, err, "it cannot be opened: "+reasonOf(err))
		}
		return content, nil
	}}
}

// readFile reads a file that may have become something else since its folder was
// listed: nothing but a regular file is read, and one byte more than the limit of
// it, however long it has grown.
func readFile(path string) ([]byte, error) {
	listed, err := os.Lstat(path)
	if err == nil && !listed.Mode().IsRegular() {
		err = errors.New("it is no regular file")
	}
	if err != nil {
		return nil, err
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if opened, err := f.Stat(); err != nil || !os.SameFile(listed, opened) {
		return nil, errors.Join(errors.New("it was replaced while it was opened"), err)
	}
	return io.ReadAll(io.LimitReader(f, documents.MaxBytes+1))
}

// reasonOf is what the system says, without the path.
func reasonOf(err error) string {
	var p *fs.PathError
	if errors.As(err, &p) {
		return p.Err.Error()
	}
	return err.Error()
}

// importView shows an import as it goes.
type importView struct {
	*cli

	dry bool
	// wide is how long the line of progress is that stands there now.
	wide int
}

func (v *importView) tell(e ingest.Event) {
	if v.asJSON {
		_ = v.printLine(e)
		return
	}
	if e.Outcome != ingest.Unchanged && e.Outcome != ingest.Forgotten {
		v.clear()
		line := fmt.Sprintf("%-9s %s", e.Outcome, e.Source)
		switch {
		case e.Reason != "":
			line += ": " + e.Reason
		case e.Passages > 0:
			line += fmt.Sprintf(" (%d passages)", e.Passages)
		}
		v.printf("%s\n", line)
		for _, w := range e.Warnings {
			v.printf("%-9s %s\n", "", w)
		}
	}
	v.progress(e)
}

// progress says on a terminal how far it is.
func (v *importView) progress(e ingest.Event) {
	out, ok := terminal(v.stderr)
	if !ok || !term.IsTerminal(int(out.Fd())) {
		return
	}
	v.clear()
	line := plaintext.Name(fmt.Sprintf("%d of %d  %s", e.Done, e.Total, e.Source))
	if r := []rune(line); len(r) > 76 {
		line = string(r[:76])
	}
	v.wide = utf8.RuneCountInString(line)
	fmt.Fprintf(out, "\r%s", line)
}

func (v *importView) clear() {
	if out, ok := terminal(v.stderr); ok && v.wide > 0 {
		fmt.Fprintf(out, "\r%s\r", strings.Repeat(" ", v.wide))
		v.wide = 0
	}
}

func (v *importView) end(path string, r ingest.Report, passed map[string]int) error {
	v.clear()
	if v.asJSON {
		return v.printLine(map[string]any{"summary": r, "path": path, "dry_run": v.dry, "other_kinds": passed})
	}
	parts := []string{}
	for _, p := range []struct {
		n    int
		what string
	}{{r.New, "new"}, {r.Changed, "changed"}, {r.Unchanged, "unchanged"}, {r.Removed, "removed"}, {r.Forgotten, "forgotten before"}, {r.Failed, "failed"}} {
		if p.n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", p.n, p.what))
		}
	}
	if len(parts) == 0 {
		parts = []string{"no documents"}
	}
	dry := ""
	if v.dry {
		dry = " (dry run: nothing was changed)"
	}
	v.printf("%s: %s%s\n", path, strings.Join(parts, ", "), dry)
	if others := kinds(passed); others != "" {
		v.printf("Files of other kinds were passed over: %s\n", others)
	}
	return nil
}

// kinds lists extensions with how often they came, the most frequent first.
func kinds(count map[string]int) string {
	all := make([]string, 0, len(count))
	for ext := range count {
		all = append(all, ext)
	}
	slices.SortFunc(all, func(a, b string) int { return cmp.Or(cmp.Compare(count[b], count[a]), cmp.Compare(a, b)) })
	for n, ext := range all {
		all[n] = fmt.Sprintf("%d %s", count[ext], ext)
	}
	return strings.Join(all[:min(len(all), 12)], ", ")
}

func (c *cli) memoryImportsCommand() *cobra.Command {
	return c.jsonFlag(&cobra.Command{
		Use: "imports", Short: "List the documents you had imported", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return c.reading(cmd.Context(), "memory imports", func(s *session) error {
				all, err := s.Imported(cmd.Context(), s.by, "")
				if err != nil {
					return err
				}
				slices.SortFunc(all, func(a, b ingest.Known) int {
					return cmp.Or(cmp.Compare(a.Collection, b.Collection), cmp.Compare(a.Source, b.Source))
				})
				if c.asJSON {
					return c.printJSON(orEmpty(all))
				}
				for _, k := range all {
					state := ""
					if k.Forgotten {
						state = "  (forgotten)"
					}
					c.printf("%s  %s  %s%s\n", k.ID, k.Remembered.Local().Format("2006-01-02 15:04"), k.Source, state)
				}
				c.printf("%d documents.\n", len(all))
				return nil
			})
		},
	})
}
