package index

import (
	"archive/tar"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/sagebuild/sagebuild/internal/digest"
	"github.com/sagebuild/sagebuild/internal/wheel"
)

// sdistName is the file name of an sdist (PEP 625): a normalised project name and a version.
var sdistName = regexp.MustCompile(`^([a-z0-9]+(?:_[a-z0-9]+)*)-([A-Za-z0-9.+!]+)\.tar\.gz$`)

// IsSdist reports whether the file is an sdist; the others are wheels.
func (e Entry) IsSdist() bool { return strings.HasSuffix(e.Filename, ".tar.gz") }

// sdistLimit bounds what may be unpacked before PKG-INFO is found.
const sdistLimit = 256 << 20

// InspectSdist reads PKG-INFO of an sdist, which must name the project and the version of the file name. An sdist that
// contradicts itself is an error of class diag.Mismatch.
func InspectSdist(file string) (Entry, error) {
	name := filepath.Base(file)
	parts := sdistName.FindStringSubmatch(name)
	if parts == nil {
		return Entry{}, refused(file, fmt.Errorf("its name is not PROJECT-VERSION.tar.gz as PEP 625 wants it"))
	}
	information, err := packageInformation(file, strings.TrimSuffix(name, ".tar.gz")+"/PKG-INFO")
	if err != nil {
		return Entry{}, refused(file, err)
	}
	metadata, err := wheel.ParseMetadata(information)
	if err != nil {
		return Entry{}, refused(file, err)
	}
	e := Entry{
		Filename: name, Project: wheel.NormalizeName(metadata.Name), Version: metadata.Version,
		RequiresPython: metadata.RequiresPython, RequiresDist: metadata.RequiresDist,
	}
	if err := e.checkSdist(); err != nil {
		return Entry{}, refused(file, err)
	}
	stat, err := os.Stat(file)
	if err != nil {
		return Entry{}, err
	}
	e.Size = stat.Size()
	e.SHA256, err = digest.File(file)
	return e, err
}

// checkSdist holds the file name against the project and the version.
func (e *Entry) checkSdist() error {
	parts := sdistName.FindStringSubmatch(e.Filename)
	if parts == nil || wheel.NormalizeName(parts[1]) != e.Project || parts[2] != e.Version {
		return fmt.Errorf("%s is not the name of %s %s", e.Filename, e.Project, e.Version)
	}
	return nil
}

// packageInformation reads one member of a compressed tar file.
func packageInformation(file, member string) ([]byte, error) {
	f, _, err := wheel.OpenFile(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	unpacked, err := gzip.NewReader(f)
	if err != nil {
		return nil, err
	}
	archive := tar.NewReader(io.LimitReader(unpacked, sdistLimit))
	for {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return nil, fmt.Errorf("it has no %s", member)
		}
		if err != nil {
			return nil, err
		}
		if header.Name != member {
			continue
		}
		if header.Size > metadataLimit {
			return nil, fmt.Errorf("%s is larger than %d bytes", member, metadataLimit)
		}
		return io.ReadAll(archive)
	}
}
