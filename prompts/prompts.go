// Package prompts holds the texts models are instructed with. A prompt is
// <name>/vN.md; a released version is never edited (prompts.lock says what it
// was), a better one is the next version. Turns store name/vN@digest.
package prompts

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"
	"sync"
	"text/template"
)

//go:embed */v*.md
var files embed.FS

//go:embed prompts.lock
var lock string

// Prompt is one version of one prompt.
type Prompt struct {
	Name    string
	Version int
	// Digest is the first 12 hex digits of the text's SHA-256.
	Digest string
	parsed *template.Template
}

// Ref is "name/vN@digest", as stored with each turn.
func (p Prompt) Ref() string { return fmt.Sprintf("%s/v%d@%s", p.Name, p.Version, p.Digest) }

// Render fills the template. A value the template names and data lacks is an
// error: a model is never told "<no value>".
func (p Prompt) Render(data map[string]any) (string, error) {
	var out bytes.Buffer
	if err := p.parsed.Execute(&out, data); err != nil {
		return "", fmt.Errorf("prompt %s: %w", p.Ref(), err)
	}
	return strings.TrimSpace(out.String()), nil
}

// Latest returns the newest version of the prompt.
func Latest(name string) (Prompt, error) {
	all, err := loaded()
	if err != nil {
		return Prompt{}, err
	}
	for _, p := range slices.Backward(all) {
		if p.Name == name {
			return p, nil
		}
	}
	return Prompt{}, fmt.Errorf("there is no prompt %q", name)
}

// All returns every version of every prompt, by name and version.
func All() ([]Prompt, error) {
	all, err := loaded()
	return slices.Clone(all), err
}

func parse(text string) (*template.Template, error) {
	return template.New("prompt").Option("missingkey=error").Parse(text)
}

var loaded = sync.OnceValues(load)

func load() ([]Prompt, error) {
	names, err := fs.Glob(files, "*/v*.md")
	if err != nil {
		return nil, err
	}
	var all []Prompt
	for _, file := range names {
		version, err := strconv.Atoi(strings.TrimSuffix(strings.TrimPrefix(path.Base(file), "v"), ".md"))
		if err != nil {
			return nil, fmt.Errorf("prompt file %s is not named vN.md", file)
		}
		text, err := files.ReadFile(file)
		if err != nil {
			return nil, err
		}
		sum := sha256.Sum256(text)
		p := Prompt{Name: path.Dir(file), Version: version, Digest: hex.EncodeToString(sum[:])[:12]}
		if p.parsed, err = parse(string(text)); err != nil {
			return nil, fmt.Errorf("prompt %s: %w", p.Ref(), err)
		}
		all = append(all, p)
	}
	slices.SortFunc(all, func(a, b Prompt) int {
		if c := strings.Compare(a.Name, b.Name); c != 0 {
			return c
		}
		return a.Version - b.Version
	})
	return all, nil
}
