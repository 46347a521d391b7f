package index

import (
	"archive/zip"
	"bytes"
	"fmt"
	"os"
	"path/filepath"
)

// writeStubs makes an index with an empty wheel for each version of a project: the choice of an installer does not
// depend on the gigabytes inside torch.
func writeStubs(dir, project string, versions []string) error {
	to := filepath.Join(dir, project)
	if err := os.MkdirAll(to, 0o755); err != nil {
		return err
	}
	var page bytes.Buffer
	for _, version := range versions {
		name, text, err := stubWheel(project, version)
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(to, name), text, 0o644); err != nil {
			return err
		}
		fmt.Fprintf(&page, "<a href=\"%s\">%s</a><br>\n", name, name)
	}
	return os.WriteFile(filepath.Join(to, "index.html"), page.Bytes(), 0o644)
}

func stubWheel(project, version string) (name string, text []byte, err error) {
	info := project + "-" + version + ".dist-info/"
	files := [][2]string{
		{info + "METADATA", fmt.Sprintf("Metadata-Version: 2.1\nName: %s\nVersion: %s\n", project, version)},
		{info + "WHEEL", "Wheel-Version: 1.0\nGenerator: sagebuild\nRoot-Is-Purelib: true\nTag: py3-none-any\n"},
		{info + "RECORD", info + "METADATA,,\n" + info + "WHEEL,,\n" + info + "RECORD,,\n"},
	}
	var buffer bytes.Buffer
	archive := zip.NewWriter(&buffer)
	for _, file := range files {
		w, err := archive.Create(file[0])
		if err != nil {
			return "", nil, err
		}
		if _, err := w.Write([]byte(file[1])); err != nil {
			return "", nil, err
		}
	}
	if err := archive.Close(); err != nil {
		return "", nil, err
	}
	return project + "-" + version + "-py3-none-any.whl", buffer.Bytes(), nil
}
