package slack

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"time"

	"github.com/gorilla/websocket"
	"github.com/slack-go/slack/socketmode"
)

// sockets holds the Socket Mode connections, when there is an app-level token.
func (b *Bot) sockets(ctx context.Context) {
	if b.AppToken == "" {
		return
	}
	for range b.Sockets {
		b.busy.Go(func() { b.socket(ctx) })
	}
}

// socket holds one connection and opens another whenever it ends.
func (b *Bot) socket(ctx context.Context) {
	for pause := b.Backoff; ctx.Err() == nil; pause = min(2*pause, maxPause) {
		begin := time.Now() //nolint:forbidigo // how long a connection lasted, of no other use
		options := []socketmode.Option{socketmode.OptionReadLimit(maxBody)}
		if b.Dial != nil {
			// A message of ours has to fit one frame, as slack-go sees to by itself.
			options = append(options, socketmode.OptionDialer(&websocket.Dialer{NetDialContext: b.Dial, WriteBufferSize: 32 << 10, HandshakeTimeout: 30 * time.Second}))
		}
		client := socketmode.New(b.api, options...)
		one, cancel := context.WithCancel(ctx)
		b.busy.Go(func() { b.listen(one, client) })
		err := client.RunContext(one)
		cancel()
		if ctx.Err() != nil {
			return
		}
		b.Log.WarnContext(ctx, "slack: a socket ended", slog.Any("err", err))
		if time.Since(begin) > maxPause { //nolint:forbidigo // as above
			pause = b.Backoff
		}
		if !sleep(ctx, pause) {
			return
		}
	}
}

// listen hands on what comes over a connection, many at a time.
func (b *Bot) listen(ctx context.Context, client *socketmode.Client) {
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
					_ = b.keep(ctx, "socket", bad.Message, bad.Cause)
					continue
				}
			}
			if req == nil || req.EnvelopeID == "" {
				continue
			}
			b.busy.Go(func() { b.delivered(ctx, client, *req) })
		}
	}
}

// delivered takes one envelope in and acknowledges it; one that is not taken in is
// not, and comes again.
func (b *Bot) delivered(ctx context.Context, client *socketmode.Client, req socketmode.Request) {
	kind := map[string]string{
		socketmode.RequestTypeEventsAPI: kindEvents, socketmode.RequestTypeInteractive: kindInteractions, socketmode.RequestTypeSlashCommands: kindCommands,
	}[req.Type]
	answer, err := b.within(ctx, kind, req.Payload)
	if errors.Is(err, errUnreadable) {
		err = b.keep(ctx, or(kind, "socket"), req.Payload, err)
	}
	if err != nil {
		b.Log.WarnContext(ctx, "slack: an envelope was not taken in", slog.String("kind", kind), slog.Any("err", err))
		return
	}
	if answer == nil || !req.AcceptsResponsePayload {
		err = client.AckCtx(ctx, req.EnvelopeID, nil)
	} else {
		err = client.AckCtx(ctx, req.EnvelopeID, answer)
	}
	if err != nil {
		b.Log.WarnContext(ctx, "slack: an envelope was not acknowledged", slog.Any("err", err))
	}
}
