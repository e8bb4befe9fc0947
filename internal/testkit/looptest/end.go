package looptest

import (
	"context"
	"encoding/json"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/agent/loop"
	"github.com/sous-hq/sous/agent/model"
)

// endTellsAll: whoever follows a turn need not read it again when it has ended, unless
// something may be stored with it that its end does not know.
func endTellsAll(t *testing.T, on Bench) {
	p := NewWorld(t, on, loop.Limits{Thinks: 3}, func(req model.Request) (model.Response, error) {
		asked, results := Asked(req), Results(req)
		switch {
		case strings.HasPrefix(asked, "look") && len(results) == 0:
			return Call(`thing_look {"name":"one"}`, `thing_look {"name":"missing"}`)
		case strings.HasPrefix(asked, "again"):
			return Call(`thing_look {"name":"one"}`)
		}
		return scripted(req)
	}).Start()
	whole := func(id, text string) (loop.View, bool) {
		p.Ask(id, "c-"+id, text)
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		next := p.Hub.Watch(ctx, id, 0)
		for {
			ev, ok := next()
			if !ok {
				t.Fatalf("%s: the end was not seen", id)
			}
			if ev.Type == loop.EventEnd {
				return ev.Whole()
			}
		}
	}
	for id, text := range map[string]string{"said": "hello", "looked": "look at it", "bound": "again and again"} {
		got, ok := whole(id, text)
		want, err := p.View(context.Background(), Ann(), id)
		check(t, err)
		if !ok || plainly(t, got) != plainly(t, want) || !reflect.DeepEqual(got.AnswerLabel, want.AnswerLabel) {
			t.Errorf("%s: the end tells (%v)\n%s\nthe store\n%s", id, ok, plainly(t, got), plainly(t, want))
		}
	}
	// What was ordered in words is done without a question; its effect is not in the end.
	if v, ok := whole("made", `make a thing named "unsaid"`); ok || v.ID != "" {
		t.Errorf("the end of a turn with an effect tells %+v", v)
	}
	if v := p.Until("made", agent.TurnDone); len(v.Effects) != 1 {
		t.Errorf("%d effects; want 1", len(v.Effects))
	}
}

var fractions = regexp.MustCompile(`\.\d+(Z|[+-]\d\d:\d\d)"`)

// plainly is a turn without the fractions of its seconds, which stores round.
func plainly(t *testing.T, v loop.View) string {
	t.Helper()
	raw, err := json.MarshalIndent(v, "", " ")
	check(t, err)
	return fractions.ReplaceAllString(strings.NewReplacer("null", "[]", "+00:00", "Z").Replace(string(raw)), `$1"`)
}
