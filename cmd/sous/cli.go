package main

import (
	"encoding/json"
	"log/slog"

	"github.com/spf13/cobra"

	"github.com/sous-hq/sous/agent/audit"
	"github.com/sous-hq/sous/agent/loop"
	"github.com/sous-hq/sous/integrations/postgres"
	"github.com/sous-hq/sous/integrations/slack"
	"github.com/sous-hq/sous/internal/config"
	"github.com/sous-hq/sous/internal/redact"
	"github.com/sous-hq/sous/internal/telemetry"
	"github.com/sous-hq/sous/tools"
)

// cli is one invocation of the command line.
type cli struct {
	world
	hooks hooks
	// code is the exit code when no error is returned.
	code int

	file, data, listen, logLevel string
	asJSON                       bool
}

// hooks let a test of real processes stand at the points where a crash hurts.
type hooks struct {
	// ledger wraps the ledger of effects, steps what the steps of a turn do.
	ledger func(tools.Ledger) tools.Ledger
	steps  func(loop.EffectFuncs) loop.EffectFuncs
	// tools are further tools.
	tools func() ([]tools.Tool, error)
	// checkpoints changes how the record is signed.
	checkpoints func(*audit.CheckpointConfig)
	// slack changes what the Slack front end is made of, such as its pace.
	slack func(*slack.Config)
	// postgres changes how the shared store is opened, such as how long replicas
	// wait for one that is silent.
	postgres func(*postgres.Config)
}

const longHelp = `Sous is the team assistant that prepares and carries out work, and asks a person
before anything risky. Without a command it serves the web chat on this machine.

Nothing needs to be configured: everything is kept in one folder (SOUS_DATA), and
without OPENAI_API_KEY or OPENAI_BASE_URL the built-in model answers.`

const examples = `  sous                                     serve the web chat
  sous ask --file meeting.vtt "Summarise this meeting and open tickets for the action items"
  sous ask "what did we decide about the remote control?"
  sous approvals                           what waits for a decision
  sous approve K7QX2M4A                    say yes to one of them
  sous doctor                              explain the settings and check the parts`

func (c *cli) root() *cobra.Command {
	root := &cobra.Command{
		Use: "sous", Short: "The team assistant that asks before anything risky",
		Long: longHelp, Example: examples,
		Args: cobra.NoArgs, SilenceUsage: true, SilenceErrors: true,
		RunE: func(cmd *cobra.Command, _ []string) error { return c.serve(cmd.Context()) },
	}
	f := root.PersistentFlags()
	f.StringVar(&c.file, "config", "", "settings file (default: $SOUS_CONFIG, ./sous.yaml, or sous.yaml in the data directory)")
	f.StringVar(&c.data, "data", "", "data directory (SOUS_DATA)")
	f.StringVar(&c.logLevel, "log-level", "", "debug, info, warn or error")
	root.Flags().StringVar(&c.listen, "listen", "", "host:port of the web chat (SOUS_LISTEN)")
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usagef("%v (see sous --help)", err) })
	root.AddCommand(
		c.serveCommand(), c.askCommand(), c.chatCommand(),
		c.approvalsCommand(), c.decideCommand(true), c.decideCommand(false), c.undoCommand(),
		c.statusCommand(), c.turnsCommand(), c.effectsCommand(), c.privacyCommand(), c.backupCommand(), c.restoreCommand(), c.storeCommand(), c.pauseCommand(), c.resumeCommand(),
		c.ticketsCommand(), c.memoryCommand(), c.feedbackCommand(), c.auditCommand(), c.checkCommand(), c.policyCommand(), c.peopleCommand(), c.slackCommand(),
		c.doctorCommand(), c.versionCommand(), c.readDocumentsCommand(),
	)
	for _, sub := range root.Commands() {
		wrapArgs(sub)
	}
	return root
}

// wrapArgs makes wrong arguments and flags of a command and those below it a usage
// error, with its exit code.
func wrapArgs(cmd *cobra.Command) {
	for _, sub := range cmd.Commands() {
		wrapArgs(sub)
	}
	check := cmd.Args
	if check == nil {
		check = cobra.ArbitraryArgs
	}
	cmd.Args = func(cmd *cobra.Command, args []string) error {
		err := check(cmd, args)
		if err == nil {
			err = cmd.ValidateRequiredFlags()
		}
		if err == nil {
			err = cmd.ValidateFlagGroups()
		}
		if err != nil {
			return usagef("%v (see %s --help)", err, cmd.CommandPath())
		}
		return nil
	}
}

// jsonFlag adds --json to a command.
func (c *cli) jsonFlag(cmd *cobra.Command) *cobra.Command {
	cmd.Flags().BoolVar(&c.asJSON, "json", false, "print JSON for programs")
	return cmd
}

// load reads the settings; flags win.
func (c *cli) load() (config.Config, error) {
	cfg, err := config.Load(config.Options{File: c.file, Data: c.data, Environ: c.environ, User: c.user})
	if err != nil {
		return cfg, err
	}
	if c.listen != "" {
		if err := cfg.Set("--listen", "listen", c.listen); err != nil {
			return cfg, err
		}
	}
	if c.logLevel != "" {
		if err := cfg.Set("--log-level", "log.level", c.logLevel); err != nil {
			return cfg, err
		}
	}
	return cfg, nil
}

// logger returns the logger of a command: a server logs from info on, a command
// that prints its own result only from warn on.
func (c *cli) logger(cfg config.Config, server bool) (*slog.Logger, error) {
	level := cfg.Log.Level
	if !server && c.logLevel == "" && level < slog.LevelWarn {
		level = slog.LevelWarn
	}
	log, err := telemetry.NewLogger(c.stderr, level, cfg.Log.Format)
	if err != nil {
		return nil, err
	}
	return slog.New(redact.NewHandler(log.Handler(), nil)), nil
}

// printJSON prints one value for programs.
func (c *cli) printJSON(v any) error {
	enc := json.NewEncoder(c.stdout)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}

// printLine prints one value for programs on a line of its own.
func (c *cli) printLine(v any) error {
	enc := json.NewEncoder(c.stdout)
	enc.SetEscapeHTML(false)
	return enc.Encode(v)
}

func (c *cli) versionCommand() *cobra.Command {
	return c.jsonFlag(&cobra.Command{
		Use: "version", Short: "Print the version", Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			if c.asJSON {
				return c.printJSON(map[string]string{"version": version()})
			}
			c.printf("sous %s\n", version())
			return nil
		},
	})
}
