// Package tools says what a tool is and holds the one executor: the only code
// in Sous that can run a tool. A tool is declared by value (name, tier, text
// for the model, timeout, idempotency class, how to undo it) around a plain
// function of typed arguments; it exports no way to run itself.
package tools
