package index

import (
	"fmt"
	"path/filepath"
	"strings"
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
			Pip: fmt.Sprintf("pip install --index-url %s %s", quote(index), what),
			Uv:  fmt.Sprintf("uv pip install --default-index %s %s", quote(index), what),
		}
	}
	commands, file := Commands{}, c.File
	if file == "" {
		commands.Build = "sagebuild bake " + c.Target
		if dist != DefaultDist {
			commands.Build += " --dist " + quote(dist)
		}
		file = filepath.Join(dist, c.Filename)
	}
	arguments := quote(file) + " " + quote(need.Torch.Pin())
	commands.Pip, commands.Uv = "pip install "+arguments, "uv pip install "+arguments
	return commands
}

// quote protects a word from the shell where the word needs it.
func quote(word string) string {
	plain := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("-_./:=+@%,", r)
	}
	if strings.IndexFunc(word, func(r rune) bool { return !plain(r) }) < 0 {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}
