package main

import (
	"archive/zip"
	"bytes"
	"compress/flate"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"

	"github.com/sagebuild/sagebuild/internal/wheel"
	"github.com/sagebuild/sagebuild/internal/wheel/finding"
)

//go:embed main.py
var mainModule []byte

// member is a file of the wheel.
type member struct {
	name    string
	content []byte
	mode    fs.FileMode
}

// epoch is the time of all members: the first that zip can say, as in all wheels of the project.
var epoch = time.Date(1980, 1, 1, 0, 0, 0, 0, time.UTC)

// pack returns the wheel's file name and bytes. Installers copy what lies below .data/scripts to where programs are.
func pack(b binary, licenses string) (string, []byte, error) {
	own, err := os.ReadFile("LICENSE")
	if err != nil {
		return "", nil, err
	}
	base := "sagebuild-" + b.version
	info := base + ".dist-info/"
	members := []member{
		{base + ".data/scripts/" + b.file(), b.content, 0o755},
		{"sagebuild/__main__.py", mainModule, 0o644},
		{info + "licenses/LICENSE", own, 0o644},
		{info + "licenses/" + thirdPartyFile, []byte(licenses), 0o644},
		{info + "METADATA", []byte(metadata(b)), 0o644},
		{info + "WHEEL", []byte(wheelFile(b)), 0o644},
	}
	members = append(members, member{info + "RECORD", record(members, info+"RECORD"), 0o644})
	content, err := archive(members)
	return base + "-py3-none-" + b.tags + ".whl", content, err
}

// record is RECORD: the hash and the size of every member but itself.
func record(members []member, self string) []byte {
	var text bytes.Buffer
	for _, m := range members {
		sum := sha256.Sum256(m.content)
		fmt.Fprintf(&text, "%s,sha256=%s,%d\n", m.name, base64.RawURLEncoding.EncodeToString(sum[:]), len(m.content))
	}
	fmt.Fprintf(&text, "%s,,\n", self)
	return text.Bytes()
}

func archive(members []member) ([]byte, error) {
	var content bytes.Buffer
	zipped := zip.NewWriter(&content)
	zipped.RegisterCompressor(zip.Deflate, func(w io.Writer) (io.WriteCloser, error) {
		return flate.NewWriter(w, flate.BestCompression)
	})
	for _, m := range members {
		header := &zip.FileHeader{Name: m.name, Method: zip.Deflate, Modified: epoch}
		header.SetMode(m.mode)
		w, err := zipped.CreateHeader(header)
		if err != nil {
			return nil, err
		}
		if _, err := w.Write(m.content); err != nil {
			return nil, err
		}
	}
	err := zipped.Close()
	return content.Bytes(), err
}

// check reads a wheel as sagebuild reads anybody's.
func check(path string) error {
	w, err := wheel.Open(path)
	if err != nil {
		return err
	}
	var wrong []error
	for _, problem := range w.Problems {
		if problem.Severity == finding.Error {
			wrong = append(wrong, errors.New(problem.String()))
		}
	}
	return errors.Join(wrong...)
}
