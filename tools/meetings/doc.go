// Package meetings turns transcripts into minutes. It reads what the meeting
// systems export (WebVTT, SRT, plain text, JSON), asks a model for a draft, and
// then checks every claim of the draft in code: a quote must stand in its cue
// word for word, an owner must have committed or been asked by name, a due date
// must follow from the quoted words and the meeting's date. What does not hold
// is dropped or left empty; nobody is made responsible by a guess.
package meetings
