package web

import (
	"bytes"
	"html/template"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/extension"
	"github.com/yuin/goldmark/renderer"
	"github.com/yuin/goldmark/util"

	"github.com/sous-hq/sous/agent"
)

// markdown renders an answer. Raw HTML is dropped and images are never loaded,
// since fetching one can carry what was read to whoever wrote its address. When
// outsiders had a part in the answer its links are plain text too, but for those
// to our own tickets: they lead nowhere else.
func (s *Server) markdown(text string, from agent.Integrity) template.HTML {
	md := goldmark.New(
		goldmark.WithExtensions(extension.Table, extension.Strikethrough, extension.TaskList),
		goldmark.WithRendererOptions(renderer.WithNodeRenderers(
			util.Prioritized(links{live: from > agent.External, hosts: s.Hosts}, 1))), //nolint:misspell // its name
	)
	var out bytes.Buffer
	if err := md.Convert([]byte(text), &out); err != nil {
		out.Reset()
		out.WriteString("<p>" + template.HTMLEscapeString(text) + "</p>")
	}
	return template.HTML(out.String()) //nolint:gosec // goldmark escapes text, drops raw HTML, and links are ours
}

// links renders links and images in place of goldmark's own.
type links struct {
	live  bool
	hosts []string
}

// RegisterFuncs implements renderer.NodeRenderer.
func (l links) RegisterFuncs(reg renderer.NodeRendererFuncRegisterer) {
	reg.Register(ast.KindLink, l.link)
	reg.Register(ast.KindAutoLink, l.auto)
	reg.Register(ast.KindImage, l.image)
	reg.Register(ast.KindRawHTML, l.raw)
	reg.Register(ast.KindHTMLBlock, l.rawBlock)
}

func (l links) link(w util.BufWriter, _ []byte, n ast.Node, entering bool) (ast.WalkStatus, error) {
	link, _ := n.(*ast.Link)
	to := string(link.Destination)
	ticket, ours := l.ticket(to)
	switch {
	case ours && entering:
		_, _ = w.WriteString(`<a href="` + ticket + `">`)
	case l.live && followable(to) && entering:
		_, _ = w.WriteString(openLink(to))
	case ours, l.live && followable(to):
		_, _ = w.WriteString("</a>")
	case !entering:
		_, _ = w.WriteString(` <span class="address">(` + template.HTMLEscapeString(visible(to)) + `)</span>`)
	}
	return ast.WalkContinue, nil
}

func (l links) auto(w util.BufWriter, source []byte, n ast.Node, entering bool) (ast.WalkStatus, error) {
	if !entering {
		return ast.WalkContinue, nil
	}
	link, _ := n.(*ast.AutoLink)
	to, label := string(link.URL(source)), template.HTMLEscapeString(visible(string(link.Label(source))))
	if link.AutoLinkType == ast.AutoLinkEmail {
		to = "mailto:" + to
	}
	if ticket, ours := l.ticket(to); ours {
		label = `<a href="` + ticket + `">` + label + "</a>"
	} else if l.live && followable(to) {
		label = openLink(to) + label + "</a>"
	}
	_, _ = w.WriteString(label)
	return ast.WalkContinue, nil
}

// image shows the image's description alone.
func (l links) image(w util.BufWriter, _ []byte, _ ast.Node, entering bool) (ast.WalkStatus, error) {
	if entering {
		_, _ = w.WriteString("[image: ")
	} else {
		_, _ = w.WriteString("]")
	}
	return ast.WalkContinue, nil
}

// raw shows HTML in an answer as the text it is.
func (l links) raw(w util.BufWriter, source []byte, n ast.Node, entering bool) (ast.WalkStatus, error) {
	if raw, ok := n.(*ast.RawHTML); ok && entering {
		for i := range raw.Segments.Len() {
			seg := raw.Segments.At(i)
			_, _ = w.WriteString(template.HTMLEscapeString(string(seg.Value(source))))
		}
	}
	return ast.WalkSkipChildren, nil
}

func (l links) rawBlock(w util.BufWriter, source []byte, n ast.Node, entering bool) (ast.WalkStatus, error) {
	block, ok := n.(*ast.HTMLBlock)
	if !ok || !entering {
		return ast.WalkContinue, nil
	}
	var text strings.Builder
	for i := range block.Lines().Len() {
		seg := block.Lines().At(i)
		text.Write(seg.Value(source))
	}
	if block.HasClosure() {
		text.Write(block.ClosureLine.Value(source))
	}
	_, _ = w.WriteString("<p>" + template.HTMLEscapeString(strings.TrimSpace(text.String())) + "</p>\n")
	return ast.WalkContinue, nil
}

// ticketPage is the path of a ticket's page here.
var ticketPage = regexp.MustCompile(`^/tickets/[A-Z]+-\d+$`)

// ticket returns the path of our ticket's page that the address names. The path
// is ours, whatever port the address names: Sous may have had another one then.
func (l links) ticket(to string) (string, bool) {
	u, err := url.Parse(to)
	if err != nil || u.RawQuery != "" || u.ForceQuery || u.Fragment != "" || u.User != nil || u.RawPath != "" || !ticketPage.MatchString(u.Path) {
		return "", false
	}
	switch {
	case u.Scheme == "" && u.Host == "":
		return u.Path, true
	case u.Scheme != "http" && u.Scheme != "https":
		return "", false
	}
	return u.Path, loopback(u.Hostname()) || slices.Contains(l.hosts, u.Host) || slices.Contains(l.hosts, u.Hostname())
}

func openLink(to string) string {
	return `<a href="` + template.HTMLEscapeString(string(util.URLEscape([]byte(to), false))) + `" target="_blank" rel="noopener noreferrer nofollow">`
}

// followable reports whether a link may be followed: the web, mail, or a page
// of ours.
func followable(to string) bool {
	u, err := url.Parse(to)
	if err != nil {
		return false
	}
	switch strings.ToLower(u.Scheme) {
	case "http", "https", "mailto":
		return true
	case "":
		return u.Host == "" && strings.HasPrefix(to, "/") && local(to) == to
	}
	return false
}
