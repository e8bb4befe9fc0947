// Package tickets is the ticket work of Sous: the tools a model may call and
// the small interface a tracker has to keep. It finds before it files: no
// ticket is made without a search in the same turn, and one that looks like
// another is offered instead of made twice.
package tickets
