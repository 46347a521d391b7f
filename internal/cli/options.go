package cli

import (
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"github.com/sagebuild/sagebuild/bake"
	"github.com/sagebuild/sagebuild/internal/builder"
	"github.com/sagebuild/sagebuild/internal/diag"
	"github.com/sagebuild/sagebuild/internal/run"
	"github.com/sagebuild/sagebuild/internal/ui"
)

// stateOptions find the state directory.
type stateOptions struct{ path string }

func (o *stateOptions) addFlags(flags *pflag.FlagSet) {
	flags.StringVar(&o.path, "state", "", "state directory: build cache, bases, interpreters (default $SAGEBUILD_STATE, else sagebuild in the user's cache directory)")
}

// dir is the absolute state directory: the flag, else SAGEBUILD_STATE, else the user's cache directory.
func (o stateOptions) dir() (string, error) {
	path := o.path
	if path == "" {
		path = os.Getenv("SAGEBUILD_STATE")
	}
	if path != "" {
		return filepath.Abs(path)
	}
	cache, err := userCacheDir()
	if err != nil {
		return "", &diag.Error{Class: diag.Environment, Message: "there is no place for the state directory", Err: err,
			Hint: "export SAGEBUILD_STATE=/var/lib/sagebuild"}
	}
	return filepath.Join(cache, "sagebuild"), nil
}

// userCacheDir is os.UserCacheDir, which refuses a relative XDG_CACHE_HOME. The specification says to ignore one:
// https://specifications.freedesktop.org/basedir-spec/latest/
func userCacheDir() (string, error) {
	cache, err := os.UserCacheDir()
	if xdg := os.Getenv("XDG_CACHE_HOME"); err == nil || xdg == "" || filepath.IsAbs(xdg) {
		return cache, err
	}
	home, err := os.UserHomeDir()
	return filepath.Join(home, ".cache"), err
}

// planOptions say what is to be built, from which definition and sources.
type planOptions struct {
	matrix, source, dist string
}

func (o *planOptions) addFlags(flags *pflag.FlagSet) {
	o.addSourceFlags(flags)
	flags.StringVar(&o.dist, "dist", "dist", "`DIR`ectory that receives wheels and test results")
}

func (o *planOptions) addSourceFlags(flags *pflag.FlagSet) {
	flags.StringVar(&o.matrix, "matrix", "", "matrix definition `FILE` (default: the built-in one)")
	flags.StringVar(&o.source, "source", ".", "`DIR`ectory with csrc/, python/, dockerfiles/ and lock/")
}

// buildOptions are the flags that bake and test share.
type buildOptions struct {
	plan               planOptions
	state              stateOptions
	stateLimit         ui.Size
	wait               bool
	builder            string
	base, pythonImage  string
	print              bool
	progress           progressMode
	keepGoing, noCache bool
	cacheFrom, cacheTo []string
	jobs               int
	parts              string // directory of parts
	each               string // what stands for a target's name in caches; "" is run.TargetPlaceholder
}

func (o *buildOptions) addFlags(flags *pflag.FlagSet) {
	o.plan.addFlags(flags)
	o.addBuilderFlags(flags)
	o.addPartsFlag(flags)
}

func (o *buildOptions) addPartsFlag(flags *pflag.FlagSet) {
	flags.StringVar(&o.parts, "parts", "", "compile nothing: take kernels and host libraries from `DIR`, where 'sagebuild compile --output DIR' left them")
}

// addBuilderFlags adds those that say how and where to build.
func (o *buildOptions) addBuilderFlags(flags *pflag.FlagSet) {
	o.progress = "auto"
	o.state.addFlags(flags)
	o.stateLimit = builder.DefaultStateLimit
	flags.Var(&o.stateLimit, "state-limit", "size that the build cache is kept under, apart from what the run itself uses")
	flags.BoolVar(&o.wait, "wait", false, "wait for another run that uses the state directory")
	flags.StringVar(&o.builder, "builder", "", "builder instead of the embedded BuildKit: a `NAME` that docker buildx knows, unix://SOCKET or tcp://HOST:PORT")
	flags.StringVar(&o.base, "base", "", "Debian `IMAGE` instead of a bootstrapped base")
	flags.StringVar(&o.pythonImage, "python-image", "", "`IMAGE` with CPython below /usr/local, {python} standing for the version, instead of a fetched interpreter")
	flags.BoolVar(&o.print, "print", false, "print the plan as JSON and do nothing")
	flags.Var(&o.progress, "progress", "progress display: "+strings.Join(progressModes, "|"))
	flags.BoolVar(&o.keepGoing, "keep-going", false, "finish the other targets when one fails")
	flags.BoolVar(&o.noCache, "no-cache", false, "run every step again")
	flags.StringArrayVar(&o.cacheFrom, "cache-from", nil, "cache to import, in buildx syntax (type=gha,scope="+o.eachTarget()+"), "+o.eachTarget()+" standing for each name; may be repeated")
	flags.StringArrayVar(&o.cacheTo, "cache-to", nil, "where to export the cache, in the same syntax; may be repeated")
	flags.IntVar(&o.jobs, "jobs", o.jobs, "targets at a time; 1 is one build step at a time as well, which takes the least memory")
}

// check refuses values that the parsers of flags accept.
func (o *buildOptions) check() error {
	if o.jobs < 1 {
		return diag.Usagef("--jobs 1", "--jobs is %d, want at least 1", o.jobs)
	}
	err := checkPlaceholders("--python-image", o.pythonImage, bake.PythonPlaceholder)
	for _, cache := range o.cacheFrom {
		err = errors.Join(err, checkPlaceholders("--cache-from", cache, o.eachTarget()))
	}
	for _, cache := range o.cacheTo {
		err = errors.Join(err, checkPlaceholders("--cache-to", cache, o.eachTarget()))
	}
	return err
}

// eachTarget is what stands for the name of a target of the plan.
func (o *buildOptions) eachTarget() string {
	if o.each == "" {
		return run.TargetPlaceholder
	}
	return o.each
}

// placeholder matches what may stand for something in the value of a flag; %s does in docker-bake.hcl.
var placeholder = regexp.MustCompile(`\{[^{}]*\}|%s`)

// checkPlaceholders refuses those that nothing takes the place of.
func checkPlaceholders(flag, value, known string) error {
	for _, found := range placeholder.FindAllString(value, -1) {
		if found != known {
			hint := diag.Command(flag, strings.ReplaceAll(value, found, known))
			return diag.Usagef(hint, "%s %s: %s stands for nothing here, only %s does", flag, value, found, known)
		}
	}
	return nil
}

// checkCaches refuses one destination for several targets: the last would overwrite the others.
func (o *buildOptions) checkCaches(targets int) error {
	for _, cache := range o.cacheTo {
		if targets > 1 && !strings.Contains(cache, o.eachTarget()) {
			return diag.Usagef(diag.Command("--cache-to", cache+o.eachTarget()), "--cache-to %s is one place for %s, which overwrite each other there", cache, ui.Count(targets, "target"))
		}
	}
	return nil
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

var progressModes = []string{"auto", "tty", "plain", "json", "quiet"}

// progressMode is a flag that takes one of progressModes.
type progressMode string

func (m *progressMode) String() string { return string(*m) }

// Type names the flag's value in help texts.
func (m *progressMode) Type() string { return "MODE" }

// Set refuses other modes and names the nearest.
func (m *progressMode) Set(text string) error {
	if slices.Contains(progressModes, text) {
		*m = progressMode(text)
		return nil
	}
	hint := "--progress " + progressModes[0]
	if near := diag.Suggest(text, progressModes); near != "" {
		hint = "--progress " + near
	}
	return diag.Usagef(hint, "unknown progress mode %q: want one of %s", text, strings.Join(progressModes, ", "))
}
