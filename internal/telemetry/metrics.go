// Package telemetry shows what Sous is doing: Prometheus metrics in a registry of their own, a logger
// that is handed around rather than global, and the middleware that logs and counts HTTP requests.
package telemetry

import (
	"log/slog"
	"net/http"
	"runtime"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Metrics counts and times what Sous does. Every method may be called by many goroutines at once.
// Labels come from small fixed sets (names of tools, models, states), never from what people wrote.
type Metrics struct {
	registry *prometheus.Registry

	turns         *prometheus.CounterVec
	turnSeconds   prometheus.Histogram
	modelRequests *prometheus.CounterVec
	modelSeconds  *prometheus.HistogramVec
	toolCalls     *prometheus.CounterVec
	approvals     *prometheus.CounterVec
	feedback      *prometheus.CounterVec
	shed          *prometheus.CounterVec
	httpRequests  *prometheus.CounterVec
	httpSeconds   *prometheus.HistogramVec
}

// New makes the metrics of one process, which runs the given version, with those of the Go runtime and
// of the process.
func New(version string) *Metrics {
	// From 1 ms, an answer of the built-in model, to 2 min, a slow model over a long meeting.
	seconds := []float64{.001, .005, .01, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 120}
	m := &Metrics{
		registry:      prometheus.NewRegistry(),
		turns:         counter("sous_turns_total", "Turns that ended, by how they ended.", "status"),
		turnSeconds:   prometheus.NewHistogram(histogram("sous_turn_seconds", "Seconds from the start of a turn to its end, waits for people included.", append(seconds, 600, 3600, 86400))),
		modelRequests: counter("sous_model_requests_total", "Requests to a language model, by model and outcome.", "model", "outcome"),
		modelSeconds:  prometheus.NewHistogramVec(histogram("sous_model_seconds", "Seconds a language model took to answer.", seconds), []string{"model"}),
		toolCalls:     counter("sous_tool_calls_total", "Calls of a tool, by tool and outcome.", "tool", "outcome"),
		approvals:     counter("sous_approvals_total", "Approvals, by the state they reached.", "state"),
		feedback:      counter("sous_feedback_total", "What people said of answers, by verdict; who changes their mind counts again.", "verdict"),
		shed:          counter("sous_shed_total", "Requests that were not taken for want of room, by what had none: line, store or queue.", "why"),
		httpRequests:  counter("sous_http_requests_total", "HTTP requests, by route and status code.", "route", "code"),
		httpSeconds:   prometheus.NewHistogramVec(histogram("sous_http_seconds", "Seconds until an HTTP request was answered.", seconds), []string{"route", "code"}),
	}
	build := prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "sous_build_info", Help: "Always 1; the labels say what is running.",
		ConstLabels: prometheus.Labels{"version": version, "goversion": runtime.Version()},
	}, func() float64 { return 1 })
	m.registry.MustRegister(
		m.turns, m.turnSeconds, m.modelRequests, m.modelSeconds, m.toolCalls, m.approvals, m.feedback, m.shed, m.httpRequests, m.httpSeconds, build,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	)
	return m
}

func counter(name, help string, labels ...string) *prometheus.CounterVec {
	return prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
}

func histogram(name, help string, buckets []float64) prometheus.HistogramOpts {
	return prometheus.HistogramOpts{Name: name, Help: help, Buckets: buckets}
}

// Turn counts a turn that ended with status and took d.
func (m *Metrics) Turn(status string, d time.Duration) {
	m.turns.WithLabelValues(status).Inc()
	m.turnSeconds.Observe(d.Seconds())
}

// ModelRequest counts one request to the model of that name, which took d.
func (m *Metrics) ModelRequest(model, outcome string, d time.Duration) {
	m.modelRequests.WithLabelValues(model, outcome).Inc()
	m.modelSeconds.WithLabelValues(model).Observe(d.Seconds())
}

// ToolCall counts one call of the tool of that name.
func (m *Metrics) ToolCall(tool, outcome string) {
	m.toolCalls.WithLabelValues(tool, outcome).Inc()
}

// Approval counts an approval that reached state.
func (m *Metrics) Approval(state string) {
	m.approvals.WithLabelValues(state).Inc()
}

// Feedback counts one word on an answer, good or bad.
func (m *Metrics) Feedback(verdict string) {
	m.feedback.WithLabelValues(verdict).Inc()
}

// Shed counts a request that was not taken for want of room.
func (m *Metrics) Shed(why string) {
	m.shed.WithLabelValues(why).Inc()
}

// Figures has read asked, at each scrape, for figures that stand under one name, by the values of its
// labels. Like PendingApprovals it leaves them out when that fails; each name is registered once.
func (m *Metrics) Figures(name, help string, labels []string, read func() (map[[2]string]float64, error)) error {
	return m.registry.Register(figures{prometheus.NewDesc(name, help, labels, nil), len(labels), read})
}

type figures struct {
	desc   *prometheus.Desc
	labels int
	read   func() (map[[2]string]float64, error)
}

func (f figures) Describe(ch chan<- *prometheus.Desc) { ch <- f.desc }

func (f figures) Collect(ch chan<- prometheus.Metric) {
	all, err := f.read()
	if err != nil {
		ch <- prometheus.NewInvalidMetric(f.desc, err)
		return
	}
	for labels, v := range all {
		ch <- prometheus.MustNewConstMetric(f.desc, prometheus.GaugeValue, v, labels[:f.labels]...)
	}
}

// PendingApprovals has pending asked, at each scrape, for how many approvals wait for a person; when it
// fails the scrape leaves the figure out. Call it once: a second call returns the registry's error.
func (m *Metrics) PendingApprovals(pending func() (int, error)) error {
	return m.registry.Register(gauge{
		desc: prometheus.NewDesc("sous_approvals_pending", "Approvals that wait for a person.", nil, nil),
		read: pending,
	})
}

// Paused has paused asked, at each scrape, for how many pauses are in force. Like PendingApprovals it
// leaves the figure out when that fails, and is called once.
func (m *Metrics) Paused(paused func() (int, error)) error {
	return m.registry.Register(gauge{
		desc: prometheus.NewDesc("sous_paused", "Pauses in force: what people have stopped.", nil, nil),
		read: paused,
	})
}

// StuckTurns has stuck asked, at each scrape, for how many turns were set aside and wait for somebody to
// look. Like PendingApprovals it leaves the figure out when that fails, and is called once.
func (m *Metrics) StuckTurns(stuck func() (int, error)) error {
	return m.registry.Register(gauge{
		desc: prometheus.NewDesc("sous_turns_stuck", "Turns that were set aside and wait for somebody to look.", nil, nil),
		read: stuck,
	})
}

// Promises has look asked, at each scrape, for how many broken promises were found by rule since the
// process began, and for the time of the last look. A rule of which nothing was found shows 0. Call it once.
func (m *Metrics) Promises(rules []string, look func() (broken map[string]int, last time.Time)) error {
	return m.registry.Register(promises{
		broken: prometheus.NewDesc("sous_broken_promises", "What must never be in the store and was found there, by rule.", []string{"rule"}, nil),
		last:   prometheus.NewDesc("sous_checked_timestamp_seconds", "When the store was last looked at, 0 for never.", nil, nil),
		rules:  rules, look: look,
	})
}

type promises struct {
	broken, last *prometheus.Desc
	rules        []string
	look         func() (map[string]int, time.Time)
}

func (p promises) Describe(ch chan<- *prometheus.Desc) { ch <- p.broken; ch <- p.last }

func (p promises) Collect(ch chan<- prometheus.Metric) {
	broken, last := p.look()
	for _, rule := range p.rules {
		ch <- prometheus.MustNewConstMetric(p.broken, prometheus.GaugeValue, float64(broken[rule]), rule)
	}
	at := 0.0
	if !last.IsZero() {
		at = float64(last.Unix())
	}
	ch <- prometheus.MustNewConstMetric(p.last, prometheus.GaugeValue, at)
}

// gauge is a figure that may be unknown: a made-up zero would hide that the store is down.
type gauge struct {
	desc *prometheus.Desc
	read func() (int, error)
}

func (g gauge) Describe(ch chan<- *prometheus.Desc) { ch <- g.desc }

func (g gauge) Collect(ch chan<- prometheus.Metric) {
	n, err := g.read()
	if err != nil {
		ch <- prometheus.NewInvalidMetric(g.desc, err)
		return
	}
	ch <- prometheus.MustNewConstMetric(g.desc, prometheus.GaugeValue, float64(n))
}

// Handler answers a scrape. A figure that cannot be read is logged to log and left out.
func (m *Metrics) Handler(log *slog.Logger) http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{
		ErrorHandling: promhttp.ContinueOnError,
		ErrorLog:      scrapeLog{log},
	})
}

// scrapeLog writes what promhttp complains of as a structured line.
type scrapeLog struct{ log *slog.Logger }

func (s scrapeLog) Println(v ...any) {
	for _, part := range v {
		if err, ok := part.(error); ok {
			s.log.Warn("metrics incomplete", slog.Any("err", err))
			return
		}
	}
	s.log.Warn("metrics incomplete")
}
