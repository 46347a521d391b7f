package wheeltest

import (
	"archive/zip"
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"io/fs"
	"strings"
	"testing"
	"time"
)

// File is a member of a wheel that a test writes.
type File struct {
	Name   string
	Data   []byte
	Mode   fs.FileMode // besides 0644
	Stored bool        // not compressed
}

// Pack makes the zip file of a wheel: the files in their order, as old as zip can say.
func Pack(t testing.TB, comment string, files ...File) []byte {
	t.Helper()
	var buffer bytes.Buffer
	writer := zip.NewWriter(&buffer)
	err := writer.SetComment(comment)
	for _, f := range files {
		if err == nil {
			err = f.write(writer)
		}
	}
	if err == nil {
		err = writer.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	return buffer.Bytes()
}

func (f File) write(writer *zip.Writer) error {
	header := &zip.FileHeader{Name: f.Name, Method: zip.Deflate, Modified: time.Unix(315532800, 0).UTC()}
	if f.Stored {
		header.Method = zip.Store
	}
	header.SetMode(0o644 | f.Mode)
	member, err := writer.CreateHeader(header)
	if err != nil {
		return err
	}
	_, err = member.Write(f.Data)
	return err
}

// Record is the RECORD of a wheel with these files, which lies in its directory of metadata, info.
func Record(info string, files []File) string {
	var text strings.Builder
	for _, f := range files {
		sum := sha256.Sum256(f.Data)
		fmt.Fprintf(&text, "%s,sha256=%s,%d\n", f.Name, base64.RawURLEncoding.EncodeToString(sum[:]), len(f.Data))
	}
	return text.String() + info + "/RECORD,,\n"
}
