package config

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"
)

// file finds the settings file, if there is one, and reads it.
func (l *loader) file() {
	path, asked := l.find()
	if path == "" {
		return
	}
	data, mode, err := readBounded(path)
	if errors.Is(err, fs.ErrNotExist) && asked == "" {
		return
	}
	if err != nil {
		l.complain(cmp.Or(asked, path), "", fmt.Sprintf("cannot read the settings file %s: %s", path, err))
		return
	}
	l.config.File = path
	f := file{loader: l, path: path, open: mode&0o077 != 0, inData: asked == "" && path != FileName}
	f.read(data)
}

// find returns the file to read and, when somebody asked for that very file, how.
func (l *loader) find() (path, asked string) {
	if l.opts.File != "" {
		return l.opts.File, "--config"
	}
	if named := l.env["SOUS_CONFIG"]; named != "" {
		return named, "SOUS_CONFIG"
	}
	if _, err := os.Stat(FileName); !errors.Is(err, fs.ErrNotExist) {
		return FileName, ""
	}
	dir := cmp.Or(l.opts.Data, l.env["SOUS_DATA"], l.config.DataDir)
	if dir == "" {
		return "", ""
	}
	return filepath.Join(dir, FileName), ""
}

// file is one sous.yaml while it is read.
type file struct {
	*loader
	path   string
	open   bool // others than the owner have permissions on it
	inData bool // it was found in the data directory, so it cannot say where that is
}

func (f *file) read(data []byte) {
	var doc yaml.Node
	if err := yaml.Load(data, &doc); err != nil {
		f.syntax(err)
		return
	}
	if len(doc.Content) == 1 {
		f.mapping(doc.Content[0], "")
	}
}

// syntax turns the library's error into a problem that repeats nothing of the file: it may hold secrets.
func (f *file) syntax(err error) {
	var le *yaml.LoadError
	switch {
	case !errors.As(err, &le):
		f.complain(f.path, "", "not YAML")
	case strings.Contains(le.Message, "no documents"):
		// An empty file, or comments alone, sets nothing.
	case strings.Contains(le.Message, "multiple"):
		f.complain(f.path, "", "holds more than one YAML document; one is wanted")
	case strings.Contains(le.Message, "anchor"):
		f.complain(f.line(le.Mark.Line), "", "refers to an anchor; write the value itself, in quotes if it starts with *")
	default:
		f.complain(f.line(le.Mark.Line), "", "not YAML: "+le.Message)
	}
}

func (f *file) line(n int) string {
	if n <= 0 {
		return f.path
	}
	return fmt.Sprintf("%s:%d", f.path, n)
}

// mapping reads the keys of the file (section "") or of one section ("slack.").
func (f *file) mapping(node *yaml.Node, section string) {
	if node.Kind == yaml.ScalarNode && node.ShortTag() == "!!null" {
		return // a section of which every line is commented out
	}
	if node.Kind != yaml.MappingNode {
		f.complain(f.line(node.Line), strings.TrimSuffix(section, "."), "want lines of `key: value` here")
		return
	}
	seen := make(map[string]int)
	for i := 0; i+1 < len(node.Content); i += 2 {
		name, value := node.Content[i], node.Content[i+1]
		key := section + name.Value
		if name.Kind != yaml.ScalarNode || name.Value == "" {
			f.complain(f.line(name.Line), "", "a key must be a word")
			continue
		}
		if first, twice := seen[key]; twice {
			f.complain(f.line(name.Line), key, fmt.Sprintf("given twice, first in line %d", first))
			continue
		}
		seen[key] = name.Line
		f.entry(key, section == "", name.Line, value)
	}
}

func (f *file) entry(key string, top bool, line int, value *yaml.Node) {
	if top && slices.ContainsFunc(f.all, func(s setting) bool { return strings.HasPrefix(s.key, key+".") }) {
		f.mapping(value, key+".")
		return
	}
	where := f.line(line)
	s, ok := f.setting(key)
	section, name, dotted := strings.Cut(key, ".")
	switch {
	case !ok:
		f.complain(where, "", fmt.Sprintf("unknown key %q%s", shorten(key), suggestion(key, f.keys())))
		return
	case top && dotted:
		f.complain(where, key, fmt.Sprintf("write it as %s: in a section %s:", name, section))
		return
	case value.Kind != yaml.ScalarNode || value.ShortTag() == "!!null" || value.Value == "":
		f.complain(where, key, "has no single value; want "+s.allowed)
		return
	case key == "data" && f.inData:
		f.complain(where, key, "this file was found in the data directory, so it cannot move it; use SOUS_DATA or --data")
		return
	}
	text := value.Value
	switch {
	case s.secret:
		if text, ok = f.secret(s, value.Value, where); !ok {
			return
		}
	case s.path:
		text = f.resolve(text)
	}
	f.give(key, text, where, where)
}

// keys are the names to suggest: whole keys, and the sections of those that have one.
func (f *file) keys() []string {
	var keys []string
	for _, s := range f.all {
		keys = append(keys, s.key)
		if section, _, ok := strings.Cut(s.key, "."); ok && !slices.Contains(keys, section) {
			keys = append(keys, section)
		}
	}
	return keys
}

// resolve reads a path of the file: from the home directory (~/), or from the folder of the file.
func (f *file) resolve(path string) string {
	if rest, ok := strings.CutPrefix(path, "~/"); ok && f.env["HOME"] != "" {
		return filepath.Join(f.env["HOME"], rest)
	}
	if filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(filepath.Dir(f.path), path)
}

// secret follows a reference (env:NAME or file:/path). A secret written out is taken only from a file
// that nobody but its owner can open.
func (f *file) secret(s setting, value, where string) (text string, ok bool) {
	if name, is := strings.CutPrefix(value, "env:"); is {
		if f.env[name] == "" {
			f.complain(where, s.key, fmt.Sprintf("the environment variable %s is not set", shorten(name)))
			return "", false
		}
		return f.env[name], true
	}
	if path, is := strings.CutPrefix(value, "file:"); is {
		data, _, err := readBounded(f.resolve(path))
		if err != nil {
			f.complain(where, s.key, fmt.Sprintf("cannot read the file of the secret, %s: %s", f.resolve(path), err))
			return "", false
		}
		text = strings.TrimRight(string(data), "\r\n")
		if text == "" {
			f.complain(where, s.key, fmt.Sprintf("the file of the secret, %s, is empty", f.resolve(path)))
			return "", false
		}
		return text, true
	}
	if f.open {
		f.complain(where, s.key, fmt.Sprintf("a secret is written out in a file that others can open; write env:%s or file:/path, or chmod 600 %s", s.env, f.path))
		return "", false
	}
	return value, true
}
