package config

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// setting is one value Sous can be told: where it may be given and how its text is read and shown.
// The whole of the configuration is the list that settings returns.
type setting struct {
	key     string // in sous.yaml; "section.name" or "name"
	env     string // the environment variable
	doc     string // what it is, for people
	allowed string // what may be given, for people
	def     string // the default, as text; "" leaves the zero value
	secret  bool   // never shown, and a reference in sous.yaml
	path    bool   // relative to the folder of the sous.yaml that holds it
	private bool   // not a secret, yet not repeated in problems: people put credentials into URLs
	set     func(c *Config, text string) error
	show    func(c *Config) string
}

// settings lists every setting in the order in which doctor shows them.
func settings() []setting {
	return slices.Concat(placeSettings(), connectionSettings(), recordSettings(), budgetSettings(), limitSettings())
}

func placeSettings() []setting {
	return []setting{
		pathTo(func(c *Config) *string { return &c.DataDir },
			setting{key: "data", env: "SOUS_DATA", doc: "folder of the embedded store"}),
		pathTo(func(c *Config) *string { return &c.KeysDir },
			setting{key: "keys", env: "SOUS_KEYS", doc: "folder of the keys of the record; unset means keys in the data folder"}),
		{
			key: "listen", env: "SOUS_LISTEN", doc: "address of the web console", def: "127.0.0.1:8420",
			allowed: "host:port, such as 127.0.0.1:8420",
			set: func(c *Config, text string) error {
				c.Listen = text
				return checkListen(text)
			},
			show: func(c *Config) string { return c.Listen },
		},
		{
			key: "debug_listen", env: "SOUS_DEBUG_LISTEN", doc: "where profiles of the process are shown; unset means nowhere",
			allowed: "host:port of this machine's own, such as 127.0.0.1:6060",
			set: func(c *Config, text string) error {
				c.DebugListen = text
				return checkLoopback(text)
			},
			show: func(c *Config) string { return c.DebugListen },
		},
		{
			key: "hosts", env: "SOUS_HOSTS", doc: "names people reach the web console by, besides this machine's own",
			allowed: "host names, with or without port, separated by commas, such as sous.example.com",
			set: func(c *Config, text string) error {
				c.Hosts = nil
				for name := range strings.SplitSeq(text, ",") {
					if name = strings.TrimSpace(name); !hostName.MatchString(name) {
						return errors.New("not a host name")
					}
					c.Hosts = append(c.Hosts, name)
				}
				return nil
			},
			show: func(c *Config) string { return strings.Join(c.Hosts, ",") },
		},
		{
			key: "database_url", env: "SOUS_DATABASE_URL", doc: "PostgreSQL server instead of the embedded store",
			allowed: "postgres://user@host/database", secret: true,
			set: func(c *Config, text string) error {
				c.DatabaseURL = NewSecret(text)
				if !strings.HasPrefix(text, "postgres://") && !strings.HasPrefix(text, "postgresql://") {
					return errors.New("not a PostgreSQL URL")
				}
				return nil
			},
			show: func(c *Config) string { return c.DatabaseURL.String() },
		},
		pathTo(func(c *Config) *string { return &c.PolicyPath },
			setting{key: "policy", env: "SOUS_POLICY", doc: "policy file"}),
		pathTo(func(c *Config) *string { return &c.PeopleFile },
			setting{key: "people_file", env: "SOUS_PEOPLE_FILE", doc: "who belongs to the workspace; unset means its owner alone"}),
		name(func(c *Config) *string { return &c.Operator },
			setting{key: "operator", env: "SOUS_OPERATOR", doc: "id in the people file of who works at this machine", def: "owner"}),
		line(func(c *Config) *string { return &c.Retention },
			setting{key: "retention", env: "SOUS_RETENTION", doc: "how long what is kept, such as: conversations 180d; files 90d"}),
		pathTo(func(c *Config) *string { return &c.RoutingFile },
			setting{key: "routing.file", env: "SOUS_ROUTING", doc: "teams, people, topics and hours"}),
		name(func(c *Config) *string { return &c.Owner },
			setting{key: "owner", env: "SOUS_OWNER", doc: "whose installation this is"}),
		name(func(c *Config) *string { return &c.Workspace },
			setting{key: "workspace", env: "SOUS_WORKSPACE", doc: "name of the workspace", def: "Kitchen"}),
		{
			key: "timezone", env: "SOUS_TIMEZONE", doc: "zone of dates said without one", def: "Local",
			allowed: "a name of the time zone database, such as Europe/Berlin, or UTC, or Local",
			set: func(c *Config, text string) error {
				zone, err := time.LoadLocation(text)
				if err != nil {
					return errors.New("unknown time zone")
				}
				c.Timezone = zone
				return nil
			},
			show: func(c *Config) string { return c.Timezone.String() },
		},
	}
}

// hostName is a host with or without a port.
var hostName = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?(:[0-9]{1,5})?$`) //nolint:gochecknoglobals // a constant

func connectionSettings() []setting {
	return []setting{
		secret(func(c *Config) *Secret { return &c.Model.APIKey },
			setting{key: "model.api_key", env: "OPENAI_API_KEY", doc: "key of the model endpoint"}),
		webURL(func(c *Config) *string { return &c.Model.BaseURL },
			setting{key: "model.base_url", env: "OPENAI_BASE_URL", doc: "OpenAI-compatible endpoint; unset means OpenAI's"}),
		name(func(c *Config) *string { return &c.Model.Name },
			setting{key: "model.name", env: "OPENAI_MODEL", doc: "model asked for", def: "gpt-4.1-mini"}),
		duration(func(c *Config) *time.Duration { return &c.Model.Timeout }, time.Hour,
			setting{key: "model.timeout", env: "SOUS_MODEL_TIMEOUT", doc: "longest request to the model", def: "90s"}),
		count(func(c *Config) *int { return &c.Model.MaxTokens }, 16, 1_000_000,
			setting{key: "model.max_tokens", env: "SOUS_MODEL_MAX_TOKENS", doc: "longest answer of the model, in tokens", def: "4096"}),
		name(func(c *Config) *string { return &c.Embedding.Name },
			setting{key: "embedding.name", env: "OPENAI_EMBEDDING_MODEL", doc: "model whose vectors memory is searched by; unset: by words alone"}),
		webURL(func(c *Config) *string { return &c.Embedding.BaseURL },
			setting{key: "embedding.base_url", env: "OPENAI_EMBEDDING_BASE_URL", doc: "its endpoint, when it is another than the model's"}),
		secret(func(c *Config) *Secret { return &c.Embedding.APIKey },
			setting{key: "embedding.api_key", env: "OPENAI_EMBEDDING_API_KEY", doc: "key of that endpoint"}),
		secret(func(c *Config) *Secret { return &c.Slack.BotToken },
			setting{key: "slack.bot_token", env: "SLACK_BOT_TOKEN", doc: "the app's token in the workspace"}),
		secret(func(c *Config) *Secret { return &c.Slack.AppToken },
			setting{key: "slack.app_token", env: "SLACK_APP_TOKEN", doc: "token that opens Socket Mode"}),
		secret(func(c *Config) *Secret { return &c.Slack.SigningSecret },
			setting{key: "slack.signing_secret", env: "SLACK_SIGNING_SECRET", doc: "verifies requests sent over HTTP"}),
		webURL(func(c *Config) *string { return &c.Slack.APIURL },
			setting{key: "slack.api_url", env: "SLACK_API_URL", doc: "root of Slack's Web API; unset means Slack's own"}),
		webURL(func(c *Config) *string { return &c.Slack.PublicURL },
			setting{key: "slack.public_url", env: "SLACK_PUBLIC_URL", doc: "where Slack reaches Sous over HTTP"}),
		secret(func(c *Config) *Secret { return &c.Slack.ConfigToken },
			setting{key: "slack.config_token", env: "SLACK_CONFIG_TOKEN", doc: "configuration token, for sous slack apply and doctor"}),
		name(func(c *Config) *string { return &c.Slack.ClientID },
			setting{key: "slack.client_id", env: "SLACK_CLIENT_ID", doc: "the app's client id, to install it in several workspaces"}),
		secret(func(c *Config) *Secret { return &c.Slack.ClientSecret },
			setting{key: "slack.client_secret", env: "SLACK_CLIENT_SECRET", doc: "the app's client secret"}),
		{
			key: "log.level", env: "SOUS_LOG_LEVEL", doc: "least severe level logged", def: "info",
			allowed: "debug, info, warn or error",
			set: func(c *Config, text string) error {
				switch text {
				case "debug", "info", "warn", "error":
					return c.Log.Level.UnmarshalText([]byte(text))
				default:
					return errors.New("unknown level")
				}
			},
			show: func(c *Config) string { return strings.ToLower(c.Log.Level.String()) },
		},
		{
			key: "log.format", env: "SOUS_LOG_FORMAT", doc: "form of a log line", def: FormatText,
			allowed: "text or json",
			set: func(c *Config, text string) error {
				c.Log.Format = text
				if text != FormatText && text != FormatJSON {
					return errors.New("unknown format")
				}
				return nil
			},
			show: func(c *Config) string { return c.Log.Format },
		},
	}
}

func recordSettings() []setting {
	return []setting{
		yesNo(func(c *Config) *bool { return &c.RedactNames },
			setting{key: "redact.names", env: "SOUS_REDACT_NAMES", doc: "keep the names of the workspace's people from models outside and logs", def: "false"}),
		pathTo(func(c *Config) *string { return &c.Audit.Checkpoints },
			setting{key: "audit.checkpoints", env: "SOUS_AUDIT_CHECKPOINTS", doc: "file of the record's signed heads; unset means in the data directory"}),
		optional(duration(func(c *Config) *time.Duration { return &c.Audit.PostEvery }, 30*24*time.Hour,
			setting{key: "audit.post_every", env: "SOUS_AUDIT_POST_EVERY", doc: "how often the owners are told a signed head; unset means never", def: "24h"})),
	}
}

func budgetSettings() []setting {
	return []setting{
		line(func(c *Config) *string { return &c.Budgets.Person },
			setting{key: "budgets.person", env: "SOUS_BUDGET_PERSON", doc: "what models may cost each person, such as: 200000 tokens a day; 20 EUR a month"}),
		line(func(c *Config) *string { return &c.Budgets.Workspace },
			setting{key: "budgets.workspace", env: "SOUS_BUDGET_WORKSPACE", doc: "what they may cost all together, in the same words"}),
		line(func(c *Config) *string { return &c.Budgets.Prices },
			setting{key: "budgets.prices", env: "SOUS_MODEL_PRICES", doc: "prices of a million tokens in and out, such as: gpt-4.1-mini 0.40/1.60 USD"}),
	}
}

func limitSettings() []setting {
	const day = 24 * time.Hour
	return []setting{
		count(func(c *Config) *int { return &c.Limits.TurnSteps }, 1, 1000,
			setting{key: "limits.turn_steps", env: "SOUS_TURN_STEPS", doc: "times one turn may ask the model", def: "24"}),
		count(func(c *Config) *int { return &c.Limits.TurnsAtOnce }, 1, 10_000,
			setting{key: "limits.turns_at_once", env: "SOUS_TURNS_AT_ONCE", doc: "turns a process works on at the same time; more wait in the store", def: "256"}),
		duration(func(c *Config) *time.Duration { return &c.Limits.TurnTime }, day,
			setting{key: "limits.turn_time", env: "SOUS_TURN_TIME", doc: "working time of one turn", def: "10m"}),
		count(func(c *Config) *int { return &c.Limits.TurnTokens }, 1000, 100_000_000,
			setting{key: "limits.turn_tokens", env: "SOUS_TURN_TOKENS", doc: "tokens of one turn", def: "200000"}),
		{
			key: "limits.upload_bytes", env: "SOUS_UPLOAD_BYTES", doc: "largest file taken", def: "32MiB",
			allowed: "a size from 1KiB to 4GiB, such as 32MiB",
			set: func(c *Config, text string) error {
				n, err := parseSize(text)
				if err == nil && (n < 1<<10 || n > 4<<30) {
					err = errors.New("out of range")
				}
				c.Limits.UploadBytes = n
				return err
			},
			show: func(c *Config) string { return showSize(c.Limits.UploadBytes) },
		},
		duration(func(c *Config) *time.Duration { return &c.Limits.ApprovalTTL }, 90*day,
			setting{key: "limits.approval_ttl", env: "SOUS_APPROVAL_TTL", doc: "how long a question to a person stays open", def: "24h"}),
		duration(func(c *Config) *time.Duration { return &c.Limits.RunWithin }, 30*day,
			setting{key: "limits.run_within", env: "SOUS_RUN_WITHIN", doc: "how long after a yes a call may start", def: "1h"}),
		duration(func(c *Config) *time.Duration { return &c.Limits.UndoTTL }, 30*day,
			setting{key: "limits.undo_ttl", env: "SOUS_UNDO_TTL", doc: "how long an effect can be undone", def: "15m"}),
	}
}

// The constructors below fill in how a kind of value is read and shown; field points at its place.

func pathTo(field func(*Config) *string, s setting) setting {
	s.allowed, s.path = "a path", true
	return text(field, s, func(text string) error {
		if strings.ContainsRune(text, 0) {
			return errors.New("not a path")
		}
		return nil
	})
}

func name(field func(*Config) *string, s setting) setting {
	s.allowed = fmt.Sprintf("a name of at most %d characters", maxName)
	return text(field, s, checkName)
}

// maxLine is the length, in characters, of the longest list on one line.
const maxLine = 2000

func line(field func(*Config) *string, s setting) setting {
	s.allowed = fmt.Sprintf("one line of at most %d characters", maxLine)
	return text(field, s, func(text string) error {
		if strings.TrimSpace(text) == "" || len(text) > maxLine || strings.ContainsFunc(text, unicode.IsControl) {
			return errors.New("not one line of text")
		}
		return nil
	})
}

func webURL(field func(*Config) *string, s setting) setting {
	s.allowed, s.private = "an http or https URL without user or query", true
	return text(field, s, func(text string) error { return checkURL(text, "http", "https") })
}

func text(field func(*Config) *string, s setting, check func(string) error) setting {
	s.set = func(c *Config, text string) error {
		*field(c) = text
		return check(text)
	}
	s.show = func(c *Config) string { return *field(c) }
	return s
}

func secret(field func(*Config) *Secret, s setting) setting {
	s.allowed, s.secret = "one line of text", true
	s.set = func(c *Config, text string) error {
		*field(c) = NewSecret(text)
		if strings.ContainsAny(text, " \t\r\n\x00") {
			return errors.New("holds a space or a line break")
		}
		return nil
	}
	s.show = func(c *Config) string { return field(c).String() }
	return s
}

func duration(field func(*Config) *time.Duration, most time.Duration, s setting) setting {
	s.allowed = fmt.Sprintf("a duration from 1s to %s, such as %s", showDuration(most), s.def)
	s.set = func(c *Config, text string) error {
		d, err := parseDuration(text)
		if err == nil && (d < time.Second || d > most) {
			err = errors.New("out of range")
		}
		*field(c) = d
		return err
	}
	s.show = func(c *Config) string { return showDuration(*field(c)) }
	return s
}

// optional takes the default away that was given as an example: it stays unset.
func optional(s setting) setting {
	s.def = ""
	shown := s.show
	s.show = func(c *Config) string {
		if text := shown(c); text != "0s" {
			return text
		}
		return ""
	}
	return s
}

func yesNo(field func(*Config) *bool, s setting) setting {
	s.allowed = "true or false"
	s.set = func(c *Config, text string) error {
		*field(c) = text == "true"
		if text != "true" && text != "false" {
			return errors.New("neither true nor false")
		}
		return nil
	}
	s.show = func(c *Config) string { return strconv.FormatBool(*field(c)) }
	return s
}

func count(field func(*Config) *int, least, most int, s setting) setting {
	s.allowed = fmt.Sprintf("a whole number from %d to %d", least, most)
	s.set = func(c *Config, text string) error {
		n, err := strconv.Atoi(text)
		if err != nil {
			return errors.New("not a whole number")
		}
		if n < least || n > most {
			err = errors.New("out of range")
		}
		*field(c) = n
		return err
	}
	s.show = func(c *Config) string { return strconv.Itoa(*field(c)) }
	return s
}
