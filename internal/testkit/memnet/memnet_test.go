package memnet_test

import (
	"io"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sous-hq/sous/internal/testkit/memnet"
)

func TestHTTPWorksWhereTimeIsTheTests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var n memnet.Net
		l, err := n.Listen("a.example:80")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := n.Listen("a.example:80"); err == nil {
			t.Error("two listen on one address")
		}
		s := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			time.Sleep(time.Hour)
			_, _ = io.WriteString(w, "hello")
		})}
		go func() { _ = s.Serve(l) }()
		tr := &http.Transport{DialContext: n.DialContext}
		begin := time.Now()
		resp, err := (&http.Client{Transport: tr}).Get("http://a.example/")
		if err != nil {
			t.Fatal(err)
		}
		b, _ := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		if string(b) != "hello" || time.Since(begin) != time.Hour {
			t.Errorf("%q after %s", b, time.Since(begin))
		}
		tr.CloseIdleConnections()
		_ = s.Close()
		if _, err := (&http.Client{Transport: tr}).Get("http://a.example/"); err == nil {
			t.Error("nobody listens, and it was answered")
		}
	})
}
