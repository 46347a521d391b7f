//go:build linux

package builder

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"time"

	"github.com/containerd/containerd/v2/core/snapshots"
	"github.com/containerd/containerd/v2/plugins/snapshots/overlay"
	"github.com/containerd/errdefs"
	"github.com/moby/buildkit/cache/remotecache"
	"github.com/moby/buildkit/cache/remotecache/gha"
	"github.com/moby/buildkit/cache/remotecache/inline"
	"github.com/moby/buildkit/cache/remotecache/local"
	"github.com/moby/buildkit/cache/remotecache/registry"
	"github.com/moby/buildkit/client"
	"github.com/moby/buildkit/cmd/buildkitd/config"
	"github.com/moby/buildkit/control"
	"github.com/moby/buildkit/executor/oci"
	"github.com/moby/buildkit/frontend"
	dockerfile "github.com/moby/buildkit/frontend/dockerfile/builder"
	"github.com/moby/buildkit/frontend/gateway"
	"github.com/moby/buildkit/frontend/gateway/forwarder"
	"github.com/moby/buildkit/session"
	"github.com/moby/buildkit/solver"
	"github.com/moby/buildkit/solver/bboltcachestorage"
	"github.com/moby/buildkit/util/db/boltutil"
	"github.com/moby/buildkit/util/network/netproviders"
	"github.com/moby/buildkit/util/resolver"
	"github.com/moby/buildkit/version"
	"github.com/moby/buildkit/worker"
	"github.com/moby/buildkit/worker/base"
	"github.com/moby/buildkit/worker/runc"
	bolt "go.etcd.io/bbolt"
	"go.opentelemetry.io/otel/metric/noop"
	"golang.org/x/sync/semaphore"
)

// controller is BuildKit's controller with the one worker it drives.
type controller struct {
	*control.Controller
	worker  *base.Worker
	layers  *snapshotter
	used    *usedCache
	started time.Time
}

// Close closes all databases. BuildKit leaves the snapshotter's to the end of its process, and here another engine
// may follow in the same one.
func (c *controller) Close() error {
	return errors.Join(c.Controller.Close(), c.layers.Close())
}

// newController builds the controller that a buildkitd would have, with its state below root.
func newController(ctx context.Context, root string, steps int) (*controller, error) {
	sessions, err := session.NewManager()
	if err != nil {
		return nil, err
	}
	layers := &snapshotter{}
	w, err := newWorker(ctx, root, steps, layers)
	if err != nil {
		return nil, fmt.Errorf("starting the worker: %w", err)
	}
	options, err := controllerOptions(ctx, root, sessions, w)
	if err != nil {
		return nil, err
	}
	used := &usedCache{CacheManager: options.CacheManager, found: map[string]bool{}}
	options.CacheManager = used
	c, err := control.NewController(*options)
	if err != nil {
		return nil, err
	}
	return &controller{Controller: c, worker: w, layers: layers, used: used, started: time.Now()}, nil
}

func controllerOptions(ctx context.Context, root string, sessions *session.Manager, w *base.Worker) (*control.Opt, error) {
	workers := &worker.Controller{}
	if err := workers.Add(w); err != nil {
		return nil, err
	}
	frontends, err := newFrontends(workers)
	if err != nil {
		return nil, err
	}
	cache, err := bboltcachestorage.NewStore(filepath.Join(root, "cache.db"))
	if err != nil {
		return nil, err
	}
	history, err := newHistory(root)
	if err != nil {
		return nil, err
	}
	exporters, importers := remoteCaches(sessions, w)
	noRecords := int64(0)
	return &control.Opt{
		SessionManager:            sessions,
		WorkerController:          workers,
		Frontends:                 frontends,
		ResolveCacheExporterFuncs: exporters,
		ResolveCacheImporterFuncs: importers,
		CacheManager:              solver.NewCacheManager(ctx, "local", cache, worker.NewCacheResultStorage(workers)),
		MeterProvider:             noop.NewMeterProvider(),
		HistoryDB:                 history,
		// A record would keep the build's arguments, and with them the passwords of proxies.
		HistoryConfig:  &config.HistoryConfig{MaxEntries: &noRecords},
		CacheStore:     cache,
		LeaseManager:   w.LeaseManager(),
		ContentStore:   w.ContentStore(),
		GarbageCollect: w.GarbageCollect,
		GracefulStop:   ctx.Done(),
	}, nil
}

// newHistory opens an empty record of builds. Nothing is kept in it, and a damaged one is none.
func newHistory(root string) (*boltutil.DB, error) {
	path := filepath.Join(root, historyFile)
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	return boltutil.SafeOpen(path, 0o600, &bolt.Options{FreelistType: bolt.FreelistMapType, NoFreelistSync: true})
}

func newFrontends(workers *worker.Controller) (map[string]frontend.Frontend, error) {
	g, err := gateway.NewGatewayFrontend(workers.Infos(), nil)
	if err != nil {
		return nil, err
	}
	return map[string]frontend.Frontend{
		"dockerfile.v0": forwarder.NewGatewayForwarder(workers.Infos(), dockerfile.Build),
		"gateway.v0":    g,
	}, nil
}

func remoteCaches(sessions *session.Manager, w *base.Worker) (map[string]remotecache.ResolveCacheExporterFunc, map[string]remotecache.ResolveCacheImporterFunc) {
	exporters := map[string]remotecache.ResolveCacheExporterFunc{
		"gha":      gha.ResolveCacheExporterFunc(nil, nil),
		"inline":   inline.ResolveCacheExporterFunc(),
		"local":    local.ResolveCacheExporterFunc(sessions),
		"registry": registry.ResolveCacheExporterFunc(sessions, w.RegistryHosts),
	}
	importers := map[string]remotecache.ResolveCacheImporterFunc{
		"gha":      gha.ResolveCacheImporterFunc(nil, nil),
		"local":    local.ResolveCacheImporterFunc(sessions),
		"registry": registry.ResolveCacheImporterFunc(sessions, w.ContentStore(), w.RegistryHosts),
	}
	return exporters, importers
}

// newWorker returns a worker that runs so many steps at a time with runc. Steps use the machine's network: a builder on a bare machine
// has no bridge to put them on.
func newWorker(ctx context.Context, root string, steps int, layers *snapshotter) (*base.Worker, error) {
	if steps == 0 {
		steps = max(2, runtime.NumCPU())
	}
	parallel := semaphore.NewWeighted(int64(steps))
	options, err := runc.NewWorkerOpt(root, layers.factory(ctx), false, oci.ProcessSandbox, nil, nil,
		netproviders.Opt{Mode: "host"}, nil, "", "", false, parallel, "", "", nil)
	if err != nil {
		return nil, err
	}
	options.RegistryHosts = resolver.NewRegistryConfig(nil)
	options.BuildkitVersion = client.BuildkitVersion{Package: version.Package, Version: buildkitVersion()}
	return base.NewWorker(ctx, options)
}

// snapshotter keeps the layers of the cache.
type snapshotter struct{ snapshots.Snapshotter }

// factory makes the snapshotter overlayfs. No other is offered: plain copies would take a runtime's gigabytes again
// for every step.
func (s *snapshotter) factory(ctx context.Context) runc.SnapshotterFactory {
	return runc.SnapshotterFactory{Name: "overlayfs", New: func(dir string) (_ snapshots.Snapshotter, err error) {
		if s.Snapshotter, err = overlay.NewSnapshotter(dir, overlay.AsynchronousRemove); err != nil {
			return nil, err
		}
		// A run that was killed may have left a directory where the next snapshot would go.
		if err = s.Snapshotter.(snapshots.Cleaner).Cleanup(ctx); errdefs.IsNotFound(err) {
			err = nil // no snapshot was ever written
		}
		return s.Snapshotter, err
	}}
}

// buildkitVersion is the version of the BuildKit module in this binary. BuildKit's own variable is filled by the
// linking of buildkitd alone.
func buildkitVersion() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return version.Version
	}
	for _, module := range info.Deps {
		if module.Path == version.Package {
			return module.Version
		}
	}
	return version.Version
}
