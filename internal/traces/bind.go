package traces

import (
	"fmt"
	"regexp"
	"strings"
)

// Dialect is how a database says what SQL leaves open.
type Dialect struct {
	// Mark is the n-th argument, from 1.
	Mark func(n int) string
	// List is the n-th argument, a list of texts, as what may follow IN.
	List func(n int) string
	// Text is a text inside a column of JSON.
	Text func(column string, path []string) string
	// Drop is a column of JSON without some keys.
	Drop func(column string, paths [][]string) string
}

// SQLite is the dialect of SQLite; a list is an argument of JSON.
func SQLite() Dialect {
	path := func(p []string) string { return `'$.` + strings.Join(p, ".") + `'` }
	return Dialect{
		Mark: func(n int) string { return fmt.Sprintf("?%d", n) },
		List: func(n int) string { return fmt.Sprintf("(SELECT value FROM json_each(?%d))", n) },
		Text: func(column string, p []string) string { return "json_extract(" + column + ", " + path(p) + ")" },
		Drop: func(column string, paths [][]string) string {
			all := column
			for _, p := range paths {
				all += ", " + path(p)
			}
			return "json_remove(" + all + ")"
		},
	}
}

// PostgreSQL is the dialect of PostgreSQL; a list is an array of texts.
func PostgreSQL() Dialect {
	path := func(p []string) string { return `'{` + strings.Join(p, ",") + `}'` }
	// jsonb refuses the escape of NUL, which JSON may hold.
	parsed := func(column string) string { return `replace(` + column + `, '\u0000', '\ufffd')::jsonb` }
	return Dialect{
		Mark: func(n int) string { return fmt.Sprintf("$%d::text", n) },
		List: func(n int) string { return fmt.Sprintf("(SELECT unnest($%d::text[]))", n) },
		Text: func(column string, p []string) string { return "(" + parsed(column) + " #>> " + path(p) + ")" },
		Drop: func(column string, paths [][]string) string {
			all := parsed(column)
			for _, p := range paths {
				all += " #- " + path(p)
			}
			return "(" + all + ")::text"
		},
	}
}

// Args are the arguments a text may ask for.
type Args struct {
	Workspace            string
	People, Turns, Files any
}

var token = regexp.MustCompile(`\{([\w.]+)(?::([\w.]+))?((?: -[\w.]+)*)\}`)

// Bind fills in what stands in braces and returns the arguments in order:
//
//	{ws} {people} {turns} {files}  arguments; the last three are lists
//	{column:key.key}               a text inside a column of JSON
//	{column -key -key.key}         the column without those keys
func (d Dialect) Bind(text string, a Args) (query string, args []any) {
	at := map[string]int{}
	argument := func(name string, v any) int {
		if at[name] == 0 {
			args = append(args, v)
			at[name] = len(args)
		}
		return at[name]
	}
	query = token.ReplaceAllStringFunc(text, func(t string) string {
		m := token.FindStringSubmatch(t)
		switch name := m[1]; {
		case m[2] != "":
			return d.Text(name, strings.Split(m[2], "."))
		case m[3] != "":
			var paths [][]string
			for _, p := range strings.Fields(m[3]) {
				paths = append(paths, strings.Split(p[1:], "."))
			}
			return d.Drop(name, paths)
		case name == "ws":
			return d.Mark(argument(name, a.Workspace))
		case name == "people":
			return d.List(argument(name, a.People))
		case name == "turns":
			return d.List(argument(name, a.Turns))
		case name == "files":
			return d.List(argument(name, a.Files))
		}
		return t
	})
	return query, args
}

// Rows is the condition on a table's rows, with its arguments.
func (t Table) Rows() string { return "workspace = {ws} AND (" + t.Where + ")" }

// Take is the statement that takes what is personal out of a table.
func (t Table) Take() string {
	if t.Set == "" {
		return "DELETE FROM " + t.Name + " WHERE " + t.Rows()
	}
	return "UPDATE " + t.Name + " SET " + t.Set + " WHERE " + t.Rows()
}
