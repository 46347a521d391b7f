//go:build linux

package builder

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"

	"github.com/containerd/containerd/v2/defaults"
	"github.com/containerd/containerd/v2/plugins/snapshots/overlay/overlayutils"
	"github.com/gofrs/flock"
	"github.com/moby/buildkit/client"
	"github.com/moby/buildkit/util/grpcerrors"
	"google.golang.org/grpc"
	"google.golang.org/grpc/health"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/test/bufconn"

	"github.com/sagebuild/sagebuild/internal/diag"
	"github.com/sagebuild/sagebuild/internal/system"
	"github.com/sagebuild/sagebuild/internal/ui"
)

// engine is BuildKit running in this process, reachable through memory only.
type engine struct {
	root     string
	config   Config
	lock     *flock.Flock
	listener *bufconn.Listener
	control  *controller
	server   *grpc.Server
	cancel   context.CancelFunc
	served   chan error
	restore  func() error // gives back the directory for temporary files
	// wasKilled says that the last run left its databases without a seal.
	wasKilled bool
	// isDamaged says that this run met what no check had seen. Its databases get no seal either.
	isDamaged atomic.Bool
	// built says that a build of this run succeeded. Only then is it known what the run used.
	built atomic.Bool
}

// startEngine runs BuildKit with its state below root.
func startEngine(ctx context.Context, root string, config Config) (_ *engine, err error) {
	if err := requirements(); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(root, 0o700); err != nil {
		return nil, stateError(root, err)
	}
	if err := overlayutils.Supported(root); err != nil {
		return nil, errNoOverlay(root, err)
	}
	lock, err := claim(ctx, root, config)
	if err != nil {
		return nil, err
	}
	wasKilled, err := mend(ctx, root, config.note)
	if err != nil {
		return nil, errors.Join(stateError(root, err), lock.Unlock())
	}
	if room := free(root); room < minFree {
		config.note("only %s is free on the disk of %s, and %s should be", ui.Size(room), root, ui.Size(minFree))
	}
	restore, err := useTemporaries(root)
	if err != nil {
		return nil, errors.Join(stateError(root, err), lock.Unlock())
	}
	e, err := serve(ctx, root, config, lock)
	if err != nil {
		return nil, errors.Join(err, restore(), lock.Unlock())
	}
	e.restore, e.wasKilled = restore, wasKilled
	return e, nil
}

// claim takes the state directory for this process and removes what a killed run left there.
func claim(ctx context.Context, root string, config Config) (*flock.Flock, error) {
	lock, err := lockState(ctx, root, config)
	if err != nil {
		return nil, err
	}
	if err := sweep(ctx, root); err != nil {
		return nil, errors.Join(fmt.Errorf("removing what a killed run left in %s: %w", root, err), lock.Unlock())
	}
	return lock, nil
}

func serve(ctx context.Context, root string, config Config, lock *flock.Flock) (*engine, error) {
	// The listener comes before the controller: once a controller exists its databases are open, and a failing
	// listener would leave them so.
	listener := bufconn.Listen(1 << 20)
	// The caller's cancellation ends builds; the engine itself ends in Close.
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	reserveIn(root).release()
	control, err := startController(ctx, root, config)
	if err != nil {
		cancel()
		return nil, stateError(root, err)
	}
	e := &engine{root: root, config: config, lock: lock, listener: listener, control: control,
		server: newServer(), cancel: cancel, served: make(chan error, 1)}
	control.Register(e.server)
	reserveIn(root).hold()
	go func() { e.served <- e.server.Serve(listener) }()
	return e, nil
}

func newServer() *grpc.Server {
	server := grpc.NewServer(
		grpc.UnaryInterceptor(grpcerrors.UnaryServerInterceptor),
		grpc.StreamInterceptor(grpcerrors.StreamServerInterceptor),
		grpc.MaxRecvMsgSize(defaults.DefaultMaxRecvMsgSize),
		grpc.MaxSendMsgSize(defaults.DefaultMaxSendMsgSize))
	healthv1.RegisterHealthServer(server, health.NewServer())
	return server
}

// succeeded implements ownEngine.
func (e *engine) succeeded() { e.built.Store(true) }

// makeRoom implements ownEngine.
func (e *engine) makeRoom() (freed int64, done func(), err error) {
	reserveIn(e.root).release()
	freed, err = system.RemoveTree(filepath.Join(e.root, damagedDir))
	return freed, reserveIn(e.root).hold, err
}

// dial connects to the engine.
func (e *engine) dial(ctx context.Context) (net.Conn, error) { return e.listener.DialContext(ctx) }

// newClient returns a client of the engine.
func (e *engine) newClient(ctx context.Context, options ...client.ClientOpt) (*client.Client, error) {
	dial := client.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return e.dial(ctx) })
	return client.New(ctx, "unix:///embedded", append(options, dial)...)
}

// close ends every request, waits for its containers, kills those that stay, trims the cache to its limit and gives
// the state directory free.
func (e *engine) close() error {
	e.server.Stop()
	<-e.served
	waitForContainers(e.root, settleTime)
	reserveIn(e.root).release()
	var err error
	if e.built.Load() {
		err = e.control.collect(context.Background(), e.root, e.config.StateLimit, e.config.note)
		err = errors.Join(err, e.control.used.markUsed(e.control.worker.MetadataStore))
	}
	e.cancel()
	err = errors.Join(err, e.control.Close())
	if err == nil && !e.isDamaged.Load() {
		err = seal(e.root)
	}
	reserveIn(e.root).hold()
	return errors.Join(err, sweep(context.Background(), e.root), e.restore(), e.lock.Unlock())
}

// requirements says what this machine lacks for the embedded engine.
func requirements() error {
	if os.Geteuid() != 0 {
		return errNoRoot()
	}
	if _, err := exec.LookPath("runc"); err != nil {
		return errNoRunc()
	}
	return nil
}

// engineRoot is where the engine of a state directory keeps its own state.
func engineRoot(state string) string { return filepath.Join(state, "buildkit") }

func lockPath(root string) string { return filepath.Join(root, "lock") }

// lockState takes the state directory for this process and notes its id, so that whoever is refused can be told whom
// to wait for.
func lockState(ctx context.Context, root string, config Config) (*flock.Flock, error) {
	path := lockPath(root)
	lock := flock.New(path)
	locked, err := lock.TryLock()
	if err == nil && !locked && config.Wait {
		owner, _ := os.ReadFile(path)
		config.note("waiting for process %s, which uses the state directory %s", strings.TrimSpace(string(owner)), root)
		locked, err = lock.TryLockContext(ctx, 100*time.Millisecond)
	}
	switch {
	case ctx.Err() != nil:
		return nil, context.Cause(ctx)
	case err != nil:
		return nil, stateError(root, err)
	case !locked:
		owner, _ := os.ReadFile(path)
		return nil, errLocked(root, string(owner))
	}
	if err := os.WriteFile(path, fmt.Appendln(nil, os.Getpid()), 0o600); err != nil {
		return nil, errors.Join(stateError(root, err), lock.Unlock())
	}
	return lock, nil
}

// errLocked names the process that holds the lock. That process wrote its id into the lock file.
func errLocked(root, owner string) error {
	if owner = strings.TrimSpace(owner); owner == "" {
		return environment(diag.Command("fuser", "-v", lockPath(root)), "the state directory %s is in use by another process", root)
	}
	return environment(diag.Command("ps", "-fp", owner), "the state directory %s is in use by process %s", root, owner)
}
