package postgres

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/memory"
)

const (
	// maxTerms bounds the words of one query that are looked up.
	maxTerms = 32
	// maxLexeme bounds one indexed word in bytes and maxWords how many positions
	// one text has in the index: what lies behind is not found by its words.
	maxLexeme = 64
	maxWords  = 10_000
	// maxPlaces is how many positions of one word PostgreSQL keeps.
	maxPlaces = 255
)

// tag makes the words of a workspace its own: 48 bits of its name's hash. Should
// two share one, queries still ask for the workspace too.
func tag(ws agent.WorkspaceID) string {
	sum := sha256.Sum256([]byte(ws))
	return hex.EncodeToString(sum[:6])
}

// lexeme is a word of the workspace as a constant of the type tsvector or
// tsquery; nothing of it is syntax.
func lexeme(tag, word string) string {
	word = strings.ReplaceAll(clip(storable(word), maxLexeme), `\`, `\\`)
	return "'" + tag + strings.ReplaceAll(word, "'", "''") + "'"
}

// ticketWords is the tsvector of a ticket: the words of its title weigh more.
func ticketWords(ws agent.WorkspaceID, title, body string) string {
	head, rest := memory.Terms(title), memory.Terms(body)
	all := append(head[:min(len(head), maxWords)], rest...)
	weights, tag := len(head), tag(ws)
	places, order := map[string][]string{}, []string{}
	for i, word := range all[:min(len(all), maxWords)] {
		l := lexeme(tag, word)
		at := fmt.Sprint(i + 1)
		if i < weights {
			at += "A"
		}
		if places[l] == nil {
			order = append(order, l)
		}
		if len(places[l]) < maxPlaces {
			places[l] = append(places[l], at)
		}
	}
	for i, l := range order {
		order[i] = l + ":" + strings.Join(places[l], ",")
	}
	return strings.Join(order, " ")
}

// wordQuery is a tsquery that finds texts with any of the words, or words that
// begin like them; "" when there is no word.
func wordQuery(ws agent.WorkspaceID, text string) string {
	words, tag := memory.Terms(text), tag(ws)
	words = words[:min(len(words), maxTerms)]
	for i, w := range words {
		words[i] = lexeme(tag, w)
		if len([]rune(w)) > 2 {
			words[i] += ":*"
		}
	}
	return strings.Join(words, " | ")
}
