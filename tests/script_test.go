package tests

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"

	"github.com/gofrs/flock"
	"github.com/rogpeppe/go-internal/testscript"

	"github.com/sagebuild/sagebuild/internal/cli"
)

// TestMain makes this test binary answer to the name sagebuild: scripts and tests run the real command line, each time
// as a process of its own. All have the usual umask, whoever started them: a user without rights runs what tests install.
func TestMain(m *testing.M) {
	syscall.Umask(0o022)
	testscript.Main(m, map[string]func(){"sagebuild": func() { os.Exit(cli.Process()) }})
}

// TestScripts runs testdata/script. Scripts find the source tree at $SOURCE and have a state directory of their own.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 filepath.Join("testdata", "script"),
		RequireExplicitExec: true,
		Setup: func(env *testscript.Env) error {
			source, err := filepath.Abs("..")
			env.Setenv("SOURCE", source)
			env.Setenv("SAGEBUILD_STATE", filepath.Join(env.WorkDir, "state"))
			return err
		},
		Condition: func(name string) (bool, error) { return name == "root" && os.Geteuid() == 0, nil },
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits":    exits,
			"asnobody": asNobody,
			"lock":     lock,
			"isjson":   isJSON,
		},
	})
}

// exits runs a command and wants this exit code: exits 2 sagebuild bake nothing
func exits(ts *testscript.TestScript, neg bool, args []string) {
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	checkExit(ts, neg, want, ts.Exec(args[1], args[2:]...))
}

func checkExit(ts *testscript.TestScript, neg bool, want int, err error) {
	got := 0
	if exit, ok := err.(*exec.ExitError); ok {
		got = exit.ExitCode()
	} else if err != nil {
		ts.Fatalf("%v", err)
	}
	if (got == want) == neg {
		ts.Fatalf("exit code is %d, want %d (negated: %v)", got, want, neg)
	}
}

// asnobody is exits for a user without rights: asnobody 3 bake default. It runs sagebuild and writes its standard
// error to the file stderr.txt.
func asNobody(ts *testscript.TestScript, neg bool, args []string) {
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	dir, err := os.MkdirTemp("", "sagebuild-nobody-")
	ts.Check(err)
	defer os.RemoveAll(dir)
	ts.Check(os.Chmod(dir, 0o777))
	binary := filepath.Join(dir, "sagebuild")
	ts.Check(copyExecutable(binary))
	said, err := os.Create(ts.MkAbs("stderr.txt"))
	ts.Check(err)
	defer said.Close()
	cmd := exec.Command(binary, args[1:]...)
	cmd.Dir, cmd.Stderr = dir, said
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "SAGEBUILD_STATE=" + filepath.Join(dir, "state")}
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	checkExit(ts, neg, want, cmd.Run())
}

func copyExecutable(to string) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	from, err := os.Open(self)
	if err != nil {
		return err
	}
	defer from.Close()
	file, err := os.OpenFile(to, os.O_CREATE|os.O_WRONLY, 0o755)
	if err != nil {
		return err
	}
	if _, err := io.Copy(file, from); err != nil {
		return err
	}
	return file.Close()
}

// lock holds a lock file until the script ends, as a running sagebuild would: lock state/buildkit/lock
func lock(ts *testscript.TestScript, _ bool, args []string) {
	held, err := hold(ts.MkAbs(args[0]))
	ts.Check(err)
	ts.Defer(func() { _ = held.Unlock() })
}

// hold makes a lock file and locks it.
func hold(path string) (*flock.Flock, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, err
	}
	held := flock.New(path)
	ok, err := held.TryLock()
	if err == nil && !ok {
		err = fmt.Errorf("%s is locked already", path)
	}
	return held, err
}
