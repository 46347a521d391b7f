package cli

import (
	"context"
	"os"
	"path/filepath"

	"github.com/sagebuild/sagebuild/internal/diag"
	"github.com/sagebuild/sagebuild/internal/index"
	"github.com/sagebuild/sagebuild/internal/ui"
)

// proofs is what index --check prints.
type proofs struct {
	Proofs  []index.Proof   `json:"proofs"`
	Missing []index.Missing `json:"missing"`
}

// siteOptions name the site that is checked: a directory, or else one made of the wheels in dist.
type siteOptions struct{ dist, site string }

// runCheck proves that pip and uv install every wheel of a site.
func runCheck(ctx context.Context, app *App, options siteOptions) error {
	installers, missing := index.FindInstallers(ctx)
	if len(installers) == 0 {
		return &diag.Error{Class: diag.Environment, Message: "there is neither pip nor uv to check with", Hint: "apt-get install python3-pip"}
	}
	for _, m := range missing {
		app.Console.Warn("not checked with %s: %s", m.Name, m.Reason)
	}
	dir, done, err := options.checkedSite(ctx)
	if err != nil {
		return err
	}
	defer done()
	list, err := index.Check(ctx, dir, installers)
	if err != nil {
		return err
	}
	if err := app.print(proofs{list, append([]index.Missing{}, missing...)}, proofTable(list).Write); err != nil {
		return err
	}
	return failedProofs(list)
}

// checkedSite is the site that is given, or one made of dist/ for the occasion.
func (o siteOptions) checkedSite(ctx context.Context) (dir string, done func(), err error) {
	if isURL(o.site) {
		return "", nil, diag.Usagef("sagebuild index --check --output DIR", "--check serves a directory itself, it cannot use %s", o.site)
	}
	if o.site != "" {
		_, err := siteManifest(ctx, o.site)
		return o.site, func() {}, err
	}
	temporary, err := os.MkdirTemp("", "sagebuild-site-")
	if err != nil {
		return "", nil, err
	}
	done = func() { _ = os.RemoveAll(temporary) }
	dir = filepath.Join(temporary, "site")
	if _, err := index.Build(ctx, index.Options{Dist: o.dist, Output: dir}); err != nil {
		done()
		return "", nil, err
	}
	return dir, done, nil
}

func proofTable(list []index.Proof) *ui.Table {
	table := &ui.Table{Header: []string{"wheel", "installer", "pages", "torch", "result"}}
	for _, p := range list {
		result := ui.Cell{Text: "exactly this file", Color: ui.Green}
		if p.Problem != "" {
			result = ui.Cell{Text: p.Problem, Color: ui.Red}
		}
		table.Add(ui.Text(p.Wheel), ui.Text(p.Installer.Name+" "+p.Installer.Version), ui.Text(p.Page), ui.Text(p.Torch), result)
	}
	return table
}

func failedProofs(list []index.Proof) error {
	failed := 0
	for _, p := range list {
		if p.Problem != "" {
			failed++
		}
	}
	if failed == 0 {
		return nil
	}
	return reported(diag.Mismatch, "sagebuild index --check --json", "%d of %s went wrong", failed, ui.Count(len(list), "installation"))
}
