// Package builtin is the model that needs no network and no key. It chooses
// what to do by the name of the prompt: "minutes" is answered by extraction
// from the transcript, "turn" by intents and entities. It is deterministic, it
// writes nothing the input does not say, and it is both the default of a fresh
// installation and the last fallback of a configured one.
package builtin
