// Package agent holds the nouns of Sous: who acts, where, what was said, what
// is planned, what was ruled and what came of it. It does no I/O and imports
// the standard library only, so every other package can speak its words.
//
// Zero values are safe: an unset ruling denies, an unset label is the least
// trusted and readable by nobody, an unset tier is treated as the riskiest.
package agent
