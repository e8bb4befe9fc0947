package openai

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
)

// What is read by hand is what encoding/json reads, or is left to it.
func FuzzAPieceMeansWhatItSays(f *testing.F) {
	word := `{"choices":[{"delta":{"content":"with "},"finish_reason":null,"index":0}],"created":1700000000,"id":"c-1","model":"m","object":"chat.completion.chunk"}`
	f.Add([]byte(word))
	for _, change := range [][2]string{
		{`with `, `w\u00e9`}, {`with `, "wé\xff"}, {`with `, "\x01"}, {`null`, `"stop"`}, {`"index":0`, `"index":1`}, {`"index":0`, `"index":01`}, {`"index":0`, `"index":-0`},
		{`"index":0`, `"index":1e2`}, {`"index":0`, `"index":99999999999999999999`}, {`"content"`, `"Content"`}, {`"choices"`, `"Choices"`}, {`}],`, `},{"index":1}],`},
		{`"content":"with "`, `"content":null`}, {`"content":"with "`, `"role":"assistant","content":"","refusal":null`}, {`"content":"with "`, `"content":"a","content":"b"`},
		{`"content":"with "`, `"tool_calls":[{"index":0,"id":"x","function":{"name":"f","arguments":"{\"a\":1}"}}]`}, {`"created"`, `"usage":null,"created"`},
		{`"created"`, `"usage":{"prompt_tokens":3,"completion_tokens":4},"created"`}, {`"created"`, `"other":[1,{"a":"b"}],"created"`}, {`,`, ` , `}, {`:`, ` : `}, {`}`, `} `},
		{`"choices":[{`, `"choices":[],"choices":[{`}, {`"id":"c-1"`, `"id":nul`}, {word, `null`}, {word, `{}`}, {word, word + "x"}, {word, word[:len(word)-1]},
	} {
		f.Add([]byte(strings.Replace(word, change[0], change[1], 1)))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var want chunk
		wantErr := json.Unmarshal(data, &want)
		got, err := decode(data)
		if (err == nil) != (wantErr == nil) || err == nil && !reflect.DeepEqual(got, want) {
			t.Errorf("%s: read by hand as %+v (%v), by encoding/json as %+v (%v)", data, got, err, want, wantErr)
		}
	})
}

func TestAWordIsReadByHand(t *testing.T) {
	for _, data := range []string{
		`{"choices":[{"delta":{"content":"with "},"finish_reason":null,"index":0}],"created":1700000000,"id":"c-1","model":"m","object":"chat.completion.chunk"}`,
		`{"id":"chatcmpl-1","object":"chat.completion.chunk","created":1,"model":"gpt-x","service_tier":"default","system_fingerprint":"fp","choices":[{"index":0,"delta":{"content":" é"},"logprobs":null,"finish_reason":null}],"usage":null,"obfuscation":"x9"}`,
		`{"id": "1", "object": "chat.completion.chunk", "created": 12, "model": "m", "choices": [{"index": 0, "delta": {"role": "assistant", "content": "a"}, "finish_reason": null}]}`,
	} {
		var one pieceOf
		s := scanner{data: []byte(data)}
		if !s.word(&one) || one.Delta.Content == "" {
			t.Errorf("%s is left to encoding/json (read up to %d)", data, s.at)
		}
	}
}

func BenchmarkPiece(b *testing.B) {
	data := []byte(`{"choices":[{"delta":{"content":"with "},"finish_reason":null,"index":0}],"created":1700000000,"id":"chatcmpl-140","model":"rig-model","object":"chat.completion.chunk"}`)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := decode(data); err != nil {
			b.Fatal(err)
		}
	}
}
