// Package memory remembers what a team said, decided and asked to be kept, and
// finds it again for those who may read it. Everything remembered carries the
// label it was written under; recall never widens it.
//
// Text is analysed here, in Go, so that every store ranks alike: stores find
// the passages that share a term with the query, Rank orders them. Ranking is
// lexical (BM25 with the evidence of neighbouring passages, the speaker, the
// date and recency); nothing here understands meaning.
package memory
