package web

import (
	"net"
	"net/http"
	"slices"
	"strings"

	"github.com/sous-hq/sous/agent"
)

// The pages use their own style and script and nothing else; nobody may frame them.
const contentPolicy = "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; object-src 'none'"

// guard refuses what no page of ours sends: a request to a name that is not
// ours (DNS rebinding) or one that another site made. It sets the headers that
// every answer carries.
func (s *Server) guard(next http.Handler) http.Handler {
	origin := http.NewCrossOriginProtection()
	origin.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.fail(w, r, agent.Errorf(agent.Forbidden, "this request came from another site"))
	}))
	inner := origin.Handler(next)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", contentPolicy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("X-Frame-Options", "DENY")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		if !s.ourHost(r) {
			// Plain text: the page of an attacker's name is no page of ours.
			http.Error(w, "This server does not answer to that host name.", http.StatusMisdirectedRequest)
			return
		}
		inner.ServeHTTP(w, r)
	})
}

// ourHost reports whether the request names this server: a loopback name with
// the port it came in at, or one of the configured hosts.
func (s *Server) ourHost(r *http.Request) bool {
	asked := strings.ToLower(r.Host)
	name, port, err := net.SplitHostPort(asked)
	if err != nil {
		name, port = strings.Trim(asked, "[]"), ""
	}
	if slices.ContainsFunc(s.Hosts, func(h string) bool { h = strings.ToLower(h); return h == asked || h == name }) {
		return true
	}
	return loopback(name) && port == localPort(r)
}

// loopback reports whether the name can only mean this machine.
func loopback(name string) bool { return name == "127.0.0.1" || name == "localhost" || name == "::1" }

// localPort is the port the connection came in at, "" for HTTP's own.
func localPort(r *http.Request) string {
	addr, ok := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
	if !ok {
		return ""
	}
	_, port, err := net.SplitHostPort(addr.String())
	if err != nil || port == "80" {
		return ""
	}
	return port
}
