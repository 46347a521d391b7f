package cli

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/sagebuild/sagebuild/internal/diag"
)

const rootHelp = `sagebuild turns a PyTorch × CUDA × Python matrix into tested wheels of SageAttention for NVIDIA GPUs from
Volta to Blackwell. One Linux machine is enough: no GPU, no CUDA toolkit, no Docker engine.

Exit codes:
    0  everything that was asked for is done
    1  a build or a test failed
    2  the command line or a definition file is wrong
    3  the machine lacks something: root, runc, network, disk space, a free state directory
    4  a wheel is not what the plan, the audit's rules or its rebuild say
  130  interrupted`

func newRoot(app *App) *cobra.Command {
	root := &cobra.Command{
		Use:           "sagebuild",
		Short:         "Build and test SageAttention wheels for every torch, CUDA and Python",
		Long:          rootHelp,
		Example:       "  sagebuild doctor\n  sagebuild bake\n  sagebuild test pytorch28\n  sagebuild matrix",
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return unknownCommand(cmd, args[0])
			}
			return cmd.Help()
		},
	}
	root.SetOut(app.Console.Out)
	root.SetErr(app.Console.Err)
	root.SetFlagErrorFunc(flagError)
	root.AddCommand(newBake(app), newTest(app), newCompile(app), newVerify(app), newAudit(app), newGenerate(app), newMatrix(app), newDoctor(app), newClean(app),
		newLock(app), newIndex(app), newExport(app), newResolve(app), newVersion(app))
	strict(root)
	return root
}

// strict makes cobra's own commands refuse what they do not know. Left alone, help and completion answer an unknown name
// with a page of help and exit code 0.
func strict(root *cobra.Command) {
	root.InitDefaultHelpCmd()
	root.InitDefaultCompletionCmd()
	for _, command := range root.Commands() {
		switch command.Name() {
		case "help":
			command.Args = knownTopic
		case "completion":
			command.Use, command.Args, command.RunE = "completion SHELL", cobra.ArbitraryArgs, root.RunE
			for _, shell := range command.Commands() {
				shell.Args = noArgs
			}
		}
	}
}

// knownTopic refuses help about a command that does not exist. Its hint never is the command itself, which could build
// for hours.
func knownTopic(cmd *cobra.Command, args []string) error {
	root := cmd.Root()
	if topic, _, err := root.Find(args); len(args) == 0 || err == nil && topic != root {
		return nil
	}
	err := unknownCommand(root, args[0])
	err.Hint = strings.TrimSuffix(err.Hint, " --help") + " --help"
	return err
}

func unknownCommand(parent *cobra.Command, name string) *diag.Error {
	var names []string
	for _, command := range parent.Commands() {
		names = append(names, command.Name())
	}
	hint := parent.CommandPath() + " --help"
	message := fmt.Sprintf("unknown command %q", name)
	if near := diag.Suggest(name, names); near != "" {
		hint = parent.CommandPath() + " " + near
		message += fmt.Sprintf(", did you mean %q?", near)
	}
	return &diag.Error{Class: diag.Usage, Message: message, Hint: hint}
}

// flagError makes cobra's plain errors usage errors, with the flag that was probably meant.
func flagError(cmd *cobra.Command, err error) error {
	var own *diag.Error
	if errors.As(err, &own) {
		return own
	}
	if before := cmd.Flags().Args(); !cmd.HasParent() && len(before) > 0 {
		return unknownCommand(cmd, before[0]) // whose flags nobody knows either
	}
	hint := cmd.CommandPath() + " --help"
	message := err.Error()
	if name, ok := strings.CutPrefix(message, "unknown flag: --"); ok {
		var names []string
		cmd.Flags().VisitAll(func(flag *pflag.Flag) { names = append(names, flag.Name) })
		if near := diag.Suggest(name, names); near != "" {
			message += fmt.Sprintf(", did you mean --%s?", near)
		}
	}
	return &diag.Error{Class: diag.Usage, Message: message, Hint: hint}
}

// noArgs refuses arguments of a command that takes none.
func noArgs(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return diag.Usagef(cmd.CommandPath()+" --help", "%s takes no arguments, got %q", cmd.CommandPath(), args[0])
	}
	return nil
}
