// Package privacy is what people may ask of Sous about themselves and how long
// anything is kept: to see what is held (GDPR articles 15 and 20), to have it
// erased (article 17), and that it goes by itself after its time (article 5).
// Stores do the work; this package says what is asked of them and what is proved
// of it afterwards.
package privacy

import (
	"context"
	"encoding/json"
	"slices"
	"time"

	"github.com/sous-hq/sous/agent"
)

// Record is one thing held about a person.
type Record struct {
	// Kind is the word for it: "messages", "memories", "audit" and the like.
	Kind string `json:"kind"`
	// Body is the row as it is kept, as an object of its columns.
	Body json.RawMessage `json:"body"`
}

// Counts are how many things of each kind there were.
type Counts map[string]int64

// Total is the sum of all kinds.
func (c Counts) Total() int64 {
	var n int64
	for _, v := range c {
		n += v
	}
	return n
}

// Kinds lists the kinds with anything in them, sorted.
func (c Counts) Kinds() []string {
	var all []string
	for k, v := range c {
		if v > 0 {
			all = append(all, k)
		}
	}
	slices.Sort(all)
	return all
}

// Erasure asks for everything about one person to go.
type Erasure struct {
	// By is who asks for it; Subject is the person, People all their accounts,
	// Subject among them.
	By      agent.Actor
	Subject agent.ActorID
	People  []agent.ActorID
	// Dry counts and changes nothing.
	Dry bool
}

// Erased is what an erasure came to.
type Erased struct {
	Counts Counts `json:"counts"`
	// Turns are the requests whose traces go from the durable engine too.
	Turns []string `json:"-"`
	// Row is the row of the audit record that says so; 0 for a dry run.
	Row int64 `json:"row,omitempty"`
}

// Hold keeps a person's data from being erased or purged, for a dispute say.
type Hold struct {
	Subject agent.ActorID `json:"subject"`
	By      agent.ActorID `json:"by"`
	Reason  string        `json:"reason"`
	At      time.Time     `json:"at"`
}

// Purge asks for what is older than a rule allows to go.
type Purge struct {
	By   agent.Actor
	Rule Rule
	// Before is the time before which it goes.
	Before time.Time
	Dry    bool
	// Limit is how many requests or things go at most at once.
	Limit int
}

// Store is what privacy asks of a store. Each change is one transaction with its
// row in the audit record.
type Store interface {
	// Show calls f for each thing held about the people, payloads of the audit
	// record included. It stops at f's first error.
	Show(ctx context.Context, ws agent.WorkspaceID, people []agent.ActorID, f func(Record) error) error
	// EraseSubject does an erasure. While a request of theirs is not over, or a
	// hold is on them, it is a Conflict that says so and nothing is erased.
	EraseSubject(ctx context.Context, e Erasure) (Erased, error)
	// Sweep takes what was erased out of the database's files. With scrub not even
	// their free space holds it any more; on PostgreSQL each table is locked
	// meanwhile. SQLite's file is always scrubbed.
	Sweep(ctx context.Context, scrub bool) error
	// Hold puts a hold on a person, Release takes it away; NotFound when there is
	// none.
	Hold(ctx context.Context, by agent.Actor, subject agent.ActorID, reason string) (Hold, error)
	Release(ctx context.Context, by agent.Actor, subject agent.ActorID) (Hold, error)
	Holds(ctx context.Context, ws agent.WorkspaceID) ([]Hold, error)
	// Purge takes out what is older than the rule allows, but for what belongs to
	// people on whom a hold is.
	Purge(ctx context.Context, p Purge) (Erased, error)
}
