// Package layers keeps the shape of the tree: who may import whom, that every package says what it is
// for, and that no file grows past what can be read in one sitting. It holds tests alone.
package layers

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const (
	module   = "github.com/sous-hq/sous"
	maxLines = 600 // of a Go file that is no test
)

// A rule gives the packages below a path their layer. A package may import its own rule's group, every
// lower layer, internal leaves, and what also names.
type rule struct {
	under string   // a folder; a trailing /* makes each folder in it a group of its own
	layer int      // higher may import lower
	what  string   // how the layer is called in a complaint
	also  []string // groups of the same layer it may import besides
}

// rules is the table of docs/architecture.md. The first line that fits counts.
func rules() []rule {
	return []rule{
		{under: "cmd/*", layer: 4, what: "wiring"},

		{under: "integrations/*", layer: 3, what: "an adapter"},
		{under: "tools/*", layer: 3, what: "a tool family"},

		{under: "agent/loop", layer: 2, what: "the turn"},
		{under: "agent/journal", layer: 2, what: "the engine", also: []string{"agent/loop"}},
		{under: "agent/check", layer: 2, what: "the promises"},

		{under: "agent/policy", layer: 1, what: "a concept", also: []string{"agent/approval", "agent/audit", "tools"}},
		{under: "agent/approval", layer: 1, what: "a concept", also: []string{"agent/audit"}},
		{under: "agent/audit", layer: 1, what: "a concept"},
		{under: "agent/admission", layer: 1, what: "a concept", also: []string{"agent/model"}},
		{under: "agent/budget", layer: 1, what: "a concept"},
		{under: "agent/feedback", layer: 1, what: "a concept"},
		{under: "agent/install", layer: 1, what: "a concept"},
		{under: "agent/model", layer: 1, what: "a concept"},
		{under: "agent/privacy", layer: 1, what: "a concept", also: []string{"agent/approval", "agent/audit", "agent/pause"}},
		{under: "agent/people", layer: 1, what: "a concept", also: []string{"agent/audit"}},
		{under: "agent/delivery", layer: 1, what: "a concept"},
		{under: "agent/pause", layer: 1, what: "a concept"},
		{under: "agent/review", layer: 1, what: "a concept"},
		{under: "tools", layer: 1, what: "a concept"},
		{under: "memory", layer: 1, what: "a concept"},
		{under: "prompts", layer: 1, what: "a concept"},

		{under: "agent", layer: 0, what: "the nouns"},

		{under: "internal/eval", layer: anything, what: "an evaluation"},
		{under: "internal/testkit", layer: anything, what: "for tests only"},
		{under: "internal/layers", layer: anything, what: "for tests only"},
		{under: "internal/*", layer: leaf, what: "a leaf"},
	}
}

const (
	leaf     = -1  // imported by any, imports none of ours
	anything = 100 // imports any, imported by tests and by its like alone
)

// pkg is what we ask `go list` about a package.
type pkg struct {
	ImportPath, Name, Dir, Doc        string
	GoFiles, CgoFiles, IgnoredGoFiles []string
	Imports                           []string // of the files that are no tests
	Error                             *struct{ Err string }
}

// place is where a package stands.
type place struct {
	rule
	path  string // below the module
	group string // packages of one group may import each other
}

// placeOf finds the rule of a package by its path below the module.
func placeOf(rel string) (place, bool) {
	for _, r := range rules() {
		folder, each := strings.CutSuffix(r.under, "/*")
		rest, below := strings.CutPrefix(rel, folder+"/")
		switch {
		case each && below:
			first, _, _ := strings.Cut(rest, "/")
			return place{rule: r, path: rel, group: folder + "/" + first}, true
		case !each && (below || rel == folder):
			if folder == "agent" && below {
				return place{}, false // a new concept under agent needs a line of its own
			}
			return place{rule: r, path: rel, group: folder}, true
		}
	}
	return place{}, false
}

// testOnly reports whether a package serves tests: a suite such as tools/toolstest, or the test kit.
func (p place) testOnly() bool {
	return p.layer == anything || strings.HasSuffix(path.Base(p.path), "test")
}

// wrong says why from must not import to, or "".
func wrong(from, to place) string {
	switch {
	case to.testOnly() && !from.testOnly():
		return fmt.Sprintf("%s is for tests only: import it from a _test file", to.path)
	case from.group == to.group, from.layer == anything, to.testOnly():
		return ""
	case from.layer == leaf:
		return fmt.Sprintf("%s is a leaf: it imports none of our packages", from.group)
	case to.layer < from.layer, slices.Contains(from.also, to.group):
		return ""
	case to.layer == from.layer:
		return fmt.Sprintf("%s is %s (layer %d) and %s is %s of the same layer: each declares the small interface it needs, and cmd joins them",
			from.group, from.what, from.layer, to.group, to.what)
	default:
		return fmt.Sprintf("%s is %s (layer %d) and %s is %s (layer %d): imports go downwards only",
			from.group, from.what, from.layer, to.group, to.what, to.layer)
	}
}

// importComplaints is one sentence for each import that breaks the table.
func importComplaints(pkgs []pkg) []string {
	var said []string
	for _, p := range pkgs {
		rel := below(p.ImportPath)
		from, ok := placeOf(rel)
		if !ok {
			said = append(said, fmt.Sprintf("%s has no layer: find it a room under an existing folder, or add a line to rules and to docs/architecture.md", rel))
			continue
		}
		for _, imported := range p.Imports {
			if from.layer == 0 && !ours(imported) && !standard(imported) {
				said = append(said, fmt.Sprintf("%s imports %s: the nouns use the standard library only", rel, imported))
			}
			to, ok := placeOf(below(imported))
			if !ours(imported) || !ok {
				continue // of others; or without a layer, which is said of the package itself
			}
			if why := wrong(from, to); why != "" {
				said = append(said, fmt.Sprintf("%s imports %s: %s", rel, to.path, why))
			}
		}
	}
	return said
}

func ours(importPath string) bool {
	return importPath == module || strings.HasPrefix(importPath, module+"/")
}

func below(importPath string) string {
	return strings.TrimPrefix(strings.TrimPrefix(importPath, module), "/")
}

// standard reports whether an import path is of the standard library: its first part has no dot.
func standard(importPath string) bool {
	first, _, _ := strings.Cut(importPath, "/")
	return !strings.Contains(first, ".")
}

// docComplaints is one sentence for each package that does not say what it is for. A command's comment
// may begin with the word Command or, as Go's own do, with its name: "Minutes measures …".
func docComplaints(pkgs []pkg) []string {
	var said []string
	for _, p := range pkgs {
		openings := []string{"Package " + p.Name + " "}
		if name := path.Base(p.ImportPath); p.Name == "main" {
			openings = []string{"Command ", strings.ToUpper(name[:1]) + name[1:] + " "}
		}
		opens := func(opening string) bool { return strings.HasPrefix(p.Doc, opening) }
		if files := len(p.GoFiles) + len(p.CgoFiles); files > 0 && !slices.ContainsFunc(openings, opens) {
			said = append(said, fmt.Sprintf("%s has no package comment that begins with %q: say in a sentence what it is for", below(p.ImportPath), openings[0]))
		}
	}
	return said
}

// lengthComplaint is a sentence when a file is longer than can be read at once, or "".
func lengthComplaint(name string, content []byte) string {
	if n := bytes.Count(content, []byte("\n")); n > maxLines {
		return fmt.Sprintf("%s has %d lines; %d is the most: move a noun to a file of its own", name, n, maxLines)
	}
	return ""
}

// list asks the go command, once, about every package of the module.
func list(t *testing.T) []pkg {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", "list", "-e",
		"-json=ImportPath,Name,Dir,Doc,GoFiles,CgoFiles,IgnoredGoFiles,Imports,Error", "./...")
	cmd.Dir = filepath.Join("..", "..")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, stderr.Bytes())
	}
	var pkgs []pkg
	for dec := json.NewDecoder(bytes.NewReader(out)); ; {
		var p pkg
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			return pkgs
		} else if err != nil {
			t.Fatalf("go list: %v", err)
		}
		if p.Error != nil {
			t.Errorf("%s does not load: %s", p.ImportPath, p.Error.Err)
		}
		pkgs = append(pkgs, p)
	}
}

func TestTree(t *testing.T) {
	pkgs := list(t)
	if !slices.ContainsFunc(pkgs, func(p pkg) bool { return p.ImportPath == module+"/agent" }) {
		t.Fatalf("go list shows %d packages, and agent is not among them", len(pkgs))
	}
	t.Run("a package imports only lower layers", func(t *testing.T) {
		for _, s := range importComplaints(pkgs) {
			t.Error(s)
		}
	})
	t.Run("every package says what it is for", func(t *testing.T) {
		for _, s := range docComplaints(pkgs) {
			t.Error(s)
		}
	})
	t.Run("no file is longer than can be read at once", func(t *testing.T) {
		for _, p := range pkgs {
			for _, name := range slices.Concat(p.GoFiles, p.CgoFiles, p.IgnoredGoFiles) {
				content, err := os.ReadFile(filepath.Join(p.Dir, name))
				if err != nil {
					t.Error(err)
				} else if s := lengthComplaint(path.Join(below(p.ImportPath), name), content); s != "" && !strings.HasSuffix(name, "_test.go") {
					t.Error(s)
				}
			}
		}
	})
}

// TestMigrationsAreNumberedOneByOne: they are applied by number, so one that is
// taken twice, or left out, means another order on somebody's machine.
func TestMigrationsAreNumberedOneByOne(t *testing.T) {
	files, err := filepath.Glob("../../integrations/*/migrations/*.sql")
	if err != nil || len(files) == 0 {
		t.Fatalf("no migrations: %v", err)
	}
	last := map[string]int{}
	for _, f := range files {
		folder := filepath.Dir(f)
		last[folder]++
		if want := fmt.Sprintf("%04d_", last[folder]); !strings.HasPrefix(filepath.Base(f), want) {
			t.Errorf("%s: the next number is %s", f, want)
		}
	}
}
