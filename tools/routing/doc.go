// Package routing says which team and which person a request belongs to. Rules
// from a file come first (places, patterns, keywords), then similarity to
// requests of which a person said where they belong; two thresholds decide
// between doing it, suggesting it and asking. It learns from every correction.
package routing
