package cli

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/sagebuild/sagebuild/internal/diag"
	"github.com/sagebuild/sagebuild/internal/doctor"
	"github.com/sagebuild/sagebuild/internal/ui"
)

const doctorHelp = `Doctor looks at this machine and lists what building and testing wheels need, with the command that fixes each thing
that is missing. It changes nothing.

It exits with 3 when something is missing, with 0 otherwise; a warning is not missing.`

func newDoctor(app *App) *cobra.Command {
	var state stateOptions
	cmd := &cobra.Command{
		Use:     "doctor",
		Short:   "Say what this machine lacks and the command that fixes it",
		Long:    doctorHelp,
		Example: "  sagebuild doctor\n  sagebuild doctor --state /mnt/large/sagebuild\n  sagebuild doctor --json",
		Args:    noArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return runDoctor(cmd.Context(), app, state) },
	}
	state.addFlags(cmd.Flags())
	app.addJSON(cmd, "the checks")
	return cmd
}

type doctorJSON struct {
	Checks []doctor.Check `json:"checks"`
}

func runDoctor(ctx context.Context, app *App, state stateOptions) error {
	dir, err := state.dir()
	if err != nil {
		return err
	}
	checks := doctor.Run(ctx, doctor.Options{State: dir})
	if err := app.print(doctorJSON{checks}, doctorTable(checks).Write); err != nil {
		return err
	}
	missed := doctor.Missed(checks)
	if missed == 0 {
		return nil
	}
	return reported(diag.Environment, "run the commands in the column fix", "%d of %s found something missing", missed, ui.Count(len(checks), "check"))
}

func doctorTable(checks []doctor.Check) *ui.Table {
	colors := map[doctor.Status]ui.Color{doctor.OK: ui.Green, doctor.Warning: ui.Yellow, doctor.Missing: ui.Red}
	table := &ui.Table{Header: []string{"check", "status", "for", "what", "fix"}}
	for _, check := range checks {
		status := ui.Cell{Text: string(check.Status), Color: colors[check.Status]}
		table.Add(ui.Text(check.Name), status, ui.Text(check.For), ui.Text(check.Detail), ui.Text(check.Fix))
	}
	return table
}
