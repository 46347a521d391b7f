package cli

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
)

// version is the release; the Makefile overwrites it with -ldflags.
var version = "0.1.0-dev"

type versionInfo struct {
	Version  string `json:"version"`
	Revision string `json:"revision,omitempty"`
	Go       string `json:"go"`
	Platform string `json:"platform"`
	BuildKit string `json:"buildkit"`
	Buildx   string `json:"buildx"`
}

func newVersion(app *App) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "version",
		Short:   "Print the version of sagebuild and of the BuildKit inside it",
		Long:    "Version prints the version of sagebuild, of Go, and of the BuildKit and buildx libraries that it was built with.",
		Example: "  sagebuild version\n  sagebuild version --json",
		Args:    noArgs,
		RunE:    func(*cobra.Command, []string) error { return runVersion(app) },
	}
	app.addJSON(cmd, "the versions")
	return cmd
}

func runVersion(app *App) error {
	info := readVersion()
	if app.JSON {
		return app.Console.JSON(info)
	}
	_, err := fmt.Fprintf(app.Console.Out, "sagebuild %s (%s, %s, BuildKit %s, buildx %s)\n",
		info.Version, info.Go, info.Platform, info.BuildKit, info.Buildx)
	return err
}

// readVersion takes the libraries' versions from the binary's own build information.
func readVersion() versionInfo {
	info := versionInfo{Version: version, Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH}
	build, ok := debug.ReadBuildInfo()
	if !ok {
		return info
	}
	for _, module := range build.Deps {
		switch module.Path {
		case "github.com/moby/buildkit":
			info.BuildKit = module.Version
		case "github.com/docker/buildx":
			info.Buildx = module.Version
		}
	}
	for _, setting := range build.Settings {
		if setting.Key == "vcs.revision" {
			info.Revision = setting.Value
		}
	}
	return info
}
