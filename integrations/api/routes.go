package api

import (
	"context"
	"encoding/json"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/agent/audit"
	"github.com/sous-hq/sous/agent/loop"
)

// A body has this long to arrive.
const bodyWithin = 15 * time.Minute

// maxMessage is the largest JSON body: a message whose every byte is escaped.
const maxMessage = 6*loop.MaxMessage + 64<<10

func jsonOf(v any) ([]byte, error) { return json.Marshal(v) }

// acceptance is loop.Acceptance as JSON.
type acceptance struct {
	Turn      agent.Turn `json:"turn"`
	Duplicate bool       `json:"duplicate" doc:"The event had been accepted before; nothing changed."`
	Start     bool       `json:"start" doc:"The turn is running; otherwise it waits for the one before it."`
	Answered  string     `json:"answered,omitempty" doc:"The waiting turn whose question the message answers."`
	First     bool       `json:"-"`
	Other     bool       `json:"-"`
}

type messageIn struct {
	Key  string `header:"Idempotency-Key" maxLength:"200" doc:"The id of the event: the same again is accepted once, and another message under it is a conflict. Without it one is made."`
	Body struct {
		Text         string   `json:"text" required:"false" doc:"What is asked."`
		Conversation string   `json:"conversation,omitempty" doc:"An existing one you take part in; empty starts a new one with you alone."`
		Files        []string `json:"files,omitempty" doc:"Ids of uploaded files."`
	}
}

type fileIn struct {
	Name  string `query:"name" required:"true" minLength:"1" maxLength:"255"`
	Media string `header:"Content-Type"`
	// RawBody is named so for the framework.
	RawBody []byte `contentType:"application/octet-stream"`
}

type idIn struct {
	ID string `path:"id" maxLength:"300"`
}

type eventsIn struct {
	ID          string `path:"id" maxLength:"300"`
	After       int    `query:"after" minimum:"0" doc:"Give the events after this number."`
	LastEventID string `header:"Last-Event-ID" doc:"The id of the last event that was seen."`
}

type ticketsIn struct {
	Query  string               `query:"q"`
	Status []agent.TicketStatus `query:"status"`
	Limit  int                  `query:"limit" minimum:"0" maximum:"1000"`
}

type memoryIn struct {
	Query string `query:"q"`
	Limit int    `query:"limit" minimum:"0" maximum:"1000"`
}

type auditIn struct {
	Kind     []string  `query:"kind"`
	Turn     string    `query:"turn"`
	Tool     string    `query:"tool"`
	Actor    string    `query:"actor"`
	Approval string    `query:"approval"`
	Since    time.Time `query:"since"`
	Until    time.Time `query:"until"`
	After    int64     `query:"after" minimum:"0" doc:"Rows with a greater seq."`
	Limit    int       `query:"limit" minimum:"0"`
	Newest   bool      `query:"newest" doc:"With a limit: the last rows, still oldest first."`
}

func operation(method, path, id, summary string) huma.Operation {
	return huma.Operation{
		Method: method, Path: base + path, OperationID: id, Summary: summary,
		MaxBodyBytes: maxMessage, BodyReadTimeout: bodyWithin,
	}
}

// routes lists all operations.
func (s *server) routes(h huma.API) {
	const get, post = http.MethodGet, http.MethodPost
	svc := s.Service
	send := operation(post, "/messages", "send-message", "Ask for something")
	send.DefaultStatus = http.StatusAccepted
	huma.Register(h, send, call(s, s.accept))
	upload := operation(post, "/files", "upload-file", "Store a file")
	upload.MaxBodyBytes = s.MaxUpload
	huma.Register(h, upload, call(s, s.upload))

	huma.Register(h, operation(get, "/turns/{id}", "get-turn", "A turn with its steps, approvals and effects"),
		call(s, func(ctx context.Context, by agent.Actor, in *idIn) (loop.View, error) {
			return svc.View(ctx, by, in.ID)
		}))
	stream := operation(get, "/turns/{id}/events", "watch-turn", "A turn's events as they come (text/event-stream)")
	huma.Register(h, stream, s.events)
	stop := operation(post, "/turns/{id}/stop", "stop-turn", "Ask a turn to stop")
	stop.DefaultStatus = http.StatusAccepted
	huma.Register(h, stop, call(s, func(ctx context.Context, by agent.Actor, in *idIn) (struct{}, error) {
		return struct{}{}, svc.Stop(ctx, by, in.ID)
	}))
	undo := operation(post, "/effects/{id}/undo", "undo-effect", "Order the call that takes an effect back")
	undo.DefaultStatus = http.StatusAccepted
	huma.Register(h, undo, call(s, func(ctx context.Context, by agent.Actor, in *idIn) (acceptance, error) {
		acc, err := svc.Undo(ctx, by, in.ID)
		return acceptance(acc), err
	}))
	s.letters(h)
	s.status(h)
	s.approvals(h)
	s.records(h)
	s.control(h)
	s.privacy(h)
	s.feedback(h)
	s.library(h)
	s.facts(h)
	s.vectors(h)
}

func (s *server) records(h huma.API) {
	const get = http.MethodGet
	svc := s.Service
	huma.Register(h, operation(get, "/tickets", "list-tickets", "Tickets, by words or the newest"),
		call(s, func(ctx context.Context, by agent.Actor, in *ticketsIn) ([]agent.Ticket, error) {
			return list(svc.Tickets(ctx, by, agent.TicketQuery{Text: in.Query, Statuses: in.Status, Limit: in.Limit}))
		}))
	huma.Register(h, operation(get, "/tickets/{id}", "get-ticket", "A ticket with its comments and history"),
		call(s, func(ctx context.Context, by agent.Actor, in *idIn) (Ticket, error) { return svc.Ticket(ctx, by, in.ID) }))
	huma.Register(h, operation(get, "/memory", "recall", "What is remembered, by words or the newest"),
		call(s, func(ctx context.Context, by agent.Actor, in *memoryIn) ([]Memory, error) {
			return list(svc.Memories(ctx, by, in.Query, in.Limit))
		}))
	huma.Register(h, operation(get, "/audit", "list-audit", "Rows of the record"),
		call(s, func(ctx context.Context, by agent.Actor, in *auditIn) ([]audit.Entry, error) {
			f := audit.Filter{
				Turn: in.Turn, Tool: in.Tool, Actor: agent.ActorID(in.Actor), Approval: in.Approval,
				Since: in.Since, Until: in.Until, After: in.After, Limit: in.Limit, Newest: in.Newest,
			}
			for _, k := range in.Kind {
				f.Kinds = append(f.Kinds, audit.Kind(k))
			}
			return list(svc.Audit(ctx, by, f))
		}))
	huma.Register(h, operation(get, "/info", "info", "What this Sous is made of"),
		call(s, func(ctx context.Context, _ agent.Actor, _ *struct{}) (Info, error) { return svc.Info(ctx) }))
}

func (s *server) accept(ctx context.Context, by agent.Actor, in *messageIn) (acceptance, error) {
	b := in.Body
	incoming := loop.Incoming{Event: in.Key, Conversation: b.Conversation, Text: b.Text, Files: b.Files}
	acc, err := s.Service.Accept(ctx, by, incoming)
	if err == nil && acc.Other {
		// Who goes on as if it were taken would lose it.
		err = agent.Errorf(agent.Conflict, "another message was sent under this Idempotency-Key; send this one under a key of its own")
	}
	return acceptance(acc), err
}

func (s *server) upload(ctx context.Context, by agent.Actor, in *fileIn) (agent.FileRef, error) {
	return s.Service.Upload(ctx, by, agent.Place{}, in.Name, in.Media, in.RawBody)
}

// list makes nothing an empty list, so that JSON shows [] and not null.
func list[T any](all []T, err error) ([]T, error) {
	if all == nil {
		all = []T{}
	}
	return all, err
}
