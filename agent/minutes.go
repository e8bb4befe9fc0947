package agent

// Cue is one numbered utterance of a transcript, after cues of one speaker
// that follow each other have been merged or not; ids count from 1.
type Cue struct {
	ID int `json:"id"`
	// Start is seconds from the beginning, -1 when the transcript has no times.
	Start   float64 `json:"start"`
	Speaker string  `json:"speaker,omitempty"`
	Text    string  `json:"text"`
}

// Minutes are the structured summary of a meeting or thread. Every decision,
// action and question carries evidence that code has checked.
type Minutes struct {
	Title string `json:"title"`
	// Date is YYYY-MM-DD, empty when nothing says it.
	Date         string   `json:"date"`
	Participants []string `json:"participants"`
	Summary      string   `json:"summary"`
	Decisions    []Item   `json:"decisions"`
	Actions      []Action `json:"actions"`
	Questions    []Item   `json:"questions"`
	// Source is the file or thread the minutes were made from.
	Source string `json:"source,omitempty"`
	// Model says what wrote the draft.
	Model string `json:"model,omitempty"`
	// Dropped counts what the draft claimed and the check refused.
	Dropped int `json:"dropped,omitempty"`
}

// Item is a decision or an open question.
type Item struct {
	Text     string     `json:"text"`
	Evidence []Evidence `json:"evidence"`
}

// Action is something somebody is to do. Owner and Due are nil unless the
// quoted words support them: nobody is ever made responsible by a guess.
type Action struct {
	Text     string     `json:"text"`
	Owner    *string    `json:"owner"`
	Due      *string    `json:"due"`
	Evidence []Evidence `json:"evidence"`
}

// Evidence quotes a cue word for word.
type Evidence struct {
	// Cue is the cue's id.
	Cue int `json:"cue"`
	// Time is h:mm:ss from the beginning, empty when the transcript has no times.
	Time    string `json:"time"`
	Speaker string `json:"speaker"`
	Quote   string `json:"quote"`
}
