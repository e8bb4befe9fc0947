// Package config loads the settings of Sous once, at the start: defaults, then sous.yaml, then the
// environment; the command's flags come last. A key nobody knows is a problem, every problem is
// reported at once with the place it was found, and secrets are a type that does not print.
//
// The package reads no environment by itself: whoever calls Load hands it over.
package config

import (
	"log/slog"
	"time"
)

// FileName is the name under which a settings file is looked for.
const FileName = "sous.yaml"

// Config is everything Sous can be told. Load fills it completely; the fields may be changed
// afterwards, by flags, until the parts are built from it.
type Config struct {
	// File is the settings file that was read; empty when there was none.
	File string
	// DataDir is where the embedded store and the files handed to Sous live. It may not exist yet.
	DataDir string
	// KeysDir holds the keys of the record, which every replica needs; empty means keys
	// in DataDir.
	KeysDir string
	// Listen is the host:port of the web console and the API.
	Listen string
	// DebugListen is the host:port of the profiles, on this machine alone; empty means none.
	DebugListen string
	// Hosts are names people reach the web console by, besides this machine's own.
	Hosts []string
	// DatabaseURL names a PostgreSQL server; unset means the embedded store.
	DatabaseURL Secret
	// PolicyPath is the policy file; empty means the built-in rules.
	PolicyPath string
	// PeopleFile says who belongs to the workspace; empty means its owner alone.
	PeopleFile string
	// Operator is the id in the people file of whoever works at this machine.
	Operator string
	// Retention is how long what is kept, in the words of privacy.ParseRules; empty
	// means that everything is kept.
	Retention string
	// RoutingFile holds teams, people, topics and hours; empty means nobody to route to.
	RoutingFile string
	// Owner is the name of the person this installation belongs to.
	Owner string
	// Workspace is the name of the team's workspace.
	Workspace string
	// Timezone is where dates said without a zone are read.
	Timezone *time.Location
	// Model is the language model endpoint.
	Model Model
	// Embedding is the endpoint whose vectors memory is searched by.
	Embedding Embedding
	// Slack is the connection to Slack.
	Slack Slack
	// RedactNames says that names of the workspace's people are masked like addresses.
	RedactNames bool
	// Audit says where the record's signed heads go.
	Audit Audit
	// Log says how much is logged and in which form.
	Log Log
	// Budgets bound what language models may cost.
	Budgets Budgets
	// Limits bound what one turn, one file and one decision may take.
	Limits Limits

	loaded map[string]loadedValue // by key: what Load set and where it came from
}

// Model names an endpoint that speaks the OpenAI API. Without APIKey and BaseURL the built-in model
// answers.
type Model struct {
	// APIKey is sent as the bearer token.
	APIKey Secret
	// BaseURL is the endpoint up to and including its version, such as http://127.0.0.1:11434/v1;
	// empty means OpenAI's own.
	BaseURL string
	// Name is the model asked for.
	Name string
	// Timeout bounds one request, streaming included.
	Timeout time.Duration
	// MaxTokens bounds one answer.
	MaxTokens int
}

// IsSet reports whether an endpoint was configured, by key or by address.
func (m Model) IsSet() bool { return m.APIKey.IsSet() || m.BaseURL != "" }

// Embedding names the model that turns texts into vectors. Without Name memory ranks by words alone.
type Embedding struct {
	// Name is the model asked for.
	Name string
	// APIKey and BaseURL are for an endpoint of its own; both unset means the language model's.
	APIKey  Secret
	BaseURL string
}

// IsSet reports whether an embedding model was configured.
func (e Embedding) IsSet() bool { return e.Name != "" }

// Slack holds the credentials of a Slack app. All unset means that Slack is off.
type Slack struct {
	// BotToken acts as the app in a workspace (xoxb-…).
	BotToken Secret
	// AppToken opens Socket Mode (xapp-…).
	AppToken Secret
	// SigningSecret verifies requests that Slack sends over HTTP.
	SigningSecret Secret
	// APIURL is the root of Slack's Web API; empty means Slack's own.
	APIURL string
	// PublicURL is where Slack reaches Sous over HTTP; empty means nowhere.
	PublicURL string
	// ConfigToken makes and changes apps; commands alone use it.
	ConfigToken Secret
	// ClientID and ClientSecret let the app be installed in several workspaces by its
	// own page, instead of in one by BotToken.
	ClientID     string
	ClientSecret Secret
}

// Many reports whether the app is installed by its own page, in any number of
// workspaces. A bot token names the one workspace there is, and wins.
func (s Slack) Many() bool { return !s.BotToken.IsSet() && s.ClientID != "" && s.ClientSecret.IsSet() }

// IsSet reports whether any credential of a Slack app was given.
func (s Slack) IsSet() bool {
	return s.BotToken.IsSet() || s.AppToken.IsSet() || s.SigningSecret.IsSet() || s.Many()
}

// Audit is what leaves the store so that nobody can change the record unseen.
type Audit struct {
	// Checkpoints is the file signed heads are appended to; empty means one in the data directory.
	Checkpoints string
	// PostEvery is how often the owners are told a signed head; 0 means never.
	PostEvery time.Duration
}

// Log is how Sous logs.
type Log struct {
	// Level is the least severe level that is written.
	Level slog.Level
	// Format is FormatText or FormatJSON.
	Format string
}

// The forms of a log line.
const (
	FormatText = "text"
	FormatJSON = "json"
)

// Budgets are what models may cost, in the words of budget.ParseBounds and
// budget.ParsePrices; empty means no bound and no price.
type Budgets struct {
	// Person bounds each person, Workspace all together.
	Person, Workspace string
	// Prices are those of a million tokens, by model.
	Prices string
}

// Limits are upper bounds; reaching one is said, never hidden.
type Limits struct {
	// TurnSteps is how many times one turn may ask the model.
	TurnSteps int
	// TurnsAtOnce is how many turns a process works on at the same time; those that
	// wait for somebody are not counted.
	TurnsAtOnce int
	// TurnTime is how long one turn may work, waits for people not counted.
	TurnTime time.Duration
	// TurnTokens is how many tokens one turn may spend.
	TurnTokens int
	// UploadBytes is the size of the largest file taken.
	UploadBytes int64
	// ApprovalTTL is how long a question to a person stays open.
	ApprovalTTL time.Duration
	// RunWithin is how long after a yes a call may start.
	RunWithin time.Duration
	// UndoTTL is how long an effect can be undone by its button.
	UndoTTL time.Duration
}
