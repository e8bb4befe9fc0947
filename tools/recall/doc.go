// Package recall holds the tools over memory: remember (also a file and a
// conversation), recall, forget and restore_memory.
package recall
