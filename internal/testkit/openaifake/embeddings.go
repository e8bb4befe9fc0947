package openaifake

import (
	"encoding/json"
	"hash/fnv"
	"net/http"
	"slices"
)

// dimension of the vectors.
const dimension = 8

func (s *Server) serveEmbeddings(w http.ResponseWriter, r *http.Request) {
	req, ok := s.receive(w, r)
	if !ok {
		return
	}
	if step, ok := s.next(&s.embeddings); ok && s.fault(w, r, step) {
		return
	}
	var in struct {
		Model string   `json:"model"`
		Input []string `json:"input"`
	}
	if err := json.Unmarshal(req.Body, &in); err != nil {
		refuse(w, http.StatusBadRequest, "", err.Error())
		return
	}
	embed := s.c.Embed
	if embed == nil {
		embed = func(_, text string) []float32 { return Vector(text) }
	}
	data := make([]any, len(in.Input))
	for i, text := range in.Input {
		data[i] = map[string]any{"object": "embedding", "index": i, "embedding": embed(in.Model, text)}
	}
	// The API does not promise the order; index tells it.
	slices.Reverse(data)
	writeJSON(w, http.StatusOK, map[string]any{
		"object": "list", "model": in.Model, "data": data,
		"usage": map[string]any{"prompt_tokens": len(in.Input), "total_tokens": len(in.Input)},
	})
}

// Vector is what the fake gives for a text: equal texts have equal vectors.
func Vector(text string) []float32 {
	v := make([]float32, dimension)
	h := fnv.New32a()
	for i := range v {
		h.Write([]byte(text))
		h.Write([]byte{byte(i)})
		v[i] = float32(h.Sum32()%2000)/1000 - 1
	}
	return v
}
