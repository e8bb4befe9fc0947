// Package toolstest tests tools through the one path they are ever run on: a
// real executor over a ledger in memory that keeps the promises of
// tools.Ledger, and the promises every registered tool has to keep.
package toolstest
