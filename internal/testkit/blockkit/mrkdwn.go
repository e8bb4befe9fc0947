package blockkit

import (
	"html"
	"html/template"
	"regexp"
	"strconv"
	"strings"
	"time"
)

var (
	angle   = regexp.MustCompile(`<([^<>]+)>`)                        //nolint:gochecknoglobals // a compiled pattern, never changed
	bold    = regexp.MustCompile(`(^|[\s(_~])\*([^*\n]+)\*`)          //nolint:gochecknoglobals // a compiled pattern, never changed
	slanted = regexp.MustCompile(`(^|[\s(*~])_([^_\n]+)_`)            //nolint:gochecknoglobals // a compiled pattern, never changed
	struck  = regexp.MustCompile(`(^|[\s(*_])~([^~\n]+)~`)            //nolint:gochecknoglobals // a compiled pattern, never changed
	code    = regexp.MustCompile("`([^`\n]+)`")                       //nolint:gochecknoglobals // a compiled pattern, never changed
	colons  = regexp.MustCompile(`:([a-z0-9_+-]+):`)                  //nolint:gochecknoglobals // a compiled pattern, never changed
	tokens  = regexp.MustCompile(`\{(date_short_pretty|time|date)\}`) //nolint:gochecknoglobals // a compiled pattern, never changed
)

// emoji draws the few names our cards use.
func emoji(s string) string {
	// Signs that every machine's fonts have, in place of Slack's pictures.
	known := map[string]string{
		"warning": "⚠", "white_check_mark": "✔", "x": "✖", "grey_question": "?", "hourglass_flowing_sand": "⌛", "arrow_up": "↑",
	}
	return colons.ReplaceAllStringFunc(s, func(m string) string {
		if e := known[strings.Trim(m, ":")]; e != "" {
			return e
		}
		return m
	})
}

// mrkdwn renders Slack's markup (docs.slack.dev/messaging/formatting-message-text).
// Blocks of code are taken out first: nothing in them is markup.
func (r renderer) mrkdwn(s string) string {
	var b strings.Builder
	for i, part := range strings.Split(s, "```") {
		if i%2 == 1 {
			b.WriteString(`<pre>` + again(strings.Trim(part, "\n")) + `</pre>`)
			continue
		}
		b.WriteString(r.flow(part))
	}
	return b.String()
}

// again escapes what Slack's own escaping stands for.
func again(s string) string { return template.HTMLEscapeString(html.UnescapeString(s)) }

func (r renderer) flow(s string) string {
	// What stands in angle brackets and in code is drawn at once and put back later,
	// so that no other rule reaches into it.
	var kept []string
	keep := func(drawn string) string {
		kept = append(kept, drawn)
		return "\x01" + strconv.Itoa(len(kept)-1) + "\x02"
	}
	s = code.ReplaceAllStringFunc(s, func(m string) string { return keep(`<code>` + again(strings.Trim(m, "`")) + `</code>`) })
	s = angle.ReplaceAllStringFunc(s, func(m string) string { return keep(r.angled(m[1 : len(m)-1])) })
	s = again(emoji(s))
	s = bold.ReplaceAllString(s, "$1<b>$2</b>")
	s = slanted.ReplaceAllString(s, "$1<i>$2</i>")
	s = struck.ReplaceAllString(s, "$1<s>$2</s>")
	var out []string
	for l := range strings.SplitSeq(s, "\n") {
		if rest, ok := strings.CutPrefix(l, "&gt; "); ok {
			l = `<span class="quote">` + rest + `</span>`
		}
		out = append(out, l)
	}
	s = strings.Join(out, "<br>")
	for i := len(kept) - 1; i >= 0; i-- {
		s = strings.ReplaceAll(s, "\x01"+strconv.Itoa(i)+"\x02", kept[i])
	}
	return s
}

// angled draws a mention, a channel, a date or a link.
func (r renderer) angled(s string) string {
	id, label, labelled := strings.Cut(s, "|")
	switch {
	case strings.HasPrefix(id, "@"):
		return `<span class="mention">@` + template.HTMLEscapeString(r.name(id[1:])) + `</span>`
	case strings.HasPrefix(id, "#"):
		return `<span class="mention">#` + template.HTMLEscapeString(r.name(id[1:])) + `</span>`
	case strings.HasPrefix(id, "!date^"):
		return date(id, label)
	case strings.HasPrefix(id, "!"):
		return `<span class="mention">@` + again(strings.TrimPrefix(id, "!")) + `</span>`
	case labelled:
		return `<a>` + again(label) + `</a>`
	}
	return `<a>` + again(id) + `</a>`
}

func date(id, fallback string) string {
	parts := strings.SplitN(id, "^", 4)
	unix, err := strconv.ParseInt(parts[1], 10, 64)
	if err != nil || len(parts) < 3 {
		return again(fallback)
	}
	at := time.Unix(unix, 0).UTC()
	return again(tokens.ReplaceAllStringFunc(parts[2], func(m string) string {
		if m == "{time}" {
			return at.Format("15:04")
		}
		return at.Format("Jan 2, 2006")
	}))
}
