package api_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/agent/budget"
	"github.com/sous-hq/sous/agent/loop"
	"github.com/sous-hq/sous/agent/model"
	"github.com/sous-hq/sous/integrations/api"
)

func (l local) Status(context.Context, agent.Actor) (api.Status, error) {
	return api.Status{
		Working: 3, Most: 5, Breakers: []api.Breaker{{Of: "model big", State: "open", For: 7 * time.Second}},
		Budgets: []budget.Line{{Person: "ann", Unit: budget.Tokens, Period: budget.Day, Used: 5, Most: 10}},
	}, nil
}

func TestTheStatusIsTheSameOverTheWire(t *testing.T) {
	both(t, func(t *testing.T, svc api.Service, _ local) {
		st, err := svc.Status(t.Context(), ann)
		if err != nil || st.Working != 3 || st.Breakers[0].String() != "model big failed several times in a row and is left alone for 7s" || st.Budgets[0].Percent() != 50 {
			t.Errorf("%+v, %v", st, err)
		}
	})
}

func TestTurnsAreListedAndReplayed(t *testing.T) {
	both(t, func(t *testing.T, svc api.Service, p local) {
		p.rig.Ask("e1", "c", "hello")
		p.rig.Until("e1", agent.TurnDone)
		for _, f := range []loop.TurnFilter{{}, {ID: "e1"}, {Statuses: []agent.TurnStatus{agent.TurnDone, agent.TurnFailed}, Limit: 3}} {
			all, err := svc.ListTurns(t.Context(), ann, f)
			if err != nil || len(all) != 1 || all[0].ID != "e1" || all[0].Status != agent.TurnDone {
				t.Errorf("%+v lists %+v, %v", f, all, err)
			}
		}
		for _, f := range []loop.TurnFilter{{ID: "e9"}, {Stuck: true}, {Statuses: []agent.TurnStatus{agent.TurnQueued}}} {
			if all, err := svc.ListTurns(t.Context(), ann, f); err != nil || all == nil || len(all) != 0 {
				t.Errorf("%+v lists %+v, %v", f, all, err)
			}
		}
		if err := svc.Replay(t.Context(), ann, "e1"); agent.KindOf(err) != agent.Conflict {
			t.Errorf("replayed what was not set aside: %v", err)
		}
		if err := svc.Replay(t.Context(), ann, "e9"); agent.KindOf(err) != agent.NotFound {
			t.Errorf("replayed what is not there: %v", err)
		}
	})
}

// crowded takes nothing for now.
type crowded struct{ local }

func (crowded) Accept(context.Context, agent.Actor, loop.Incoming) (loop.Acceptance, error) {
	return loop.Acceptance{}, model.Unavailable(1500*time.Millisecond, nil, "900 requests wait before this one")
}

func TestWhoIsTurnedAwayIsToldWhenToComeAgain(t *testing.T) {
	h, err := api.New(api.Config{Service: crowded{}, Authenticate: func(*http.Request) (agent.Actor, error) { return ann, nil }})
	if err != nil {
		t.Fatal(err)
	}
	r := httptest.NewRequest(http.MethodPost, "/api/v1/messages", strings.NewReader(`{"text":"hello"}`))
	r.Header.Set("Content-Type", "application/json")
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	if w.Code != http.StatusServiceUnavailable || w.Header().Get("Retry-After") != "2" || !strings.Contains(w.Body.String(), "900 requests wait before this one") {
		t.Errorf("%d, Retry-After %q: %s", w.Code, w.Header().Get("Retry-After"), w.Body)
	}
}
