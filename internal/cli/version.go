package cli

import (
	"fmt"
	"io"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
)

type versionInfo struct {
	Version  string `json:"version"`            // as Go derives it from the tag and the commit that the binary was built of
	Revision string `json:"revision,omitempty"` // the commit
	Modified bool   `json:"modified,omitempty"` // by what was not committed
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
	return app.print(info, func(w io.Writer, _ bool) error {
		_, err := fmt.Fprintf(w, "sagebuild %s (%s, %s, BuildKit %s, buildx %s)\n",
			info.Version, info.Go, info.Platform, info.BuildKit, info.Buildx)
		return err
	})
}

// readVersion takes all versions from the binary's own build information. Go calls a binary (devel) that it built
// outside of a repository.
func readVersion() versionInfo {
	info := versionInfo{Version: "(devel)", Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH}
	build, ok := debug.ReadBuildInfo()
	if !ok {
		return info
	}
	info.Version = build.Main.Version
	for _, module := range build.Deps {
		switch module.Path {
		case "github.com/moby/buildkit":
			info.BuildKit = module.Version
		case "github.com/docker/buildx":
			info.Buildx = module.Version
		}
	}
	for _, setting := range build.Settings {
		switch setting.Key {
		case "vcs.revision":
			info.Revision = setting.Value
		case "vcs.modified":
			info.Modified = setting.Value == "true"
		}
	}
	return info
}
