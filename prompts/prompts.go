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
	text   string
}

// Ref is "name/vN@digest", as stored with each turn.
func (p Prompt) Ref() string { return fmt.Sprintf("%s/v%d@%s", p.Name, p.Version, p.Digest) }

// Render fills the template. A value the template names and data lacks is an
// error: a model is never told "<no value>".
func (p Prompt) Render(data map[string]any) (string, error) {
	t, err := template.New(p.Name).Option("missingkey=error").Parse(p.text)
	if err != nil {
		return "", fmt.Errorf("prompt %s: %w", p.Ref(), err)
	}
	var out bytes.Buffer
	if err := t.Execute(&out, data); err != nil {
		return "", fmt.Errorf("prompt %s: %w", p.Ref(), err)
	}
	return strings.TrimSpace(out.String()), nil
}

// Latest returns the newest version of the prompt.
func Latest(name string) (Prompt, error) {
	all, err := All()
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
		all = append(all, Prompt{
			Name: path.Dir(file), Version: version,
			Digest: hex.EncodeToString(sum[:])[:12], text: string(text),
		})
	}
	slices.SortFunc(all, func(a, b Prompt) int {
		if c := strings.Compare(a.Name, b.Name); c != 0 {
			return c
		}
		return a.Version - b.Version
	})
	return all, nil
}
