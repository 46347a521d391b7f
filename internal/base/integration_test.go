package base

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/v1/layout"

	"github.com/sagebuild/sagebuild/internal/diag"
	"github.com/sagebuild/sagebuild/matrix"
)

const lockPath = "../../lock/system.hcl"

// newStore skips where nothing can be bootstrapped.
func newStore(t *testing.T) (*Store, *bytes.Buffer) {
	t.Helper()
	if testing.Short() {
		t.Skip("-short: bootstrapping needs the network and a minute")
	}
	if os.Geteuid() != 0 {
		t.Skip("not root")
	}
	if _, err := exec.LookPath("mmdebstrap"); err != nil {
		t.Skip("no mmdebstrap")
	}
	lock, err := ReadLock(lockPath)
	if err != nil {
		t.Fatal(err)
	}
	progress := &bytes.Buffer{}
	return &Store{State: t.TempDir(), Lock: lock, Progress: progress, Mirror: os.Getenv(MirrorVariable)}, progress
}

// unpack puts a layout's layer below root.
func unpack(t *testing.T, l Layout, root string) {
	t.Helper()
	index, err := layout.ImageIndexFromPath(l.Dir)
	if err != nil {
		t.Fatal(err)
	}
	manifest, err := index.IndexManifest()
	if err != nil {
		t.Fatal(err)
	}
	image, err := index.Image(manifest.Manifests[0].Digest)
	if err != nil {
		t.Fatal(err)
	}
	layers, err := image.Layers()
	if err != nil || len(layers) != 1 {
		t.Fatalf("image has %d layers, want one: %v", len(layers), err)
	}
	content, err := layers[0].Uncompressed()
	if err != nil {
		t.Fatal(err)
	}
	defer content.Close()
	tar := exec.Command("tar", "--extract", "--preserve-permissions", "--directory", root)
	tar.Stdin = content
	if out, err := tar.CombinedOutput(); err != nil {
		t.Fatalf("tar: %v: %s", err, out)
	}
}

func command(t *testing.T, name string, args ...string) string {
	t.Helper()
	out, err := exec.Command(name, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v: %s", name, strings.Join(args, " "), err, out)
	}
	return strings.TrimSpace(string(out))
}

// inRoot runs a program in root. It gets a /proc, without which the loader does not find libraries relative to a
// program.
func inRoot(t *testing.T, root string, args ...string) string {
	t.Helper()
	script := `mount -t proc proc "$0/proc" && exec chroot "$0" "$@"`
	return command(t, "unshare", append([]string{"--mount", "sh", "-c", script, root}, args...)...)
}

// importAll fails when an extension module or its library is missing, and prints where packages go.
const importAll = `
import asyncio, bz2, ctypes, curses, decimal, hashlib, lzma, multiprocessing, readline, site, sqlite3, ssl, sys, sysconfig, uuid, zlib
assert hashlib.sha256(b"").hexdigest().startswith("e3b0c442")
assert ctypes.CDLL(None).getpid() > 0
assert sqlite3.connect(":memory:").execute("select 6 * 7").fetchone() == (42,)
assert lzma.decompress(lzma.compress(b"x")) == bz2.decompress(bz2.compress(b"x")) == zlib.decompress(zlib.compress(b"x"))
assert ssl.create_default_context().check_hostname and decimal.Decimal("0.1") * 3 == decimal.Decimal("0.3")
purelib = sysconfig.get_path("purelib")
assert purelib in site.getsitepackages(), (purelib, site.getsitepackages())
if sys.version_info < (3, 10):
    from distutils.sysconfig import get_python_lib
    assert get_python_lib() == purelib, get_python_lib()
print(purelib)
`

func TestInterpretersRunOnTheBase(t *testing.T) {
	store, progress := newStore(t)
	t.Parallel()
	base, err := store.Base(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	unpacked := t.TempDir()
	unpack(t, base, unpacked)
	for _, version := range []string{"3.9", "3.10", "3.11", "3.12", "3.13"} {
		t.Run(version, func(t *testing.T) {
			python, err := store.Python(t.Context(), matrix.MustVersion(version))
			if err != nil {
				t.Fatal(err)
			}
			root := filepath.Join(t.TempDir(), "root")
			command(t, "cp", "--archive", "--link", unpacked, root) // what is written there later are other files
			unpack(t, python, root)
			inRoot(t, root, "ldconfig")
			want := "/usr/local/lib/python" + version + "/site-packages"
			if got := inRoot(t, root, "python"+version, "-c", importAll); got != want {
				t.Errorf("packages go to %s, want %s", got, want)
			}
			if got := inRoot(t, root, "python3", "--version"); !strings.HasPrefix(got, "Python "+version+".") {
				t.Errorf("python3 is %s, want %s", got, version)
			}
		})
	}
	checkBase(t, unpacked)
	checkCached(t, store, progress, base)
	checkSameBytes(t, store, base)
}

// checkFinished fails when a root lacks what scripts of its packages would have made: users, certificates, bytecode.
const checkFinished = `
import json, os, pwd, ssl
assert pwd.getpwuid(0).pw_name == "root"
assert len(ssl.create_default_context().get_ca_certs()) > 100
assert os.path.exists(json.__cached__)
`

func checkBase(t *testing.T, root string) {
	t.Helper()
	inRoot(t, root, "/usr/bin/python3", "-c", checkFinished)
	if got := inRoot(t, root, "sh", "-c", "dpkg-query --show python3 zlib1g 2>/dev/null"); !strings.Contains(got, "zlib1g\t1:1.2") {
		t.Errorf("dpkg lists %q, want zlib1g with its epoch", got)
	}
	inRoot(t, root, "sh", "-c", "PYTHONPATH=$(echo /usr/share/python-wheels/pip-*.whl) python3 -m pip --version")
	for _, leaked := range []string{"etc/resolv.conf", "etc/hostname", "etc/apt/sources.list"} {
		if _, err := os.Lstat(filepath.Join(root, leaked)); !os.IsNotExist(err) {
			t.Errorf("the base holds /%s of the machine that made it", leaked)
		}
	}
}

func checkCached(t *testing.T, store *Store, progress *bytes.Buffer, base Layout) {
	t.Helper()
	progress.Reset()
	again, err := store.Base(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if again != base || progress.Len() > 0 {
		t.Errorf("a second request gave %v and said %q, want %v and nothing", again, progress, base)
	}
	left, err := filepath.Glob(filepath.Join(store.State, "bases", "*-work"))
	if err != nil || len(left) > 0 {
		t.Errorf("working directories are left: %v (%v)", left, err)
	}
}

// checkSameBytes compares the base with that of another run from the same lock: the one in the state that make test
// bakes in, or one that is made for this.
func checkSameBytes(t *testing.T, store *Store, base Layout) {
	t.Helper()
	other, err := readLayout(filepath.Join(os.Getenv("SAGEBUILD_TEST_STATE"), "bases", filepath.Base(base.Dir)))
	if err != nil {
		store.State = t.TempDir()
		if other, err = store.Base(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if other.Digest != base.Digest {
		t.Errorf("two bootstraps from one lock gave %s and %s (in %s)", base.Digest, other.Digest, other.Dir)
	}
}

func TestUpdateKeepsWhatDidNotChange(t *testing.T) {
	store, _ := newStore(t)
	t.Parallel()
	// One interpreter of each kind is enough, and the emulator that comes with a platform's libraries.
	store.Lock.Pythons = slices.DeleteFunc(store.Lock.Pythons, func(p Python) bool { return p.Version != "3.9" && p.Version != "3.12" })
	store.Lock.Platforms = slices.DeleteFunc(store.Lock.Platforms, func(p Platform) bool { return p.Libraries == nil })
	for i := range store.Lock.Platforms {
		p := &store.Lock.Platforms[i]
		p.Pythons = slices.DeleteFunc(p.Pythons, func(p Python) bool { return p.Version != "3.12" })
	}
	text, err := store.UpdateLock(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(text, store.Lock.text) {
		t.Errorf("the archive has changed since the lock was written; run: sagebuild lock")
	}
}

func TestChangedPackageIsRefused(t *testing.T) {
	store, _ := newStore(t)
	t.Parallel()
	python, err := store.Lock.python(matrix.MustVersion("3.9"))
	if err != nil {
		t.Fatal(err)
	}
	python.Debian.Packages["libffi7"] = "3.3-6 sha256:" + strings.Repeat("0", 64)
	_, err = store.Python(t.Context(), matrix.MustVersion("3.9"))
	if err == nil || !strings.Contains(err.Error(), "1 package of bullseye not as locked") || !strings.Contains(err.Error(), lockPath) {
		t.Errorf("a package with another hash gave %v", err)
	}
	left, _ := filepath.Glob(filepath.Join(store.State, "bases", "python*[^k]"))
	if len(left) > 0 {
		t.Errorf("a refused interpreter is kept: %v", left)
	}
}

func TestUnreachableMirror(t *testing.T) {
	store, _ := newStore(t)
	t.Parallel()
	store.Mirror = "http://127.0.0.1:1/debian"
	_, err := store.Base(t.Context())
	var e *diag.Error
	if !errors.As(err, &e) || e.Class != diag.Environment || e.Hint == "" || !strings.Contains(err.Error(), "127.0.0.1:1") || strings.Contains(err.Error(), "\n") {
		t.Errorf("error is %v, want one line that names the mirror, and a hint", err)
	}
}

func TestCancelledBootstrapLeavesNothing(t *testing.T) {
	store, _ := newStore(t)
	t.Setenv("TMPDIR", t.TempDir())
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() {
		_, err := store.Base(ctx)
		ended <- err
	}()
	for len(rootsBelow(store.State)) == 0 {
		select {
		case err := <-ended:
			t.Fatalf("ended before it was cancelled: %v", err)
		case <-time.After(10 * time.Millisecond):
		}
	}
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("error is %v, want that it was cancelled", err)
	}
	if left := rootsBelow(store.State); len(left) > 0 {
		t.Errorf("these still run: %v", left)
	}
	for _, pattern := range []string{filepath.Join(os.Getenv("TMPDIR"), "*"), filepath.Join(store.State, "bases", "*-*")} {
		if left, _ := filepath.Glob(pattern); len(left) > 0 {
			t.Errorf("left behind: %v", left)
		}
	}
}
