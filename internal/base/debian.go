package base

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
)

var errNotFound = exec.ErrNotFound

// undocumented leaves documentation out, of what is extracted and of what dpkg unpacks from here on. Given to
// mmdebstrap as --dpkgopt, the same lines would have it pipe each package that it extracts through a program in Python:
// a quarter of its time. The root is thrown away when the machine fails half way, so that dpkg need not wait for the disk.
const undocumented = `cd "$1" && for directory in doc man info lintian locale; do ` +
	`rm -rf usr/share/$directory/*; echo "path-exclude=/usr/share/$directory/*"; ` +
	`done >etc/dpkg/dpkg.cfg.d/99mmdebstrap && echo force-unsafe-io >>etc/dpkg/dpkg.cfg.d/99mmdebstrap`

// minimal removes files that no build reads: documentation of packages that were unpacked before dpkg could leave it
// out, and the name and resolver of this machine, which BuildKit gives.
const minimal = `cd "$1" && rm -rf etc/resolv.conf etc/hostname var/log/* var/cache/ldconfig/aux-cache ` +
	`usr/share/doc/* usr/share/man/* usr/share/info/* usr/share/lintian/* usr/share/locale/*`

// aptOwned gives apt's directories for downloads to their user, as they are where mmdebstrap works in a place that this
// user can reach. The state directory is root's alone, and mmdebstrap then has apt work as root.
const aptOwned = `chroot "$1" chown _apt:root /var/cache/apt/archives/partial /var/lib/apt/lists/partial`

// mainOnly leaves one frozen suite of the sources that mmdebstrap writes: the suites for updates change from day to
// day.
const mainOnly = `sed -i -e '/-updates/d' -e '/-security/d' "$1/etc/apt/sources.list"`

// inMemory runs a program whose temporary directory is in memory, and in the program's namespace alone, where the machine
// has enough of it. A root is six thousand files that are written, read and removed. On a disk, ext4 leaves the places of
// removed files alone for minutes, and looks at each of them for each file that is made meanwhile. Roots with an emulator
// are larger, and stay there.
const inMemory = `available=$(awk '$1 == "MemAvailable:" { print $2 }' /proc/meminfo); ` +
	`if [ "${available:-0}" -gt 4000000 ]; then mount -t tmpfs -o size=2g,mode=755 tmpfs "$TMPDIR" || true; fi; exec "$0" "$@"`

// bootstrap makes the Debian root of a and returns the path of its tar file.
func (s *Store) bootstrap(ctx context.Context, work string, a *Archive, check pinCheck) (string, error) {
	tar := filepath.Join(work, "base.tar")
	options := []string{
		"--variant=minbase", "--hook-dir=" + mergedUsr,
		"--extract-hook=" + undocumented,
		"--customize-hook=copy-out /var/lib/dpkg/status /var/lib/apt/lists " + shellQuote(work),
		"--customize-hook=" + minimal,
		"--customize-hook=" + aptOwned,
	}
	if err := s.mmdebstrap(ctx, work, a, s.Lock.Architecture, tar, options); err != nil {
		return "", err
	}
	pins, err := installedPins(filepath.Join(work, "status"), filepath.Join(work, "lists"))
	if err != nil {
		return "", err
	}
	return tar, check(pins)
}

// download fetches the packages of a for an architecture, with all that they depend on. It returns the directory of
// the package files, and the pin of each package.
func (s *Store) download(ctx context.Context, work string, a *Archive, architecture string) (string, map[string]Pin, error) {
	debs := filepath.Join(work, "debs")
	if err := os.Mkdir(debs, 0o700); err != nil {
		return "", nil, err
	}
	err := s.mmdebstrap(ctx, work, a, architecture, "/dev/null", []string{
		"--variant=extract", "--format=null",
		`--extract-hook=cp "$1"/var/cache/apt/archives/*.deb ` + shellQuote(debs) + "/",
	})
	if err != nil {
		return "", nil, err
	}
	pins, err := debPins(debs)
	return debs, pins, err
}

// minbase are the packages of mmdebstrap's variant of this name, as apt is asked for them. Its manual: "apt, essential
// packages and packages of priority required".
var minbase = []string{"?essential", "?priority(required)", "apt"}

// mergedUsr has mmdebstrap merge /bin and others into /usr before it unpacks anything. Otherwise the package usrmerge does so
// afterwards, and stays with all of Perl: two thousand files.
const mergedUsr = "/usr/share/mmdebstrap/hooks/merged-usr"

// merged asks apt for what the hook asks it for.
var merged = []string{"usr-is-merged", "usrmerge-"}

// rootPins returns what a root of a would be made of today. The packages are downloaded and not installed, which takes
// most of the time.
func (s *Store) rootPins(ctx context.Context, work string, a *Archive) (map[string]Pin, error) {
	whole := *a
	whole.Include = slices.Concat(minbase, merged, a.Include)
	_, pins, err := s.download(ctx, work, &whole, s.Lock.Architecture)
	return pins, err
}

// mmdebstrap runs it for a's suite and packages. The root that it makes lies below work.
func (s *Store) mmdebstrap(ctx context.Context, work string, a *Archive, architecture, tar string, options []string) error {
	args := append([]string{
		"--mode=root", "--components=main", "--architectures=" + architecture, "--setup-hook=" + mainOnly,
	}, options...)
	for _, name := range a.Include {
		args = append(args, "--include="+name) // each apart: a pattern ends with its option
	}
	args = append(args, a.Suite, tar)
	if s.Mirror != "" {
		args = append(args, s.Mirror)
	}
	temporary := filepath.Join(work, "root")
	if err := os.Mkdir(temporary, 0o755); err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, "mmdebstrap", args...)
	if cmd.Err == nil && a == &s.Lock.Base {
		cmd = exec.CommandContext(ctx, "sh", append([]string{"-c", inMemory, cmd.Path}, args...)...)
	}
	apart(cmd)
	cmd.Env = append(os.Environ(), fmt.Sprintf("SOURCE_DATE_EPOCH=%d", s.Lock.Epoch), "LC_ALL=C.UTF-8", "TMPDIR="+temporary)
	progress := &phases{say: func(phase string) { s.say("%s: %s", layoutOf(work), phase) }}
	return run(ctx, cmd, progress)
}

// phases says what mmdebstrap is at: it is the text of those lines that begin with "I: ".
type phases struct {
	say  func(phase string)
	line []byte // the beginning of one
}

// Write implements io.Writer.
func (p *phases) Write(text []byte) (int, error) {
	p.line = append(p.line, text...)
	for {
		line, rest, whole := bytes.Cut(p.line, []byte("\n"))
		if !whole {
			return len(text), nil
		}
		if phase, found := bytes.CutPrefix(line, []byte("I: ")); found {
			p.say(string(bytes.TrimRight(phase, ".")))
		}
		p.line = rest
	}
}

// run runs mmdebstrap and turns its failure into an error for the user.
func run(ctx context.Context, cmd *exec.Cmd, progress io.Writer) error {
	var output bytes.Buffer
	both := io.MultiWriter(&output, progress)
	cmd.Stdout, cmd.Stderr = both, both
	err := keepingThread(cmd.Run)
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err != nil {
		return toolError("mmdebstrap", "apt-get install --yes mmdebstrap debian-archive-keyring", err, output.Bytes())
	}
	return nil
}

// keepingThread runs a program that is to end with this process: it ends with the thread that started it.
func keepingThread(run func() error) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	return run()
}

func shellQuote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }
