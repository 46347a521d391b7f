package builder

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"

	"github.com/containerd/platforms"
	"github.com/docker/buildx/build"
	"github.com/docker/buildx/util/buildflags"
	"github.com/docker/buildx/util/confutil"
	"github.com/moby/buildkit/client"
)

// buildOptions is a request as buildx takes it. A request says everything that decides its result; of the machine
// come only proxies, secrets and who is to be named in provenance.
func buildOptions(request Request, m machine) (o build.Options, err error) {
	o = build.Options{
		Inputs:    inputs(request),
		Target:    request.Stage,
		BuildArgs: m.withProxies(request.Args),
		NoCache:   request.NoCache,
		// Never ask an image registry for the frontend that a syntax line names.
		FrontendAttrs:          map[string]string{"cmdline": "builtin"},
		Attests:                map[string]*string{"provenance": nil, "sbom": nil},
		ProvenanceResponseMode: confutil.MetadataProvenanceModeDisabled,
		Session:                m.session(),
	}
	if request.Provenance && request.Output != "" {
		o.Attests["provenance"] = attestation(m)
		maps.Copy(o.FrontendAttrs, sourceOf(request))
	}
	if request.Platform != "" {
		if o.Platforms, err = platforms.ParseAll([]string{request.Platform}); err != nil {
			return o, err
		}
	}
	if o.CacheFrom, err = caches(request.CacheFrom); err != nil {
		return o, fmt.Errorf("reading the cache sources: %w", err)
	}
	if o.CacheTo, err = caches(request.CacheTo); err != nil {
		return o, fmt.Errorf("reading the cache destinations: %w", err)
	}
	o.Exports, err = exportTo(request.Output)
	return o, err
}

func inputs(request Request) build.Inputs {
	in := build.Inputs{
		ContextPath: request.Source, DockerfilePath: filepath.Join(request.Source, "Dockerfile"),
		DockerfileInline: string(request.Dockerfile), NamedContexts: map[string]build.NamedContext{},
	}
	for name, path := range request.Contexts {
		in.NamedContexts[name] = build.NamedContext{Path: absolute(request.Source, path)}
	}
	return in
}

// absolute makes a directory start from source. A context of another kind names its kind.
func absolute(source, path string) string {
	if strings.Contains(path, ":") || filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(source, path)
}

func caches(entries []string) ([]client.CacheOptionsEntry, error) {
	parsed, err := buildflags.ParseCacheEntry(entries)
	if err != nil {
		return nil, err
	}
	return build.CreateCaches(parsed), nil
}

// exportTo lets a stage's files go to a directory. Where there is none they are dropped.
func exportTo(dir string) ([]client.ExportEntry, error) {
	if dir == "" {
		return nil, nil
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	return []client.ExportEntry{{Type: client.ExporterLocal, Attrs: map[string]string{}, OutputDir: dir}}, nil
}
