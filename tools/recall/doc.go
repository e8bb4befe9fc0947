// Package recall holds the tools over memory: remember, recall, forget and
// restore_memory.
package recall
