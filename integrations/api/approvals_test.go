package api_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/agent/approval"
	"github.com/sous-hq/sous/agent/loop"
	"github.com/sous-hq/sous/integrations/api"
)

func TestTheSameClickIsOneDecision(t *testing.T) {
	both(t, func(t *testing.T, svc api.Service, _ local) {
		turn := ask(t, svc, "make a chair")
		asked := until(t, svc, turn, loop.EventApproval)
		queue, err := svc.ListApprovals(t.Context(), ann, loop.ApprovalQuery{Waiting: true})
		if err != nil || len(queue) != 1 || queue[0].ID != asked.Approval {
			t.Fatalf("queue %+v, %v", queue, err)
		}
		click := loop.Answer{Approval: asked.Approval, Yes: true, Event: "click-1"}
		for range 3 {
			if _, err := svc.Answer(t.Context(), ann, click); err != nil {
				t.Errorf("the click: %v", err)
			}
		}
		click.Event = "click-2"
		if _, err := svc.Answer(t.Context(), ann, click); agent.KindOf(err) != agent.Conflict {
			t.Errorf("another click: %v; want a conflict", err)
		}
		until(t, svc, turn, loop.EventEnd)
		if queue, err := svc.ListApprovals(t.Context(), ann, loop.ApprovalQuery{Waiting: true}); err != nil || len(queue) != 0 {
			t.Errorf("queue %+v, %v", queue, err)
		}
	})
}

func TestACallIsEditedByteForByteAndTalkedAbout(t *testing.T) {
	both(t, func(t *testing.T, svc api.Service, _ local) {
		turn := ask(t, svc, "make a chair")
		asked := until(t, svc, turn, loop.EventApproval)
		noted, err := svc.Note(t.Context(), ann, asked.Approval, "Which wood?", "n1")
		if err != nil || len(noted.Notes) != 1 || noted.Notes[0].Text != "Which wood?" {
			t.Errorf("noted %+v, %v", noted, err)
		}
		if _, err := svc.Delegate(t.Context(), ann, asked.Approval, "bob", ""); agent.KindOf(err) != agent.Forbidden {
			t.Errorf("handed to nobody: %v", err)
		}
		if _, err := svc.Edit(t.Context(), ann, asked.Approval, json.RawMessage(`{"nam":"x"}`), ""); agent.KindOf(err) != agent.Invalid {
			t.Errorf("an edit that does not fit: %v", err)
		}
		was, err := svc.Edit(t.Context(), ann, asked.Approval, json.RawMessage(`{"name":"oak <chair> & 9007199254740993"}`), "e1")
		if err != nil || was.State != approval.Superseded {
			t.Fatalf("edited %+v, %v", was, err)
		}
		until(t, svc, turn, loop.EventEnd)
		v, err := svc.View(t.Context(), ann, turn)
		if err != nil || len(v.Effects) != 1 || string(v.Effects[0].Call.Args) != `{"name":"oak <chair> & 9007199254740993"}` {
			t.Errorf("effects %+v, %v", v.Effects, err)
		}
	})
}

func TestAnEditThatIsNoObjectIsRefused(t *testing.T) {
	p := newLocal(t)
	turn := ask(t, p, "make a chair")
	asked := until(t, p, turn, loop.EventApproval)
	h := handler(t, p, 1<<20)
	for _, body := range []string{`{}`, `{"args":[1]}`, `{"args":"x"}`, `{"args":null}`, `{"args":{"name":"x"},"always":true}`, `{`} {
		r := httptest.NewRequest(http.MethodPost, "/api/v1/approvals/"+asked.Approval+"/edit", strings.NewReader(body))
		r.Header.Set("Content-Type", "application/json")
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code < 400 || w.Code >= 500 {
			t.Errorf("%s: %d %s", body, w.Code, w.Body)
		}
	}
}
