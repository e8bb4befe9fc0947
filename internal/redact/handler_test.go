package redact_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/sous-hq/sous/internal/redact"
)

// holder is logged as a structure, secretive as a LogValuer, wordy as a Stringer, and jumpy panics.
type holder struct {
	Name   string
	Inner  *holder
	Keys   map[string]string
	hidden string
}

type secretive struct{ text string }

func (s secretive) LogValue() slog.Value { return slog.GroupValue(slog.String("inside", s.text)) }

type wordy struct{ text string }

func (w wordy) String() string { return "said: " + w.text }

type jumpy struct{}

func (jumpy) MarshalJSON() ([]byte, error) { panic("no") }

// plant logs a text in one of the ways a program logs.
func plant(log *slog.Logger, way int, text string) {
	ctx := context.Background()
	err := errors.New("dial: " + text)
	switch way {
	case 0:
		log.InfoContext(ctx, "could not use "+text)
	case 1:
		log.Info("m", "detail", text)
	case 2:
		log.Warn("m", slog.Group("g", slog.Group("h", slog.String("detail", "with "+text))))
	case 3:
		log.Error("m", "err", fmt.Errorf("connect: %w", err))
	case 4:
		log.With("detail", text).WithGroup("g").Info("m", "n", 1)
	case 5:
		log.WithGroup("g").With(slog.Any("err", errors.Join(err, io.EOF))).Info("m")
	case 6:
		log.Info("m", "v", holder{Name: text})
	case 7:
		log.Info("m", "v", &holder{Inner: &holder{Name: text}})
	case 8:
		log.Info("m", "v", secretive{text})
	case 9:
		log.Info("m", "v", wordy{text})
	case 10:
		log.Info("m", "v", []byte(text))
	case 11:
		log.Info("m", "v", []any{1, map[string]any{"k": text}})
	case 12:
		log.Info("m", "v", &holder{Keys: map[string]string{"k": text}, hidden: text})
	case 13:
		log.LogAttrs(ctx, slog.LevelInfo, "m", slog.Any("v", slog.StringValue(text)))
	case 14:
		log.Info(fmt.Sprintf("%q", text), text, 1)
	default:
		log.Info("m", "v", json1(text))
	}
}

// json1 is a structure whose JSON shows what its text does not.
type json1 string

func (j json1) MarshalText() ([]byte, error) { return []byte("v=" + string(j)), nil }

func TestFiveHundredPlantedSecretsStayOutOfTheLog(t *testing.T) {
	const planted, ways = 500, 16
	kinds := secretKinds()
	names := []string{"AWS access key id", "Slack token", "GitHub token", "PEM key", "JWT", "api_key assignment", "password in prose", "DSN"}
	for format, handler := range map[string]func(io.Writer) slog.Handler{
		"text": func(w io.Writer) slog.Handler { return slog.NewTextHandler(w, nil) },
		"json": func(w io.Writer) slog.Handler { return slog.NewJSONHandler(w, nil) },
	} {
		t.Run(format, func(t *testing.T) {
			var out bytes.Buffer
			log := slog.New(redact.NewHandler(handler(&out), nil))
			r := newRandom(27)
			var secrets []string
			for i := range planted {
				s := kinds[names[i%len(names)]](r)
				secrets = append(secrets, s.secret)
				plant(log, i/len(names)%ways, s.text)
			}
			if lines := strings.Count(out.String(), "\n"); lines < planted {
				t.Fatalf("%d lines for %d records", lines, planted)
			}
			leaked := 0
			for i, s := range secrets {
				// A key of several lines is written with escapes: look for one of its lines.
				if lines := strings.Split(s, "\n"); len(lines) > 1 {
					s = lines[1]
				}
				if strings.Contains(out.String(), s) {
					leaked++
					t.Errorf("secret %d (%s, way %d) is in the log: %q", i, names[i%len(names)], i/len(names)%ways, s)
				}
			}
			t.Logf("%d of %d planted secrets in the log", leaked, planted)
		})
	}
}

func TestNamesOfSecretsHideWhateverStandsUnderThem(t *testing.T) {
	var out bytes.Buffer
	log := slog.New(redact.NewHandler(slog.NewJSONHandler(&out, nil), nil))
	log.Info("m", "db_password", "abc", "authToken", 1234567, "api_key", []string{"zzz"}, "cookie", "yyy", "SECRET", errors.New("qqq"),
		"v", map[string]string{"password": "www"}, slog.Group("x", "pwd", "vvv"))
	for _, gone := range []string{"abc", "zzz", "yyy", "qqq", "www", "vvv"} {
		if strings.Contains(out.String(), gone) {
			t.Errorf("%s is in %s", gone, out.String())
		}
	}
}

func TestPersonalDataStaysOutOfTheLog(t *testing.T) {
	var out bytes.Buffer
	log := slog.New(redact.NewHandler(slog.NewTextHandler(&out, nil), redact.Names("Zoë Øst")))
	log.Info("mail to ann@example.com", "card", int64(4111111111111111), "phone", "467 3395", "ann2@example.com", 1,
		"ip", netip.MustParseAddr("81.2.69.142"), "who", "zoë øst", "panics", jumpy{}, "uint", uint64(4111111111111111))
	for _, gone := range []string{"@example", "4111", "467", "81.2", "øst"} {
		if strings.Contains(out.String(), gone) {
			t.Errorf("%s is in %s", gone, out.String())
		}
	}
	for _, kept := range []string{`msg="mail to [EMAIL]"`, "card=[CARD]", "phone=[PHONE]", "who=[PERSON]", "panics=[redact_test.jumpy]"} {
		if !strings.Contains(out.String(), kept) {
			t.Errorf("%s is not in %s", kept, out.String())
		}
	}
}

func TestAnOrdinaryRecordIsLeftAsItIs(t *testing.T) {
	log := func(h func(slog.Handler) slog.Handler) string {
		var out bytes.Buffer
		l := slog.New(h(slog.NewJSONHandler(&out, &slog.HandlerOptions{ReplaceAttr: func(groups []string, a slog.Attr) slog.Attr {
			if a.Key == slog.TimeKey && len(groups) == 0 {
				return slog.Attr{}
			}
			return a
		}})))
		l.With("run", "r1").WithGroup("g").Info("turn ended", "ms", 12, "at", time.Unix(0, 0).UTC(), "ok", true, "share", 0.5, "err", io.EOF, "list", []int{1, 2},
			"bytes", 123456789, "took", time.Second, "nothing", nil, "turn", "01JD8Z7Q6T0V4X9W2Y5B3C1A0K", "digest", "08835c5b1a2f3e4d5c6b7a8998a7b6c5d4e3f201")
		return out.String()
	}
	plain := log(func(h slog.Handler) slog.Handler { return h })
	if got := log(func(h slog.Handler) slog.Handler { return redact.NewHandler(h, nil) }); got != plain {
		t.Errorf("got  %s\nwant %s", got, plain)
	}
}
