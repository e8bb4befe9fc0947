package agent

import (
	"encoding/json"
	"time"
)

// Message is one thing said in a conversation.
type Message struct {
	ID           string    `json:"id"`
	Conversation string    `json:"conversation"`
	Turn         string    `json:"turn,omitempty"`
	Author       Actor     `json:"author"`
	Text         string    `json:"text"`
	Files        []FileRef `json:"files,omitempty"`
	Label        Label     `json:"label"`
	At           time.Time `json:"at"`
}

// FileRef names a stored file.
type FileRef struct {
	ID    string `json:"id"`
	Name  string `json:"name"`
	Media string `json:"media,omitempty"`
	Bytes int64  `json:"bytes"`
}

// File is a stored file with its content. The name is content too: whoever
// dropped the file may have written anything into it.
type File struct {
	FileRef
	Workspace WorkspaceID `json:"workspace"`
	Owner     ActorID     `json:"owner"`
	Label     Label       `json:"label"`
	At        time.Time   `json:"at"`
	Content   []byte      `json:"-"`
}

// TurnStatus is where a turn stands. The zero value is Queued.
type TurnStatus uint8

const (
	// TurnQueued waits for the turn before it in its conversation.
	TurnQueued TurnStatus = iota
	// TurnRunning is being worked on.
	TurnRunning
	// TurnWaiting is parked until a person decides or answers.
	TurnWaiting
	// TurnDone was answered.
	TurnDone
	// TurnFailed was given up; the answer says why.
	TurnFailed
	// TurnStopped was stopped by a person.
	TurnStopped
)

var turnStatusNames = []string{"queued", "running", "waiting", "done", "failed", "stopped"}

// String returns the name used in JSON.
func (s TurnStatus) String() string { return nameOf(turnStatusNames, int(s)) }

// Ended reports whether nothing more will happen in the turn.
func (s TurnStatus) Ended() bool { return s >= TurnDone }

// MarshalText implements encoding.TextMarshaler.
func (s TurnStatus) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler; unknown text is an error.
func (s *TurnStatus) UnmarshalText(b []byte) error {
	n, err := indexOf(turnStatusNames, string(b), "turn status")
	*s = TurnStatus(n)
	return err
}

// Turn is one request and all that is done for it.
type Turn struct {
	// ID is the id of the source event, so a redelivered event is the same turn.
	ID           string      `json:"id"`
	Workspace    WorkspaceID `json:"workspace"`
	Conversation string      `json:"conversation"`
	Place        Place       `json:"place"`
	Actor        Actor       `json:"actor"`
	// Request is the id of the message that asked.
	Request string     `json:"request"`
	Status  TurnStatus `json:"status"`
	Answer  string     `json:"answer,omitempty"`
	// Prompt is the name@digest of the prompt the model was given.
	Prompt string `json:"prompt,omitempty"`
	// Model names the model that answered; Degraded says why it is not the one
	// that was configured.
	Model    string `json:"model,omitempty"`
	Degraded string `json:"degraded,omitempty"`
	Usage    Usage  `json:"usage"`
	// Artifacts are structured results by kind, such as "minutes".
	Artifacts map[string]json.RawMessage `json:"artifacts,omitempty"`
	Created   time.Time                  `json:"created"`
	Ended     time.Time                  `json:"ended,omitzero"`
}

// Usage counts what a model consumed.
type Usage struct {
	InputTokens  int `json:"input_tokens"`
	OutputTokens int `json:"output_tokens"`
}

// Add returns the sum of both.
func (u Usage) Add(o Usage) Usage {
	return Usage{u.InputTokens + o.InputTokens, u.OutputTokens + o.OutputTokens}
}

// Step is one visible thing a turn did, for people to follow.
type Step struct {
	Turn string `json:"turn"`
	// N orders the steps of a turn, from 1.
	N int `json:"n"`
	// Kind is "think", "call", "wait", "answer" and the like.
	Kind string `json:"kind"`
	// Title is a short sentence.
	Title string `json:"title"`
	// Tool and Status are set for calls.
	Tool   string    `json:"tool,omitempty"`
	Status string    `json:"status,omitempty"`
	Detail string    `json:"detail,omitempty"`
	At     time.Time `json:"at"`
}
