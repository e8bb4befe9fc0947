package openai

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"sync"

	openai "github.com/sashabaranov/go-openai"

	"github.com/sous-hq/sous/agent/model"
)

// toolbox remembers tools as they go into a request. Their definitions are most of it,
// the same for a whole process, and encoding them was an eighth of what a turn costs.
type toolbox struct {
	mu  sync.Mutex
	all []encoded
}

type encoded struct {
	tools []model.Tool
	json  []byte
}

// maxToolboxes is how many lists of tools are remembered: one for each kind of request.
const maxToolboxes = 8

// encode returns the tools as JSON, nil without any. Nobody may change it.
func (b *toolbox) encode(tools []model.Tool) ([]byte, error) {
	if len(tools) == 0 {
		return nil, nil
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	same := func(e encoded) bool { return slices.EqualFunc(e.tools, tools, sameTool) }
	if i := slices.IndexFunc(b.all, same); i >= 0 {
		return b.all[i].json, nil
	}
	out := make([]openai.Tool, 0, len(tools))
	for _, t := range tools {
		out = append(out, openai.Tool{Type: openai.ToolTypeFunction, Function: &openai.FunctionDefinition{
			Name: t.Name, Description: t.Description, Parameters: parameters(t.Schema),
		}})
	}
	made, err := json.Marshal(out)
	if err != nil {
		return nil, fmt.Errorf("encode the tools: %w", err)
	}
	if len(b.all) == maxToolboxes {
		b.all = b.all[1:]
	}
	b.all = append(b.all, encoded{slices.Clone(tools), made})
	return made, nil
}

func sameTool(a, b model.Tool) bool {
	return a.Name == b.Name && a.Description == b.Description && bytes.Equal(a.Schema, b.Schema)
}

// joined reads one part after the other. An io.MultiReader would copy them through a
// buffer of 32 kB made for each request.
type joined struct{ parts [][]byte }

func (j *joined) Read(p []byte) (n int, err error) {
	for n < len(p) && len(j.parts) > 0 {
		m := copy(p[n:], j.parts[0])
		n += m
		if j.parts[0] = j.parts[0][m:]; len(j.parts[0]) == 0 {
			j.parts = j.parts[1:]
		}
	}
	if n == 0 && len(p) > 0 {
		return 0, io.EOF
	}
	return n, nil
}

// Close implements io.Closer.
func (j *joined) Close() error { return nil }

// addTools puts the tools at the end of the request's JSON object, which is not empty:
// it names a model.
func (x *exchange) addTools(req *http.Request) error {
	if len(x.tools) == 0 || req.Body == nil {
		return nil
	}
	body := make([]byte, max(req.ContentLength, 0))
	if _, err := io.ReadFull(req.Body, body); err != nil {
		return fmt.Errorf("read the request: %w", err)
	}
	object, ok := bytes.CutSuffix(body, []byte("}"))
	if !ok {
		return fmt.Errorf("the request is no JSON object")
	}
	parts := [][]byte{object, []byte(`,"tools":`), x.tools, []byte("}")}
	req.ContentLength = 0
	for _, p := range parts {
		req.ContentLength += int64(len(p))
	}
	req.GetBody = func() (io.ReadCloser, error) {
		return &joined{slices.Clone(parts)}, nil
	}
	var err error
	req.Body, err = req.GetBody()
	return err
}
