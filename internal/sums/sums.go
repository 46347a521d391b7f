// Package sums keeps SHA256SUMS files true: it reads and writes them, and publishes files together with their lines.
package sums

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/sagebuild/sagebuild/internal/diag"
	"github.com/sagebuild/sagebuild/internal/digest"
	"github.com/sagebuild/sagebuild/internal/durable"
	"github.com/sagebuild/sagebuild/internal/system"
)

// File is the name of a file with hashes, in the format of sha256sum.
const File = "SHA256SUMS"

// Partial matches the files that a process leaves beside File when it is killed while it writes the next list.
const Partial = "." + File + "-*"

// List maps names of files, with forward slashes, to their SHA-256 in hexadecimal.
type List map[string]string

// sumsLine takes text and binary mode, and names without the characters that sha256sum escapes.
var sumsLine = regexp.MustCompile(`^([0-9a-f]{64}) [ *]([^\\\n\r]+)$`)

// Parse reads a SHA256SUMS file. A name may stand in the file once.
func Parse(text []byte) (List, error) {
	sums := List{}
	for at, line := range strings.Split(strings.TrimSuffix(string(text), "\n"), "\n") {
		if line == "" {
			continue
		}
		match := sumsLine.FindStringSubmatch(line)
		if match == nil || !fs.ValidPath(match[2]) {
			return nil, fmt.Errorf("line %d is no SHA-256 and name", at+1)
		}
		if _, twice := sums[match[2]]; twice {
			return nil, fmt.Errorf("line %d names %s again", at+1, match[2])
		}
		sums[match[2]] = match[1]
	}
	return sums, nil
}

// Text is the file's content, sorted by name.
func (s List) Text() []byte {
	var text bytes.Buffer
	for _, name := range slices.Sorted(maps.Keys(s)) {
		fmt.Fprintf(&text, "%s  %s\n", s[name], name)
	}
	return text.Bytes()
}

// Read reads dir's SHA256SUMS. A directory without the file has no sums.
func Read(dir string) (List, error) {
	path := filepath.Join(dir, File)
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return List{}, nil
	}
	if err != nil {
		return nil, err
	}
	sums, err := Parse(text)
	if err != nil {
		return nil, &diag.Error{Class: diag.Usage, Message: path + " is damaged", Err: err, Hint: diag.Command("rm", path)}
	}
	return sums, nil
}

// Publish moves files into dir, in the order given, each in one step and with its bytes on disk first, and lists them
// in dir's SHA256SUMS. The list says nothing false at any time, even if the process is killed: Publish takes out the
// lines of files that change before it moves the files, and writes the lines again afterwards. Lines of files that
// are gone disappear; lines of other files stay. Processes that publish into one directory wait for each other. A
// power cut leaves dir in one of these states, and keeps what was published before Publish returned. Files must lie
// on dir's file system. Publish returns their lines.
func Publish(dir string, files ...string) (List, error) {
	lock, err := system.Lock(dir)
	if err != nil {
		return nil, err
	}
	defer lock.Close()
	old, err := Read(dir)
	if err != nil {
		return nil, err
	}
	sums := maps.Clone(old)
	maps.DeleteFunc(sums, func(name, _ string) bool { return !isFile(filepath.Join(dir, name)) })
	changed, err := hashAll(files)
	if err != nil {
		return nil, err
	}
	maps.DeleteFunc(sums, func(name, sum string) bool { return changed[name] != "" && changed[name] != sum })
	if err := write(dir, old, sums); err != nil {
		return nil, err
	}
	for _, path := range files {
		if err := move(path, dir); err != nil {
			return nil, err
		}
	}
	if err := durable.Path(dir); err != nil {
		return nil, err
	}
	before := maps.Clone(sums)
	maps.Copy(sums, changed)
	return changed, write(dir, before, sums)
}

func hashAll(files []string) (sums List, err error) {
	sums = List{}
	for _, path := range files {
		name := filepath.Base(path)
		if sums[name], err = digest.File(path); err != nil {
			return nil, err
		}
	}
	return sums, nil
}

// write replaces the list in one step, if the new list differs from the old.
func write(dir string, old, sums List) error {
	if maps.Equal(old, sums) {
		return nil
	}
	file, err := os.CreateTemp(dir, Partial)
	if err != nil {
		return err
	}
	defer os.Remove(file.Name())
	_, err = file.Write(sums.Text())
	if err := errors.Join(err, file.Close()); err != nil {
		return err
	}
	if err := settle(file.Name()); err != nil {
		return err
	}
	if err := os.Rename(file.Name(), filepath.Join(dir, File)); err != nil {
		return err
	}
	return durable.Path(dir)
}

func move(path, dir string) error {
	if err := settle(path); err != nil {
		return err
	}
	return os.Rename(path, filepath.Join(dir, filepath.Base(path)))
}

// settle makes a file readable for all and waits until its bytes are on disk.
func settle(path string) error {
	if err := os.Chmod(path, 0o644); err != nil {
		return err
	}
	file, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer file.Close()
	return durable.Sync(file)
}

func isFile(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular()
}
