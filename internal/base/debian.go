package base

import (
	"bytes"
	"context"
	_ "embed"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/sagebuild/sagebuild/internal/diag"
)

var errNotFound = exec.ErrNotFound

// finish is the script that makes a root of what packages hold.
//
//go:embed finish.sh
var finish []byte

// mergedUsr makes /bin and others links into /usr before packages are extracted: some hold files below one name, some
// below the other.
const mergedUsr = `for name in bin lib lib64 sbin; do mkdir -p "$1/usr/$name" && ln -s "usr/$name" "$1/$name"; done`

// mainOnly leaves one frozen suite of the sources that mmdebstrap writes: the suites for updates change from day to
// day.
const mainOnly = `sed -i -e '/-updates/d' -e '/-security/d' "$1/etc/apt/sources.list"`

// inMemory runs a program whose temporary directory is in memory, and in the program's namespace alone, where the machine
// has enough of it. A root is two thousand files that are written, read and removed. On a disk, ext4 leaves the places of
// removed files alone for minutes, and looks at each of them for each file that is made meanwhile. Roots with an emulator
// are larger, and stay there.
const inMemory = `available=$(awk '$1 == "MemAvailable:" { print $2 }' /proc/meminfo); ` +
	`if [ "${available:-0}" -gt 4000000 ]; then mount -t tmpfs -o size=2g,mode=755 tmpfs "$TMPDIR" || true; fi; exec "$0" "$@"`

// bootstrap makes the Debian root of a and returns the path of its tar file. Its packages are extracted and not
// installed, which takes most of the time: a build needs little of what their scripts do, and finish does that.
func (s *Store) bootstrap(ctx context.Context, work string, a *Archive, check pinCheck) (string, error) {
	script, tar := filepath.Join(work, "finish.sh"), filepath.Join(work, "base.tar")
	if err := os.WriteFile(script, finish, 0o600); err != nil {
		return "", err
	}
	_, pins, err := s.extract(ctx, work, a, s.Lock.Architecture, tar,
		"--setup-hook="+mergedUsr, "--extract-hook=sh "+diag.Quote(script)+` "$1"`)
	if err != nil {
		return "", err
	}
	return tar, check(pins)
}

// download fetches the packages of a for an architecture, with all that they depend on. It returns the directory of
// the package files, and the pin of each package.
func (s *Store) download(ctx context.Context, work string, a *Archive, architecture string) (string, map[string]Pin, error) {
	return s.extract(ctx, work, a, architecture, "/dev/null", "--format=null")
}

// extract is download that makes a tar file of what the packages hold as well.
func (s *Store) extract(ctx context.Context, work string, a *Archive, architecture, tar string, options ...string) (string, map[string]Pin, error) {
	debs := filepath.Join(work, "debs")
	if err := os.Mkdir(debs, 0o700); err != nil {
		return "", nil, err
	}
	options = append(options, `--extract-hook=mv "$1"/var/cache/apt/archives/*.deb `+diag.Quote(debs)+"/")
	if err := s.mmdebstrap(ctx, work, a, architecture, tar, options); err != nil {
		return "", nil, err
	}
	pins, err := debPins(debs)
	return debs, pins, err
}

// mmdebstrap runs it for a's suite and packages. The root that it makes lies below work.
func (s *Store) mmdebstrap(ctx context.Context, work string, a *Archive, architecture, tar string, options []string) error {
	args := append([]string{
		"--mode=root", "--variant=extract", "--components=main", "--architectures=" + architecture, "--setup-hook=" + mainOnly,
	}, options...)
	args = append(args, "--include="+strings.Join(a.Include, ","), a.Suite, tar)
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
