package agent

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// Integrity says how far content can be trusted to mean what a member of the
// workspace wants. Higher is more trusted; the zero value is the least.
type Integrity uint8

const (
	// External content was written by outsiders, or nobody knows by whom:
	// files, transcripts, web pages, guests, tool results by default.
	External Integrity = iota
	// Organisation content was written by a full member or comes from a typed
	// field of a system of record.
	Organisation
	// Requester content is the requester's own words, or administrators' text.
	Requester
)

var integrityNames = []string{"external", "organisation", "requester"}

// String returns the name used in JSON and on cards.
func (i Integrity) String() string { return nameOf(integrityNames, int(i)) }

// MarshalText implements encoding.TextMarshaler.
func (i Integrity) MarshalText() ([]byte, error) { return []byte(i.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler; unknown text is an error.
func (i *Integrity) UnmarshalText(b []byte) error {
	n, err := indexOf(integrityNames, string(b), "integrity")
	*i = Integrity(n)
	return err
}

// Readers is the set of people who may see a piece of content. The zero value
// is nobody.
type Readers struct {
	// Scope widens the set: "" means only the named people, "workspace" every
	// full member of the workspace, "public" anybody.
	Scope ReaderScope
	// Named holds actor ids, sorted and without doubles; used when Scope is "".
	Named []ActorID
}

// ReaderScope is the shortcut part of Readers.
type ReaderScope string

// The reader scopes, narrow to wide.
const (
	OnlyNamed      ReaderScope = ""
	WholeWorkspace ReaderScope = "workspace"
	Everybody      ReaderScope = "public"
)

// Only returns the reader set of exactly these people.
func Only(ids ...ActorID) Readers {
	named := slices.Clone(ids)
	slices.Sort(named)
	return Readers{Named: slices.Compact(named)}
}

// Includes reports whether the actor is in the set.
func (r Readers) Includes(a Actor) bool {
	switch r.Scope {
	case Everybody:
		return a.ID != ""
	case WholeWorkspace:
		return a.Kind == Member
	case OnlyNamed:
		return a.ID != "" && slices.Contains(r.Named, a.ID)
	}
	return false
}

// Covers reports whether everybody in o is in r too. Named people count as
// members of the workspace: a place with outsiders in it is Shared, and its
// readers are everybody.
func (r Readers) Covers(o Readers) bool {
	switch {
	case r.Scope == Everybody:
		return true
	case o.Scope == Everybody:
		return false
	case r.Scope == WholeWorkspace:
		return true
	case o.Scope == WholeWorkspace:
		return false
	}
	for _, id := range o.Named {
		if !slices.Contains(r.Named, id) {
			return false
		}
	}
	return true
}

// Intersect returns the people who are in both sets.
func (r Readers) Intersect(o Readers) Readers {
	switch {
	case r.Scope == Everybody:
		return o
	case o.Scope == Everybody:
		return r
	case r.Scope == WholeWorkspace && o.Scope == WholeWorkspace:
		return r
	case r.Scope == WholeWorkspace:
		return o
	case o.Scope == WholeWorkspace:
		return r
	}
	var both []ActorID
	for _, id := range r.Named {
		if slices.Contains(o.Named, id) {
			both = append(both, id)
		}
	}
	return Readers{Named: both}
}

// MarshalJSON writes "public", "workspace" or the list of names.
func (r Readers) MarshalJSON() ([]byte, error) {
	if r.Scope != OnlyNamed {
		return json.Marshal(string(r.Scope))
	}
	if r.Named == nil {
		return []byte("[]"), nil
	}
	return json.Marshal(r.Named)
}

// UnmarshalJSON reads what MarshalJSON writes; anything else is an error.
func (r *Readers) UnmarshalJSON(b []byte) error {
	var scope string
	if json.Unmarshal(b, &scope) == nil {
		if scope != string(WholeWorkspace) && scope != string(Everybody) {
			return fmt.Errorf("unknown readers %q", scope)
		}
		*r = Readers{Scope: ReaderScope(scope)}
		return nil
	}
	var named []ActorID
	if err := json.Unmarshal(b, &named); err != nil {
		return fmt.Errorf("readers: %w", err)
	}
	*r = Only(named...)
	return nil
}

// Label travels with every message, memory item, file and tool result. It is
// set by connector code only; a model's text never sets or lowers one. The
// zero Label is the worst: external, readable by nobody, may hold anything.
type Label struct {
	Integrity Integrity `json:"integrity"`
	Readers   Readers   `json:"readers"`
	// Scanned says that Data was filled by the recognisers. While it is false
	// the content must be treated as if it held every kind of data.
	Scanned bool `json:"scanned,omitempty"`
	// Data names what the content holds ("pii", "secret", …), sorted.
	Data []string `json:"data,omitempty"`
	// Sources names where it came from, for citations and footers.
	Sources []string `json:"sources,omitempty"`
}

// IsZero reports whether nobody has labelled the content.
func (l Label) IsZero() bool {
	return l.Integrity == External && l.Readers.Scope == OnlyNamed && len(l.Readers.Named) == 0 &&
		!l.Scanned && len(l.Data) == 0 && len(l.Sources) == 0
}

// DataUnscanned marks content that may hold any kind of data: it was made from
// what nobody had scanned.
const DataUnscanned = "unscanned"

// Kept returns the label under which content is stored. What was made from
// something unscanned says so from then on, whoever scans the content later: it
// may hold what no recogniser knows.
func (l Label) Kept() Label {
	if !l.Scanned {
		l.Data = union(l.Data, []string{DataUnscanned})
	}
	return l
}

// Join returns the label of content made from both: the lower integrity, the
// readers common to both, the union of data and sources.
func (l Label) Join(o Label) Label {
	return Label{
		Integrity: min(l.Integrity, o.Integrity),
		Readers:   l.Readers.Intersect(o.Readers),
		Scanned:   l.Scanned && o.Scanned,
		Data:      union(l.Data, o.Data),
		Sources:   union(l.Sources, o.Sources),
	}
}

func union(a, b []string) []string {
	if len(a)+len(b) == 0 {
		return nil
	}
	all := slices.Concat(a, b)
	slices.Sort(all)
	return slices.Compact(all)
}

func nameOf(names []string, i int) string {
	if i >= 0 && i < len(names) {
		return names[i]
	}
	return names[0]
}

func indexOf(names []string, s, what string) (int, error) {
	if i := slices.Index(names, strings.ToLower(s)); i >= 0 {
		return i, nil
	}
	return 0, fmt.Errorf("unknown %s %q", what, s)
}
