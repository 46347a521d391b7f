// Package builder turns one stage of a Dockerfile into files.
//
// It is the only package that knows BuildKit and buildx. Three kinds of builder stand behind one interface: BuildKit
// embedded in this process (nothing to install but runc), any builder that docker buildx knows by name, and a
// buildkitd at an address.
package builder

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"
)

// Config says which builder to open and how it reports.
type Config struct {
	// Address is empty for the embedded builder, the name of a buildx builder, or the address of a buildkitd
	// (unix:///path, tcp://host:port).
	Address string
	// State is the directory that holds the embedded builder's cache and log. It is created when missing.
	State string
	// StateLimit is the size in bytes that garbage collection keeps the embedded builder's cache under; 0 is
	// DefaultStateLimit.
	StateLimit int64
	// Wait lets Open wait for another process that uses the state directory.
	Wait bool
	// Steps is how many build steps the embedded builder runs at a time; 0 is one for each processor, and two at least.
	Steps int
	// Display is how progress is shown.
	Display Display
	// Notes receives one line for each thing that was done to the state directory and that the user did not ask for;
	// nil is silence.
	Notes io.Writer
}

func (c Config) note(format string, args ...any) {
	if c.Notes != nil {
		fmt.Fprintf(c.Notes, format+"\n", args...)
	}
}

// DefaultStateLimit is enough for the tests of all cells of the built-in matrix, which take 36 GiB.
const DefaultStateLimit = 42 << 30

// Display is the progress display that all requests of a builder share.
type Display struct {
	Mode string    // auto, tty, plain, json or quiet; empty is auto
	Out  io.Writer // nil is standard error
}

// Builder builds stages. Its methods may be called concurrently; steps that concurrent requests share run once.
type Builder interface {
	// Build runs one request. A failed step is a *StepError; anything that the user can put right in the environment
	// is a *diag.Error.
	Build(ctx context.Context, request Request) (*Result, error)
	// Say shows a line in the progress of the requests that run now; it does nothing where none runs.
	Say(line string)
	// DiskUsage is the size of the build cache in bytes.
	DiskUsage(ctx context.Context) (int64, error)
	// Prune drops cache that no build of the last week used, or with all everything that no build uses now, and
	// returns the bytes freed. It also deletes a damaged cache that was set aside.
	Prune(ctx context.Context, all bool) (int64, error)
	// Close waits until every process and mount of the builder is gone.
	Close() error
}

// Request is one stage to build.
type Request struct {
	Target     string            // name in the progress display
	Dockerfile []byte            // text of the Dockerfile
	Stage      string            // of the Dockerfile; empty is the last one
	Source     string            // directory that the Dockerfile copies from
	Contexts   map[string]string // named contexts; directories start from Source
	Args       map[string]string // build arguments
	Platform   string            // that every stage runs on; empty is the builder's own
	Secrets    []string          // settings of pip and uv that steps may mount, each as a secret of its own name
	Output     string            // directory that receives the stage's files; empty builds and drops them
	Place      string            // directory that errors name in the place of Output, which may be gone by then
	CacheFrom  []string          // cache sources, in buildx syntax
	CacheTo    []string          // cache destinations, in buildx syntax
	NoCache    bool              // run every step again
	Provenance bool              // also ask for the provenance of what goes to Output
	Commit     string            // of Source, for provenance; empty names none
	Repository string            // that Commit is of, by its URL; may be empty
}

func (r Request) place() string {
	if r.Place != "" {
		return r.Place
	}
	return r.Output
}

// Result describes a stage that was built.
type Result struct {
	Cached      bool          // no step had to run
	Steps       int           // Dockerfile steps that were needed
	CachedSteps int           // of those, steps whose result was in the cache
	StepTime    time.Duration // sum over what ran for it; what requests share counts for the one that came first
	// Provenance is BuildKit's attestation of the files in Output: an in-toto statement with a SLSA predicate, on one
	// line. It is nil where it was not asked for, and of builders that attest nothing.
	Provenance []byte
}

// Open starts or connects to the builder that config names.
func Open(ctx context.Context, config Config) (Builder, error) {
	switch {
	case config.Address == "":
		return openEmbedded(ctx, config)
	case strings.Contains(config.Address, "://"):
		return openRemote(ctx, config, addressNodes)
	default:
		return openRemote(ctx, config, namedNodes)
	}
}
