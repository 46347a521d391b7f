package index

import (
	"path/filepath"
	"strings"

	"github.com/sagebuild/sagebuild/internal/diag"
)

// Commands install one wheel.
type Commands struct {
	Build string `json:"build,omitempty"` // first, where the wheel is not built yet
	Pip   string `json:"pip"`
	Uv    string `json:"uv"`
}

// DefaultDist is where bake leaves wheels unless it is told otherwise.
const DefaultDist = "dist"

// InstallCommands are what to type for a wheel. site is the URL of a published site, or ""; dist is where wheels are
// built. An index of one channel holds no torch, so an installer can keep the installed torch or fail, but never change
// torch. A command for a file also names the torch that has to stay, because the installer looks for dependencies in the
// index of the user.
func InstallCommands(c Candidate, need Need, site, dist string) Commands {
	if site != "" {
		index := strings.TrimSuffix(site, "/") + "/" + c.Channel.Index() + "/"
		what := c.Project + "==" + c.Version
		return Commands{
			Pip: diag.Command("pip", "install", "--index-url", index, what),
			Uv:  diag.Command("uv", "pip", "install", "--default-index", index, what),
		}
	}
	commands, file := Commands{}, c.File
	if file == "" {
		build := []string{"sagebuild", "bake", c.Target}
		if dist != DefaultDist {
			build = append(build, "--dist", dist)
		}
		commands.Build = diag.Command(build...)
		file = filepath.Join(dist, c.Filename)
	}
	install := []string{"pip", "install", file, need.Torch.Pin()}
	commands.Pip, commands.Uv = diag.Command(install...), diag.Command(append([]string{"uv"}, install...)...)
	return commands
}
