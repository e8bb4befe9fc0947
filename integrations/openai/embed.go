package openai

import (
	"context"
	"fmt"
	"strings"

	openai "github.com/sashabaranov/go-openai"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/agent/model"
)

// batch is how many texts go into one request; the API's limit is 2048, servers
// of one's own often take far fewer.
const batch = 128

// Embed implements model.Embedder. The time limit is for each request of up to
// 128 texts.
func (c *Client) Embed(ctx context.Context, texts []string) (model.Embeddings, error) {
	out := model.Embeddings{Model: c.c.EmbeddingModel, Vectors: make([][]float32, 0, len(texts))}
	if c.c.EmbeddingModel == "" {
		return out, agent.Errorf(agent.Invalid, "no model for embeddings is configured: set OPENAI_EMBEDDING_MODEL")
	}
	for i, text := range texts {
		if strings.TrimSpace(text) == "" {
			return out, agent.Errorf(agent.Invalid, "text %d of %d is empty and has no embedding", i+1, len(texts))
		}
	}
	if err := model.Ended(ctx); err != nil {
		return out, err
	}
	for len(texts) > 0 {
		n := min(batch, len(texts))
		vectors, usage, err := c.embed(ctx, texts[:n])
		if err != nil {
			return out, err
		}
		out.Vectors = append(out.Vectors, vectors...)
		out.Usage = out.Usage.Add(usage)
		texts = texts[n:]
	}
	for _, v := range out.Vectors {
		if len(v) == 0 || len(v) != len(out.Vectors[0]) {
			return out, model.Unavailable(0, nil, "the model's server sent embeddings of different lengths")
		}
	}
	return out, nil
}

func (c *Client) embed(ctx context.Context, texts []string) ([][]float32, agent.Usage, error) {
	ctx, cancel := c.limited(ctx)
	defer cancel()
	resp, err := c.api(c.exchange()).CreateEmbeddings(ctx, openai.EmbeddingRequest{
		Input: texts, Model: openai.EmbeddingModel(c.c.EmbeddingModel), EncodingFormat: openai.EmbeddingEncodingFormatFloat,
	})
	if err != nil {
		return nil, agent.Usage{}, c.embedding().explain(ctx, err)
	}
	vectors := make([][]float32, len(texts))
	for _, e := range resp.Data {
		if e.Index < 0 || e.Index >= len(vectors) || vectors[e.Index] != nil {
			return nil, agent.Usage{}, model.Unavailable(0, nil, "the model's server sent embeddings nobody asked for")
		}
		vectors[e.Index] = e.Embedding
	}
	if len(resp.Data) != len(texts) {
		return nil, agent.Usage{}, model.Unavailable(0, fmt.Errorf("%d vectors for %d texts", len(resp.Data), len(texts)),
			"the model's server did not send an embedding for every text")
	}
	return vectors, agent.Usage{InputTokens: max(0, resp.Usage.PromptTokens)}, nil
}
