// Command slackshapes holds the fake Slack, our parsers and our manifest against
// Slack's official samples and manifest schema: every field the fake answers with
// stands in the sample with the same JSON type, every sample delivery is parsed or
// refused by name, and the manifest is valid. It prints what differs and, last, one
// line of JSON.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/sous-hq/sous/integrations/slack"
	"github.com/sous-hq/sous/integrations/slack/setup"
)

func main() {
	if err := run(context.Background(), os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "slackshapes:", err)
		os.Exit(1)
	}
}

// figures are the last line.
type figures struct {
	Methods       int  `json:"methods_with_sample"`
	WithoutSample int  `json:"methods_without_sample"`
	Fields        int  `json:"fields"`
	Wrong         int  `json:"wrong_fields"`
	Samples       int  `json:"samples"`
	Parsed        int  `json:"parsed"`
	Refused       int  `json:"refused_by_name"`
	Panics        int  `json:"panics"`
	Manifests     int  `json:"manifests"`
	ManifestValid bool `json:"manifest_valid"`
}

func run(ctx context.Context, argv []string, out io.Writer) error {
	flags := flag.NewFlagSet("slackshapes", flag.ContinueOnError)
	data := flags.String("data", "../shared/data/slack", "folder with api, events and app-backend")
	schema := flags.String("schema", "", "the manifest's schema; empty is contracts/slack-manifest-2.json beside the data")
	manifest := flags.String("manifest", "deploy/slack/manifest.json", "our manifest")
	if err := flags.Parse(argv); err != nil {
		return err
	}
	if *schema == "" {
		*schema = filepath.Join(filepath.Dir(filepath.Clean(*data)), "contracts", "slack-manifest-2.json")
	}
	var f figures
	if err := answers(ctx, filepath.Join(*data, "api"), out, &f); err != nil {
		return err
	}
	if err := samples(*data, out, &f); err != nil {
		return err
	}
	if err := manifests(*schema, *manifest, out, &f); err != nil {
		return err
	}
	if err := json.NewEncoder(out).Encode(f); err != nil {
		return fmt.Errorf("print the figures: %w", err)
	}
	if f.Wrong > 0 || f.Panics > 0 || !f.ManifestValid || f.Methods == 0 || f.Samples == 0 {
		return errors.New("something differs")
	}
	return nil
}

// samples feeds every official delivery to our parsers.
func samples(data string, out io.Writer, f *figures) error {
	for folder, parse := range map[string]func([]byte) (string, error){
		"events": slack.ParseEvent, "app-backend/interactive-components": slack.ParseInteraction, "app-backend/views": slack.ParseInteraction,
		"app-backend/dialogs": slack.ParseInteraction, "app-backend/slash-commands": slack.ParseCommand,
	} {
		paths, err := filepath.Glob(filepath.Join(data, folder, "*.json"))
		if err != nil {
			return fmt.Errorf("list samples: %w", err)
		}
		slices.Sort(paths)
		for _, path := range paths {
			raw, err := os.ReadFile(path)
			if err != nil {
				return fmt.Errorf("read a sample: %w", err)
			}
			f.Samples++
			_, err = guarded(parse, raw)
			switch {
			case errors.Is(err, errPanic):
				f.Panics++
				fmt.Fprintf(out, "%s: %v\n", filepath.Base(path), err)
			case err != nil:
				f.Refused++
				fmt.Fprintf(out, "refused %-40s %v\n", filepath.Base(path), err)
			default:
				f.Parsed++
			}
		}
	}
	return nil
}

var errPanic = errors.New("panic")

func guarded(parse func([]byte) (string, error), raw []byte) (name string, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%w: %v", errPanic, p)
		}
	}()
	return parse(raw)
}

// manifests checks the published manifest and every form of it that the command
// prints against Slack's schema.
func manifests(schema, published string, out io.Writer, f *figures) error {
	check, err := compile(schema)
	if err != nil {
		return err
	}
	raw, err := os.ReadFile(published)
	if err != nil {
		return fmt.Errorf("read the manifest: %w", err)
	}
	all := map[string][]byte{published: raw}
	for name, form := range map[string]setup.Form{
		"http": {URL: "https://sous.example"}, "socket with an address": {URL: "https://sous.example", Socket: true},
		"several workspaces": {URL: "https://sous.example", Many: true}, "another name": {Name: "Chef"},
	} {
		if all[name], err = setup.Manifest(form); err != nil {
			return fmt.Errorf("the manifest for %s: %w", name, err)
		}
	}
	f.ManifestValid = true
	for _, name := range slices.Sorted(maps.Keys(all)) {
		f.Manifests++
		v, err := jsonschema.UnmarshalJSON(bytes.NewReader(all[name]))
		if err == nil {
			err = check.Validate(v)
		}
		if err != nil {
			f.ManifestValid = false
			fmt.Fprintf(out, "manifest %s: %v\n", name, err)
		}
	}
	return nil
}

// compile reads Slack's schema. Formats the schema names but JSON Schema does not
// know are left to Slack.
func compile(schema string) (*jsonschema.Schema, error) {
	c := jsonschema.NewCompiler()
	c.UseRegexpEngine(func(p string) (jsonschema.Regexp, error) {
		// Go has no look-ahead. The schema has it for domains alone, and we name none.
		return regexp.Compile(strings.ReplaceAll(p, `(?![\.\-])`, ""))
	})
	s, err := c.Compile(schema)
	if err != nil {
		return nil, fmt.Errorf("read the schema: %w", err)
	}
	return s, nil
}
