package slack

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"time"

	"github.com/gorilla/websocket"
	"github.com/slack-go/slack"
	"github.com/slack-go/slack/socketmode"
)

// sockets are the Socket Mode connections of an app.
type sockets struct {
	api     *slack.Client
	dial    Dial
	count   int
	backoff time.Duration
	log     *slog.Logger
	busy    *crew
	// within takes a delivery in, keep puts one away that cannot be read.
	within func(ctx context.Context, kind string, body []byte) (any, error)
	keep   func(ctx context.Context, kind string, body []byte, why error) error
}

// sockets holds the Socket Mode connections, when there is an app-level token.
func (b *Bot) sockets(ctx context.Context) {
	if b.AppToken == "" {
		return
	}
	s := &sockets{b.api, b.Dial, b.Sockets, b.Backoff, b.Log, &b.busy, b.within, b.keep}
	s.hold(ctx)
}

// hold opens the connections and keeps them until ctx is done.
func (s *sockets) hold(ctx context.Context) {
	for range s.count {
		s.busy.Go(func() { s.socket(ctx) })
	}
}

// socket holds one connection and opens another whenever it ends.
func (s *sockets) socket(ctx context.Context) {
	for pause := s.backoff; ctx.Err() == nil; pause = min(2*pause, maxPause) {
		begin := time.Now() //nolint:forbidigo // how long a connection lasted, of no other use
		options := []socketmode.Option{socketmode.OptionReadLimit(maxBody)}
		if s.dial != nil {
			// A message of ours has to fit one frame, as slack-go sees to by itself.
			options = append(options, socketmode.OptionDialer(&websocket.Dialer{NetDialContext: s.dial, WriteBufferSize: 32 << 10, HandshakeTimeout: 30 * time.Second}))
		}
		client := socketmode.New(s.api, options...)
		one, cancel := context.WithCancel(ctx)
		s.busy.Go(func() { s.listen(one, client) })
		err := client.RunContext(one)
		cancel()
		if ctx.Err() != nil {
			return
		}
		s.log.WarnContext(ctx, "slack: a socket ended", slog.Any("err", err))
		if time.Since(begin) > maxPause { //nolint:forbidigo // as above
			pause = s.backoff
		}
		if !sleep(ctx, pause) {
			return
		}
	}
}

// listen hands on what comes over a connection, many at a time.
func (s *sockets) listen(ctx context.Context, client *socketmode.Client) {
	for {
		select {
		case <-ctx.Done():
			return
		case ev := <-client.Events:
			req := ev.Request
			if bad, ok := ev.Data.(*socketmode.ErrorBadMessage); ok {
				// slack-go could not read it; ours reads less of it and may.
				req = &socketmode.Request{}
				if json.Unmarshal(bad.Message, req) != nil || req.EnvelopeID == "" {
					_ = s.keep(ctx, "socket", bad.Message, bad.Cause)
					continue
				}
			}
			if req == nil || req.EnvelopeID == "" {
				continue
			}
			s.busy.Go(func() { s.delivered(ctx, client, *req) })
		}
	}
}

// delivered takes one envelope in and acknowledges it; one that is not taken in is
// not, and comes again.
func (s *sockets) delivered(ctx context.Context, client *socketmode.Client, req socketmode.Request) {
	kind := map[string]string{
		socketmode.RequestTypeEventsAPI: kindEvents, socketmode.RequestTypeInteractive: kindInteractions, socketmode.RequestTypeSlashCommands: kindCommands,
	}[req.Type]
	answer, err := s.within(ctx, kind, req.Payload)
	if errors.Is(err, errUnreadable) {
		err = s.keep(ctx, or(kind, "socket"), req.Payload, err)
	}
	if err != nil {
		s.log.WarnContext(ctx, "slack: an envelope was not taken in", slog.String("kind", kind), slog.Any("err", err))
		return
	}
	if answer == nil || !req.AcceptsResponsePayload {
		err = client.AckCtx(ctx, req.EnvelopeID, nil)
	} else {
		err = client.AckCtx(ctx, req.EnvelopeID, answer)
	}
	if err != nil {
		s.log.WarnContext(ctx, "slack: an envelope was not acknowledged", slog.Any("err", err))
	}
}
