package openaifake

import (
	"bytes"
	"fmt"
	"os"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// validator says what is wrong with a request body.
type validator func(body []byte) error

// loadSchemas compiles the request schemas of OpenAI's OpenAPI document, by path.
func loadSchemas(path string) (map[string]validator, error) {
	raw, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read the OpenAPI document: %w", err)
	}
	// The document says draft 2020-12 but uses these two words of draft 2019-09.
	raw = bytes.ReplaceAll(raw, []byte(`"$recursiveAnchor": true`), []byte(`"$dynamicAnchor": "node"`))
	raw = bytes.ReplaceAll(raw, []byte(`"$recursiveRef": "#"`), []byte(`"$dynamicRef": "#node"`))
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(raw))
	if err != nil {
		return nil, fmt.Errorf("parse %s: %w", path, err)
	}
	const url = "https://api.openai.com/openapi.json"
	compiler := jsonschema.NewCompiler()
	if err := compiler.AddResource(url, doc); err != nil {
		return nil, fmt.Errorf("add %s: %w", path, err)
	}
	out := map[string]validator{}
	for at, name := range map[string]string{
		"/chat/completions": "CreateChatCompletionRequest",
		"/embeddings":       "CreateEmbeddingRequest",
	} {
		schema, err := compiler.Compile(url + "#/components/schemas/" + name)
		if err != nil {
			return nil, fmt.Errorf("compile %s: %w", name, err)
		}
		out[at] = func(body []byte) error {
			v, err := jsonschema.UnmarshalJSON(bytes.NewReader(body))
			if err != nil {
				return fmt.Errorf("parse the body: %w", err)
			}
			if err := schema.Validate(v); err != nil {
				return fmt.Errorf("not a %s: %w", name, err)
			}
			return nil
		}
	}
	return out, nil
}
