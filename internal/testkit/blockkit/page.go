package blockkit

import (
	_ "embed" // the page
	"encoding/json"
	"fmt"
	"html/template"
	"io"
)

//go:embed page.html
var pageText string

// Shot is one thing to be shown on the preview page.
type Shot struct {
	// Name is its id on the page.
	Name string
	// Messages are shown one below the other, as of the app; View alone is a modal or
	// a home tab.
	Messages []json.RawMessage
	View     json.RawMessage
}

// Page writes the preview page of all shots; each is an element with its name as id.
func Page(w io.Writer, all []Shot, names Names) error {
	type shown struct {
		Name     string
		Messages []template.HTML
		View     *View
	}
	var list []shown
	for _, s := range all {
		one := shown{Name: s.Name}
		for _, raw := range s.Messages {
			m, err := Message(raw, names)
			if err != nil {
				return fmt.Errorf("%s: %w", s.Name, err)
			}
			one.Messages = append(one.Messages, m)
		}
		if len(s.View) > 0 {
			v, err := RenderView(s.View, names)
			if err != nil {
				return fmt.Errorf("%s: %w", s.Name, err)
			}
			one.View = &v
		}
		list = append(list, one)
	}
	t, err := template.New("page").Parse(pageText)
	if err != nil {
		return fmt.Errorf("the page: %w", err)
	}
	return t.Execute(w, list)
}
