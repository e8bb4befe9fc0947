package main

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	toxiproxy "github.com/Shopify/toxiproxy/v2"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"github.com/sous-hq/sous/internal/testkit/ordeal"
	"github.com/sous-hq/sous/internal/testkit/slackfake"
)

// answersLost loses answers of the bank in each way a network can, while the process
// is killed now and then: it never knows whether it has paid.
func answersLost(ctx context.Context, t *trial) error {
	var proxy *toxiproxy.Proxy
	err := t.scene(ctx, func(o *ordeal.Options) {
		o.BankVia = func(bank string) (string, error) {
			u, err := url.Parse(bank)
			if err != nil {
				return "", err
			}
			api := toxiproxy.NewServer(toxiproxy.NewMetricsContainer(prometheus.NewRegistry()), zerolog.Nop())
			proxy = toxiproxy.NewProxy(api, "bank", "127.0.0.1:0", u.Host)
			if err := proxy.Start(); err != nil {
				return "", err
			}
			return "http://" + proxy.Listen, nil
		}
	})
	if proxy != nil {
		defer proxy.Stop()
	}
	if err != nil {
		return err
	}
	if err := t.d.Begin(ctx, 0); err != nil {
		return err
	}
	f := steady()
	f.Kinds = []int{1, 0, 4, 4, 4}
	s := t.d.Ask(f)
	ways := []string{
		`{"type":"limit_data","stream":"downstream","attributes":{"bytes":0}}`,
		`{"type":"limit_data","stream":"downstream","attributes":{"bytes":40}}`,
		`{"type":"reset_peer","stream":"downstream","attributes":{"timeout":1}}`,
		`{"type":"timeout","stream":"downstream","attributes":{"timeout":1}}`,
	}
	for n := range 40 {
		if _, err := proxy.Toxics.AddToxicJson(strings.NewReader(ways[n%len(ways)])); err != nil {
			return err
		}
		err := rest(ctx, 300*time.Millisecond)
		proxy.Toxics.ResetToxics(ctx)
		if err != nil {
			return err
		}
		if err := rest(ctx, 200*time.Millisecond); err != nil {
			return err
		}
		if n%10 == 9 {
			if err := t.d.Kill(0); err != nil {
				return err
			}
			t.Kills++
			if err := t.d.Begin(ctx, 0); err != nil {
				return err
			}
		}
	}
	return t.finish(ctx, s)
}

// slackErrors has Slack fail before or after it has done what it was asked to.
func slackErrors(ctx context.Context, t *trial) error {
	if err := t.scene(ctx, nil); err != nil {
		return err
	}
	if err := t.d.Begin(ctx, 0); err != nil {
		return err
	}
	s := t.d.Ask(steady())
	methods := []string{"chat.postMessage", "chat.update", "chat.postMessage", "chat.startStream", "chat.stopStream", "chat.appendStream", "conversations.replies", ""}
	failures := []slackfake.Failure{
		{Status: http.StatusBadGateway}, {Lost: true}, {Status: http.StatusServiceUnavailable}, {Lost: true}, {Error: "internal_error"},
		{Status: http.StatusTooManyRequests, RetryAfter: 1}, {Error: "fatal_error"},
	}
	n := 0
	for began := time.Now(); time.Since(began) < 20*time.Second; n++ {
		t.d.Slack.Fail(methods[n%len(methods)], failures[n%len(failures)])
		if n%100 == 50 {
			// Away altogether, for a moment.
			t.d.Slack.Down(true)
			if err := rest(ctx, 2*time.Second); err != nil {
				return err
			}
			t.d.Slack.Down(false)
		}
		if err := rest(ctx, 50*time.Millisecond); err != nil {
			return err
		}
	}
	t.note = fmt.Sprintf("%d failures", n)
	return t.finish(ctx, s)
}

// clockMoved moves the wall clock of the process while it works, and while it is not
// there.
func clockMoved(ctx context.Context, t *trial) error {
	file := filepath.Join(t.dir, "clock")
	set := func(off string) error {
		if err := os.WriteFile(file+".new", []byte(off), 0o600); err != nil {
			return err
		}
		return os.Rename(file+".new", file)
	}
	if err := set("0s"); err != nil {
		return err
	}
	err := t.several(ctx, func(o *ordeal.Options) {
		o.Settings = append(o.Settings, "SOUS_FAULT_CLOCK="+file)
		// What Slack signs is refused by a clock that is wrong.
		o.SocketOnly, o.MayExpire = true, true
	})
	if err != nil {
		return err
	}
	t.d.Transport(true)
	s := t.d.Ask(steady())
	for _, off := range []string{"24h", "-1h", "24h", "0s"} {
		if err := rest(ctx, 4*time.Second); err != nil {
			return err
		}
		if err := set(off); err != nil {
			return err
		}
		if err := rest(ctx, 4*time.Second); err != nil {
			return err
		}
		for i := range t.d.N {
			if err := t.d.Kill(i); err != nil {
				return err
			}
			t.Kills++
			if err := t.d.Begin(ctx, i); err != nil {
				return err
			}
		}
	}
	t.note = "moved 4 times while it worked, with a kill after each"
	return t.finish(ctx, s)
}
