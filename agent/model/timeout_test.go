package model_test

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/agent/model"
)

func TestTimeoutEndsWhatTakesTooLong(t *testing.T) {
	speaksThenHangs := func(ctx context.Context, _ model.Request, delta func(string)) (model.Response, error) {
		delta("well, ")
		<-ctx.Done()
		return model.Response{}, ctx.Err()
	}
	limits := model.Limits{Total: time.Minute, First: 5 * time.Second, Idle: 10 * time.Second}
	for _, tc := range []struct {
		name   string
		act    act
		stream bool
		after  time.Duration
		says   string
	}{
		{"an answer that never comes", hangs, false, time.Minute, "did not finish its answer within 1m0s"},
		{"a stream that never begins", hangs, true, 5 * time.Second, "did not begin to answer within 5s"},
		{"a stream that falls silent", speaksThenHangs, true, 10 * time.Second, "fell silent"},
		{"a stream that drips for ever", drips(4 * time.Second), true, time.Minute, "did not finish"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var delta func(string)
				if tc.stream {
					delta = func(string) {}
				}
				start := time.Now()
				_, err := model.Timeout(playing("slow-one", tc.act), limits).Complete(t.Context(), hello(), delta)
				wantKind(t, err, agent.Unavailable)
				if took := time.Since(start); took != tc.after {
					t.Errorf("took %s, want %s", took, tc.after)
				}
				if text := agent.PublicText(err); !strings.Contains(text, tc.says) || !strings.Contains(text, "slow-one") {
					t.Errorf("people read %q, want the model and %q", text, tc.says)
				}
			})
		})
	}
}

func drips(every time.Duration) act {
	return func(ctx context.Context, _ model.Request, delta func(string)) (model.Response, error) {
		for {
			select {
			case <-time.After(every):
				delta(".")
			case <-ctx.Done():
				return model.Response{}, ctx.Err()
			}
		}
	}
}

func TestTimeoutLetsSignsOfLifeKeepARequestOpen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		thinks := func(_ context.Context, _ model.Request, delta func(string)) (model.Response, error) {
			for range 10 {
				time.Sleep(4 * time.Second)
				delta("")
			}
			delta("done")
			return model.Response{Text: "done"}, nil
		}
		var seen screen
		resp, err := model.Timeout(playing("m", thinks), model.Limits{First: 5 * time.Second, Idle: 5 * time.Second}).
			Complete(t.Context(), hello(), seen.show)
		if err != nil || resp.Text != seen.text {
			t.Fatalf("got %q shown as %q, %v", resp.Text, seen.text, err)
		}
	})
}

func TestTimeoutTellsItsCallersCancellationApart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		_, err := model.Timeout(playing("m", hangs), model.Limits{Total: time.Minute}).Complete(ctx, hello(), nil)
		wantKind(t, err, agent.Cancelled)
	})
}
