package meetings

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/google/jsonschema-go/jsonschema"
)

// Draft is what a model answers to the prompt "minutes": claims, none of them
// believed before Verify.
type Draft struct {
	Summary   string        `json:"summary" jsonschema:"what the meeting was about and came to, 80 to 140 words, third person"`
	Decisions []DraftItem   `json:"decisions" jsonschema:"what was decided or agreed"`
	Actions   []DraftAction `json:"actions" jsonschema:"what somebody is to do after the meeting"`
	Questions []DraftItem   `json:"questions" jsonschema:"questions left open at the end"`
}

// DraftItem is a claimed decision or open question.
type DraftItem struct {
	Text  string `json:"text" jsonschema:"one sentence that reads well alone"`
	Cues  []int  `json:"cues" jsonschema:"numbers of the cues that say it"`
	Quote string `json:"quote" jsonschema:"the words of a cue, copied exactly"`
}

// DraftAction is a claimed action.
type DraftAction struct {
	Text  string  `json:"text" jsonschema:"begins with a verb"`
	Owner *string `json:"owner" jsonschema:"who committed or was asked by name; null when nobody"`
	Due   *string `json:"due" jsonschema:"the words that say when, or YYYY-MM-DD; null when not said"`
	Cues  []int   `json:"cues" jsonschema:"numbers of the cues that say it"`
	Quote string  `json:"quote" jsonschema:"the words of a cue, copied exactly"`
}

// maxItems bounds each list of a draft: nonsense must not become work.
const maxItems = 200

// Schema returns the JSON Schema of a Draft.
func Schema() (json.RawMessage, error) {
	s, err := jsonschema.For[Draft](nil)
	if err != nil {
		return nil, fmt.Errorf("schema of minutes: %w", err)
	}
	b, err := json.Marshal(s)
	if err != nil {
		return nil, fmt.Errorf("schema of minutes: %w", err)
	}
	return b, nil
}

// ParseDraft reads a model's answer. Fences and words around the object are
// forgiven; a missing object, wrong types or an empty draft are not. The error
// is worded for the model that is asked to repair it.
func ParseDraft(answer string) (Draft, error) {
	from, to := strings.IndexByte(answer, '{'), strings.LastIndexByte(answer, '}')
	if from < 0 || to < from {
		return Draft{}, fmt.Errorf("the answer holds no JSON object")
	}
	var d Draft
	if err := json.Unmarshal([]byte(answer[from:to+1]), &d); err != nil {
		return Draft{}, fmt.Errorf("the answer is not the JSON that was asked for: %w", err)
	}
	if strings.TrimSpace(d.Summary) == "" {
		return Draft{}, fmt.Errorf(`the answer has no "summary"`)
	}
	if len(d.Decisions) > maxItems || len(d.Actions) > maxItems || len(d.Questions) > maxItems {
		return Draft{}, fmt.Errorf("the answer lists more than %d items of a kind", maxItems)
	}
	return d, nil
}
