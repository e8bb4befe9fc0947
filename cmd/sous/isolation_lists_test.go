package main

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/integrations/api"
	"github.com/sous-hq/sous/integrations/web"
)

// api is the API for somebody who is signed in.
func (w *asked) api(by agent.Actor) http.Handler {
	w.t.Helper()
	h, err := api.New(api.Config{
		Service: w.svc, MaxUpload: 1 << 20, Local: true, Log: slog.New(slog.DiscardHandler),
		Authenticate: func(*http.Request) (agent.Actor, error) { return by, nil },
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return h
}

// described is an operation of the OpenAPI document.
type described struct {
	ID         string `json:"operationId"`
	Parameters []struct {
		Name, In string
		Schema   schema
	}
	RequestBody struct {
		Content map[string]struct {
			Schema schema `json:"schema"`
		} `json:"content"`
	} `json:"requestBody"`
}

type schema struct {
	Ref        string            `json:"$ref"`
	Type       any               `json:"type"`
	Format     string            `json:"format"`
	Enum       []any             `json:"enum"`
	Properties map[string]schema `json:"properties"`
	Items      *schema           `json:"items"`
}

// operations are all of the OpenAPI document.
func (w *asked) operations(by, stranger agent.Actor) (all []served) {
	w.t.Helper()
	mine, theirs := w.api(by), w.api(stranger)
	_, doc := w.ask(mine, served{method: http.MethodGet}, "/api/openapi.json", "")
	var spec struct {
		Paths      map[string]map[string]described `json:"paths"`
		Components struct {
			Schemas map[string]schema `json:"schemas"`
		} `json:"components"`
	}
	if err := json.Unmarshal([]byte(doc), &spec); err != nil || len(spec.Paths) < 20 {
		w.t.Fatalf("%d paths, %v", len(spec.Paths), err)
	}
	for _, path := range slices.Sorted(maps.Keys(spec.Paths)) {
		for _, method := range slices.Sorted(maps.Keys(spec.Paths[path])) {
			op := spec.Paths[path][method]
			e := served{name: op.ID, method: strings.ToUpper(method), path: path, mine: mine, theirs: theirs}
			for _, p := range op.Parameters {
				switch {
				case fmt.Sprint(p.Schema.Type) != "string" || len(p.Schema.Enum) > 0 || p.Schema.Format != "":
				case p.In == "query":
					e.query = append(e.query, p.Name)
				case p.In == "header":
					e.header = append(e.header, p.Name)
				}
			}
			for kind, content := range op.RequestBody.Content {
				e.kind = kind
				e.body = func(id string) string {
					body, err := json.Marshal(example(spec.Components.Schemas, content.Schema, id, 0))
					if err != nil {
						w.t.Fatal(err)
					}
					return string(body)
				}
			}
			all = append(all, e)
		}
	}
	return all
}

// example is a body that fits the schema and is about the id.
func example(all map[string]schema, s schema, id string, depth int) any {
	if s.Ref != "" {
		s = all[strings.TrimPrefix(s.Ref, "#/components/schemas/")]
	}
	if len(s.Enum) > 0 {
		return s.Enum[0]
	}
	kind := fmt.Sprint(s.Type)
	switch {
	case depth > 3:
		return nil
	case len(s.Properties) > 0:
		o := map[string]any{}
		for name, p := range s.Properties {
			if name != "$schema" {
				o[name] = example(all, p, id, depth+1)
			}
		}
		return o
	case s.Items != nil:
		return []any{example(all, *s.Items, id, depth+1)}
	case strings.Contains(kind, "boolean"):
		return true
	case strings.Contains(kind, "integer"), strings.Contains(kind, "number"):
		return 1
	case s.Format == "date-time":
		return "2026-03-01T09:00:00Z"
	case strings.Contains(kind, "string"):
		return id
	}
	return map[string]any{}
}

// inputs are the names of the fields of the web's forms, choices those that take
// only certain values.
var (
	inputs  = regexp.MustCompile(`name="([a-z_]+)"`)
	choices = map[string]string{"happened": "yes", "scope": "turn", "state": "", "next": "/", "back": "/", "tier": "", "view": "", "event": ""}
)

// pages are all pages and forms of the web.
func (w *asked) pages(by, stranger agent.Actor) (all []served) {
	w.t.Helper()
	mine, _ := w.web(by)
	theirs, routes := w.web(stranger)
	templates, err := filepath.Glob("../../integrations/web/templates/*.html")
	if err != nil || len(templates) == 0 {
		w.t.Fatalf("%d templates, %v", len(templates), err)
	}
	fields := []string{"c", "turn"}
	for _, path := range templates {
		text, err := os.ReadFile(path)
		if err != nil {
			w.t.Fatal(err)
		}
		for _, found := range inputs.FindAllStringSubmatch(string(text), -1) {
			fields = append(fields, found[1])
		}
	}
	for _, pattern := range routes {
		method, path, ok := strings.Cut(pattern, " ")
		if !ok {
			method, path = http.MethodGet, pattern
		}
		e := served{name: pattern, method: method, path: strings.TrimSuffix(path, "{$}"), mine: mine, theirs: theirs}
		if e.reads() {
			e.query = slices.DeleteFunc(slices.Clone(fields), func(f string) bool { _, chosen := choices[f]; return chosen || f == "token" || f == "viewport" })
		} else {
			e.kind = "application/x-www-form-urlencoded"
			e.body = func(id string) string {
				form := url.Values{}
				for _, f := range fields {
					value, chosen := choices[f]
					if !chosen {
						value = id
					}
					form.Set(f, value)
				}
				return form.Encode()
			}
		}
		if pattern == "POST /send" || pattern == "POST /files" {
			e.kind, e.body = "multipart/form-data; boundary=b", func(id string) string {
				form := ""
				for _, f := range []string{"conversation", "text", "files"} {
					form += "--b\r\nContent-Disposition: form-data; name=\"" + f + "\"\r\n\r\n" + id + "\r\n"
				}
				return form + "--b--\r\n"
			}
		}
		all = append(all, e)
	}
	return all
}

// web is the web for somebody who is signed in, and the list of its pages.
func (w *asked) web(by agent.Actor) (http.Handler, []string) {
	w.t.Helper()
	const token = "long-enough-to-be-one-that-signs-in"
	c := console{w.svc}
	s, err := web.New(web.Config{
		Desk: w.svc, Threads: w.svc.app.db, Approvals: w.svc, Decisions: w.svc, Tickets: c, Memory: c, Control: w.svc, Audit: w.svc.app.db, Stories: c,
		Log: slog.New(slog.DiscardHandler), Token: token, Hosts: []string{"sous.test"}, Actor: func(web.Session) (agent.Actor, error) { return by, nil },
	})
	if err != nil {
		w.t.Fatal(err)
	}
	req := httptest.NewRequestWithContext(w.t.Context(), http.MethodGet, "/?token="+token, http.NoBody)
	req.Host = "sous.test"
	got := httptest.NewRecorder()
	s.Handler().ServeHTTP(got, req)
	cookies := got.Result().Cookies()
	if len(cookies) == 0 {
		w.t.Fatalf("not signed in: %d %s", got.Code, got.Body)
	}
	return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		for _, c := range cookies {
			r.AddCookie(c)
		}
		s.Handler().ServeHTTP(rw, r)
	}), s.Routes()
}
