// Package traces says what each table of the stores holds of people, how it is
// found and how it is taken out: one list for both stores, so that a right to
// see or to erase means the same on either. A store has no table that is not in
// it; its tests compare the list with the schema.
package traces

// Table is what one table holds of people.
type Table struct {
	// Name is the table, Kind the word for it in reports.
	Name, Kind string
	// Where finds the rows of some people and of some turns; see Dialect.Bind. ""
	// means that the table holds nothing of people but ids, for the reason Kept.
	Where string
	// Set takes what is personal out of these rows; "" means that the rows go.
	Set string
	// Apart says that the store takes these rows out by code of its own, since
	// indexes hang on them.
	Apart bool
	// Hidden leaves the table out of what people are shown: machines alone read it.
	Hidden bool
	Kept   string
}

// Tables lists all tables, in an order in which they can be worked off: what
// others look into comes after them.
func Tables() []Table {
	return []Table{
		{
			Name: "conversations", Kind: "conversations",
			Where: `id IN (SELECT conversation FROM messages m WHERE m.workspace = {ws} AND m.seq = 1 AND ({m.author:id} IN {people} OR m.turn IN {turns}))`,
			Set:   `title = ''`,
		},
		{
			Name: "messages", Kind: "messages", Where: `{author:id} IN {people} OR turn IN {turns}`,
			Set: `author = {author -name -groups}, text = '', files = '[]', label = {label -sources}`,
		},
		{Name: "steps", Kind: "steps", Where: `turn IN {turns}`, Set: `title = '', detail = ''`},
		{Name: "signals", Kind: "signals", Where: `turn IN {turns} OR {body:by} IN {people}`, Set: `body = {body -text -args}`},
		{Name: "files", Kind: "files", Where: `owner IN {people} OR id IN {files}`},
		{
			// What people said about others' requests lies in them too.
			Name: "approvals", Kind: "approvals", Apart: true, Where: `turn IN {turns}`,
		},
		{Name: "journal", Kind: "steps under way", Where: `turn IN {turns}`, Hidden: true},
		{Name: "approval_votes", Kind: "votes", Where: `person IN {people} OR {body:by} IN {people}`, Set: `body = {body -name}`},
		{
			Name: "effects", Kind: "effects", Where: `turn IN {turns}`,
			Set: `call = {call -args -actor.name -actor.groups}, digest = '', outcome = {outcome -result -error -undo}, undo_tool = '', undo_args = NULL, undo_until = NULL, resolution = {resolution -name -note}`,
		},
		{Name: "ratings", Kind: "ratings", Where: `by IN {people} OR turn IN {turns}`, Set: `name = '', text = ''`},
		{Name: "reviews", Kind: "reviews of minutes", Where: `turn IN {turns}`},
		{Name: "tokens", Kind: "sign-in tokens", Where: `person IN {people}`, Hidden: true},
		{Name: "pauses", Kind: "pauses", Where: `by IN {people}`, Set: `name = '', reason = ''`},
		{
			Name: "turns", Kind: "requests", Where: `id IN {turns}`,
			Set: `actor = {actor -name -groups}, ordered = NULL, question = '', answer = '', degraded = '', artifacts = 'null'`,
		},
		{
			Name: "memory_items", Kind: "memories", Apart: true,
			Where: `author IN {people} OR seq IN (SELECT p.item FROM memory_people p WHERE p.workspace = {ws} AND p.actor IN {people})`,
		},
		{Name: "ticket_comments", Kind: "comments", Where: `author IN {people}`, Set: `body = '', label = {label -sources}`},
		{
			Name: "ticket_changes", Kind: "changes of tickets", Set: `was = '', now = '', reason = ''`,
			Where: `by IN {people} OR ticket IN (SELECT n FROM tickets t WHERE t.workspace = {ws} AND t.created_by IN {people})`,
		},
		{
			Name: "ticket_writes", Kind: "results kept for repeats", Hidden: true,
			Where: `{result:created_by} IN {people} OR {result:author} IN {people} OR {result:comment.author} IN {people}
				OR {result:before.created_by} IN {people} OR {result:after.created_by} IN {people}`,
			Set: `result = {result -title -body -labels -links -label.sources -comment.body -comment.label.sources -before.label.sources -after.label.sources -before.title -before.body -before.labels -after.title -after.body -after.labels}`,
		},
		{Name: "tickets", Kind: "tickets", Where: `created_by IN {people}`, Apart: true},
		{Name: "routing_writes", Kind: "results kept for repeats", Where: `{result:by} IN {people}`, Set: `result = {result -text -label.sources}`, Hidden: true},
		{Name: "routing_cases", Kind: "routing cases", Where: `by IN {people}`, Set: `text = '', removed = true, label = {label -sources}`},

		{Name: "conversation_members", Kept: "ids"},
		{Name: "replies", Kept: "ids"},
		{Name: "deliveries", Kept: "the body goes when it is done"},
		{Name: "shows", Kept: "ids"},
		{Name: "posts", Kept: "ids"},
		{Name: "installations", Kept: "of a workspace, not of people"},
		{Name: "memory_readers", Kept: "goes with the memory"},
		{Name: "memory_chunks", Kept: "goes with the memory"},
		{Name: "memory_people", Kept: "goes with the memory"},
		{Name: "memory_generations", Kept: "names of models"},
		{Name: "memory_vectors", Kept: "goes with the memory"},
		{Name: "memory_queue", Kept: "goes with the memory"},
		{Name: "memory_audiences", Kept: "ids"},
		{Name: "memory_audience_readers", Kept: "ids"},
		{Name: "replicas", Kept: "of processes"},
		{Name: "memory_index", Kept: "goes with the memory"},
		{Name: "memory_corpus", Kept: "numbers"},
		{Name: "ticket_words", Kept: "goes with the ticket"},
		{Name: "keyring_check", Kept: "a proof that the key is right"},
		{Name: "subject_keys", Kept: "the key is destroyed with its payloads"},
		{Name: "audit", Kept: "ids and commitments under a key that is destroyed"},
		{Name: "audit_payload", Kept: "destroyed with its key"},
		{Name: "audit_heads", Kept: "numbers"},
		{Name: "audit_tree", Kept: "hashes"},
		{Name: "audit_checkpoints", Kept: "hashes"},
		{Name: "holds", Kept: "who must not be erased, and why"},
		{Name: "schema_version", Kept: "numbers"},
	}
}
