package config

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	_ "time/tzdata" // a zone's name means the same on a machine without the zone files
)

// maxFile bounds sous.yaml and the files that hold secrets, in bytes.
const maxFile = 1 << 20

// Options is what Load is told by the command.
type Options struct {
	// File is the settings file asked for by flag; it must exist. Empty looks in the usual places.
	File string
	// Data is the data directory asked for by flag; it wins over every other source.
	Data string
	// Environ is the environment, as os.Environ gives it.
	Environ []string
	// User is the operating system's name for who runs Sous: the default owner.
	User string
}

// loadedValue is what Load gave a setting and from where.
type loadedValue struct{ shown, origin string }

// loader collects values and problems while the sources are read one after the other.
type loader struct {
	opts     Options
	env      map[string]string
	all      []setting
	config   Config
	problems []Problem
}

// Load reads the defaults, then the settings file, then the environment, then Options.Data. The file is
// Options.File, else $SOUS_CONFIG, else ./sous.yaml, else sous.yaml in the data directory if there is
// one. An environment variable that is empty counts as unset. Every failure is an *InvalidError with
// all problems; the Config is then not to be used.
func Load(opts Options) (Config, error) {
	l := &loader{opts: opts, env: environment(opts.Environ), all: settings()}
	l.config.loaded = make(map[string]loadedValue, len(l.all))
	l.defaults()
	l.file()
	l.environment()
	if opts.Data != "" {
		l.give("data", opts.Data, "--data", "--data")
	}
	if l.config.DataDir == "" {
		l.complain("environment", "data", "there is no home directory to keep data in: set SOUS_DATA or --data")
	}
	if len(l.problems) > 0 {
		return Config{}, &InvalidError{Problems: l.problems}
	}
	return l.config, nil
}

// Set gives one setting a value by its key, checked as Load checks it; flag is where it came from, such
// as --listen. It returns an *InvalidError.
func (c *Config) Set(flag, key, text string) error {
	l := &loader{all: settings(), config: *c}
	l.config.loaded = make(map[string]loadedValue, len(l.all)) // the old map belongs to other copies of c too
	maps.Copy(l.config.loaded, c.loaded)
	l.give(key, text, flag, flag)
	if len(l.problems) > 0 {
		return &InvalidError{Problems: l.problems}
	}
	*c = l.config
	return nil
}

func environment(environ []string) map[string]string {
	env := make(map[string]string, len(environ))
	for _, line := range environ {
		if name, value, ok := strings.Cut(line, "="); ok && name != "" {
			env[name] = value
		}
	}
	return env
}

func (l *loader) defaults() {
	for _, s := range l.all {
		if s.def != "" {
			l.give(s.key, s.def, "default", "default")
		}
	}
	if dir := l.defaultData(); dir != "" {
		l.give("data", dir, "default", "default")
	}
	owner := strings.TrimSpace(l.opts.User)
	if checkName(owner) != nil {
		owner = "owner"
	}
	l.give("owner", owner, "default", "default")
}

// defaultData follows the XDG base directory specification: a relative $XDG_DATA_HOME is ignored.
func (l *loader) defaultData() string {
	if base := l.env["XDG_DATA_HOME"]; filepath.IsAbs(base) {
		return filepath.Join(base, "sous")
	}
	if home := l.env["HOME"]; home != "" {
		return filepath.Join(home, ".local", "share", "sous")
	}
	return ""
}

func (l *loader) environment() {
	for _, s := range l.all {
		if text := l.env[s.env]; text != "" {
			l.give(s.key, text, s.env, "env "+s.env)
		}
	}
	l.unknownVariables()
}

// unknownVariables complains of SOUS_ variables that mean nothing: mostly a typing error in one that
// does. Variables that Kubernetes sets in a pod for a Service named sous-… are left alone.
func (l *loader) unknownVariables() {
	known := []string{"SOUS_CONFIG"}
	for _, s := range l.all {
		known = append(known, s.env)
	}
	isKnown := make(map[string]bool, len(known))
	for _, name := range known {
		isKnown[name] = true
	}
	serviceLink := regexp.MustCompile(`_SERVICE_HOST$|_SERVICE_PORT(_[A-Z0-9_]+)?$|_PORT(_[0-9]+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)?$`)
	for _, line := range l.opts.Environ {
		name, _, _ := strings.Cut(line, "=")
		if strings.HasPrefix(name, "SOUS_") && !isKnown[name] && !serviceLink.MatchString(name) {
			l.complain(name, "", "no such setting"+suggestion(name, known)+"; `sous doctor` lists all")
		}
	}
}

// give reads text into the setting of that key and notes where it came from; what does not fit becomes
// a problem at where.
func (l *loader) give(key, text, where, origin string) {
	s, ok := l.setting(key)
	if !ok {
		l.complain(where, key, "no such setting")
		return
	}
	if err := s.set(&l.config, text); err != nil {
		shown := ""
		if !s.secret && !s.private {
			shown = fmt.Sprintf(": %q", shorten(text))
		}
		l.complain(where, key, fmt.Sprintf("%s%s; want %s", err, shown, s.allowed))
		return
	}
	l.config.loaded[key] = loadedValue{shown: s.show(&l.config), origin: origin}
}

func (l *loader) setting(key string) (setting, bool) {
	for _, s := range l.all {
		if s.key == key {
			return s, true
		}
	}
	return setting{}, false
}

func (l *loader) complain(where, key, text string) {
	l.problems = append(l.problems, Problem{Where: where, Key: key, Text: text})
}

func shorten(text string) string {
	const most = 60
	if runes := []rune(text); len(runes) > most {
		return string(runes[:most]) + "…"
	}
	return text
}

// readBounded returns a file of at most maxFile bytes and its permissions.
func readBounded(path string) ([]byte, fs.FileMode, error) {
	info, err := os.Stat(path) // before opening: opening a named pipe would wait for its other end
	if err != nil {
		return nil, 0, plainPathError(err)
	}
	if !info.Mode().IsRegular() {
		return nil, 0, errors.New("not a regular file")
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, 0, plainPathError(err)
	}
	defer f.Close() // nothing was written
	data, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return nil, 0, plainPathError(err)
	}
	if len(data) > maxFile {
		return nil, 0, errors.New("larger than 1 MiB")
	}
	return data, info.Mode().Perm(), nil
}

// plainPathError keeps the cause alone: the place is said beside it.
func plainPathError(err error) error {
	if pe, ok := errors.AsType[*fs.PathError](err); ok {
		return pe.Err
	}
	return err
}
