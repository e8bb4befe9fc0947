package tools

import (
	"fmt"
	"slices"
	"strings"
)

// Registry is a fixed set of tools by name. It does not change after New.
type Registry struct {
	byName map[string]Tool
	names  []string
}

// NewRegistry returns the set of these tools; a name used twice is an error.
func NewRegistry(all ...Tool) (*Registry, error) {
	r := &Registry{byName: make(map[string]Tool, len(all))}
	for _, t := range all {
		if t.bind == nil {
			return nil, fmt.Errorf("tool %q was not made by tools.New", t.spec.Name)
		}
		if _, double := r.byName[t.spec.Name]; double {
			return nil, fmt.Errorf("two tools are named %s", t.spec.Name)
		}
		r.byName[t.spec.Name] = t
		r.names = append(r.names, t.spec.Name)
	}
	slices.SortFunc(r.names, strings.Compare)
	return r, nil
}

// Get returns the tool of that name.
func (r *Registry) Get(name string) (Tool, bool) {
	t, ok := r.byName[name]
	return t, ok
}

// All returns the tools sorted by name.
func (r *Registry) All() []Tool {
	all := make([]Tool, 0, len(r.names))
	for _, n := range r.names {
		all = append(all, r.byName[n])
	}
	return all
}
