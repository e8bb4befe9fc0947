package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

// document writes an OpenAPI document whose chat requests take at most so many
// tools, and returns its folder.
func document(t *testing.T, chat string) string {
	t.Helper()
	dir := t.TempDir()
	doc := fmt.Sprintf(`{"openapi":"3.1.0","components":{"schemas":{
		"CreateChatCompletionRequest":%s, "CreateEmbeddingRequest":{"type":"object","required":["input"]}}}}`, chat)
	if err := os.WriteFile(filepath.Join(dir, "openai.json"), []byte(doc), 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestEveryShapeIsSentAndCounted(t *testing.T) {
	for name, tc := range map[string]struct {
		chat    string
		invalid bool
	}{
		"a contract that is kept":   {`{"properties":{"n":{"type":"integer"}}}`, false},
		"a contract that is broken": {`{"properties":{"n":{"type":"integer"},"tools":{"maxItems":1}}}`, true},
	} {
		t.Run(name, func(t *testing.T) {
			var out bytes.Buffer
			err := run(t.Context(), []string{"-data", document(t, tc.chat)}, &out)
			if (err != nil) != tc.invalid {
				t.Fatalf("got %v", err)
			}
			lines := bytes.Split(bytes.TrimSpace(out.Bytes()), []byte("\n"))
			var f figures
			if err := json.Unmarshal(lines[len(lines)-1], &f); err != nil {
				t.Fatal(err)
			}
			if f.OpenAIRequests < 20 || (f.Invalid > 0) != tc.invalid || len(lines) != f.OpenAIRequests+2 {
				t.Errorf("figures %+v in %d lines", f, len(lines))
			}
		})
	}
}

func TestAContractThatChecksNothingIsNoticed(t *testing.T) {
	if err := run(t.Context(), []string{"-data", document(t, `{}`)}, &bytes.Buffer{}); err == nil {
		t.Error("want an error")
	}
}
