package builder

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/containerd/platforms"
	"github.com/docker/buildx/bake"
	"github.com/docker/buildx/build"
	"github.com/docker/buildx/util/buildflags"
	"github.com/docker/buildx/util/confutil"
	"github.com/hashicorp/hcl/v2"
	"github.com/moby/buildkit/client"

	"github.com/sagebuild/sagebuild/internal/diag"
)

const bakefileName = "docker-bake.hcl"

// A request says everything that decides its result; an environment variable that happens to have the name of a bake
// variable must not.
func init() { _ = os.Setenv("BUILDX_BAKE_DISABLE_VARS_ENV_LOOKUP", "1") }

// buildOptions resolves the request's target with buildx's own bake parser and applies what the request changes. The
// result also holds the targets that it links to.
func buildOptions(ctx context.Context, request Request, host hostSettings) (map[string]build.Options, error) {
	targets, err := readTargets(ctx, request)
	if err != nil {
		return nil, err
	}
	if targets[request.Target] == nil {
		return nil, diag.Usagef("sagebuild matrix", "the bake file defines no target %q", request.Target)
	}
	if err := overrideTarget(targets[request.Target], request); err != nil {
		return nil, err
	}
	options, err := bake.TargetsToBuildOpt(targets, nil)
	if err != nil {
		return nil, err
	}
	for name, o := range options {
		if err := complete(&o, request, host, name == request.Target); err != nil {
			return nil, err
		}
		options[name] = o
	}
	return options, nil
}

func readTargets(ctx context.Context, request Request) (map[string]*bake.Target, error) {
	files := []bake.File{{Name: bakefileName, Data: request.Bakefile}}
	builtin := map[string]string{
		"BAKE_CMD_CONTEXT":    "",
		"BAKE_LOCAL_PLATFORM": platforms.Format(platforms.DefaultSpec()),
	}
	targets, _, err := bake.ReadTargets(ctx, files, []string{request.Target}, nil, builtin, request.Variables, &bake.EntitlementConf{})
	if err != nil {
		return nil, bakeError(err)
	}
	return targets, nil
}

// bakeError gives an HCL error its place in the file.
func bakeError(err error) error {
	e := &diag.Error{Class: diag.Usage, Hint: "sagebuild generate", Err: err}
	var diagnostics hcl.Diagnostics
	if errors.As(err, &diagnostics) && len(diagnostics) > 0 && diagnostics[0].Subject != nil {
		at := diagnostics[0].Subject
		e.Range = &diag.Range{File: at.Filename, Line: at.Start.Line, Column: at.Start.Column}
		e.Message, e.Err = strings.ToLower(diagnostics[0].Summary), errors.New(diagnostics[0].Detail)
	}
	return e
}

// overrideTarget changes what buildx turns into options in ways of its own.
func overrideTarget(target *bake.Target, request Request) (err error) {
	if request.Stage != "" {
		target.Target = &request.Stage
	}
	if request.CacheFrom != nil {
		if target.CacheFrom, err = buildflags.ParseCacheEntry(request.CacheFrom); err != nil {
			return fmt.Errorf("reading the cache sources: %w", err)
		}
	}
	if request.CacheTo != nil {
		if target.CacheTo, err = buildflags.ParseCacheEntry(request.CacheTo); err != nil {
			return fmt.Errorf("reading the cache destinations: %w", err)
		}
	}
	target.Outputs = nil
	return nil
}

// complete adds to a target's options what the request and the host say.
func complete(o *build.Options, request Request, host hostSettings, requested bool) error {
	rebase(&o.Inputs, request.Source)
	if len(request.Dockerfile) > 0 {
		o.Inputs.DockerfileInline = string(request.Dockerfile)
	}
	replaceContexts(&o.Inputs, request.Contexts, requested)
	// Never ask an image registry for the frontend that a syntax line names.
	o.FrontendAttrs = map[string]string{"cmdline": "builtin"}
	o.Attests = map[string]*string{"provenance": nil, "sbom": nil}
	if requested && request.Provenance && request.Output != "" {
		o.Attests["provenance"] = attestation(host)
	}
	o.ProvenanceResponseMode = confutil.MetadataProvenanceModeDisabled
	o.NoCache = o.NoCache || request.NoCache
	host.buildArgs(o.BuildArgs)
	o.Session = host.session(o.SecretSpecs)
	if requested && request.Output != "" {
		return exportTo(o, request.Output)
	}
	return nil
}

// rebase makes the paths of a target, which start from the bake file's directory, start from source.
func rebase(inputs *build.Inputs, source string) {
	absolute := func(path string) string {
		if strings.Contains(path, ":") || filepath.IsAbs(path) {
			return path
		}
		return filepath.Join(source, path)
	}
	inputs.ContextPath = absolute(inputs.ContextPath)
	inputs.DockerfilePath = absolute(inputs.DockerfilePath)
	for name, c := range inputs.NamedContexts {
		c.Path = absolute(c.Path)
		inputs.NamedContexts[name] = c
	}
}

// replaceContexts swaps named contexts. The requested target gets them all, a linked one those that it already names.
func replaceContexts(inputs *build.Inputs, contexts map[string]string, requested bool) {
	if inputs.NamedContexts == nil {
		inputs.NamedContexts = map[string]build.NamedContext{}
	}
	for name, path := range contexts {
		if _, named := inputs.NamedContexts[name]; named || requested {
			inputs.NamedContexts[name] = build.NamedContext{Path: path}
		}
	}
}

func exportTo(o *build.Options, dir string) error {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	o.Exports = []client.ExportEntry{{Type: client.ExporterLocal, Attrs: map[string]string{}, OutputDir: dir}}
	return nil
}
