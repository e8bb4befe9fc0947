package config

import (
	"errors"
	"fmt"
	"math"
	"net"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// parseDuration reads what time.ParseDuration reads, and whole days such as 7d.
func parseDuration(text string) (time.Duration, error) {
	if days, ok := strings.CutSuffix(text, "d"); ok {
		n, err := strconv.ParseUint(days, 10, 16)
		if err != nil {
			return 0, errors.New("not a number of days")
		}
		return time.Duration(n) * 24 * time.Hour, nil
	}
	d, err := time.ParseDuration(text)
	if err != nil {
		return 0, errors.New("not a duration")
	}
	return d, nil
}

// parseSize reads a number of bytes: plain, in powers of 1024 (KiB, MiB, GiB) or of 1000 (kB, MB, GB).
func parseSize(text string) (int64, error) {
	end := strings.IndexFunc(text, func(r rune) bool { return r < '0' || r > '9' })
	if end < 0 {
		end = len(text)
	}
	factor, ok := sizeUnit(strings.ToLower(strings.TrimSpace(text[end:])))
	n, err := strconv.ParseInt(text[:end], 10, 64)
	if err != nil || !ok || n > math.MaxInt64/factor {
		return 0, errors.New("not a size")
	}
	return n * factor, nil
}

func sizeUnit(unit string) (factor int64, ok bool) {
	switch unit {
	case "", "b":
		return 1, true
	case "kib":
		return 1 << 10, true
	case "mib":
		return 1 << 20, true
	case "gib":
		return 1 << 30, true
	case "kb":
		return 1e3, true
	case "mb":
		return 1e6, true
	case "gb":
		return 1e9, true
	default:
		return 1, false
	}
}

// showSize is the shortest exact form that parseSize reads back.
func showSize(n int64) string {
	for _, u := range []struct {
		factor int64
		name   string
	}{{1 << 30, "GiB"}, {1 << 20, "MiB"}, {1 << 10, "KiB"}} {
		if n >= u.factor && n%u.factor == 0 {
			return strconv.FormatInt(n/u.factor, 10) + u.name
		}
	}
	return strconv.FormatInt(n, 10)
}

// showDuration drops the zero parts that Duration.String keeps: 24h, not 24h0m0s.
func showDuration(d time.Duration) string {
	text := d.String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}

// checkListen takes host:port; the host may be empty (all addresses), the port 0 (any free one).
func checkListen(text string) error {
	host, port, err := net.SplitHostPort(text)
	if err != nil || strings.ContainsFunc(host, notInHost) {
		return errors.New("not host:port")
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n > math.MaxUint16 {
		return errors.New("the port is not a number from 0 to 65535")
	}
	return nil
}

// checkLoopback takes an address nobody else can reach.
func checkLoopback(text string) error {
	if err := checkListen(text); err != nil {
		return err
	}
	host, _, _ := net.SplitHostPort(text)
	if ip := net.ParseIP(host); host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return errors.New("others could reach it")
	}
	return nil
}

func notInHost(r rune) bool {
	return r > unicode.MaxASCII || (!unicode.IsLetter(r) && !unicode.IsDigit(r) && !strings.ContainsRune(".-:%_", r))
}

// checkURL takes an absolute URL without user information or query: those are where people put
// credentials, and this value is shown.
func checkURL(text string, schemes ...string) error {
	u, err := url.Parse(text)
	if err != nil || u.Host == "" {
		return errors.New("not a URL")
	}
	for _, s := range schemes {
		if u.Scheme == s {
			if u.User != nil || u.RawQuery != "" || u.Fragment != "" {
				return errors.New("holds a user, a query or a fragment")
			}
			return nil
		}
	}
	return fmt.Errorf("the scheme is not %s", strings.Join(schemes, " or "))
}

// checkName takes a name as people write it.
func checkName(text string) error {
	if strings.TrimSpace(text) == "" || !utf8.ValidString(text) || utf8.RuneCountInString(text) > maxName ||
		strings.ContainsFunc(text, unicode.IsControl) {
		return errors.New("not a name")
	}
	return nil
}

// maxName is the length, in characters, of the longest name taken.
const maxName = 80
