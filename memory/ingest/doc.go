// Package ingest brings documents into memory: an Importer goes through files,
// reads those that are new or changed, remembers them and removes what is gone;
// a Shelf is where they go, with the label that their importer may give them.
//
// An import is incremental and idempotent: a document is known by its source,
// its content's hash and its label, each is stored in a transaction of its own,
// and an import that broke off goes on where it was when it is run again.
package ingest
